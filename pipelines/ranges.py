"""Partitions of a chain's history: heights cut into ranges of one size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from indexer.errors import Fatal

_KEY = re.compile(r"([a-z][a-z0-9_]*):(\d+)-(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class HeightRange:
    """Heights ``first..last`` (inclusive) of one chain."""

    chain: str
    first: int
    last: int

    @property
    def key(self) -> str:
        """The partition's key: ``anvil:0-9999``."""
        return f"{self.chain}:{self.first}-{self.last}"


def parse(key: str) -> HeightRange:
    """The inverse of ``HeightRange.key``."""
    found = _KEY.fullmatch(key)
    if found is None or int(found[2]) > int(found[3]):
        raise Fatal(f"partition {key!r}: a key is CHAIN:FIRST-LAST, such as anvil:0-9999")
    return HeightRange(found[1], int(found[2]), int(found[3]))


def cut(chain: str, first: int, last: int, size: int) -> list[HeightRange]:
    """The ranges of ``size`` heights that hold ``first..last``, aligned to multiples of ``size``.

    The first and the last one may reach beyond ``first`` and ``last``: a range never moves.
    """
    if first > last:
        return []
    return [
        HeightRange(chain, n * size, (n + 1) * size - 1)
        for n in range(first // size, last // size + 1)
    ]


def spans(ranges: Iterable[HeightRange]) -> list[HeightRange]:
    """``ranges`` in order, neighbours and overlaps joined: one call of the indexer each."""
    joined: list[HeightRange] = []
    for r in sorted(ranges):
        before = joined[-1] if joined else None
        if before is not None and before.chain == r.chain and r.first <= before.last + 1:
            joined[-1] = HeightRange(r.chain, before.first, max(before.last, r.last))
        else:
            joined.append(r)
    return joined
