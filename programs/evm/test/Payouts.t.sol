// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {MerkleDistributor} from "benchmarks/MerkleDistributor.sol";
import {Escrow} from "../src/Escrow.sol";
import {Feeds} from "../src/Feeds.sol";
import {Payouts} from "../src/Payouts.sol";
import {Projects} from "../src/Projects.sol";
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

/// @title Payouts by the numbers of programs/SPEC.md.
contract PayoutsTest is Test {
    uint40 private constant START = 1_800_000_000;
    uint40 private constant PUBLISH_BY = START + 1000;
    uint32 private constant DELAY = 500;
    uint40 private constant EXPIRES = PUBLISH_BY + DELAY + 7 days;
    uint40 private constant TRIGGER_BY = START + 5000;
    uint256 private constant TEN_YEARS = 3650 days;
    uint256 private constant KEY = 0xA11CE;

    address private immutable ALICE = vm.addr(KEY);
    address private constant BOB = address(0xB0B);
    address private constant OPERATOR = address(0x09E);
    address private constant GUARDIAN = address(0x64A);
    address private constant FUNDER = address(0xF0);
    address private constant FUNDER2 = address(0xF2);
    address private constant VENDOR = address(0x3E);

    Payouts private payouts;
    Feeds private feeds;
    TestToken private token;
    bytes32 private feed;
    bytes private hook;

    function setUp() external {
        vm.warp(START);
        vm.roll(100);
        feeds = new Feeds();
        payouts = new Payouts(feeds);
        token = new TestToken();
        feed = feeds.open(1, 300, "rain", "mm");
        provide(address(token));
    }

    // ── open

    function test_P1_open_stores_counts_and_emits() external {
        Payouts.Terms memory t = triggered();
        t.record = "record";
        vm.recordLogs();
        bytes32 pool = payouts.open(t);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
        vm.assertEq(logs[0].topics[0], Payouts.PoolOpened.selector);
        vm.assertEq(logs[0].topics[1], pool);
        vm.assertEq(logs[0].topics[2], bytes32(uint256(uint160(address(this)))));
        Payouts.OpenedData memory d;
        (d.seq, d.operator, d.guardian, d.token, d.kind) = (1, OPERATOR, GUARDIAN, t.token, t.kind);
        (d.record, d.publishBy, d.challengeDelay) = (t.record, t.publishBy, t.challengeDelay);
        (d.expiresAt, d.feed, d.comparator) = (t.expiresAt, t.feed, t.comparator);
        (d.threshold, d.triggerBy, d.cid, d.title) = (t.threshold, t.triggerBy, t.cid, t.title);
        vm.assertEq(bytes.concat(bytes32(uint256(32)), logs[0].data), abi.encode(d));

        Payouts.Pool memory p = payouts.getPool(pool);
        vm.assertEq(p.creator, address(this));
        vm.assertEq(p.operator, OPERATOR);
        vm.assertEq(p.guardian, GUARDIAN);
        vm.assertEq(p.record, "record");
        vm.assertEq(p.createdAt, START);
        vm.assertEq(p.seq, 1);
        vm.assertEq(payouts.poolCount(), 1);
        vm.assertTrue(payouts.open(t) != pool, "id used twice");
        t.operator = address(0);
        refuseOpen(t, Payouts.ZeroAddress.selector);
    }

    function test_P2_windows_are_the_rounds() external {
        Payouts.Terms memory t = aid();
        t.opensAt = 1;
        refuseOpen(t, Payouts.InvalidWindow.selector);
        (t.opensAt, t.closesAt) = (0, 1);
        refuseOpen(t, Payouts.InvalidWindow.selector);
        (t.closesAt, t.entryFee) = (0, 1);
        refuseOpen(t, Payouts.InvalidWindow.selector);
        (t.entryFee, t.byHeight) = (0, true);
        refuseOpen(t, Payouts.InvalidWindow.selector);
        t = round();
        t.closesAt = t.opensAt;
        refuseOpen(t, Payouts.InvalidWindow.selector);
        t.closesAt = PUBLISH_BY;
        refuseOpen(t, Payouts.InvalidWindow.selector);
        t.closesAt = PUBLISH_BY - 1;
        payouts.open(t);
        (t.opensAt, t.closesAt) = (0, START);
        refuseOpen(t, Payouts.InvalidWindow.selector);
        t.byHeight = true;
        payouts.open(t);
    }

    function test_P3_deadlines() external {
        Payouts.Terms memory t = aid();
        t.publishBy = START;
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t = aid();
        t.publishBy = uint40(START + TEN_YEARS + 1);
        t.expiresAt = t.publishBy + DELAY + 7 days;
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t = aid();
        t.challengeDelay = 366 days + 1;
        t.expiresAt = t.publishBy + t.challengeDelay + 7 days;
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t.challengeDelay = 366 days;
        payouts.open(t);
        t = aid();
        t.expiresAt -= 1;
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t.expiresAt = uint40(PUBLISH_BY + TEN_YEARS + 1);
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t.expiresAt -= 1;
        payouts.open(t);
        t.publishBy = uint40(START + TEN_YEARS);
        t.expiresAt = uint40(START + 2 * TEN_YEARS);
        payouts.open(t);
    }

    function test_P3_deadlines_with_a_trigger() external {
        Payouts.Terms memory t = triggered();
        t.expiresAt = EXPIRES;
        t.triggerBy = EXPIRES - 7 days + 1;
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t.triggerBy -= 1;
        payouts.open(t);
        t.triggerBy = uint40(PUBLISH_BY + TEN_YEARS + 1);
        t.expiresAt = uint40(PUBLISH_BY + 2 * TEN_YEARS);
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t.triggerBy -= 1;
        payouts.open(t);
        t.expiresAt += 1;
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        // The later of the two counts, whichever it is.
        t.triggerBy = START + 1;
        t.expiresAt = uint40(PUBLISH_BY + TEN_YEARS + 1);
        refuseOpen(t, Payouts.InvalidDeadlines.selector);
        t.expiresAt -= 1;
        payouts.open(t);
    }

    function test_P4_triggers_are_whole_or_none() external {
        Payouts.Terms memory t = aid();
        t.comparator = 1;
        refuseOpen(t, Payouts.InvalidTrigger.selector);
        (t.comparator, t.threshold) = (0, 1);
        refuseOpen(t, Payouts.InvalidTrigger.selector);
        (t.threshold, t.triggerBy) = (0, 1);
        refuseOpen(t, Payouts.InvalidTrigger.selector);
        t = triggered();
        t.comparator = 0;
        refuseOpen(t, Payouts.InvalidTrigger.selector);
        t.comparator = 3;
        refuseOpen(t, Payouts.InvalidTrigger.selector);
        (t.comparator, t.triggerBy) = (2, START);
        refuseOpen(t, Payouts.InvalidTrigger.selector);
        t = triggered();
        t.feed = "none";
        refuseOpen(t, Feeds.FeedNotFound.selector);
    }

    function test_P4_text_and_token() external {
        Payouts.Terms memory t = aid();
        (t.cid, t.title) = (string(new bytes(600)), string(new bytes(101)));
        refuseOpen(t, Payouts.TextTooLong.selector);
        t.title = string(new bytes(100));
        payouts.open(t);
        t.token = BOB;
        refuseOpen(t, Escrow.InvalidToken.selector);
    }

    // ── fund and enter

    function test_P5_funding_adds_up_until_publication() external {
        bytes32 pool = payouts.open(aid());
        refuseFund(pool, 0, Payouts.ZeroAmount.selector);
        fund(pool, FUNDER, 100);
        vm.expectEmit();
        emit Payouts.PoolFunded(pool, 3, FUNDER, FUNDER, 50, 150, 150);
        fund(pool, FUNDER, 50);
        fund(pool, FUNDER2, 1);
        vm.assertEq(payouts.receiptOf(pool, FUNDER), 150);
        vm.assertEq(payouts.getPool(pool).funded, 151);
        refuseFund(pool, type(uint120).max - 150, Payouts.Overflow.selector);
        vm.warp(PUBLISH_BY + 1);
        refuseFund(pool, 1, Payouts.TooLate.selector);
        vm.warp(PUBLISH_BY);
        fund(pool, FUNDER, 1);
        publish(pool, "root", 1);
        refuseFund(pool, 1, Payouts.WrongStatus.selector);
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        fund(pool, FUNDER, 1);
    }

    function test_P5_permit() external {
        bytes32 pool = payouts.open(aid());
        token.mint(ALICE, 10);
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 message =
            keccak256(abi.encode(typehash, ALICE, address(payouts), 10, 0, uint256(PUBLISH_BY)));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(KEY, keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), message)));
        vm.prank(ALICE);
        payouts.fundWithPermit(pool, 10, PUBLISH_BY, v, r, s);
        vm.assertEq(payouts.receiptOf(pool, ALICE), 10);
    }

    function test_P6_rounds_are_entered_in_their_window() external {
        bytes32 pool = payouts.open(round());
        refuseEnter(pool, "song", Payouts.TooEarly.selector);
        vm.warp(START + 10);
        vm.expectEmit();
        emit Payouts.RoundEntered(pool, 2, FUNDER, FUNDER, "song", 7, 7);
        enter(pool, "song");
        refuseEnter(pool, "song", Payouts.AlreadyEntered.selector);
        vm.warp(START + 19);
        enter(pool, "other song");
        vm.assertEq(payouts.receiptOf(pool, FUNDER), 14);
        vm.warp(START + 20);
        refuseEnter(pool, "third", Payouts.TooLate.selector);
        publish(pool, "root", 14);
        refuseEnter(pool, "third", Payouts.WrongStatus.selector);
        refuseEnter(payouts.open(aid()), "song", Payouts.NotARound.selector);
    }

    function test_P6_rounds_by_height() external {
        Payouts.Terms memory t = round();
        (t.byHeight, t.opensAt, t.closesAt, t.entryFee) = (true, 110, 120, 0);
        bytes32 pool = payouts.open(t);
        fund(pool, FUNDER, 5);
        refuseEnter(pool, "song", Payouts.TooEarly.selector);
        vm.roll(119);
        enter(pool, "song");
        refusePublish(pool, "root", 5, 1, Payouts.TooEarly.selector);
        vm.warp(PUBLISH_BY + 1);
        refuseEnter(pool, "late", Payouts.TooLate.selector);
        vm.warp(PUBLISH_BY);
        enter(pool, "last");
        vm.roll(120);
        refuseEnter(pool, "late", Payouts.TooLate.selector);
        publish(pool, "root", 5);
    }

    // ── publish, veto, fire

    function test_P7_operator_publishes() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        vm.expectRevert(Payouts.NotOperator.selector);
        payouts.publish(pool, "root", 1, 1, "", "");
        refusePublish(pool, 0, 1, 1, Payouts.InvalidRoot.selector);
        refusePublish(pool, "root", 1, 0, Payouts.InvalidRoot.selector);
        refusePublish(pool, "root", 101, 1, Payouts.InsufficientFunds.selector);
        refusePublish(pool, "root", 0, 1, Payouts.InsufficientFunds.selector);
        vm.prank(OPERATOR);
        vm.expectRevert(Payouts.TextTooLong.selector);
        payouts.publish(pool, "root", 1, 1, "", string(new bytes(701)));
        vm.warp(PUBLISH_BY + 1);
        refusePublish(pool, "root", 1, 1, Payouts.TooLate.selector);
        vm.warp(PUBLISH_BY);
        vm.expectEmit();
        emit Payouts.PoolPublished(
            pool,
            3,
            OPERATOR,
            "root",
            100,
            2,
            "manifest",
            PUBLISH_BY + DELAY,
            Payouts.Status.Published,
            "bafy"
        );
        vm.prank(OPERATOR);
        payouts.publish(pool, "root", 100, 2, "manifest", "bafy");
        refusePublish(pool, "root", 1, 1, Payouts.WrongStatus.selector);
    }

    function test_P7_round_is_published_after_its_window() external {
        bytes32 pool = payouts.open(round());
        fund(pool, FUNDER, 100);
        vm.warp(START + 19);
        refusePublish(pool, "root", 1, 1, Payouts.TooEarly.selector);
        vm.warp(START + 20);
        publish(pool, "root", 1);
    }

    /// At the last second before `publishBy`, with the earliest `expiresAt` that P-3 allows.
    function test_P7_claims_have_seven_days_whenever_published() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        (bytes32 root, bytes32[] memory proof) = tree(pool);
        vm.warp(PUBLISH_BY);
        publish(pool, root, 100);
        vm.warp(EXPIRES - 7 days - 1);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.TooEarly.selector);
        vm.warp(EXPIRES - 7 days);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_P8_root_that_pays_the_operator_is_vetoed() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        bytes32 root = leafOf(pool, 0, OPERATOR, 100);
        publish(pool, root, 100);
        refuseClaim(pool, 0, OPERATOR, 100, new bytes32[](0), Payouts.TooEarly.selector);
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        vm.warp(EXPIRES - 1);
        refuseClaim(pool, 0, OPERATOR, 100, new bytes32[](0), Payouts.WrongStatus.selector);
        payouts.refund(pool, FUNDER);
        vm.assertEq(token.balanceOf(OPERATOR), 0);
        vm.assertEq(token.balanceOf(FUNDER), type(uint120).max);
    }

    function test_P8_veto_forgets_what_was_published() external {
        (bytes32 pool,) = published(aid());
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        Payouts.Pool memory p = payouts.getPool(pool);
        vm.assertEq(p.root, 0);
        vm.assertEq(p.manifest, 0);
        vm.assertEq(p.total, 0);
        vm.assertEq(p.unclaimed, 0);
        vm.assertEq(p.leafCount, 0);
        vm.assertEq(p.challengedUntil, 0);
        vm.assertEq(p.claimsOpenAt, type(uint40).max);
    }

    /// Neither without a guardian nor when it is gone is anybody else asked.
    function test_P8_without_a_guardian_nobody_vetoes() external {
        Payouts.Terms memory t = aid();
        t.guardian = address(0);
        (bytes32 pool, bytes32[] memory proof) = published(t);
        address[4] memory who = [address(this), OPERATOR, FUNDER, GUARDIAN];
        for (uint256 i = 0; i < 4; i++) {
            vm.prank(who[i]);
            refuse(abi.encodeCall(Payouts.veto, (pool)), Payouts.NotGuardian.selector);
        }
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_P8_guardian_vetoes_to_the_last_moment() external {
        (bytes32 pool, bytes32[] memory proof) = published(aid());
        vm.expectRevert(Payouts.NotGuardian.selector);
        payouts.veto(pool);
        vm.warp(START + DELAY - 1);
        vm.expectEmit();
        emit Payouts.PoolVetoed(pool, 4, GUARDIAN, Payouts.Status.Vetoed);
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        vm.prank(GUARDIAN);
        vm.expectRevert(Payouts.WrongStatus.selector);
        payouts.veto(pool);
        vm.warp(START + DELAY);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.WrongStatus.selector);
        publish(pool, "root", 10);
        vm.warp(START + DELAY + DELAY);
        vm.prank(GUARDIAN);
        vm.expectRevert(Payouts.TooLate.selector);
        payouts.veto(pool);
        // What was vetoed pays nothing, even where another root's claims are open.
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.InvalidProof.selector);
    }

    function test_P8_vetoed_root_is_published_again() external {
        (bytes32 pool, bytes32[] memory proof) = published(aid());
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        (bytes32 root,) = tree(pool);
        publish(pool, root, 100);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_P8_veto_after_publish_by_refunds() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        vm.warp(PUBLISH_BY);
        publish(pool, "root", 100);
        vm.warp(PUBLISH_BY + 1);
        vm.expectRevert(Payouts.TooEarly.selector);
        payouts.refund(pool, FUNDER);
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        payouts.refund(pool, FUNDER);
        vm.assertEq(token.balanceOf(address(payouts)), 0);
    }

    function test_P9_trigger_fires_on_what_was_observed_in_time() external {
        bytes32 pool = payouts.open(triggered());
        refuseFire(payouts.open(aid()), 1, Payouts.NoTrigger.selector);
        observe(START, 99);
        refuseFire(pool, 1, Payouts.ObservationOutOfWindow.selector);
        observe(START + 1, 49);
        refuseFire(pool, 2, Payouts.ConditionNotMet.selector);
        observe(START + 2, 50);
        vm.warp(START + 2 + 301);
        refuseFire(pool, 3, Payouts.StaleObservation.selector);
        refuseFire(pool, 4, Feeds.ObservationNotFound.selector);
        vm.warp(START + 2 + 300);
        vm.expectEmit();
        emit Payouts.TriggerFired(pool, 2, address(this), 3, 50);
        payouts.fire(pool, 3);
        refuseFire(pool, 3, Payouts.AlreadyFired.selector);
    }

    function test_P9_trigger_does_nothing_after_its_deadline() external {
        bytes32 pool = payouts.open(triggered());
        observe(TRIGGER_BY - 10, 50);
        vm.warp(TRIGGER_BY + 1);
        refuseFire(pool, 1, Payouts.TooLate.selector);
        vm.warp(TRIGGER_BY);
        // Observed ahead of the chain's clock, past the deadline.
        Feeds.Observation[] memory one = new Feeds.Observation[](1);
        one[0] = Feeds.Observation(50, TRIGGER_BY + 1);
        feeds.publish(feed, one);
        refuseFire(pool, 2, Payouts.ObservationOutOfWindow.selector);
        payouts.fire(pool, 1);
    }

    function test_P9_trigger_below_a_threshold() external {
        Payouts.Terms memory t = triggered();
        (t.comparator, t.threshold) = (2, -3);
        bytes32 pool = payouts.open(t);
        observe(START + 1, -2);
        refuseFire(pool, 1, Payouts.ConditionNotMet.selector);
        observe(START + 2, -3);
        payouts.fire(pool, 2);
    }

    // ── claim

    function test_P10_claim_pays_the_account_once() external {
        (bytes32 pool, bytes32[] memory proof) = published(aid());
        vm.warp(START + DELAY - 1);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.TooEarly.selector);
        vm.warp(START + DELAY);
        vm.expectEmit();
        emit Payouts.PayoutClaimed(pool, 4, address(this), ALICE, 0, 60, 40);
        payouts.claim(pool, 0, ALICE, 60, proof);
        vm.assertEq(token.balanceOf(ALICE), 60);
        vm.assertTrue(payouts.isClaimed(pool, 0), "bit");
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.AlreadyClaimed.selector);
        vm.warp(EXPIRES);
        refuseClaim(pool, 1, BOB, 40, other(pool), Payouts.TooLate.selector);
        vm.warp(EXPIRES - 1);
        payouts.claim(pool, 1, BOB, 40, other(pool));
        vm.assertEq(payouts.getPool(pool).unclaimed, 0);
    }

    function test_P10_proof_is_of_one_leaf_in_one_pool() external {
        (bytes32 pool, bytes32[] memory proof) = published(aid());
        (bytes32 second,) = published(aid());
        vm.warp(START + DELAY);
        bytes4 bad = Payouts.InvalidProof.selector;
        refuseClaim(pool, 1, ALICE, 60, proof, bad);
        refuseClaim(pool, 0, BOB, 60, proof, bad);
        refuseClaim(pool, 0, ALICE, 61, proof, bad);
        refuseClaim(second, 0, ALICE, 60, proof, bad);
        refuseClaim(pool, 0, ALICE, 60, new bytes32[](0), bad);
        bytes32[] memory long = new bytes32[](2);
        (long[0], long[1]) = (proof[0], proof[0]);
        refuseClaim(pool, 0, ALICE, 60, long, bad);
        vm.chainId(999);
        refuseClaim(pool, 0, ALICE, 60, proof, bad);
        vm.chainId(31337);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_P11_inner_node_is_no_leaf() external {
        (bytes32 pool,) = published(aid());
        vm.warp(START + DELAY);
        // A leaf of six words can't be an inner node of two: the root itself as a leaf.
        refuseClaim(pool, 0, ALICE, 100, new bytes32[](0), Payouts.InvalidProof.selector);
    }

    /// What stands under the root is a leaf hashed twice, and nothing else.
    function test_P11_leaf_is_hashed_twice() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        bytes memory words =
            abi.encode(block.chainid, address(payouts), pool, uint256(0), ALICE, uint256(60));
        publish(pool, keccak256(words), 100);
        vm.warp(START + DELAY);
        refuseClaim(pool, 0, ALICE, 60, new bytes32[](0), Payouts.InvalidProof.selector);
        vm.warp(START);
        pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        words = abi.encode(block.chainid, address(payouts), pool, uint256(0), ALICE, uint256(60));
        publish(pool, keccak256(bytes.concat(keccak256(words))), 100);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, 60, new bytes32[](0));
    }

    /// Any two indices, to the type's edge: a claim marks its own and no other.
    function testFuzz_P10_indices_are_apart(uint64 one, uint64 two, uint8 near) external {
        two = near == 0 ? two : one ^ uint64(near);
        vm.assume(one != two);
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        bytes32 leaf = leafOf(pool, one, ALICE, 60);
        bytes32 twin = leafOf(pool, two, BOB, 40);
        publish(pool, Hashes.commutativeKeccak256(leaf, twin), 100);
        vm.warp(START + DELAY);
        payouts.claim(pool, one, ALICE, 60, single(twin));
        vm.assertTrue(payouts.isClaimed(pool, one), "not marked");
        vm.assertTrue(!payouts.isClaimed(pool, two), "another marked");
        payouts.claim(pool, two, BOB, 40, single(leaf));
        refuseClaim(pool, one, ALICE, 60, single(twin), Payouts.AlreadyClaimed.selector);
    }

    function test_P10_duplicated_leaf_and_index_pay_once() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 200);
        bytes32 leaf = leafOf(pool, 0, ALICE, 60);
        bytes32 twin = leafOf(pool, 0, BOB, 40);
        publish(pool, Hashes.commutativeKeccak256(leaf, twin), 100);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, 60, single(twin));
        refuseClaim(pool, 0, BOB, 40, single(leaf), Payouts.AlreadyClaimed.selector);
    }

    function test_P10_claims_end_at_the_total() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 200);
        bytes32 leaf = leafOf(pool, 0, ALICE, 60);
        bytes32 twin = leafOf(pool, 1, BOB, 60);
        publish(pool, Hashes.commutativeKeccak256(leaf, twin), 100);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, 60, single(twin));
        refuseClaim(pool, 1, BOB, 60, single(leaf), Payouts.ExceedsTotal.selector);
    }

    function test_P10_claims_wait_for_the_trigger() external {
        (bytes32 pool, bytes32[] memory proof) = published(triggered());
        vm.warp(START + DELAY);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.NotTriggered.selector);
        observe(START + DELAY, 50);
        payouts.fire(pool, 1);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_P10_trigger_before_publication() external {
        bytes32 pool = payouts.open(triggered());
        observe(START + 1, 50);
        payouts.fire(pool, 1);
        fund(pool, FUNDER, 100);
        (bytes32 root, bytes32[] memory proof) = tree(pool);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.WrongStatus.selector);
        publish(pool, root, 100);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.TooEarly.selector);
        vm.warp(START + 1 + DELAY);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_P10_trigger_after_a_veto_opens_nothing() external {
        (bytes32 pool, bytes32[] memory proof) = published(triggered());
        vm.prank(GUARDIAN);
        payouts.veto(pool);
        observe(START + 1, 50);
        payouts.fire(pool, 1);
        vm.warp(START + DELAY + 2);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.WrongStatus.selector);
    }

    function test_G7_blocked_account_blocks_nobody_else() external {
        BlockingToken blocking = new BlockingToken();
        provide(address(blocking));
        Payouts.Terms memory t = aid();
        t.token = address(blocking);
        (bytes32 pool, bytes32[] memory proof) = published(t);
        vm.warp(START + DELAY);
        blocking.setBlocked(ALICE, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, ALICE));
        payouts.claim(pool, 0, ALICE, 60, proof);
        payouts.claim(pool, 1, BOB, 40, other(pool));
        blocking.setBlocked(ALICE, false);
        payouts.claim(pool, 0, ALICE, 60, proof);
    }

    function test_G7_blocked_funder_blocks_nobody_else() external {
        BlockingToken blocking = new BlockingToken();
        provide(address(blocking));
        Payouts.Terms memory t = aid();
        t.token = address(blocking);
        bytes32 pool = payouts.open(t);
        fund(pool, FUNDER, 2);
        fund(pool, FUNDER2, 1);
        publish(pool, leafOf(pool, 0, ALICE, 1), 1);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, 1, new bytes32[](0));
        vm.warp(EXPIRES);
        blocking.setBlocked(FUNDER, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, FUNDER));
        payouts.refund(pool, FUNDER);
        // floor(2 × 1 / 3) is nothing; the dust waits for who is paid last.
        payouts.refund(pool, FUNDER2);
        vm.assertEq(blocking.balanceOf(address(payouts)), 2);
        blocking.setBlocked(FUNDER, false);
        payouts.refund(pool, FUNDER);
        vm.assertEq(blocking.balanceOf(address(payouts)), 0);
    }

    /// Who is paid into the contract's own account has given it away: nobody else gets more.
    function test_G7_leaf_of_the_contract_itself_is_a_donation() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        publish(pool, leafOf(pool, 0, address(payouts), 60), 60);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, address(payouts), 60, new bytes32[](0));
        vm.warp(EXPIRES);
        payouts.refund(pool, FUNDER);
        vm.assertEq(token.balanceOf(FUNDER), type(uint120).max - 60);
        vm.assertEq(token.balanceOf(address(payouts)), 60);
    }

    function test_G2_token_that_says_false_loses_no_debt() external {
        FalseToken liar = new FalseToken();
        liar.setRefuse(false);
        provide(address(liar));
        Payouts.Terms memory t = aid();
        t.token = address(liar);
        (bytes32 pool, bytes32[] memory proof) = published(t);
        vm.warp(START + DELAY);
        liar.setRefuse(true);
        bytes memory failed =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar));
        vm.expectRevert(failed);
        payouts.claim(pool, 0, ALICE, 60, proof);
        vm.assertTrue(!payouts.isClaimed(pool, 0), "claim lost");
        vm.warp(EXPIRES);
        vm.expectRevert(failed);
        payouts.refund(pool, FUNDER);
        vm.assertEq(payouts.receiptOf(pool, FUNDER), 103);
    }

    /// A token that calls who sends and who receives, and an account that answers with a call.
    function test_G10_calls_within_calls_move_nothing_twice() external {
        HookToken hooking = new HookToken();
        provide(address(hooking));
        hooking.mint(address(this), 100);
        hooking.approve(address(payouts), type(uint256).max);
        Payouts.Terms memory t = aid();
        t.token = address(hooking);
        bytes32 pool = payouts.open(t);
        fund(pool, FUNDER, 100);
        hooking.setHooked(address(this), true);
        hook = abi.encodeCall(Payouts.fund, (pool, 1));
        bytes memory call = abi.encodeCall(Payouts.fund, (pool, 100));
        refuse(call, ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        hook = "";
        payouts.fund(pool, 100);

        bytes32 leaf = leafOf(pool, 0, address(this), 60);
        bytes32 twin = leafOf(pool, 1, BOB, 40);
        publish(pool, Hashes.commutativeKeccak256(leaf, twin), 100);
        vm.warp(START + DELAY);
        call = abi.encodeCall(Payouts.claim, (pool, 0, address(this), 60, single(twin)));
        hook = call;
        refuse(call, Payouts.AlreadyClaimed.selector);
        hook = "";
        payouts.claim(pool, 0, address(this), 60, single(twin));
        payouts.claim(pool, 1, BOB, 40, single(leaf));

        vm.warp(EXPIRES);
        call = abi.encodeCall(Payouts.refund, (pool, address(this)));
        hook = call;
        refuse(call, Payouts.NothingToRefund.selector);
        hook = "";
        payouts.refund(pool, address(this));
        payouts.refund(pool, FUNDER);
        vm.assertEq(hooking.balanceOf(address(payouts)), 0);
    }

    /// Called by HookToken.
    function onTransfer() external {
        bytes memory call = hook;
        hook = "";
        if (call.length == 0) return;
        (bool ok, bytes memory answer) = address(payouts).call(call);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// Whoever falls silent, the funders have what is left, by anybody's call.
    function test_G9_every_state_ends_by_time() external {
        bytes32 unpublished = payouts.open(aid());
        fund(unpublished, FUNDER, 100);
        (bytes32 vetoed,) = published(aid());
        vm.prank(GUARDIAN);
        payouts.veto(vetoed);
        (bytes32 untriggered,) = published(triggered());
        (bytes32 unclaimed,) = published(aid());
        bytes32 vouchers = allocated();
        vm.warp(PUBLISH_BY + 1);
        payouts.refund(unpublished, FUNDER);
        payouts.refund(vetoed, FUNDER);
        vm.warp(EXPIRES + 1 days);
        payouts.refund(untriggered, FUNDER);
        payouts.refund(unclaimed, FUNDER);
        payouts.refund(vouchers, FUNDER);
        payouts.refund(vouchers, FUNDER2);
        vm.assertEq(token.balanceOf(address(payouts)), 0);
    }

    function test_G2_fee_on_transfer_is_refused() external {
        FeeToken fee = new FeeToken();
        provide(address(fee));
        Payouts.Terms memory t = aid();
        t.token = address(fee);
        refuseFund(payouts.open(t), 10, Escrow.FeeOnTransfer.selector);
    }

    // ── vouchers

    function test_P12_allocation_is_a_claim_that_stays() external {
        (bytes32 pool, bytes32[] memory proof) = published(aid());
        vm.expectRevert(Payouts.TooEarly.selector);
        payouts.allocate(pool, 0, ALICE, 60, proof);
        vm.warp(START + DELAY);
        vm.expectEmit();
        emit Payouts.VoucherAllocated(pool, 4, address(this), ALICE, 0, 60, 60, 40);
        payouts.allocate(pool, 0, ALICE, 60, proof);
        refuseClaim(pool, 0, ALICE, 60, proof, Payouts.AlreadyClaimed.selector);
        vm.assertEq(payouts.voucherOf(pool, ALICE), 60);
        vm.assertEq(token.balanceOf(ALICE), 0);
    }

    function test_P12_allocations_of_one_account_add_up() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        bytes32 leaf = leafOf(pool, 0, ALICE, 60);
        bytes32 twin = leafOf(pool, 1, ALICE, 40);
        publish(pool, Hashes.commutativeKeccak256(leaf, twin), 100);
        vm.warp(START + DELAY);
        payouts.allocate(pool, 0, ALICE, 60, single(twin));
        payouts.allocate(pool, 1, ALICE, 40, single(leaf));
        vm.assertEq(payouts.voucherOf(pool, ALICE), 100);
        vm.assertEq(payouts.getPool(pool).vouchers, 100);
    }

    function test_P13_operator_names_vendors() external {
        (bytes32 pool,) = published(aid());
        vm.expectRevert(Payouts.NotOperator.selector);
        payouts.setVendor(pool, VENDOR, true);
        vm.expectEmit();
        emit Payouts.VendorSet(pool, 4, OPERATOR, VENDOR, true);
        vm.prank(OPERATOR);
        payouts.setVendor(pool, VENDOR, true);
    }

    function test_P14_vendor_is_paid_by_the_beneficiarys_signature() external {
        bytes32 pool = allocated();
        bytes memory sig = redemption(pool, VENDOR, 25, 0, EXPIRES);
        vm.expectEmit();
        emit Payouts.VoucherRedeemed(pool, 7, address(this), ALICE, VENDOR, 25, 0, 35);
        payouts.redeem(pool, ALICE, VENDOR, 25, EXPIRES, sig);
        vm.assertEq(token.balanceOf(VENDOR), 25);
        vm.assertEq(payouts.getPool(pool).vouchers, 35);
        refuseRedeem(pool, VENDOR, 25, EXPIRES, sig, Payouts.InvalidSignature.selector);
    }

    function test_P14_redemption_refuses() external {
        bytes32 pool = allocated();
        bytes memory sig = redemption(pool, VENDOR, 25, 0, START + 600);
        uint40 expiry = START + 600;
        vm.prank(OPERATOR);
        payouts.setVendor(pool, BOB, true);
        bytes4 bad = Payouts.InvalidSignature.selector;
        refuseRedeem(pool, BOB, 25, expiry, sig, bad);
        refuseRedeem(pool, VENDOR, 26, expiry, sig, bad);
        refuseRedeem(pool, VENDOR, 25, expiry + 1, sig, bad);
        refuseRedeem(pool, VENDOR, 25, expiry, redemption("other", VENDOR, 25, 0, expiry), bad);
        refuseRedeem(pool, FUNDER, 25, expiry, sig, Payouts.NotVendor.selector);
        refuseRedeem(pool, VENDOR, 0, expiry, sig, Payouts.ZeroAmount.selector);
        refuseRedeem(
            pool,
            VENDOR,
            61,
            expiry,
            redemption(pool, VENDOR, 61, 0, expiry),
            Payouts.ExceedsVoucher.selector
        );
        vm.prank(OPERATOR);
        payouts.setVendor(pool, VENDOR, false);
        refuseRedeem(pool, VENDOR, 25, expiry, sig, Payouts.NotVendor.selector);
        vm.prank(OPERATOR);
        payouts.setVendor(pool, VENDOR, true);
        vm.warp(expiry + 1);
        refuseRedeem(pool, VENDOR, 25, expiry, sig, Payouts.SignatureExpired.selector);
        vm.warp(expiry);
        payouts.redeem(pool, ALICE, VENDOR, 25, expiry, sig);
    }

    function test_P14_signature_is_of_one_chain_and_contract() external {
        bytes32 pool = allocated();
        bytes memory sig = redemption(pool, VENDOR, 25, 0, EXPIRES);
        Payouts first = payouts;
        payouts = new Payouts(feeds);
        bytes memory elsewhere = redemption(pool, VENDOR, 25, 0, EXPIRES);
        payouts = first;
        refuseRedeem(pool, VENDOR, 25, EXPIRES, elsewhere, Payouts.InvalidSignature.selector);
        vm.chainId(999);
        refuseRedeem(pool, VENDOR, 25, EXPIRES, sig, Payouts.InvalidSignature.selector);
        vm.chainId(31337);
        payouts.redeem(pool, ALICE, VENDOR, 25, EXPIRES, sig);
    }

    /// Two contract wallets of one owner: what is signed for one is not the other's.
    function test_P14_signature_is_of_one_wallet() external {
        address one = address(new Wallet(ALICE));
        address two = address(new Wallet(ALICE));
        bytes32 pool = vouchersOf(one, two);
        bytes memory sig = redemption(pool, one, VENDOR, 25, 0, EXPIRES);
        bytes memory call = abi.encodeCall(Payouts.redeem, (pool, two, VENDOR, 25, EXPIRES, sig));
        refuse(call, Payouts.InvalidSignature.selector);
        payouts.redeem(pool, one, VENDOR, 25, EXPIRES, sig);
        vm.assertEq(token.balanceOf(VENDOR), 25);
        refuse(call, Payouts.InvalidSignature.selector);
    }

    /// A wallet is asked by a static call: it can change nothing before it answers.
    function test_P14_wallet_that_calls_back_is_refused() external {
        CallingWallet wallet = new CallingWallet();
        bytes32 pool = vouchersOf(address(wallet), BOB);
        bytes memory call =
            abi.encodeCall(Payouts.redeem, (pool, address(wallet), VENDOR, 25, EXPIRES, ""));
        wallet.plan(address(payouts), call);
        refuse(call, Payouts.InvalidSignature.selector);
        wallet.plan(address(payouts), "");
        payouts.redeem(pool, address(wallet), VENDOR, 25, EXPIRES, "");
        vm.assertEq(token.balanceOf(VENDOR), 25);
    }

    function test_P14_redemption_ends_with_the_pool() external {
        bytes32 pool = allocated();
        bytes memory sig = redemption(pool, VENDOR, 25, 0, EXPIRES + 99);
        vm.warp(EXPIRES);
        refuseRedeem(pool, VENDOR, 25, EXPIRES + 99, sig, Payouts.TooLate.selector);
        payouts.refund(pool, FUNDER);
        vm.warp(EXPIRES - 1);
        refuseRedeem(pool, VENDOR, 25, EXPIRES + 99, sig, Payouts.WrongStatus.selector);
    }

    // ── refund

    function test_P15_unpublished_money_goes_back() external {
        bytes32 pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        vm.warp(PUBLISH_BY);
        vm.expectRevert(Payouts.TooEarly.selector);
        payouts.refund(pool, FUNDER);
        vm.warp(PUBLISH_BY + 1);
        vm.expectEmit();
        emit Payouts.FunderRefunded(pool, 3, address(this), FUNDER, 100, Payouts.Status.Expired);
        payouts.refund(pool, FUNDER);
        vm.expectRevert(Payouts.NothingToRefund.selector);
        payouts.refund(pool, FUNDER);
        vm.expectRevert(Payouts.NothingToRefund.selector);
        payouts.refund(pool, BOB);
    }

    function test_P15_what_is_left_goes_back_pro_rata() external {
        bytes32 pool = allocated();
        // Funded 100 and 3; 25 of Alice's voucher of 60 is redeemed, Bob's 40 is claimed.
        payouts.redeem(pool, ALICE, VENDOR, 25, EXPIRES, redemption(pool, VENDOR, 25, 0, EXPIRES));
        payouts.claim(pool, 1, BOB, 40, other(pool));
        vm.warp(EXPIRES - 1);
        vm.expectRevert(Payouts.TooEarly.selector);
        payouts.refund(pool, FUNDER);
        vm.warp(EXPIRES);
        uint256 had = token.balanceOf(FUNDER2);
        payouts.refund(pool, FUNDER2);
        // floor(38 × 3 / 103)
        vm.assertEq(token.balanceOf(FUNDER2), had + 1);
        had = token.balanceOf(FUNDER);
        payouts.refund(pool, FUNDER);
        vm.assertEq(token.balanceOf(FUNDER), had + 37);
        vm.assertEq(token.balanceOf(address(payouts)), 0);
    }

    function test_P16_no_pool() external {
        bytes4 none = Payouts.PoolNotFound.selector;
        refuse(abi.encodeCall(Payouts.fund, ("none", 1)), none);
        refuse(abi.encodeCall(Payouts.fundWithPermit, ("none", 1, 0, 27, 0, 0)), none);
        refuse(abi.encodeCall(Payouts.enter, ("none", "song")), none);
        refuse(abi.encodeCall(Payouts.publish, ("none", "r", 1, 1, "", "")), none);
        refuse(abi.encodeCall(Payouts.veto, ("none")), none);
        refuse(abi.encodeCall(Payouts.fire, ("none", 1)), none);
        refuse(abi.encodeCall(Payouts.claim, ("none", 0, BOB, 1, new bytes32[](0))), none);
        refuse(abi.encodeCall(Payouts.allocate, ("none", 0, BOB, 1, new bytes32[](0))), none);
        refuse(abi.encodeCall(Payouts.setVendor, ("none", BOB, true)), none);
        refuse(abi.encodeCall(Payouts.refund, ("none", BOB)), none);
        refuse(abi.encodeCall(Payouts.getPool, ("none")), none);
    }

    // ── any numbers

    function testFuzz_K4_refunds_sum_to_what_was_left(
        uint120[5] memory funds,
        uint120 total,
        uint120 first
    ) external {
        bytes32 pool = payouts.open(aid());
        uint256 funded;
        for (uint160 i = 0; i < 5; i++) {
            funds[i] = uint120(bound(funds[i], 1, type(uint120).max / 5));
            address funder = address(0xFEE0 + i);
            token.mint(funder, funds[i]);
            vm.prank(funder);
            token.approve(address(payouts), funds[i]);
            fund(pool, funder, funds[i]);
            funded += funds[i];
        }
        total = uint120(bound(total, 1, funded));
        first = uint120(bound(first, 0, total));
        bytes32 twin = leafOf(pool, 1, BOB, 1);
        publish(pool, Hashes.commutativeKeccak256(leafOf(pool, 0, ALICE, first), twin), total);
        vm.warp(START + DELAY);
        payouts.claim(pool, 0, ALICE, first, single(twin));
        vm.warp(EXPIRES);
        uint256 left = funded - first;
        for (uint160 i = 0; i < 5; i++) {
            address funder = address(0xFEE0 + i);
            payouts.refund(pool, funder);
            if (i < 4) {
                uint256 due = mulDiv(left, funds[i], funded);
                vm.assertEq(token.balanceOf(funder), due, "floor");
            }
        }
        vm.assertEq(token.balanceOf(address(payouts)), 0, "K-4");
    }

    // ── gas, for the committed table

    function test_gas() external {
        bytes32 pool = payouts.open(aid());
        vm.snapshotGasLastCall("Payouts", "open");
        fund(pool, FUNDER, 1000);
        vm.snapshotGasLastCall("Payouts", "fund");
        // As in a tree of 100,000 leaves.
        bytes32[] memory proof = siblings(17);
        bytes32 root = MerkleProof.processProof(proof, leafOf(pool, 7, ALICE, 100));
        publish(pool, root, 1000);
        vm.snapshotGasLastCall("Payouts", "publish");
        vm.warp(START + DELAY);
        payouts.claim(pool, 7, ALICE, 100, proof);
        vm.snapshotGasLastCall("Payouts", "claim, 100,000 leaves");

        // As many zero bytes in the calldata as Alice's.
        address other_ = vm.addr(KEY + 1);
        MerkleDistributor peer = new MerkleDistributor(
            IERC20(address(token)),
            MerkleProof.processProof(
                proof, keccak256(abi.encodePacked(uint256(7), other_, uint256(100)))
            )
        );
        token.mint(address(peer), 1000);
        peer.claim(7, other_, 100, proof);
        vm.snapshotGasLastCall("Payouts", "plain merkle distributor, claim, 100,000 leaves");

        pool = allocated();
        payouts.redeem(pool, ALICE, VENDOR, 25, EXPIRES, redemption(pool, VENDOR, 25, 0, EXPIRES));
        vm.snapshotGasLastCall("Payouts", "redeem");
        vm.warp(EXPIRES);
        payouts.refund(pool, FUNDER);
        vm.snapshotGasLastCall("Payouts", "refund");
    }

    // ── the scenes these tests start from

    function aid() private view returns (Payouts.Terms memory t) {
        (t.operator, t.guardian, t.token) = (OPERATOR, GUARDIAN, address(token));
        t.kind = Payouts.Kind.Aid;
        (t.publishBy, t.challengeDelay, t.expiresAt) = (PUBLISH_BY, DELAY, EXPIRES);
        (t.cid, t.title) = ("bafy", "flood");
    }

    /// Entered for 7 from START + 10 until START + 20.
    function round() private view returns (Payouts.Terms memory t) {
        t = aid();
        t.kind = Payouts.Kind.Round;
        (t.opensAt, t.closesAt, t.entryFee) = (START + 10, START + 20, 7);
    }

    /// Fires when the feed says 50 or more, until TRIGGER_BY.
    function triggered() private view returns (Payouts.Terms memory t) {
        t = aid();
        (t.feed, t.comparator, t.threshold, t.triggerBy) = (feed, 1, 50, TRIGGER_BY);
        t.expiresAt = EXPIRES + 1 days;
    }

    /// Funded with 103, published at START with Alice's 60 at index 0 and Bob's 40 at 1.
    function published(Payouts.Terms memory t)
        private
        returns (bytes32 pool, bytes32[] memory proof)
    {
        pool = payouts.open(t);
        fund(pool, FUNDER, 103);
        bytes32 root;
        (root, proof) = tree(pool);
        publish(pool, root, 100);
    }

    /// Funded by two, Alice's 60 allocated, VENDOR a vendor.
    function allocated() private returns (bytes32 pool) {
        vm.warp(START);
        pool = payouts.open(aid());
        fund(pool, FUNDER, 100);
        fund(pool, FUNDER2, 3);
        (bytes32 root, bytes32[] memory proof) = tree(pool);
        publish(pool, root, 100);
        vm.warp(START + DELAY);
        payouts.allocate(pool, 0, ALICE, 60, proof);
        vm.prank(OPERATOR);
        payouts.setVendor(pool, VENDOR, true);
    }

    /// 60 allocated to each, VENDOR a vendor.
    function vouchersOf(address one, address two) private returns (bytes32 pool) {
        pool = payouts.open(aid());
        fund(pool, FUNDER, 120);
        bytes32 leaf = leafOf(pool, 0, one, 60);
        bytes32 twin = leafOf(pool, 1, two, 60);
        publish(pool, Hashes.commutativeKeccak256(leaf, twin), 120);
        vm.warp(START + DELAY);
        payouts.allocate(pool, 0, one, 60, single(twin));
        payouts.allocate(pool, 1, two, 60, single(leaf));
        vm.prank(OPERATOR);
        payouts.setVendor(pool, VENDOR, true);
    }

    function tree(bytes32 pool) private view returns (bytes32 root, bytes32[] memory proof) {
        bytes32 bob = leafOf(pool, 1, BOB, 40);
        return (Hashes.commutativeKeccak256(leafOf(pool, 0, ALICE, 60), bob), single(bob));
    }

    /// Bob's proof in `tree`.
    function other(bytes32 pool) private view returns (bytes32[] memory) {
        return single(leafOf(pool, 0, ALICE, 60));
    }

    function single(bytes32 node) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = node;
    }

    function siblings(uint256 count) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) {
            proof[i] = keccak256(abi.encode(i));
        }
    }

    function leafOf(bytes32 pool, uint256 index, address account, uint256 amount)
        private
        view
        returns (bytes32)
    {
        return keccak256(
            bytes.concat(
                keccak256(
                    abi.encode(uint256(31337), address(payouts), pool, index, account, amount)
                )
            )
        );
    }

    function redemption(bytes32 pool, address vendor, uint256 amount, uint256 nonce, uint256 expiry)
        private
        view
        returns (bytes memory)
    {
        return redemption(pool, ALICE, vendor, amount, nonce, expiry);
    }

    /// By ALICE's key, for `account`.
    function redemption(
        bytes32 pool,
        address account,
        address vendor,
        uint256 amount,
        uint256 nonce,
        uint256 expiry
    ) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("chainfold payouts"),
                keccak256("1"),
                block.chainid,
                address(payouts)
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256(
                    "Redeem(bytes32 pool,address account,address vendor,uint256 amount,uint256 nonce,uint256 expiry)"
                ),
                pool,
                account,
                vendor,
                amount,
                nonce,
                expiry
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(KEY, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        return abi.encodePacked(r, s, v);
    }

    function provide(address token_) private {
        address[2] memory who = [FUNDER, FUNDER2];
        for (uint256 i = 0; i < 2; i++) {
            PlainToken(token_).mint(who[i], type(uint120).max);
            vm.prank(who[i]);
            PlainToken(token_).approve(address(payouts), type(uint256).max);
        }
    }

    function fund(bytes32 pool, address funder, uint120 amount) private {
        vm.prank(funder);
        payouts.fund(pool, amount);
    }

    function enter(bytes32 pool, bytes32 record) private {
        vm.prank(FUNDER);
        payouts.enter(pool, record);
    }

    function publish(bytes32 pool, bytes32 root, uint120 total) private {
        vm.prank(OPERATOR);
        payouts.publish(pool, root, total, 2, "manifest", "bafy");
    }

    /// Publishes one observation, at its own time.
    function observe(uint40 time, int128 value) private {
        vm.warp(time);
        Feeds.Observation[] memory one = new Feeds.Observation[](1);
        one[0] = Feeds.Observation(value, time);
        feeds.publish(feed, one);
    }

    function mulDiv(uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        // Operands below 2^120.
        return a * b / c;
    }

    function refuse(bytes memory call, bytes4 error_) private {
        (bool ok, bytes memory answer) = address(payouts).call(call);
        vm.assertTrue(!ok, "not refused");
        vm.assertEq(answer, abi.encodePacked(error_));
    }

    function refuseOpen(Payouts.Terms memory t, bytes4 error_) private {
        refuse(abi.encodeCall(Payouts.open, (t)), error_);
    }

    function refuseFund(bytes32 pool, uint120 amount, bytes4 error_) private {
        vm.prank(FUNDER);
        refuse(abi.encodeCall(Payouts.fund, (pool, amount)), error_);
    }

    function refuseEnter(bytes32 pool, bytes32 record, bytes4 error_) private {
        vm.prank(FUNDER);
        refuse(abi.encodeCall(Payouts.enter, (pool, record)), error_);
    }

    function refusePublish(bytes32 pool, bytes32 root, uint120 total, uint32 leaves, bytes4 error_)
        private
    {
        vm.prank(OPERATOR);
        refuse(abi.encodeCall(Payouts.publish, (pool, root, total, leaves, "", "")), error_);
    }

    function refuseFire(bytes32 pool, uint64 round_, bytes4 error_) private {
        refuse(abi.encodeCall(Payouts.fire, (pool, round_)), error_);
    }

    function refuseClaim(
        bytes32 pool,
        uint64 index,
        address account,
        uint120 amount,
        bytes32[] memory proof,
        bytes4 error_
    ) private {
        refuse(abi.encodeCall(Payouts.claim, (pool, index, account, amount, proof)), error_);
        refuse(abi.encodeCall(Payouts.allocate, (pool, index, account, amount, proof)), error_);
    }

    function refuseRedeem(
        bytes32 pool,
        address vendor,
        uint120 amount,
        uint256 expiry,
        bytes memory sig,
        bytes4 error_
    ) private {
        refuse(abi.encodeCall(Payouts.redeem, (pool, ALICE, vendor, amount, expiry, sig)), error_);
    }
}

