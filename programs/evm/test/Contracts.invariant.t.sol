// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Contracts} from "../src/Contracts.sol";
import {Feeds} from "../src/Feeds.sol";
import {Test, Vm} from "./Test.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title The invariants J-1 to J-4 of contracts, over any order of calls.
contract ContractsInvariants is Test {
    Bourse private bourse;
    Contracts private contracts;
    TestToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        bourse = new Bourse();
        (contracts, token) = (bourse.contracts(), bourse.token());
        target(address(bourse));
    }

    /// One campaign for all: forge would run one for each.
    function invariant_J1_to_J4() external view {
        uint256 held;
        for (uint256 i = 0; i < bourse.agreementsMade(); i++) {
            bytes32 id = bourse.agreements(i);
            Contracts.Agreement memory a = contracts.getAgreement(id);
            uint256 funded = bourse.funded(id);
            uint256 owed = uint256(a.owedSeller) + a.owedBuyer;
            if (a.status >= Contracts.Status.Settled) {
                vm.assertEq(funded, owed + a.paid, "J-1 owed and paid are what was funded");
            } else {
                vm.assertEq(owed + a.paid, 0, "J-1 nothing is owed before the end");
            }
            held += funded - a.paid;
            vm.assertEq(a.seq, bourse.events(id), "J-4 seq = events");
            vm.assertLe(a.delivered, a.quantity, "A-7 delivered within the quantity");
            if (a.priceFixed) {
                vm.assertGe(a.price, a.priceFloor, "A-11 floor");
                vm.assertLe(a.price, a.priceCap, "A-11 cap");
            }
        }
        vm.assertEq(
            token.balanceOf(address(contracts)), held + bourse.donated(), "J-2 vault covers"
        );
        vm.assertEq(contracts.agreementCount(), bourse.agreementsMade(), "counter");

        uint256 sum = token.balanceOf(address(contracts));
        for (uint256 i = 0; i < 3; i++) {
            sum += token.balanceOf(bourse.trader(i));
        }
        vm.assertEq(sum, token.totalSupply(), "tokens are neither made nor lost");
    }
}

