"""Bytes that a sender chooses: every one is stored, in tables and folds, and none stops us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from support import anvil as anvils
from support.anvil import Anvil
from support.index import index_once
from support.solidity import compiled

from indexer import config as configuration
from indexer import store
from indexer.decode.schema import schema
from indexer.errors import Fatal
from indexer.folds import bind
from indexer.verify import verify

ECHO = Path(__file__).parent / "contracts" / "Echo.sol"
TYPES = ("string", "bytes", "uint256", "int256", "uint64", "int64", "string[]")
NAMES = ("text", "blob", "big", "signed", "closeAt", "endAt", "list")
SIGNATURE = f"Noted({','.join(TYPES)})"
ABI = [
    {
        "type": "event",
        "name": "Noted",
        "inputs": [{"name": n, "type": t} for n, t in zip(NAMES, TYPES, strict=True)],
    }
]
FOLDS = """
from indexer.folds import count, digest, first, fold, last, max_, min_, sum_

by_text = fold("by_text", program="echo", key=digest("text"), columns={
    "text": first("text"),
    "blob": last("blob"), "list": first("list"), "bigs": sum_("big"), "least": min_("signed"),
    "latest": max_("close_at"), "ends": max_("end_at_raw"), "said": count(),
})
"""
LONG = "".join(sha256(bytes([n])).hexdigest() for n in range(160))
"""10 KB that don't get shorter by being compressed: too long for an index."""
LAST_SECOND = 253_402_300_799  # of the year 9999


class Attack(NamedTuple):
    """What is emitted, with what the columns must hold where that isn't the same."""

    text: bytes = b"plain"
    blob: bytes = b""
    big: int = 0
    signed: int = 0
    close_at: int = 0
    end_at: int = 0
    list: tuple[bytes, ...] = ()
    text_stored: str = "plain"
    list_stored: tuple[str, ...] = ()
    times: tuple[bool, bool] = (True, True)


ATTACKS = {
    "U+0000": Attack(text=b"a\0b", text_stored="a\\x00b"),
    "invalid UTF-8": Attack(text=b"\xff\xfe\xc3", text_stored="\\xff\\xfe\\xc3"),
    "a surrogate": Attack(text=b"\xed\xa0\x80", text_stored="\\xed\\xa0\\x80"),
    "an override of direction": Attack(text="\u202e€".encode(), text_stored="\u202e€"),
    "SQL": Attack(text=b"'; DROP SCHEMA chainfold; --", text_stored="'; DROP SCHEMA chainfold; --"),
    "the end of COPY": Attack(text=b"\\.\n\xef\xbf\xbf", text_stored="\\.\n\uffff"),
    "10 KB of text": Attack(text=LONG.encode(), blob=b"\xff" * 10_240, text_stored=LONG),
    "backslashes": Attack(text=r"\x41\\101 \ü".encode(), text_stored=r"\x41\\101 \ü"),
    "an empty text": Attack(text=b"", text_stored=""),
    "strings in an array": Attack(list=(b"\xff\0", b"ok"), list_stored=("\\xff\\x00", "ok")),
    "the greatest u256": Attack(big=2**256 - 1),
    "the least i256": Attack(signed=-(2**255)),
    "the greatest i256": Attack(signed=2**255 - 1),
    "times at their last second": Attack(close_at=LAST_SECOND, end_at=LAST_SECOND),
    "times beyond": Attack(
        close_at=LAST_SECOND + 1, end_at=LAST_SECOND + 1, times=(False, False)
    ),
    "times at 64 bits": Attack(close_at=2**64 - 1, end_at=2**63 - 1, times=(False, False)),
    "a time before all": Attack(end_at=-(2**63), times=(True, False)),
}  # fmt: skip


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[Anvil, str]]:
    """A node on which every attack was sent, a block each, and the contract that sent them."""
    with anvils.running() as node:
        built = compiled(ECHO)["Echo"]
        sender = {"from": node.web3.eth.accounts[0], "gas": 20_000_000}
        factory = node.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
        sent = factory.constructor().transact(sender)
        address: Any = node.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        echo: Any = node.web3.eth.contract(address=address, abi=built["abi"])
        kinds = [t.replace("string", "bytes") for t in TYPES]
        for attack in ATTACKS.values():
            data = encode(kinds, attack[: len(TYPES)])
            sent = echo.functions.say(keccak(text=SIGNATURE), data).transact(sender)
            assert node.web3.eth.wait_for_transaction_receipt(sent)["status"] == 1
        yield node, address


