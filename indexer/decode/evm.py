"""EVM logs to columns: one hex buffer a field, one view over it (ABI specification)."""

from __future__ import annotations

import re
from binascii import Error, unhexlify
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from indexer.chains.raw import HASH, EvmLogs, RawRange
from indexer.chains.watch import Child
from indexer.decode import columns as col
from indexer.decode.abi import canonical
from indexer.decode.batch import mismatch
from indexer.decode.interface import Event, Field
from indexer.decode.schema import Binding, EventTable
from indexer.decode.types import Type
from indexer.windows import distinct, window

Rows = NDArray[np.int64]
_STRING = re.compile(r"\bstring\b")


def groups(
    logs: EvmLogs, bindings: Mapping[str, Binding], children: Mapping[str, Child]
) -> Iterator[tuple[str, Event | None, Rows]]:
    """(address, event or None if unknown, its rows) of every kind of log in the batch.

    All children of one factory are one kind, under their role.
    """
    if not len(logs):
        return
    known = [bindings.get(children[a].role if a in children else a) for a in logs.emitters]
    addresses = list(dict.fromkeys(b.address for b in known if b is not None))
    kind = np.array([-1 if b is None else addresses.index(b.address) for b in known], np.int64)
    selectors, selector = _selectors(logs)
    code = kind[logs.address] * len(selectors) + selector
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=np.iinfo(np.int64).min))
    for rows in np.split(order, starts[1:]):
        a = kind[logs.address[rows[0]]]
        if a < 0:
            continue
        events = bindings[addresses[a]].interface.by_selector()
        yield addresses[a], events.get(selectors[selector[rows[0]]]) or events.get(""), rows


def _selectors(logs: EvmLogs) -> tuple[list[str], Rows]:
    """The first topics that there are ("" for none), and each log's place among them."""
    has = logs.topics[:, 0] >= 0
    places, found = distinct(window(logs.text, logs.topics[has, 0], HASH) | np.uint8(0x20))
    selector = np.zeros(len(logs), np.int64)
    selector[has] = places + 1
    return ["", *(s.decode("ascii") for s in found)], selector


def columns(raw: RawRange, event: Event, table: EventTable, rows: Rows) -> dict[str, pa.Array]:
    """The event's fields for ``rows``, each in its table's column type."""
    logs = raw.events
    assert isinstance(logs, EvmLogs)
    topics = logs.topics[rows]
    first = 1 if event.selector else 0
    wanted = first + sum(f.indexed for f in event.fields)
    counts = (topics >= 0).sum(axis=1)
    if (counts != wanted).any():
        i = int((counts != wanted).argmax())
        raise mismatch(raw, int(rows[i]), event, f"{counts[i]} topics, not {wanted}")
    body = _Body(raw, event, rows, logs)
    result: dict[str, pa.Array] = {}
    try:
        head = 0
        topic = first
        for field in event.fields:
            if field.indexed:
                digits = window(logs.text, topics[:, topic] + 2, HASH - 2)
                topic += 1
                result |= _static(field, table, digits)
            elif field.kind == "json":
                result[field.name] = body.json(field)
                head += head_size(field.source)
            elif field.size == 0:
                result[field.name] = body.dynamic(field, head)
                head += 32
            else:
                result |= _static(field, table, body.digits(head))
                head += 32
        body.end(head)
    except col.OutOfRange as error:
        raise mismatch(
            raw, int(rows[error.row]), event, f"a value of {table.name} too large"
        ) from None
    return result


def _static(field: Field, table: EventTable, digits: col.Bytes) -> dict[str, pa.Array]:
    """A 32-byte word of each row, as (n, 64) hex digits → its column (two for a time)."""
    if field.kind == "address":
        _zero(digits[:, :24])
        return {field.name: col.hex_digits(digits[:, 24:])}
    if field.kind == "hex":
        _zero(digits[:, 2 * field.size :])
        return {field.name: col.hex_digits(digits[:, : 2 * field.size])}
    words = np.frombuffer(unhexlify(digits.tobytes()), np.uint8).reshape(-1, 32)
    if field.kind == "bool":
        _zero(words[:, :31], 0)
        return {field.name: col.booleans(words[:, 31])}
    signed = field.kind == "int"
    if field.is_time:
        narrow = col.integers(words, signed=signed, size=field.size, to=Type.NUMERIC20)
        time, _ = col.times(words[:, -field.size :], signed=signed, size=field.size)
        return {field.name: time, f"{field.name}_raw": narrow}
    column = table.column(field.name)
    assert column is not None
    return {field.name: col.integers(words, signed=signed, size=field.size, to=column.type)}


