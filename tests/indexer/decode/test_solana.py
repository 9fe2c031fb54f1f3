"""Anchor events in, columns out; hostile bytes; old and new IDLs."""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.chains.raw import Blocks, RawRange, SolanaEvents
from indexer.config import Chain, Config, Database, Program
from indexer.decode.batch import Batch, decode
from indexer.decode.schema import Schema, schema
from indexer.errors import Fatal

PROGRAM = "Vote111111111111111111111111111111111111111"
FIELDS = [
    {"name": "market", "type": "publicKey"},
    {"name": "seq", "type": "u64"},
    {"name": "digest", "type": {"array": ["u8", 32]}},
    {"name": "title", "type": "string"},
    {"name": "closeAt", "type": "i64"},
    {"name": "value", "type": "i128"},
    {"name": "flag", "type": "bool"},
    {"name": "choice", "type": {"option": {"defined": "Choice"}}},
    {"name": "scores", "type": {"vec": {"defined": "Score"}}},
    {"name": "blob", "type": "bytes"},
    {"name": "small", "type": "u8"},
]
TYPES = [
    {"name": "Score", "type": {"kind": "struct", "fields": [{"name": "points", "type": "u16"}]}},
    {
        "name": "Choice",
        "type": {
            "kind": "enum",
            "variants": [
                {"name": "None"},
                {"name": "Named", "fields": [{"name": "label", "type": "string"}]},
                {"name": "Pair", "fields": ["u8", "publicKey"]},
            ],
        },
    },
]
OLD = {
    "version": "0.1.0",
    "name": "shop",
    "instructions": [],
    "types": TYPES,
    "events": [{"name": "Paid", "fields": [{**f, "index": False} for f in FIELDS]}],
}


def new_form() -> dict[str, Any]:
    """The same interface as Anchor 0.30 and later writes it, with a discriminator of its own."""
    text = json.dumps({"fields": FIELDS, "types": TYPES})
    text = text.replace('"publicKey"', '"pubkey"')
    for name in ("Choice", "Score"):
        text = text.replace(f'{{"defined": "{name}"}}', f'{{"defined": {{"name": "{name}"}}}}')
    parts = json.loads(text)
    return {
        "address": PROGRAM,
        "metadata": {"name": "shop", "version": "0.1.0", "spec": "0.1.0"},
        "instructions": [],
        "events": [{"name": "Paid", "discriminator": [1, 2, 3, 4, 5, 6, 7, 8]}],
        "types": [
            *parts["types"],
            {"name": "Paid", "type": {"kind": "struct", "fields": parts["fields"]}},
        ],
    }


def made(tmp_path: Path, idl: dict[str, Any]) -> Schema:
    file = tmp_path / "idl.json"
    file.write_text(json.dumps(idl))
    chain = Chain("solana", "solana", ("http://127.0.0.1:1",), None, None, None)
    program = Program("shop", "solana", PROGRAM, file, 0)
    database = Database(None, "chainfold", tmp_path)
    return schema(Config(tmp_path / "c.toml", database, {"solana": chain}, (program,), ()))


def raw(payloads: list[bytes]) -> RawRange:
    n = len(payloads)
    heights = np.arange(7, 7 + n, dtype=np.int64)
    blocks = Blocks(heights, ["h"] * n, heights)
    ordinals = np.full(n, 3 << 10 | 1, np.int64)
    events = SolanaEvents(heights, ordinals, [f"sig{i}" for i in range(n)], [PROGRAM] * n, payloads)
    return RawRange("solana", 7, 6 + n, blocks, events, True)


def rows(batch: Batch) -> list[dict[str, Any]]:
    return batch.tables["shop_paid"].to_pylist()


