"""Bets' accounts on Solana, as the program lays them out: Anchor's discriminator, then the fields
in the order of the IDL, without padding."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from solders.pubkey import Pubkey

from indexer.decode.interface import snake
from indexer.errors import Fatal
from indexer.rpc.client import Rpc
from indexer.verify.accounts import Fields, MarketAccounts, Position

_AT_ONCE = 98
"""Accounts beside a market and its vault in one getMultipleAccounts, which takes 100."""
_AMOUNT = slice(64, 72)
"""Of a token account: after its mint and its owner."""


class SolanaAccounts:
    """The newest confirmed state: Solana's nodes have no other."""

    def __init__(self, rpc: Rpc, program: str, idl: Any) -> None:
        self.rpc, self.program = rpc, Pubkey.from_string(program)
        self.layouts = {a["name"]: a["type"]["fields"] for a in idl["accounts"] if "type" in a}
        types = {t["name"]: t["type"]["fields"] for t in idl.get("types", []) if "fields" in t}
        self.layouts |= {a["name"]: types[a["name"]] for a in idl["accounts"] if "type" not in a}

    async def aclose(self) -> None:
        await self.rpc.aclose()

    def _pda(self, *seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), self.program)[0]

    async def _read(self, keys: Sequence[Pubkey]) -> list[bytes | None]:
        how = {"encoding": "base64", "commitment": "confirmed"}
        answer = await self.rpc.call("getMultipleAccounts", [[str(k) for k in keys], how])
        return [a and base64.b64decode(a["data"][0]) for a in answer["value"]]

    async def market(self, market: str, positions: Sequence[Position]) -> MarketAccounts:
        key = Pubkey.from_string(market)
        vault = self._pda(b"vault", bytes(key))
        account: Fields | None = None
        held: int | None = None
        found: dict[Position, Fields | None] = {}
        for i in range(0, max(len(positions), 1), _AT_ONCE):
            part = positions[i : i + _AT_ONCE]
            keys = [
                self._pda(b"position", bytes(key), bytes(Pubkey.from_string(b)), bytes([o]))
                for b, o in part
            ]
            first, tokens, *rest = await self._read([key, vault, *keys])
            now = first and self._fields("Market", first)
            if i and now != account:
                # it moved between two reads; the caller sees another seq and asks again
                return MarketAccounts({**(now or {}), "seq": -1}, {}, None)
            account = now or None
            held = int.from_bytes(tokens[_AMOUNT], "little") if tokens else None
            for at, data in zip(part, rest, strict=True):
                found[at] = self._fields("Position", data) if data else None
        return MarketAccounts(account, found, held)

    async def markets(self) -> int:
        (counter,) = await self._read([self._pda(b"counter")])
        return self._fields("Counter", counter)["markets"] if counter else 0

    async def held(self, token: str) -> int | None:
        return None

    def _fields(self, name: str, data: bytes) -> Fields:
        found: dict[str, Any] = {}
        rest = data[8:]
        for field in self.layouts[name]:
            found[snake(field["name"])], rest = _value(field["type"], rest, f"{name}.{field}")
        return found


def _value(kind: Any, data: bytes, where: str) -> tuple[Any, bytes]:
    if kind in ("publicKey", "pubkey"):
        return str(Pubkey.from_bytes(data[:32])), data[32:]
    if kind == "bool":
        return bool(data[0]), data[1:]
    if isinstance(kind, dict) and "array" in kind:
        inner, many = kind["array"]
        items: list[Any] = []
        for _ in range(many):
            item, data = _value(inner, data, where)
            items.append(item)
        return items, data
    if isinstance(kind, str) and kind[0] in "ui" and kind[1:].isdigit():
        size = int(kind[1:]) // 8
        return int.from_bytes(data[:size], "little", signed=kind[0] == "i"), data[size:]
    raise Fatal(f"{where}: a proof of accounts knows no type {kind}")