/// @title Projects by the numbers of programs/SPEC.md.
contract ProjectsTest is Test {
    address private constant OWNER = address(0x06);
    Projects private projects;
    TestToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        projects = new Projects(new Payouts(new Feeds()));
        token = new TestToken();
    }

    function test_Q1_create_clones_stores_and_emits() external {
        vm.recordLogs();
        bytes32 id = create();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
        Projects.Project memory p = projects.getProject(id);
        Projects.CreatedData memory d = Projects.CreatedData({
            seq: 1,
            nonce: 0,
            payouts: address(p.payouts),
            kind: Projects.Kind.AA,
            organisation: "org",
            budget: 1000,
            statusAfter: Projects.Status.Active,
            cid: "bafy",
            title: "well"
        });
        vm.assertEq(logs[0].topics[0], Projects.ProjectCreated.selector);
        vm.assertEq(logs[0].topics[1], id);
        vm.assertEq(logs[0].topics[2], bytes32(uint256(uint160(OWNER))));
        vm.assertEq(bytes.concat(bytes32(uint256(32)), logs[0].data), abi.encode(d));
        vm.assertEq(p.owner, OWNER);
        vm.assertEq(p.budget, 1000);
        vm.assertEq(p.organisation, "org");
        vm.assertEq(projects.projectCount(), 1);
        // EIP-1167's 45 bytes and two words of arguments.
        vm.assertEq(address(p.payouts).code.length, 45 + 64);
        vm.prank(OWNER);
        vm.expectRevert(Projects.TextTooLong.selector);
        projects.create(Projects.Kind.AA, "", 0, string(new bytes(700)), "x");
    }

    function test_P1_only_the_owner_opens_pools_in_a_project() external {
        bytes32 id = create();
        Payouts clone = projects.getProject(id).payouts;
        Payouts.Terms memory t = terms();
        vm.expectRevert(Payouts.NotOwner.selector);
        clone.open(t);
        vm.prank(OWNER);
        bytes32 pool = clone.open(t);
        vm.assertEq(pool, keccak256(abi.encode(block.chainid, address(clone), OWNER, 0)));
        Payouts second = projects.getProject(create()).payouts;
        vm.assertTrue(address(second) != address(clone), "one clone for two projects");
        vm.assertEq(second.poolCount(), 0);
    }

    function test_P10_a_clone_pays_by_its_own_leaves() external {
        Payouts clone = projects.getProject(create()).payouts;
        vm.prank(OWNER);
        bytes32 pool = clone.open(terms());
        token.mint(address(this), 10);
        token.approve(address(clone), 10);
        clone.fund(pool, 10);
        bytes32 leaf = keccak256(
            bytes.concat(
                keccak256(abi.encode(block.chainid, address(clone), pool, 0, address(9), 10))
            )
        );
        vm.prank(OWNER);
        clone.publish(pool, leaf, 10, 1, "", "");
        clone.claim(pool, 0, address(9), 10, new bytes32[](0));
        vm.assertEq(token.balanceOf(address(9)), 10);
    }

    function test_Q5_pools_are_opened_while_active() external {
        bytes32 id = create();
        Payouts clone = projects.getProject(id).payouts;
        vm.prank(OWNER);
        projects.update(id, 1000, Projects.Status.Paused);
        vm.prank(OWNER);
        vm.expectRevert(Projects.WrongStatus.selector);
        clone.open(terms());
        vm.expectRevert(Projects.ProjectNotFound.selector);
        projects.activeOwner("none");
        vm.expectRevert(Projects.ProjectNotFound.selector);
        projects.update("none", 0, Projects.Status.Paused);
    }

    function test_Q2_owner_updates_until_done() external {
        bytes32 id = create();
        vm.expectRevert(Projects.NotOwner.selector);
        projects.update(id, 5, Projects.Status.Active);
        vm.expectEmit();
        emit Projects.ProjectUpdated(id, 2, OWNER, 5, Projects.Status.Done);
        vm.prank(OWNER);
        projects.update(id, 5, Projects.Status.Done);
        vm.prank(OWNER);
        vm.expectRevert(Projects.WrongStatus.selector);
        projects.update(id, 5, Projects.Status.Active);
        vm.prank(OWNER);
        vm.expectRevert(Projects.WrongStatus.selector);
        projects.addMilestone(id, "", type(uint40).max);
    }

    function test_Q3_Q4_milestones() external {
        bytes32 id = create();
        uint40 due = uint40(block.timestamp + 1);
        vm.expectRevert(Projects.NotOwner.selector);
        projects.addMilestone(id, "dig", due);
        vm.prank(OWNER);
        vm.expectRevert(Projects.InvalidDeadlines.selector);
        projects.addMilestone(id, "dig", due - 1);
        vm.expectEmit();
        emit Projects.MilestoneAdded(id, 2, OWNER, 0, "dig", due);
        vm.prank(OWNER);
        projects.addMilestone(id, "dig", due);
        vm.expectRevert(Projects.NotOwner.selector);
        projects.completeMilestone(id, 0, "photo");
        vm.prank(OWNER);
        vm.expectRevert(Projects.MilestoneNotFound.selector);
        projects.completeMilestone(id, 1, "photo");
        vm.expectEmit();
        emit Projects.MilestoneCompleted(id, 3, OWNER, 0, "photo", 1);
        vm.prank(OWNER);
        projects.completeMilestone(id, 0, "photo");
        vm.prank(OWNER);
        vm.expectRevert(Projects.AlreadyDone.selector);
        projects.completeMilestone(id, 0, "photo");
        vm.assertTrue(projects.getMilestone(id, 0).done, "not done");
        for (uint256 i = 1; i < 64; i++) {
            vm.prank(OWNER);
            projects.addMilestone(id, "more", due);
        }
        vm.prank(OWNER);
        vm.expectRevert(Projects.TooManyMilestones.selector);
        projects.addMilestone(id, "more", due);
    }

    function test_gas() external {
        create();
        vm.snapshotGasLastCall("Projects", "create");
    }

    function create() private returns (bytes32) {
        vm.prank(OWNER);
        return projects.create(Projects.Kind.AA, "org", 1000, "bafy", "well");
    }

    function terms() private view returns (Payouts.Terms memory t) {
        (t.operator, t.token, t.kind) = (OWNER, address(token), Payouts.Kind.Aid);
        t.publishBy = uint40(block.timestamp + 1000);
        t.expiresAt = t.publishBy + 7 days;
    }
}
