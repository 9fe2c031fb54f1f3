"""Blocks and the ledger's extent."""

from __future__ import annotations

from typing import Any

import orjson

from localnet.solana.base58 import b58
from localnet.solana.chain import Chain
from localnet.solana.errors import (
    RpcError,
    block_not_available,
    cleaned_up,
    invalid_params,
    slot_skipped,
)
from localnet.solana.ledger import Block
from localnet.solana.methods.call import Method, option
from localnet.solana.params import TRANSACTION_ENCODINGS, Config, u64, wrong_type
from localnet.solana.record import Record, show, show_accounts

DETAILS = ("full", "signatures", "none", "accounts")
_MAX_RANGE = 500_000  # slots of getBlocks


def _block_config(value: Any) -> Config:
    # An old form gives the encoding alone.
    if isinstance(value, str):
        value = {"encoding": value}
    config = Config(value, "RpcBlockConfig")
    try:
        config.choice("encoding", TRANSACTION_ENCODINGS, "json")
        config.choice("transactionDetails", DETAILS, "full")
    except RpcError:
        raise invalid_params(_NO_VARIANT) from None
    return config


_NO_VARIANT = (
    "Invalid params: data did not match any variant of untagged enum RpcEncodingConfigWrapper."
)


def render(
    block: Block,
    records: list[Record],
    form: str,
    details: str,
    rewards: bool,
    max_version: int | None,
) -> bytes:
    """UiConfirmedBlock as JSON."""
    body: dict[str, Any] = {
        "blockHeight": block.height,
        "blockTime": block.time,
        "blockhash": str(block.hash),
        "parentSlot": block.parent,
        "previousBlockhash": str(block.previous),
    }
    if rewards:
        body["rewards"] = block.rewards
    if details == "full":
        body["transactions"] = [show(held, form, max_version, rewards) for held in records]
    elif details == "accounts":
        body["transactions"] = [show_accounts(held, max_version, rewards) for held in records]
    elif details == "signatures":
        body["signatures"] = [b58(block.signature(index)) for index in range(block.count)]
    return orjson.dumps(body)


def available(chain: Chain, slot: int, commitment: Any) -> Block:
    """The block of `slot`, or the error that says why it can't be had."""
    if slot < chain.ledger.first.slot:
        raise cleaned_up(slot, chain.ledger.first.slot)
    if slot > chain.at(commitment).slot:
        raise block_not_available(slot)
    block = chain.ledger.block(slot)
    if block is None or slot in chain.hidden:
        raise slot_skipped(slot)
    return block


def _block(chain: Chain, params: list[Any]) -> Any:
    slot = u64(params[0])
    config = _block_config(option(params, 1))
    form = config.choice("encoding", TRANSACTION_ENCODINGS, "json")
    details = config.choice("transactionDetails", DETAILS, "full")
    rewards = config.flag("rewards", True)
    max_version = config.u64("maxSupportedTransactionVersion")
    commitment = config.confirmed()
    # a fork that its node's root isn't on is gone for good
    rooted = slot <= chain.at("finalized").slot
    if chain.serves_orphans and slot in chain.ledger.orphans and not rooted:
        orphan, records = chain.ledger.orphans[slot]
        return orjson.Fragment(render(orphan, records, form, details, rewards, max_version))
    block = available(chain, slot, commitment)
    key = (slot, form, details, rewards, max_version)
    held = chain.ledger.answers.get(key)
    if held is None:
        records = chain.ledger.records(block) if details in ("full", "accounts") else []
        held = render(block, records, form, details, rewards, max_version)
        chain.ledger.answers.put(key, held)
    return orjson.Fragment(held)


def _blocks(chain: Chain, params: list[Any]) -> Any:
    start = u64(params[0])
    second = option(params, 1)
    config = option(params, 2)
    end = None
    if isinstance(second, dict):
        config = second
    elif second is not None:
        end = u64(second)
    commitment = Config(config, "RpcContextConfig").confirmed()
    top = chain.at(commitment).slot
    end = top if end is None else min(end, top)
    if end < start:
        return []
    if end - start > _MAX_RANGE:
        raise invalid_params(f"Slot range too large; max {_MAX_RANGE}")
    return chain.ledger.slots(start, end)


def _blocks_with_limit(chain: Chain, params: list[Any]) -> Any:
    start, limit = u64(params[0]), u64(params[1])
    commitment = Config(option(params, 2), "RpcContextConfig").confirmed()
    if limit > _MAX_RANGE:
        raise invalid_params(f"Limit too large; max {_MAX_RANGE}")
    return chain.ledger.slots(start, chain.at(commitment).slot)[:limit]


def _block_time(chain: Chain, params: list[Any]) -> Any:
    return available(chain, u64(params[0]), "confirmed").time


def _block_commitment(chain: Chain, params: list[Any]) -> Any:
    u64(params[0])
    return {"commitment": None, "totalStake": 0}


def _first(chain: Chain, params: list[Any]) -> Any:
    return chain.ledger.first.slot


def _block_production(chain: Chain, params: list[Any]) -> Any:
    config = Config(option(params, 0), "RpcBlockProductionConfig")
    head = chain.at(config.commitment())
    wanted = config.get("range")
    if wanted is not None and not isinstance(wanted, dict):
        raise wrong_type(wanted, "struct RpcBlockProductionConfigRange")
    low = u64(wanted["firstSlot"]) if wanted else 0
    high = min(u64(wanted["lastSlot"]), head.slot) if wanted and "lastSlot" in wanted else head.slot
    made = len(chain.ledger.slots(low, high))
    return {
        "context": {"apiVersion": "4.2.2", "slot": head.slot},
        "value": {
            "byIdentity": {str(chain.identity): [high - low + 1, made]},
            "range": {"firstSlot": low, "lastSlot": high},
        },
    }


METHODS = {
    "getBlock": Method(_block, 1, 2),
    "getBlocks": Method(_blocks, 1, 3),
    "getBlocksWithLimit": Method(_blocks_with_limit, 2, 3),
    "getBlockTime": Method(_block_time, 1, 1),
    "getBlockCommitment": Method(_block_commitment, 1, 1),
    "getBlockProduction": Method(_block_production),
    "getFirstAvailableBlock": Method(_first, 0, 0),
    "minimumLedgerSlot": Method(_first, 0, 0),
}
