"""The decoded batch: one Arrow table for each event table that got rows."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.chains.raw import HASH, Blocks, EvmLogs, RawRange, SolanaEvents
from indexer.decode.columns import fixed_text, hex_digits
from indexer.decode.interface import Event
from indexer.decode.schema import Binding, EventTable, Schema
from indexer.decode.types import Type
from indexer.errors import Fatal
from indexer.windows import window

ORDINAL_BITS = 28
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """``first..last`` (heights, inclusive) of one chain, decoded.

    ``tables``: event table name → Arrow table with the columns of ``EventTable.all_columns``,
    ascending by ``pos``. ``unknown`` counts events of the watched programs that their interface
    doesn't name. ``emitters`` are the addresses that emitted the others.
    """

    chain: str
    first: int
    last: int
    finalized: bool
    blocks: Blocks
    tables: dict[str, pa.Table]
    unknown: int
    emitters: frozenset[str]

    def __len__(self) -> int:
        return sum(len(t) for t in self.tables.values())


def joined(batches: Sequence[Batch]) -> Batch:
    """Neighbouring batches of finalized heights, in their order, as one."""
    if len(batches) == 1:
        return batches[0]
    first, last = batches[0], batches[-1]
    names = dict.fromkeys(name for b in batches for name in b.tables)
    return Batch(
        first.chain,
        first.first,
        last.last,
        True,
        Blocks.joined([b.blocks for b in batches]),
        {n: pa.concat_tables([b.tables[n] for b in batches if n in b.tables]) for n in names},
        sum(b.unknown for b in batches),
        first.emitters.union(*(b.emitters for b in batches)),
    )


def decode(raw: RawRange, schema: Schema, only: Container[tuple[str, str]] | None = None) -> Batch:
    """Decodes a raw range. Raises Fatal, naming the place, where bytes don't fit the interface.

    ``only`` keeps these (address, event signature) pairs and drops other known events.
    """
    bindings = schema.on(raw.chain)
    if isinstance(raw.events, EvmLogs):
        from indexer.decode.evm import columns, groups

        found_groups = groups(raw.events, bindings, raw.children)
    else:
        from indexer.decode.solana import columns, groups

        found_groups = groups(raw.events, bindings)
    times = _block_times(raw)
    ordinals = raw.events.log_index if isinstance(raw.events, EvmLogs) else raw.events.ordinal
    positions = (raw.events.height << ORDINAL_BITS) | ordinals
    parts: dict[str, list[pa.Table]] = {}
    unknown = 0
    emitters: set[str] = set()
    for address, event, rows in found_groups:
        if event is None:
            unknown += len(rows)
            continue
        if only is not None and (address, event.signature) not in only:
            continue
        binding = bindings[address]
        table = binding.tables[event.name]
        found = columns(raw, event, table, rows)
        by = _emitters(raw, binding, rows)
        emitters.update(by.names)
        parts.setdefault(table.name, []).append(
            _table(raw, by, table, rows, positions, times, found)
        )
    tables = {
        name: found[0] if len(found) == 1 else pa.concat_tables(found).sort_by("pos")
        for name, found in parts.items()
    }
    return Batch(
        raw.chain,
        raw.first,
        raw.last,
        raw.finalized,
        raw.blocks,
        tables,
        unknown,
        frozenset(emitters),
    )


def picked(column: list[T], rows: NDArray[np.int64]) -> list[T]:
    """``column`` at ``rows``, which are ascending and each there once."""
    return column if len(rows) == len(column) else [column[i] for i in rows.tolist()]


def place(raw: RawRange, row: int) -> str:
    """Where row ``row`` of the raw events is, for an error's reader."""
    events = raw.events
    ordinal = events.log_index if isinstance(events, EvmLogs) else events.ordinal
    where = f"{raw.chain} height {events.height[row]} transaction {events.tx_hash(row)}"
    return f"{where} index {ordinal[row]}"


def mismatch(raw: RawRange, row: int, event: Event, why: str) -> Fatal:
    return Fatal(
        f"{place(raw, row)}: the bytes of event {event.signature} don't fit its interface "
        f"({why}): give the interface of the program that is deployed there"
    )


def _block_times(raw: RawRange) -> NDArray[np.int64]:
    """Block time in unix seconds of each event."""
    heights = raw.events.height
    if not len(heights):
        return heights
    index = np.searchsorted(raw.blocks.height, heights)
    index = np.minimum(index, len(raw.blocks) - 1)
    missing = raw.blocks.height[index] != heights
    if missing.any():
        row = int(missing.argmax())
        raise Fatal(f"{place(raw, row)}: the range came without the header of this height")
    return raw.blocks.time[index]


def _table(
    raw: RawRange,
    by: _Emitters,
    table: EventTable,
    rows: NDArray[np.int64],
    positions: NDArray[np.int64],
    times: NDArray[np.int64],
    found: dict[str, pa.Array],
) -> pa.Table:
    n = len(rows)
    arrays: dict[str, pa.Array] = {
        "pos": pa.array(positions[rows]),
        "tx": _transactions(raw.events, rows),
        "address": by.column,
        "time": pa.array(times[rows] * 1_000_000, Type.TIME.arrow),
    }
    for column in table.columns:
        arrays[column.name] = (
            found[column.name] if column.name in found else pa.nulls(n, column.type.arrow)
        )
    return pa.table(arrays)


def _transactions(events: EvmLogs | SolanaEvents, rows: NDArray[np.int64]) -> pa.Array:
    if isinstance(events, EvmLogs):
        return hex_digits(window(events.text, events.tx[rows] + 2, HASH - 2))
    return pa.array(picked(events.tx, rows), pa.string())


class _Emitters(NamedTuple):
    """The address column of rows, and the addresses in it."""

    column: pa.Array
    names: Sequence[str]


def _emitters(raw: RawRange, binding: Binding, rows: NDArray[np.int64]) -> _Emitters:
    """Of a factory's children each row has its own."""
    names, places = [binding.address], np.zeros(len(rows), np.int64)
    if binding.factory is not None and isinstance(raw.events, EvmLogs):
        numbers, places = np.unique(raw.events.address[rows], return_inverse=True)
        names = [raw.events.emitters[i] for i in numbers.tolist()]
    text = np.frombuffer("".join(names).encode("ascii"), np.uint8).reshape(len(names), -1)
    return _Emitters(fixed_text(text[places]), names)
