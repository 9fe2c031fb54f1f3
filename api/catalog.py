"""What the API serves: a table for each fold, view and event that the configuration declares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api import viewed
from api.edge import Field, Shape, field
from indexer.config import Config
from indexer.decode.schema import COMMON, EventTable, Schema, schema
from indexer.decode.types import Type
from indexer.errors import Fatal
from indexer.folds import bind, views
from indexer.folds.bind import Bound, BoundFold
from indexer.folds.views import View

CHAIN = Field("chain", Shape.TEXT, "text", False, doc="the chain's name in the configuration")
EVENT = Field("event", Shape.TEXT, "text", False, doc="the event's table")
RESERVED = ("changes", "events", "status", "tx")
"""Names under /v1 that no fold or view may have."""


@dataclass(frozen=True, slots=True)
class Table:
    """``fields`` begin with ``chain``; ``key`` names those of the primary key, in its order.

    ``fold`` is None but for a fold's. ``reads``: the folds that its rows are made of, a fold's own
    among them. ``emitters``: (chain, address, signature) of the events
    that an event table holds. ``parts``: the event tables that this one is the union of.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    chains: tuple[str, ...]
    fold: BoundFold | None = None
    reads: tuple[str, ...] = ()
    event: EventTable | None = None
    emitters: tuple[tuple[str, str, str], ...] = ()
    parts: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that may be asked for, by name; nothing else reaches SQL as an identifier."""

    config: Config
    declared: Schema
    folds: dict[str, Table]
    views: dict[str, Table]
    events: dict[str, Table]

    @property
    def bound(self) -> list[BoundFold]:
        return [t.fold for t in self.folds.values() if t.fold is not None]


def catalog(config: Config) -> Catalog:
    """Reads interfaces, folds and views; raises Fatal where one has the name of a route."""
    declared = schema(config)
    evm = frozenset(c.name for c in config.chains.values() if c.kind == "evm")
    addresses = _addresses(declared)
    bound = bind.load(config, declared)
    folds = {f.name: _fold(f, declared, addresses) for f in bound}
    listed = [_view(v, folds) for v in views.load(config, bound)]
    for table in (*folds.values(), *listed):
        if table.name in RESERVED:
            what = "fold" if table.fold else "view"
            raise Fatal(f"{what} {table.name!r} has the name of an API route: rename it")
    events = [_event(t, declared, addresses, evm) for t in declared.tables.values()]
    return Catalog(
        config, declared, folds, {t.name: t for t in listed}, {t.name: t for t in events}
    )


_Addresses = dict[tuple[str, str], frozenset[str]]
"""(event table, column) → the chains on which it is a 20-byte address."""


def _addresses(declared: Schema) -> _Addresses:
    found: dict[tuple[str, str], set[str]] = {}
    for binding in declared.bindings:
        for event in binding.interface.events:
            for column in event.columns():
                if column.type is Type.EVM_ADDRESS:
                    key = (binding.tables[event.name].name, column.name)
                    found.setdefault(key, set()).add(binding.chain)
    return {key: frozenset(chains) for key, chains in found.items()}


def _event(
    table: EventTable, declared: Schema, addresses: _Addresses, evm: frozenset[str]
) -> Table:
    emitters = tuple(
        (b.chain, b.address, e.signature)
        for b in declared.bindings
        for e in b.interface.events
        if b.tables[e.name] is table
    )
    common = [
        field(c, nullable=False, checksummed=evm if c.name == "address" else frozenset())
        for c in COMMON
    ]
    own = [
        field(c, nullable=True, checksummed=addresses.get((table.name, c.name), frozenset()))
        for c in table.columns
    ]
    return Table(
        table.name,
        f"Every {table.event} of {table.program}, as emitted.",
        (CHAIN, *common, *own),
        ("chain", "pos"),
        _ordered(chain for chain, _, _ in emitters),
        event=table,
        emitters=emitters,
    )


def _fold(fold: BoundFold, declared: Schema, addresses: _Addresses) -> Table:
    keys = [
        field(
            c,
            nullable=False,
            checksummed=_union(addresses, ((t.name, c.name) for t in fold.tables)),
        )
        for c in fold.key
    ]
    columns = [
        field(
            next(p for p in fold.public if p.name == c.name),
            nullable=c.op not in ("sum", "count"),
            is_sum=c.op == "sum",
            checksummed=_union(addresses, ((t.name, f) for t, f in c.arms if f)),
            doc=_doc(fold, c),
        )
        for c in fold.columns
    ]
    names = {t.name for t in fold.tables}
    return Table(
        fold.name,
        fold.fold.doc,
        (CHAIN, *keys, *columns),
        ("chain", *(c.name for c in fold.key)),
        _ordered(b.chain for b in declared.bindings if names & {t.name for t in b.tables.values()}),
        fold=fold,
        reads=(fold.name,),
    )


def _view(view: View, folds: dict[str, Table]) -> Table:
    """Its key is that of the fold it has a row for each row of, and an element of its list."""
    of = folds[view.of]
    reads = tuple(dict.fromkeys((view.of, *(j.fold for j in view.joins))))
    keys = [f for name in of.key for f in [of.field(name)] if f]
    if view.each:
        keys.append(Field(view.each[0], Shape.TEXT, "text", False, doc=f"one of {view.each[1]}"))
    made = viewed.columns(view, {name: folds[name].fields for name in reads})
    key = tuple(f.name for f in keys)
    return Table(view.name, view.doc, (*keys, *made), key, of.chains, reads=reads)


def _doc(fold: BoundFold, column: Bound) -> str:
    """``last of BetPlaced.pool_after``: how the fold declares it."""
    aggregate = fold.fold.columns[column.name]
    sources = ", ".join(aggregate.sources) or "all events"
    condition = f" where {aggregate.where}" if aggregate.where else ""
    return f"{aggregate.op} of {sources}{condition}"


def _union(addresses: _Addresses, columns: Iterable[tuple[str, str]]) -> frozenset[str]:
    return frozenset[str]().union(*(addresses.get(c, frozenset()) for c in columns))


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
