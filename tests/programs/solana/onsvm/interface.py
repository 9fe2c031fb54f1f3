"""A program's interface file: instructions, accounts, events and errors by name."""

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorpy import Coder
from anchorpy_core.idl import Idl
from construct import Container, ListContainer
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

INTERFACES = Path(__file__).resolve().parents[4] / "programs" / "interfaces"
SELF_CALL = bytes.fromhex("e445a52e51cb9a1d")


@functools.cache
def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@dataclass(frozen=True)
class Event:
    name: str
    fields: dict[str, Any]  # by snake_case names, in order


def plain(value: Any) -> Any:
    """Decoded values as ints, bools, str, bytes, Pubkey, lists."""
    if isinstance(value, list | ListContainer):
        items = [plain(item) for item in value]
        numbers = all(isinstance(item, int) for item in items)
        return bytes(items) if numbers and len(items) == 32 else items
    return value


class Interface:
    def __init__(self, name: str):
        text = (INTERFACES / f"{name}.idl.json").read_text()
        self.name = name
        self.json = json.loads(text)
        self.address = Pubkey.from_string(self.json["metadata"]["address"])
        self.coder = _coder(name)
        self.errors = {error["code"]: error["name"] for error in self.json["errors"]}
        self.instructions = {snake(i["name"]): i for i in self.json["instructions"]}
        self.event_authority = self.pda(b"__event_authority")

    def pda(self, *seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), self.address)[0]

    def instruction(
        self, name: str, accounts: Mapping[str, Pubkey], args: Mapping[str, Any]
    ) -> Instruction:
        """Accounts and arguments by snake_case names; all must be given, no other may be."""
        declared = self.instructions[name]
        names = [snake(account["name"]) for account in declared["accounts"]]
        assert set(names) == set(accounts), set(names) ^ set(accounts)
        wanted = {snake(arg["name"]) for arg in declared["args"]}
        assert wanted == set(args), wanted ^ set(args)
        metas = [
            AccountMeta(accounts[account], entry["isSigner"], entry["isMut"])
            for account, entry in zip(names, declared["accounts"], strict=True)
        ]
        data = self.coder.instruction.encode(name, Container(**args))
        return Instruction(self.address, data, metas)

    def position(self, name: str, account: str) -> int:
        """Where in an instruction's list an account stands."""
        accounts = self.instructions[name]["accounts"]
        return [snake(entry["name"]) for entry in accounts].index(account)

    def event(self, data: bytes) -> Event | None:
        """The event that a self-call's data holds; None for other data."""
        if data[:8] != SELF_CALL:
            return None
        parsed = self.coder.events.parse(data[8:])
        assert parsed is not None, f"unknown event {data[8:16].hex()}"
        declared = next(e for e in self.json["events"] if e["name"] == parsed.name)
        names = [snake(field["name"]) for field in declared["fields"]]
        return Event(parsed.name, {name: plain(getattr(parsed.data, name)) for name in names})

    def account(self, data: bytes) -> dict[str, Any]:
        """A state account's fields, by snake_case names."""
        decoded = self.coder.accounts.decode(data)
        pairs = dataclasses.fields(decoded)
        return {snake(f.name): plain(getattr(decoded, f.name)) for f in pairs}


@functools.cache
def _coder(name: str) -> Coder:
    return Coder(Idl.from_json((INTERFACES / f"{name}.idl.json").read_text()))
