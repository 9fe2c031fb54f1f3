"""Borsh values of any IDL type to JSON values, one at a time: for types that have no column.

Integers become decimal strings, bytes 0x-hex, keys base58, options null or the value, enums
``{"Variant": fields}`` or ``"Variant"`` where there are none.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from solders.pubkey import Pubkey

_FLOATS = {"f32": "<f", "f64": "<d"}


class Malformed(Exception):
    """The bytes are no value of the type."""


def read(kind: Any, types: Mapping[str, Any], data: bytes, at: int) -> tuple[Any, int]:
    """The value of IDL type ``kind`` at ``data[at:]``, and where the next one starts."""
    if isinstance(kind, str):
        return _simple(kind, data, at)
    if "option" in kind:
        flag, at = _byte(data, at)
        return read(kind["option"], types, data, at) if flag else (None, at)
    if "vec" in kind:
        count, at = _count(data, at)
        return _several([kind["vec"]] * count, types, data, at)
    if "array" in kind:
        inner, count = kind["array"]
        if inner == "u8":
            return "0x" + _take(data, at, count).hex(), at + count
        return _several([inner] * count, types, data, at)
    if "defined" in kind:
        return _defined(types[kind["defined"]], types, data, at)
    raise Malformed(f"type {kind!r} is not known")


def _simple(kind: str, data: bytes, at: int) -> tuple[Any, int]:
    if kind == "bool":
        flag, at = _byte(data, at)
        return bool(flag), at
    if kind == "publicKey":
        return str(Pubkey.from_bytes(_take(data, at, 32))), at + 32
    if kind == "string":
        count, at = _count(data, at)
        raw = _take(data, at, count)
        return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00"), at + count
    if kind == "bytes":
        count, at = _count(data, at)
        return "0x" + _take(data, at, count).hex(), at + count
    if kind in _FLOATS:
        size = int(kind[1:]) // 8
        value = struct.unpack(_FLOATS[kind], _take(data, at, size))[0]
        return (value if value - value == 0 else str(value)), at + size
    if kind[0] in "ui" and kind[1:].isdigit():
        size = int(kind[1:]) // 8
        number = int.from_bytes(_take(data, at, size), "little", signed=kind[0] == "i")
        return str(number), at + size
    raise Malformed(f"type {kind!r} is not known")


def _defined(
    definition: Mapping[str, Any], types: Mapping[str, Any], data: bytes, at: int
) -> tuple[Any, int]:
    form = definition["kind"]
    if form == "struct":
        return _fields(definition.get("fields") or [], types, data, at)
    if form == "enum":
        index, at = _byte(data, at)
        variants = definition["variants"]
        if index >= len(variants):
            raise Malformed(f"variant {index} of {len(variants)}")
        variant = variants[index]
        if not variant.get("fields"):
            return variant["name"], at
        value, at = _fields(variant["fields"], types, data, at)
        return {variant["name"]: value}, at
    return read(definition.get("value") or definition.get("alias"), types, data, at)


def _fields(fields: list[Any], types: Mapping[str, Any], data: bytes, at: int) -> tuple[Any, int]:
    if fields and not (isinstance(fields[0], dict) and "name" in fields[0]):
        return _several(fields, types, data, at)
    found: dict[str, Any] = {}
    for field in fields:
        found[field["name"]], at = read(field["type"], types, data, at)
    return found, at


def _several(
    kinds: list[Any], types: Mapping[str, Any], data: bytes, at: int
) -> tuple[list[Any], int]:
    found: list[Any] = []
    for kind in kinds:
        value, at = read(kind, types, data, at)
        found.append(value)
    return found, at


def _take(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise Malformed("it ends too early")
    return data[at : at + size]


def _byte(data: bytes, at: int) -> tuple[int, int]:
    return _take(data, at, 1)[0], at + 1


def _count(data: bytes, at: int) -> tuple[int, int]:
    count = int.from_bytes(_take(data, at, 4), "little")
    if count > len(data):  # every element takes a byte or the type is empty: no such event
        raise Malformed(f"{count} elements in {len(data)} bytes")
    return count, at + 4
