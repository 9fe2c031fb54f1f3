"""Starter folds: one entity an event, keyed by what the event says it is about."""

from __future__ import annotations

import re

from indexer.decode.interface import Event, Field, Interface, snake
from indexer.decode.types import Type

_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")
_NUMBERED = re.compile(r"(^|_)(id|seq|nonce|index|block|slot|epoch|decimals)(_|$)|_after$")
"""Numbers that name or order something: their sum means nothing."""
_WIDE = (Type.NUMERIC20, Type.NUMERIC38, Type.NUMERIC78)
_IDENTITIES = ("address", "pubkey")

_HEAD = '''"""Starter folds of `{program}`: one entity for each event. Rename and drop at will.

After a change of a fold run `chainfold migrate`.
"""

from indexer.folds import {imports}
'''


def module(program: str, interface: Interface) -> str:
    """The text of a Python module that declares a fold for each event of ``interface``."""
    body: list[str] = []
    used: set[str] = {"count", "first", "fold", "last"}
    names: set[str] = set()
    for event in interface.events:
        key = _key(event)
        name = _unique(f"{program}_{snake(event.name)}_by_{key}", names)
        body.append(_fold(name, program, event, key, used))
    return _HEAD.format(program=program, imports=", ".join(sorted(used))) + "".join(body)


def _key(event: Event) -> str:
    """The first field that names an entity; the emitting contract where none does."""

    def rank(field: Field) -> int:
        identity = field.kind in _IDENTITIES or (field.kind == "hex" and field.size == 32)
        return 2 * identity + field.indexed

    usable = [
        f for f in event.fields if rank(f) and f.type is not Type.JSON and _NAME.fullmatch(f.name)
    ]
    return max(usable, key=rank).name if usable else "address"


def _fold(name: str, program: str, event: Event, key: str, used: set[str]) -> str:
    columns: dict[str, str] = {}

    def add(column: str, of: str) -> None:
        while column in columns or column == key:
            column += "_"
        if _NAME.fullmatch(column):
            columns[column] = of

    for field in event.fields:
        source = f'"{event.name}.{field.name}"'
        if field.name != key:
            add(field.name, f"last({source})")
        if field.type in _WIDE and not field.is_time and not _NUMBERED.search(field.name):
            used.add("sum_")
            add(f"{field.name}_sum", f"sum_({source})")
    add("events", f'count("{event.name}")')
    add("first_at", f'first("{event.name}.time")')
    add("last_at", f'last("{event.name}.time")')
    lines = "".join(f'        "{column}": {of},\n' for column, of in columns.items())
    return (
        f'\n{name} = fold(\n    "{name}",\n    program="{program}",\n    key="{key}",\n'
        f"    columns={{\n{lines}    }},\n)\n"
    )


def _unique(name: str, taken: set[str]) -> str:
    """``name`` cut to what Postgres holds, numbered where it is taken."""
    name = name[:52]
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate
