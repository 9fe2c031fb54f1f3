"""Indexing EVM history against downloading its eth_getLogs and block headers.

python benchmarks/index_evm.py [--events 1000000] [--per-block 100] [--runs 3]

anvil's logs tell their block's time, so that chainfold leaves most headers out. The loop doesn't;
``ratio_least`` is over one that downloads the logs alone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from _indexing import Fetch, measure

from indexer import config
from localnet.flood import History

WIDTH = 250  # blocks in one eth_getLogs
BATCH = 100  # headers in one request


async def download(made: History, post: Fetch, flight: int) -> None:
    """Fetches all logs of Bets and the headers of every block."""
    await _download(made, post, flight, headers=True)


async def logs_alone(made: History, post: Fetch, flight: int) -> None:
    """Fetches all logs of Bets."""
    await _download(made, post, flight, headers=False)


async def _download(made: History, post: Fetch, flight: int, *, headers: bool) -> None:
    (program,) = config.load(Path(made.config)).programs
    lane = asyncio.Semaphore(flight)

    async def part(first: int) -> None:
        last = min(first + WIDTH - 1, made.tip)
        query = {"address": program.address, "fromBlock": hex(first), "toBlock": hex(last)}
        async with lane:
            await post(_call(0, "eth_getLogs", query))
            for a in range(first, last + 1, BATCH) if headers else ():
                heights = range(a, min(a + BATCH, last + 1))
                await post([_call(h, "eth_getBlockByNumber", hex(h), False) for h in heights])

    await asyncio.gather(*(part(f) for f in range(0, made.tip + 1, WIDTH)))


def _call(id_: int, method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


if __name__ == "__main__":
    measure("index_evm", "evm", download, 1_000_000, 100, least=logs_alone)
