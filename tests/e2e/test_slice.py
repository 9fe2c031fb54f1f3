"""The whole slice: wallets bet on both chains, the indexer follows, the API serves, all is proven.

On our own Solana node and on a real validator, with the same story.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from indexer import config as configuration
from indexer import store
from indexer.verify import verify
from indexer.verify.compare import accounts_are_folds
from localnet import ports, proof, truth
from localnet.network import Localnet
from localnet.wallets import Cast

SMALL = Cast(7, bettors=6, creators=2, resolvers=1)
VALIDATOR = shutil.which("solana-test-validator")


@asynccontextmanager
async def chainfold(url: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The shipped command, running as long as the block."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("chainfold")),
        *arguments,
        env=os.environ | {"DATABASE_URL": url},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        # uvicorn ends by the signal that it was told to end with
        assert await asyncio.wait_for(process.wait(), 30) in (0, -signal.SIGTERM)


async def answer(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "solana",
    [
        "litesvm",
        pytest.param(
            "test-validator",
            marks=pytest.mark.skipif(
                VALIDATOR is None, reason="solana-test-validator is not on PATH"
            ),
        ),
    ],
)
async def test_from_the_wallet_to_the_api(
    solana: Any, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    port = ports.free()
    slots = {"slot_ms": 100} if solana == "litesvm" else {}
    async with (
        Localnet(tmp_path, cast=SMALL, solana=solana, **slots) as net,
        aiohttp.ClientSession() as session,
    ):
        settings = ["--config", str(net.config)]
        async with chainfold(postgres_url, *settings, "index"):
            players = await net.play(rate=10, actions=60, travels=solana == "litesvm")
            truths = [await truth.evm(net.evm, session), await truth.solana(net.solana, session)]
            await truth.Rpc(net.evm.rpc, session)("anvil_mine", hex(80))  # final at once
            config = configuration.load(net.config)
            await proof.caught_up(net, config, {t.chain: t.tip for t in truths}, session)
            async with chainfold(postgres_url, *settings, "api", "--port", str(port)):
                await ready(session, f"http://127.0.0.1:{port}/readyz")
                markets = await answer(session, f"http://127.0.0.1:{port}/v1/markets?limit=100")
                pools = await answer(session, f"http://127.0.0.1:{port}/v1/pools?limit=100")
        with store.opened(config) as opened, opened.connect("test") as connection:
            chains = zip((net.evm, net.solana), truths, strict=True)
            found = [proof.tables_are_chain(connection, config, c.programs, t) for c, t in chains]
            found += [proof.sent_is_there(p, t) for p, t in zip(players, truths, strict=True)]
            found += verify(opened, connection)
            for chain in config.chains:
                found += await accounts_are_folds(opened, connection, chain)
    assert [f for f in found if not f.ok] == []
    opened = {(s.program, s.entity) for p in players for s in p.sent if s.kind == "open" and s.ok}
    served = {("bets", m["market"]) for m in markets["data"]}
    served |= {("payouts", pool["pool"]) for pool in pools["data"]}
    assert served == {one for one in opened if one[0] in ("bets", "payouts")}
    assert {chain["complete"] for chain in markets["chains"].values()} == {True}
