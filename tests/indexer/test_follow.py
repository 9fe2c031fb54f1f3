"""The head writer on a real chain: every reorg leaves what indexing from nothing gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from support.anvil import Anvil
from support.index import index_once, tables

from indexer import config as configuration
from indexer import store
from indexer.errors import Fatal
from indexer.follow import Follower, Reorg, Waiting
from indexer.repair import repair
from indexer.verify import verify

Configure = Callable[..., configuration.Config]
Databases = Callable[[], str]


def assert_true_to_the_chain(
    anvil: Anvil, url: str, configure: Configure, databases: Databases
) -> None:
    """The tables equal those of an index from nothing, EXCEPT both ways, and prove themselves."""
    fresh = databases()
    index_once(configure(anvil, fresh))
    assert tables(url) == tables(fresh)
    with store.opened(configure(anvil, url)) as opened, opened.connect("test") as connection:
        assert [f for f in verify(opened, connection) if not f.ok] == []


def test_a_bet_becomes_a_row_and_a_restart_adds_nothing(
    anvil: Anvil, postgres_url: str, configure: Configure
) -> None:
    anvil.open("Who wins?")
    anvil.bet(5)
    config = configure(anvil, postgres_url)
    index_once(config)
    before = tables(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        market = connection.execute(
            "SELECT title, total::text, bets, status FROM chainfold.markets"
        ).fetchone()
    assert market == ("Who wins?", str(100 + 101 + 102 + 103 + 104), 5, 0)
    assert index_once(config) == []
    assert tables(postgres_url) == before


@pytest.mark.parametrize("depth", [1, 3, 30])
def test_a_reorg_of_any_depth(
    anvil: Anvil, postgres_url: str, configure: Configure, databases: Databases, depth: int
) -> None:
    anvil.open()
    anvil.bet(3)
    config = configure(anvil, postgres_url)
    fork = anvil.snapshot()
    anvil.open("orphan")
    anvil.bet(depth, market=0, amount=500)
    index_once(config)
    anvil.revert(fork)
    anvil.bet(depth + 5, market=0, amount=900)
    reported = index_once(config)
    (reorg,) = [r for r in reported if isinstance(r, Reorg)]
    assert reorg.events == depth + 1
    assert_true_to_the_chain(anvil, postgres_url, configure, databases)


def test_back_and_forth_and_the_same_height_twice(
    anvil: Anvil, postgres_url: str, configure: Configure, databases: Databases
) -> None:
    anvil.open()
    config = configure(anvil, postgres_url)
    for turn in range(4):
        fork = anvil.snapshot()
        anvil.bet(2, amount=100 * (turn + 1))
        index_once(config)
        anvil.revert(fork)
        anvil.bet(2 + turn % 2, amount=1000 * (turn + 1))
        index_once(config)
        assert_true_to_the_chain(anvil, postgres_url, configure, databases)


def test_a_chain_that_got_shorter(
    anvil: Anvil, postgres_url: str, configure: Configure, databases: Databases
) -> None:
    anvil.open()
    anvil.bet(2)
    config = configure(anvil, postgres_url)
    fork = anvil.snapshot()
    anvil.bet(6, amount=700)
    index_once(config)
    anvil.revert(fork)
    anvil.bet(1, amount=900)

    async def follow() -> None:
        reported: list[object] = []
        with store.opened(config) as opened:
            task = asyncio.create_task(Follower(opened, "anvil", reported.append).run())
            async with asyncio.timeout(60):
                while not any(isinstance(r, Reorg) for r in reported):
                    await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(follow())
    index_once(config)
    assert_true_to_the_chain(anvil, postgres_url, configure, databases)


def test_changes_tell_every_event_once_and_every_undo(
    anvil: Anvil, postgres_url: str, configure: Configure
) -> None:
    anvil.open()
    config = configure(anvil, postgres_url)
    fork = anvil.snapshot()
    anvil.bet(2)
    index_once(config)
    anvil.revert(fork)
    anvil.bet(1, amount=900)
    anvil.mine(3)
    index_once(config)
    with psycopg.connect(postgres_url) as connection:
        changes = connection.execute(
            "SELECT op, pos, block_hash FROM chainfold.change WHERE event = 'bets_bet_placed' "
            "ORDER BY cursor"
        ).fetchall()
    assert [op for op, _, _ in changes] == ["apply", "apply", "undo", "undo", "apply"]
    assert changes[2][1:] == changes[1][1:]
    assert changes[3][1:] == changes[0][1:]
    assert changes[4][2] != changes[0][2]


def test_below_finality_it_stops_until_it_is_repaired(
    anvil: Anvil, postgres_url: str, configure: Configure, databases: Databases
) -> None:
    fork = anvil.snapshot()
    anvil.open()
    anvil.mine(100)
    config = configure(anvil, postgres_url)
    index_once(config)
    anvil.revert(fork)
    anvil.open("another history")
    anvil.mine(120)
    with pytest.raises(Fatal, match=r"anvil: .*reorganised below height .*chainfold repair"):
        index_once(config)
    with store.opened(config) as opened:
        assert repair(opened, "anvil").events == 1
        assert repair(opened, "anvil").ancestor is None
    index_once(config)
    assert_true_to_the_chain(anvil, postgres_url, configure, databases)


def test_two_indexers_at_once_write_everything_once(
    anvil: Anvil, postgres_url: str, configure: Configure, databases: Databases
) -> None:
    anvil.open()
    anvil.bet(3)
    config = configure(anvil, postgres_url)
    reported: list[object] = []

    async def both() -> None:
        with store.opened(config) as opened:
            one, two = (Follower(opened, "anvil", reported.append, once=True) for _ in "ab")
            await asyncio.gather(one.run(), two.run())

    asyncio.run(both())
    assert any(isinstance(r, Waiting) for r in reported)
    assert_true_to_the_chain(anvil, postgres_url, configure, databases)
