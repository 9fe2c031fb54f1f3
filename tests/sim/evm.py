"""The EVM side: an anvil of the seed's own, whose blocks and forks the history makes."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from eth_abi.abi import encode
from web3 import Web3

from deploy import builds
from localnet import anvil, artifacts, child, ports
from sim.rpc import Rpc
from sim.story import BETTORS, CREATORS, OUTCOMES, Action, Market, Story

GENESIS_TIME = 1_700_000_000
_TERMS = "(address,address,bytes32,bytes32,uint8,uint40,uint40,uint16,address,string,string)"
_SIGNATURES = {
    "open": f"open({_TERMS})",
    "place": "place(bytes32,uint8,uint120)",
    "resolve": "resolve(bytes32,uint8)",
    "void": "void(bytes32)",
    "claim": "claim(bytes32,address,uint8)",
    "collect_fee": "collectFee(bytes32)",
    "close_position": "closePosition(bytes32,address,uint8)",
    "close": "close(bytes32)",
}
# anvil's unlocked accounts: creators and bettors in their order, then:
_RESOLVER, _TREASURY = CREATORS + BETTORS, CREATORS + BETTORS + 1

Orphans = dict[int, tuple[dict[str, Any], list[dict[str, Any]]]]
"""Blocks that the chain has left, with their receipts, by height."""


class EvmChain:
    name = "anvil"

    def __init__(self, rpc: Rpc, seed: int, finality: int) -> None:
        self.rpc, self.finality = rpc, finality
        self.dice = random.Random(f"anvil {seed}")
        self.story = Story(self.dice)
        self.now = GENESIS_TIME
        self.height = self.final = self.start = 0
        self.snapshots: dict[int, str] = {}
        self.orphans: Orphans = {}
        self.fork = 0

    @property
    def url(self) -> str:
        return self.rpc.url

    @property
    def ws(self) -> str:
        return self.rpc.url.replace("http://", "ws://")

    async def begin(self) -> None:
        self.accounts = await self.rpc("eth_accounts")
        self.bets = await self._deploy("Bets")
        self.token = await self._deploy("TestToken")
        for i in range(CREATORS, CREATORS + BETTORS):
            mint = _call("mint(address,uint256)", self.accounts[i], 10**15)
            await self._send(0, self.token, mint)
            await self._send(i, self.token, _call("approve(address,uint256)", self.bets, 2**255))
        await self._mine()

    async def _deploy(self, name: str) -> str:
        code = builds.contract(name).bytecode
        sent = await self.rpc(
            "eth_sendTransaction", {"from": self.accounts[0], "data": code, "gas": hex(10**7)}
        )
        await self._mine()
        address = (await self.rpc("eth_getTransactionReceipt", sent))["contractAddress"]
        self.start = self.start or self.height
        return address.lower()

    async def _send(self, sender: int, to: str, data: str) -> None:
        call = {"from": self.accounts[sender], "to": to, "data": data, "gas": hex(2_000_000)}
        await self.rpc("eth_sendTransaction", call)

    async def _mine(self, seconds: int = 1) -> None:
        self.now += seconds
        # one by one: anvil works through a batch in no order
        await self.rpc("evm_setNextBlockTimestamp", self.now)
        await self.rpc("evm_mine")
        self.height += 1
        self.snapshots[self.height] = await self.rpc("evm_snapshot")
        self.final = max(self.final, self.height - self.finality)

    async def block(self, seconds: int) -> None:
        """A block of the story's next transactions, ``seconds`` after the last one."""
        opened: dict[int, int] = {}
        for action in self.story.actions(self.now + seconds):
            sender, data = await self._data(action, opened)
            await self._send(sender, self.bets, data)
        await self._mine(seconds)

    async def _data(self, a: Action, opened: dict[int, int]) -> tuple[int, str]:
        signature = _SIGNATURES[a.kind]
        if a.kind == "open":
            creator = self.accounts[a.by]
            if a.by not in opened:
                call = {"to": self.bets, "data": _call("nonces(address)", creator)}
                opened[a.by] = int(await self.rpc("eth_call", call, "latest"), 16)
            words = (31337, int(self.bets, 16), int(creator, 16), opened[a.by])
            opened[a.by] += 1
            id_ = Web3.keccak(b"".join(w.to_bytes(32, "big") for w in words)).to_0x_hex()
            self.story.markets.append(Market(id_, a.close_at, a.resolve_by))
            terms = (
                self.accounts[_RESOLVER], self.token, b"\1" * 32, b"\2" * 32, OUTCOMES,
                a.close_at, a.resolve_by, 100, self.accounts[_TREASURY], "cid", a.title,
            )  # fmt: skip
            return a.by, _call(signature, terms)
        assert a.market is not None
        id_ = bytes.fromhex(a.market.id[2:])
        bettor = self.accounts[CREATORS + a.by]
        match a.kind:
            case "place":
                return CREATORS + a.by, _call(signature, id_, a.outcome, a.amount)
            case "resolve":
                return _RESOLVER, _call(signature, id_, a.outcome)
            case "claim" | "close_position":
                return CREATORS + a.by, _call(signature, id_, bettor, a.outcome)
            case _:
                return _RESOLVER, _call(signature, id_)

    def deepest(self) -> int:
        """How many blocks may be dropped without one that was ever final."""
        return min(self.height, max(self.snapshots)) - max(self.final, min(self.snapshots))

    async def drop(self, depth: int) -> None:
        """Leaves the newest ``depth`` blocks; a backend that didn't hear of it still has them."""
        fork, top = self.height - depth, self.height
        heights = range(fork + 1, top + 1)
        blocks = await self.rpc.each([("eth_getBlockByNumber", [hex(h), False]) for h in heights])
        receipts = await self.rpc.each([("eth_getBlockReceipts", [hex(h)]) for h in heights])
        assert await self.rpc("evm_revert", self.snapshots[fork])
        self.orphans = dict(zip(heights, zip(blocks, receipts, strict=True), strict=True))
        self.fork, self.height = fork, fork
        self.snapshots = {h: s for h, s in self.snapshots.items() if h < fork}
        self.snapshots[fork] = await self.rpc("evm_snapshot")

    def rewrite_finality(self) -> None:
        """What was final no longer is: the operator has repaired."""
        self.final = max(0, self.height - self.finality)

    def toml(self, urls: list[str], ws: str, start: int) -> str:
        return (
            f'[chains.anvil]\nkind = "evm"\nchain_id = 31337\nrpc = {json.dumps(urls)}\n'
            f'ws = "{ws}"\n[[programs]]\nname = "bets"\nchain = "anvil"\naddress = "{self.bets}"\n'
            f'interface = "{artifacts.BETS_ABI}"\nstart = {start}\n'
        )


def _call(signature: str, *values: Any) -> str:
    types = signature[signature.index("(") + 1 : -1]
    split = [types] if types.startswith("(") else types.split(",")
    return "0x" + (Web3.keccak(text=signature)[:4] + encode(split, values)).hex()


@asynccontextmanager
async def chain(
    home: Path, seed: int, finality: int, session: aiohttp.ClientSession
) -> AsyncIterator[EvmChain]:
    port = ports.free()
    options = ["--port", port, "--silent", "--order", "fifo", "--no-mining", "--timestamp"]
    options += [GENESIS_TIME, "--block-base-fee-per-gas", 0, "--gas-price", 0]
    # anvil calls what lies two epochs deep final
    options += ["--slots-in-an-epoch", finality // 2, "--gas-limit", 10**9]
    node = await child.start("anvil", [anvil.binary(), *options], home / "anvil.log")
    rpc = Rpc(f"http://{ports.HOST}:{port}", session)

    async def answers() -> bool:
        return bool(await rpc("eth_chainId"))

    try:
        await node.ready(answers, 30)
        made = EvmChain(rpc, seed, finality)
        await made.begin()
        yield made
    finally:
        await node.stop()
