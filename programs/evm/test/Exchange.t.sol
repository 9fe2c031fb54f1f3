// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Escrow} from "../src/Escrow.sol";
import {Exchange} from "../src/Exchange.sol";
import {Test, Vm} from "./Test.sol";
import {BlockingToken, FalseToken, FeeToken, HookToken} from "./tokens/HostileTokens.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title Exchange by the numbers of programs/SPEC.md.
contract ExchangeTest is Test {
    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    address private constant CAROL = address(0xCA401);
    uint96 private constant LOT = 10;
    uint96 private constant TICK = 3;
    uint120 private constant MIN = 30;
    uint24 private constant TOP = type(uint24).max - 1;
    uint120 private constant PLENTY = 1e30;

    Exchange.Side private constant BUY = Exchange.Side.Buy;
    Exchange.Side private constant SELL = Exchange.Side.Sell;
    Exchange.Kind private constant GTC = Exchange.Kind.GoodTillCancelled;
    Exchange.Kind private constant IOC = Exchange.Kind.ImmediateOrCancel;
    Exchange.Kind private constant FOK = Exchange.Kind.FillOrKill;
    Exchange.Kind private constant POST = Exchange.Kind.PostOnly;

    Exchange private exchange;
    TestToken private base;
    TestToken private quote;
    bytes32 private market;
    bytes private hook;

    function setUp() external {
        vm.warp(1_800_000_000);
        exchange = new Exchange();
        (base, quote) = (new TestToken(), new TestToken());
        market = exchange.open(address(base), address(quote), LOT, TICK, MIN);
        address[3] memory who = [ALICE, BOB, CAROL];
        for (uint256 i = 0; i < 3; i++) {
            provide(who[i], base);
            provide(who[i], quote);
        }
    }

    // ── markets

    function test_X1_open_stores_counts_and_emits() external {
        bytes32 id = exchange.marketId(address(this), 1);
        vm.expectEmit();
        emit Exchange.MarketOpened(id, 1, address(this), 1, address(quote), address(base), 7, 8, 9);
        vm.assertEq(exchange.open(address(quote), address(base), 7, 8, 9), id);
        Exchange.Market memory m = exchange.getMarket(id);
        vm.assertEq(m.base, address(quote));
        vm.assertEq(m.quote, address(base));
        vm.assertEq(m.creator, address(this));
        vm.assertEq(m.lot, 7);
        vm.assertEq(m.tick, 8);
        vm.assertEq(m.minNotional, 9);
        vm.assertEq(m.nonce, 1);
        vm.assertEq(m.bestBuy, type(uint24).max);
        vm.assertEq(m.bestSell, type(uint24).max);
        vm.assertEq(exchange.marketCount(), 2);
        vm.assertEq(exchange.nonces(address(this)), 2);
    }

    function test_X2_markets_are_of_two_tokens() external {
        bytes4 bad = Exchange.InvalidMarket.selector;
        refuse(
            address(this),
            abi.encodeCall(Exchange.open, (address(base), address(base), 1, 1, 0)),
            bad
        );
        refuse(
            address(this),
            abi.encodeCall(Exchange.open, (address(base), address(quote), 0, 1, 0)),
            bad
        );
        refuse(
            address(this),
            abi.encodeCall(Exchange.open, (address(base), address(quote), 1, 0, 0)),
            bad
        );
        bad = Escrow.InvalidToken.selector;
        refuse(address(this), abi.encodeCall(Exchange.open, (ALICE, address(quote), 1, 1, 0)), bad);
        refuse(address(this), abi.encodeCall(Exchange.open, (address(base), ALICE, 1, 1, 0)), bad);
    }

    // ── balances

    function test_X3_deposit_adds_what_arrives() external {
        bytes32 id = exchange.balanceId(ALICE, address(base));
        base.mint(ALICE, 5);
        vm.expectEmit();
        emit Exchange.BalanceChanged(
            id, 2, ALICE, ALICE, address(base), Exchange.Change.Deposit, 5, PLENTY + 5
        );
        vm.prank(ALICE);
        exchange.deposit(address(base), 5);
        vm.assertEq(exchange.balanceOf(ALICE, address(base)), PLENTY + 5);
        vm.assertEq(exchange.held(address(base)), 3 * PLENTY + 5);

        bytes memory call = abi.encodeCall(Exchange.deposit, (ALICE, 1));
        refuse(BOB, call, Escrow.InvalidToken.selector);
        call = abi.encodeCall(Exchange.deposit, (address(base), 0));
        refuse(BOB, call, Exchange.ZeroAmount.selector);
        call = abi.encodeCall(
            Exchange.deposit, (address(base), type(uint120).max - exchange.held(address(base)) + 1)
        );
        refuse(BOB, call, Exchange.Overflow.selector);
        FeeToken taking = new FeeToken();
        taking.mint(BOB, 100);
        vm.prank(BOB);
        taking.approve(address(exchange), 100);
        call = abi.encodeCall(Exchange.deposit, (address(taking), 100));
        refuse(BOB, call, Escrow.FeeOnTransfer.selector);
    }

    function test_X3_deposit_reaches_the_types_edge() external {
        uint120 rest = type(uint120).max - exchange.held(address(base));
        base.mint(BOB, rest);
        vm.prank(BOB);
        exchange.deposit(address(base), rest);
        vm.assertEq(exchange.held(address(base)), type(uint120).max);
    }

    function test_X3_deposit_with_permit() external {
        uint256 key = 0xD09;
        address dave = vm.addr(key);
        quote.mint(dave, 70);
        bytes32 permit = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                dave,
                address(exchange),
                uint256(70),
                uint256(0),
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked("\x19\x01", quote.DOMAIN_SEPARATOR(), permit)));
        vm.prank(dave);
        exchange.depositWithPermit(address(quote), 70, block.timestamp, v, r, s);
        vm.assertEq(exchange.balanceOf(dave, address(quote)), 70);
    }

    function test_X3_permit_of_what_is_no_token() external {
        bytes memory call = abi.encodeCall(
            Exchange.depositWithPermit, (ALICE, 1, block.timestamp, 27, bytes32(0), bytes32(0))
        );
        refuse(BOB, call, Escrow.InvalidToken.selector);
    }

    function test_X4_withdraw_pays_what_is_free() external {
        place(ALICE, SELL, 10, 4, GTC);
        bytes32 id = exchange.balanceId(ALICE, address(base));
        uint120 free = PLENTY - 4 * LOT;
        refuse(
            ALICE,
            abi.encodeCall(Exchange.withdraw, (address(base), free + 1)),
            Exchange.InsufficientBalance.selector
        );
        refuse(
            ALICE,
            abi.encodeCall(Exchange.withdraw, (address(base), 0)),
            Exchange.ZeroAmount.selector
        );
        vm.expectEmit();
        emit Exchange.BalanceChanged(
            id, 3, ALICE, ALICE, address(base), Exchange.Change.Withdrawal, free, 0
        );
        vm.prank(ALICE);
        exchange.withdraw(address(base), free);
        vm.assertEq(base.balanceOf(ALICE), free);
        vm.assertEq(exchange.held(address(base)), 2 * PLENTY + 4 * LOT);
    }

    // ── what an order must be

    function test_X5_X6_orders_that_are_none() external {
        refusePlace(BUY, 1, 0, GTC, 1, Exchange.ZeroAmount.selector);
        refusePlace(BUY, 0, 1, GTC, 1, Exchange.InvalidPrice.selector);
        refusePlace(BUY, TOP + 1, 1, GTC, 1, Exchange.InvalidPrice.selector);
        refusePlace(BUY, 1, 1, GTC, 0, Exchange.InvalidFills.selector);
        refusePlace(BUY, 1, 1, GTC, 101, Exchange.InvalidFills.selector);
        refusePlace(BUY, 3, 3, GTC, 1, Exchange.BelowMinimum.selector);
        refusePlace(BUY, 5, 2, GTC, 1, 0);
        vm.prank(ALICE);
        exchange.withdraw(address(quote), PLENTY - 30 - 59);
        refusePlace(BUY, 10, 2, GTC, 1, Exchange.InsufficientBalance.selector);
        refusePlace(BUY, 6, 3, GTC, 1, 0);
        vm.prank(ALICE);
        exchange.withdraw(address(base), PLENTY - 39);
        refusePlace(SELL, 7, 4, GTC, 1, Exchange.InsufficientBalance.selector);
        refusePlace(SELL, 10, 3, GTC, 1, 0);
    }

    function test_X6_worth_and_amount_fit_the_type() external {
        bytes32 huge = exchange.open(address(base), address(quote), 1 << 60, 1 << 60, 0);
        // 2^120 of base at a price of 2^120: neither fits; a lot less fits, and can't be paid.
        bytes memory call = abi.encodeCall(Exchange.place, (huge, SELL, 1, 1 << 60, GTC, 1));
        refuse(ALICE, call, Exchange.Overflow.selector);
        call = abi.encodeCall(Exchange.place, (huge, SELL, 1, (1 << 60) - 1, GTC, 1));
        refuse(ALICE, call, Exchange.InsufficientBalance.selector);
        huge = exchange.open(address(base), address(quote), 1 << 60, 1, 0);
        call = abi.encodeCall(Exchange.place, (huge, BUY, 1, 1 << 60, GTC, 1));
        refuse(ALICE, call, Exchange.Overflow.selector);
        huge = exchange.open(address(base), address(quote), 1, 1 << 60, 0);
        call = abi.encodeCall(Exchange.place, (huge, BUY, 1, 1 << 60, GTC, 1));
        refuse(ALICE, call, Exchange.Overflow.selector);
    }

    function test_X6_limit_is_paid_for_where_it_would_trade_for_less() external {
        place(BOB, SELL, 10, 3, GTC);
        vm.prank(ALICE);
        exchange.withdraw(address(quote), PLENTY - 3 * 10 * TICK);
        refusePlace(BUY, 11, 3, GTC, 9, Exchange.InsufficientBalance.selector);
        refusePlace(BUY, 11, 3, IOC, 9, Exchange.InsufficientBalance.selector);
        refusePlace(BUY, 10, 3, GTC, 9, 0);
    }

    // ── price, then time

    function test_X7_best_price_first_then_the_oldest() external {
        uint64 dear = place(ALICE, SELL, 12, 5, GTC);
        uint64 second = place(BOB, SELL, 10, 5, GTC);
        uint64 third = place(ALICE, SELL, 10, 5, GTC);
        vm.assertEq(best(SELL), 10);
        vm.recordLogs();
        uint64 taker = place(CAROL, BUY, 12, 12, GTC);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        // Each trade is followed by what its maker got; the taker's balances come after all.
        vm.assertEq(logs.length, 9);
        checkTrade(logs[0], 5, 1, second, BOB, taker, 10, 5, 0);
        checkTrade(logs[2], 6, 2, third, ALICE, taker, 10, 5, 0);
        checkTrade(logs[4], 7, 3, dear, ALICE, taker, 12, 2, 3);
        vm.assertEq(left(dear), 3);
        vm.assertEq(best(SELL), 12);
        // 10 lots at 10 and 2 at 12, each of 3: at the makers' prices.
        vm.assertEq(exchange.balanceOf(CAROL, address(quote)), PLENTY - (10 * 10 + 2 * 12) * TICK);
        vm.assertEq(exchange.balanceOf(CAROL, address(base)), PLENTY + 12 * LOT);
        vm.assertEq(exchange.balanceOf(BOB, address(quote)), PLENTY + 50 * TICK);
        vm.assertEq(exchange.balanceOf(ALICE, address(quote)), PLENTY + (50 + 24) * TICK);
    }

    function test_X7_sellers_take_the_highest_bid() external {
        place(ALICE, BUY, 10, 5, GTC);
        place(BOB, BUY, 12, 5, GTC);
        vm.assertEq(best(BUY), 12);
        place(CAROL, SELL, 10, 6, GTC);
        vm.assertEq(exchange.balanceOf(CAROL, address(quote)), PLENTY + (5 * 12 + 10) * TICK);
        vm.assertEq(exchange.balanceOf(ALICE, address(base)), PLENTY + LOT);
        vm.assertEq(exchange.balanceOf(BOB, address(base)), PLENTY + 5 * LOT);
        vm.assertEq(best(BUY), 10);
        vm.assertEq(best(SELL), 0);
    }

    function test_X7_what_is_left_rests() external {
        uint64 maker = place(ALICE, SELL, 10, 3, GTC);
        vm.expectEmit();
        emit Exchange.OrderPlaced(market, 4, BOB, 2, BUY, GTC, 11, 10, 7);
        uint64 taker = place(BOB, BUY, 11, 10, GTC);
        vm.assertEq(left(taker), 7);
        gone(maker);
        // 3 lots at 10, 7 locked at 11.
        vm.assertEq(exchange.balanceOf(BOB, address(quote)), PLENTY - (30 + 77) * TICK);
        vm.assertEq(best(BUY), 11);
        vm.assertEq(best(SELL), 0);
    }

    function test_X7_prices_far_apart_are_found() external {
        uint24[6] memory prices = [TOP, 0x010000, 0x00ffff, 0x000100, 0xabcdef, 5];
        for (uint256 i = 0; i < prices.length; i++) {
            place(ALICE, SELL, prices[i], 2, GTC);
        }
        Exchange.LevelView[] memory levels = exchange.getLevels(market, SELL, 10);
        vm.assertEq(levels.length, 6);
        uint24[6] memory sorted = [5, 0x000100, 0x00ffff, 0x010000, 0xabcdef, TOP];
        for (uint256 i = 0; i < 6; i++) {
            vm.assertEq(levels[i].price, sorted[i]);
            vm.assertEq(best(SELL), sorted[i]);
            place(BOB, BUY, TOP, 2, IOC);
        }
        vm.assertEq(best(SELL), 0);
        for (uint256 i = 0; i < prices.length; i++) {
            place(ALICE, BUY, prices[i], 2, GTC);
        }
        vm.assertEq(exchange.getLevels(market, BUY, 2).length, 2);
        for (uint256 i = 0; i < 6; i++) {
            vm.assertEq(best(BUY), sorted[5 - i]);
            place(BOB, SELL, 5, 2, IOC);
        }
        vm.assertEq(best(BUY), 0);
    }

    // ── fills, kinds, self-trade

    function test_X8_fills_are_bounded() external {
        for (uint256 i = 0; i < 3; i++) {
            place(ALICE, SELL, 10, 1, GTC);
        }
        vm.expectEmit();
        emit Exchange.OrderCancelled(market, 8, BOB, 4, BUY, 10, 2, Exchange.Reason.MaxFills, 0);
        uint64 taker = placeUpTo(BOB, BUY, 10, 4, GTC, 2);
        gone(taker);
        vm.assertEq(exchange.balanceOf(BOB, address(quote)), PLENTY - 20 * TICK);
        // A rest that crosses nothing more stays.
        taker = placeUpTo(BOB, BUY, 10, 4, GTC, 1);
        vm.assertEq(left(taker), 3);
    }

    function test_X9_post_only_never_takes() external {
        place(ALICE, SELL, 10, 1, GTC);
        refusePlace(BUY, 10, 1, POST, 1, Exchange.WouldTake.selector);
        refusePlace(BUY, 11, 1, POST, 1, Exchange.WouldTake.selector);
        uint64 order = place(BOB, BUY, 9, 2, POST);
        vm.assertEq(left(order), 2);
        refusePlace(SELL, 9, 2, POST, 1, Exchange.WouldTake.selector);
        order = place(BOB, SELL, 10, 2, POST);
        vm.assertEq(left(order), 2);
    }

    function test_X10_immediate_or_cancel() external {
        place(ALICE, SELL, 10, 3, GTC);
        vm.recordLogs();
        uint64 order = place(BOB, BUY, 10, 5, IOC);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[5].topics[0], Exchange.OrderCancelled.selector);
        vm.assertEq(
            logs[5].data,
            abi.encode(uint64(5), order, BUY, 10, uint64(2), Exchange.Reason.Immediate, 0)
        );
        gone(order);
        vm.assertEq(exchange.balanceOf(BOB, address(quote)), PLENTY - 30 * TICK);
        vm.assertEq(best(BUY), 0);
    }

    function test_X10_fill_or_kill() external {
        place(ALICE, SELL, 10, 3, GTC);
        place(ALICE, SELL, 11, 3, GTC);
        refuseAs(BOB, BUY, 10, 4, FOK, 9, Exchange.NotFilled.selector);
        refuseAs(BOB, BUY, 11, 7, FOK, 9, Exchange.NotFilled.selector);
        refuseAs(BOB, BUY, 11, 6, FOK, 1, Exchange.NotFilled.selector);
        refuseAs(ALICE, BUY, 11, 6, FOK, 9, Exchange.NotFilled.selector);
        place(BOB, BUY, 11, 6, FOK);
        vm.assertEq(exchange.balanceOf(BOB, address(quote)), PLENTY - (30 + 33) * TICK);
        vm.assertEq(best(SELL), 0);
    }

    function test_X11_self_trade_cancels_the_rest() external {
        place(BOB, SELL, 10, 1, GTC);
        uint64 own = place(ALICE, SELL, 10, 2, GTC);
        place(BOB, SELL, 10, 3, GTC);
        vm.expectEmit();
        emit Exchange.OrderCancelled(market, 7, ALICE, 4, BUY, 10, 3, Exchange.Reason.SelfTrade, 0);
        uint64 taker = place(ALICE, BUY, 10, 4, GTC);
        gone(taker);
        vm.assertEq(left(own), 2);
        vm.assertEq(exchange.balanceOf(ALICE, address(quote)), PLENTY - 10 * TICK);
        vm.assertEq(best(BUY), 0);
    }

    // ── cancel

    function test_X12_cancel_gives_back_what_was_locked() external {
        uint64 buy = place(ALICE, BUY, 10, 4, GTC);
        uint64 sell = place(BOB, SELL, 11, 4, GTC);
        refuse(BOB, abi.encodeCall(Exchange.cancel, (market, buy)), Exchange.NotOwner.selector);
        vm.expectEmit();
        emit Exchange.OrderCancelled(market, 4, ALICE, buy, BUY, 10, 4, Exchange.Reason.Owner, 0);
        vm.expectEmit();
        emit Exchange.BalanceChanged(
            exchange.balanceId(ALICE, address(quote)),
            3,
            ALICE,
            ALICE,
            address(quote),
            Exchange.Change.Cancellation,
            40 * TICK,
            PLENTY
        );
        cancel(ALICE, buy);
        refuse(
            ALICE, abi.encodeCall(Exchange.cancel, (market, buy)), Exchange.OrderNotFound.selector
        );
        vm.assertEq(best(BUY), 0);
        place(CAROL, BUY, 11, 3, GTC);
        cancel(BOB, sell);
        vm.assertEq(exchange.balanceOf(BOB, address(base)), PLENTY - 3 * LOT);
        gone(sell);
    }

    /// First, middle and last of a level leave in any order; the others keep their turn.
    function test_X12_cancel_keeps_the_others_turn() external {
        for (uint256 out = 0; out < 3; out++) {
            uint64[3] memory orders;
            for (uint256 i = 0; i < 3; i++) {
                orders[i] = place(ALICE, SELL, 10, uint64(1 + i), GTC);
            }
            cancel(ALICE, orders[out]);
            uint64 fourth = place(ALICE, SELL, 10, 4, GTC);
            for (uint256 i = 0; i < 3; i++) {
                if (i == out) continue;
                vm.recordLogs();
                place(BOB, BUY, 10, uint64(1 + i), FOK);
                gone(orders[i]);
                vm.assertEq(vm.getRecordedLogs().length, 5, "one trade");
            }
            cancel(ALICE, fourth);
            vm.assertEq(best(SELL), 0);
        }
    }

    function test_X12_second_cancel_of_the_new_first() external {
        uint64 a = place(ALICE, SELL, 10, 1, GTC);
        uint64 b = place(ALICE, SELL, 10, 1, GTC);
        uint64 c = place(ALICE, SELL, 10, 1, GTC);
        cancel(ALICE, a);
        cancel(ALICE, b);
        place(BOB, BUY, 10, 1, FOK);
        gone(c);
        vm.assertEq(best(SELL), 0);
    }

    function test_X12_best_moves_to_the_next_level() external {
        uint64 low = place(ALICE, SELL, 10, 1, GTC);
        uint64 mid = place(ALICE, SELL, 1000, 1, GTC);
        place(ALICE, SELL, 100_000, 1, GTC);
        cancel(ALICE, mid);
        vm.assertEq(best(SELL), 10);
        cancel(ALICE, low);
        vm.assertEq(best(SELL), 100_000);
    }

    function test_X13_no_such_market() external {
        bytes4 none = Exchange.MarketNotFound.selector;
        refuse(BOB, abi.encodeCall(Exchange.place, ("", BUY, 1, 1, GTC, 1)), none);
        refuse(BOB, abi.encodeCall(Exchange.cancel, ("", 1)), none);
        refuse(BOB, abi.encodeCall(Exchange.getMarket, ("")), none);
        refuse(BOB, abi.encodeCall(Exchange.getLevels, ("", BUY, 1)), none);
        refuse(BOB, abi.encodeCall(Exchange.getOrder, (market, 1)), Exchange.OrderNotFound.selector);
    }

    /// A token that calls its sender: nothing is withdrawn, or deposited twice, before it arrived.
    function test_G10_deposit_is_locked() external {
        HookToken token = new HookToken();
        token.mint(address(this), 1000);
        token.approve(address(exchange), type(uint256).max);
        exchange.deposit(address(token), 500);
        token.setHooked(address(this), true);
        bytes memory call = abi.encodeCall(Exchange.deposit, (address(token), 100));
        hook = abi.encodeCall(Exchange.deposit, (address(token), 1));
        refuse(address(this), call, ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        hook = abi.encodeCall(Exchange.withdraw, (address(token), 100));
        refuse(address(this), call, Escrow.FeeOnTransfer.selector);
        vm.assertEq(token.balanceOf(address(exchange)), 500);
    }

    function test_G10_withdrawal_within_a_withdrawal_pays_once() external {
        HookToken token = new HookToken();
        token.mint(address(this), 100);
        token.mint(ALICE, 100);
        token.approve(address(exchange), 100);
        exchange.deposit(address(token), 100);
        vm.prank(ALICE);
        token.approve(address(exchange), 100);
        vm.prank(ALICE);
        exchange.deposit(address(token), 100);
        token.setHooked(address(this), true);
        bytes memory call = abi.encodeCall(Exchange.withdraw, (address(token), 100));
        hook = call;
        refuse(address(this), call, Exchange.InsufficientBalance.selector);
        hook = "";
        exchange.withdraw(address(token), 100);
        vm.assertEq(token.balanceOf(address(exchange)), 100);
    }

    function test_G2_token_that_says_false_loses_no_balance() external {
        FalseToken liar = new FalseToken();
        liar.mint(ALICE, 10);
        vm.prank(ALICE);
        liar.approve(address(exchange), 10);
        bytes memory failed =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar));
        vm.prank(ALICE);
        vm.expectRevert(failed);
        exchange.deposit(address(liar), 10);
        vm.assertEq(exchange.held(address(liar)), 0);
        liar.setRefuse(false);
        vm.prank(ALICE);
        exchange.deposit(address(liar), 10);
        liar.setRefuse(true);
        vm.prank(ALICE);
        vm.expectRevert(failed);
        exchange.withdraw(address(liar), 10);
        vm.assertEq(exchange.balanceOf(ALICE, address(liar)), 10);
    }

    /// Who can't be paid by the token still trades and cancels, and stops nobody else.
    function test_G7_blocked_maker_blocks_no_trade() external {
        BlockingToken blocking = new BlockingToken();
        address[2] memory who = [ALICE, BOB];
        for (uint256 i = 0; i < 2; i++) {
            blocking.mint(who[i], 1000);
            vm.prank(who[i]);
            blocking.approve(address(exchange), 1000);
            vm.prank(who[i]);
            exchange.deposit(address(blocking), 1000);
        }
        market = exchange.open(address(blocking), address(quote), 1, 1, 0);
        uint64 order = place(ALICE, SELL, 10, 500, GTC);
        blocking.setBlocked(ALICE, true);
        place(BOB, BUY, 10, 300, FOK);
        vm.prank(BOB);
        exchange.withdraw(address(blocking), 1300);
        cancel(ALICE, order);
        vm.assertEq(exchange.balanceOf(ALICE, address(blocking)), 700);
        refuse(
            ALICE,
            abi.encodeCall(Exchange.withdraw, (address(blocking), 700)),
            abi.encodeWithSelector(BlockingToken.Blocked.selector, ALICE)
        );
        vm.prank(ALICE);
        exchange.withdraw(address(quote), PLENTY + 3000);
    }

    /// Called by HookToken; the withdrawal calls it again.
    function onTransfer() external {
        bytes memory call = hook;
        hook = "";
        if (call.length == 0) return;
        (bool ok, bytes memory answer) = address(exchange).call(call);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// Any two prices and quantities: both sides pay and get exactly what was traded.
    function testFuzz_X7_money_is_conserved(uint24 ask, uint24 bid, uint64 sold, uint64 bought)
        external
    {
        ask = uint24(bound(ask, 10, TOP));
        bid = uint24(bound(bid, 10, TOP));
        sold = uint64(bound(sold, 1, 1e12));
        bought = uint64(bound(bought, 1, 1e12));
        place(ALICE, SELL, ask, sold, GTC);
        place(BOB, BUY, bid, bought, GTC);
        uint256 traded = bid < ask ? 0 : sold < bought ? sold : bought;
        vm.assertEq(exchange.balanceOf(ALICE, address(quote)), PLENTY + traded * ask * TICK);
        vm.assertEq(exchange.balanceOf(ALICE, address(base)), PLENTY - uint256(sold) * LOT);
        vm.assertEq(exchange.balanceOf(BOB, address(base)), PLENTY + traded * LOT);
        vm.assertEq(
            exchange.balanceOf(BOB, address(quote)),
            PLENTY - traded * ask * TICK - (bought - traded) * bid * TICK
        );
    }

    // ── gas, for the committed table

    function test_gas() external {
        place(CAROL, SELL, 9000, 1, GTC);
        place(CAROL, BUY, 10, 1, GTC);
        snapshots("empty book", 5000);
        // 100 levels of 100 orders, the last of them around one of Carol's.
        Stocker stocker = new Stocker(exchange);
        provide(address(stocker), base);
        for (uint24 level = 0; level < 99; level++) {
            stocker.fill(market, 6001 + level * 7, 100);
        }
        stocker.fill(market, 8000, 50);
        uint64 hers = place(CAROL, SELL, 8000, 1, GTC);
        stocker.fill(market, 8000, 49);
        snapshots("book of 10,000", 5000);
        place(ALICE, BUY, 6001, 10, FOK);
        vm.snapshotGasLastCall("Exchange", "book of 10,000: take 10 orders");
        place(ALICE, BUY, 6001, 90, FOK);
        vm.snapshotGasLastCall("Exchange", "book of 10,000: take 90 orders and their level");
        cancel(CAROL, hers);
        vm.snapshotGasLastCall("Exchange", "book of 10,000: cancel in the midst of a level");
    }

    /// What the first, second… order at a price of their own costs.
    function snapshots(string memory book, uint24 price) private {
        uint64 first = place(ALICE, SELL, price, 4, GTC);
        snapshot(book, "place, new level");
        uint64 second = place(ALICE, SELL, price, 4, GTC);
        snapshot(book, "place, same level");
        place(BOB, BUY, price, 1, FOK);
        snapshot(book, "take part of an order");
        place(BOB, BUY, price, 3, FOK);
        snapshot(book, "take an order");
        gone(first);
        place(ALICE, SELL, price, 4, GTC);
        cancel(ALICE, second);
        snapshot(book, "cancel");
        place(BOB, BUY, price, 4, FOK);
        snapshot(book, "take a level");
    }

    function snapshot(string memory book, string memory call) private {
        vm.snapshotGasLastCall("Exchange", string.concat(book, ": ", call));
    }

    // ── what these tests are made of

    function provide(address who, TestToken token) private {
        token.mint(who, PLENTY);
        vm.prank(who);
        token.approve(address(exchange), type(uint256).max);
        vm.prank(who);
        exchange.deposit(address(token), PLENTY);
    }

    function place(
        address by,
        Exchange.Side side,
        uint24 price,
        uint64 quantity,
        Exchange.Kind kind
    ) private returns (uint64) {
        return placeUpTo(by, side, price, quantity, kind, 100);
    }

    function placeUpTo(
        address by,
        Exchange.Side side,
        uint24 price,
        uint64 quantity,
        Exchange.Kind kind,
        uint16 fills
    ) private returns (uint64) {
        vm.prank(by);
        return exchange.place(market, side, price, quantity, kind, fills);
    }

    function cancel(address by, uint64 order) private {
        vm.prank(by);
        exchange.cancel(market, order);
    }

    /// The best price of a side; 0 of an empty one.
    function best(Exchange.Side side) private view returns (uint24) {
        (uint24 buy, uint24 sell) = exchange.getBest(market);
        return side == SELL ? sell : buy;
    }

    function left(uint64 order) private view returns (uint64) {
        return exchange.getOrder(market, order).quantity;
    }

    function gone(uint64 order) private {
        vm.expectRevert(Exchange.OrderNotFound.selector);
        exchange.getOrder(market, order);
    }

    function checkTrade(
        Vm.Log memory log,
        uint64 seq,
        uint64 trade,
        uint64 order,
        address maker,
        uint64 taker,
        uint24 price,
        uint64 quantity,
        uint64 leftAfter
    ) private view {
        vm.assertEq(log.topics[0], Exchange.TradeExecuted.selector);
        vm.assertEq(log.topics[1], market);
        vm.assertEq(log.topics[2], bytes32(uint256(uint160(CAROL))));
        vm.assertEq(log.topics[3], bytes32(uint256(uint160(maker))));
        uint256 worth = uint256(quantity) * price * TICK;
        bytes memory head = abi.encode(seq, trade, order, taker, SELL, price);
        vm.assertEq(
            log.data,
            bytes.concat(head, abi.encode(quantity, worth, leftAfter, block.timestamp / 86_400))
        );
    }

    function refusePlace(
        Exchange.Side side,
        uint24 price,
        uint64 quantity,
        Exchange.Kind kind,
        uint16 fills,
        bytes4 error_
    ) private {
        refuseAs(ALICE, side, price, quantity, kind, fills, error_);
    }

    /// No error: it goes through.
    function refuseAs(
        address by,
        Exchange.Side side,
        uint24 price,
        uint64 quantity,
        Exchange.Kind kind,
        uint16 fills,
        bytes4 error_
    ) private {
        bytes memory call = abi.encodeCall(
            Exchange.place, (market, side, price, quantity, kind, fills)
        );
        if (error_ != 0) return refuse(by, call, error_);
        vm.prank(by);
        (bool ok,) = address(exchange).call(call);
        vm.assertTrue(ok, "refused");
    }

    function refuse(address by, bytes memory call, bytes4 error_) private {
        refuse(by, call, abi.encodePacked(error_));
    }

    function refuse(address by, bytes memory call, bytes memory error_) private {
        vm.prank(by);
        (bool ok, bytes memory answer) = address(exchange).call(call);
        vm.assertTrue(!ok, "not refused");
        vm.assertEq(answer, error_);
    }
}

/// @title Places many orders in one transaction.
contract Stocker {
    Exchange private immutable EXCHANGE;

    constructor(Exchange exchange) {
        EXCHANGE = exchange;
    }

    function fill(bytes32 market, uint24 price, uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            EXCHANGE.place(market, Exchange.Side.Sell, price, 1, Exchange.Kind.PostOnly, 1);
        }
    }
}
