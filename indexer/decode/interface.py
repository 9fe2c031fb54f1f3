"""What a program may emit: its events, their fields and the bytes that announce each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from indexer.decode.types import Column, Type
from indexer.errors import Fatal


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event.

    ``kind`` says how its bytes become a column: ``uint``, ``int`` (``size`` bytes), ``bool``,
    ``hex`` (``size`` bytes, 0 = of any length), ``address``, ``pubkey``, ``string``, ``json``
    (whatever has parts). ``source`` is the interface's own description of the type.
    """

    name: str
    kind: Literal["uint", "int", "bool", "hex", "address", "pubkey", "string", "json"]
    size: int
    type: Type
    source: Any
    indexed: bool = False
    is_time: bool = False

    def columns(self) -> tuple[Column, ...]:
        """A time is two columns: timestamptz, null where it can't hold it, and the raw seconds."""
        if self.is_time:
            return Column(self.name, Type.TIME), Column(f"{self.name}_raw", Type.NUMERIC20)
        return (Column(self.name, self.type),)


@dataclass(frozen=True, slots=True)
class Event:
    """``selector``: EVM topic 0 (0x-hex), empty for an anonymous event; Anchor's 8 bytes as hex.

    ``name`` is unique in its interface; ``signature`` tells overloads apart. Of a Solana
    instruction ``selector`` is its discriminator, filled with zeros to 8 bytes, and ``accounts``
    counts its accounts, which are its first fields; None for an event.
    """

    name: str
    selector: str
    fields: tuple[Field, ...]
    signature: str
    accounts: int | None = None

    def columns(self) -> tuple[Column, ...]:
        return tuple(column for field in self.fields for column in field.columns())


@dataclass(frozen=True, slots=True)
class Interface:
    """The events of one program, and the parsed document they came from."""

    kind: Literal["evm", "solana"]
    path: Path
    events: tuple[Event, ...]
    document: Any

    def by_selector(self) -> dict[str, Event]:
        return {event.selector: event for event in self.events}


def load(path: Path, kind: Literal["evm", "solana"], instructions: Sequence[str] = ()) -> Interface:
    """Reads an ABI (a list, or an artifact with ``abi``) or an Anchor IDL (old or new form).

    ``instructions``: those of the IDL that are taken in as events are.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Fatal(f"{path}: not JSON ({error}): give the program's ABI or IDL file") from None
    if kind == "evm":
        from indexer.decode.abi import events
    else:
        from indexer.decode.idl import events
    parsed = events(path, document)
    if instructions:
        from indexer.decode.idl import instructions as of_instructions

        parsed += of_instructions(path, document, instructions)
    if not parsed:
        raise Fatal(f"{path}: no event in it: there is nothing to index")
    return Interface(kind, path, parsed, document)


_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``feeRecipient`` and ``FeeRecipient`` → ``fee_recipient``; leading underscores go."""
    return _WORDS.sub("_", name).lower().strip("_")


def is_time(name: str, bits: int) -> bool:
    """Unix seconds are integers of 32 to 64 bits that are named ``…_at`` or ``…_by``."""
    return name.endswith(("_at", "_by")) and 32 <= bits <= 64


def unique_names(path: Path, event: str, names: list[str]) -> list[str]:
    """Columns' names: none empty, none twice, none of those that every event table has."""
    taken = {"chain", "pos", "tx", "address", "time"}
    result: list[str] = []
    for i, name in enumerate(names):
        name = name or f"arg{i}"
        while name in taken:
            name += "_"
        if len(name) > 60:
            raise Fatal(f"{path}: event {event}: field {name!r} is longer than 60 characters")
        taken.update((name, f"{name}_raw"))
        result.append(name)
    return result
