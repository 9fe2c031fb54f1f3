"""Pieces of a byte buffer."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.windows import distinct


@settings(deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n))))
def test_distinct_names_each_value_once_and_each_rows_place(values: list[bytes]) -> None:
    width = len(values[0]) if values else 4
    pieces = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), width)
    places, found = distinct(pieces)
    assert [found[i] for i in places.tolist()] == values
    assert len(set(found)) == len(found)
