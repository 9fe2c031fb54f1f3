"""Arrow to Postgres' binary COPY format, by column, without an object for any value.

Source of the layout: PostgreSQL documentation, COPY, "Binary Format", and each type's
``*_recv`` function. Numerics are written with a fixed count of base-10,000 digits; the server
drops leading zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.decode.types import Column, Type
from indexer.windows import Bytes, move, put

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_BASE = 10_000
_EPOCH_2000 = 946_684_800_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class _Fixed:
    """(n, width): values of one length."""

    values: Bytes

    @property
    def width(self) -> int:
        return self.values.shape[1]


@dataclass(frozen=True, slots=True)
class _Variable:
    """Value i is ``data[offsets[i]:offsets[i + 1]]``; ``prefix`` bytes stand before each."""

    data: Bytes
    offsets: NDArray[np.int64]
    valid: NDArray[np.bool_]
    prefix: bytes = b""


def rows(table: pa.Table, columns: Sequence[Column], chain: str) -> memoryview:
    """The body of a COPY of (``chain``, *``columns``): no header, no trailer."""
    n = len(table)
    name = np.frombuffer(chain.encode(), np.uint8)
    cells: list[_Fixed | _Variable] = [_Fixed(np.broadcast_to(name, (n, len(name))))]
    for column in columns:
        cells.append(_column(table.column(column.name), column.type))
    fixed = [c for c in cells if isinstance(c, _Fixed)]
    return (_table(n, fixed) if len(fixed) == len(cells) else _ragged(n, cells)).data


def _table(n: int, cells: list[_Fixed]) -> Bytes:
    """Rows of one length."""
    out = np.empty((n, 2 + sum(4 + c.width for c in cells)), np.uint8)
    out[:, :2] = _big_endian(len(cells), 2)
    at = 2
    for c in cells:
        out[:, at : at + 4] = _big_endian(c.width, 4)
        out[:, at + 4 : at + 4 + c.width] = c.values
        at += 4 + c.width
    return out.reshape(-1)


def _ragged(n: int, cells: list[_Fixed | _Variable]) -> Bytes:
    """Rows of any length."""
    sizes: list[NDArray[np.int64]] = []
    for c in cells:
        if isinstance(c, _Fixed):
            sizes.append(np.full(n, c.width, np.int64))
        else:
            sizes.append(np.where(c.valid, np.diff(c.offsets) + len(c.prefix), 0))
    row_sizes = 2 + 4 * len(cells) + np.sum(sizes, axis=0)
    at = np.cumsum(row_sizes) - row_sizes
    out = np.empty(int(row_sizes.sum()), np.uint8)
    put(out, at, np.broadcast_to(_big_endian(len(cells), 2), (n, 2)))
    at = at + 2
    for c, size in zip(cells, sizes, strict=True):
        if isinstance(c, _Fixed):
            put(out, at, np.broadcast_to(_big_endian(c.width, 4), (n, 4)))
            put(out, at + 4, c.values)
        else:
            lengths = np.where(c.valid, size, -1)
            put(out, at, lengths.astype(">i4").view(np.uint8).reshape(-1, 4))
            into = at + 4
            if c.prefix:
                there = into[c.valid]
                prefix = np.frombuffer(c.prefix, np.uint8)
                put(out, there, np.broadcast_to(prefix, (len(there), len(prefix))))
            move(c.data, c.offsets[:-1], np.maximum(size - len(c.prefix), 0), out,
                 into + len(c.prefix))  # fmt: skip
        at = at + 4 + size
    return out


def _big_endian(value: int, size: int) -> Bytes:
    return np.frombuffer(value.to_bytes(size, "big"), np.uint8)


def _column(chunked: pa.ChunkedArray, kind: Type) -> _Fixed | _Variable:
    array = chunked.combine_chunks() if chunked.num_chunks != 1 else chunked.chunk(0)
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if kind.is_text or kind is Type.JSON:
        return _text(array, b"\x01" if kind is Type.JSON else b"")
    payload = _values(array, kind)
    if not array.null_count:
        return _Fixed(payload)
    n, width = payload.shape
    return _Variable(
        np.ascontiguousarray(payload).reshape(-1),
        np.arange(n + 1, dtype=np.int64) * width,
        _valid(array),
    )


def _values(array: pa.Array, kind: Type) -> Bytes:
    n = len(array)
    if kind is Type.BOOL:
        values = _filled(array, False).to_numpy(zero_copy_only=False)
        return values.view(np.uint8).reshape(-1, 1)
    if kind in (Type.INT4, Type.INT8):
        values = _filled(array, 0).to_numpy(zero_copy_only=False)
        big = values.astype(">i4" if kind is Type.INT4 else ">i8")
        return big.view(np.uint8).reshape(n, -1)
    if kind is Type.TIME:
        micros = _filled(array.view(pa.int64()), 0).to_numpy(zero_copy_only=False)
        return (micros - _EPOCH_2000).astype(">i8").view(np.uint8).reshape(n, 8)
    return _numeric(array, kind)


def _numeric(array: pa.Array, kind: Type) -> Bytes:
    width = 33 if kind is Type.NUMERIC78 else 16
    buffer = np.frombuffer(array.buffers()[1], np.uint8)
    raw = buffer[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)
    if kind is Type.NUMERIC78:
        raw = raw[:, ::-1]  # little-endian from here on
    if array.null_count:
        raw = np.where(_valid(array)[:, None], raw, 0).astype(np.uint8)
    negative = raw[:, -1] >> 7 == 1
    limbs = np.ascontiguousarray(raw[:, : width & ~3]).view("<u4").astype(np.uint64)
    if negative.any():
        limbs[negative] = _negated(limbs[negative])
    groups = _digit_groups(limbs)
    n, count = groups.shape
    out = np.empty((n, 8 + 2 * count), np.uint8)
    out[:, :4] = (0, count, 0, count - 1)
    out[:, 4] = np.where(negative, 0x40, 0)
    out[:, 5:8] = 0
    out[:, 8:] = groups.astype(">u2").view(np.uint8).reshape(n, -1)
    return out


def _digit_groups(limbs: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """(n, L) little-endian 32-bit limbs → (n, D) base-10,000 digits, the highest first: as many
    as the largest value has."""
    n, size = limbs.shape
    if not limbs[:, 2:].any():
        rest = limbs[:, 0] | (limbs[:, 1] << np.uint64(32))
        largest = int(rest.max(initial=0))
        if largest < 1 << 32:
            rest = rest.astype(np.uint32)  # several times faster to divide
        out = np.empty((n, max(1, -(-len(str(largest)) // 4))), np.uint16)
        for d in range(out.shape[1] - 1, -1, -1):
            above = rest // _BASE
            out[:, d] = rest - above * _BASE
            rest = above
        return out
    count = -(-size * 963 // 400)  # log10(2^32) / 4 digits a limb, rounded up
    out = np.empty((n, count), np.uint16)
    rest = limbs.copy()
    for d in range(count - 1, -1, -1):
        carry = np.zeros(n, np.uint64)
        for limb in range(size - 1, -1, -1):
            value = (carry << np.uint64(32)) | rest[:, limb]
            rest[:, limb], carry = np.divmod(value, np.uint64(_BASE))
        out[:, d] = carry
    return out


def _negated(limbs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = limbs ^ np.uint64(0xFFFFFFFF)
    carry = np.ones(len(out), np.uint64)
    for limb in range(out.shape[1]):
        total = out[:, limb] + carry
        out[:, limb], carry = total & np.uint64(0xFFFFFFFF), total >> np.uint64(32)
    return out


def _text(array: pa.Array, prefix: bytes) -> _Fixed | _Variable:
    n = len(array)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + n + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)
    if n and not array.null_count and not prefix:
        lengths = np.diff(offsets)
        if (lengths == lengths[0]).all():
            return _Fixed(data[offsets[0] : offsets[-1]].reshape(n, int(lengths[0])))
    return _Variable(data, offsets.astype(np.int64), _valid(array), prefix)


def _filled(array: pa.Array, value: Any) -> pa.Array:
    return array.fill_null(value) if array.null_count else array


def _valid(array: pa.Array) -> NDArray[np.bool_]:
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    return array.is_valid().to_numpy(zero_copy_only=False)
