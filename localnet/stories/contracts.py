"""The story of agreements: signed, funded, delivered, accepted, disputed, cancelled, timed out."""

from __future__ import annotations

import random
from typing import Literal

from localnet.stories.action import USDC, Script
from localnet.stories.feeds import FEED, PUBLISHER
from localnet.stories.projects import digest
from localnet.stories.scripted import Scripted
from localnet.wallets import Cast

Fate = Literal[
    "accepted", "unanswered", "partial", "missed", "ruled", "silent",
    "unsigned", "unfunded", "called off", "withdrawn",
]  # fmt: skip
_FATES: tuple[tuple[Fate, int], ...] = (
    ("accepted", 28), ("unanswered", 10), ("partial", 12), ("missed", 8), ("ruled", 10),
    ("silent", 8), ("unsigned", 6), ("unfunded", 6), ("called off", 6), ("withdrawn", 6),
)  # fmt: skip
_SHARE, _LENGTH = 0.14, 9
# Deadlines in seconds after the proposal, at ten actions a second and more. A block takes one
# second, so each is some blocks after what must be done before it.
_FAR = {"sign_by": 60.0, "fund_by": 120.0, "deliver_by": 180.0, "rule_by": 300.0}
_NEAR = {"sign_by": 8.0, "fund_by": 14.0, "deliver_by": 20.0, "rule_by": 28.0}
_WAITS_FOR: dict[Fate, dict[str, float]] = {
    "unsigned": {**_FAR, "sign_by": 6.0},
    "unfunded": {**_FAR, "sign_by": 8.0, "fund_by": 14.0},
    "missed": _NEAR,
    "partial": _NEAR,
    "silent": _NEAR,
}
_GOODS = (("Coffee", "kg"), ("Cocoa", "kg"), ("Maize", "sacks"), ("Solar power", "kWh"))


class Story(Scripted):
    """Needs two bettors: they are the parties, resolvers are the arbiters."""

    def __init__(self, cast: Cast, rate: float, rng: random.Random) -> None:
        super().__init__(rate, rng, _SHARE, _LENGTH)
        self.cast = cast

    def script(self, number: int, now: float) -> Script:
        return _Agreement(self, number, now).script


