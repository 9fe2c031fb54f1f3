"""Accounts on Solana, as programs lay them out: Anchor's discriminator, then the fields in the
order of the IDL, without padding."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any

from solders.pubkey import Pubkey

from indexer.decode.interface import snake
from indexer.errors import Fatal
from indexer.rpc.client import Rpc
from indexer.verify.accounts import VAULT, Account, Fields, Found, Wanted

_AT_ONCE = 100
"""What getMultipleAccounts takes."""
_AMOUNT = slice(64, 72)
"""Of a token account: after its mint and its owner."""
_Key = tuple[Account | None, Pubkey]
"""An account to read; without a declaration it is a vault."""


class SolanaAccounts:
    """The newest confirmed state: Solana's nodes have no other."""

    def __init__(self, rpc: Rpc, program: str, idl: Any) -> None:
        self.rpc, self.program = rpc, Pubkey.from_string(program)
        self.types = {
            t["name"]: (t.get("type") or t).get("fields")
            for t in [*idl.get("types", []), *idl.get("accounts", [])]
            if "type" in t or "fields" in t
        }

    async def entities(self, groups: Sequence[Sequence[Wanted]], *, vaults: bool) -> list[Found]:
        """An entity and its parts come from one slot where they fit one request; where they
        don't, the entity is in each, and one that moved in between has the seq -1."""
        asked: list[list[tuple[int, list[_Key]]]] = [[]]
        room = _AT_ONCE
        for i, (entity, *parts) in enumerate(groups):
            head = self._key(entity)
            fixed: list[_Key] = [(entity.account, head)]
            if vaults:
                fixed.append((None, self._pda(VAULT, bytes(head))))
            most = _AT_ONCE - len(fixed)
            for at in range(0, max(len(parts), 1), most):
                keys: list[_Key] = [(p.account, self._key(p)) for p in parts[at : at + most]]
                if len(fixed) + len(keys) > room:
                    asked.append([])
                    room = _AT_ONCE
                room -= len(fixed) + len(keys)
                asked[-1].append((i, fixed + keys))
        answers = await asyncio.gather(
            *(self._read([key for _, keys in one for _, key in keys]) for one in asked if one)
        )
        found: list[Found | None] = [None] * len(groups)
        for one, answer in zip([one for one in asked if one], answers, strict=True):
            data = iter(answer)
            for i, keys in one:
                values = [(a, next(data)) for a, _ in keys]
                held = None
                if vaults:
                    tokens = values.pop(1)[1]
                    held = int.from_bytes(tokens[_AMOUNT], "little") if tokens else 0
                fields = [self._account(a, d) for a, d in values if a is not None]
                before = found[i]
                if before is None:
                    found[i] = Found(fields, held)
                elif before.fields[0] == fields[0]:
                    found[i] = Found([*before.fields, *fields[1:]], held)
                else:
                    moved = {**(fields[0] or {}), "seq": -1}
                    found[i] = Found([moved, *before.fields[1:], *fields[1:]], held)
        return [f for f in found if f is not None]

    async def count(self, contract: str, counter: str) -> int:
        (data,) = await self._read([self._pda(b"counter")])
        return self._fields("Counter", data)[counter] if data else 0

    async def held(self, contract: str, tokens: Sequence[str]) -> list[int] | None:
        return None

    def _pda(self, *seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), self.program)[0]

    def _key(self, want: Wanted) -> Pubkey:
        assert want.account.solana is not None, "asked for on its chain only"
        seeds = want.account.solana.seeds
        if not seeds:
            return Pubkey.from_string(want.row[want.account.key[0]])
        return self._pda(*(s if isinstance(s, bytes) else _seed(want.row[s]) for s in seeds))

    async def _read(self, keys: Sequence[Pubkey]) -> list[bytes | None]:
        how = {"encoding": "base64", "commitment": "confirmed"}
        answer = await self.rpc.call("getMultipleAccounts", [[str(k) for k in keys], how])
        return [a and base64.b64decode(a["data"][0]) for a in answer["value"]]

    def _account(self, account: Account, data: bytes | None) -> Fields | None:
        assert account.solana is not None
        return self._fields(account.solana.name, data) if data else None

    def _fields(self, name: str, data: bytes) -> Fields:
        fields, _ = self._struct(name, data[8:])
        return fields

    def _struct(self, name: str, data: bytes) -> tuple[Fields, bytes]:
        layout = self.types.get(name)
        if layout is None:
            raise Fatal(f"the interface has no account {name}: give the program's whole IDL")
        found: dict[str, Any] = {}
        for field in layout:
            found[snake(field["name"])], data = self._value(
                field["type"], data, f"{name}.{field['name']}"
            )
        return found, data

    def _value(self, kind: Any, data: bytes, where: str) -> tuple[Any, bytes]:
        if kind in ("publicKey", "pubkey"):
            return str(Pubkey.from_bytes(data[:32])), data[32:]
        if kind == "bool":
            return bool(data[0]), data[1:]
        if isinstance(kind, str) and kind[0] in "ui" and kind[1:].isdigit():
            size = int(kind[1:]) // 8
            return int.from_bytes(data[:size], "little", signed=kind[0] == "i"), data[size:]
        if isinstance(kind, Mapping) and "array" in kind:
            inner, many = kind["array"]
            if inner == "u8":
                return "0x" + data[:many].hex(), data[many:]
            items: list[Any] = []
            for _ in range(many):
                item, data = self._value(inner, data, where)
                items.append(item)
            return items, data
        if isinstance(kind, Mapping) and "defined" in kind:
            name = kind["defined"]
            return self._struct(name if isinstance(name, str) else name["name"], data)
        raise Fatal(f"{where}: a proof of accounts knows no type {kind}")


def _seed(value: Any) -> bytes:
    if isinstance(value, str):
        hexadecimal = value.startswith("0x")
        return bytes.fromhex(value[2:]) if hexadecimal else bytes(Pubkey.from_string(value))
    return bytes([int(value)])
