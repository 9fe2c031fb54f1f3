"""Both chains through the same partitions, the same tables and one lake."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pytest

from indexer import verify
from localnet.network import Localnet
from localnet.play import play
from localnet.scenario import story
from localnet.stories.action import Action, Step
from localnet.stories.bets import Action as Bet
from localnet.stories.bets import Terms
from localnet.stories.feeds import FEED, PUBLISHER
from localnet.wallets import Cast
from pipelines import compare, ingest
from pipelines.lake import proof
from pipelines.lake.export import export
from pipelines.project import Project

RANGE = 25  # heights in a partition
LOW = -(2**100)  # an i128 that no 64 bits hold
_LIMIT = 120.0
"""Seconds until what was sent is final, on a busy machine."""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Localnet]:
    """Both chains with two markets each, three bets in each market, and some of the story of
    every other program."""
    home = tmp_path_factory.mktemp("localnet")
    with asyncio.Runner() as runner:
        made = Localnet(home, slot_ms=100, finality=4, cast=Cast(7, bettors=3))
        runner.run(made.__aenter__())
        try:
            last = {
                chain.name: runner.run(_bets(chain.client)) for chain in (made.evm, made.solana)
            }
            last |= runner.run(_others(made))
            # anvil mines a block for each transaction only
            runner.run(made.evm.client.rpc("anvil_mine", [hex(40)]))
            # to the end of the partition that holds the last of the story
            runner.run(_until_final(made, last["solana"] // RANGE * RANGE + RANGE))
            yield made
        finally:
            runner.run(made.__aexit__(None, None, None))


async def _bets(client: Any) -> int:
    """Opens two markets and bets on them; the height of the last bet."""
    height = 0
    for n in range(2):
        now = await client.now()
        terms = Terms(
            "creator-0", "resolver-0", 3, 0, 0, 100, bytes(32), bytes(32), "", f"Market {n}"
        )
        market, _ = await client.open(terms, now + 3_600, now + 7_200)
        for b in range(3):
            name = f"bettor-{b}"
            bet = Bet(0, "place", n, 0, name, bettor=name, outcome=b, amount=10**6 * (b + 1))
            receipt = await client.call(bet, market)
            assert receipt.ok
            height = receipt.height
    return height


async def _others(made: Localnet) -> dict[str, int]:
    """What the story tells of the other programs; the height of the last of it on each chain."""
    players = made.players(travels=True)

    def told() -> list[Step]:
        part = islice(story(made.cast, rate=100), 400)
        low = Action(0, "feeds", FEED, "publish", 1, PUBLISHER, {"value": LOW})
        return [*(a for a in part if a.program != "bets"), low]

    await play(players, told, None)
    assert all(s.expected for p in players for s in p.sent)
    return {p.chain.chain: max(s.height for s in p.sent) for p in players}


async def _until_final(made: Localnet, height: int) -> None:
    from solana.rpc.commitment import Finalized

    limit = time.monotonic() + _LIMIT
    while (await made.solana.client.client.get_slot(Finalized)).value < height:
        assert time.monotonic() < limit
        await asyncio.sleep(0.1)


def test_both_chains_in_any_order(net: Localnet, postgres_url: str, tmp_path: Path) -> None:
    in_order, shuffled = (
        Project(
            config_file=str(net.config),
            database_url=postgres_url,
            database_schema=name,
            range_size=RANGE,
            lake_dir=str(tmp_path / name),
        )
        for name in ("in_order", "shuffled")
    )
    with in_order.opened() as a, shuffled.opened() as b:
        finalized = ingest.finalized_heights(a)
        assert set(finalized) == {"anvil", "solana"}
        # both at the same height: Solana's goes on while this runs
        ranges = [
            r
            for r in ingest.ranges_of(a, finalized, in_order.heights_per_range)
            if r.last <= finalized[r.chain]
        ]
        reports = ingest.take_in(a, ranges)
        assert {c: r.events > 0 for c, r in reports.items()} == {"anvil": True, "solana": True}
        order = ranges * 2
        random.Random(3).shuffle(order)
        # what a factory made is known once the factory is in without a gap: once more, then
        for r in [*order, *ranges]:
            ingest.take_in(b, [r])
        findings = compare.equal(b, a, compare.covered(a))
        assert [f for f in findings if not f.ok] == []
        with a.connect("test") as connection:
            assert [f for f in verify.verify(a, connection) if not f.ok] == []
        export(a, Path(str(in_order.lake_dir)), in_order.heights_per_range)
        assert [f for f in proof.prove(a, Path(str(in_order.lake_dir))) if not f.ok] == []
        with a.connect("test") as connection:
            query = "SELECT chain, status, count(*) FROM in_order.agreements GROUP BY 1, 2"
            agreements = sorted(connection.execute(query).fetchall())
    with duckdb.connect(f"{in_order.lake_dir}/chainfold.duckdb", read_only=True) as lake:
        found = lake.execute(
            "SELECT chain, count(*), sum(total)::BIGINT FROM markets GROUP BY chain ORDER BY chain"
        ).fetchall()
        query = "SELECT chain, status, count(*) FROM agreements GROUP BY 1, 2"
        assert sorted(lake.execute(query).fetchall()) == agreements
        assert {chain for chain, _, _ in agreements} == {"anvil", "solana"}
        query = "SELECT DISTINCT chain FROM feeds_observation_published WHERE value::HUGEINT = ?"
        assert sorted(lake.execute(query, [LOW]).fetchall()) == [("anvil",), ("solana",)]
    assert found == [("anvil", 2, 12_000_000), ("solana", 2, 12_000_000)]