def text(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def paid(
    *,
    disc: bytes = sha256(b"event:Paid").digest()[:8],
    title: bytes = b"Who wins?",
    close_at: int = 1_700_000_000,
    choice: bytes = b"\1\1" + text(b"label"),
    seq: int = 2**64 - 1,
) -> bytes:
    return b"".join(
        [
            disc,
            bytes([5] * 32),
            struct.pack("<Q", seq),
            bytes(range(32)),
            text(title),
            struct.pack("<q", close_at),
            (-(2**127)).to_bytes(16, "little", signed=True),
            b"\1",
            choice,
            struct.pack("<I", 2) + struct.pack("<HH", 7, 9),
            text(b"\0\xff"),
            b"\xc8",
        ]
    )


@pytest.mark.parametrize("form", ["old", "new"])
def test_every_type_in_both_forms_of_idl(tmp_path: Path, form: str) -> None:
    declared = made(tmp_path, OLD if form == "old" else new_form())
    disc = {"disc": bytes(range(1, 9))} if form == "new" else {}
    other = paid(title=b"longer than the first", choice=b"\0", seq=1, **disc)
    first, second = rows(decode(raw([paid(**disc), other]), declared))
    assert first["pos"] == 7 << 28 | 3 << 10 | 1
    assert first["market"] == "LbUiWL3xVV8hTFYBVdbTNrpDo41NKS6o3LHHuDzjfcY"
    assert int(first["seq"]) == 2**64 - 1
    assert first["digest"] == "0x" + bytes(range(32)).hex()
    assert (first["title"], second["title"]) == ("Who wins?", "longer than the first")
    assert first["close_at"].timestamp() == first["close_at_raw"] == 1_700_000_000
    assert int.from_bytes(first["value"], "big", signed=True) == -(2**127)
    assert first["flag"] is True
    assert json.loads(first["choice"]) == {"Named": {"label": "label"}}
    assert json.loads(second["choice"]) is None
    assert json.loads(first["scores"]) == [{"points": "7"}, {"points": "9"}]
    assert (first["blob"], first["small"]) == ("0x00ff", 200)


@pytest.mark.parametrize(
    ("close_at", "stored"), [(2**63 - 1, False), (-(2**63), False), (253_402_300_799, True)]
)
def test_a_time_beyond_timestamptz_is_null_beside_the_raw(
    tmp_path: Path, close_at: int, stored: bool
) -> None:
    (row,) = rows(decode(raw([paid(close_at=close_at)]), made(tmp_path, OLD)))
    assert (row["close_at"] is not None) is stored
    assert int(row["close_at_raw"]) == close_at


@pytest.mark.parametrize(
    ("title", "wanted"), [(b"a\0b", "a\\x00b"), (b"\xff", "\\xff"), (b"x" * 10_240, "x" * 10_240)]
)
def test_hostile_text_is_stored_escaped(tmp_path: Path, title: bytes, wanted: str) -> None:
    found = rows(decode(raw([paid(title=title), paid()]), made(tmp_path, OLD)))
    assert [r["title"] for r in found] == [wanted, "Who wins?"]


def test_hostile_text_inside_an_enum_is_stored_escaped(tmp_path: Path) -> None:
    hostile = paid(choice=b"\1\1" + text(b"\xff\0"))
    (row,) = rows(decode(raw([hostile]), made(tmp_path, OLD)))
    assert json.loads(row["choice"]) == {"Named": {"label": "\\xff\\x00"}}


@pytest.mark.parametrize(
    "payload",
    [
        paid()[:-1],
        paid() + b"\0",
        paid()[:8],
        paid(choice=b"\1\7"),
        paid(title=b"")[: 8 + 32 + 8 + 32] + b"\xff\xff\xff\x7f",
    ],
)
def test_bytes_that_do_not_fit_stop_with_their_place(tmp_path: Path, payload: bytes) -> None:
    with pytest.raises(Fatal, match=r"solana height 8 transaction sig1 index 3073: .* Paid "):
        decode(raw([paid(), payload]), made(tmp_path, OLD))


def test_unknown_events_are_counted(tmp_path: Path) -> None:
    assert decode(raw([bytes(8), b""]), made(tmp_path, OLD)).unknown == 2
