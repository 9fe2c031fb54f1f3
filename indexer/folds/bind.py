"""A fold held against the programs' interfaces: which events, which columns, which types."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import ModuleType

from indexer.config import Config
from indexer.decode.interface import Field
from indexer.decode.schema import EventTable, Schema
from indexer.decode.types import Column, Type, widest
from indexer.errors import Fatal
from indexer.folds.algebra import Aggregate, Digest, Fold

_LONGEST = 256
"""Bytes of a field that an index takes whatever they are: as 0x-hex, five of them in one key."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One column: ``arms`` are (event table, the column it reads; None for count).

    ``group`` numbers the fold's distinct (op, events, condition) among ``first`` and ``last``
    columns, which share the position they came from; -1 for the others.
    """

    name: str
    op: str
    arms: tuple[tuple[EventTable, str | None], ...]
    where: str | None
    type: Type
    group: int


@dataclass(frozen=True, slots=True)
class Key(Column):
    """One of a fold's key columns: the event field ``of``, or its digest."""

    of: str = ""
    digest: bool = False


@dataclass(frozen=True, slots=True)
class BoundFold:
    """``tables`` are the event tables that feed it; ``key`` are the key's columns."""

    fold: Fold
    key: tuple[Key, ...]
    columns: tuple[Bound, ...]
    tables: tuple[EventTable, ...]

    @property
    def name(self) -> str:
        return self.fold.name

    @property
    def public(self) -> tuple[Column, ...]:
        """What a reader sees after ``chain``: the key, then the declared columns."""
        return self.key + tuple(Column(c.name, c.type) for c in self.columns)


def modules(config: Config) -> list[ModuleType]:
    """The modules that ``[folds]`` names, imported."""
    return [_module(config, name) for name in config.fold_modules]


def load(config: Config, schema: Schema) -> tuple[BoundFold, ...]:
    """Imports the modules that ``[folds]`` names and binds every Fold found in them."""
    found: dict[str, Fold] = {}
    for module in modules(config):
        for value in vars(module).values():
            if isinstance(value, Fold) and found.setdefault(value.name, value) is not value:
                raise Fatal(f"two folds are named {value.name!r}: rename one")
    programs = {b.program for b in schema.bindings}
    return tuple(
        bind(f, schema)
        for f in found.values()
        if f.program in programs and (not f.needs or f.needs in schema.of(f.program))
    )


def _module(config: Config, name: str) -> ModuleType:
    """A module by its name, or by its file beside the configuration: ``folds.py``."""
    where = f"{config.path.name}: folds.modules"
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise Fatal(f"{where}: {error}: check its name") from None
    file = config.path.parent / name
    if not file.is_file():
        raise Fatal(f"{where}: no file at {file}")
    module = ModuleType(f"chainfold_folds_{file.stem}")
    module.__file__ = str(file)
    try:
        # Not by the import system: its cache takes a file that changed within a second, and kept
        # its size, for the one of before.
        exec(compile(file.read_bytes(), file, "exec"), module.__dict__)
    except (SyntaxError, NameError, ImportError, TypeError) as error:
        raise Fatal(f"{where}: {name}: {type(error).__name__}: {error}") from error
    return module


