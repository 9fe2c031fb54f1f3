"""The story of markets: opened, bet on, resolved or voided, claimed and closed."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from localnet.stories.action import USDC, Key
from localnet.wallets import Cast

Kind = Literal[
    "open", "place", "resolve", "void", "claim", "collect_fee", "close_position", "close"
]
# Phases of a market.
OPEN, BETS, LATE, OUTCOME, PAID, AGAIN, EMPTIED, CLOSED = range(8)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a market's creator chooses. ``life``: seconds of betting; ``window``: seconds after it
    in which the resolver may act."""

    creator: str
    resolver: str
    outcomes: int
    life: float
    window: float
    fee_bps: int
    subject: bytes
    question: bytes
    cid: str
    title: str


@dataclass(frozen=True, slots=True)
class Action:
    """A Step of the market ``market``, which counts the story's markets from 0."""

    at: float
    kind: Kind
    market: int
    phase: int
    actor: str
    bettor: str = ""
    outcome: int = 0
    amount: int = 0
    terms: Terms | None = None
    error: str = ""
    after: Literal["", "close_at", "resolve_by"] = ""

    @property
    def program(self) -> str:
        return "bets"

    @property
    def key(self) -> Key:
        return "market", self.market

    @property
    def deadlines(self) -> Mapping[str, float]:
        if self.terms is None:
            return {}
        close_at = self.terms.life
        return {"close_at": close_at, "resolve_by": close_at + self.terms.window}

    @property
    def spans(self) -> Mapping[str, float]:
        return {}

    @property
    def starts(self) -> str:
        return ""

    @property
    def needs(self) -> tuple[Key, ...]:
        return ()


Fate = Literal["resolved", "voided", "expired", "open"]

_FATES: tuple[tuple[Fate, int], ...] = (
    ("resolved", 60), ("voided", 14), ("expired", 10), ("open", 16),
)  # fmt: skip
_MARKETS_OPEN = 5
# A bet keeps this far (s) from its market's opening and close, so that a block time and the
# player's own delay don't turn it into a late one.
_EDGE = 2.5
_QUESTIONS = (
    "Does clip {n} pass ten thousand views today?",
    "Who wins round {n}?",
    "How many goals in match {n}?",
    "Which song of playlist {n} is skipped first?",
    "Will video {n} be cut below a minute?",
)


@dataclass(slots=True)
class _Market:
    index: int
    terms: Terms
    fate: Fate
    opened: float
    stakes: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def close_at(self) -> float:
        return self.opened + self.terms.life

    def takes_bets(self, now: float) -> bool:
        return self.opened + _EDGE <= now < self.close_at - _EDGE


