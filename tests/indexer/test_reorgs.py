"""The table of reorganisations, each case on both chains: whatever the nodes did, the tables are in
the end those of an index from nothing, compared both ways."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sim import evm, solana
from sim.evm import EvmChain
from sim.plan import Trouble
from sim.proxy import Proxy, View
from sim.solana import SolanaChain
from support.index import index_once, tables

from indexer import config as configuration
from indexer import follow, store
from indexer.errors import Fatal, Retryable
from indexer.follow import Follower, Reorg
from indexer.repair import repair
from indexer.verify import verify

FINALITY = 8
_CALM = Trouble(0, 0, 0, 0, widest=1 << 30, most=1 << 30, batch=1 << 30, trims=True, balanced=1.0)
Hook = Callable[[list[str]], Awaitable[None]]


class Hooked(Proxy):
    """A node's URL that calls ``hook`` with the methods of each request before it is answered, and
    lets ``change`` alter each reply."""

    hook: Hook | None = None
    change: Callable[[str, dict[str, Any]], None] | None = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        if self.hook is not None:
            await self.hook([c["method"] for c in calls])
        answer = await super()._serve(request)
        if self.change is None:
            return answer
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        replies = json.loads(answer.body)
        each = replies if isinstance(replies, list) else [replies]
        for call, reply in zip(calls, each, strict=True):
            self.change(call["method"], reply)
        return web.json_response(replies)


@dataclass
class World:
    """A chain with history, its node's URL behind ``proxy``, and an indexer of it."""

    chain: EvmChain | SolanaChain
    proxy: Hooked
    url: str
    folder: Path
    databases: Callable[[], str]
    start: int = 0
    reported: list[object] = field(default_factory=list)

    def config(self, url: str, rpc: str) -> configuration.Config:
        file = self.folder / f"{len(list(self.folder.iterdir()))}.toml"
        ws = self.chain.ws if rpc == self.chain.url else self.proxy.ws_url
        toml = self.chain.toml([rpc], ws, self.start)
        folds = '[folds]\nmodules = ["indexer.folds.bets"]\n'
        file.write_text(f'[database]\nurl = "{url}"\n{toml}{folds}')
        return configuration.load(file)

    async def blocks(self, count: int) -> None:
        """Blocks of the story's transactions, one at least with an event in each dozen."""
        for _ in range(count):
            await self.chain.block(self.chain.dice.randrange(1, 9))

    async def drop(self, depth: int) -> None:
        if isinstance(self.chain, EvmChain):
            await self.chain.drop(depth)
        else:
            self.chain.node.chain.drop_fork(depth, "none", reuse_slots=True)
            self.chain.node.subscriptions.rewind(self.chain.height)

    async def index(self) -> list[Any]:
        return await asyncio.to_thread(index_once, self.config(self.url, self.proxy.url))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[asyncio.Task[None]]:
        """The head writer at work; it must not have ended by itself when the block ends."""
        with store.opened(self.config(self.url, self.proxy.url)) as opened:
            follower = Follower(opened, self.chain.name, self.reported.append)
            task = asyncio.create_task(follower.run())
            try:
                yield task
                if task.done():
                    task.result()
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)

    def reorgs(self) -> int:
        return sum(isinstance(r, Reorg) for r in self.reported)

    async def true(self) -> None:
        """Indexes to the tip; the tables equal those of an index from nothing."""
        self.proxy.view = None
        self.proxy.hook = self.proxy.change = None
        if isinstance(self.chain, SolanaChain):
            self.chain.node.chain.lag = 0
            self.chain.node.chain.serves_orphans = False
        await self.index()
        fresh = self.databases()
        await asyncio.to_thread(index_once, self.config(fresh, self.chain.url))
        mine, true = tables(self.url), tables(fresh)
        for name in true:
            assert mine[name] == true[name], name
        assert mine.keys() == true.keys()
        assert sum(map(len, true.values())) > 0
        with (
            store.opened(self.config(self.url, self.chain.url)) as opened,
            opened.connect("test") as connection,
        ):
            found = verify(opened, connection)
        assert [f for f in found if not f.ok and (not self.start or "seq" not in f.what)] == []


