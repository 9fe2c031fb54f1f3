"""Ethereum's log bloom: 2048 bits that tell which addresses and topics a block can't hold.

Source: Ethereum yellow paper, 4.3.1 (transaction receipt), function M3:2048.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from eth_hash.auto import keccak


@lru_cache(1 << 16)
def mask(value: str) -> int:
    """The three bits that the 0x-hex ``value`` sets, as an integer of 2048 bits."""
    digest = keccak(bytes.fromhex(value[2:]))
    bits = 0
    for i in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[i : i + 2], "big") & 2047)
    return bits


class Filter:
    """Whether a block may hold a log of one of ``addresses`` with one of ``topics`` (None: any)."""

    def __init__(self, addresses: Iterable[str], topics: Iterable[str] | None) -> None:
        self._addresses = [mask(a) for a in addresses]
        self._topics = None if topics is None else [mask(t) for t in topics]

    def possible(self, bloom: int) -> bool:
        return any(bloom & m == m for m in self._addresses) and (
            self._topics is None or any(bloom & m == m for m in self._topics)
        )
