"""Accounts on an EVM chain: its programs' view functions, at one block."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from eth_hash.auto import keccak

from indexer.decode.interface import snake
from indexer.errors import Fatal
from indexer.rpc.client import Rpc
from indexer.rpc.errors import Kind, NodeFatal
from indexer.verify.accounts import Fields, Found, View, Wanted

_AT_ONCE = 100
"""Calls in one request."""


class EvmAccounts:
    """``height``: the block whose state is read, so that all of it is of one moment."""

    def __init__(self, rpc: Rpc, abi: Any, height: int) -> None:
        self.rpc, self.height = rpc, height
        functions = abi if isinstance(abi, list) else abi["abi"]
        self.views: dict[str, Mapping[str, Any]] = {
            f["name"]: f for f in functions if f["type"] == "function"
        }

    async def entities(self, groups: Sequence[Sequence[Wanted]], *, vaults: bool) -> list[Found]:
        asked = [want for group in groups for want in group]
        answers = iter(await self._call([self._asks(want) for want in asked]))
        return [Found([self._fields(w, next(answers)) for w in group], None) for group in groups]

    async def count(self, contract: str, counter: str) -> int:
        (answer,) = await self._call([(contract, _selector(f"{counter}()"))])
        return int(answer or "0", 16)

    async def held(self, contract: str, tokens: Sequence[str]) -> list[int] | None:
        data = _selector("balanceOf(address)") + _word("address", contract)
        return [int(a or "0", 16) for a in await self._call([(t, data) for t in tokens])]

    def _asks(self, want: Wanted) -> tuple[str, str]:
        """Whom to call with which data."""
        view = _view(want)
        inputs = self._abi(view)["inputs"]
        types = [i["type"] for i in inputs]
        names = view.takes or want.account.key
        words = (_word(t, want.row[name]) for t, name in zip(types, names, strict=True))
        return want.contract, _selector(f"{view.name}({','.join(types)})") + "".join(words)

    def _abi(self, view: View) -> Mapping[str, Any]:
        found = self.views.get(view.name)
        if found is None:
            raise Fatal(f"the interface has no function {view.name}: give the program's whole ABI")
        return found

    def _fields(self, want: Wanted, answer: str | None) -> Fields | None:
        if not answer or not answer.strip("0"):
            return None  # what isn't there is refused, or all zeros
        view = _view(want)
        (output,) = self._abi(view)["outputs"]
        return _fields(output.get("components") or [output | {"name": view.field}], answer)

    async def _call(self, calls: Sequence[tuple[str, str]]) -> list[str | None]:
        """The answers' hex without 0x, in order; None where a contract refuses."""
        parts = [calls[i : i + _AT_ONCE] for i in range(0, len(calls), _AT_ONCE)]
        answers = await asyncio.gather(*(self._batch(part) for part in parts))
        return [answer for part in answers for answer in part]

    async def _batch(self, calls: Sequence[tuple[str, str]]) -> list[str | None]:
        asked = [("eth_call", [{"to": to, "data": data}, hex(self.height)]) for to, data in calls]
        try:
            return [answer[2:] for answer in await self.rpc.batch(asked, height=self.height)]
        except NodeFatal as error:
            if error.fault.kind is not Kind.REVERTED:
                raise
            if len(calls) == 1:
                return [None]
        # one call's refusal is all that a batch tells: halve until it stands alone
        half = len(calls) // 2
        return [*await self._batch(calls[:half]), *await self._batch(calls[half:])]


def _view(want: Wanted) -> View:
    assert want.account.evm is not None, "asked for on its chain only"
    return want.account.evm


def _selector(signature: str) -> str:
    return "0x" + keccak(signature.encode())[:4].hex()


def _word(kind: str, value: Any) -> str:
    """A static argument's word (Solidity ABI specification)."""
    if kind == "address":
        return value[2:].rjust(64, "0")
    return value[2:].ljust(64, "0") if kind.startswith("bytes") else f"{int(value):064x}"


def _fields(components: Sequence[Mapping[str, Any]], answer: str) -> Fields:
    """A struct of static fields, a word each (Solidity ABI specification)."""
    words = [answer[i : i + 64] for i in range(0, len(answer), 64)]
    found: dict[str, Any] = {}
    at = 0
    for component in components:
        kind, name = component["type"], snake(component["name"])
        many = int(kind[kind.index("[") + 1 : -1]) if kind.endswith("]") else 1
        part = words[at : at + many]
        at += many
        if len(part) < many:
            raise Fatal(f"{name}: the contract's answer ends before it: check `interface`")
        values = [_value(kind.partition("[")[0], word) for word in part]
        found[name] = values if kind.endswith("]") else values[0]
    return found


def _value(kind: str, word: str) -> Any:
    if kind == "address":
        return "0x" + word[24:]
    if kind.startswith("bytes"):
        return "0x" + word
    number = int(word, 16)
    if kind == "bool":
        return bool(number)
    return number - (1 << 256) if kind.startswith("int") and number >> 255 else number
