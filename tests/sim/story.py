"""What the wallets of one chain do next. They don't look at the chain: what it refuses, it refuses,
and refused transactions are part of a history."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "open", "place", "resolve", "void", "claim", "collect_fee", "close_position", "close"
]
BETTORS = 6
CREATORS = 2
OUTCOMES = 3


@dataclass(frozen=True, slots=True)
class Market:
    """``id``: what the chain calls it. Times in unix seconds of the chain's clock."""

    id: str
    close_at: int
    resolve_by: int


@dataclass(frozen=True, slots=True)
class Action:
    """One transaction. ``by``: the number of the creator or bettor who sends or is meant."""

    kind: Kind
    by: int
    market: Market | None
    outcome: int
    amount: int
    close_at: int = 0
    resolve_by: int = 0
    title: str = ""


@dataclass
class Story:
    """``markets``: every one that was opened on any fork."""

    dice: random.Random
    markets: list[Market] = field(default_factory=list)
    bets: list[tuple[Market, int, int]] = field(default_factory=list)
    count: int = 0

    def actions(self, now: int) -> list[Action]:
        """The next block's transactions."""
        many = self.dice.choice([0, 0, 1, 1, 2, 3, 8])
        return [self._action(now) for _ in range(many)]

    def _action(self, now: int) -> Action:
        dice = self.dice
        self.count += 1
        if not self.markets or dice.random() < 0.08:
            life = dice.randrange(30, 600)
            # texts that a table must take as they are
            title = dice.choice(["Who wins?", "¿Ganará? 🏁", "a\\b\t'c\"", "x" * 300, ""])
            return Action(
                "open", dice.randrange(CREATORS), None, 0, 0, now + life, now + 2 * life, title
            )
        market = dice.choice(self.markets[-6:])
        by, outcome = dice.randrange(BETTORS), dice.randrange(OUTCOMES)
        if now < market.close_at - 10 and dice.random() < 0.9:
            self.bets.append((market, by, outcome))
            return Action("place", by, market, outcome, 10_000 * self.count + dice.randrange(999))
        kind: Kind = dice.choice(
            ["resolve", "resolve", "void", "claim", "claim", "claim", "collect_fee",
             "close_position", "close"]
        )  # fmt: skip
        mine = [b for b in self.bets if b[0] == market]
        if kind in ("claim", "close_position") and mine:
            _, by, outcome = dice.choice(mine)
        return Action(kind, by, market, outcome, 0)