class _Agreement:
    """One agreement's terms and fate."""

    def __init__(self, story: Story, number: int, now: float) -> None:
        self.rng, self.cast = story.rng, story.cast
        self.script = Script("contracts", ("agreement", number), now)
        self.seller, self.buyer = self.rng.sample(self.cast.traders, 2)
        self.arbiter = f"resolver-{self.rng.randrange(self.cast.resolvers)}"
        self.quantity = self.rng.choice((1, 10, 100, 750))
        self.margin = self.rng.choice((0, 1, 2)) * 5 * USDC
        fate = self.rng.choices([f for f, _ in _FATES], [w for _, w in _FATES])[0]
        self.priced = fate in ("accepted", "partial", "ruled") and self.rng.random() < 0.4
        self.propose(fate, number, story.scale)
        tell = getattr(self, fate.replace(" ", "_"))
        tell()

    def propose(self, fate: Fate, number: int, scale: float) -> None:
        rng = self.rng
        price = rng.randrange(50, 900) * USDC + rng.randrange(USDC)
        goods, unit = rng.choice(_GOODS)
        # with a price by feed what counts is the observation after deliver_by
        deadlines = _NEAR if self.priced else _WAITS_FOR.get(fate, _FAR)
        accept_within = 60.0 if deadlines is _FAR else 6.0
        if fate == "unanswered":
            accept_within = 4.0
        self.proposer = rng.choice((self.seller, self.buyer))
        self.other = self.buyer if self.proposer == self.seller else self.seller
        self.script.open(
            "propose", self.proposer, {k: v * scale for k, v in deadlines.items()},
            {"accept_within": accept_within * scale}, (FEED,) if self.priced else (),
            seller=self.seller, buyer=self.buyer, arbiter=self.arbiter,
            commodity=digest(goods), terms=digest(f"agreement {number}"), quantity=self.quantity,
            price_total=price, feed=FEED if self.priced else None,
            # a tonne of it costs what the feed says; value × mul / div is the whole price
            price_cap=2 * price if self.priced else 0, price_floor=price // 2 * self.priced,
            price_mul=price * self.priced, price_div=25_000 * self.priced,
            seller_margin=self.margin, default_split_bps=rng.choice((0, 2_500, 5_000, 10_000)),
            cid="", title=f"{goods} {number}", unit=unit,
        )  # fmt: skip

    def sign(self) -> None:
        then, rng = self.script.then, self.rng
        if rng.random() < 0.1:
            then("sign", "stranger", error="NotCounterparty")
        if rng.random() < 0.3:
            then("sign_by_sig", "stranger", signer=self.other)
        else:
            then("sign", self.other)

    def activate(self) -> None:
        self.sign()
        self.script.then("fund", self.buyer)
        if self.margin:
            self.script.then("fund", self.seller, beside=True)
        if self.rng.random() < 0.1:
            self.script.then("fund", self.buyer, error="WrongStatus")

    def deliver(self, quantity: int) -> None:
        """In one delivery, or in two."""
        parts = [quantity]
        if quantity > 1 and self.rng.random() < 0.4:
            parts = [quantity // 3 or 1, quantity - (quantity // 3 or 1)]
        if self.rng.random() < 0.1:
            self.record("stranger", 1, error="NotSeller")
        for part in parts[:-1]:
            self.record(self.seller, part)
        self.record(self.seller, parts[-1], starts="accept_within")

    def record(self, actor: str, quantity: int, **more: str) -> None:
        evidence = digest(f"waybill {self.script.key} {self.script.phase}")
        self.script.then("record_delivery", actor, quantity=quantity, evidence=evidence, **more)

    def settle(self, after: str = "") -> None:
        """Fixes the price where it follows the feed, settles, and pays both parties."""
        then, rng = self.script.then, self.rng
        if self.priced:
            value = rng.randrange(5_000, 60_000)
            then("publish", PUBLISHER, program="feeds", after="deliver_by", value=value, feed=FEED)
            then("fix_price", "stranger", feed=FEED)
        then("settle", "stranger" if rng.random() < 0.5 else self.seller, after=after)

    def withdraw(self, *parties: str) -> None:
        for i, party in enumerate(parties):
            self.script.then("withdraw", party, party=party, beside=i > 0)
        if self.rng.random() < 0.15:
            party = parties[0]
            self.script.then("withdraw", "stranger", party=party, error="NothingOwed")

    # -- the fates ------------------------------------------------------------------------------

    def accepted(self) -> None:
        self.activate()
        self.deliver(self.quantity)
        if self.rng.random() < 0.15:
            self.script.then("settle", "stranger", error="TooEarly")
        self.script.then("accept", self.buyer)
        self.settle()
        # at the cap the buyer has nothing back
        self.withdraw(self.seller)

    def unanswered(self) -> None:
        self.activate()
        self.deliver(self.quantity)
        self.settle(after="accept_within")
        self.withdraw(self.seller)

    def partial(self) -> None:
        """Half of it by deliver_by; the buyer takes it."""
        self.activate()
        half = self.quantity // 2
        if half:
            self.deliver(half)
            self.script.then("accept", self.buyer, after="deliver_by")
        self.settle(after="deliver_by")
        self.withdraw(self.buyer, *[self.seller] * (half > 0))

    def missed(self) -> None:
        self.activate()
        self.settle(after="deliver_by")
        self.withdraw(self.buyer)

    def dispute(self) -> None:
        self.activate()
        self.deliver(self.quantity)
        by = self.rng.choice((self.buyer, self.buyer, self.seller))
        self.script.then("dispute", by, reason=digest("wet, late or short"))

    def ruled(self) -> None:
        self.dispute()
        split = self.rng.choice((0, 3_000, 5_000, 10_000))
        if self.rng.random() < 0.2:
            self.script.then("rule", self.buyer, split_bps=0, error="NotArbiter")
        self.script.then("rule", self.arbiter, split_bps=split)
        self.settle()
        self.withdraw(*[self.seller] * (split > 0), *[self.buyer] * (split == 0))

    def silent(self) -> None:
        """The arbiter says nothing, so the split that the parties agreed on holds."""
        self.dispute()
        self.settle(after="rule_by")

    def unsigned(self) -> None:
        self.script.then("cancel", "stranger", after="sign_by")

    def unfunded(self) -> None:
        """The buyer has paid in; the seller, who owes a margin, has not."""
        self.sign()
        if self.margin:
            self.script.then("fund", self.buyer)
        self.script.then("cancel", "stranger", after="fund_by")
        if self.margin:
            self.withdraw(self.buyer)

    def called_off(self) -> None:
        """Both want out."""
        self.activate()
        self.script.then("cancel", self.buyer)
        if self.rng.random() < 0.3:
            self.script.then("cancel", self.buyer, error="AlreadyRequested")
        self.script.then("cancel", self.seller)
        self.withdraw(self.buyer, *[self.seller] * (self.margin > 0))

    def withdrawn(self) -> None:
        """The proposer thinks again before anyone has signed."""
        self.script.then("cancel", self.proposer)
