"""Partitions: keys and the arithmetic of ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import Fatal
from pipelines.ranges import HeightRange, cut, parse, spans


def test_key_and_back() -> None:
    r = HeightRange("anvil", 0, 9_999)
    assert r.key == "anvil:0-9999"
    assert parse("anvil:0-9999") == r


@pytest.mark.parametrize(
    "key", ["anvil", "anvil:5", "anvil:9-5", ":0-1", "anvil:-1-5", "Anvil:0-1"]
)
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(Fatal, match="CHAIN:FIRST-LAST"):
        parse(key)


def test_ranges_are_aligned_and_never_move() -> None:
    assert cut("a", 15, 31, 10) == [
        HeightRange("a", 10, 19),
        HeightRange("a", 20, 29),
        HeightRange("a", 30, 39),
    ]
    assert cut("a", 5, 4, 10) == []


def test_neighbours_join_and_chains_do_not() -> None:
    a, b = HeightRange("a", 0, 9), HeightRange("a", 10, 19)
    gap, other = HeightRange("a", 30, 39), HeightRange("b", 20, 29)
    assert spans([gap, b, other, a]) == [HeightRange("a", 0, 19), gap, other]


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 500), st.randoms())
def test_cut_ranges_join_to_one_span(first: int, width: int, size: int, random: object) -> None:
    ranges = cut("a", first, first + width, size)
    assert all(r.last - r.first + 1 == size and r.first % size == 0 for r in ranges)
    random.shuffle(ranges)  # type: ignore[attr-defined]
    (span,) = spans(ranges)
    assert span.first <= first < span.first + size
    assert span.last - size < first + width <= span.last
