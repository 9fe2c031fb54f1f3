"""The story of order books: money in, orders of every kind, trades, cancellations, money out."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from localnet.stories.action import USDC, Script
from localnet.stories.scripted import Scripted
from localnet.wallets import Cast

BUY, SELL = range(2)
GOOD_TILL_CANCELLED, IMMEDIATE_OR_CANCEL, FILL_OR_KILL, POST_ONLY = range(4)
BASE, QUOTE = "goods", "USDC"
LOT = 1_000_000  # smallest units of base
TICK = 10_000  # smallest units of quote: a cent
MIN_NOTIONAL = USDC
_DEPOSITS = {BASE: 200 * LOT, QUOTE: 5_000 * USDC}
_ALL = 100  # fills that a call may make
_TRADERS = 4
_SHARE, _LENGTH = 0.06, 30


class Story(Scripted):
    """Creators open markets, traders trade in them.

    A market's calls follow one another, each in a phase of its own: so its book is the same on
    every run, and an order's number is known before it is placed.
    """

    def __init__(self, cast: Cast, rate: float, rng: random.Random) -> None:
        super().__init__(rate, rng, _SHARE, _LENGTH)
        self.cast = cast
        self.opening = 0.0

    def script(self, number: int, now: float) -> Script:
        return _Market(self, number, now).script


@dataclass(slots=True)
class _Order:
    number: int
    owner: str
    side: int
    price: int
    left: int


class _Book:
    """What rests and who has what free of what they brought here, by SPEC's X-4 to X-12."""

    def __init__(self) -> None:
        self.resting: list[_Order] = []
        self.number = 0
        self.free: Counter[tuple[str, str]] = Counter()

    def place(
        self, owner: str, side: int, price: int, quantity: int, kind: int, most: int = _ALL
    ) -> str:
        """Places an order; names the rule that refuses it, if one does."""
        if quantity * price * TICK < MIN_NOTIONAL:
            return "BelowMinimum"
        token, amount = _locked(side, price, quantity)
        if self.free[owner, token] < amount:
            return "InsufficientBalance"
        crossed = self._crossed(side, price)
        if kind == POST_ONLY and crossed:
            return "WouldTake"
        fills: list[tuple[_Order, int]] = []
        left, stopped = quantity, False
        for order in crossed:
            if left == 0:
                break
            stopped = order.owner == owner or len(fills) == most
            if stopped:
                break
            fills.append((order, min(left, order.left)))
            left -= fills[-1][1]
        if kind == FILL_OR_KILL and left:
            return "NotFilled"
        for order, lots in fills:
            self._trade(owner, side, order, lots)
        self.resting = [o for o in self.resting if o.left]
        self.number += 1
        if left and not stopped and kind in (GOOD_TILL_CANCELLED, POST_ONLY):
            token, amount = _locked(side, price, left)
            self.free[owner, token] -= amount
            self.resting.append(_Order(self.number, owner, side, price, left))
        return ""

    def cancel(self, order: _Order) -> None:
        self.resting.remove(order)
        token, amount = _locked(order.side, order.price, order.left)
        self.free[order.owner, token] += amount

    def _crossed(self, side: int, price: int) -> list[_Order]:
        """What an order of this limit trades with, in its turn."""
        sign = 1 if side == BUY else -1
        found = [o for o in self.resting if o.side != side and sign * o.price <= sign * price]
        return sorted(found, key=lambda o: (sign * o.price, o.number))

    def _trade(self, taker: str, side: int, order: _Order, lots: int) -> None:
        order.left -= lots
        given, got = _locked(side, order.price, lots), _locked(1 - side, order.price, lots)
        self.free[taker, given[0]] -= given[1]
        self.free[taker, got[0]] += got[1]
        # what the maker gives was locked when it was placed
        self.free[order.owner, given[0]] += given[1]


def _locked(side: int, price: int, quantity: int) -> tuple[str, int]:
    """What an order gives: the token, and how much of it."""
    return (QUOTE, quantity * price * TICK) if side == BUY else (BASE, quantity * LOT)


