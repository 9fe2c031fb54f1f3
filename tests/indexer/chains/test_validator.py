"""The Solana reader on a real validator (Agave), where one is installed."""

from __future__ import annotations

import asyncio
import base64
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solders.hash import Hash

from indexer.chains.solana import SolanaReader
from indexer.chains.watch import Watch
from indexer.config import Chain
from localnet import ports, solananode

pytestmark = pytest.mark.skipif(
    shutil.which("solana-test-validator") is None,
    reason="needs solana-test-validator on PATH (docs.anza.xyz/cli/install)",
)


@pytest.fixture
async def reader(tmp_path: Path, bets_id: str) -> AsyncIterator[SolanaReader]:
    port = ports.free(2)
    node = await solananode.start("test-validator", tmp_path, port)
    urls = (f"http://127.0.0.1:{port}",), f"ws://127.0.0.1:{port + 1}"
    reader = SolanaReader(Chain("solana", "solana", *urls, None, None), Watch({bets_id: 0}))
    try:
        yield reader
    finally:
        await reader.aclose()
        await node.stop()


async def until(condition: Any, seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (got := await condition()):
            await asyncio.sleep(0.1)
        return got


async def test_both_ways_on_a_real_validator(
    reader: SolanaReader, new_story: Any, bets_id: str
) -> None:
    await reader.check()
    call = reader.rpc.call
    confirmed = {"commitment": "confirmed"}

    async def head() -> Hash:
        return Hash.from_string(
            (await call("getLatestBlockhash", [confirmed]))["value"]["blockhash"]
        )

    story = new_story(None)
    story.now = int(time.time())
    creator = str(story.creator.pubkey())
    await call("requestAirdrop", [creator, 10**12])

    async def funded() -> bool:
        return (await call("getBalance", [creator, confirmed]))["value"] > 0

    await until(funded)
    sent: list[str] = []
    for good, count in ((True, 1), (False, 1), (True, 2), (True, 1)):
        wire = bytes(story.opening(count, good=good, recent=await head()))
        config = {"encoding": "base64", "skipPreflight": True}
        signature = await call("sendTransaction", [base64.b64encode(wire).decode(), config])

        async def landed(signature: str = signature) -> bool:
            found = (await call("getSignatureStatuses", [[signature]]))["value"][0]
            return found is not None and found["confirmationStatus"] != "processed"

        await until(landed)
        sent += [signature] * count * good
    assert await reader.wake(10)
    tip = await reader.tip()
    near = await reader.fetch(max(1, tip.latest - 60), tip.latest, finalized=False)
    assert near.events.tx == sent
    block = await reader.block(tip.latest)
    assert block is not None
    assert (block.hash, block.time) == (tip.hash, tip.time)

    async def finalized() -> bool:
        return (await reader.tip()).finalized >= tip.latest

    await until(finalized)
    dense = await reader.fetch(0, tip.latest, finalized=True)
    reader._by_signatures = True
    sparse = await reader.fetch(0, tip.latest, finalized=True)
    for one, two in ((dense.blocks, sparse.blocks), (dense.events, sparse.events)):
        for name in one.__slots__:
            assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert dense.events.tx == sent
    assert dense.events.payload == near.events.payload
    assert dense.events.ordinal.tolist() == near.events.ordinal.tolist()
