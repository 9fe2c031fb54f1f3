"""A few short seeds in every run of the tests; `make sim SEEDS=50` plays more and longer ones.

Each seed that found a bug stays here by the name of what it found.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sim.plan import plan
from sim.play import play

FOUND = {
    # the head had become an orphan while the indexer was away, and final heights had passed it
    "orphaned while away": (11, 40),
    # anvil's words for a range beyond its head, after a reorg to a shorter chain
    "range beyond the head": (21, 30),
    "repaired below finality": (14, 20),
    # heights that one node called final came from another that still sat on an orphaned fork
    "final heights of an orphaned fork": (28, None),
}


@pytest.mark.parametrize("found", FOUND)
def test_every_table_is_what_the_chains_say(
    found: str, postgres_server: str, tmp_path: Path
) -> None:
    seed, steps = FOUND[found]
    outcome = asyncio.run(play(seed, postgres_server, tmp_path, steps))
    assert outcome.problems == []
    assert outcome.did["events"] > 0


def test_a_seed_means_the_same_each_time() -> None:
    assert plan(7) == plan(7)
    assert len({plan(seed) for seed in range(100)}) == 100


def test_the_plans_keep_to_the_promised_rates() -> None:
    plans = [plan(seed) for seed in range(500)]
    assert max(p.trouble.error for p in plans) == 0.05
    assert max(p.reorg for p in plans) == 0.05
    assert max(p.deep for p in plans) == 0.02
    assert any(p.beyond >= 0 for p in plans)
    assert {p.nodes for p in plans} == {1, 2}
