"""Instructions as rows: outer and inner ones, in order, of transactions that succeeded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from based58 import b58encode
from solders.pubkey import Pubkey

from indexer.chains.raw import Blocks, RawRange
from indexer.chains.solana_blocks import Transaction
from indexer.chains.solana_events import Collector
from indexer.chains.watch import Emits
from indexer.config import Chain, Config, Database, Program
from indexer.decode.batch import decode
from indexer.decode.idl import discriminators
from indexer.decode.interface import load
from indexer.decode.schema import schema
from indexer.errors import Fatal

ROOT = Path(__file__).resolve().parents[3]
IDL = ROOT / "examples" / "spl_token" / "token.idl.json"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
ACCOUNTS = [str(Pubkey(bytes([i]) * 32)) for i in range(1, 6)]
OTHER = str(Pubkey(bytes([9]) * 32))
KEYS = [*ACCOUNTS, TOKEN, OTHER]
NAMES = ("transfer", "transferChecked", "mint_to")


def instruction(data: bytes, *accounts: int, program: str = TOKEN) -> dict[str, Any]:
    return {
        "programIdIndex": KEYS.index(program),
        "accounts": list(accounts),
        "data": b58encode(data).decode(),
    }


def transaction(
    outer: list[dict[str, Any]], inner: dict[int, list[dict[str, Any]]], err: Any = None
) -> dict[str, Any]:
    return {
        "transaction": {
            "signatures": ["sig"],
            "message": {"accountKeys": KEYS[:4], "instructions": outer},
        },
        "meta": {
            "err": err,
            "loadedAddresses": {"writable": KEYS[4:5], "readonly": KEYS[5:]},
            "innerInstructions": [
                {"index": i, "instructions": found} for i, found in sorted(inner.items())
            ],
            "logMessages": ["Log truncated"],
        },
    }


def amount(value: int) -> bytes:
    return value.to_bytes(8, "little")


def rows(*transactions: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the example's interface makes of one block with ``transactions``."""
    chain = Chain("solana", "solana", ("http://127.0.0.1:1",), None, None, None)
    program = Program("token", "solana", TOKEN, IDL, 0, None, NAMES)
    database = Database(None, "chainfold", ROOT)
    declared = schema(Config(ROOT / "c.toml", database, {"solana": chain}, (program,), ()))
    interface = declared.bindings[0].interface
    emits = Emits(False, discriminators(interface.document, interface.events))
    collector = Collector("solana", {TOKEN: (OTHER, 0)}, {TOKEN: emits})
    node = msgspec.json.encode(transactions)
    collector.block(7, msgspec.json.decode(node, type=list[Transaction]))
    events = collector.events()
    one = np.array([7], np.int64)
    raw = RawRange("solana", 7, 7, Blocks(one, ["h"], one), events, True)
    return {name: table.to_pylist() for name, table in decode(raw, declared).tables.items()}


def test_outer_and_inner_instructions_in_the_order_they_ran() -> None:
    found = rows(
        transaction([], {}),
        transaction(
            [
                instruction(b"\0", 0, program=OTHER),
                instruction(b"\3" + amount(5), 0, 1, 2),
                instruction(b"\x0c" + amount(6) + b"\2", 0, 3, 1, 2),
            ],
            {0: [instruction(b"\3" + amount(1), 4, 1, 2), instruction(b"\7" + amount(2), 3, 1, 2)]},
        ),
    )
    ordinals = {
        name: [row["pos"] & ((1 << 28) - 1) for row in table] for name, table in found.items()
    }
    second = 1 << 10
    assert ordinals == {
        "token_transfer": [second | 1, second | 3],
        "token_mint_to": [second | 2],
        "token_transfer_checked": [second | 4],
    }
    inner, outer = found["token_transfer"]
    assert (inner["source"], inner["destination"], inner["authority"]) == (
        ACCOUNTS[4], ACCOUNTS[1], ACCOUNTS[2],
    )  # fmt: skip
    assert (int(inner["amount"]), int(outer["amount"])) == (1, 5)
    (checked,) = found["token_transfer_checked"]
    assert (checked["mint"], int(checked["amount"]), checked["decimals"]) == (ACCOUNTS[3], 6, 2)
    assert checked["address"] == TOKEN


def test_a_failed_transaction_did_nothing() -> None:
    failed = transaction([instruction(b"\3" + amount(5), 0, 1, 2)], {}, {"InstructionError": []})
    assert rows(failed) == {}


@pytest.mark.parametrize(
    ("data", "accounts", "wanted"),
    [
        (b"\3" + amount(5) + b"anything at all", (0, 1, 2), (5, ACCOUNTS[2])),
        (b"\3" + amount(2**64 - 1), (0, 1, 2, 3, 4), (2**64 - 1, ACCOUNTS[2])),
        (b"\3" + amount(5), (0, 1), (5, TOKEN)),
    ],
)
def test_bytes_and_accounts_that_a_sender_is_free_to_add(
    data: bytes, accounts: tuple[int, ...], wanted: tuple[int, str]
) -> None:
    (row,) = rows(transaction([instruction(data, *accounts)], {}))["token_transfer"]
    assert (int(row["amount"]), row["authority"]) == wanted


def test_instructions_that_are_not_named_are_left_out() -> None:
    assert rows(transaction([instruction(b"\x08" + amount(5), 0, 1, 2)], {})) == {}
    assert rows(transaction([instruction(b"", 0, 1, 2)], {})) == {}


def test_a_name_that_the_idl_has_not_got() -> None:
    with pytest.raises(Fatal, match="no instruction 'transfr' in it, but: transfer, "):
        load(IDL, "solana", ["transfr"])
    with pytest.raises(Fatal, match="no event in it"):
        load(IDL, "solana")


def test_anchor_instructions_have_discriminators_of_their_names(tmp_path: Path) -> None:
    bets = ROOT / "programs" / "interfaces" / "bets.idl.json"
    place = next(e for e in load(bets, "solana", ["place"]).events if e.accounts is not None)
    document = json.loads(bets.read_text())
    entry = next(i for i in document["instructions"] if i["name"] == "place")
    from hashlib import sha256

    assert place.selector == sha256(b"global:place").digest()[:8].hex()
    assert place.accounts == len(entry["accounts"])
    assert [f.name for f in place.fields[place.accounts :]] == [a["name"] for a in entry["args"]]