class _Body:
    """The data of all rows, where the node's answer has it."""

    def __init__(self, raw: RawRange, event: Event, rows: Rows, logs: EvmLogs) -> None:
        self.raw, self.event, self.rows, self.text = raw, event, rows, logs.text
        self.starts, self.lengths = logs.data[rows], logs.size[rows]
        odd = self.lengths % 2 == 1
        if odd.any():
            raise mismatch(raw, int(rows[odd.argmax()]), event, "its data is not whole bytes")

    def digits(self, head: int) -> col.Bytes:
        """(n, 64) hex digits of the word at byte ``head`` of each row."""
        at = 2 + 2 * head
        self._refuse(self.lengths < at + 64)
        return window(self.text, self.starts + at, 64)

    def dynamic(self, field: Field, head: int) -> pa.Array:
        """A string or bytes, whose word at ``head`` points to its length and content."""
        pointers = self._uint(self.digits(head))
        content = (self.lengths - 2) // 2
        self._refuse((pointers < 0) | (pointers + 32 > content))
        sizes = self._uint(window(self.text, self.starts + 2 + 2 * pointers, 64))
        self._refuse((sizes < 0) | (pointers + 32 + sizes > content))
        flat, begins = self._content
        starts = begins[:-1] + pointers + 32
        if field.kind == "string":
            return col.texts(flat, starts, sizes)
        return col.hex_texts(flat, starts, sizes)

    def json(self, field: Field) -> pa.Array:
        """A composite, row by row, as JSON: the price of types that have no column."""
        from eth_abi.abi import decode as decode_abi

        dynamic = [f for f in self.event.fields if not f.indexed]
        kinds = [canonical(f.source) if isinstance(f.source, dict) else f.source for f in dynamic]
        # a string may hold any bytes: eth_abi would refuse those that are no UTF-8
        kinds = [_STRING.sub("bytes", kind) for kind in kinds]
        at = dynamic.index(field)
        found: list[str] = []
        flat, begins = self._content
        for i, (a, b) in enumerate(pairwise(begins.tolist())):
            try:
                values = decode_abi(kinds, flat[a:b].tobytes(), strict=False)
            except Exception as error:
                raise mismatch(self.raw, int(self.rows[i]), self.event, str(error)) from None
            found.append(orjson.dumps(_jsonable(values[at], field.source)).decode())
        return pa.array(found, pa.string())

    def end(self, head: int) -> None:
        """The heads end here: a static event has no more bytes, a dynamic one no fewer."""
        static = all(f.indexed or (f.size and f.kind != "json") for f in self.event.fields)
        wrong = self.lengths != 2 + 2 * head if static else self.lengths < 2 + 2 * head
        if wrong.any():
            row = int(wrong.argmax())
            why = f"{(self.lengths[row] - 2) // 2} bytes of data, not {head}"
            raise mismatch(self.raw, int(self.rows[row]), self.event, why)

    def _uint(self, digits: col.Bytes) -> NDArray[np.int64]:
        """Offsets and lengths: anything past 2^31 becomes -1, which no data can hold."""
        words = np.frombuffer(unhexlify(digits.tobytes()), np.uint8).reshape(-1, 32)
        value = col.int64s(words[:, 24:], signed=False)
        return np.where(words[:, :28].any(axis=1) | (value >= 1 << 31), -1, value)

    @cached_property
    def _content(self) -> tuple[col.Bytes, Rows]:
        """The data of all rows as bytes, end to end, and where each begins and the last ends."""
        digits, offsets = col.segments(self.text, self.starts + 2, self.lengths - 2)
        try:
            flat = unhexlify(digits.tobytes())
        except Error:
            raise mismatch(self.raw, int(self.rows[0]), self.event, "not hex") from None
        return np.frombuffer(flat, np.uint8), offsets.astype(np.int64) // 2

    def _refuse(self, short: NDArray[np.bool_]) -> None:
        if short.any():
            row = int(self.rows[short.argmax()])
            raise mismatch(self.raw, row, self.event, "its data ends too early")


def _zero(part: NDArray[np.uint8], zero: int = 0x30) -> None:
    """Padding must be zero; OutOfRange names the first row where it isn't."""
    if part.size and (part != zero).any():
        raise col.OutOfRange(int((part != zero).any(axis=1).argmax()))


def head_size(entry: Any) -> int:
    """Bytes that a composite takes in the head: 32 for a pointer, else all of it."""
    from eth_abi.registry import registry

    kind = canonical(entry) if isinstance(entry, dict) else entry
    decoder = registry.get_decoder(kind)
    if getattr(decoder, "is_dynamic", False):
        return 32
    from eth_abi.grammar import parse

    def size(node: Any) -> int:
        if node.arrlist:
            return int(node.arrlist[-1][0]) * size(node.item_type)
        return sum(size(c) for c in node.components) if hasattr(node, "components") else 32

    return size(parse(kind))


def _jsonable(value: Any, entry: Any) -> Any:
    """Integers as decimal strings, bytes as 0x-hex, tuples as objects by their fields' names."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    kind = entry["type"] if isinstance(entry, dict) else str(entry)
    if isinstance(value, bytes):
        if kind == "string":
            return value.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        return "0x" + value.hex()
    if isinstance(value, str):
        return value
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        item = {**entry, "type": inner} if isinstance(entry, dict) else inner
        return [_jsonable(v, item) for v in value]
    parts = entry.get("components", []) if isinstance(entry, dict) else []
    return {
        p["name"] or str(i): _jsonable(v, p)
        for i, (p, v) in enumerate(zip(parts, value, strict=True))
    }
