// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Exchange} from "../src/Exchange.sol";
import {Test, Vm} from "./Test.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title The invariants L-1 to L-6 of exchange, over any order of calls.
contract ExchangeInvariants is Test {
    Pit private pit;
    Exchange private exchange;

    function setUp() external {
        vm.warp(1_800_000_000);
        pit = new Pit();
        exchange = pit.exchange();
        target(address(pit));
    }

    /// One campaign for all: forge would run one for each.
    function invariant_L1_to_L6() external view {
        uint256[2] memory locked;
        for (uint256 i = 0; i < 2; i++) {
            bytes32 market = pit.markets(i);
            Exchange.Market memory m = exchange.getMarket(market);
            (uint24 buy, uint24 sell) = exchange.getBest(market);
            vm.assertTrue(buy == 0 || sell == 0 || buy < sell, "L-3 crossed");
            vm.assertEq(m.seq, pit.events(market), "L-4 seq of a market");
            // The second market trades the same tokens the other way round.
            locked[1 - i] += checkSide(market, Exchange.Side.Buy, buy) * m.tick;
            locked[i] += checkSide(market, Exchange.Side.Sell, sell) * m.lot;
        }
        for (uint256 i = 0; i < 2; i++) {
            TestToken token = pit.tokens(i);
            uint256 free;
            for (uint256 who = 0; who < 3; who++) {
                free += exchange.balanceOf(pit.trader(who), address(token));
            }
            uint256 held = exchange.held(address(token));
            vm.assertEq(held, free + locked[i], "L-2 held");
            vm.assertEq(held, pit.inside(i), "L-6 a trade makes and loses nothing");
            vm.assertEq(token.balanceOf(address(exchange)), held + pit.donated(i), "L-1 covered");
        }
    }

    /// What the side locks: lots of sells, lots × price of buys.
    function checkSide(bytes32 market, Exchange.Side side, uint24 best)
        private
        view
        returns (uint256 locked)
    {
        Exchange.LevelView[] memory levels = exchange.getLevels(market, side, 64);
        vm.assertEq(best, levels.length == 0 ? 0 : levels[0].price, "L-5 best is the first");
        uint256 resting;
        for (uint256 i = 0; i < levels.length; i++) {
            uint24 price = levels[i].price;
            if (i > 0) {
                bool sorted = side == Exchange.Side.Buy
                    ? price < levels[i - 1].price
                    : price > levels[i - 1].price;
                vm.assertTrue(sorted, "L-5 levels in order");
            }
            locked += levels[i].quantity * (side == Exchange.Side.Buy ? price : 1);
            resting += levels[i].orders;
        }
        // Every order that ever rested, by the events: the lists have lost and kept none.
        uint256 count;
        uint256 sum;
        for (uint256 i = 0; i < pit.ordersMade(market); i++) {
            uint64 order = uint64(i + 1);
            uint64 left = pit.left(market, order);
            if (left == 0) continue;
            Exchange.Order memory o = exchange.getOrder(market, order);
            if (o.side != side) continue;
            vm.assertEq(o.quantity, left, "L-5 quantity by the events");
            vm.assertTrue(o.next == 0 || o.next > order, "L-5 in the order of their numbers");
            sum += uint256(left) * (side == Exchange.Side.Buy ? o.price : 1);
            ++count;
        }
        vm.assertEq(resting, count, "L-5 orders");
        vm.assertEq(locked, sum, "L-5 locked");
    }
}

