"""The tables of all programs: one for each event of each program name, shared by the chains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from indexer.config import Config, Factory, Program
from indexer.decode.interface import Event, Interface, load, snake
from indexer.decode.types import Column, Type, widest
from indexer.errors import Fatal

COMMON = (
    Column("pos", Type.INT8, "height << 28 | ordinal: orders every event of one chain"),
    Column("tx", Type.TEXT, "transaction hash (0x-hex) or signature (base58)"),
    Column("address", Type.TEXT, "the contract or program that emitted it"),
    Column("time", Type.TIME, "time of the block"),
)
"""What every event table begins with, after ``chain``."""


@dataclass(frozen=True, slots=True)
class EventTable:
    """``columns`` are the event's own, after ``chain`` and COMMON."""

    name: str
    program: str
    event: str
    columns: tuple[Column, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return COMMON + self.columns

    def column(self, name: str) -> Column | None:
        return next((c for c in self.all_columns if c.name == name), None)


class Binding(NamedTuple):
    """A program's address on one chain, with what it may emit and where that goes.

    Children of a ``factory`` have one binding together, under the announcement's name; ``level``
    is how many factories stand above them.
    """

    program: str
    chain: str
    address: str
    start: int
    interface: Interface
    tables: dict[str, EventTable]
    """By event name."""
    factory: Factory | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Schema:
    """Every event table, and every program bound to its own."""

    tables: dict[str, EventTable]
    bindings: tuple[Binding, ...]

    def on(self, chain: str) -> dict[str, Binding]:
        """Bindings of one chain by address."""
        return {b.address: b for b in self.bindings if b.chain == chain}

    def of(self, program: str) -> dict[str, EventTable]:
        """Event tables of one program name by event name."""
        return {t.event: t for t in self.tables.values() if t.program == program}


def table_name(program: str, event: str) -> str:
    """``bets``, ``BetPlaced`` → ``bets_bet_placed``; Postgres ends names at 63 bytes."""
    name = f"{program}_{snake(event)}"
    if len(name) > 60:
        raise Fatal(f"program {program!r}: event {event}: its table's name is too long: {name}")
    return name


def schema(config: Config) -> Schema:
    """Reads the interfaces that ``config`` names and merges them into tables."""
    loaded = [
        (p, load(p.interface, config.chains[p.chain].kind, p.instructions)) for p in config.programs
    ]
    events: dict[tuple[str, str], list[Event]] = {}
    for program, interface in loaded:
        for event in interface.events:
            events.setdefault((program.name, event.name), []).append(event)
    tables = {key: _merge(*key, found) for key, found in events.items()}
    by_name: dict[str, EventTable] = {}
    for table in tables.values():
        other = by_name.setdefault(table.name, table)
        if other is not table:
            raise Fatal(
                f"events {other.program}.{other.event} and {table.program}.{table.event} would "
                f"share the table {table.name}: rename one program in the configuration"
            )
    bindings = tuple(
        Binding(
            p.name,
            p.chain,
            p.address,
            p.start,
            interface,
            {e.name: tables[p.name, e.name] for e in interface.events},
            p.factory,
            _level(p, config),
        )
        for p, interface in loaded
    )
    return Schema(by_name, bindings)


def _level(program: Program, config: Config) -> int:
    if program.factory is None:
        return 0
    parents = [p for p in config.programs_on(program.chain) if p.name == program.factory.program]
    return 1 + max(_level(p, config) for p in parents)


def _merge(program: str, event: str, variants: Iterable[Event]) -> EventTable:
    columns: dict[str, list[Column]] = {}
    for variant in variants:
        for column in variant.columns():
            columns.setdefault(column.name, []).append(column)
    merged: list[Column] = []
    for name, found in columns.items():
        kind = widest([c.type for c in found])
        if kind is None:
            raise Fatal(
                f"{program}.{event}: field {name!r} is {' and '.join(c.type.name for c in found)} "
                "in different interfaces of one program name: give the programs different names"
            )
        merged.append(Column(name, kind, found[0].doc))
    return EventTable(table_name(program, event), program, event, tuple(merged))
