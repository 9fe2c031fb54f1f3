"""Bets' accounts on an EVM chain: its view functions, at one block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_hash.auto import keccak

from indexer.decode.interface import snake
from indexer.errors import Fatal
from indexer.rpc.client import Rpc
from indexer.rpc.errors import Kind, NodeFatal
from indexer.verify.accounts import Fields, MarketAccounts, Position


class EvmAccounts:
    """``height``: the block whose state is read, so that all of it is of one moment."""

    def __init__(self, rpc: Rpc, address: str, abi: Any, height: int) -> None:
        self.rpc, self.address, self.height = rpc, address, height
        functions = abi if isinstance(abi, list) else abi["abi"]
        self.outputs = {
            f["name"]: f["outputs"][0].get("components", [])
            for f in functions
            if f["type"] == "function" and f["outputs"]
        }

    async def aclose(self) -> None:
        await self.rpc.aclose()

    async def _call(self, signature: str, *words: str, to: str | None = None) -> str | None:
        """The answer's hex without 0x; None where the contract refuses."""
        data = "0x" + keccak(signature.encode())[:4].hex() + "".join(words)
        call = {"to": to or self.address, "data": data}
        try:
            answer = await self.rpc.call("eth_call", [call, hex(self.height)], height=self.height)
        except NodeFatal as error:
            if error.fault.kind is Kind.REVERTED:
                return None
            raise
        return answer[2:]

    async def market(self, market: str, positions: Sequence[Position]) -> MarketAccounts:
        id_ = market[2:]
        found = await self._call("getMarket(bytes32)", id_)
        held: dict[Position, Fields | None] = {}
        for bettor, outcome in positions:
            words = (id_, _address(bettor), f"{outcome:064x}")
            answer = await self._call("getPosition(bytes32,address,uint8)", *words)
            position = None if answer is None else _fields(self.outputs["getPosition"], answer)
            held[bettor, outcome] = position if position and position["stake"] else None
        account = None if found is None else _fields(self.outputs["getMarket"], found)
        return MarketAccounts(account, held, None)

    async def markets(self) -> int:
        return int(await self._call("marketCount()") or "0", 16)

    async def held(self, token: str) -> int | None:
        answer = await self._call("balanceOf(address)", _address(self.address), to=token)
        return int(answer or "0", 16)


def _address(address: str) -> str:
    return address[2:].rjust(64, "0")


def _fields(components: list[Any], answer: str) -> Fields:
    """A struct of static fields, a word each (Solidity ABI specification)."""
    words = [answer[i : i + 64] for i in range(0, len(answer), 64)]
    found: dict[str, Any] = {}
    at = 0
    for component in components:
        kind, name = component["type"], snake(component["name"])
        if kind.endswith("]"):
            many = int(kind[kind.index("[") + 1 : -1])
            found[name] = [int(w, 16) for w in words[at : at + many]]
            at += many
            continue
        word = words[at] if at < len(words) else ""
        at += 1
        if not word:
            raise Fatal(f"{name}: the contract's answer ends before it: check `interface`")
        if kind == "address":
            found[name] = "0x" + word[24:]
        elif kind.startswith("bytes"):
            found[name] = "0x" + word
        elif kind == "bool":
            found[name] = bool(int(word, 16))
        else:
            found[name] = int(word, 16)
    return found