@pytest.fixture(params=["anvil", "solana"])
async def world(
    request: pytest.FixtureRequest,
    postgres_url: str,
    databases: Callable[[], str],
    tmp_path: Path,
) -> AsyncIterator[World]:
    """A chain of 30 blocks, of which those below the newest 8 are final."""
    async with aiohttp.ClientSession() as session:
        made = (
            evm.chain(tmp_path, 3, FINALITY, session)
            if request.param == "anvil"
            else solana.chain(3, FINALITY)
        )
        async with made as chain:
            known = chain if isinstance(chain, EvmChain) else None
            proxy = Hooked(chain.url, chain.ws, _CALM, random.Random(3), known)
            await proxy.start(session)
            folder = tmp_path / "toml"
            folder.mkdir()
            world = World(chain, proxy, postgres_url, folder, databases)
            await world.blocks(30)
            yield world
            await proxy.stop()


@pytest.mark.parametrize("depth", [1, FINALITY - 1])
async def test_shallow_and_deep(world: World, depth: int) -> None:
    await world.index()
    await world.drop(depth)
    await world.blocks(depth + 2)
    reported = await world.index()
    assert any(isinstance(r, Reorg) for r in reported)
    await world.true()


async def test_back_and_forth(world: World) -> None:
    for turn in range(4):
        await world.index()
        if isinstance(world.chain, SolanaChain) and turn % 2:
            left = world.chain.node.chain.switch_fork()
            world.chain.node.subscriptions.rewind(left[0].parent)
        else:
            await world.drop(3)
        await world.blocks(6 + turn % 2)  # higher than before, skipped slots and all
        await world.true()


async def test_another_block_at_the_same_height(world: World) -> None:
    async with world.following():
        for turn in range(3):
            await world.until(lambda: _at_tip(world))
            await world.drop(1)
            await world.blocks(1)
            await world.until(lambda turn=turn: world.reorgs() > turn)
    await world.true()


async def test_a_shorter_chain(world: World) -> None:
    async with world.following():
        await world.until(lambda: _at_tip(world))
        await world.drop(5)
        await world.blocks(1)
        await world.until(lambda: world.reorgs() > 0)
    await world.true()


async def test_a_chain_that_got_shorter_while_the_indexer_was_away(world: World) -> None:
    """Its tip is below what is held, but no part of that: what is held isn't the tip of now."""
    await world.index()
    await world.drop(5)
    await world.blocks(2)
    reported = await world.index()
    assert any(isinstance(r, Reorg) for r in reported)
    await world.true()


async def test_a_node_that_is_behind_what_is_held(world: World) -> None:
    """Its tip is below what is held and part of that: there is nothing to do."""
    await world.index()
    height = world.chain.height
    if isinstance(world.chain, EvmChain):
        world.proxy.view = View(height - 3, height - 3, {})
    else:
        world.chain.node.chain.lag = 3
    reported = await world.index()
    assert not any(isinstance(r, Reorg) for r in reported)
    assert _at_tip(world)
    await world.true()


async def test_orphaned_while_the_indexer_was_away_and_final_since(world: World) -> None:
    """What it holds was never final, though its heights are now: it goes back by itself."""
    await world.index()
    await world.drop(FINALITY - 2)
    await world.blocks(3 * FINALITY)
    reported = await world.index()
    assert any(isinstance(r, Reorg) for r in reported)
    await world.true()


async def test_every_row_orphaned_and_finality_before_the_start(world: World) -> None:
    """Nothing that it holds was ever final, so nothing forbids to undo it all."""
    world.start = world.chain.height - 2
    await world.blocks(2)
    await world.index()
    await world.drop(FINALITY - 2)
    await world.blocks(FINALITY + 4)
    reported = await world.index()
    assert any(isinstance(r, Reorg) for r in reported)
    await world.true()


