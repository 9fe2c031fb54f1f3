"""What a chain itself says: every event in its blocks and what its vaults hold.

Read by plain JSON-RPC and decoded by nothing of the indexer's, so that the two can be compared.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import based58
from web3 import Web3

from indexer.errors import Fatal
from localnet import artifacts
from localnet.network import EvmChain, SolanaChain

# Anchor's mark of an event that a program tells itself by a call: sha256("anchor:event")[:8],
# read as a little-endian number and written as a big-endian one.
EVENT_TAG = bytes.fromhex("e445a52e51cb9a1d")
_AT_ONCE = 8


@dataclass
class Truth:
    """``events``: how often each (event, transaction) occurs. ``refused``: transactions that
    called the program and failed. ``tip``: the highest block that was read."""

    chain: str
    tip: int
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: int = 0

    @property
    def transactions(self) -> set[str]:
        return {tx for _, tx in self.events}


class Rpc:
    """JSON-RPC over HTTP, and no more."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session
        self.few = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.few, self.session.post(self.url, json=body) as response:
            answer = await response.json(content_type=None)
        if "error" in answer:
            raise Fatal(f"{self.url}: {method}: {answer['error'].get('message', answer)}")
        return answer["result"]


async def evm(chain: EvmChain, session: aiohttp.ClientSession) -> Truth:
    """Reads the receipts of all blocks."""
    rpc = Rpc(chain.rpc, session)
    truth = Truth(chain.name, int(await rpc("eth_blockNumber"), 16))
    names = {_topic(event): event["name"] for event in _events()}
    address = chain.bets.lower()
    heights = range(truth.tip + 1)
    blocks = await asyncio.gather(*(rpc("eth_getBlockReceipts", hex(h)) for h in heights))
    for receipt in (receipt for block in blocks for receipt in block):
        if int(receipt["status"], 16) == 0:
            truth.refused += receipt["to"] == address
            continue
        for log in receipt["logs"]:
            if log["address"] == address:
                truth.events[names[log["topics"][0]], receipt["transactionHash"]] += 1
    return truth


async def solana(chain: SolanaChain, session: aiohttp.ClientSession) -> Truth:
    """Reads all confirmed blocks with their transactions' inner instructions."""
    rpc = Rpc(chain.rpc, session)
    level = {"commitment": "confirmed"}
    truth = Truth(chain.name, await rpc("getSlot", level))
    wanted = {**level, "encoding": "json", "maxSupportedTransactionVersion": 0, "rewards": False}
    slots = await rpc("getBlocks", 0, truth.tip, level)
    blocks = await asyncio.gather(*(rpc("getBlock", slot, wanted) for slot in slots))
    names = {
        hashlib.sha256(f"event:{event}".encode()).digest()[:8]: event for event in event_names()
    }
    for item in (item for block in blocks for item in block["transactions"]):
        meta, message = item["meta"], item["transaction"]["message"]
        loaded = meta.get("loadedAddresses") or {"writable": [], "readonly": []}
        keys = [*message["accountKeys"], *loaded["writable"], *loaded["readonly"]]
        outer = [keys[i["programIdIndex"]] for i in message["instructions"]]
        if meta["err"] is not None:
            truth.refused += chain.bets in outer
            continue
        for inner in (i for group in meta["innerInstructions"] for i in group["instructions"]):
            data = based58.b58decode(inner["data"].encode())
            if keys[inner["programIdIndex"]] == chain.bets and data[:8] == EVENT_TAG:
                truth.events[names[data[8:16]], item["transaction"]["signatures"][0]] += 1
    return truth


async def evm_held(chain: EvmChain, session: aiohttp.ClientSession) -> int:
    """USDC that Bets holds, in smallest units."""
    call = {"to": chain.token, "data": "0x70a08231" + chain.bets[2:].lower().rjust(64, "0")}
    return int(await Rpc(chain.rpc, session)("eth_call", call, "latest"), 16)


async def solana_held(
    chain: SolanaChain, vaults: Iterable[str], session: aiohttp.ClientSession
) -> Mapping[str, int]:
    """USDC in each vault that exists, in smallest units."""
    rpc, held = Rpc(chain.rpc, session), {}
    vaults = list(vaults)
    for i in range(0, len(vaults), 100):
        part = vaults[i : i + 100]
        level = {"commitment": "confirmed", "encoding": "base64"}
        answer = await rpc("getMultipleAccounts", part, level)
        for vault, account in zip(part, answer["value"], strict=True):
            if account is not None:
                # A classic token account: mint 32 bytes, owner 32, amount u64 little-endian.
                data = base64.b64decode(account["data"][0])
                held[vault] = int.from_bytes(data[64:72], "little")
    return held


def _events() -> list[dict[str, Any]]:
    return [e for e in json.loads(artifacts.text(artifacts.BETS_ABI)) if e["type"] == "event"]


def event_names() -> list[str]:
    """Names of the program's events, which are the same on both chains."""
    return [e["name"] for e in json.loads(artifacts.text(artifacts.BETS_IDL))["events"]]


def _topic(event: dict[str, Any]) -> str:
    types = ",".join(i["type"] for i in event["inputs"])
    return Web3.keccak(text=f"{event['name']}({types})").to_0x_hex()
