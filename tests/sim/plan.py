"""What one seed means: how long its history is, and how often what goes wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates are probabilities: of ``Trouble`` per request, of the others per step of the history.

    ``finality``: blocks to final. ``nodes``: URLs of each chain. ``beyond``: the step at which a
    chain is reorganised below finality, -1 for none. ``from_genesis``: whether programs start at 0.
    """

    seed: int
    steps: int
    finality: int
    nodes: int
    from_genesis: bool
    reorg: float
    deep: float
    beyond: int
    kill: float
    terminate: float
    second: float
    disconnect: float
    refuse: float
    jump: float
    view: float
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a node's proxy does: ``error`` of all kinds, ``slow`` answers up to ``slowest`` s;
    ``widest`` blocks and ``most`` logs of one eth_getLogs, ``batch`` calls of one request."""

    error: float
    slow: float
    slowest: float
    hang_up: float
    widest: int
    most: int
    batch: int
    trims: bool
    balanced: float


def plan(seed: int, steps: int | None = None) -> Plan:
    dice = random.Random(f"plan {seed}")
    some = dice.random
    trouble = Trouble(
        error=dice.choice([0, some() * 0.05, 0.05]),
        slow=dice.choice([0, some() * 0.1]),
        slowest=dice.choice([0.02, 0.3]),
        hang_up=dice.choice([0, 0.01]),
        widest=dice.choice([1, 3, 10, 100, 100_000]),
        most=dice.choice([5, 50, 100_000]),
        batch=dice.choice([2, 10, 1_000]),
        trims=some() < 0.5,
        balanced=dice.choice([0.3, 1.0]),
    )
    length = steps or dice.randrange(60, 140)
    return Plan(
        seed,
        length,
        finality=dice.choice([8, 16, 32]),
        nodes=dice.choice([1, 1, 2]),
        from_genesis=some() < 0.5,
        reorg=dice.choice([0, some() * 0.05, 0.05]),
        deep=dice.choice([0, some() * 0.02, 0.02]),
        beyond=dice.randrange(length // 2, length) if some() < 0.1 else -1,
        kill=dice.choice([0, 0.02, 0.05]),
        terminate=dice.choice([0, 0.02]),
        second=dice.choice([0, 0.05]),
        disconnect=dice.choice([0, 0.05]),
        refuse=dice.choice([0, 0.01]),
        jump=dice.choice([0.02, 0.1]),
        view=dice.choice([0, 0.05, 0.1]),
        trouble=trouble,
    )