async def test_during_the_backfill(world: World) -> None:
    """Between the tip that was told and the blocks that are read, the newest ones change."""
    asked = 0

    async def hook(methods: list[str]) -> None:
        nonlocal asked
        if {"eth_getLogs", "getBlock"} & set(methods):
            asked += 1
            if asked in (2, 5):
                await world.drop(4)
                await world.blocks(5)

    world.proxy.hook = hook
    await world.index()
    assert asked >= 2
    await world.true()


async def test_during_shutdown(world: World) -> None:
    """It is stopped while it goes back or on, at a different moment each time."""
    for turn in range(5):
        async with world.following():
            await world.until(lambda: _at_tip(world))
            seen = len(world.reported)
            await world.drop(4)
            await world.blocks(5)
            for _ in range(turn * 40):
                await asyncio.sleep(0)
            if turn == 4:
                await world.until(lambda seen=seen: len(world.reported) > seen)
    await world.true()


async def test_a_node_that_answers_from_the_orphaned_fork(world: World) -> None:
    await world.index()
    await world.drop(4)
    chain = world.chain
    if isinstance(chain, EvmChain):
        world.proxy.view = View(max(chain.orphans), chain.fork, chain.orphans)
        assert await world.index() == []  # to this node nothing happened
    else:
        chain.node.chain.serves_orphans = True
    await world.blocks(6)
    async with world.following():
        if isinstance(chain, EvmChain):
            # now one node answers, now the other
            world.proxy.trouble = Trouble(0, 0, 0, 0, 1 << 30, 1 << 30, 1 << 30, True, 0.5)
        for _ in range(4):
            await world.blocks(1)
            await asyncio.sleep(0.1)  # the pace of a chain
    await world.true()


async def test_a_node_that_loses_blocks_and_gets_them_again(world: World) -> None:
    await world.index()
    chain = world.chain
    async with world.following():
        for turn in range(3):
            await world.until(lambda: _at_tip(world))
            behind = 3 + 4 * turn
            if isinstance(chain, EvmChain):
                world.proxy.view = View(chain.height - behind, chain.height - behind, {})
            else:
                chain.node.chain.lag = behind
            await world.blocks(1)
            await asyncio.sleep(0.3)  # long enough to be noticed
            world.proxy.view = None
            if isinstance(chain, SolanaChain):
                chain.node.chain.lag = 0
            await world.blocks(1)
    await world.true()


async def test_logs_that_bloom_and_receipts_contradict(world: World) -> None:
    """A node that leaves logs out of unfinal blocks is found out by their headers."""
    if isinstance(world.chain, SolanaChain):
        pytest.skip("Solana's blocks have no bloom")
    emptied = 0

    def change(method: str, reply: dict[str, Any]) -> None:
        nonlocal emptied
        if method == "eth_getLogs" and reply.get("result") and emptied < 3:
            heights = {int(log["blockNumber"], 16) for log in reply["result"]}
            if min(heights) > world.chain.final:
                reply["result"] = []
                emptied += 1

    world.proxy.change = change
    await world.blocks(FINALITY)
    await world.index()
    assert emptied
    await world.true()


async def test_below_finality_it_stops_and_repair_mends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_ATTEMPTS_ONCE", 2)
    await world.index()
    await world.drop(FINALITY + 6)
    world.chain.rewrite_finality()
    await world.blocks(3)
    with pytest.raises(Retryable):  # no node calls final yet what would contradict it
        await world.index()
    await world.blocks(2 * FINALITY + 8)
    with pytest.raises(Fatal, match=r"reorganised below height .*chainfold repair"):
        await world.index()
    with store.opened(world.config(world.url, world.chain.url)) as opened:
        done = await asyncio.to_thread(repair, opened, world.chain.name)
    assert done.ancestor is not None
    await world.true()


def _at_tip(world: World) -> bool:
    import psycopg

    with psycopg.connect(world.url) as connection:
        found = connection.execute("SELECT to_regclass('chainfold.head')").fetchone()
        if found is None or found[0] is None:
            return False
        row = connection.execute("SELECT height FROM chainfold.head").fetchone()
    return row is not None and row[0] == world.chain.height
