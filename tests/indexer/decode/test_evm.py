"""Logs in, columns out, against eth_abi's own encoder; hostile and malformed bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.chains.evm_json import LogObject, written
from indexer.chains.raw import Blocks, RawRange
from indexer.config import Chain, Config, Database, Program
from indexer.decode.batch import Batch, decode
from indexer.decode.schema import Schema, schema
from indexer.errors import Fatal

ADDRESS = "0x" + "ab" * 20
INPUTS = [
    {"name": "market", "type": "bytes32", "indexed": True},
    {"name": "who", "type": "address", "indexed": True},
    {"name": "note", "type": "string", "indexed": True},
    {"name": "amountPaid", "type": "uint120"},
    {"name": "delta", "type": "int64"},
    {"name": "title", "type": "string"},
    {"name": "closeAt", "type": "uint40"},
    {"name": "big", "type": "uint256"},
    {"name": "signed", "type": "int256"},
    {"name": "flag", "type": "bool"},
    {"name": "blob", "type": "bytes"},
    {"name": "tag", "type": "bytes4"},
    {"name": "list", "type": "uint16[]"},
    {
        "name": "pair",
        "type": "tuple",
        "components": [{"name": "x", "type": "uint256"}, {"name": "y", "type": "bool"}],
    },
    {"name": "last", "type": "address"},
]
BODY = [i for i in INPUTS if not i.get("indexed")]
BODY_TYPES = ["(uint256,bool)" if i["type"] == "tuple" else str(i["type"]) for i in BODY]


def made(tmp_path: Path, *events: dict[str, Any]) -> Schema:
    abi = tmp_path / "abi.json"
    abi.write_text(json.dumps([{"type": "event", **e} for e in events]))
    chain = Chain("anvil", "evm", ("http://127.0.0.1:1",), None, 1, None)
    program = Program("shop", "anvil", ADDRESS, abi, 0)
    database = Database(None, "chainfold", tmp_path)
    return schema(Config(tmp_path / "c.toml", database, {"anvil": chain}, (program,), ()))


def raw(logs: list[tuple[list[str], str]], address: str = ADDRESS) -> RawRange:
    """One log a block, from height 7."""
    n = len(logs)
    heights = np.arange(7, 7 + n, dtype=np.int64)
    blocks = Blocks(heights, ["0x1"] * n, heights * 100)
    events = written(
        [
            LogObject(address, topics, data, hex(7 + i), "0x" + "1" * 64, f"0x{i:064x}", "0x0")
            for i, (topics, data) in enumerate(logs)
        ]
    )
    return RawRange("anvil", 7, 6 + n, blocks, events, True)


def rows(batch: Batch, table: str) -> list[dict[str, Any]]:
    return batch.tables[table].to_pylist()


values = st.tuples(
    st.integers(0, 2**120 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.integers(0, 2**40 - 1),
    st.integers(0, 2**256 - 1),
    st.integers(-(2**255), 2**255 - 1),
    st.booleans(),
    st.binary(max_size=70),
    st.binary(min_size=4, max_size=4),
    st.lists(st.integers(0, 2**16 - 1), max_size=3),
    st.tuples(st.integers(0, 2**256 - 1), st.booleans()),
    st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex()),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(values, min_size=1, max_size=6))
def test_every_type_comes_back_as_it_was_encoded(tmp_path: Path, many: list[Any]) -> None:
    declared = made(tmp_path, {"name": "Paid", "inputs": INPUTS})
    topic = declared.bindings[0].interface.events[0].selector
    topics = [topic, "0x" + "11" * 32, "0x" + "0" * 24 + "cd" * 20, "0x" + "22" * 32]
    batch = decode(raw([(topics, "0x" + encode(BODY_TYPES, v).hex()) for v in many]), declared)
    for i, (row, v) in enumerate(zip(rows(batch, "shop_paid"), many, strict=True)):
        assert row["pos"] == (7 + i) << 28
        assert row["tx"] == f"0x{i:064x}"
        assert row["time"].timestamp() == (7 + i) * 100
        assert (row["market"], row["who"]) == ("0x" + "11" * 32, "0x" + "cd" * 20)
        assert row["note"] == "0x" + "22" * 32
        assert (row["amount_paid"], row["delta"], row["title"]) == v[:3]
        assert row["close_at_raw"] == v[3]
        beyond = v[3] > 253_402_300_799
        assert row["close_at"] is None if beyond else row["close_at"].timestamp() == v[3]
        assert int.from_bytes(row["big"], "big", signed=True) == v[4]
        assert int.from_bytes(row["signed"], "big", signed=True) == v[5]
        assert (row["flag"], row["blob"], row["tag"]) == (
            v[6],
            "0x" + v[7].hex(),
            "0x" + v[8].hex(),
        )
        assert json.loads(row["list"]) == [str(x) for x in v[9]]
        assert json.loads(row["pair"]) == {"x": str(v[10][0]), "y": v[10][1]}
        assert row["last"] == v[11]


NOTED = {"name": "Noted", "inputs": [{"name": "text", "type": "string"}]}


@pytest.mark.parametrize(
    ("bytes_", "wanted"),
    [
        (b"a\0b", "a\\x00b"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"x" * 10_240, "x" * 10_240),
        ("€\u202e".encode(), "€\u202e"),
        (b"", ""),
    ],
)
def test_hostile_text_is_stored_escaped(tmp_path: Path, bytes_: bytes, wanted: str) -> None:
    declared = made(tmp_path, NOTED)
    topic = declared.bindings[0].interface.events[0].selector
    ordinary = ([topic], "0x" + encode(["bytes"], [b"ordinary"]).hex())
    hostile = ([topic], "0x" + encode(["bytes"], [bytes_]).hex())
    batch = decode(raw([ordinary, hostile]), declared)
    assert [r["text"] for r in rows(batch, "shop_noted")] == ["ordinary", wanted]


@pytest.mark.parametrize(
    "data",
    [
        "0x",
        "0x00",
        "0x" + "00" * 31 + "20" + "ff" * 32,
        "0x" + "ff" * 32,
        "0x" + "00" * 31 + "20" + "00" * 31 + "40" + "00" * 32,
    ],
)
def test_bytes_that_do_not_fit_stop_with_their_place(tmp_path: Path, data: str) -> None:
    declared = made(tmp_path, NOTED)
    topic = declared.bindings[0].interface.events[0].selector
    good = ([topic], "0x" + encode(["string"], ["fine"]).hex())
    with pytest.raises(Fatal, match=r"anvil height 8 transaction 0x0+1 index 0: .*Noted\(string\)"):
        decode(raw([good, ([topic], data)]), declared)


def test_a_number_above_its_type_stops(tmp_path: Path) -> None:
    declared = made(tmp_path, {"name": "N", "inputs": [{"name": "n", "type": "uint8"}]})
    topic = declared.bindings[0].interface.events[0].selector
    with pytest.raises(Fatal, match="height 7"):
        decode(raw([([topic], "0x" + f"{256:064x}")]), declared)


def test_another_count_of_topics_stops(tmp_path: Path) -> None:
    inputs = [{"name": "a", "type": "address", "indexed": True}]
    declared = made(tmp_path, {"name": "T", "inputs": inputs})
    topic = declared.bindings[0].interface.events[0].selector
    with pytest.raises(Fatal, match="1 topics, not 2"):
        decode(raw([([topic], "0x")]), declared)


def test_unknown_topics_are_counted_and_other_addresses_left_out(tmp_path: Path) -> None:
    declared = made(tmp_path, NOTED)
    unknown = (["0x" + "99" * 32], "0x1234")
    assert decode(raw([unknown, unknown]), declared).unknown == 2
    assert decode(raw([unknown], address="0x" + "00" * 20), declared).unknown == 0


def test_overloads_and_an_anonymous_event_have_tables_of_their_own(tmp_path: Path) -> None:
    one = {"name": "E", "inputs": [{"name": "a", "type": "uint256"}]}
    two = {"name": "E", "inputs": [{"name": "a", "type": "address"}]}
    nameless = {"name": "Raw", "anonymous": True, "inputs": [{"name": "b", "type": "bytes"}]}
    declared = made(tmp_path, one, two, nameless)
    first, second, _ = declared.bindings[0].interface.events
    batch = decode(
        raw(
            [
                ([first.selector], "0x" + encode(["uint256"], [5]).hex()),
                ([second.selector], "0x" + encode(["address"], [ADDRESS]).hex()),
                ([], "0x" + encode(["bytes"], [b"z"]).hex()),
            ]
        ),
        declared,
    )
    tables = {
        declared.bindings[0].tables[e.name].name for e in declared.bindings[0].interface.events
    }
    assert set(batch.tables) == tables
    assert rows(batch, "shop_raw")[0]["b"] == "0x7a"
