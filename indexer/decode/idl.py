"""Solana: events of an Anchor IDL, the form before 0.30 and the one since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from indexer.decode.interface import Event, Field, is_time, snake, unique_names
from indexer.decode.types import Type, integer
from indexer.errors import Fatal


def events(path: Path, document: Any) -> tuple[Event, ...]:
    """Every event of the IDL, in the IDL's order. anchorpy's parser is the judge of its form."""
    if not isinstance(document, dict) or "instructions" not in document:
        raise Fatal(f"{path}: no Anchor IDL in it: expected an object with 'instructions'")
    document = legacy(document)
    from anchorpy_core.idl import Idl

    try:
        Idl.from_json(orjson.dumps(document).decode())
    except Exception as error:
        raise Fatal(f"{path}: anchorpy can't read this IDL: {error}") from None
    types = {t["name"]: t["type"] for t in document["types"]}
    found: list[Event] = []
    for event in document.get("events") or []:
        names = unique_names(path, event["name"], [snake(f["name"]) for f in event["fields"]])
        fields = tuple(
            _field(n, f["type"], types) for n, f in zip(names, event["fields"], strict=True)
        )
        found.append(Event(event["name"], event["discriminator"], fields, event["name"]))
    return tuple(found)


def instructions(path: Path, document: Any, names: Sequence[str]) -> tuple[Event, ...]:
    """The instructions ``names`` of the IDL, each as an event: its accounts, then its arguments.

    The discriminator is the IDL's own, else Anchor's: sha256("global:name"), 8 bytes of it.
    """
    by_name = {i["name"]: i for i in document["instructions"]}
    own = {snake(n): i for n, i in by_name.items()}
    taken = {e["name"] for e in document.get("events") or []}
    types = {t["name"]: t["type"] for t in legacy(document)["types"]}
    found: list[Event] = []
    for wanted in names:
        entry = by_name.get(wanted) or own.get(snake(wanted))
        if entry is None:
            raise Fatal(f"{path}: no instruction {wanted!r} in it, but: {', '.join(by_name)}")
        accounts = [a for group in entry["accounts"] for a in _flat(group)]
        name = "".join(word.title() for word in snake(entry["name"]).split("_"))
        name += "Instruction" if name in taken else ""
        parts = [(a, "publicKey") for a in accounts]
        parts += [(a["name"], _types(a["type"])) for a in entry["args"]]
        fields = unique_names(path, name, [snake(n) for n, _ in parts])
        given = entry.get("discriminator")
        discriminator = bytes(given) if given else _anchor(f"global:{snake(entry['name'])}")
        found.append(
            Event(
                name,
                discriminator.ljust(8, b"\0").hex(),
                tuple(_field(f, kind, types) for f, (_, kind) in zip(fields, parts, strict=True)),
                f"instruction {entry['name']}",
                len(accounts),
            )
        )
    return tuple(found)


def discriminators(document: Any, events: Iterable[Event]) -> tuple[tuple[bytes, int], ...]:
    """(the bytes that an instruction's data begins with, its accounts), the longest bytes first."""
    given = {f"instruction {i['name']}": i.get("discriminator") for i in document["instructions"]}
    found = [
        (bytes(given[e.signature] or bytes.fromhex(e.selector)), e.accounts)
        for e in events
        if e.accounts is not None
    ]
    return tuple(sorted(found, key=lambda f: -len(f[0])))


def _flat(account: Any) -> Iterable[str]:
    """Names of an account, or of all in a group of them."""
    if "accounts" in account:
        for inner in account["accounts"]:
            yield from _flat(inner)
    else:
        yield account["name"]


def _anchor(preimage: str) -> bytes:
    return sha256(preimage.encode()).digest()[:8]


def legacy(document: dict[str, Any]) -> dict[str, Any]:
    """The IDL in the form before 0.30, which anchorpy 0.21 reads, each event with its fields.

    Every event also gets ``discriminator`` (hex): the IDL's own, or Anchor's default.
    """
    new = "address" in document and "metadata" in document and "name" not in document
    types = {t["name"]: t for t in document.get("types") or []}
    result = dict(document)
    if new:
        result |= {
            "name": document["metadata"]["name"],
            "version": document["metadata"].get("version", "0.0.0"),
            "metadata": {"address": document["address"]},
            "instructions": [_instruction(i) for i in document["instructions"]],
            "accounts": [
                {"name": a["name"], "type": _types(types[a["name"]]["type"])}
                for a in document.get("accounts") or []
                if a["name"] in types
            ],
        }
        result.pop("address")
    of_events = {e["name"] for e in document.get("events") or [] if "fields" not in e}
    of_accounts = {a["name"] for a in document.get("accounts") or []} if new else set[str]()
    result["types"] = [
        {"name": t["name"], "type": _types(t["type"])}
        for t in document.get("types") or []
        if t["name"] not in of_events | of_accounts and not t.get("generics")
    ]
    result["events"] = []
    for event in document.get("events") or []:
        fields = event.get("fields")
        if fields is None:
            fields = types[event["name"]]["type"].get("fields") or []
            if fields and not isinstance(fields[0], dict):
                fields = [{"name": f"arg{i}", "type": f} for i, f in enumerate(fields)]
        given = event.get("discriminator")
        discriminator = (
            bytes(given) if given else sha256(f"event:{event['name']}".encode()).digest()
        )
        result["events"].append(
            {
                "name": event["name"],
                "fields": [
                    {"name": f["name"], "type": _types(f["type"]), "index": f.get("index", False)}
                    for f in fields
                ],
                "discriminator": discriminator[:8].hex(),
            }
        )
    return result


def _instruction(new: dict[str, Any]) -> dict[str, Any]:
    def account(a: dict[str, Any]) -> dict[str, Any]:
        if "accounts" in a:
            return {"name": a["name"], "accounts": [account(x) for x in a["accounts"]]}
        return {
            "name": a["name"],
            "isMut": bool(a.get("writable")),
            "isSigner": bool(a.get("signer")),
            "isOptional": bool(a.get("optional")),
        }

    return {
        "name": new["name"],
        "accounts": [account(a) for a in new["accounts"]],
        "args": [{"name": a["name"], "type": _types(a["type"])} for a in new["args"]],
    }


def _types(node: Any) -> Any:
    """``pubkey`` → ``publicKey`` and ``{"defined": {"name": X}}`` → ``{"defined": X}``, deep."""
    if node == "pubkey":
        return "publicKey"
    if isinstance(node, list):
        return [_types(n) for n in node]
    if isinstance(node, dict):
        if isinstance(node.get("defined"), dict):
            return {"defined": node["defined"]["name"]}
        return {k: v if k in ("name", "kind", "docs") else _types(v) for k, v in node.items()}
    return node


def _field(name: str, kind: Any, types: dict[str, Any]) -> Field:
    if isinstance(kind, str):
        if kind == "bool":
            return Field(name, "bool", 1, Type.BOOL, kind)
        if kind == "publicKey":
            return Field(name, "pubkey", 32, Type.PUBKEY, kind)
        if kind == "string":
            return Field(name, "string", 0, Type.TEXT, kind)
        if kind == "bytes":
            return Field(name, "hex", 0, Type.HEX, kind)
        if kind[0] in "ui" and kind[1:].isdigit():
            bits, signed = int(kind[1:]), kind[0] == "i"
            return Field(
                name,
                "int" if signed else "uint",
                bits // 8,
                integer(bits, signed=signed),
                kind,
                is_time=is_time(name, bits),
            )
    if isinstance(kind, dict) and kind.get("array", [None])[0] == "u8":
        return Field(name, "hex", int(kind["array"][1]), Type.HEX, kind)
    return Field(name, "json", 0, Type.JSON, (kind, types))
