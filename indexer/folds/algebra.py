"""The declaration of a fold: its key and its columns, each an aggregate over events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from indexer.errors import Fatal

Op = Literal["first", "last", "sum", "count", "min", "max"]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``op`` over ``sources``: ``Event.field``, ``field`` (of every event that has it) or, for
    ``count``, ``Event``. ``where`` is an SQL condition over the event's columns, in words that
    Postgres and DuckDB share."""

    op: Op
    sources: tuple[str, ...]
    where: str | None = None


def first(field: str, *more: str, where: str | None = None) -> Aggregate:
    """The value in the event with the lowest position."""
    return Aggregate("first", (field, *more), where)


def last(field: str, *more: str, where: str | None = None) -> Aggregate:
    """The value in the event with the highest position."""
    return Aggregate("last", (field, *more), where)


def sum_(field: str, *more: str, where: str | None = None) -> Aggregate:
    """The sum of the values, nulls left out; 0 of none."""
    return Aggregate("sum", (field, *more), where)


def count(*events: str, where: str | None = None) -> Aggregate:
    """How many events; of every event that has the key where none is named."""
    return Aggregate("count", events, where)


def min_(field: str, *more: str, where: str | None = None) -> Aggregate:
    """The least value, nulls left out; null of none."""
    return Aggregate("min", (field, *more), where)


def max_(field: str, *more: str, where: str | None = None) -> Aggregate:
    """The greatest value, nulls left out; null of none."""
    return Aggregate("max", (field, *more), where)


@dataclass(frozen=True, slots=True)
class Digest:
    """A key made of a text of any length: its column is named ``<field>_digest``."""

    field: str

    @property
    def name(self) -> str:
        return f"{self.field}_digest"


def digest(field: str) -> Digest:
    """A key that is the sha-256 (0x-hex) of a text, as the event table has it, in UTF-8.

    For what has no bound, as a ``string`` or ``bytes`` of an event has none: an index takes a key
    of 2.7 KB at most, and whoever sends a longer one would stop the indexing. The text itself is a
    column away: ``"name": first("name")``.
    """
    return Digest(field)


@dataclass(frozen=True, slots=True)
class Fold:
    """A state table ``name`` with one row for each (chain, key) of ``program``'s events.

    ``needs`` names an event that not every interface of the program has: without it there is no
    such table."""

    name: str
    program: str
    key: tuple[str | Digest, ...]
    columns: Mapping[str, Aggregate]
    doc: str = ""
    needs: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of events that make the key."""
        return tuple(k.field if isinstance(k, Digest) else k for k in self.key)


def fold(
    name: str,
    *,
    program: str,
    key: str | Digest | Sequence[str | Digest],
    columns: Mapping[str, Aggregate],
    doc: str = "",
    needs: str = "",
) -> Fold:
    """Declares a fold. It takes in every event that one of its columns names."""
    keys = (key,) if isinstance(key, str | Digest) else tuple(key)
    if not keys:
        raise Fatal(f"fold {name!r}: give it a key: the fields that name its entity")
    names = [name, *(k.name if isinstance(k, Digest) else k for k in keys), *columns]
    for n in names:
        if not _NAME.fullmatch(n) or n == "chain":
            raise Fatal(f"fold {name!r}: {n!r} can't name a column: use lower case, digits and _")
    twice = {n for n in names[1:] if names[1:].count(n) > 1}
    if twice:
        raise Fatal(f"fold {name!r}: {sorted(twice)[0]!r} is named twice")
    if not columns:
        raise Fatal(f"fold {name!r}: give it at least one column, such as count()")
    return Fold(name, program, keys, dict(columns), doc, needs)
