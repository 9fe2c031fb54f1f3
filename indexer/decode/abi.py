"""EVM: events of an ABI (Solidity contract ABI specification, "Events")."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from indexer.decode.interface import Event, Field, is_time, snake, unique_names
from indexer.decode.types import Type, integer
from indexer.errors import Fatal

_INTEGER = re.compile(r"(u?)int(\d+)")
_BYTES = re.compile(r"bytes(\d+)")


def events(path: Path, document: Any) -> tuple[Event, ...]:
    """Every event of the ABI; overloads after the first carry four bytes of their topic."""
    abi = document.get("abi") if isinstance(document, dict) else document
    if not isinstance(abi, list):
        raise Fatal(f"{path}: no ABI in it: expected a JSON list, or an object with 'abi'")
    found: list[Event] = []
    seen: set[str] = set()
    for entry in abi:
        if entry.get("type") != "event":
            continue
        anonymous = bool(entry.get("anonymous"))
        name = entry["name"]
        signature = f"{name}({','.join(map(canonical, entry['inputs']))})"
        selector = "" if anonymous else "0x" + keccak(signature.encode()).hex()
        if name in seen:
            name += "_" + (selector[2:10] or "anonymous")
        seen.add(name)
        inputs = entry["inputs"]
        names = unique_names(path, name, [snake(i.get("name", "")) for i in inputs])
        fields = tuple(_field(n, i) for n, i in zip(names, inputs, strict=True))
        found.append(Event(name, selector, fields, signature))
    if sum(not event.selector for event in found) > 1:
        raise Fatal(f"{path}: two anonymous events can't be told apart: leave one in the ABI")
    return tuple(found)


def canonical(entry: Any) -> str:
    """The type of an ABI entry as signatures have it: a tuple by its components.

    eth_utils has this too, and takes a quarter of a command's start to import.
    """
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(canonical, entry['components']))}){kind.removeprefix('tuple')}"


def _field(name: str, entry: dict[str, Any]) -> Field:
    kind = canonical(entry)
    indexed = bool(entry.get("indexed"))
    if match := _INTEGER.fullmatch(kind):
        bits, signed = int(match[2]), not match[1]
        return Field(
            name,
            "int" if signed else "uint",
            bits // 8,
            integer(bits, signed=signed),
            kind,
            indexed,
            is_time(name, bits),
        )
    if match := _BYTES.fullmatch(kind):
        return Field(name, "hex", int(match[1]), Type.HEX, kind, indexed)
    if kind == "address":
        return Field(name, "address", 20, Type.EVM_ADDRESS, kind, indexed)
    if kind == "bool":
        return Field(name, "bool", 1, Type.BOOL, kind, indexed)
    if indexed:  # of a dynamic or composite type only the hash is in the topic
        return Field(name, "hex", 32, Type.HEX, kind, True)
    if kind == "string":
        return Field(name, "string", 0, Type.TEXT, kind)
    if kind == "bytes":
        return Field(name, "hex", 0, Type.HEX, kind)
    if kind == "function":
        return Field(name, "hex", 24, Type.HEX, kind)
    return Field(name, "json", 0, Type.JSON, entry)
