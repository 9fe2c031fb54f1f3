"""Indexing Solana history against downloading its blocks.

python benchmarks/index_solana.py [--events 200000] [--per-block 100] [--runs 3]
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from _indexing import Fetch, measure

from localnet.flood import History

OPTIONS = {
    "encoding": "json",
    "transactionDetails": "full",
    "rewards": False,
    "maxSupportedTransactionVersion": 0,
    "commitment": "confirmed",
}


async def download(made: History, post: Fetch, flight: int) -> None:
    """Fetches every block that getBlocks names, in full, as the indexer asks for it."""
    listed = await post(_call("getBlocks", 0, made.tip, {"commitment": "confirmed"}))
    slots = (orjson.loads(listed) if isinstance(listed, bytes) else listed)["result"]

    async def block(slot: int) -> None:
        await post(_call("getBlock", slot, OPTIONS))

    await asyncio.gather(*map(block, slots))


def _call(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


if __name__ == "__main__":
    measure("index_solana", "solana", download, 200_000, 100)
