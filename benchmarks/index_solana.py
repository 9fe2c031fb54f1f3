"""Indexing Solana history against downloading the same blocks.

python benchmarks/index_solana.py [--events 50000] [--runs 3]
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from _indexing import measure

from localnet.flood import History

FLIGHT = 4


async def download(made: History) -> int:
    """Fetches every block that getBlocks names, in full, as the indexer asks for it."""
    limit = asyncio.Semaphore(FLIGHT)
    options = {
        "encoding": "json",
        "transactionDetails": "full",
        "rewards": False,
        "maxSupportedTransactionVersion": 0,
        "commitment": "confirmed",
    }

    async def post(session: aiohttp.ClientSession, method: str, *params: Any) -> bytes:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with limit, session.post(made.rpc, json=body) as answer:
            return await answer.read()

    async with aiohttp.ClientSession() as session:
        async with session.post(
            made.rpc,
            json={
                "jsonrpc": "2.0",
                "id": 1,
                "method": "getBlocks",
                "params": [0, made.tip, {"commitment": "confirmed"}],
            },
        ) as answer:
            slots = (await answer.json())["result"]
        blocks = await asyncio.gather(*(post(session, "getBlock", s, options) for s in slots))
        return sum(len(b) for b in blocks)


if __name__ == "__main__":
    measure("index_solana", "solana", download, 50_000, 100)