def test_every_attack_is_a_row_and_every_fold_is_its_oracle(
    chain: tuple[Anvil, str], tmp_path: Path, postgres_url: str
) -> None:
    node, address = chain
    (tmp_path / "abi.json").write_text(json.dumps(ABI))
    (tmp_path / "folds.py").write_text(FOLDS)
    toml = tmp_path / "chainfold.toml"
    toml.write_text(
        f'[database]\nurl = "{postgres_url}"\n[chains.anvil]\nkind = "evm"\nchain_id = 31337\n'
        f'rpc = ["{node.url}"]\n[[programs]]\nname = "echo"\nchain = "anvil"\n'
        f'address = "{address}"\ninterface = "abi.json"\n[folds]\nmodules = ["folds.py"]\n'
    )
    config = configuration.load(toml)
    index_once(config)
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute(
            "SELECT text, blob, big::text, signed::text, close_at_raw::text, end_at_raw::text, "
            "list, extract(epoch FROM close_at)::int8, extract(epoch FROM end_at)::int8 "
            "FROM chainfold.echo_noted ORDER BY pos"
        ).fetchall()
        keys = connection.execute("SELECT text_digest, text FROM chainfold.by_text").fetchall()
        sums = connection.execute(
            "SELECT sum(said), sum(bigs)::text FROM chainfold.by_text"
        ).fetchone()
    assert len(rows) == len(ATTACKS)
    for (name, attack), row in zip(ATTACKS.items(), rows, strict=True):
        times = (attack.close_at, attack.end_at)
        assert row == (
            attack.text_stored,
            "0x" + attack.blob.hex(),
            str(attack.big),
            str(attack.signed),
            *map(str, times),
            list(attack.list_stored),
            *(t if stored else None for t, stored in zip(times, attack.times, strict=True)),
        ), name
    assert {text for _, text in keys} == {a.text_stored for a in ATTACKS.values()}
    assert all(key == "0x" + sha256(text.encode()).hexdigest() for key, text in keys)
    assert sums == (len(ATTACKS), str(sum(a.big for a in ATTACKS.values())))
    with store.opened(config) as opened, opened.connect("test") as connection:
        assert [f for f in verify(opened, connection) if not f.ok] == []


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ('key="text", columns={"said": count()}', r"key 'text' has no bound.* digest\(\"text\"\)$"),
        ('key=("big", "blob"), columns={"said": count()}', r"key 'blob' has no bound"),
        ('key="list", columns={"said": count()}', r"key 'list' has no bound"),
        ('key=digest("list"), columns={"said": count()}', r"only a text has a digest"),
        ('key=digest("big"), columns={"said": count()}', r"only a text has a digest"),
        ('key="big", columns={"least": min_("text")}', r"'least': its values have no bound"),
    ],
)
def test_a_fold_that_a_long_text_could_stop_is_refused(
    tmp_path: Path, declared: str, says: str
) -> None:
    (tmp_path / "abi.json").write_text(json.dumps(ABI))
    (tmp_path / "folds.py").write_text(
        "from indexer.folds import count, digest, fold, min_\n"
        f'said = fold("said", program="echo", {declared})\n'
    )
    toml = tmp_path / "chainfold.toml"
    toml.write_text(
        '[chains.anvil]\nkind = "evm"\nchain_id = 31337\nrpc = ["http://127.0.0.1:1"]\n'
        f'[[programs]]\nname = "echo"\nchain = "anvil"\naddress = "0x{"11" * 20}"\n'
        'interface = "abi.json"\n[folds]\nmodules = ["folds.py"]\n'
    )
    config = configuration.load(toml)
    with pytest.raises(Fatal, match=says):
        bind.load(config, schema(config))
