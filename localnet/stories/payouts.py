"""The story of pools: funded, entered, published, claimed, vetoed, fired, expired, vouchers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from localnet.stories.action import USDC, Script
from localnet.stories.feeds import FEED, PUBLISHER
from localnet.stories.projects import OWNER, PROJECT, digest
from localnet.stories.scripted import Scripted
from localnet.wallets import Cast

Fate = Literal["revenue", "round", "aid", "vetoed", "republished", "expired"]
_FATES: tuple[tuple[Fate, int], ...] = (
    ("revenue", 30), ("round", 20), ("aid", 20), ("vetoed", 10), ("republished", 8),
    ("expired", 12),
)  # fmt: skip
ROUND, REVENUE, AID = range(3)
_SHARE, _LENGTH = 0.14, 14
_WINDOW = 10.0  # seconds of a round
_CHALLENGE = 3.0  # seconds, where nobody vetoes
_VETO = 12.0  # seconds, where somebody does
_ENDS = 16.0  # seconds to publish_by where the story waits for it
_FAR = 600.0
VENDOR = "treasury"
Shares = tuple[tuple[str, int], ...]
"""(account, amount) of each leaf, by its index."""


class Story(Scripted):
    """Bettors fund and are paid, creators operate, resolvers are the guardians."""

    def __init__(self, cast: Cast, rate: float, rng: random.Random) -> None:
        super().__init__(rate, rng, _SHARE, _LENGTH)
        self.cast = cast

    def script(self, number: int, now: float) -> Script:
        return _Pool(self, number, now).script


class _Pool:
    """One pool's terms and fate."""

    def __init__(self, story: Story, number: int, now: float) -> None:
        self.rng, self.cast, self.scale = story.rng, story.cast, story.scale
        self.number = number
        self.script = Script("payouts", ("pool", number), now)
        self.operator = f"creator-{self.rng.randrange(self.cast.creators)}"
        self.guardian = f"resolver-{self.rng.randrange(self.cast.resolvers)}"
        self.funded = 0
        fate = self.rng.choices([f for f, _ in _FATES], [w for _, w in _FATES])[0]
        getattr(self, fate)()

    def some(self, most: int) -> list[str]:
        """Some of the traders, at least one."""
        traders = self.cast.traders
        return self.rng.sample(traders, self.rng.randint(1, min(most, len(traders))))

    def open(
        self,
        kind: int,
        *,
        publish_by: float = _FAR,
        challenge: float = _CHALLENGE,
        closes_at: float = 0,
        fee: int = 0,
        threshold: int = 0,
    ) -> None:
        deadlines = {"publish_by": publish_by}
        if closes_at:
            deadlines["closes_at"] = closes_at
        if threshold:
            deadlines["trigger_by"] = _FAR
        self.fee = fee
        project = PROJECT if self.rng.random() < 0.3 else None
        creator = OWNER if project else f"creator-{self.rng.randrange(self.cast.creators)}"
        self.script.open(
            "open", creator, {k: v * self.scale for k, v in deadlines.items()},
            {"challenge_delay": challenge * self.scale},
            (FEED,) * (threshold > 0) + (PROJECT,) * (project is not None), project=project,
            operator=self.operator, guardian=self.guardian, pool_kind=kind,
            record=digest(f"video {self.rng.randrange(50)}"), entry_fee=fee,
            feed=FEED if threshold else None, threshold=threshold, cid="",
            title=f"{('Round', 'Revenue', 'Aid')[kind]} {self.number}",
        )  # fmt: skip

    def fund(self) -> list[str]:
        """One phase, so that the funders don't wait for one another."""
        funders = self.some(3)
        for i, funder in enumerate(funders):
            amount = self.rng.randrange(20, 400) * USDC + self.rng.randrange(USDC)
            self.funded += amount
            self.script.then("fund", funder, amount=amount, beside=i > 0)
        return funders

    def publish(self, accounts: Sequence[str], after: str = "") -> Shares:
        """All of what was funded but a rest, in unequal shares."""
        then, rng = self.script.then, self.rng
        weights = [rng.randint(1, 9) for _ in accounts]
        total = self.funded - rng.randrange(self.funded // 10 + 1)
        shares = tuple(
            (account, total * weight // sum(weights))
            for account, weight in zip(accounts, weights, strict=True)
        )
        if rng.random() < 0.1:
            then("publish", "stranger", shares=shares, after=after, error="NotOperator")
        then("publish", self.operator, shares=shares, after=after, starts="challenge_delay")
        return shares

    def claim(self, shares: Shares, early: bool = False) -> None:
        """Most claim for themselves, some never do; ``early``: one before it is time."""
        then, rng = self.script.then, self.rng
        if early:
            then("claim", "stranger", index=0, error="TooEarly")
        taken = [i for i in range(len(shares)) if rng.random() < 0.8] or [0]
        for n, i in enumerate(taken):
            actor = "stranger" if rng.random() < 0.2 else shares[i][0]
            then("claim", actor, index=i, after="challenge_delay", beside=n > 0)
        if rng.random() < 0.2:
            then("claim", "stranger", index=taken[0], error="AlreadyClaimed")
        left = [i for i in range(len(shares)) if i not in taken]
        if left and rng.random() < 0.3:
            then("claim", "stranger", index=left[0], more=1, error="InvalidProof")

    # -- the fates ------------------------------------------------------------------------------

    def revenue(self) -> None:
        self.open(REVENUE)
        self.fund()
        if self.rng.random() < 0.1:
            self.script.then("refund", "stranger", funder="stranger", error="TooEarly")
        self.claim(self.publish(self.some(8)))

    def round(self) -> None:
        """Entries for a fee while the window is open; the first three share it all."""
        self.open(ROUND, closes_at=_WINDOW, fee=self.rng.choice((0, 1, 5)) * USDC)
        entrants = self.some(5)
        for i, entrant in enumerate(entrants):
            record = digest(f"clip {self.number} {i}")
            self.funded += self.fee
            self.script.then("enter", entrant, record=record, beside=i > 0)
        if self.rng.random() < 0.2:
            again = digest(f"clip {self.number} 0")
            self.script.then("enter", entrants[0], record=again, error="AlreadyEntered")
        self.fund()
        self.claim(self.publish(entrants[:3], after="closes_at"))

    def aid(self) -> None:
        """Money waits for a sign of drought, then becomes vouchers that a vendor takes."""
        then, rng = self.script.then, self.rng
        threshold = rng.randrange(10_000, 20_000)
        self.open(AID, threshold=threshold)
        self.fund()
        people = self.some(4)
        shares = self.publish(people)
        then("set_vendor", self.operator, vendor=VENDOR, allowed=True)
        if rng.random() < 0.2:
            then("allocate", "stranger", index=0, error="NotTriggered", after="challenge_delay")
        value = threshold + rng.randrange(5_000)
        # by then a second has passed since the pool was opened, on the fastest of chains too
        seen = {"feed": FEED, "value": value}
        then("publish", PUBLISHER, program="feeds", after="challenge_delay", **seen)
        then("fire", "stranger", feed=FEED, threshold=threshold)
        for i in range(len(shares)):
            then("allocate", "stranger", index=i, after="challenge_delay", beside=i > 0)
        for account, amount in shares:
            spent = amount // rng.choice((1, 2, 3))
            terms = {"account": account, "vendor": VENDOR, "amount": spent}
            then("redeem", "stranger", **terms)
            if rng.random() < 0.2:
                then("redeem", "stranger", **terms, again=True, error="InvalidSignature")
        if rng.random() < 0.2:
            account = shares[0][0]
            then(
                "redeem", "stranger", account=account, vendor="stranger", amount=1,
                error="NotVendor",
            )  # fmt: skip

    def vetoed(self) -> None:
        """The guardian objects, nothing else is published, the funders have it all back."""
        self.open(REVENUE, publish_by=_ENDS, challenge=_VETO)
        funders = self.fund()
        self.publish(self.some(3))
        if self.rng.random() < 0.2:
            self.script.then("veto", "stranger", error="NotGuardian")
        self.script.then("veto", self.guardian)
        self.refund(funders)

    def republished(self) -> None:
        """The guardian objects, and the operator mends it."""
        self.open(REVENUE, challenge=_VETO)
        self.fund()
        self.publish(self.some(3))
        self.script.then("veto", self.guardian)
        self.claim(self.publish(self.some(6)), early=self.rng.random() < 0.5)

    def expired(self) -> None:
        """The operator is gone."""
        self.open(REVENUE, publish_by=_ENDS)
        self.refund(self.fund())

    def refund(self, funders: Sequence[str]) -> None:
        for i, funder in enumerate(funders):
            self.script.then("refund", "stranger", funder=funder, after="publish_by", beside=i > 0)
        if self.rng.random() < 0.2:
            self.script.then("refund", "stranger", funder=funders[0], error="NothingToRefund")
