"""What an EVM transaction of now should offer for its gas (EIP-1559)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexer.rpc.client import Rpc
from indexer.rpc.errors import NodeFatal


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei for each unit of gas: the most, and of it the most for who makes the block."""

    price: int
    tip: int


def base_fee(block: Mapping[str, Any]) -> int:
    """Wei that each unit of gas in ``block`` cost; 0 where the chain has no such fee."""
    return int(block.get("baseFeePerGas") or "0x0", 16)


def lasting(base: int, tip: int) -> Fees:
    """Twice the base fee bears six full blocks in a row, each of which raises it by an eighth."""
    return Fees(2 * base + tip, tip)


async def offered(rpc: Rpc) -> Fees:
    """By the newest block and the node's word of the priority fee."""
    latest = rpc.call("eth_getBlockByNumber", ["latest", False])
    block, tip = await asyncio.gather(latest, _tip(rpc))
    base = base_fee(block)
    if tip is None:
        # what blocks of now are content with
        tip = max(0, int(await rpc.call("eth_gasPrice"), 16) - base)
    return lasting(base, tip)


async def _tip(rpc: Rpc) -> int | None:
    """None of a node that has no such method."""
    try:
        return int(await rpc.call("eth_maxPriorityFeePerGas"), 16)
    except NodeFatal:
        return None