class _Market:
    """One market, from its opening until most have taken their money out."""

    def __init__(self, story: Story, number: int, now: float) -> None:
        self.rng, cast = story.rng, story.cast
        self.script = Script("exchange", ("exchange market", number), now)
        self.traders = self.rng.sample(cast.traders, min(_TRADERS, len(cast.traders)))
        self.book = _Book()
        self.mid = self.rng.randrange(1_500, 3_000)  # ticks
        self.script.open(
            "open", f"creator-{self.rng.randrange(cast.creators)}", {}, base=BASE, quote=QUOTE,
            lot=LOT, tick=TICK, min_notional=MIN_NOTIONAL,
        )  # fmt: skip
        self.deposit()
        self.quote()
        self.trade()
        self.cancel()
        self.withdraw()

    def deposit(self) -> None:
        first = True
        for trader in self.traders:
            for token, amount in _DEPOSITS.items():
                self.script.then("deposit", trader, token=token, amount=amount, beside=not first)
                self.book.free[trader, token] += amount
                first = False
        if self.rng.random() < 0.2:
            self.script.then("deposit", "stranger", token=QUOTE, amount=0, error="ZeroAmount")

    def place(self, owner: str, side: int, price: int, quantity: int, kind: int, most: int) -> None:
        error = self.book.place(owner, side, price, quantity, kind, most)
        self.script.then(
            "place", owner, side=side, price=price, quantity=quantity, order_kind=kind,
            max_fills=most, error=error,
        )  # fmt: skip

    def quote(self) -> None:
        """Both sides of a book, from two who make it."""
        for i in range(3):
            for side, sign in ((BUY, -1), (SELL, 1)):
                price = self.mid + sign * (4 * i + self.rng.randint(1, 4))
                kind = self.rng.choice((POST_ONLY, GOOD_TILL_CANCELLED))
                maker = self.rng.choice(self.traders[:2])
                self.place(maker, side, price, self.rng.randint(2, 9), kind, _ALL)

    def trade(self) -> None:
        rng = self.rng
        kinds = (GOOD_TILL_CANCELLED, IMMEDIATE_OR_CANCEL, FILL_OR_KILL, POST_ONLY)
        for _ in range(rng.randint(6, 10)):
            side, kind = rng.choice((BUY, SELL)), rng.choices(kinds, (4, 3, 2, 2))[0]
            price = self.mid + rng.randint(-6, 14) * (1 if side == BUY else -1)
            most = rng.choice((1, _ALL, _ALL))
            self.place(rng.choice(self.traders), side, price, rng.randint(1, 12), kind, most)
        if rng.random() < 0.3:
            self.place("stranger", BUY, self.mid, 1, GOOD_TILL_CANCELLED, _ALL)
        if rng.random() < 0.2:
            self.place(self.traders[0], BUY, 1, 1, GOOD_TILL_CANCELLED, _ALL)

    def cancel(self) -> None:
        """Some of what rests, or all of it."""
        tidy = self.rng.random() < 0.3
        for order in list(self.book.resting):
            if not tidy and self.rng.random() < 0.6:
                continue
            if self.rng.random() < 0.2:
                self.script.then("cancel", "stranger", order=order.number, error="NotOwner")
            self.script.then("cancel", order.owner, order=order.number)
            self.book.cancel(order)
            if self.rng.random() < 0.2:
                self.script.then("cancel", order.owner, order=order.number, error="OrderNotFound")

    def withdraw(self) -> None:
        """Most take out all that is free of what they brought to this market."""
        if self.rng.random() < 0.3:
            self.script.then(
                "withdraw", "stranger", token=QUOTE, amount=1, error="InsufficientBalance"
            )
        first = True
        for trader in self.traders:
            for token in (BASE, QUOTE):
                amount = self.book.free[trader, token]
                if amount and self.rng.random() < 0.7:
                    said: dict[str, Any] = {"token": token, "amount": amount}
                    self.script.then("withdraw", trader, **said, beside=not first)
                    first = False
