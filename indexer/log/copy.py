"""Arrow to Postgres' binary COPY format, by column, without an object for any value.

Source of the layout: PostgreSQL documentation, COPY, "Binary Format", and each type's
``*_recv`` function. Numerics are written with a fixed count of base-10,000 digits; the server
drops leading zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.decode.types import Column, Type

Bytes = NDArray[np.uint8]
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_EPOCH_2000 = 946_684_800_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class _Fixed:
    """(n, 4 + width): each value with its length before it."""

    cells: Bytes


@dataclass(frozen=True, slots=True)
class _Variable:
    """Value i is ``data[offsets[i]:offsets[i + 1]]``; ``prefix`` bytes stand before each."""

    data: Bytes
    offsets: NDArray[np.int64]
    valid: NDArray[np.bool_]
    prefix: bytes = b""


def rows(table: pa.Table, columns: Sequence[Column], chain: str) -> bytes:
    """The body of a COPY of (``chain``, *``columns``): no header, no trailer."""
    n = len(table)
    name = np.frombuffer(chain.encode(), np.uint8)
    cells: list[_Fixed | _Variable] = [_fixed(np.broadcast_to(name, (n, len(name))))]
    for column in columns:
        cells.append(_column(table.column(column.name), column.type))
    if all(isinstance(c, _Fixed) for c in cells):
        fixed = [c.cells for c in cells if isinstance(c, _Fixed)]
        out = np.empty((n, 2 + sum(c.shape[1] for c in fixed)), np.uint8)
        out[:, :2] = (len(cells) >> 8, len(cells) & 255)
        at = 2
        for c in fixed:
            out[:, at : at + c.shape[1]] = c
            at += c.shape[1]
        return out.tobytes()
    return _scatter(n, cells)


def _scatter(n: int, cells: list[_Fixed | _Variable]) -> bytes:
    sizes: list[NDArray[np.int64]] = []
    for c in cells:
        if isinstance(c, _Fixed):
            sizes.append(np.full(n, c.cells.shape[1], np.int64))
        else:
            length = np.diff(c.offsets) + len(c.prefix)
            sizes.append(4 + np.where(c.valid, length, 0))
    row_sizes = 2 + np.sum(sizes, axis=0)
    at = np.cumsum(row_sizes) - row_sizes
    out = np.empty(int(row_sizes.sum()), np.uint8)
    out[at] = len(cells) >> 8
    out[at + 1] = len(cells) & 255
    at = at + 2
    for c, size in zip(cells, sizes, strict=True):
        if isinstance(c, _Fixed):
            out[at[:, None] + np.arange(c.cells.shape[1])] = c.cells
        else:
            lengths = np.where(c.valid, size - 4, -1)
            out[at[:, None] + np.arange(4)] = lengths.astype(">i4").view(np.uint8).reshape(-1, 4)
            into = at + 4
            for i, byte in enumerate(c.prefix):
                out[into[c.valid] + i] = byte
            into = into + len(c.prefix)
            counts = np.where(c.valid, np.diff(c.offsets), 0)
            shift = np.repeat(into - np.cumsum(counts) + counts, counts)
            source = np.repeat(c.offsets[:-1] - np.cumsum(counts) + counts, counts)
            steps = np.arange(int(counts.sum()))
            out[shift + steps] = c.data[source + steps]
        at = at + size
    return out.tobytes()


def _column(chunked: pa.ChunkedArray, kind: Type) -> _Fixed | _Variable:
    array = chunked.combine_chunks() if chunked.num_chunks != 1 else chunked.chunk(0)
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if kind.is_text or kind is Type.JSON:
        return _text(array, b"\x01" if kind is Type.JSON else b"")
    payload = _values(array, kind)
    if not array.null_count:
        return _fixed(payload)
    n, width = payload.shape
    return _Variable(
        np.ascontiguousarray(payload).reshape(-1),
        np.arange(n + 1, dtype=np.int64) * width,
        _valid(array),
    )


def _values(array: pa.Array, kind: Type) -> Bytes:
    n = len(array)
    if kind is Type.BOOL:
        return array.cast(pa.uint8()).fill_null(0).to_numpy(zero_copy_only=False).reshape(-1, 1)
    if kind in (Type.INT4, Type.INT8):
        values = array.fill_null(0).to_numpy(zero_copy_only=False)
        big = values.astype(">i4" if kind is Type.INT4 else ">i8")
        return big.view(np.uint8).reshape(n, -1)
    if kind is Type.TIME:
        micros = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
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
    out[:, 0:2] = (0, count)
    out[:, 2:4] = (0, count - 1)
    out[:, 4] = np.where(negative, 0x40, 0)
    out[:, 5:8] = 0
    out[:, 8:] = groups.astype(">u2").view(np.uint8).reshape(n, -1)
    return out


def _digit_groups(limbs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(n, L) little-endian 32-bit limbs → (n, D) base-10,000 digits, the highest first."""
    base = np.uint64(10_000)
    n, size = limbs.shape
    if not limbs[:, 2:].any():
        rest = limbs[:, 0] | (limbs[:, 1] << np.uint64(32))
        out = np.empty((n, 5), np.uint64)
        for d in range(4, -1, -1):
            rest, out[:, d] = np.divmod(rest, base)
        return out
    count = -(-size * 963 // 400)  # log10(2^32) / 4 digits a limb, rounded up
    out = np.empty((n, count), np.uint64)
    rest = limbs.copy()
    for d in range(count - 1, -1, -1):
        carry = np.zeros(n, np.uint64)
        for limb in range(size - 1, -1, -1):
            value = (carry << np.uint64(32)) | rest[:, limb]
            rest[:, limb], carry = np.divmod(value, base)
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
            return _fixed(data[offsets[0] : offsets[-1]].reshape(n, int(lengths[0])))
    return _Variable(data, offsets.astype(np.int64), _valid(array), prefix)


def _fixed(payload: Bytes) -> _Fixed:
    n, width = payload.shape
    cells = np.empty((n, 4 + width), np.uint8)
    cells[:, :4] = np.frombuffer(np.array([width], ">i4").tobytes(), np.uint8)
    cells[:, 4:] = payload
    return _Fixed(cells)


def _valid(array: pa.Array) -> NDArray[np.bool_]:
    return array.is_valid().to_numpy(zero_copy_only=False)
