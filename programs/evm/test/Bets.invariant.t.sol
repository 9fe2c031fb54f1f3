// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Bets} from "../src/Bets.sol";
import {Test, Vm} from "./Test.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title The invariants I-1 to I-6 of bets, over any order of calls.
contract BetsInvariants is Test {
    Crowd private crowd;
    Bets private bets;
    TestToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        crowd = new Crowd();
        (bets, token) = (crowd.bets(), crowd.token());
        target(address(crowd));
    }

    /// One campaign for all: forge would run one for each.
    function invariant_I1_to_I6() external view {
        checkI1_vault_covers_every_debt();
        checkI2_pools_and_stakes_sum_to_total();
        checkI3_I4_paid_is_what_the_status_allows();
        checkI5_seq_counts_events();
        checkI6_tokens_are_neither_made_nor_lost();
    }

    function checkI1_vault_covers_every_debt() private view {
        uint256 debts;
        for (uint256 i = 0; i < crowd.marketsOpen(); i++) {
            Bets.Market memory m = bets.getMarket(crowd.living(i));
            debts += m.total - m.paid;
        }
        vm.assertEq(token.balanceOf(address(bets)), debts + crowd.donated());
    }

    function checkI2_pools_and_stakes_sum_to_total() private view {
        for (uint256 i = 0; i < crowd.marketsOpen(); i++) {
            bytes32 id = crowd.living(i);
            Bets.Market memory m = bets.getMarket(id);
            uint256 total;
            for (uint8 outcome = 0; outcome < 16; outcome++) {
                vm.assertEq(m.pools[outcome], crowd.pools(id, outcome), "pool = stakes on it");
                total += m.pools[outcome];
            }
            vm.assertEq(m.total, total, "total = sum of pools");
        }
    }

    function checkI3_I4_paid_is_what_the_status_allows() private view {
        for (uint256 i = 0; i < crowd.marketsOpen(); i++) {
            Bets.Market memory m = bets.getMarket(crowd.living(i));
            vm.assertLe(m.paid, m.total, "paid within total");
            if (m.status == Bets.Status.Open) {
                vm.assertEq(m.paid, 0, "nothing paid while open");
                vm.assertEq(m.net, 0, "nothing shared while open");
            } else {
                vm.assertEq(uint256(m.net) + m.fee, m.total, "net and fee are the total");
            }
        }
    }

    function checkI5_seq_counts_events() private view {
        vm.assertEq(bets.marketCount(), crowd.marketsOpened());
        for (uint256 i = 0; i < crowd.marketsOpen(); i++) {
            bytes32 id = crowd.living(i);
            Bets.Market memory m = bets.getMarket(id);
            vm.assertEq(m.seq, crowd.events(id), "seq = events");
            vm.assertEq(m.positions, crowd.positions(id), "positions");
        }
    }

    function checkI6_tokens_are_neither_made_nor_lost() private view {
        uint256 sum = token.balanceOf(address(bets)) + token.balanceOf(crowd.TREASURY());
        for (uint256 i = 0; i < 4; i++) {
            sum += token.balanceOf(crowd.bettor(i));
        }
        vm.assertEq(sum, token.totalSupply());
    }
}

