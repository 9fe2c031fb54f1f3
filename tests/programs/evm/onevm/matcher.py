"""The exchange's rules again, written to be obvious: every order looks at every other one.

Numbers in comments are rules of programs/SPEC.md. Events are tuples of the fields that follow the
entity, in the event's order, with accounts by name: without a trade's day and a balance's seq.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

BUY, SELL = 0, 1
GOOD_TILL_CANCELLED, IMMEDIATE_OR_CANCEL, FILL_OR_KILL, POST_ONLY = range(4)
BY_OWNER, IMMEDIATE, SELF_TRADE, MAX_FILLS = range(4)
DEPOSIT, WITHDRAWAL, ORDER, TRADE, CANCELLATION = range(5)
TOP = 2**24 - 2
UINT120 = 2**120 - 1

Event = tuple[object, ...]


class Refused(Exception):
    """A call that breaks a rule; its text is the error's name."""


@dataclass
class Resting:
    """What is left of an order, in lots."""

    number: int
    owner: str
    side: int
    price: int
    left: int


@dataclass
class Market:
    """One market of `base` and `quote`, and everybody's balances of the two."""

    lot: int
    tick: int
    minimum: int
    balances: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    resting: list[Resting] = field(default_factory=list)
    orders: int = 0
    trades: int = 0
    seq: int = 1
    events: list[Event] = field(default_factory=list)

    def locked(self, order: Resting, lots: int) -> tuple[str, int]:
        """The token and the amount that `lots` of an order lock."""
        if order.side == BUY:
            return "quote", lots * order.price * self.tick
        return "base", lots * self.lot

    def deposit(self, who: str, token: str, amount: int) -> None:
        self.change(who, who, token, DEPOSIT, amount)

    def withdraw(self, who: str, token: str, amount: int) -> None:
        if amount == 0:
            raise Refused("ZeroAmount")
        if amount > self.balances[who, token]:
            raise Refused("InsufficientBalance")
        self.change(who, who, token, WITHDRAWAL, -amount)

    def place(
        self, who: str, side: int, price: int, quantity: int, kind: int, max_fills: int
    ) -> None:
        if quantity == 0:
            raise Refused("ZeroAmount")
        if not 0 < price <= TOP:
            raise Refused("InvalidPrice")
        if not 1 <= max_fills <= 100:
            raise Refused("InvalidFills")
        order = Resting(self.orders + 1, who, side, price, quantity)
        worth = quantity * price * self.tick
        if worth > UINT120 or quantity * self.lot > UINT120:
            raise Refused("Overflow")
        if worth < self.minimum:
            raise Refused("BelowMinimum")
        token, needed = self.locked(order, quantity)
        if self.balances[who, token] < needed:
            raise Refused("InsufficientBalance")

        # who would trade with this order, the best price first, then the oldest
        sign = 1 if side == BUY else -1
        makers = [o for o in self.resting if o.side != side and sign * (price - o.price) >= 0]
        makers.sort(key=lambda o: (sign * o.price, o.number))
        if kind == POST_ONLY and makers:
            raise Refused("WouldTake")
        fills: list[tuple[Resting, int]] = []
        reason = None
        for maker in makers:
            if order.left == 0:
                break
            if maker.owner == who:
                reason = SELF_TRADE
                break
            if len(fills) == max_fills:
                reason = MAX_FILLS
                break
            lots = min(order.left, maker.left)
            order.left -= lots
            fills.append((maker, lots))
        if kind == FILL_OR_KILL and order.left > 0:
            raise Refused("NotFilled")
        if kind == IMMEDIATE_OR_CANCEL and order.left > 0 and reason is None:
            reason = IMMEDIATE

        self.orders += 1
        for maker, lots in fills:
            self.trade(order, maker, lots)
        traded = quantity - order.left
        worth = sum(lots * maker.price * self.tick for maker, lots in fills)
        rests = order.left > 0 and reason is None
        token, locks = self.locked(order, order.left if rests else 0)
        paid, got = (worth, traded * self.lot) if side == BUY else (traded * self.lot, worth)
        self.change(who, who, token, ORDER, -(paid + locks))
        self.change(who, who, "base" if side == BUY else "quote", TRADE, got)
        self.log("OrderPlaced", who, order.number, side, kind, price, quantity, order.left)
        if rests:
            self.resting.append(order)
        elif order.left > 0:
            assert reason is not None
            self.cancelled(order, reason)

    def trade(self, order: Resting, maker: Resting, lots: int) -> None:
        maker.left -= lots
        if maker.left == 0:
            self.resting.remove(maker)
        self.trades += 1
        worth = lots * maker.price * self.tick
        self.log(
            "TradeExecuted",
            order.owner,
            self.trades,
            maker.number,
            maker.owner,
            order.number,
            maker.side,
            maker.price,
            lots,
            worth,
            maker.left,
        )
        token, amount = ("quote", worth) if maker.side == SELL else ("base", lots * self.lot)
        self.change(order.owner, maker.owner, token, TRADE, amount)

    def cancel(self, who: str, number: int) -> None:
        found = [o for o in self.resting if o.number == number]
        if not found:
            raise Refused("OrderNotFound")
        (order,) = found
        if order.owner != who:
            raise Refused("NotOwner")
        self.resting.remove(order)
        self.cancelled(order, BY_OWNER)
        token, amount = self.locked(order, order.left)
        self.change(who, who, token, CANCELLATION, amount)

    def cancelled(self, order: Resting, reason: int) -> None:
        terms = order.number, order.side, order.price, order.left
        self.log("OrderCancelled", order.owner, *terms, reason, 0)

    def change(self, actor: str, account: str, token: str, change: int, amount: int) -> None:
        if amount == 0:
            return
        self.balances[account, token] += amount
        assert self.balances[account, token] >= 0
        after = self.balances[account, token]
        self.events.append(("BalanceChanged", actor, account, token, change, abs(amount), after))

    def log(self, event: str, *fields: object) -> None:
        self.seq += 1
        self.events.append((event, self.seq, *fields))
