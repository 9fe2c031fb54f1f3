// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {Feeds} from "../src/Feeds.sol";
import {Payouts} from "../src/Payouts.sol";
import {Test, Vm} from "./Test.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title The invariants K-1 to K-5 of payouts, over any order of calls.
contract PayoutsInvariants is Test {
    Relief private relief;
    Payouts private payouts;
    TestToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        relief = new Relief();
        (payouts, token) = (relief.payouts(), relief.token());
        target(address(relief));
    }

    /// One campaign for all: forge would run one for each.
    function invariant_K1_to_K5() external view {
        uint256 held;
        for (uint256 i = 0; i < relief.poolsMade(); i++) {
            bytes32 id = relief.pools(i);
            held += checkPool(id, payouts.getPool(id), relief.getBooks(id));
        }
        vm.assertEq(token.balanceOf(address(payouts)), held + relief.donated(), "K-1 vault covers");
        vm.assertEq(payouts.poolCount(), relief.poolsMade(), "counter");

        uint256 sum = token.balanceOf(address(payouts)) + token.balanceOf(relief.VENDOR());
        for (uint256 i = 0; i < 4; i++) {
            sum += token.balanceOf(relief.funder(i)) + token.balanceOf(relief.beneficiary(i));
        }
        vm.assertEq(sum, token.totalSupply(), "tokens are neither made nor lost");
    }

    /// What the pool still owes.
    function checkPool(bytes32 id, Payouts.Pool memory p, Relief.Books memory b)
        private
        view
        returns (uint256)
    {
        uint256 receipts;
        uint256 vouchers;
        for (uint256 i = 0; i < 4; i++) {
            receipts += payouts.receiptOf(id, relief.funder(i));
            vouchers += payouts.voucherOf(id, relief.beneficiary(i));
        }
        bool expired = p.status == Payouts.Status.Expired;
        vm.assertEq(p.funded, b.funded, "funded");
        vm.assertEq(receipts, expired ? p.receipts : p.funded, "K-2 receipts");
        vm.assertEq(uint256(p.unclaimed) + b.claimed + b.allocated, p.total, "K-3 total");
        vm.assertEq(vouchers, p.vouchers, "vouchers");
        vm.assertEq(vouchers + b.redeemed, b.allocated, "vouchers come from allocations");
        vm.assertEq(p.refunded, b.refunded, "refunded");
        if (expired) {
            vm.assertEq(p.left, b.funded - b.claimed - b.redeemed, "P-15 left");
            if (receipts == 0) vm.assertEq(b.refunded, p.left, "K-4 to the last unit");
        }
        vm.assertEq(p.seq, b.events, "K-5 seq = events");
        return b.funded - b.claimed - b.redeemed - b.refunded;
    }
}

