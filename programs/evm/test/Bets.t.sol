// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Bets} from "../src/Bets.sol";
import {Escrow} from "../src/Escrow.sol";
import {Test, Vm} from "./Test.sol";
import {
    BlockingToken,
    BonusToken,
    FalseToken,
    FeeToken,
    HookToken,
    ITransferHook,
    PlainToken,
    SilentToken
} from "./tokens/HostileTokens.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title Bets by the numbers of programs/SPEC.md.
contract BetsTest is Test {
    uint40 private constant START = 1_800_000_000;
    uint40 private constant CLOSE = START + 1 days;
    uint40 private constant RESOLVE_BY = CLOSE + 1 days;
    uint256 private constant YEAR = 366 days;
    uint256 private constant KEY = 0xA11CE;
    uint120 private constant ALL = type(uint120).max;

    address private immutable ALICE = vm.addr(KEY);
    address private constant BOB = address(0xB0B);
    address private constant CAROL = address(0xCA401);
    address private constant ORACLE = address(0x04AC1E);
    address private constant TREASURY = address(0x74EA);

    Bets private bets;
    TestToken private token;

    function setUp() external {
        vm.warp(START);
        bets = new Bets();
        token = new TestToken();
        fund(address(token), ALICE);
        fund(address(token), BOB);
        fund(address(token), CAROL);
    }

    // ── open

    function test_B1_open_stores_counts_and_emits() external {
        Bets.Terms memory t = terms();
        bytes32 id = bets.marketId(ALICE, 0);
        vm.recordLogs();
        vm.prank(ALICE);
        vm.assertEq(bets.open(t), id);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
        vm.assertEq(logs[0].topics.length, 3);
        vm.assertEq(logs[0].topics[0], Bets.MarketOpened.selector);
        vm.assertEq(logs[0].topics[1], id);
        vm.assertEq(logs[0].topics[2], bytes32(uint256(uint160(ALICE))));
        // The fields in a row, as a struct's encoding without the word before it.
        Bets.OpenedData memory data = Bets.OpenedData({
            seq: 1,
            nonce: 0,
            resolver: ORACLE,
            token: address(token),
            subject: "subject",
            question: "question",
            outcomeCount: 3,
            closeAt: CLOSE,
            resolveBy: RESOLVE_BY,
            feeBps: 250,
            feeRecipient: TREASURY,
            statusAfter: Bets.Status.Open,
            cid: "bafy",
            title: "title"
        });
        vm.assertEq(bytes.concat(bytes32(uint256(32)), logs[0].data), abi.encode(data));

        Bets.Market memory m = bets.getMarket(id);
        vm.assertEq(m.creator, ALICE);
        vm.assertEq(m.nonce, 0);
        vm.assertEq(m.resolver, ORACLE);
        vm.assertEq(m.token, address(token));
        vm.assertEq(m.feeRecipient, TREASURY);
        vm.assertEq(m.subject, "subject");
        vm.assertEq(m.question, "question");
        vm.assertEq(m.outcomeCount, 3);
        vm.assertEq(m.closeAt, CLOSE);
        vm.assertEq(m.resolveBy, RESOLVE_BY);
        vm.assertEq(m.feeBps, 250);
        vm.assertEq(m.seq, 1);
        vm.assertEq(bets.marketCount(), 1);
        vm.assertEq(bets.nonces(ALICE), 1);
    }

    function test_G3_id_holds_chain_contract_creator_and_nonce() external {
        bytes32 first = open(terms());
        bytes32 second = open(terms());
        vm.assertEq(first, keccak256(abi.encode(block.chainid, address(bets), ALICE, 0)));
        vm.assertEq(second, keccak256(abi.encode(block.chainid, address(bets), ALICE, 1)));
        vm.assertTrue(new Bets().marketId(ALICE, 0) != first, "other contract");
        vm.assertTrue(bets.marketId(BOB, 0) != first, "other creator");
        vm.chainId(999);
        vm.assertTrue(bets.marketId(ALICE, 0) != first, "other chain");
        vm.assertEq(bets.marketCount(), 2);
    }

    function test_B2_outcome_count_is_2_to_16() external {
        Bets.Terms memory t = terms();
        t.outcomeCount = 1;
        refuseOpen(t, Bets.InvalidOutcomeCount.selector);
        t.outcomeCount = 17;
        refuseOpen(t, Bets.InvalidOutcomeCount.selector);
        t.outcomeCount = 2;
        open(t);
        t.outcomeCount = 16;
        open(t);
    }

    function test_B2_fee_is_at_most_a_tenth() external {
        Bets.Terms memory t = terms();
        t.feeBps = 1001;
        refuseOpen(t, Bets.FeeTooHigh.selector);
        t.feeBps = 1000;
        open(t);
    }

    function test_B3_close_is_within_a_year_from_now() external {
        Bets.Terms memory t = terms();
        t.closeAt = START;
        refuseOpen(t, Bets.InvalidCloseTime.selector);
        t.closeAt = uint40(START + YEAR + 1);
        t.resolveBy = t.closeAt + 1;
        refuseOpen(t, Bets.InvalidCloseTime.selector);
        t.closeAt = uint40(START + YEAR);
        open(t);
        t.closeAt = START + 1;
        t.resolveBy = START + 2;
        open(t);
    }

    function test_B4_resolve_deadline_is_within_a_year_from_close() external {
        Bets.Terms memory t = terms();
        t.resolveBy = CLOSE;
        refuseOpen(t, Bets.InvalidResolveTime.selector);
        t.resolveBy = uint40(CLOSE + YEAR + 1);
        refuseOpen(t, Bets.InvalidResolveTime.selector);
        t.resolveBy = type(uint40).max;
        refuseOpen(t, Bets.InvalidResolveTime.selector);
        t.resolveBy = uint40(CLOSE + YEAR);
        open(t);
    }

    function test_B5_resolver_and_fee_recipient_are_set() external {
        Bets.Terms memory t = terms();
        t.resolver = address(0);
        refuseOpen(t, Bets.ZeroAddress.selector);
        t = terms();
        t.feeRecipient = address(0);
        refuseOpen(t, Bets.ZeroAddress.selector);
    }

    function test_B5_texts_are_at_most_700_bytes_together() external {
        Bets.Terms memory t = terms();
        t.cid = string(new bytes(600));
        t.title = string(new bytes(101));
        refuseOpen(t, Bets.TextTooLong.selector);
        t.title = string(new bytes(100));
        open(t);
    }

    function test_B5_token_has_code() external {
        Bets.Terms memory t = terms();
        t.token = BOB;
        refuseOpen(t, Escrow.InvalidToken.selector);
    }

    // ── place

    function test_B6_places_only_while_open() external {
        bytes32 id = voided();
        refusePlace(id, ALICE, 0, 1, Bets.MarketNotOpen.selector);
    }

    function test_B6_places_only_before_close() external {
        bytes32 id = open(terms());
        vm.warp(CLOSE);
        refusePlace(id, ALICE, 0, 1, Bets.BettingClosed.selector);
        vm.warp(CLOSE - 1);
        place(id, ALICE, 0, 1);
    }

    function test_B7_outcome_exists_and_amount_is_positive() external {
        bytes32 id = open(terms());
        refusePlace(id, ALICE, 3, 1, Bets.InvalidOutcome.selector);
        refusePlace(id, ALICE, 2, 0, Bets.ZeroAmount.selector);
        place(id, ALICE, 2, 1);
    }

    function test_B8_place_moves_adds_and_emits() external {
        bytes32 id = open(terms());
        place(id, BOB, 1, 5);
        place(id, ALICE, 2, 7);
        uint256 had = token.balanceOf(ALICE);
        vm.expectEmit();
        emit Bets.BetPlaced(id, 4, ALICE, ALICE, 1, 10, 10, 15, 22);
        place(id, ALICE, 1, 10);
        vm.expectEmit();
        emit Bets.BetPlaced(id, 5, ALICE, ALICE, 1, 3, 13, 18, 25);
        place(id, ALICE, 1, 3);

        vm.assertEq(token.balanceOf(ALICE), had - 13);
        vm.assertEq(token.balanceOf(address(bets)), 25);
        Bets.Market memory m = bets.getMarket(id);
        vm.assertEq(m.total, 25);
        vm.assertEq(m.pools[0], 0);
        vm.assertEq(m.pools[1], 18);
        vm.assertEq(m.pools[2], 7);
        vm.assertEq(m.positions, 3);
        vm.assertEq(bets.getPosition(id, ALICE, 1).stake, 13);
    }

    function test_B8_sum_past_the_type_is_overflow() external {
        bytes32 id = open(terms());
        place(id, ALICE, 0, ALL - 1);
        refusePlace(id, BOB, 1, 2, Bets.Overflow.selector);
        place(id, BOB, 1, 1);
        refusePlace(id, BOB, 1, 1, Bets.Overflow.selector);
        refusePlace(id, BOB, 1, ALL, Bets.Overflow.selector);
    }

    function test_B8_last_outcome_of_sixteen_has_its_pool() external {
        Bets.Terms memory t = terms();
        t.outcomeCount = 16;
        bytes32 id = open(t);
        place(id, ALICE, 15, 9);
        place(id, BOB, 14, 4);
        vm.assertEq(bets.getMarket(id).pools[15], 9);
        vm.assertEq(bets.getMarket(id).pools[14], 4);
    }

    function test_B19_permit_stands_in_for_the_allowance() external {
        bytes32 id = open(terms());
        vm.prank(ALICE);
        token.approve(address(bets), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(50);
        vm.prank(ALICE);
        bets.placeWithPermit(id, 1, 50, START + 1, v, r, s);
        vm.assertEq(bets.getPosition(id, ALICE, 1).stake, 50);
    }

    function test_B19_permit_used_by_another_first_is_no_harm() external {
        bytes32 id = open(terms());
        (uint8 v, bytes32 r, bytes32 s) = permit(50);
        token.permit(ALICE, address(bets), 50, START + 1, v, r, s);
        vm.prank(ALICE);
        bets.placeWithPermit(id, 1, 50, START + 1, v, r, s);
        vm.assertEq(bets.getPosition(id, ALICE, 1).stake, 50);
    }

    function test_B19_bad_permit_without_allowance_is_refused() external {
        bytes32 id = open(terms());
        vm.prank(ALICE);
        token.approve(address(bets), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(50);
        vm.expectRevert();
        vm.prank(ALICE);
        bets.placeWithPermit(id, 1, 51, START + 1, v, r, s);
    }

    function test_B18_permit_for_no_market() external {
        vm.expectRevert(Bets.MarketNotFound.selector);
        bets.placeWithPermit("none", 1, 50, START + 1, 27, 0, 0);
    }

    // ── resolve

    function test_B9_only_the_resolver_names_the_outcome() external {
        bytes32 id = played();
        vm.warp(CLOSE);
        refuseResolve(id, ALICE, 1, Bets.NotResolver.selector);
        resolve(id, 1);
    }

    function test_B9_outcome_is_named_once() external {
        bytes32 id = resolved();
        refuseResolve(id, ORACLE, 1, Bets.MarketNotOpen.selector);
    }

    function test_B9_outcome_is_named_from_close_to_deadline() external {
        bytes32 id = played();
        vm.warp(CLOSE - 1);
        refuseResolve(id, ORACLE, 1, Bets.TooEarly.selector);
        vm.warp(RESOLVE_BY + 1);
        refuseResolve(id, ORACLE, 1, Bets.TooLate.selector);
        vm.warp(RESOLVE_BY);
        resolve(id, 1);
    }

    function test_B9_outcome_exists() external {
        bytes32 id = played();
        vm.warp(CLOSE);
        refuseResolve(id, ORACLE, 3, Bets.InvalidOutcome.selector);
    }

    function test_B10_resolve_fixes_fee_and_net() external {
        bytes32 id = played();
        vm.warp(CLOSE);
        vm.expectEmit();
        // 301 lost × 250 / 10,000 = 7.525
        emit Bets.MarketResolved(id, 5, ORACLE, 1, 300, 7, 594, Bets.Status.Resolved);
        resolve(id, 1);
        Bets.Market memory m = bets.getMarket(id);
        vm.assertEq(uint256(m.status), 1);
        vm.assertEq(m.outcome, 1);
        vm.assertEq(m.winningPool, 300);
        vm.assertEq(m.fee, 7);
        vm.assertEq(m.net, 594);
    }

    function test_B11_empty_winning_pool_voids() external {
        bytes32 id = played();
        vm.warp(CLOSE);
        vm.expectEmit();
        emit Bets.MarketVoided(id, 5, ORACLE, Bets.Status.Voided);
        resolve(id, 2);
        vm.assertEq(uint256(bets.getMarket(id).status), 2);
    }

    // ── void

    function test_B12_void_is_the_resolvers_until_the_deadline() external {
        bytes32 id = played();
        vm.warp(CLOSE - 1);
        refuseVoid(id, ORACLE, Bets.TooEarly.selector);
        vm.warp(RESOLVE_BY);
        refuseVoid(id, ALICE, Bets.NotResolver.selector);
        vm.expectEmit();
        emit Bets.MarketVoided(id, 5, ORACLE, Bets.Status.Voided);
        vm.prank(ORACLE);
        bets.void(id);
        Bets.Market memory m = bets.getMarket(id);
        vm.assertEq(m.fee, 0);
        vm.assertEq(m.net, 601);
        refuseVoid(id, ORACLE, Bets.MarketNotOpen.selector);
    }

    function test_B12_anyone_voids_after_the_deadline() external {
        bytes32 id = played();
        vm.warp(RESOLVE_BY + 1);
        vm.prank(CAROL);
        bets.void(id);
        vm.assertEq(uint256(bets.getMarket(id).status), 2);
    }

    // ── claim

    function test_B13_claims_only_when_settled() external {
        bytes32 id = played();
        refuseClaim(id, ALICE, 1, Bets.MarketNotSettled.selector);
    }

    function test_B13_claims_only_what_there_is() external {
        bytes32 id = resolved();
        refuseClaim(id, BOB, 0, Bets.NothingToClaim.selector);
        refuseClaim(id, ALICE, 0, Bets.NothingToClaim.selector);
        refuseClaim(id, TREASURY, 1, Bets.NothingToClaim.selector);
    }

    function test_B13_claims_once() external {
        bytes32 id = resolved();
        claim(id, ALICE, 1);
        refuseClaim(id, ALICE, 1, Bets.AlreadyClaimed.selector);
    }

    function test_B14_winners_share_the_net() external {
        bytes32 id = resolved();
        uint256 had = token.balanceOf(ALICE);
        vm.expectEmit();
        // 100 × 594 / 300
        emit Bets.BetClaimed(id, 6, CAROL, ALICE, 1, 100, 198, 198);
        claim(id, ALICE, 1);
        vm.assertEq(token.balanceOf(ALICE), had + 198);
        vm.expectEmit();
        emit Bets.BetClaimed(id, 7, CAROL, BOB, 1, 200, 396, 594);
        claim(id, BOB, 1);
    }

    function test_B14_voided_stakes_go_back_whole() external {
        bytes32 id = voided();
        uint256 had = token.balanceOf(BOB);
        vm.expectEmit();
        emit Bets.BetClaimed(id, 6, CAROL, BOB, 0, 301, 301, 301);
        claim(id, BOB, 0);
        claim(id, BOB, 1);
        vm.assertEq(token.balanceOf(BOB), had + 501);
    }

    function test_B14_payout_at_the_types_edge() external {
        bytes32 id = open(terms());
        place(id, ALICE, 1, ALL / 2);
        place(id, BOB, 0, ALL - ALL / 2);
        vm.warp(CLOSE);
        resolve(id, 1);
        uint256 had = token.balanceOf(ALICE);
        claim(id, ALICE, 1);
        vm.assertEq(token.balanceOf(ALICE), had + bets.getMarket(id).net);
    }

    function test_G7_donation_changes_no_payout() external {
        bytes32 id = resolved();
        token.mint(address(bets), 1000);
        uint256 had = token.balanceOf(ALICE);
        claim(id, ALICE, 1);
        vm.assertEq(token.balanceOf(ALICE), had + 198);
    }

    // ── fee

    function test_B15_fee_goes_to_its_recipient_once() external {
        bytes32 id = played();
        refuseFee(id, Bets.MarketNotSettled.selector);
        vm.warp(CLOSE);
        resolve(id, 1);
        vm.expectEmit();
        emit Bets.FeeCollected(id, 6, address(this), TREASURY, 7, 7);
        bets.collectFee(id);
        vm.assertEq(token.balanceOf(TREASURY), 7);
        refuseFee(id, Bets.FeeAlreadyCollected.selector);
    }

    function test_B15_no_fee() external {
        refuseFee(voided(), Bets.NoFee.selector);
    }

    // ── closing

    function test_B16_positions_close_when_lost_or_paid() external {
        bytes32 id = played();
        refuseClosePosition(id, ALICE, 1, Bets.MarketNotSettled.selector);
        vm.warp(CLOSE);
        resolve(id, 1);
        refuseClosePosition(id, ALICE, 0, Bets.NoPosition.selector);
        refuseClosePosition(id, ALICE, 1, Bets.PositionNotClaimed.selector);
        vm.expectEmit();
        emit Bets.PositionClosed(id, 6, address(this), BOB, 0, BOB);
        bets.closePosition(id, BOB, 0);
        refuseClosePosition(id, BOB, 0, Bets.NoPosition.selector);
        claim(id, ALICE, 1);
        bets.closePosition(id, ALICE, 1);
        vm.assertEq(bets.getMarket(id).positions, 1);
        refuseClaim(id, ALICE, 1, Bets.NothingToClaim.selector);
    }

    function test_B16_voided_positions_close_when_paid() external {
        bytes32 id = voided();
        // Outcome 0 is what an outcome never named reads as.
        refuseClosePosition(id, BOB, 0, Bets.PositionNotClaimed.selector);
        refuseClosePosition(id, BOB, 1, Bets.PositionNotClaimed.selector);
        claim(id, BOB, 1);
        bets.closePosition(id, BOB, 1);
    }

    function test_B17_close_waits_for_positions_and_fee() external {
        bytes32 id = played();
        refuseClose(id, Bets.MarketNotSettled.selector);
        vm.warp(CLOSE);
        resolve(id, 1);
        refuseClose(id, Bets.PositionsLeft.selector);
        clear(id);
        refuseClose(id, Bets.FeeNotCollected.selector);
        bets.collectFee(id);
        bets.close(id);
    }

    function test_B17_dust_goes_to_the_fee_recipient_and_the_market_is_gone() external {
        bytes32 id = open(terms());
        place(id, ALICE, 1, 1);
        place(id, BOB, 1, 2);
        place(id, BOB, 0, 5);
        vm.warp(CLOSE);
        resolve(id, 1);
        clear(id);
        // fee 0; 1 × 8 / 3 = 2, 2 × 8 / 3 = 5
        vm.expectEmit();
        emit Bets.MarketClosed(id, 11, address(this), 1, 8);
        bets.close(id);
        vm.assertEq(token.balanceOf(TREASURY), 1);
        vm.assertEq(token.balanceOf(address(bets)), 0);
        vm.expectRevert(Bets.MarketNotFound.selector);
        bets.getMarket(id);
        vm.assertEq(bets.marketCount(), 1);
        vm.warp(START);
        vm.assertTrue(open(terms()) != id, "id used twice");
    }

    function test_B17_no_dust_no_transfer() external {
        BlockingToken blocking = new BlockingToken();
        bytes32 id = voidedOn(address(blocking));
        clear(id);
        blocking.setBlocked(TREASURY, true);
        bets.close(id);
    }

    function test_B18_nothing_is_done_to_no_market() external {
        bytes32 id = "none";
        refusePlace(id, ALICE, 0, 1, Bets.MarketNotFound.selector);
        refuseResolve(id, ORACLE, 0, Bets.MarketNotFound.selector);
        refuseVoid(id, ORACLE, Bets.MarketNotFound.selector);
        refuseClaim(id, ALICE, 0, Bets.MarketNotFound.selector);
        refuseFee(id, Bets.MarketNotFound.selector);
        refuseClosePosition(id, ALICE, 0, Bets.MarketNotFound.selector);
        refuseClose(id, Bets.MarketNotFound.selector);
    }

    // ── tokens

    function test_G2_fee_on_transfer_is_refused() external {
        FeeToken fee = new FeeToken();
        fund(address(fee), ALICE);
        bytes32 id = openOn(address(fee));
        refusePlace(id, ALICE, 0, 10, Escrow.FeeOnTransfer.selector);
        fee.setFee(0);
        place(id, ALICE, 0, 10);
    }

    function test_G2_more_than_was_sent_is_refused_too() external {
        BonusToken bonus = new BonusToken();
        fund(address(bonus), ALICE);
        refusePlace(openOn(address(bonus)), ALICE, 0, 10, Escrow.FeeOnTransfer.selector);
    }

    function test_G2_token_that_says_false_is_refused() external {
        FalseToken liar = new FalseToken();
        liar.setRefuse(false);
        fund(address(liar), ALICE);
        bytes32 id = openOn(address(liar));
        place(id, ALICE, 0, 10);
        liar.setRefuse(true);
        bytes memory failed =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar));
        vm.expectRevert(failed);
        vm.prank(ALICE);
        bets.place(id, 0, 10);
        vm.warp(RESOLVE_BY + 1);
        bets.void(id);
        vm.expectRevert(failed);
        bets.claim(id, ALICE, 0);
        vm.assertTrue(!bets.getPosition(id, ALICE, 0).claimed, "debt lost");
    }

    function test_G2_token_that_says_nothing_works() external {
        SilentToken silent = new SilentToken();
        fund(address(silent), ALICE);
        bytes32 id = openOn(address(silent));
        place(id, ALICE, 0, 10);
        vm.warp(RESOLVE_BY + 1);
        bets.void(id);
        claim(id, ALICE, 0);
        vm.assertEq(silent.balanceOf(address(bets)), 0);
    }

    function test_G7_blocked_bettor_blocks_nobody_else() external {
        BlockingToken blocking = new BlockingToken();
        bytes32 id = voidedOn(address(blocking));
        blocking.setBlocked(ALICE, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, ALICE));
        bets.claim(id, ALICE, 0);
        claim(id, BOB, 0);
        blocking.setBlocked(ALICE, false);
        claim(id, ALICE, 0);
    }

    function test_G7_blocked_fee_recipient_blocks_no_bettor() external {
        BlockingToken blocking = new BlockingToken();
        fund(address(blocking), ALICE);
        fund(address(blocking), BOB);
        bytes32 id = openOn(address(blocking));
        place(id, ALICE, 0, 100);
        place(id, BOB, 1, 100);
        vm.warp(CLOSE);
        resolve(id, 0);
        blocking.setBlocked(TREASURY, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, TREASURY));
        bets.collectFee(id);
        uint256 fee = bets.getMarket(id).fee;
        uint256 had = blocking.balanceOf(ALICE);
        claim(id, ALICE, 0);
        vm.assertEq(blocking.balanceOf(ALICE), had + 200 - fee);
        vm.assertEq(blocking.balanceOf(address(bets)), fee);
    }

    function test_G10_place_within_place_is_refused() external {
        HookToken hook = new HookToken();
        Reenterer attacker = new Reenterer(bets, IERC20(address(hook)));
        hook.mint(address(attacker), 1000);
        bytes32 id = openOn(address(hook));
        attacker.plan(id, abi.encodeCall(Bets.place, (id, 0, 10)));
        hook.setHooked(address(attacker), true);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        attacker.place(10);
        vm.assertEq(bets.getMarket(id).total, 0);
    }

    function test_G10_claim_within_claim_pays_once() external {
        HookToken hook = new HookToken();
        Reenterer attacker = new Reenterer(bets, IERC20(address(hook)));
        hook.mint(address(attacker), 10);
        fund(address(hook), ALICE);
        bytes32 id = openOn(address(hook));
        place(id, ALICE, 0, 10);
        attacker.plan(id, "");
        attacker.place(10);
        vm.warp(RESOLVE_BY + 1);
        bets.void(id);
        attacker.plan(id, abi.encodeCall(Bets.claim, (id, address(attacker), 0)));
        hook.setHooked(address(attacker), true);
        vm.expectRevert(Bets.AlreadyClaimed.selector);
        bets.claim(id, address(attacker), 0);
        hook.setHooked(address(attacker), false);
        claim(id, address(attacker), 0);
        claim(id, ALICE, 0);
    }

    // ── any numbers

    function testFuzz_B14_winner_never_gets_less_than_the_stake(
        uint120[4] memory stakes,
        uint16 feeBps
    ) external {
        Bets.Terms memory t = terms();
        t.feeBps = uint16(bound(feeBps, 0, 1000));
        bytes32 id = open(t);
        address[4] memory who = [ALICE, BOB, CAROL, ALICE];
        for (uint256 i = 0; i < 4; i++) {
            stakes[i] = uint120(bound(stakes[i], 1, ALL / 4));
            place(id, who[i], i == 3 ? 1 : 0, stakes[i]);
        }
        vm.warp(CLOSE);
        resolve(id, 0);
        uint256 paid;
        for (uint256 i = 0; i < 3; i++) {
            uint256 had = token.balanceOf(who[i]);
            claim(id, who[i], 0);
            uint256 payout = token.balanceOf(who[i]) - had;
            vm.assertGe(payout, stakes[i], "winner lost");
            paid += payout;
        }
        Bets.Market memory m = bets.getMarket(id);
        vm.assertEq(m.paid, paid);
        vm.assertEq(m.fee, uint256(stakes[3]) * t.feeBps / 10_000);
        // Each of three payouts was rounded down by less than one unit.
        vm.assertLe(m.net - paid, 2, "dust");
        clear(id);
        if (m.fee > 0) bets.collectFee(id);
        bets.close(id);
        vm.assertEq(token.balanceOf(address(bets)), 0);
    }

    function testFuzz_B2_B3_B4_terms_are_taken_or_refused_by_name(
        uint8 outcomes,
        uint16 feeBps,
        uint40 closeAt,
        uint40 resolveBy
    ) external {
        Bets.Terms memory t = terms();
        (t.outcomeCount, t.feeBps, t.closeAt, t.resolveBy) = (outcomes, feeBps, closeAt, resolveBy);
        if (outcomes < 2 || outcomes > 16) {
            refuseOpen(t, Bets.InvalidOutcomeCount.selector);
        } else if (feeBps > 1000) {
            refuseOpen(t, Bets.FeeTooHigh.selector);
        } else if (closeAt <= START || closeAt > START + YEAR) {
            refuseOpen(t, Bets.InvalidCloseTime.selector);
        } else if (resolveBy <= closeAt || resolveBy > closeAt + YEAR) {
            refuseOpen(t, Bets.InvalidResolveTime.selector);
        } else {
            open(t);
        }
    }

    // ── gas, for the committed table

    function test_gas() external {
        bytes32 id = open(terms());
        vm.snapshotGasLastCall("Bets", "open");
        place(id, ALICE, 0, 301e6);
        vm.snapshotGasLastCall("Bets", "place, first of a market");
        place(id, BOB, 0, 100e6);
        vm.snapshotGasLastCall("Bets", "place, new position");
        place(id, BOB, 0, 100e6);
        vm.snapshotGasLastCall("Bets", "place, same position");
        place(id, CAROL, 1, 50e6);
        vm.warp(CLOSE);
        resolve(id, 0);
        vm.snapshotGasLastCall("Bets", "resolve");
        claim(id, ALICE, 0);
        vm.snapshotGasLastCall("Bets", "claim, first of a market");
        claim(id, BOB, 0);
        vm.snapshotGasLastCall("Bets", "claim");
        bets.closePosition(id, ALICE, 0);
        vm.snapshotGasLastCall("Bets", "closePosition");
        bets.collectFee(id);
        vm.snapshotGasLastCall("Bets", "collectFee");
        bets.closePosition(id, BOB, 0);
        bets.closePosition(id, CAROL, 1);
        bets.close(id);
        vm.snapshotGasLastCall("Bets", "close");
    }

    // ── the scenes these tests start from

    function terms() private view returns (Bets.Terms memory) {
        return Bets.Terms({
            resolver: ORACLE,
            token: address(token),
            subject: "subject",
            question: "question",
            outcomeCount: 3,
            closeAt: CLOSE,
            resolveBy: RESOLVE_BY,
            feeBps: 250,
            feeRecipient: TREASURY,
            cid: "bafy",
            title: "title"
        });
    }

    function open(Bets.Terms memory t) private returns (bytes32) {
        vm.prank(ALICE);
        return bets.open(t);
    }

    function openOn(address token_) private returns (bytes32) {
        Bets.Terms memory t = terms();
        t.token = token_;
        return open(t);
    }

    /// Alice 100 on 1, Bob 301 on 0 and 200 on 1.
    function played() private returns (bytes32 id) {
        id = open(terms());
        place(id, ALICE, 1, 100);
        place(id, BOB, 0, 301);
        place(id, BOB, 1, 200);
    }

    function resolved() private returns (bytes32 id) {
        id = played();
        vm.warp(CLOSE);
        resolve(id, 1);
    }

    function voided() private returns (bytes32 id) {
        id = played();
        vm.warp(RESOLVE_BY + 1);
        bets.void(id);
    }

    function voidedOn(address token_) private returns (bytes32 id) {
        fund(token_, ALICE);
        fund(token_, BOB);
        id = openOn(token_);
        place(id, ALICE, 0, 5);
        place(id, BOB, 0, 5);
        vm.warp(RESOLVE_BY + 1);
        bets.void(id);
    }

    /// Claims and closes every position of `played`'s bettors that there is.
    function clear(bytes32 id) private {
        address[3] memory who = [ALICE, BOB, CAROL];
        Bets.Market memory m = bets.getMarket(id);
        for (uint256 i = 0; i < 3; i++) {
            for (uint8 outcome = 0; outcome < 3; outcome++) {
                Bets.Position memory p = bets.getPosition(id, who[i], outcome);
                if (p.stake == 0) continue;
                if (!p.claimed && (outcome == m.outcome || m.status == Bets.Status.Voided)) {
                    claim(id, who[i], outcome);
                }
                bets.closePosition(id, who[i], outcome);
            }
        }
    }

    function fund(address token_, address who) private {
        PlainToken(token_).mint(who, ALL);
        vm.prank(who);
        // Not through an interface: SilentToken answers nothing.
        (bool ok,) = token_.call(abi.encodeCall(IERC20.approve, (address(bets), type(uint256).max)));
        vm.assertTrue(ok, "approve");
    }

    function permit(uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 message =
            keccak256(abi.encode(typehash, ALICE, address(bets), amount, 0, START + 1));
        return
            vm.sign(KEY, keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), message)));
    }

    function place(bytes32 id, address who, uint8 outcome, uint120 amount) private {
        vm.prank(who);
        bets.place(id, outcome, amount);
    }

    function resolve(bytes32 id, uint8 outcome) private {
        vm.prank(ORACLE);
        bets.resolve(id, outcome);
    }

    function claim(bytes32 id, address bettor, uint8 outcome) private {
        vm.prank(CAROL);
        bets.claim(id, bettor, outcome);
    }

    function refuseOpen(Bets.Terms memory t, bytes4 error_) private {
        vm.expectRevert(error_);
        bets.open(t);
    }

    function refusePlace(bytes32 id, address who, uint8 outcome, uint120 amount, bytes4 error_)
        private
    {
        vm.expectRevert(error_);
        vm.prank(who);
        bets.place(id, outcome, amount);
    }

    function refuseResolve(bytes32 id, address who, uint8 outcome, bytes4 error_) private {
        vm.expectRevert(error_);
        vm.prank(who);
        bets.resolve(id, outcome);
    }

    function refuseVoid(bytes32 id, address who, bytes4 error_) private {
        vm.expectRevert(error_);
        vm.prank(who);
        bets.void(id);
    }

    function refuseClaim(bytes32 id, address bettor, uint8 outcome, bytes4 error_) private {
        vm.expectRevert(error_);
        bets.claim(id, bettor, outcome);
    }

    function refuseFee(bytes32 id, bytes4 error_) private {
        vm.expectRevert(error_);
        bets.collectFee(id);
    }

    function refuseClosePosition(bytes32 id, address bettor, uint8 outcome, bytes4 error_) private {
        vm.expectRevert(error_);
        bets.closePosition(id, bettor, outcome);
    }

    function refuseClose(bytes32 id, bytes4 error_) private {
        vm.expectRevert(error_);
        bets.close(id);
    }
}

/// @title A bettor that calls back into Bets when its token tells it of a transfer.
contract Reenterer is ITransferHook {
    Bets private immutable BETS;
    bytes32 private market;
    bytes private call;

    constructor(Bets bets_, IERC20 token) {
        BETS = bets_;
        token.approve(address(bets_), type(uint256).max);
    }

    function plan(bytes32 market_, bytes calldata call_) external {
        (market, call) = (market_, call_);
    }

    function place(uint120 amount) external {
        BETS.place(market, 0, amount);
    }

    function onTransfer() external {
        bytes memory what = call;
        call = "";
        if (what.length == 0) return;
        (bool ok, bytes memory answer) = address(BETS).call(what);
        if (ok) return;
        assembly {
            revert(add(answer, 32), mload(answer))
        }
    }
}
