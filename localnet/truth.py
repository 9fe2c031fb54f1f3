"""What a chain itself says: every event of the programs in its blocks.

Read by plain JSON-RPC and decoded by nothing of the indexer's, so that the two can be compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import based58
from eth_abi.abi import decode
from web3 import Web3

from deploy import builds
from indexer.decode.schema import table_name
from indexer.errors import Fatal
from localnet import svm, wallets
from localnet.network import Deployed, EvmChain, SolanaChain

# Anchor's mark of an event that a program tells itself by a call: sha256("anchor:event")[:8],
# read as a little-endian number and written as a big-endian one.
EVENT_TAG = bytes.fromhex("e445a52e51cb9a1d")
_AT_ONCE = 8


@dataclass
class Truth:
    """``events``: how often each (event, transaction) occurs; an event is named as its table is,
    such as ``bets_bet_placed``. ``refused``: transactions that called a program and failed.
    ``tip``: the highest block that was read. ``setup``: transactions of the account that set the
    programs up, before anyone called them."""

    chain: str
    tip: int
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: int = 0
    setup: set[str] = field(default_factory=set)

    @property
    def transactions(self) -> set[str]:
        return {tx for _, tx in self.events} - self.setup


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
    programs = await evm_programs(chain, session)
    names = {
        (p.address.lower(), _topic(e)): table(p, e["name"])
        for p in programs
        for e in json.loads(builds.text(p.interface))
        if e["type"] == "event"
    }
    addresses = {p.address.lower() for p in programs}
    heights = range(truth.tip + 1)
    blocks = await asyncio.gather(*(rpc("eth_getBlockReceipts", hex(h)) for h in heights))
    for receipt in (receipt for block in blocks for receipt in block):
        if int(receipt["status"], 16) == 0:
            truth.refused += receipt["to"] in addresses
            continue
        if receipt["from"] == wallets.deployer().address.lower():
            truth.setup.add(receipt["transactionHash"])
        for log in receipt["logs"]:
            if log["address"] in addresses:
                name = names[log["address"], log["topics"][0]]
                truth.events[name, receipt["transactionHash"]] += 1
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
        (p.address, hashlib.sha256(f"event:{e['name']}".encode()).digest()[:8]): table(p, e["name"])
        for p in chain.programs
        for e in json.loads(builds.text(p.interface))["events"]
    }
    ids = {p.address for p in chain.programs}
    for item in (item for block in blocks for item in block["transactions"]):
        meta, message = item["meta"], item["transaction"]["message"]
        loaded = meta.get("loadedAddresses") or {"writable": [], "readonly": []}
        keys = [*message["accountKeys"], *loaded["writable"], *loaded["readonly"]]
        outer = [keys[i["programIdIndex"]] for i in message["instructions"]]
        if meta["err"] is not None:
            truth.refused += not ids.isdisjoint(outer)
            continue
        tx = item["transaction"]["signatures"][0]
        if keys[0] == str(svm.bank().pubkey()):
            truth.setup.add(tx)
        for inner in (i for group in meta["innerInstructions"] for i in group["instructions"]):
            data = based58.b58decode(inner["data"].encode())
            program = keys[inner["programIdIndex"]]
            if program in ids and data[:8] == EVENT_TAG:
                truth.events[names[program, data[8:16]], tx] += 1
    return truth


async def evm_programs(chain: EvmChain, session: aiohttp.ClientSession) -> tuple[Deployed, ...]:
    """The chain's programs, and the contracts that projects have of their own."""
    found = list(chain.programs)
    for projects in (p for p in chain.programs if p.program == "projects"):
        abi = json.loads(builds.text(projects.interface))
        event = next(e for e in abi if e["type"] == "event" and e["name"] == "ProjectCreated")
        data = [i for i in event["inputs"] if not i["indexed"]]
        place = [i["name"] for i in data].index("payouts")
        wanted = {"address": projects.address, "topics": [_topic(event)]}
        logs = await Rpc(chain.rpc, session)("eth_getLogs", wanted | {"fromBlock": "0x0"})
        interface = next(p.interface for p in chain.programs if p.program == "payouts")
        for log in logs:
            values = decode([i["type"] for i in data], bytes.fromhex(log["data"][2:]))
            found.append(Deployed("payouts", values[place], interface))
    return tuple(found)


def tables(programs: Iterable[Deployed]) -> set[str]:
    """The names of all events that the programs can emit."""
    found: set[str] = set()
    for p in programs:
        declared = json.loads(builds.text(p.interface))
        if isinstance(declared, dict):
            found |= {table(p, e["name"]) for e in declared["events"]}
        else:
            found |= {table(p, e["name"]) for e in declared if e["type"] == "event"}
    return found


def table(program: Deployed, event: str) -> str:
    """``bets``, ``BetPlaced`` → ``bets_bet_placed``: the name is all that is the indexer's."""
    return table_name(program.program, event)


def _topic(event: dict[str, Any]) -> str:
    types = ",".join(i["type"] for i in event["inputs"])
    return Web3.keccak(text=f"{event['name']}({types})").to_0x_hex()