/// @title Funders, an operator who may lie, a guardian and beneficiaries who try anything, and what
/// they should have come to.
contract Relief is Test {
    /// What happened to a pool's money, added up from outside.
    struct Books {
        uint256 funded;
        uint256 claimed;
        uint256 allocated;
        uint256 redeemed;
        uint256 refunded;
        uint64 events;
    }

    address public constant VENDOR = address(0x3E);
    address private constant OPERATOR = address(0x09E);
    address private constant GUARDIAN = address(0x64A);
    address private constant ANYONE = address(0xA7);
    uint256 private constant KEY = 0xA11CE;
    uint256 private constant PEOPLE = 4;
    uint256 private constant MAX_POOLS = 8;

    Feeds public immutable feeds = new Feeds();
    Payouts public immutable payouts = new Payouts(feeds);
    TestToken public immutable token = new TestToken();
    bytes32 public immutable feed;

    bytes32[] public pools;
    uint256 public donated;
    mapping(bytes32 pool => Books) private books;
    /// Amount of each of the published tree's four leaves; index = beneficiary.
    mapping(bytes32 pool => uint120[PEOPLE]) private leaves;

    constructor() {
        feed = feeds.open(1, 1 hours, "rain", "mm");
        for (uint256 i = 0; i < PEOPLE; i++) {
            token.mint(funder(i), type(uint128).max);
            vm.prank(funder(i));
            token.approve(address(payouts), type(uint256).max);
        }
    }

    function poolsMade() external view returns (uint256) {
        return pools.length;
    }

    function getBooks(bytes32 pool) external view returns (Books memory) {
        return books[pool];
    }

    function funder(uint256 i) public pure returns (address) {
        return address(uint160(0xF00D00 + i % PEOPLE));
    }

    function beneficiary(uint256 i) public pure returns (address) {
        return vm.addr(KEY + i % PEOPLE);
    }

    function wait(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 6 hours);
    }

    function donate(uint256 who, uint64 amount) external {
        vm.prank(funder(who));
        token.transfer(address(payouts), amount);
        donated += amount;
    }

    function observe(int128 value) external {
        Feeds.Observation[] memory one = new Feeds.Observation[](1);
        one[0] = Feeds.Observation(value % 100, uint40(block.timestamp));
        if (feeds.getFeed(feed).lastAt < block.timestamp) feeds.publish(feed, one);
    }

    function open(uint256 who, uint8 form, uint32 delay, uint120 fee) external {
        if (pools.length == MAX_POOLS) return;
        Payouts.Terms memory t;
        (t.operator, t.guardian, t.token) = (OPERATOR, GUARDIAN, address(token));
        t.kind = form & 1 == 0 ? Payouts.Kind.Round : Payouts.Kind.Aid;
        t.publishBy = uint40(block.timestamp + 1 days);
        if (t.kind == Payouts.Kind.Round) {
            t.closesAt = uint40(block.timestamp + 3 hours);
            t.entryFee = fee % 100;
        }
        t.challengeDelay = delay % 12 hours;
        t.expiresAt = t.publishBy + t.challengeDelay + 7 days;
        if (form & 6 == 6) {
            (t.feed, t.comparator, t.threshold) = (feed, 1 + form / 8 % 2, 10);
            t.triggerBy = t.publishBy;
        }
        vm.prank(funder(who));
        bytes32 id = payouts.open(t);
        pools.push(id);
        books[id].events = 1;
    }

    function fund(uint256 which, uint256 who, uint120 amount, bool small) external {
        // Small amounts show rounding, large ones the type's edge.
        if (small) amount %= 100;
        bytes32 id = pick(which);
        attempt(id, funder(who), abi.encodeCall(Payouts.fund, (id, amount)));
    }

    function enter(uint256 which, uint256 who, uint8 record) external {
        bytes32 id = pick(which);
        bytes memory call = abi.encodeCall(Payouts.enter, (id, bytes32(uint256(record % 4))));
        attempt(id, funder(who), call);
    }

    /// Publishes a tree of four leaves. `lie` sets a total below what the leaves sum to.
    function publish(uint256 which, uint120[PEOPLE] memory amounts, bool lie) public {
        bytes32 id = pick(which);
        if (id == 0) return;
        uint256 left = payouts.getPool(id).funded;
        uint256 total;
        for (uint256 i = 0; i < PEOPLE; i++) {
            amounts[i] = uint120(bound(amounts[i], 0, left));
            total += amounts[i];
            left -= amounts[i];
        }
        if (lie) total = total / 2 + 1;
        (bytes32 root,) = tree(id, amounts, 0);
        bytes memory call = abi.encodeCall(
            Payouts.publish, (id, root, uint120(total), uint32(PEOPLE), "manifest", "")
        );
        if (attempt(id, OPERATOR, call)) leaves[id] = amounts;
    }

    /// What brings a pool to claims, done at once: by chance it would take most of a run.
    function start(uint256 which, uint120 amount, uint120[PEOPLE] memory amounts, bool lie)
        external
    {
        bytes32 id = pick(which);
        if (id == 0) return;
        Payouts.Pool memory p = payouts.getPool(id);
        amount %= 1000;
        attempt(id, funder(which % 3), abi.encodeCall(Payouts.fund, (id, amount)));
        attempt(id, funder(3), abi.encodeCall(Payouts.fund, (id, amount / 3)));
        if (block.timestamp < p.closesAt) vm.warp(p.closesAt);
        publish(which, amounts, lie);
        attempt(id, OPERATOR, abi.encodeCall(Payouts.setVendor, (id, VENDOR, true)));
        vm.warp(block.timestamp + p.challengeDelay);
    }

    function veto(uint256 which) external {
        bytes32 id = pick(which);
        attempt(id, GUARDIAN, abi.encodeCall(Payouts.veto, (id)));
    }

    function fire(uint256 which) external {
        bytes32 id = pick(which);
        uint64 last = feeds.getFeed(feed).count;
        attempt(id, ANYONE, abi.encodeCall(Payouts.fire, (id, last)));
    }

    /// Takes a leaf as a payment or as a voucher; `wrong` claims one unit more than it says.
    function take(uint256 which, uint8 index, bool voucher, bool wrong) external {
        bytes32 id = pick(which);
        if (id == 0) return;
        index %= uint8(PEOPLE);
        address to = beneficiary(index);
        uint120 amount = leaves[id][index];
        (, bytes32[] memory proof) = tree(id, leaves[id], index);
        bool taken = payouts.isClaimed(id, index);
        if (wrong) ++amount;
        uint256 had = token.balanceOf(to);
        bytes memory call = voucher
            ? abi.encodeCall(Payouts.allocate, (id, index, to, amount, proof))
            : abi.encodeCall(Payouts.claim, (id, index, to, amount, proof));
        if (!attempt(id, ANYONE, call)) return;
        vm.assertTrue(!wrong && !taken, "P-10 only what the leaf says, once");
        vm.assertEq(token.balanceOf(to) - had, voucher ? 0 : amount, "P-10 pays the account");
    }

    function setVendor(uint256 which, bool allowed) external {
        bytes32 id = pick(which);
        attempt(id, OPERATOR, abi.encodeCall(Payouts.setVendor, (id, VENDOR, allowed)));
    }

    function redeem(uint256 which, uint256 who, uint120 amount, bool all) external {
        bytes32 id = pick(which);
        if (id == 0) return;
        address account = beneficiary(who);
        uint120 has = payouts.voucherOf(id, account);
        amount = all ? has : uint120(bound(amount, 0, uint256(has) + 1));
        uint256 expiry = block.timestamp + 1;
        bytes memory signature =
            sign(id, who % PEOPLE, amount, payouts.redemptions(account), expiry);
        bytes memory call =
            abi.encodeCall(Payouts.redeem, (id, account, VENDOR, amount, expiry, signature));
        if (!attempt(id, ANYONE, call)) return;
        vm.assertTrue(!attempt(id, ANYONE, call), "P-14 a signature is used once");
    }

    function refund(uint256 which, uint256 who) external {
        bytes32 id = pick(which);
        attempt(id, ANYONE, abi.encodeCall(Payouts.refund, (id, funder(who))));
    }

    /// Operator and guardian are gone and time passes: strangers give every funder their part.
    function abandon(uint256 which, uint8 chance) external {
        // Time passes for all: now and then is often enough.
        if (chance % 8 > 0) return;
        bytes32 id = pick(which);
        if (id == 0) return;
        uint40 expiresAt = payouts.getPool(id).expiresAt;
        if (block.timestamp < expiresAt) vm.warp(expiresAt);
        for (uint256 i = 0; i < PEOPLE; i++) {
            attempt(id, ANYONE, abi.encodeCall(Payouts.refund, (id, funder(i))));
        }
        Books memory b = books[id];
        vm.assertEq(b.claimed + b.redeemed + b.refunded, b.funded, "K-4 nothing stays inside");
    }

    /// Root over the four leaves and the proof of one.
    function tree(bytes32 id, uint120[PEOPLE] memory amounts, uint256 index)
        private
        view
        returns (bytes32 root, bytes32[] memory proof)
    {
        bytes32[PEOPLE] memory nodes;
        for (uint256 i = 0; i < PEOPLE; i++) {
            bytes memory leaf =
                abi.encode(block.chainid, address(payouts), id, i, beneficiary(i), amounts[i]);
            nodes[i] = keccak256(bytes.concat(keccak256(leaf)));
        }
        bytes32 left = Hashes.commutativeKeccak256(nodes[0], nodes[1]);
        bytes32 right = Hashes.commutativeKeccak256(nodes[2], nodes[3]);
        proof = new bytes32[](2);
        (proof[0], proof[1]) = (nodes[index ^ 1], index < 2 ? right : left);
        return (Hashes.commutativeKeccak256(left, right), proof);
    }

    function sign(bytes32 id, uint256 who, uint120 amount, uint256 nonce, uint256 expiry)
        private
        view
        returns (bytes memory)
    {
        bytes32 kind = keccak256(
            "Redeem(bytes32 pool,address vendor,uint256 amount,uint256 nonce,uint256 expiry)"
        );
        bytes32 message = keccak256(abi.encode(kind, id, VENDOR, uint256(amount), nonce, expiry));
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
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(KEY + who, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        return abi.encodePacked(r, s, v);
    }

    /// 0 while there is no pool.
    function pick(uint256 which) private view returns (bytes32) {
        return pools.length == 0 ? bytes32(0) : pools[which % pools.length];
    }

    /// Calls, keeps the pool's books by its events, and says whether it went through.
    function attempt(bytes32 id, address by, bytes memory call) private returns (bool ok) {
        if (id == 0) return false;
        vm.recordLogs();
        vm.prank(by);
        (ok,) = address(payouts).call(call);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        // forge hands out the logs of what was reverted, too.
        if (!ok) return false;
        Books storage b = books[id];
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(payouts)) continue;
            vm.assertEq(logs[i].topics[1], id);
            // Every event of payouts begins with its seq.
            (uint64 seq) = abi.decode(logs[i].data, (uint64));
            vm.assertEq(seq, ++b.events, "K-5 no hole");
            keep(b, logs[i].topics[0], logs[i].data);
        }
    }

    function keep(Books storage b, bytes32 kind, bytes memory data) private {
        if (kind == Payouts.PoolFunded.selector) b.funded += word(data, 2);
        if (kind == Payouts.RoundEntered.selector) b.funded += word(data, 3);
        if (kind == Payouts.PayoutClaimed.selector) b.claimed += word(data, 2);
        if (kind == Payouts.VoucherAllocated.selector) b.allocated += word(data, 2);
        if (kind == Payouts.VoucherRedeemed.selector) b.redeemed += word(data, 2);
        if (kind == Payouts.FunderRefunded.selector) b.refunded += word(data, 2);
        // A veto forgets what was published; it ends before claims begin.
        if (kind == Payouts.PoolVetoed.selector) {
            vm.assertEq(b.claimed + b.allocated, 0, "P-8 veto comes before claims");
        }
    }

    function word(bytes memory data, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(data, 32), mul(index, 32)))
        }
    }
}
