"""Pieces of a byte buffer, gathered at once: no Python object for any of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
_FEW = 8
"""A value is sought by itself that at least one in so many of the rows that are left has."""


def window(flat: Bytes, starts: NDArray[np.int64], width: int) -> Bytes:
    """``width`` bytes of the contiguous ``flat`` from each start (none below 0): (n, width).

    IndexError where ``flat`` ends before. One copy of ``width`` bytes a row: ten times faster
    than an index for each byte.
    """
    if not len(starts) or not width:
        return np.empty((len(starts), width), np.uint8)
    pieces = np.ndarray((max(0, len(flat) - width + 1),), f"V{width}", flat, strides=(1,))
    return pieces[starts].view(np.uint8).reshape(len(starts), width)


def put(out: Bytes, starts: NDArray[np.int64], pieces: Bytes) -> None:
    """Writes row i of ``pieces`` (n, width) into the contiguous ``out`` from ``starts[i]`` on."""
    n, width = pieces.shape
    if not n or not width:
        return
    places = np.ndarray((max(0, len(out) - width + 1),), f"V{width}", out, strides=(1,))
    places[starts] = np.ascontiguousarray(pieces).view(f"V{width}")[:, 0]


def move(
    flat: Bytes,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    out: Bytes,
    into: NDArray[np.int64],
) -> None:
    """Copies ``lengths[i]`` bytes from ``flat[starts[i]]`` on to ``out[into[i]]`` on.

    All pieces of one length at once: names, keys and numbers have few.
    """
    order = np.argsort(lengths, kind="stable")
    steps = np.flatnonzero(np.diff(lengths[order], prepend=-1))
    for rows in np.split(order, steps[1:]):
        if len(rows):
            put(out, into[rows], window(flat, starts[rows], int(lengths[rows[0]])))


def distinct(pieces: Bytes) -> tuple[NDArray[np.int64], list[bytes]]:
    """The different rows of ``pieces`` (n, width), and each row's place among them.

    Where a few are nearly all, each is sought by itself; Arrow's dictionary does the others.
    """
    places = np.empty(len(pieces), np.int64)
    found: list[bytes] = []
    left, rows = pieces, np.arange(len(pieces))
    while len(rows):
        same = (left == left[0]).all(axis=1)
        if int(same.sum()) * _FEW < len(rows):
            break
        places[rows[same]] = len(found)
        found.append(left[0].tobytes())
        left, rows = left[~same], rows[~same]
    if len(rows):
        n, width = left.shape
        body = pa.py_buffer(np.ascontiguousarray(left))
        coded = pa.Array.from_buffers(pa.binary(width), n, [None, body]).dictionary_encode()
        places[rows] = coded.indices.to_numpy() + len(found)
        found += coded.dictionary.to_pylist()
    return places, found
