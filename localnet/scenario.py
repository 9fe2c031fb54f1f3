"""What happens on the local chains: one story of all programs, the same for a seed and a rate.

The story knows no chain. Its times are seconds since its start; a player sends each action to one
chain or several, and gives the deadlines on that chain's clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from localnet.stories import (
    bets,
    contracts,
    exchange,
    feeds,
    payouts,
    projects,
    records,
    registry,
)
from localnet.stories.action import Step
from localnet.wallets import Cast


def story(cast: Cast, rate: float, seed: int | None = None) -> Iterator[Step]:
    """Endless actions in order of time, at most ``rate`` a second.

    About six of ten are bets: they fill what the other programs, whose steps are bound to
    deadlines, leave free.
    """
    seed = cast.seed if seed is None else seed

    def dice(program: str) -> random.Random:
        return random.Random(f"{seed} {program}")

    parts = (
        feeds.Story(rate, dice("feeds")),
        projects.Story(cast, rate, dice("projects")),
        contracts.Story(cast, rate, dice("contracts")),
        payouts.Story(cast, rate, dice("payouts")),
        registry.Story(cast, rate, dice("registry")),
        records.Story(cast, rate, dice("records")),
        exchange.Story(cast, rate, dice("exchange")),
        bets.Story(cast, random.Random(seed)),
    )
    slot = 0
    while True:
        now = slot / rate
        slot += 1
        for part in parts:
            action = part.next(now)
            if action is not None:
                yield action
                break
