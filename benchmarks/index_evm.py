"""Indexing EVM history against downloading its eth_getLogs and block headers.

python benchmarks/index_evm.py [--events 200000] [--runs 3]
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
from _indexing import measure

from indexer import config
from localnet.flood import History

WIDTH = 100  # blocks in one eth_getLogs
FLIGHT = 4


async def download(made: History) -> int:
    """Fetches all logs of Bets and the headers of every block that has one."""
    (program,) = config.load(Path(made.config)).programs
    limit = asyncio.Semaphore(FLIGHT)

    async def post(session: aiohttp.ClientSession, body: object) -> bytes:
        async with session.post(made.rpc, json=body) as answer:
            return await answer.read()

    async def part(session: aiohttp.ClientSession, first: int) -> int:
        last = min(first + WIDTH - 1, made.tip)
        query = {"address": program.address, "fromBlock": hex(first), "toBlock": hex(last)}
        async with limit:
            logs = await post(session, _call(0, "eth_getLogs", query))
            headers = await post(
                session,
                [_call(h, "eth_getBlockByNumber", hex(h), False) for h in range(first, last + 1)],
            )
        return len(logs) + len(headers)

    async with aiohttp.ClientSession() as session:
        return sum(await asyncio.gather(*(part(session, f) for f in range(0, made.tip + 1, WIDTH))))


def _call(id_: int, method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


if __name__ == "__main__":
    measure("index_evm", "evm", download, 200_000, 20)