def bind(fold: Fold, schema: Schema) -> BoundFold:
    """Raises Fatal where the fold names what no interface has."""
    events = schema.of(fold.program)
    if fold.name in schema.tables:
        raise Fatal(f"fold {fold.name!r} has the name of an event table: rename it")
    keyed = {n: t for n, t in events.items() if all(t.column(k) for k in fold.fields)}
    if not keyed:
        raise Fatal(
            f"fold {fold.name!r}: no event of {fold.program!r} has {', '.join(fold.fields)}"
        )
    boundless = _boundless(fold.program, schema)
    groups: dict[object, int] = {}
    columns: list[Bound] = []
    for name, aggregate in fold.columns.items():
        arms = tuple(_arms(fold, name, aggregate, events, keyed))
        types = [c.type for t, f in arms if f for c in [t.column(f)] if c]
        kind = widest(types) if types else Type.INT8
        if kind is None:
            raise Fatal(f"fold {fold.name!r}: column {name!r} mixes types")
        if aggregate.op == "sum" and not kind.is_number:
            raise Fatal(f"fold {fold.name!r}: column {name!r}: only numbers have a sum")
        if aggregate.op in ("min", "max") and kind is Type.JSON:
            raise Fatal(f"fold {fold.name!r}: column {name!r}: JSON has no order")
        if aggregate.op in ("min", "max") and any((t.event, f) in boundless for t, f in arms):
            raise Fatal(
                f"fold {fold.name!r}: column {name!r}: its values have no bound, and an index that "
                f"undo needs holds them: use first() or last()"
            )
        group = -1
        if aggregate.op in ("first", "last"):
            identity = (aggregate.op, tuple(t.name for t, _ in arms), aggregate.where)
            group = groups.setdefault(identity, len(groups))
        columns.append(Bound(name, aggregate.op, arms, aggregate.where, kind, group))
    used = {t.name: t for c in columns for t, _ in c.arms}
    key = tuple(_key(fold, k, used.values(), boundless) for k in fold.key)
    return BoundFold(fold, key, tuple(columns), tuple(used.values()))


def _unbounded(field: Field) -> bool:
    """Whether a sender may make the field longer than an index takes."""
    return field.kind in ("string", "json") or (
        field.kind == "hex" and not 0 < field.size <= _LONGEST
    )


def _boundless(program: str, schema: Schema) -> frozenset[tuple[str, str | None]]:
    return frozenset(
        (event.name, field.name)
        for binding in schema.bindings
        if binding.program == program
        for event in binding.interface.events
        for field in event.fields
        if _unbounded(field)
    )


def _key(
    fold: Fold,
    key: str | Digest,
    tables: Collection[EventTable],
    boundless: frozenset[tuple[str, str | None]],
) -> Key:
    field = key.field if isinstance(key, Digest) else key
    kind = widest([c.type for t in tables for c in [t.column(field)] if c])
    where = f"fold {fold.name!r}: key {field!r}"
    if kind is None:
        raise Fatal(f"{where} has types that don't mix")
    if isinstance(key, Digest):
        if not kind.is_text:
            raise Fatal(f"{where}: only a text has a digest: key the fold by the field itself")
        return Key(key.name, Type.HEX, of=field, digest=True)
    if any((t.event, field) in boundless for t in tables):
        raise Fatal(
            f"{where} has no bound, and one that is too long for an index would stop the "
            f'indexing: key the fold by digest("{field}")'
        )
    return Key(field, kind, of=field)


def _arms(
    fold: Fold,
    name: str,
    aggregate: Aggregate,
    events: dict[str, EventTable],
    keyed: dict[str, EventTable],
) -> Iterable[tuple[EventTable, str | None]]:
    where = f"fold {fold.name!r}: column {name!r}"
    if aggregate.op == "count" and not aggregate.sources:
        yield from ((t, None) for t in keyed.values())
    for source in aggregate.sources:
        event, dot, field = source.partition(".")
        if aggregate.op == "count":
            event, field = source, ""
        elif not dot:
            event, field = "", source
        if event:
            if event not in events:
                raise Fatal(f"{where}: {fold.program!r} has no event {event!r}")
            if event not in keyed:
                raise Fatal(f"{where}: event {event!r} has not all of {', '.join(fold.fields)}")
            if field and not events[event].column(field):
                raise Fatal(f"{where}: event {event!r} has no field {field!r}")
            yield events[event], field or None
        else:
            having = [t for t in keyed.values() if t.column(field)]
            if not having:
                raise Fatal(f"{where}: no event with {', '.join(fold.fields)} has {field!r}")
            yield from ((t, field) for t in having)
