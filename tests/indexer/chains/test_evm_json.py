"""eth_getLogs' answers as columns, held against the JSON parsed object by object."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.chains import evm_json
from indexer.chains.raw import EvmLogs

LOG = {
    "address": "0x" + "aB" * 20,
    "topics": ["0x" + "1" * 64, "0x" + "2" * 64],
    "data": "0x" + "3" * 128,
    "blockNumber": "0x10",
    "blockHash": "0x" + "4" * 64,
    "transactionHash": "0x" + "5" * 64,
    "transactionIndex": "0x0",
    "logIndex": "0xa",
    "removed": False,
}


def hexes(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(lambda b: "0x" + b.hex())


logs = st.fixed_dictionaries(
    {
        "address": st.sampled_from(["0x" + "aB" * 20, "0x" + "0" * 40, "0x" + "cd" * 20]),
        "topics": st.lists(hexes(32), max_size=4),
        "data": st.binary(max_size=80).map(lambda b: "0x" + b.hex()),
        "blockNumber": st.integers(0, 2**59).map(hex),
        "blockHash": hexes(32),
        "transactionHash": hexes(32),
        "logIndex": st.integers(0, 2**20).map(hex),
    },
    optional={"removed": st.just(False), "blockTimestamp": st.integers(0, 2**40).map(hex)},
)


def told(log: dict[str, Any]) -> tuple[Any, ...]:
    return (
        int(log["blockNumber"], 16),
        int(log["logIndex"], 16),
        log["address"].lower(),
        tuple(log["topics"]),
        log["data"],
        log["transactionHash"],
        int(log.get("blockTimestamp", "-0x1"), 16),
    )


def rows(found: EvmLogs | None) -> list[tuple[Any, ...]]:
    assert found is not None
    return [(*found.log(i), found.tx_hash(i), int(found.time[i])) for i in range(len(found))]


def read(answer: Any, **style: Any) -> EvmLogs | None:
    return evm_json.read(json.dumps(answer, **style).encode())


styles = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 2}, {"sort_keys": True}])


@settings(max_examples=300, deadline=None)
@given(st.lists(logs, max_size=12), styles, st.booleans(), st.randoms())
def test_columns_are_what_the_objects_say(
    many: list[dict[str, Any]], style: Any, mixed: bool, random: Any
) -> None:
    if mixed:  # a proxy in front of nodes of two makes may mix their orders
        many = [dict(random.sample(list(log.items()), len(log))) for log in many]
    found, said = rows(read(many, **style)), [told(log) for log in many]
    assert [row[:-1] for row in found] == [row[:-1] for row in said]
    # where objects differ in form, times may be left to the headers
    assert all(f[-1] in (s[-1], -1) for f, s in zip(found, said, strict=True))


def test_regular_answers_are_not_parsed_object_by_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evm_json, "_LOGS", None)
    other = LOG | {"topics": ["0x" + "9" * 64], "data": "0x", "blockNumber": "0x1234"}
    assert len(rows(read([LOG, other, LOG, other]))) == 4


@pytest.mark.parametrize(
    "odd",
    [
        {"note": 'a "quoted" {brace}'},
        {"note": {"nested": {"deep": [1]}}},
        {"note": 7},
        {"removed": None},
        {"address": "0x" + "AB" * 20},
    ],
)
def test_odd_fields_are_read_too(odd: dict[str, Any]) -> None:
    if odd == {"removed": None}:
        with pytest.raises(msgspec.ValidationError):
            read([LOG, LOG | odd])
        return
    assert rows(read([LOG, LOG | odd])) == [told(LOG), told(LOG | odd)]


@pytest.mark.parametrize("time", [None, 5, "12", "0xzz", "0x", ["0x5", "0x6"], {"at": "0x5"}])
def test_a_time_of_another_form_is_none(time: Any) -> None:
    odd = LOG | {"blockTimestamp": time}
    for answer in ([odd], [LOG, odd], [odd, LOG], [odd, odd | {"blockTimestamp": 6}]):
        assert rows(read(answer)) == [told(LOG)] * len(answer)


def test_escaped_letters_are_read_too() -> None:
    text = json.dumps([LOG, LOG]).replace('"0x10"', '"\\u0030x10"')
    assert rows(evm_json.read(text.encode())) == [told(LOG)] * 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"removed": True}, "removed"),
        ({"blockHash": None}, "blockHash"),
        ({"blockNumber": "0x"}, "0x-hex"),
        ({"blockNumber": "0xzz"}, "0x-hex"),
        ({"blockNumber": "0x" + "f" * 17}, "0x-hex"),
        ({"logIndex": 3}, "logIndex"),
        ({"address": "0x12"}, "0x-hex"),
        ({"data": "12"}, "0x-hex"),
        ({"topics": ["0x12"]}, "0x-hex"),
        ({"topics": LOG["topics"] * 3}, "0x-hex"),
    ],
)
def test_what_is_no_log_is_refused(wrong: dict[str, Any], says: str) -> None:
    for answer in ([LOG | wrong], [LOG, LOG | wrong], [LOG | wrong, LOG]):
        with pytest.raises(msgspec.ValidationError, match=says):
            read(answer)


def test_no_logs_and_no_answer() -> None:
    assert rows(evm_json.read(b"[]")) == rows(evm_json.read(b" [ ] ")) == []
    assert evm_json.read(b"null") is None


def test_joined_parts_keep_their_rows() -> None:
    parts = [read([LOG]), read([]), read([LOG | {"address": "0x" + "77" * 20, "topics": []}, LOG])]
    whole = EvmLogs.joined([p for p in parts if p is not None])
    assert rows(whole) == [row for p in parts for row in rows(p)]


@pytest.mark.parametrize("piece", [1, 700, 2000])
@settings(max_examples=50, deadline=None)
@given(st.lists(logs, max_size=20), styles, st.integers(0, 3000))
def test_an_answer_in_pieces_is_the_whole(
    piece: int, many: list[dict[str, Any]], style: Any, size: int
) -> None:
    if many:  # an object that is longer than a piece
        many[len(many) // 2] |= {"data": "0x" + "ab" * size}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evm_json, "_PIECE", piece)
        found = rows(read(many, **style))
    assert [row[:-1] for row in found] == [told(log)[:-1] for log in many]
