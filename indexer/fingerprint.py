"""Fingerprints: two declarations have the same one where they make the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import orjson

from indexer.decode.interface import Event, Field
from indexer.decode.schema import EventTable, Schema
from indexer.folds.bind import BoundFold
from indexer.folds.compile import storage
from indexer.log.declared import Declaration, Key


def declarations(schema: Schema, folds: Sequence[BoundFold]) -> dict[Key, Declaration]:
    """What ``schema`` and ``folds`` declare: each program's events, the event tables, the folds."""
    found: list[Declaration] = []
    for b in schema.bindings:
        for event in b.interface.events:
            key = Key("event", event.signature, b.chain, b.address)
            found.append(Declaration(key, b.tables[event.name].name, _event(event)))
    for table in schema.tables.values():
        found.append(Declaration(Key("table", table.name), table.name, _table(table)))
    for fold in folds:
        found.append(Declaration(Key("fold", fold.name), fold.name, _fold(fold)))
    return {d.key: d for d in found}


def _event(event: Event) -> str:
    return _digest([event.name, event.selector, *(_field(f) for f in event.fields)])


def _field(field: Field) -> list[Any]:
    parts = _parts(field.source) if field.kind == "json" else None
    return [
        field.name, field.kind, field.size, field.type.name, field.indexed, field.is_time, parts
    ]  # fmt: skip


def _parts(source: Any) -> Any:
    """A composite's type with all that it is made of: of an IDL the types that it reaches."""
    if not isinstance(source, tuple):
        return _without_docs(source)
    kind, types = source
    reached: dict[str, Any] = {}
    waiting = [kind]
    while waiting:
        for name in _named(waiting.pop()):
            if name not in reached and name in types:
                reached[name] = _without_docs(types[name])
                waiting.append(types[name])
    return [_without_docs(kind), reached]


def _named(node: Any) -> Iterable[str]:
    if isinstance(node, list):
        for part in node:
            yield from _named(part)
    elif isinstance(node, dict):
        if isinstance(node.get("defined"), str):
            yield node["defined"]
        for part in node.values():
            yield from _named(part)


def _without_docs(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_docs(part) for part in node]
    if isinstance(node, dict):
        return {k: _without_docs(v) for k, v in node.items() if k not in ("docs", "internalType")}
    return node


def _table(table: EventTable) -> str:
    return _digest([[c.name, c.type.name] for c in table.columns])


def _fold(fold: BoundFold) -> str:
    return _digest(
        [
            [[c.name, c.type.name, *([c.of] if c.digest else [])] for c in fold.key],
            [
                [c.name, c.op, c.where, c.type.name, c.group, [[t.name, f] for t, f in c.arms]]
                for c in fold.columns
            ],
            [c.name for c in storage(fold)],
        ]
    )


def _digest(value: Any) -> str:
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
