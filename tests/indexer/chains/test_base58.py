from __future__ import annotations

import os

import based58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.chains.base58 import decode


def encode(raw: bytes) -> str:
    return based58.b58encode(raw).decode()


@given(st.lists(st.binary(max_size=80), max_size=60))
@settings(max_examples=200, deadline=None)
def test_decodes_what_was_encoded(raw: list[bytes]) -> None:
    assert decode([encode(r) for r in raw]) == raw


@pytest.mark.parametrize("size", [1, 8, 9, 31, 32, 64, 255, 300, 700, 1232])
def test_many_of_one_length(size: int) -> None:
    raw = [b"\xe4" + os.urandom(size) for _ in range(40)]
    assert decode([encode(r) for r in raw]) == raw


def test_extremes_of_each_length() -> None:
    for size in (1, 2, 3, 8, 31, 32, 33, 64, 100, 301):
        raw = [b"\xff" * size, b"\x01" + b"\x00" * (size - 1), b"\x01" * size] * 4
        assert decode([encode(r) for r in raw]) == raw


def test_leading_zeros() -> None:
    raw = [bytes(n) + b"\x07" * 20 for n in range(12)] * 2
    assert decode([encode(r) for r in raw]) == raw


@pytest.mark.parametrize("bad", ["0", "O", "I", "l", "é", "a b", "\x00"])
def test_what_is_no_base58_is_none(bad: str) -> None:
    good = encode(b"good")
    assert decode([good, bad]) == [b"good", None]
    width = len(bad)
    assert decode(["2" * width] * 20 + [bad])[-1] is None
    assert None not in decode(["2" * width] * 20 + [bad])[:-1]


def test_the_longest_data_of_a_call() -> None:
    raw = [b"\xe4" + os.urandom(10_239)]
    assert decode([encode(r) for r in raw]) == raw


def test_nothing() -> None:
    assert decode([]) == []
    assert decode([""]) == [b""]