/// @title Traders who try anything in two markets of the same tokens, and what came of it.
contract Pit is Test {
    uint256 private constant TRADERS = 3;

    Exchange public immutable exchange = new Exchange();
    TestToken[2] public tokens;
    bytes32[2] public markets;
    uint256[2] public donated;
    /// Deposits less withdrawals.
    uint256[2] public inside;
    /// Of markets and of balances.
    mapping(bytes32 entity => uint64) public events;
    mapping(bytes32 market => uint64[]) private _left;

    constructor() {
        (tokens[0], tokens[1]) = (new TestToken(), new TestToken());
        markets[0] = exchange.open(address(tokens[0]), address(tokens[1]), 10, 3, 20);
        markets[1] = exchange.open(address(tokens[1]), address(tokens[0]), 1, 1, 0);
        (events[markets[0]], events[markets[1]]) = (1, 1);
        for (uint256 i = 0; i < TRADERS; i++) {
            for (uint256 j = 0; j < 2; j++) {
                tokens[j].mint(trader(i), type(uint128).max);
                vm.prank(trader(i));
                tokens[j].approve(address(exchange), type(uint256).max);
                deposit(i, j, 1_000_000_000);
            }
        }
    }

    function trader(uint256 i) public pure returns (address) {
        return address(uint160(0x74ADE0 + i % TRADERS));
    }

    function ordersMade(bytes32 market) external view returns (uint256) {
        return _left[market].length;
    }

    /// What rests of an order, by the events.
    function left(bytes32 market, uint64 order) external view returns (uint64) {
        return _left[market][order - 1];
    }

    function donate(uint256 who, bool second, uint64 amount) external {
        uint256 i = second ? 1 : 0;
        vm.prank(trader(who));
        tokens[i].transfer(address(exchange), amount);
        donated[i] += amount;
    }

    function deposit(uint256 who, uint256 which, uint120 amount) public {
        which %= 2;
        bytes memory call = abi.encodeCall(Exchange.deposit, (address(tokens[which]), amount));
        if (attempt(who, call)) inside[which] += amount;
    }

    function withdraw(uint256 who, uint256 which, uint120 amount, bool all) external {
        which %= 2;
        if (all) amount = exchange.balanceOf(trader(who), address(tokens[which]));
        uint256 had = tokens[which].balanceOf(trader(who));
        bytes memory call = abi.encodeCall(Exchange.withdraw, (address(tokens[which]), amount));
        if (!attempt(who, call)) return;
        inside[which] -= amount;
        vm.assertEq(tokens[which].balanceOf(trader(who)) - had, amount, "X-4 pays");
    }

    function place(uint256 who, bool second, uint8 form, uint24 price, uint64 quantity) public {
        Exchange.Kind kind = Exchange.Kind(form % 4);
        Exchange.Side side = Exchange.Side(form / 4 % 2);
        // Prices close together meet; those far apart cross the words of the tree.
        price = form & 64 == 0 ? 1 + price % 12 : 1 + (price % 12) * 70_000;
        quantity = form & 128 == 0 ? 1 + quantity % 20 : quantity;
        uint16 fills = 1 + form / 8 % 4;
        bytes32 market = markets[second ? 1 : 0];
        attempt(who, abi.encodeCall(Exchange.place, (market, side, price, quantity, kind, fills)));
    }

    function rest(uint256 who, bool second, bool buys, uint8 price, uint8 quantity) external {
        place(who, second, buys ? 0 : 4, price, quantity);
    }

    function take(uint256 who, bool second, bool buys, uint8 quantity) external {
        place(who, second, buys ? 25 : 29, buys ? 11 : 0, quantity);
    }

    function cancel(uint256 who, bool second, uint64 order, bool own) external {
        bytes32 market = markets[second ? 1 : 0];
        uint256 count = _left[market].length;
        if (count == 0) return;
        // Late orders rest more often.
        order = uint64(count - order % (count < 8 ? count : 8));
        if (own && _left[market][order - 1] > 0) {
            address owner = exchange.getOrder(market, order).owner;
            for (who = 0; trader(who) != owner;) {
                who++;
            }
        }
        attempt(who, abi.encodeCall(Exchange.cancel, (market, order)));
    }

    /// Calls, follows the events, and says whether it went through.
    function attempt(uint256 who, bytes memory call) private returns (bool ok) {
        vm.recordLogs();
        vm.prank(trader(who));
        (ok,) = address(exchange).call(call);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        // forge hands out the logs of what was reverted, too.
        if (!ok) return false;
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(exchange)) continue;
            bytes32 entity = logs[i].topics[1];
            // Every event of exchange begins with its seq.
            (uint64 seq) = abi.decode(logs[i].data, (uint64));
            vm.assertEq(seq, ++events[entity], "L-4 no hole");
            follow(entity, logs[i].topics[0], logs[i].data);
        }
    }

    function follow(bytes32 market, bytes32 kind, bytes memory data) private {
        if (kind == Exchange.OrderPlaced.selector) {
            vm.assertEq(word(data, 1), _left[market].length + 1, "orders are numbered");
            vm.assertLe(word(data, 6), word(data, 5), "left within the quantity");
            _left[market].push(uint64(word(data, 6)));
        } else if (kind == Exchange.TradeExecuted.selector) {
            uint256 maker = word(data, 2) - 1;
            vm.assertEq(_left[market][maker] - word(data, 6), word(data, 8), "maker's rest");
            _left[market][maker] = uint64(word(data, 8));
        } else if (kind == Exchange.OrderCancelled.selector) {
            uint256 order = word(data, 1) - 1;
            vm.assertEq(_left[market][order], word(data, 4), "cancels what is left");
            _left[market][order] = 0;
        }
    }

    function word(bytes memory data, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(data, 32), mul(index, 32)))
        }
    }
}
