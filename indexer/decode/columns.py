"""NumPy bytes to Arrow columns. Each function takes one field of all rows at once."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer import windows
from indexer.decode.types import Type
from indexer.windows import Bytes

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799  # years 1 to 9999


class OutOfRange(Exception):
    """Row ``row`` holds a value that its type can't have."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def integers(be: Bytes, *, signed: bool, size: int, to: Type) -> pa.Array:
    """(n, w) big-endian two's complement of ``size`` significant bytes → ``to``.

    Raises OutOfRange where the ``w - size`` bytes before are no sign extension.
    """
    _n, width = be.shape
    negative = (be[:, width - size] >> 7).astype(bool) & signed
    fill = np.where(negative, 0xFF, 0).astype(np.uint8)
    if width > size:
        bad = be[:, : width - size] != fill[:, None]
        if bad.any():
            raise OutOfRange(int(bad.any(axis=1).argmax()))
    if to is Type.NUMERIC78:
        wide = np.repeat(fill[:, None], 33, axis=1)
        wide[:, 33 - size :] = be[:, width - size :]
        return _fixed(wide, pa.binary(33))
    if to in (Type.NUMERIC20, Type.NUMERIC38):
        wide = np.repeat(fill[:, None], 16, axis=1)
        take = min(size, 16)
        wide[:, :take] = be[:, width - take :][:, ::-1]
        return _fixed(wide, to.arrow)
    return pa.array(int64s(be[:, width - size :], signed=signed), to.arrow)


def int64s(be: Bytes, *, signed: bool) -> NDArray[np.int64]:
    """(n, ≤ 8) big-endian bytes → int64 (u64 above 2^63 wraps)."""
    n, width = be.shape
    wide = np.zeros((n, 8), np.uint8)
    if signed:
        wide[:] = np.where(be[:, :1] >> 7, 0xFF, 0)
    wide[:, 8 - width :] = be
    return wide.view(">i8")[:, 0].astype(np.int64)


def times(be: Bytes, *, signed: bool, size: int) -> tuple[pa.Array, pa.Array]:
    """Unix seconds → (timestamptz, null beyond the years 1 to 9999; the raw seconds)."""
    raw = integers(be, signed=signed, size=size, to=Type.NUMERIC20)
    seconds = int64s(be[:, be.shape[1] - size :], signed=signed)
    beyond = (seconds < _MIN_SECONDS) | (seconds > _MAX_SECONDS)
    if not signed and size == 8:
        beyond |= seconds < 0
    micros = np.where(beyond, 0, seconds) * 1_000_000
    return pa.array(micros, Type.TIME.arrow, mask=beyond), raw


def booleans(last: NDArray[np.uint8]) -> pa.Array:
    """(n,) bytes that must be 0 or 1."""
    bad = last > 1
    if bad.any():
        raise OutOfRange(int(bad.argmax()))
    return pa.array(last.astype(bool))


def hex_of(data: Bytes) -> pa.Array:
    """(n, w) bytes → "0x" and 2w lower-case digits each."""
    n, width = data.shape
    digits = np.empty((n, width, 2), np.uint8)
    digits[:, :, 0] = _HEX[data >> 4]
    digits[:, :, 1] = _HEX[data & 15]
    return hex_digits(digits.reshape(n, 2 * width))


def hex_digits(digits: Bytes) -> pa.Array:
    """(n, w) ASCII digits of any case → "0x" and the digits in lower case."""
    n, width = digits.shape
    text = np.empty((n, width + 2), np.uint8)
    text[:, :2] = (0x30, 0x78)
    text[:, 2:] = digits | 0x20  # a letter's lower case; digits have that bit
    return fixed_text(text)


def fixed_text(text: Bytes) -> pa.Array:
    """(n, w) ASCII → strings of w characters."""
    n, width = text.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(
        n, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text))
    )


def pubkeys(keys: Bytes) -> pa.Array:
    """(n, 32) bytes → base58, computed once for each different key."""
    places, found = windows.distinct(keys)
    return pa.array(map(_base58, found), pa.string()).take(pa.array(places))


@lru_cache(1 << 16)
def _base58(key: bytes) -> str:
    from based58 import b58encode

    return b58encode(key).decode()


def texts(flat: Bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> pa.Array:
    """Segments of ``flat`` as UTF-8. Bytes that Postgres can't hold are stored escaped.

    Invalid UTF-8 becomes ``\\xNN`` for each byte and U+0000 becomes ``\\x00``.
    """
    data, offsets = segments(flat, starts, lengths)
    array = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(data))
    try:
        array.validate(full=True)
        if not (data == 0).any():
            return array
    except pa.ArrowInvalid:
        pass
    whole = data.tobytes()
    return pa.array(
        [
            whole[a:b].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
            for a, b in itertools.pairwise(offsets)
        ],
        pa.string(),
    )


def hex_texts(flat: Bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> pa.Array:
    """Segments of ``flat`` as 0x-hex."""
    data, offsets = segments(flat, starts, lengths)
    whole = data.tobytes().hex()
    return pa.array(
        ["0x" + whole[2 * a : 2 * b] for a, b in itertools.pairwise(offsets)],
        pa.string(),
    )


def window(flat: Bytes, starts: NDArray[np.int64], width: int) -> Bytes:
    """``width`` bytes from each start: (n, width). OutOfRange where ``flat`` ends before."""
    if len(starts) and int(starts.max()) + width > len(flat):
        raise OutOfRange(int((starts + width > len(flat)).argmax()))
    return windows.window(flat, starts, width)


def segments(
    flat: Bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[Bytes, NDArray[np.int32]]:
    """The pieces end to end, and where each begins and the last ends."""
    offsets = np.zeros(len(starts) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    out = np.empty(offsets[-1], np.uint8)
    windows.move(flat, starts, lengths, out, offsets[:-1].astype(np.int64))
    return out, offsets


def _fixed(rows: Bytes, kind: Any) -> pa.Array:
    return pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))])