class Story:
    def __init__(self, cast: Cast, rng: random.Random) -> None:
        self.cast, self.rng = cast, rng
        self.open: list[_Market] = []
        self.count = 0
        self.due: list[tuple[float, int, Action]] = []
        self.bettors = [name for name in cast if name.startswith("bettor")]

    def next(self, now: float) -> Action | None:
        """The action of this moment, if there is one."""
        self.settle(now)
        short = [m for m in self.open if m.fate != "open"]
        if len(short) < _MARKETS_OPEN:
            return self.opening(now)
        if self.due and self.due[0][0] <= now:
            return heapq.heappop(self.due)[2]
        if live := [m for m in self.open if m.takes_bets(now)]:
            return self.bet(now, self.rng.choice(live))
        return None

    def opening(self, now: float) -> Action:
        rng, n = self.rng, self.count
        self.count += 1
        fate = rng.choices([f for f, _ in _FATES], [w for _, w in _FATES])[0]
        title = rng.choice(_QUESTIONS).format(n=n)
        terms = Terms(
            creator=f"creator-{rng.randrange(self.cast.creators)}",
            resolver=f"resolver-{rng.randrange(self.cast.resolvers)}",
            outcomes=rng.choice((2, 2, 2, 3, 4, 16)),
            life=3_600.0 if fate == "open" else 3 * _EDGE + rng.randint(0, 12),
            window=3.0 if fate == "expired" else 600.0,
            fee_bps=rng.choice((0, 100, 250, 1000)),
            subject=hashlib.sha256(f"video {rng.randrange(50)}".encode()).digest(),
            question=hashlib.sha256(title.encode()).digest(),
            cid="",
            title=title,
        )
        market = _Market(n, terms, fate, now)
        self.open.append(market)
        return Action(now, "open", n, OPEN, terms.creator, terms=terms)

    def bet(self, now: float, m: _Market) -> Action:
        rng = self.rng
        bettor = rng.choice(self.bettors)
        outcome = min(int(rng.expovariate(0.9)), m.terms.outcomes - 1)
        amount = round(USDC * rng.lognormvariate(1.5, 1.0)) + rng.randrange(1, 1000)
        if rng.random() < 0.02:
            bad = m.terms.outcomes
            return Action(
                now, "place", m.index, BETS, bettor, bettor, bad, amount, error="InvalidOutcome"
            )
        m.stakes[bettor, outcome] = m.stakes.get((bettor, outcome), 0) + amount
        return Action(now, "place", m.index, BETS, bettor, bettor, outcome, amount)

    def settle(self, now: float) -> None:
        """Plans the end of each market that is past its close."""
        over = [m for m in self.open if m.close_at <= now]
        self.open = [m for m in self.open if m.close_at > now]
        for m in over:
            for i, action in enumerate(self.ending(m)):
                heapq.heappush(self.due, (action.at, m.index * 10_000 + i, action))

    def ending(self, m: _Market) -> Iterator[Action]:
        rng, n, resolver = self.rng, m.index, m.terms.resolver
        at = m.close_at + 0.5
        stakes = list(m.stakes)

        def act(wait: float, kind: Kind, phase: int, actor: str, **more: Any) -> Action:
            return Action(at + wait, kind, n, phase, actor, after="close_at", **more)

        if stakes and rng.random() < 0.15:
            bettor, outcome = rng.choice(stakes)
            late = {"bettor": bettor, "outcome": outcome, "amount": USDC}
            yield act(0, "place", LATE, bettor, **late, error="BettingClosed")
        if rng.random() < 0.15:
            yield act(0, "resolve", LATE, "stranger", error="NotResolver")
        winner = -1
        if m.fate == "expired":
            at += m.terms.window + 1.0
            yield replace(act(0, "void", OUTCOME, "stranger"), after="resolve_by")
        elif m.fate == "voided":
            yield act(0, "void", OUTCOME, resolver)
        else:
            # Now and then an outcome that nobody staked on, which voids the market.
            staked = sorted({outcome for _, outcome in stakes})
            some = bool(staked) and rng.random() < 0.9
            winner = rng.choice(staked) if some else m.terms.outcomes - 1
            yield act(0, "resolve", OUTCOME, resolver, outcome=winner)
            if winner not in staked:
                winner = -1
        paid = [(b, o) for b, o in stakes if winner in (-1, o)]
        # An untidy market stays, with positions that nobody has claimed yet.
        tidy = rng.random() < 0.75
        claimed = paid if tidy else [p for p in paid if rng.random() < 0.6]
        for bettor, outcome in claimed:
            actor = "stranger" if rng.random() < 0.2 else bettor
            yield act(1, "claim", PAID, actor, bettor=bettor, outcome=outcome)
        losers = sum(amount for (_, o), amount in m.stakes.items() if o != winner)
        if winner >= 0 and losers * m.terms.fee_bps >= 10_000:
            yield act(1, "collect_fee", PAID, "stranger")
        if claimed and rng.random() < 0.1:
            bettor, outcome = rng.choice(claimed)
            again = {"bettor": bettor, "outcome": outcome}
            yield act(2, "claim", AGAIN, bettor, **again, error="AlreadyClaimed")
        if tidy:
            for bettor, outcome in stakes:
                yield act(3, "close_position", EMPTIED, "stranger", bettor=bettor, outcome=outcome)
            yield act(4, "close", CLOSED, "stranger")
