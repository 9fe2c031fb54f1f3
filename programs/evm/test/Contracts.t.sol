// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Contracts} from "../src/Contracts.sol";
import {Escrow} from "../src/Escrow.sol";
import {Feeds} from "../src/Feeds.sol";
import {Test, Vm} from "./Test.sol";
import {CallingWallet, Wallet} from "./Wallets.sol";
import {
    BlockingToken,
    FalseToken,
    FeeToken,
    HookToken,
    PlainToken
} from "./tokens/HostileTokens.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title Contracts by the numbers of programs/SPEC.md.
contract ContractsTest is Test {
    uint40 private constant START = 1_800_000_000;
    uint40 private constant SIGN_BY = START + 100;
    uint40 private constant FUND_BY = START + 200;
    uint40 private constant DELIVER_BY = START + 1000;
    uint32 private constant WITHIN = 500;
    uint40 private constant RULE_BY = DELIVER_BY + WITHIN + 5000;
    uint40 private constant YEAR = 366 days;
    uint256 private constant BUYER_KEY = 0xB1;

    address private constant SELLER = address(0x5E11E4);
    address private immutable BUYER = vm.addr(BUYER_KEY);
    address private constant ARBITER = address(0xA4B);
    address private constant ANYONE = address(0xA7);

    Contracts private contracts;
    Feeds private feeds;
    TestToken private token;
    bytes32 private feed;
    bytes private hook;

    function setUp() external {
        vm.warp(START);
        feeds = new Feeds();
        contracts = new Contracts(feeds);
        token = new TestToken();
        feed = feeds.open(2, 300, "wheat", "USD/t");
        provide(address(token));
    }

    // ── propose

    function test_A1_propose_stores_counts_and_emits() external {
        Contracts.Terms memory t = priced();
        vm.recordLogs();
        bytes32 id = propose(t);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
        vm.assertEq(logs[0].topics[0], Contracts.AgreementProposed.selector);
        vm.assertEq(logs[0].topics[1], id);
        vm.assertEq(logs[0].topics[2], bytes32(uint256(uint160(SELLER))));
        Contracts.ProposedData memory d;
        (d.seq, d.nonce, d.seller, d.buyer, d.arbiter) = (1, 0, SELLER, BUYER, ARBITER);
        (d.token, d.commodity, d.terms, d.quantity) = (t.token, t.commodity, t.terms, t.quantity);
        (d.priceTotal, d.feed, d.priceCap, d.priceFloor) =
        (t.priceTotal, t.feed, t.priceCap, t.priceFloor);
        (d.priceMul, d.priceDiv, d.sellerMargin) = (t.priceMul, t.priceDiv, t.sellerMargin);
        (d.signBy, d.fundBy, d.deliverBy) = (t.signBy, t.fundBy, t.deliverBy);
        (d.acceptWithin, d.ruleBy, d.defaultSplitBps) =
        (t.acceptWithin, t.ruleBy, t.defaultSplitBps);
        (d.cid, d.title, d.unit) = (t.cid, t.title, t.unit);
        vm.assertEq(bytes.concat(bytes32(uint256(32)), logs[0].data), abi.encode(d));

        Contracts.Agreement memory a = contracts.getAgreement(id);
        vm.assertEq(a.seller, SELLER);
        vm.assertEq(a.buyer, BUYER);
        vm.assertEq(a.arbiter, ARBITER);
        vm.assertEq(a.terms, "terms");
        vm.assertEq(a.commodity, "wheat");
        vm.assertEq(a.seq, 1);
        vm.assertEq(contracts.agreementCount(), 1);
        vm.assertEq(contracts.proposals(SELLER), 1);
        vm.assertTrue(propose(t) != id, "id used twice");
    }

    function test_A1_parties_are_three() external {
        Contracts.Terms memory t = plain();
        vm.prank(ANYONE);
        vm.expectRevert(Contracts.NotParty.selector);
        contracts.propose(t);
        t.buyer = SELLER;
        refusePropose(t, Contracts.InvalidParties.selector);
        t = plain();
        t.arbiter = SELLER;
        refusePropose(t, Contracts.InvalidParties.selector);
        t.arbiter = BUYER;
        refusePropose(t, Contracts.InvalidParties.selector);
        t.arbiter = address(0);
        refusePropose(t, Contracts.InvalidParties.selector);
        t = plain();
        t.buyer = address(0);
        refusePropose(t, Contracts.InvalidParties.selector);
        t = plain();
        t.seller = address(0);
        vm.prank(BUYER);
        vm.expectRevert(Contracts.InvalidParties.selector);
        contracts.propose(t);
    }

    function test_A2_amounts() external {
        Contracts.Terms memory t = plain();
        t.quantity = 0;
        refusePropose(t, Contracts.ZeroAmount.selector);
        t = plain();
        t.priceTotal = 0;
        refusePropose(t, Contracts.ZeroAmount.selector);
        t = plain();
        t.sellerMargin = type(uint120).max - t.priceTotal + 1;
        refusePropose(t, Contracts.Overflow.selector);
        t.sellerMargin -= 1;
        propose(t);
        t = plain();
        t.defaultSplitBps = 10_001;
        refusePropose(t, Contracts.InvalidSplit.selector);
        t.defaultSplitBps = 10_000;
        propose(t);
    }

    function test_A2_price_terms_are_whole_or_none() external {
        Contracts.Terms memory t = plain();
        t.priceCap = 1;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = plain();
        t.priceFloor = 1;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = plain();
        t.priceMul = 1;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = plain();
        t.priceDiv = 1;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = priced();
        t.priceFloor = 0;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t.priceFloor = t.priceTotal + 1;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = priced();
        t.priceCap = t.priceTotal - 1;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = priced();
        t.priceMul = 0;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = priced();
        t.priceDiv = 0;
        refusePropose(t, Contracts.InvalidPrice.selector);
        t = priced();
        t.feed = "none";
        refusePropose(t, Feeds.FeedNotFound.selector);
        t = priced();
        t.sellerMargin = type(uint120).max - t.priceTotal;
        refusePropose(t, Contracts.Overflow.selector);
    }

    function test_A3_each_deadline_follows_the_one_before() external {
        Contracts.Terms memory t = plain();
        t.signBy = START;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t = plain();
        t.fundBy = t.signBy;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t = plain();
        t.deliverBy = t.fundBy;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t = plain();
        t.acceptWithin = 0;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t = plain();
        t.ruleBy = t.deliverBy + t.acceptWithin;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
    }

    function test_A3_no_deadline_is_more_than_a_year_after() external {
        Contracts.Terms memory t = plain();
        t.signBy = START + YEAR;
        t.fundBy = t.signBy + YEAR;
        t.deliverBy = t.fundBy + YEAR;
        t.acceptWithin = uint32(YEAR);
        t.ruleBy = t.deliverBy + YEAR + YEAR;
        propose(t);
        t.ruleBy += 1;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t.acceptWithin += 1;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        (t.acceptWithin, t.deliverBy) = (1, t.deliverBy + 1);
        t.ruleBy = t.deliverBy + 2;
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t = plain();
        t.fundBy = t.signBy + YEAR + 1;
        (t.deliverBy, t.ruleBy) = (t.fundBy + 1, t.fundBy + 1 + WITHIN + 1);
        refusePropose(t, Contracts.InvalidDeadlines.selector);
        t.signBy = START + YEAR + 1;
        t.fundBy = t.signBy + 1;
        (t.deliverBy, t.ruleBy) = (t.fundBy + 1, t.fundBy + 1 + WITHIN + 1);
        refusePropose(t, Contracts.InvalidDeadlines.selector);
    }

    function test_A3_text_and_token() external {
        Contracts.Terms memory t = plain();
        (t.cid, t.title, t.unit) = (string(new bytes(400)), string(new bytes(299)), "kg");
        refusePropose(t, Contracts.TextTooLong.selector);
        t.unit = "t";
        propose(t);
        t.token = ANYONE;
        refusePropose(t, Escrow.InvalidToken.selector);
    }

    // ── sign

    function test_A4_the_other_party_signs() external {
        bytes32 id = propose(plain());
        refuse(SELLER, abi.encodeCall(Contracts.sign, (id)), Contracts.NotCounterparty.selector);
        refuse(ANYONE, abi.encodeCall(Contracts.sign, (id)), Contracts.NotCounterparty.selector);
        vm.expectEmit();
        emit Contracts.AgreementSigned(id, 2, BUYER, BUYER, Contracts.Status.Signed);
        vm.prank(BUYER);
        contracts.sign(id);
        refuse(BUYER, abi.encodeCall(Contracts.sign, (id)), Contracts.WrongStatus.selector);
        vm.prank(BUYER);
        id = contracts.propose(plain());
        refuse(BUYER, abi.encodeCall(Contracts.sign, (id)), Contracts.NotCounterparty.selector);
        vm.warp(SIGN_BY + 1);
        refuse(SELLER, abi.encodeCall(Contracts.sign, (id)), Contracts.TooLate.selector);
        vm.warp(SIGN_BY);
        vm.prank(SELLER);
        contracts.sign(id);
    }

    function test_A5_signature_submitted_by_anyone() external {
        bytes32 id = propose(plain());
        bytes memory sig = signature(id, "terms", 0, SIGN_BY);
        vm.expectEmit();
        emit Contracts.AgreementSigned(id, 2, ANYONE, BUYER, Contracts.Status.Signed);
        vm.prank(ANYONE);
        contracts.signBySig(id, SIGN_BY, sig);
        vm.assertEq(contracts.nonces(BUYER), 1);
    }

    function test_A5_signature_is_of_one_agreement_terms_nonce_deadline() external {
        bytes32 id = propose(plain());
        bytes32 other = propose(plain());
        refuseSignature(other, SIGN_BY, signature(id, "terms", 0, SIGN_BY));
        refuseSignature(id, SIGN_BY, signature(id, "other", 0, SIGN_BY));
        refuseSignature(id, SIGN_BY, signature(id, "terms", 1, SIGN_BY));
        refuseSignature(id, SIGN_BY - 1, signature(id, "terms", 0, SIGN_BY));
        bytes memory good = signature(id, "terms", 0, SIGN_BY);
        refuseSignature(id, SIGN_BY, bytes.concat(good, hex"00"));
        vm.chainId(999);
        refuseSignature(id, SIGN_BY, good);
        vm.chainId(31337);
        contracts.signBySig(id, SIGN_BY, good);
        refuseSignature(id, SIGN_BY, good);
    }

    function test_A5_signature_of_another_contract() external {
        bytes32 id = propose(plain());
        bytes memory good = signature(id, "terms", 0, SIGN_BY);
        Contracts first = contracts;
        contracts = new Contracts(feeds);
        bytes memory elsewhere = signature(id, "terms", 0, SIGN_BY);
        contracts = first;
        refuseSignature(id, SIGN_BY, elsewhere);
        contracts.signBySig(id, SIGN_BY, good);
    }

    function test_A5_signature_expires() external {
        bytes32 id = propose(plain());
        bytes memory sig = signature(id, "terms", 0, START + 10);
        vm.warp(START + 11);
        vm.expectRevert(Contracts.SignatureExpired.selector);
        contracts.signBySig(id, START + 10, sig);
        vm.warp(START + 10);
        contracts.signBySig(id, START + 10, sig);
    }

    function test_A5_contract_wallets_sign_by_erc1271() external {
        Wallet wallet = new Wallet(vm.addr(BUYER_KEY));
        Contracts.Terms memory t = plain();
        t.buyer = address(wallet);
        bytes32 id = propose(t);
        refuseSignature(id, SIGN_BY, signature(id, "terms", 1, SIGN_BY));
        contracts.signBySig(id, SIGN_BY, signature(id, "terms", 0, SIGN_BY));
        vm.assertEq(uint256(contracts.getAgreement(id).status), 1);
    }

    /// A wallet is asked by a static call: it can change nothing before it answers.
    function test_A5_wallet_that_calls_back_is_refused() external {
        CallingWallet wallet = new CallingWallet();
        Contracts.Terms memory t = plain();
        t.buyer = address(wallet);
        bytes32 id = propose(t);
        wallet.plan(address(contracts), abi.encodeCall(Contracts.cancel, (id)));
        refuseSignature(id, SIGN_BY, "");
        wallet.plan(address(contracts), "");
        // The plan is gone, and it still signs anything: only who it calls makes the difference.
        contracts.signBySig(id, SIGN_BY, "");
    }

    // ── fund

    function test_A6_both_put_up_their_part() external {
        bytes32 id = signed(plain());
        refuse(ANYONE, abi.encodeCall(Contracts.fund, (id)), Contracts.NotParty.selector);
        vm.expectEmit();
        emit Contracts.AgreementFunded(id, 3, BUYER, BUYER, 1000, 1000);
        vm.prank(BUYER);
        contracts.fund(id);
        refuse(BUYER, abi.encodeCall(Contracts.fund, (id)), Contracts.AlreadyFunded.selector);
        vm.warp(FUND_BY + 1);
        refuse(SELLER, abi.encodeCall(Contracts.fund, (id)), Contracts.TooLate.selector);
        vm.warp(FUND_BY);
        vm.expectEmit();
        emit Contracts.AgreementFunded(id, 4, SELLER, SELLER, 101, 1101);
        vm.expectEmit();
        emit Contracts.AgreementActivated(id, 5, SELLER, Contracts.Status.Active);
        vm.prank(SELLER);
        contracts.fund(id);
        refuse(SELLER, abi.encodeCall(Contracts.fund, (id)), Contracts.WrongStatus.selector);
        vm.assertEq(token.balanceOf(address(contracts)), 1101);
    }

    function test_A6_seller_funds_once() external {
        bytes32 id = signed(plain());
        vm.prank(SELLER);
        contracts.fund(id);
        refuse(SELLER, abi.encodeCall(Contracts.fund, (id)), Contracts.AlreadyFunded.selector);
    }

    function test_A6_no_margin_counts_as_funded() external {
        Contracts.Terms memory t = plain();
        t.sellerMargin = 0;
        bytes32 id = signed(t);
        refuse(SELLER, abi.encodeCall(Contracts.fund, (id)), Contracts.AlreadyFunded.selector);
        vm.prank(BUYER);
        contracts.fund(id);
        vm.assertEq(uint256(contracts.getAgreement(id).status), 2);
    }

    function test_A6_with_a_feed_the_cap_is_put_up() external {
        active(priced());
        vm.assertEq(token.balanceOf(address(contracts)), 1500 + 101);
    }

    function test_A6_permit() external {
        bytes32 id = signed(plain());
        vm.prank(BUYER);
        token.approve(address(contracts), 0);
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 message =
            keccak256(abi.encode(typehash, BUYER, address(contracts), 1000, 0, uint256(FUND_BY)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            BUYER_KEY, keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), message))
        );
        vm.prank(BUYER);
        contracts.fundWithPermit(id, FUND_BY, v, r, s);
        vm.assertTrue(contracts.getAgreement(id).buyerFunded, "not funded");
    }

    function test_G2_fee_on_transfer_is_refused() external {
        FeeToken fee = new FeeToken();
        provide(address(fee));
        Contracts.Terms memory t = plain();
        t.token = address(fee);
        bytes32 id = signed(t);
        refuse(BUYER, abi.encodeCall(Contracts.fund, (id)), Escrow.FeeOnTransfer.selector);
    }

    // ── deliver, accept, dispute, rule

    function test_A7_deliveries_add_up() external {
        bytes32 id = signed(plain());
        bytes memory one = abi.encodeCall(Contracts.recordDelivery, (id, 1, "evidence"));
        refuse(SELLER, one, Contracts.WrongStatus.selector);
        fundBoth(id);
        refuse(BUYER, one, Contracts.NotSeller.selector);
        refuse(
            SELLER,
            abi.encodeCall(Contracts.recordDelivery, (id, 0, "")),
            Contracts.ZeroAmount.selector
        );
        deliver(id, 3);
        vm.expectEmit();
        emit Contracts.DeliveryRecorded(id, 7, SELLER, 4, "evidence", 7);
        deliver(id, 4);
        vm.warp(DELIVER_BY);
        deliver(id, 0 + 2);
        refuse(
            SELLER,
            abi.encodeCall(Contracts.recordDelivery, (id, 2, "")),
            Contracts.TooMuch.selector
        );
        vm.warp(DELIVER_BY + 1);
        refuse(SELLER, one, Contracts.TooLate.selector);
    }

    function test_A8_buyer_accepts_when_delivery_is_finished() external {
        bytes memory call;
        bytes32 id = signed(plain());
        call = abi.encodeCall(Contracts.accept, (id));
        refuse(BUYER, call, Contracts.WrongStatus.selector);
        fundBoth(id);
        refuse(SELLER, call, Contracts.NotBuyer.selector);
        refuse(BUYER, call, Contracts.TooEarly.selector);
        vm.warp(DELIVER_BY + 1);
        refuse(BUYER, call, Contracts.NothingDelivered.selector);
        vm.warp(DELIVER_BY);
        deliver(id, 9);
        refuse(BUYER, call, Contracts.TooEarly.selector);
        deliver(id, 1);
        vm.expectEmit();
        emit Contracts.DeliveryAccepted(id, 8, BUYER, 10);
        vm.prank(BUYER);
        contracts.accept(id);
        refuse(BUYER, call, Contracts.AlreadyAccepted.selector);
        refuse(
            BUYER,
            abi.encodeCall(Contracts.dispute, (id, "bad")),
            Contracts.AlreadyAccepted.selector
        );
    }

    function test_A9_either_party_disputes_in_time() external {
        bytes32 id = active(plain());
        bytes memory call = abi.encodeCall(Contracts.dispute, (id, "bad"));
        refuse(BUYER, call, Contracts.TooEarly.selector);
        vm.warp(DELIVER_BY + 1);
        refuse(BUYER, call, Contracts.NothingDelivered.selector);
        vm.warp(DELIVER_BY - 10);
        deliver(id, 10);
        refuse(ANYONE, call, Contracts.NotParty.selector);
        vm.warp(DELIVER_BY - 10 + WITHIN + 1);
        refuse(BUYER, call, Contracts.TooLate.selector);
        vm.warp(DELIVER_BY - 10 + WITHIN);
        vm.expectEmit();
        emit Contracts.DisputeOpened(id, 7, BUYER, "bad", Contracts.Status.Disputed);
        vm.prank(BUYER);
        contracts.dispute(id, "bad");
        refuse(BUYER, call, Contracts.WrongStatus.selector);
        refuse(SELLER, call, Contracts.WrongStatus.selector);
    }

    function test_A9_seller_disputes_a_part_delivery() external {
        bytes32 id = active(plain());
        deliver(id, 5);
        vm.warp(DELIVER_BY + WITHIN);
        vm.prank(SELLER);
        contracts.dispute(id, "unanswered");
    }

    function test_A10_arbiter_rules_once_in_time() external {
        bytes32 id = active(plain());
        deliver(id, 10);
        bytes memory call = abi.encodeCall(Contracts.rule, (id, 2500));
        refuse(ARBITER, call, Contracts.WrongStatus.selector);
        vm.prank(BUYER);
        contracts.dispute(id, "bad");
        refuse(BUYER, call, Contracts.NotArbiter.selector);
        refuse(
            ARBITER, abi.encodeCall(Contracts.rule, (id, 10_001)), Contracts.InvalidSplit.selector
        );
        vm.warp(RULE_BY + 1);
        refuse(ARBITER, call, Contracts.TooLate.selector);
        vm.warp(RULE_BY);
        vm.expectEmit();
        emit Contracts.DisputeRuled(id, 8, ARBITER, 2500);
        vm.prank(ARBITER);
        contracts.rule(id, 2500);
        refuse(ARBITER, call, Contracts.AlreadyRuled.selector);
    }

    // ── price

    function test_A11_first_observation_after_delivery_counts() external {
        bytes32 id = active(priced());
        deliver(id, 10);
        observe(DELIVER_BY - 1, 900);
        observe(DELIVER_BY, 1234);
        observe(DELIVER_BY + 1, 1300);
        refusePrice(id, 1, Contracts.NotFirstObservation.selector);
        refusePrice(id, 3, Contracts.NotFirstObservation.selector);
        refusePrice(id, 4, Feeds.ObservationNotFound.selector);
        vm.expectEmit();
        // 1234 × 3 / 4
        emit Contracts.PriceFixed(id, 7, ANYONE, 2, 925);
        fixPrice(id, 2);
        refusePrice(id, 2, Contracts.PriceAlreadyFixed.selector);
    }

    function test_A11_first_round_needs_none_before() external {
        bytes32 id = active(priced());
        deliver(id, 10);
        observe(DELIVER_BY + 300, 1600);
        fixPrice(id, 1);
        vm.assertEq(contracts.getAgreement(id).price, 1200);
    }

    function test_A11_price_keeps_within_cap_and_floor() external {
        Contracts.Terms memory t = priced();
        bytes32[4] memory ids = [active(t), active(t), active(t), active(t)];
        observe(DELIVER_BY, type(int128).max);
        fixPrice(ids[0], 1);
        vm.assertEq(contracts.getAgreement(ids[0]).price, 1500);
        feed = feeds.open(2, 300, "low", "");
        t.feed = feed;
        vm.warp(START);
        bytes32 id = active(t);
        observe(DELIVER_BY, 1);
        fixPrice(id, 1);
        vm.assertEq(contracts.getAgreement(id).price, 800);
        feed = feeds.open(2, 300, "negative", "");
        t.feed = feed;
        vm.warp(START);
        id = active(t);
        observe(DELIVER_BY, type(int128).min);
        fixPrice(id, 1);
        vm.assertEq(contracts.getAgreement(id).price, 800);
    }

    function test_A11_observation_past_the_window_gives_the_total() external {
        bytes32 id = active(priced());
        deliver(id, 10);
        observe(DELIVER_BY + 301, 1600);
        fixPrice(id, 1);
        vm.assertEq(contracts.getAgreement(id).price, 1000);
    }

    function test_A11_round_pushed_out_of_the_ring_waits_for_the_deadline() external {
        bytes32 id = active(priced());
        deliver(id, 10);
        vm.prank(BUYER);
        contracts.accept(id);
        observe(DELIVER_BY - 1, 900);
        for (uint40 i = 0; i < 64; i++) {
            observe(DELIVER_BY + i, 1200 + int128(uint128(i)));
        }
        // Round 2 is the first and still there, but what came before is not.
        refusePrice(id, 2, Feeds.ObservationNotFound.selector);
        refusePrice(id, 3, Contracts.NotFirstObservation.selector);
        vm.warp(RULE_BY);
        refusePrice(id, 0, Contracts.TooEarly.selector);
        refuseSettle(id, Contracts.PriceNotFixed.selector);
        vm.warp(RULE_BY + 1);
        fixPrice(id, 0);
        vm.assertEq(contracts.getAgreement(id).price, 1000);
        settle(id);
    }

    function test_A11_price_of_what_has_a_feed_and_runs() external {
        bytes32 id = active(plain());
        refusePrice(id, 1, Contracts.NoFeed.selector);
        id = signed(priced());
        refusePrice(id, 1, Contracts.WrongStatus.selector);
        id = active(priced());
        deliver(id, 10);
        vm.prank(BUYER);
        contracts.dispute(id, "bad");
        observe(DELIVER_BY, 1200);
        fixPrice(id, 1);
    }

    // ── settle

    function test_A12_settles_when_decided() external {
        bytes32 id = signed(plain());
        refuseSettle(id, Contracts.WrongStatus.selector);
        fundBoth(id);
        refuseSettle(id, Contracts.TooEarly.selector);
        deliver(id, 10);
        vm.warp(START + WITHIN);
        refuseSettle(id, Contracts.TooEarly.selector);
        vm.warp(START + WITHIN + 1);
        vm.expectEmit();
        emit Contracts.AgreementSettled(id, 7, ANYONE, 1101, 0, Contracts.Status.Settled);
        settle(id);
        refuseSettle(id, Contracts.WrongStatus.selector);
    }

    function test_A12_missed_delivery_gives_the_buyer_all() external {
        bytes32 id = active(priced());
        vm.warp(DELIVER_BY);
        refuseSettle(id, Contracts.TooEarly.selector);
        vm.warp(DELIVER_BY + 1);
        settle(id);
        vm.assertEq(contracts.getAgreement(id).owedBuyer, 1601);
        vm.assertEq(contracts.getAgreement(id).owedSeller, 0);
    }

    function test_A13_part_delivery_is_paid_pro_rata() external {
        bytes32 id = active(plain());
        deliver(id, 3);
        vm.warp(DELIVER_BY + 1);
        vm.prank(BUYER);
        contracts.accept(id);
        settle(id);
        // 1000 × 3 / 10 and floor(101 × 3 / 10)
        vm.assertEq(contracts.getAgreement(id).owedSeller, 330);
        vm.assertEq(contracts.getAgreement(id).owedBuyer, 771);
    }

    function test_A13_ruling_divides_what_was_delivered() external {
        bytes32 id = active(plain());
        deliver(id, 5);
        vm.warp(DELIVER_BY + 1);
        vm.prank(BUYER);
        contracts.dispute(id, "bad");
        refuseSettle(id, Contracts.TooEarly.selector);
        vm.prank(ARBITER);
        contracts.rule(id, 2500);
        settle(id);
        // (500 + 50) / 4
        vm.assertEq(contracts.getAgreement(id).owedSeller, 137);
        vm.assertEq(contracts.getAgreement(id).owedBuyer, 1101 - 137);
    }

    function test_A13_no_ruling_is_the_split_agreed_at_signing() external {
        bytes32 id = active(plain());
        deliver(id, 10);
        vm.prank(BUYER);
        contracts.dispute(id, "goods for free?");
        vm.warp(RULE_BY);
        refuseSettle(id, Contracts.TooEarly.selector);
        vm.warp(RULE_BY + 1);
        settle(id);
        // 1101 × 60 %
        vm.assertEq(contracts.getAgreement(id).owedSeller, 660);
    }

    function test_A13_ruling_of_nothing_is_not_the_default() external {
        bytes32 id = active(plain());
        deliver(id, 10);
        vm.prank(BUYER);
        contracts.dispute(id, "bad");
        vm.prank(ARBITER);
        contracts.rule(id, 0);
        settle(id);
        vm.assertEq(contracts.getAgreement(id).owedSeller, 0);
        vm.assertEq(contracts.getAgreement(id).owedBuyer, 1101);
    }

    // ── cancel

    function test_A14_before_signing_either_party_cancels() external {
        bytes32 id = propose(plain());
        bytes memory call = abi.encodeCall(Contracts.cancel, (id));
        vm.warp(SIGN_BY);
        refuse(ANYONE, call, Contracts.NotParty.selector);
        vm.expectEmit();
        emit Contracts.AgreementCancelled(id, 2, BUYER, 0, 0, Contracts.Status.Cancelled);
        vm.prank(BUYER);
        contracts.cancel(id);
        refuse(SELLER, call, Contracts.WrongStatus.selector);
        vm.warp(START);
        id = propose(plain());
        vm.prank(SELLER);
        contracts.cancel(id);
        id = propose(plain());
        vm.warp(SIGN_BY + 1);
        vm.prank(ANYONE);
        contracts.cancel(id);
    }

    function test_A14_unfunded_lapses() external {
        bytes32 id = signed(plain());
        vm.prank(BUYER);
        contracts.fund(id);
        vm.warp(FUND_BY);
        refuse(ANYONE, abi.encodeCall(Contracts.cancel, (id)), Contracts.NotParty.selector);
        vm.warp(FUND_BY + 1);
        vm.prank(ANYONE);
        contracts.cancel(id);
        vm.assertEq(contracts.getAgreement(id).owedBuyer, 1000);
        vm.assertEq(contracts.getAgreement(id).owedSeller, 0);
    }

    function test_A14_afterwards_both_cancel() external {
        bytes32 id = active(plain());
        bytes memory call = abi.encodeCall(Contracts.cancel, (id));
        deliver(id, 1);
        // Lapsed deadlines of earlier states let nobody else in.
        vm.warp(FUND_BY + 1);
        refuse(ANYONE, call, Contracts.NotParty.selector);
        vm.expectEmit();
        emit Contracts.CancelRequested(id, 7, SELLER);
        vm.prank(SELLER);
        contracts.cancel(id);
        refuse(SELLER, call, Contracts.AlreadyRequested.selector);
        vm.expectEmit();
        emit Contracts.CancelRequested(id, 8, BUYER);
        vm.expectEmit();
        emit Contracts.AgreementCancelled(id, 9, BUYER, 101, 1000, Contracts.Status.Cancelled);
        vm.prank(BUYER);
        contracts.cancel(id);
    }

    /// What was asked before a step was asked of another state: no goods for an old request.
    function test_A14_request_ends_with_the_next_step() external {
        bytes32 id = signed(plain());
        request(id, SELLER);
        fundBoth(id);
        request(id, BUYER);
        request(id, SELLER, Contracts.Status.Cancelled);

        id = active(priced());
        request(id, SELLER);
        deliver(id, 3);
        request(id, BUYER);
        deliver(id, 7);
        request(id, SELLER);
        vm.prank(BUYER);
        contracts.dispute(id, "bad");
        request(id, BUYER);
        observe(DELIVER_BY, 1200);
        fixPrice(id, 1);
        request(id, SELLER);
        vm.prank(ARBITER);
        contracts.rule(id, 10_000);
        request(id, BUYER);
        settle(id);
        vm.assertEq(contracts.getAgreement(id).owedSeller, 900 + 101);

        vm.warp(START);
        id = active(plain());
        deliver(id, 10);
        request(id, SELLER);
        vm.prank(BUYER);
        contracts.accept(id);
        request(id, BUYER);
        settle(id);
        vm.assertEq(contracts.getAgreement(id).owedSeller, 1101);
    }

    function test_A14_settled_is_not_cancelled() external {
        bytes32 id = active(plain());
        vm.warp(DELIVER_BY + 1);
        settle(id);
        refuse(BUYER, abi.encodeCall(Contracts.cancel, (id)), Contracts.WrongStatus.selector);
        refuse(ANYONE, abi.encodeCall(Contracts.cancel, (id)), Contracts.NotParty.selector);
    }

    // ── withdraw

    function test_A15_anyone_has_a_party_paid() external {
        bytes32 id = active(plain());
        deliver(id, 3);
        vm.warp(DELIVER_BY + WITHIN + 1);
        refuseWithdraw(id, SELLER, Contracts.NothingOwed.selector);
        settle(id);
        uint256 had = token.balanceOf(SELLER);
        vm.expectEmit();
        emit Contracts.Withdrawn(id, 8, address(this), SELLER, 330, 330);
        contracts.withdraw(id, SELLER);
        vm.assertEq(token.balanceOf(SELLER), had + 330);
        refuseWithdraw(id, SELLER, Contracts.NothingOwed.selector);
        refuseWithdraw(id, ANYONE, Contracts.NotParty.selector);
        vm.expectEmit();
        emit Contracts.Withdrawn(id, 9, address(this), BUYER, 771, 1101);
        contracts.withdraw(id, BUYER);
        vm.assertEq(token.balanceOf(address(contracts)), 0);
    }

    function test_G7_blocked_party_blocks_nobody_else() external {
        BlockingToken blocking = new BlockingToken();
        provide(address(blocking));
        Contracts.Terms memory t = plain();
        t.token = address(blocking);
        bytes32 id = active(t);
        deliver(id, 3);
        vm.warp(DELIVER_BY + WITHIN + 1);
        settle(id);
        blocking.setBlocked(SELLER, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, SELLER));
        contracts.withdraw(id, SELLER);
        contracts.withdraw(id, BUYER);
        blocking.setBlocked(SELLER, false);
        contracts.withdraw(id, SELLER);
    }

    function test_G2_token_that_says_false_loses_no_debt() external {
        FalseToken liar = new FalseToken();
        liar.setRefuse(false);
        provide(address(liar));
        Contracts.Terms memory t = plain();
        t.token = address(liar);
        bytes32 id = active(t);
        vm.warp(DELIVER_BY + 1);
        settle(id);
        liar.setRefuse(true);
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar))
        );
        contracts.withdraw(id, BUYER);
        vm.assertEq(contracts.getAgreement(id).owedBuyer, 1101);
    }

    /// A token that calls who sends and who receives, and a buyer who answers with another call.
    function test_G10_calls_within_calls_move_nothing_twice() external {
        HookToken hooking = new HookToken();
        hooking.mint(address(this), 2000);
        hooking.approve(address(contracts), type(uint256).max);
        provide(address(hooking));
        Contracts.Terms memory t = plain();
        (t.buyer, t.token, t.sellerMargin) = (address(this), address(hooking), 0);
        bytes32 first = propose(t);
        bytes32 second = propose(t);
        contracts.sign(first);
        contracts.sign(second);
        hooking.setHooked(address(this), true);
        hook = abi.encodeCall(Contracts.fund, (second));
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        contracts.fund(first);
        hook = "";
        contracts.fund(first);
        contracts.cancel(first);
        request(first, SELLER, Contracts.Status.Cancelled);
        // What is paid out while money comes in would count as not arrived.
        hook = abi.encodeCall(Contracts.withdraw, (first, address(this)));
        vm.expectRevert(Escrow.FeeOnTransfer.selector);
        contracts.fund(second);
        hook = "";
        contracts.fund(second);
        hook = abi.encodeCall(Contracts.withdraw, (first, address(this)));
        vm.expectRevert(Contracts.NothingOwed.selector);
        contracts.withdraw(first, address(this));
        hook = "";
        contracts.withdraw(first, address(this));
        vm.assertEq(hooking.balanceOf(address(contracts)), 1000);
    }

    /// Called by HookToken.
    function onTransfer() external {
        bytes memory call = hook;
        hook = "";
        if (call.length == 0) return;
        (bool ok, bytes memory answer) = address(contracts).call(call);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// Whoever falls silent, anyone ends what is left and both are paid.
    function test_G9_every_state_ends_by_time() external {
        bytes32 pending = propose(plain());
        bytes32 unfunded = signed(plain());
        vm.prank(BUYER);
        contracts.fund(unfunded);
        bytes32 idle = active(priced());
        bytes32 silent = active(priced());
        deliver(silent, 4);
        bytes32 disputed = active(priced());
        deliver(disputed, 10);
        vm.prank(BUYER);
        contracts.dispute(disputed, "bad");
        vm.warp(RULE_BY + 1);
        vm.prank(ANYONE);
        contracts.cancel(pending);
        vm.prank(ANYONE);
        contracts.cancel(unfunded);
        contracts.withdraw(unfunded, BUYER);
        settle(idle);
        contracts.withdraw(idle, BUYER);
        fixPrice(silent, 0);
        fixPrice(disputed, 0);
        bytes32[2] memory delivered = [silent, disputed];
        for (uint256 i = 0; i < 2; i++) {
            settle(delivered[i]);
            contracts.withdraw(delivered[i], BUYER);
            contracts.withdraw(delivered[i], SELLER);
        }
        vm.assertEq(token.balanceOf(address(contracts)), 0);
    }

    function test_A16_no_agreement() external {
        bytes4 none = Contracts.AgreementNotFound.selector;
        refuse(SELLER, abi.encodeCall(Contracts.sign, ("none")), none);
        refuse(SELLER, abi.encodeCall(Contracts.signBySig, ("none", SIGN_BY, "")), none);
        refuse(SELLER, abi.encodeCall(Contracts.fund, ("none")), none);
        refuse(SELLER, abi.encodeCall(Contracts.recordDelivery, ("none", 1, "")), none);
        refuse(SELLER, abi.encodeCall(Contracts.accept, ("none")), none);
        refuse(SELLER, abi.encodeCall(Contracts.dispute, ("none", "")), none);
        refuse(SELLER, abi.encodeCall(Contracts.rule, ("none", 1)), none);
        refuse(SELLER, abi.encodeCall(Contracts.fixPrice, ("none", 1)), none);
        refuse(SELLER, abi.encodeCall(Contracts.settle, ("none")), none);
        refuse(SELLER, abi.encodeCall(Contracts.cancel, ("none")), none);
        refuse(SELLER, abi.encodeCall(Contracts.withdraw, ("none", SELLER)), none);
        refuse(SELLER, abi.encodeCall(Contracts.getAgreement, ("none")), none);
    }

    // ── any numbers

    function testFuzz_J1_settlement_divides_all_that_was_put_up(
        uint120 price,
        uint120 margin,
        uint120 quantity,
        uint120 delivered,
        uint16 split,
        uint8 path
    ) external {
        Contracts.Terms memory t = plain();
        t.priceTotal = uint120(bound(price, 1, type(uint120).max));
        t.sellerMargin = uint120(bound(margin, 0, type(uint120).max - t.priceTotal));
        t.quantity = uint120(bound(quantity, 1, type(uint120).max));
        t.defaultSplitBps = uint16(bound(split, 0, 10_000));
        delivered = uint120(bound(delivered, 0, t.quantity));
        bytes32 id = active(t);
        if (delivered > 0) deliver(id, delivered);
        vm.warp(DELIVER_BY + 1);
        bool disputed = delivered > 0 && path % 3 == 0 && delivered < t.quantity;
        if (disputed) {
            vm.prank(BUYER);
            contracts.dispute(id, "bad");
        }
        vm.warp(RULE_BY + 1);
        settle(id);
        Contracts.Agreement memory a = contracts.getAgreement(id);
        uint256 all = uint256(t.priceTotal) + t.sellerMargin;
        vm.assertEq(uint256(a.owedSeller) + a.owedBuyer, all, "J-1");
        if (delivered == t.quantity) vm.assertEq(a.owedSeller, all, "J-3");
        if (delivered == 0) vm.assertEq(a.owedBuyer, all, "A-12");
        if (a.owedSeller > 0) contracts.withdraw(id, SELLER);
        if (a.owedBuyer > 0) contracts.withdraw(id, BUYER);
        vm.assertEq(token.balanceOf(address(contracts)), 0, "J-2");
    }

    /// Whatever is published, and whichever round who calls names: until `ruleBy` one price.
    function testFuzz_A11_no_two_rounds_fix_different_prices(uint8[8] memory gaps, uint8 named)
        external
    {
        bytes32 first = active(priced());
        bytes32 second = active(priced());
        uint40 time = DELIVER_BY - 400;
        for (uint256 i = 0; i < 8; i++) {
            time += uint40(gaps[i]) + 1;
            observe(time, 1200 + int128(uint128(i)));
        }
        uint120 price;
        for (uint64 i = 0; i < 9; i++) {
            uint64 round = uint64((i + named) % 9);
            bytes memory call = abi.encodeCall(Contracts.fixPrice, (first, round));
            (bool ok,) = address(contracts).call(call);
            if (!ok) continue;
            vm.assertEq(price, 0, "fixed twice");
            price = contracts.getAgreement(first).price;
            vm.assertTrue(price > 0, "no price");
        }
        for (uint64 round = 9; round > 0 && price > 0; round--) {
            (bool ok,) =
                address(contracts).call(abi.encodeCall(Contracts.fixPrice, (second, round - 1)));
            if (ok) vm.assertEq(contracts.getAgreement(second).price, price, "another price");
        }
        vm.assertEq(contracts.getAgreement(second).price, price, "not by everybody");
    }

    // ── gas, for the committed table

    function test_gas() external {
        bytes32 id = propose(plain());
        vm.snapshotGasLastCall("Contracts", "propose");
        vm.prank(BUYER);
        contracts.sign(id);
        vm.snapshotGasLastCall("Contracts", "sign");
        vm.prank(BUYER);
        contracts.fund(id);
        vm.snapshotGasLastCall("Contracts", "fund, buyer");
        vm.prank(SELLER);
        contracts.fund(id);
        vm.snapshotGasLastCall("Contracts", "fund, seller");
        deliver(id, 10);
        vm.snapshotGasLastCall("Contracts", "recordDelivery");
        vm.prank(BUYER);
        contracts.accept(id);
        vm.snapshotGasLastCall("Contracts", "accept");
        settle(id);
        vm.snapshotGasLastCall("Contracts", "settle");
        contracts.withdraw(id, SELLER);
        vm.snapshotGasLastCall("Contracts", "withdraw");
        id = propose(plain());
        contracts.signBySig(id, SIGN_BY, signature(id, "terms", 0, SIGN_BY));
        vm.snapshotGasLastCall("Contracts", "signBySig");
        id = active(priced());
        observe(DELIVER_BY, 1200);
        fixPrice(id, 1);
        vm.snapshotGasLastCall("Contracts", "fixPrice");
    }

    // ── the scenes these tests start from

    /// 10 units for 1,000; margin 101.
    function plain() private view returns (Contracts.Terms memory t) {
        (t.seller, t.buyer, t.arbiter, t.token) = (SELLER, BUYER, ARBITER, address(token));
        (t.commodity, t.terms) = ("wheat", "terms");
        (t.quantity, t.priceTotal, t.sellerMargin) = (10, 1000, 101);
        (t.signBy, t.fundBy, t.deliverBy) = (SIGN_BY, FUND_BY, DELIVER_BY);
        (t.acceptWithin, t.ruleBy, t.defaultSplitBps) = (WITHIN, RULE_BY, 6000);
        (t.cid, t.title, t.unit) = ("bafy", "wheat", "t");
    }

    /// The same, at three quarters of the feed's value, within 800 and 1,500.
    function priced() private view returns (Contracts.Terms memory t) {
        t = plain();
        (t.feed, t.priceFloor, t.priceCap, t.priceMul, t.priceDiv) = (feed, 800, 1500, 3, 4);
    }

    function propose(Contracts.Terms memory t) private returns (bytes32) {
        vm.prank(SELLER);
        return contracts.propose(t);
    }

    function signed(Contracts.Terms memory t) private returns (bytes32 id) {
        id = propose(t);
        vm.prank(BUYER);
        contracts.sign(id);
    }

    function active(Contracts.Terms memory t) private returns (bytes32 id) {
        id = signed(t);
        if (t.sellerMargin > 0) {
            fundBoth(id);
        } else {
            vm.prank(BUYER);
            contracts.fund(id);
        }
    }

    function fundBoth(bytes32 id) private {
        vm.prank(BUYER);
        contracts.fund(id);
        vm.prank(SELLER);
        contracts.fund(id);
    }

    function deliver(bytes32 id, uint120 quantity) private {
        vm.prank(SELLER);
        contracts.recordDelivery(id, quantity, "evidence");
    }

    /// Publishes one observation, at its own time.
    function observe(uint40 time, int128 value) private {
        vm.warp(time);
        Feeds.Observation[] memory one = new Feeds.Observation[](1);
        one[0] = Feeds.Observation(value, time);
        feeds.publish(feed, one);
    }

    function fixPrice(bytes32 id, uint64 round) private {
        vm.prank(ANYONE);
        contracts.fixPrice(id, round);
    }

    function settle(bytes32 id) private {
        vm.prank(ANYONE);
        contracts.settle(id);
    }

    /// Asks for a cancellation that the other party has not asked for.
    function request(bytes32 id, address party) private {
        Contracts.Status status = contracts.getAgreement(id).status;
        request(id, party, status);
    }

    function request(bytes32 id, address party, Contracts.Status after_) private {
        vm.prank(party);
        contracts.cancel(id);
        vm.assertEq(uint256(contracts.getAgreement(id).status), uint256(after_));
    }

    function provide(address token_) private {
        address[2] memory who = [SELLER, BUYER];
        for (uint256 i = 0; i < 2; i++) {
            PlainToken(token_).mint(who[i], type(uint120).max);
            vm.prank(who[i]);
            PlainToken(token_).approve(address(contracts), type(uint256).max);
        }
    }

    function signature(bytes32 id, bytes32 terms, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("chainfold contracts"),
                keccak256("1"),
                31337,
                address(contracts)
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Sign(bytes32 agreement,bytes32 terms,uint256 nonce,uint256 deadline)"),
                id,
                terms,
                nonce,
                deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(BUYER_KEY, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        return abi.encodePacked(r, s, v);
    }

    function refuse(address by, bytes memory call, bytes4 error_) private {
        vm.prank(by);
        (bool ok, bytes memory answer) = address(contracts).call(call);
        vm.assertTrue(!ok, "not refused");
        vm.assertEq(answer, abi.encodePacked(error_));
    }

    function refusePropose(Contracts.Terms memory t, bytes4 error_) private {
        refuse(SELLER, abi.encodeCall(Contracts.propose, (t)), error_);
    }

    function refuseSignature(bytes32 id, uint256 deadline, bytes memory sig) private {
        bytes memory call = abi.encodeCall(Contracts.signBySig, (id, deadline, sig));
        refuse(ANYONE, call, Contracts.InvalidSignature.selector);
    }

    function refusePrice(bytes32 id, uint64 round, bytes4 error_) private {
        refuse(ANYONE, abi.encodeCall(Contracts.fixPrice, (id, round)), error_);
    }

    function refuseSettle(bytes32 id, bytes4 error_) private {
        refuse(ANYONE, abi.encodeCall(Contracts.settle, (id)), error_);
    }

    function refuseWithdraw(bytes32 id, address party, bytes4 error_) private {
        refuse(ANYONE, abi.encodeCall(Contracts.withdraw, (id, party)), error_);
    }
}