/// @title Traders, an arbiter and a feed that try anything, and what they should have come to.
contract Bourse is Test {
    address private constant ARBITER = address(0xA4B);
    address private constant ANYONE = address(0xA7);
    uint256 private constant TRADERS = 3;
    uint256 private constant MAX_AGREEMENTS = 8;

    Feeds public immutable feeds = new Feeds();
    Contracts public immutable contracts = new Contracts(feeds);
    TestToken public immutable token = new TestToken();
    bytes32 public immutable feed;

    bytes32[] public agreements;
    uint256 public donated;
    mapping(bytes32 agreement => uint64) public events;
    mapping(bytes32 agreement => uint256) public funded;

    constructor() {
        feed = feeds.open(2, 1 hours, "wheat", "USD/t");
        for (uint256 i = 0; i < TRADERS; i++) {
            token.mint(trader(i), type(uint128).max);
            vm.prank(trader(i));
            token.approve(address(contracts), type(uint256).max);
        }
    }

    function agreementsMade() external view returns (uint256) {
        return agreements.length;
    }

    function trader(uint256 i) public pure returns (address) {
        return address(uint160(0x74ADE0 + i % TRADERS));
    }

    function wait(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 6 hours);
    }

    function donate(uint256 who, uint64 amount) external {
        vm.prank(trader(who));
        token.transfer(address(contracts), amount);
        donated += amount;
    }

    function observe(int128 value, bool sane) external {
        Feeds.Observation[] memory one = new Feeds.Observation[](1);
        if (sane) value = int128(uint128(bound(uint128(value), 0, 10_000)));
        one[0] = Feeds.Observation(value, uint40(block.timestamp));
        if (feeds.getFeed(feed).lastAt < block.timestamp) feeds.publish(feed, one);
    }

    function propose(uint256 who, bool sells, uint120 price, uint120 quantity, uint8 form)
        external
    {
        if (agreements.length == MAX_AGREEMENTS) return;
        who %= TRADERS;
        Contracts.Terms memory t;
        (t.seller, t.buyer) =
            sells ? (trader(who), trader(who + 1)) : (trader(who + 1), trader(who));
        (t.arbiter, t.token) = (ARBITER, address(token));
        // Small amounts show rounding, large ones the type's edge.
        bool small = form % 2 == 0;
        t.priceTotal = uint120(bound(price, 1, small ? 1000 : type(uint120).max / 2));
        t.quantity = uint120(bound(quantity, 1, small ? 10 : type(uint120).max));
        if (form & 2 != 0) t.sellerMargin = uint120(bound(quantity, 0, t.priceTotal / 2));
        if (form & 4 != 0) {
            (t.feed, t.priceMul, t.priceDiv) =
            (feed, 1 + uint64(price % 7), 1 + uint64(quantity % 5));
            (t.priceFloor, t.priceCap) = (t.priceTotal / 2 + 1, t.priceTotal + t.priceTotal / 4);
        }
        t.signBy = uint40(block.timestamp + 4 hours);
        t.fundBy = t.signBy + 4 hours;
        t.deliverBy = t.fundBy + 12 hours;
        t.acceptWithin = 6 hours;
        t.ruleBy = t.deliverBy + t.acceptWithin + 12 hours;
        t.defaultSplitBps = uint16(price % 10_001);
        vm.prank(trader(who));
        bytes32 id = contracts.propose(t);
        agreements.push(id);
        events[id] = 1;
    }

    function sign(uint256 which, uint256 who) external {
        attempt(which, trader(who), abi.encodeCall(Contracts.sign, (pick(which))));
    }

    function fund(uint256 which, uint256 who) external {
        attempt(which, trader(who), abi.encodeCall(Contracts.fund, (pick(which))));
    }

    /// What makes an agreement active, done at once: by chance it would take most of a run.
    function start(uint256 which) external {
        bytes32 id = pick(which);
        if (id == 0) return;
        Contracts.Agreement memory a = contracts.getAgreement(id);
        address counterparty = a.proposedBySeller ? a.buyer : a.seller;
        attempt(which, counterparty, abi.encodeCall(Contracts.sign, (id)));
        attempt(which, a.seller, abi.encodeCall(Contracts.fund, (id)));
        attempt(which, a.buyer, abi.encodeCall(Contracts.fund, (id)));
    }

    function deliver(uint256 which, uint120 quantity, bool all) external {
        bytes32 id = pick(which);
        if (id == 0) return;
        Contracts.Agreement memory a = contracts.getAgreement(id);
        uint120 left = a.quantity - a.delivered;
        quantity = all || left == 0 ? left : uint120(bound(quantity, 1, left));
        attempt(which, a.seller, abi.encodeCall(Contracts.recordDelivery, (id, quantity, "")));
    }

    function accept(uint256 which, uint256 who) external {
        attempt(which, trader(who), abi.encodeCall(Contracts.accept, (pick(which))));
    }

    function dispute(uint256 which, uint256 who) external {
        attempt(which, trader(who), abi.encodeCall(Contracts.dispute, (pick(which), "why")));
    }

    function rule(uint256 which, uint16 splitBps) external {
        bytes memory call = abi.encodeCall(Contracts.rule, (pick(which), splitBps % 10_002));
        attempt(which, ARBITER, call);
    }

    function fixPrice(uint256 which, uint64 round) external {
        round = uint64(bound(round, 0, feeds.getFeed(feed).count));
        attempt(which, ANYONE, abi.encodeCall(Contracts.fixPrice, (pick(which), round)));
    }

    function settle(uint256 which) external {
        bytes32 id = pick(which);
        if (id == 0) return;
        Contracts.Agreement memory before = contracts.getAgreement(id);
        if (!attempt(which, ANYONE, abi.encodeCall(Contracts.settle, (id)))) return;
        checkSettlement(id, before);
    }

    function cancel(uint256 which, uint256 who) external {
        attempt(which, trader(who), abi.encodeCall(Contracts.cancel, (pick(which))));
    }

    function withdraw(uint256 which, uint256 who) external {
        bytes32 id = pick(which);
        if (id == 0) return;
        address party = trader(who);
        uint256 had = token.balanceOf(party);
        Contracts.Agreement memory a = contracts.getAgreement(id);
        uint256 owed = party == a.seller ? a.owedSeller : a.owedBuyer;
        if (!attempt(which, ANYONE, abi.encodeCall(Contracts.withdraw, (id, party)))) return;
        vm.assertEq(token.balanceOf(party) - had, owed, "A-15 pays what is owed");
    }

    /// Every deadline passes, and a stranger ends the agreement: nothing stays inside.
    function abandon(uint256 which, uint8 chance) external {
        // Time passes for all: now and then is often enough.
        if (chance % 8 > 0) return;
        bytes32 id = pick(which);
        if (id == 0) return;
        Contracts.Agreement memory a = contracts.getAgreement(id);
        if (block.timestamp <= a.ruleBy) vm.warp(uint256(a.ruleBy) + 1);
        attempt(which, ANYONE, abi.encodeCall(Contracts.cancel, (id)));
        attempt(which, ANYONE, abi.encodeCall(Contracts.fixPrice, (id, 0)));
        attempt(which, ANYONE, abi.encodeCall(Contracts.settle, (id)));
        attempt(which, ANYONE, abi.encodeCall(Contracts.withdraw, (id, a.seller)));
        attempt(which, ANYONE, abi.encodeCall(Contracts.withdraw, (id, a.buyer)));
        a = contracts.getAgreement(id);
        vm.assertTrue(a.status >= Contracts.Status.Settled, "a way out by time");
        vm.assertEq(a.paid, funded[id], "all of it is out");
    }

    /// A-13, worked out the slow way.
    function checkSettlement(bytes32 id, Contracts.Agreement memory a) private view {
        Contracts.Agreement memory after_ = contracts.getAgreement(id);
        uint256 price = a.feed == 0 ? a.priceTotal : a.price;
        // Both below 2^120: the products fit.
        uint256 stake =
            price * a.delivered / a.quantity + uint256(a.sellerMargin) * a.delivered / a.quantity;
        if (a.status == Contracts.Status.Disputed) {
            stake = stake * (a.ruled ? a.splitBps : a.defaultSplitBps) / 10_000;
        } else if (a.delivered == a.quantity) {
            vm.assertEq(stake, price + a.sellerMargin, "J-3 everything delivered");
        }
        vm.assertEq(after_.owedSeller, stake, "A-13 seller");
        vm.assertEq(after_.owedBuyer, funded[id] - stake, "A-13 buyer");
    }

    /// 0 while there is no agreement.
    function pick(uint256 which) private view returns (bytes32) {
        return agreements.length == 0 ? bytes32(0) : agreements[which % agreements.length];
    }

    /// Calls, counts the agreement's events and money, and says whether it went through.
    function attempt(uint256 which, address by, bytes memory call) private returns (bool ok) {
        bytes32 id = pick(which);
        if (id == 0) return false;
        vm.recordLogs();
        vm.prank(by);
        (ok,) = address(contracts).call(call);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        // forge hands out the logs of what was reverted, too.
        if (!ok) return false;
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(contracts)) continue;
            vm.assertEq(logs[i].topics[1], id);
            ++events[id];
            // Every event of contracts begins with its seq.
            (uint64 seq) = abi.decode(logs[i].data, (uint64));
            vm.assertEq(seq, events[id], "J-4 no hole");
            if (logs[i].topics[0] == Contracts.AgreementFunded.selector) {
                (,, uint256 amount) = abi.decode(logs[i].data, (uint64, address, uint256));
                funded[id] += amount;
            }
        }
    }
}
