"""Base58 of many strings at once.

Decoding is a change of base, quadratic in the length: 45 µs for an event of 300 bytes in C.
Strings of one length share the powers of 58, so a matrix product decodes them together.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

import based58
import numpy as np
from numpy.typing import NDArray

_ALPHABET = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = np.full(256, 255, np.uint8)
_VALUE[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(58, dtype=np.uint8)
_DIGITS = 4
"""Characters to a digit of the input: 58**4 < 2**24, so products with 16-bit limbs add up
exactly in a float64 for far longer strings than a transaction holds."""
_ROWS = 1024
"""Strings at once: what they become stays in a core's cache, which halves the time."""
_PRODUCT = 200_000
"""Multiplications of one matrix product: beyond 262,144 OpenBLAS wakes its other threads, which
costs more than they bring."""
_FEW = 8
_LONGEST = 4096
"""Characters: 2**24 * 2**16 * (4096 / 4) = 2**50, below the 2**53 that a float64 holds."""


@lru_cache(maxsize=64)
def _powers(groups: int, limbs: int) -> NDArray[np.float64]:
    """58**4's powers as big-endian 16-bit limbs, the highest power first."""
    table = np.empty((groups, limbs), np.float64)
    for i in range(groups):
        power = (58**_DIGITS) ** (groups - 1 - i)
        table[i] = np.frombuffer(power.to_bytes(limbs * 2, "big"), ">u2")
    return table


def decode(texts: list[str]) -> list[bytes | None]:
    """The bytes of each text; None for what is no base58."""
    found: list[bytes | None] = [None] * len(texts)
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        by_length[len(text)].append(i)
    for length, rows in by_length.items():
        if length == 0 or length > _LONGEST or len(rows) < _FEW:
            for i in rows:
                found[i] = _one(texts[i])
            continue
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            for i, value in zip(part, _many([texts[i] for i in part], length), strict=True):
                found[i] = value
    return found


def _one(text: str) -> bytes | None:
    try:
        return based58.b58decode(text.encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        return None


def _many(texts: list[str], length: int) -> list[bytes | None]:
    joined = "".join(texts)
    if not joined.isascii():
        return [_one(text) for text in texts]
    digits = _VALUE[np.frombuffer(joined.encode("ascii"), np.uint8).reshape(-1, length)]
    if (digits == 255).any() or (digits[:, 0] == 0).any():
        # Leading ones stand for leading zero bytes: rare, and not of one length.
        return [_one(text) for text in texts]
    groups = -(-length // _DIGITS)
    padded = np.zeros((len(texts), groups * _DIGITS), np.float64)
    padded[:, groups * _DIGITS - length :] = digits
    values = padded.reshape(len(texts), groups, _DIGITS) @ np.array([58.0**3, 58.0**2, 58.0, 1.0])
    # log(58) / log(2**16) limbs a character, and one to spare.
    limbs = int(length * 0.36614) + 2
    rows = max(1, _PRODUCT // (groups * limbs))
    stacked = np.zeros((-(-len(texts) // rows), rows, groups))
    stacked.reshape(-1, groups)[: len(texts)] = values
    products = (stacked @ _powers(groups, limbs)).reshape(-1, limbs)[: len(texts)]
    sums = products.T.astype(np.int64, order="C")
    for i in range(limbs - 1, 0, -1):
        sums[i - 1] += sums[i] >> 16
    wide = (sums.T & 0xFFFF).astype(">u2").tobytes()
    size = limbs * 2
    return [wide[i : i + size].lstrip(b"\0") for i in range(0, len(wide), size)]
