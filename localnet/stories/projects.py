"""The story of projects: created, their milestones reached, done."""

from __future__ import annotations

import hashlib
import random

from localnet.stories.action import USDC, Key, Script
from localnet.stories.scripted import Scripted
from localnet.wallets import Cast

PROJECT: Key = ("project", 0)
"""The first one, which is OWNER's and stays active: pools are opened in it."""
OWNER = "creator-0"
RFV, C2C, AA = range(3)
ACTIVE, PAUSED, DONE = range(3)
_SHARE, _LENGTH = 0.02, 5


class Story(Scripted):
    def __init__(self, cast: Cast, rate: float, rng: random.Random) -> None:
        super().__init__(rate, rng, _SHARE, _LENGTH)
        self.cast = cast
        self.opening = 0.0

    def script(self, number: int, now: float) -> Script:
        rng = self.rng
        owner = f"creator-{rng.randrange(self.cast.creators)}" if number else OWNER
        budget = rng.randrange(1, 500) * 1_000 * USDC
        script = Script("projects", ("project", number), now)
        script.open(
            "create", owner, {"due_at": 3_600.0}, project_kind=rng.choice((RFV, C2C, AA)),
            organisation=digest(f"organisation {rng.randrange(8)}"), budget=budget, cid="",
            title=f"Project {number}",
        )  # fmt: skip
        milestones = rng.randint(1, 2)
        for m in range(milestones):
            script.then("add_milestone", owner, digest=digest(f"project {number}, milestone {m}"))
        if rng.random() < 0.3:
            script.then("update", "stranger", budget=budget, status=DONE, error="NotOwner")
        for m in range(rng.randint(0, milestones)):
            script.then("complete_milestone", owner, milestone=m, evidence=digest(f"photo {m}"))
        if number and rng.random() < 0.5:
            script.then("update", owner, budget=2 * budget, status=rng.choice((PAUSED, DONE)))
        return script


def digest(text: str) -> bytes:
    """What stands for a document."""
    return hashlib.sha256(text.encode()).digest()
