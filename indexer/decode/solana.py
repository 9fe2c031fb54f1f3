"""Anchor events to columns: a cursor for each row walks the borsh bytes of all rows at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from indexer.chains.raw import RawRange, SolanaEvents
from indexer.decode import borsh
from indexer.decode import columns as col
from indexer.decode.batch import mismatch
from indexer.decode.interface import Event, Field
from indexer.decode.schema import Binding, EventTable

Rows = NDArray[np.int64]
_DISCRIMINATOR = 8


def groups(
    events: SolanaEvents, bindings: Mapping[str, Binding]
) -> Iterator[tuple[str, Event | None, Rows]]:
    """(program, event or None if unknown, its rows) of every kind of event in the batch."""
    rows: dict[tuple[str, bytes], list[int]] = {}
    for i, (program, payload) in enumerate(zip(events.program, events.payload, strict=True)):
        rows.setdefault((program, payload[:_DISCRIMINATOR]), []).append(i)
    for (program, discriminator), found in rows.items():
        binding = bindings.get(program)
        if binding is not None:
            event = binding.interface.by_selector().get(discriminator.hex())
            yield program, event, np.array(found, np.int64)


def columns(raw: RawRange, event: Event, table: EventTable, rows: Rows) -> dict[str, pa.Array]:
    """The event's fields for ``rows``, each in its table's column type."""
    events = raw.events
    assert isinstance(events, SolanaEvents)
    payloads = [events.payload[i] for i in rows]
    lengths = np.fromiter((len(p) for p in payloads), np.int64, len(payloads))
    ends = np.cumsum(lengths)
    flat = np.frombuffer(b"".join(payloads), np.uint8)
    cursor = ends - lengths + _DISCRIMINATOR
    result: dict[str, pa.Array] = {}

    def take(width: int) -> col.Bytes:
        nonlocal cursor
        short = cursor + width > ends
        if short.any():
            row = int(rows[short.argmax()])
            raise mismatch(raw, row, event, "it ends too early")
        found = col.window(flat, cursor, width)
        cursor = cursor + width
        return found

    for field in event.fields:
        if field.kind == "json":
            try:
                texts, sizes = _composites(field, flat, cursor, ends)
            except col.OutOfRange as error:
                row = int(rows[error.row])
                raise mismatch(raw, row, event, f"field {field.name}: {error.__cause__}") from None
            result[field.name] = texts
            cursor = cursor + sizes
        elif field.size == 0:
            sizes = col.int64s(take(4)[:, ::-1], signed=False)
            if (cursor + sizes > ends).any():
                row = int(rows[(cursor + sizes > ends).argmax()])
                raise mismatch(raw, row, event, "it ends too early")
            make = col.texts if field.kind == "string" else col.hex_texts
            result[field.name] = make(flat, cursor, sizes)
            cursor = cursor + sizes
        else:
            try:
                result |= _static(field, table, take(field.size))
            except col.OutOfRange as error:
                row = int(rows[error.row])
                raise mismatch(raw, row, event, f"field {field.name}") from None
    # programs ignore what follows an instruction's arguments, so anyone may put bytes there
    if event.accounts is None and (cursor != ends).any():
        row = int(rows[(cursor != ends).argmax()])
        raise mismatch(raw, row, event, "it has more bytes than fields")
    return result


def _static(field: Field, table: EventTable, data: col.Bytes) -> dict[str, pa.Array]:
    if field.kind == "pubkey":
        return {field.name: col.pubkeys(data)}
    if field.kind == "hex":
        return {field.name: col.hex_of(data)}
    if field.kind == "bool":
        return {field.name: col.booleans(data[:, 0])}
    big_endian = data[:, ::-1]
    signed = field.kind == "int"
    if field.is_time:
        time, seconds = col.times(big_endian, signed=signed, size=field.size)
        return {field.name: time, f"{field.name}_raw": seconds}
    column = table.column(field.name)
    assert column is not None
    return {field.name: col.integers(big_endian, signed=signed, size=field.size, to=column.type)}


def _composites(
    field: Field, flat: col.Bytes, starts: Rows, ends: Rows
) -> tuple[pa.Array, NDArray[np.int64]]:
    """A composite, row by row, as JSON, and the bytes that each took."""
    found: list[bytes] = []
    sizes = np.empty(len(starts), np.int64)
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        try:
            kind, types = field.source
            value, sizes[i] = borsh.read(kind, types, flat[start:end].tobytes(), 0)
        except borsh.Malformed as error:
            raise col.OutOfRange(i) from error
        found.append(orjson.dumps(value))
    return pa.array(found, pa.string()), sizes