/// @title Bettors, resolvers and passers-by who try anything, and what they should have come to.
contract Crowd is Test {
    address public constant TREASURY = address(0x74EA);
    address private constant ORACLE = address(0x04AC1E);
    uint256 private constant BETTORS = 4;

    Bets public immutable bets = new Bets();
    TestToken public immutable token = new TestToken();

    bytes32[] public living;
    uint256 public marketsOpened;
    uint256 public donated;
    mapping(bytes32 market => uint64) public events;
    mapping(bytes32 market => uint256) public positions;
    mapping(bytes32 market => mapping(uint8 outcome => uint256)) public pools;

    constructor() {
        for (uint256 i = 0; i < BETTORS; i++) {
            token.mint(bettor(i), type(uint120).max);
            vm.prank(bettor(i));
            token.approve(address(bets), type(uint256).max);
        }
    }

    function marketsOpen() external view returns (uint256) {
        return living.length;
    }

    function bettor(uint256 i) public pure returns (address) {
        return address(uint160(0xBE7000 + i % BETTORS));
    }

    function wait(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 6 hours);
    }

    function donate(uint256 who, uint64 amount) external {
        uint256 has = token.balanceOf(bettor(who));
        uint256 gift = bound(amount, 0, has);
        vm.prank(bettor(who));
        token.transfer(address(bets), gift);
        donated += gift;
    }

    function open(uint256 who, uint8 outcomes, uint16 feeBps, uint32 closeIn, uint32 resolveIn)
        external
    {
        if (living.length == 3) return;
        uint40 closeAt = uint40(block.timestamp + 1 + closeIn % 1 days);
        Bets.Terms memory terms;
        terms.resolver = ORACLE;
        terms.token = address(token);
        terms.outcomeCount = uint8(bound(outcomes, 2, 4));
        terms.closeAt = closeAt;
        terms.resolveBy = closeAt + 1 + resolveIn % 1 days;
        terms.feeBps = uint16(bound(feeBps, 0, 1000));
        terms.feeRecipient = TREASURY;
        vm.prank(bettor(who));
        bytes32 id = bets.open(terms);
        living.push(id);
        events[id] = 1;
        ++marketsOpened;
    }

    function place(uint256 which, uint256 who, uint8 outcome, uint120 amount, bool small) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        outcome %= 4;
        // Small stakes show rounding, large ones the type's edge.
        if (small) amount %= 100;
        bool first = bets.getPosition(id, bettor(who), outcome).stake == 0;
        if (!attempt(id, bettor(who), abi.encodeCall(Bets.place, (id, outcome, amount)))) return;
        pools[id][outcome] += amount;
        if (first) ++positions[id];
    }

    function resolve(uint256 which, uint8 outcome) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        attempt(id, ORACLE, abi.encodeCall(Bets.resolve, (id, outcome % 4)));
    }

    function void(uint256 which, bool resolver) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        attempt(id, resolver ? ORACLE : bettor(which), abi.encodeCall(Bets.void, (id)));
    }

    function claim(uint256 which, uint256 who, uint8 outcome) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        address to = bettor(who);
        outcome %= 4;
        uint256 had = token.balanceOf(to);
        if (!attempt(id, TREASURY, abi.encodeCall(Bets.claim, (id, to, outcome)))) return;
        uint256 got = token.balanceOf(to) - had;
        uint256 stake = bets.getPosition(id, to, outcome).stake;
        if (bets.getMarket(id).status == Bets.Status.Voided) vm.assertEq(got, stake, "I-4 voided");
        else vm.assertGe(got, stake, "I-4 won");
    }

    function collectFee(uint256 which) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        attempt(id, bettor(which), abi.encodeCall(Bets.collectFee, (id)));
    }

    function closePosition(uint256 which, uint256 who, uint8 outcome) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        bytes memory call = abi.encodeCall(Bets.closePosition, (id, bettor(who), outcome % 4));
        if (attempt(id, bettor(which), call)) --positions[id];
    }

    function close(uint256 which) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        if (attempt(id, bettor(which), abi.encodeCall(Bets.close, (id)))) forget(id);
    }

    /// What a market's end takes, done at once: by chance it would take longer than a run has.
    function finish(uint256 which, uint8 outcome, bool closeToo) external {
        if (living.length == 0) return;
        bytes32 id = pick(which);
        Bets.Market memory m = bets.getMarket(id);
        if (block.timestamp < m.closeAt) vm.warp(m.closeAt);
        attempt(id, ORACLE, abi.encodeCall(Bets.resolve, (id, outcome % 4)));
        attempt(id, TREASURY, abi.encodeCall(Bets.void, (id)));
        if (!closeToo || bets.getMarket(id).status == Bets.Status.Open) return;
        for (uint256 i = 0; i < BETTORS; i++) {
            for (uint8 o = 0; o < 4; o++) {
                if (bets.getPosition(id, bettor(i), o).stake == 0) continue;
                attempt(id, TREASURY, abi.encodeCall(Bets.claim, (id, bettor(i), o)));
                bytes memory call = abi.encodeCall(Bets.closePosition, (id, bettor(i), o));
                if (attempt(id, TREASURY, call)) --positions[id];
            }
        }
        attempt(id, TREASURY, abi.encodeCall(Bets.collectFee, (id)));
        m = bets.getMarket(id);
        uint256 had = token.balanceOf(TREASURY);
        vm.assertTrue(attempt(id, TREASURY, abi.encodeCall(Bets.close, (id))), "I-3 closes");
        vm.assertEq(token.balanceOf(TREASURY) - had, m.total - m.paid, "I-3 dust");
        // One unit at most for each of the positions that rounding shortened.
        vm.assertLe(m.total - m.paid, BETTORS, "I-3 dust is dust");
        forget(id);
    }

    function pick(uint256 which) private view returns (bytes32) {
        return living[which % living.length];
    }

    function forget(bytes32 id) private {
        for (uint256 i = 0; i < living.length; i++) {
            if (living[i] != id) continue;
            living[i] = living[living.length - 1];
            living.pop();
            return;
        }
    }

    /// Calls, counts the market's events, and says whether it went through.
    function attempt(bytes32 id, address by, bytes memory call) private returns (bool ok) {
        vm.recordLogs();
        vm.prank(by);
        (ok,) = address(bets).call(call);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        // forge hands out the logs of what was reverted, too.
        if (!ok) return false;
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(bets)) continue;
            vm.assertEq(logs[i].topics[1], id);
            ++events[id];
            // Every event of bets begins with its seq.
            (uint64 seq) = abi.decode(logs[i].data, (uint64));
            vm.assertEq(seq, events[id], "I-5 no hole");
        }
    }
}
