"""The story of the price feed that agreements and pools refer to."""

from __future__ import annotations

import random

from localnet.stories.action import Action, Key

FEED: Key = ("feed", 0)
PUBLISHER = "creator-0"
DECIMALS = 2
_HEARTBEAT = 30 * 86_400  # seconds: nothing is stale within a story
_EVERY = 8.0  # seconds between observations


class Story:
    """Opens the feed, and publishes a price every now and then."""

    def __init__(self, rate: float, rng: random.Random) -> None:
        self.rng = rng
        self.every = max(_EVERY, 50 / rate)
        self.due = 0.0
        self.price = 25_000

    def next(self, now: float) -> Action | None:
        if now < self.due:
            return None
        opened = self.due > 0
        self.due = now + self.every
        if not opened:
            terms = {"decimals": DECIMALS, "heartbeat": _HEARTBEAT, "name": "Coffee C"}
            return Action(now, "feeds", FEED, "open", 0, PUBLISHER, terms | {"unit": "USD/t"})
        if self.rng.random() < 0.1:
            return Action(
                now, "feeds", FEED, "publish", 1, "stranger", {"value": 1}, error="NotPublisher"
            )
        self.price += self.rng.randint(-1_500, 1_500)
        return Action(now, "feeds", FEED, "publish", 1, PUBLISHER, {"value": max(self.price, 1)})
