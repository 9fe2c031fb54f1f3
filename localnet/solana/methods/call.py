"""What every method shares: its signature, its context, and the block a call reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from localnet.solana.chain import Chain
from localnet.solana.errors import min_context_slot
from localnet.solana.ledger import Block
from localnet.solana.params import Config

API_VERSION = "4.2.2"  # the Agave release whose answers these are


class Method(NamedTuple):
    call: Callable[[Chain, list[Any]], Any]
    fewest: int = 0
    most: int = 1


def option(params: list[Any], index: int) -> Any:
    return params[index] if index < len(params) else None


def view(chain: Chain, config: Config) -> Block:
    """The block that the call's commitment names, no older than its minContextSlot."""
    block = chain.at(config.commitment())
    least = config.u64("minContextSlot")
    if least is not None and block.slot < least:
        raise min_context_slot(block.slot)
    return block


def context(block: Block, value: Any) -> dict[str, Any]:
    return {"context": {"apiVersion": API_VERSION, "slot": block.slot}, "value": value}
