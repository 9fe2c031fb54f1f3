"""The folds of registry, and feeds' staleness, over real events of both chains."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from onsvm.chain import Chain, wallet
from onsvm.feeds import Feeds
from onsvm.interface import Interface
from onsvm.registry import ADMIN, DIGEST, KYC_ISSUER, OPERATOR, VENDOR, Registry
from psycopg.rows import dict_row
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from support.accounts import against_chains, contradicted
from support.anvil import Anvil
from support.index import index_once
from support.index import tables as tables_of

from deploy import builds
from indexer import config as configuration
from indexer import store
from indexer.decode.batch import ORDINAL_BITS
from indexer.folds import compile
from indexer.log import writer
from indexer.verify import verify

ROOT = Path(__file__).resolve().parents[3]

HEX = "0x" + DIGEST.hex()
INTERFACES = ROOT / "programs" / "interfaces"
PROGRAMS = ("registry", "feeds")
CONFIRMED = {"commitment": "confirmed"}


@dataclass
class Tables:
    """An indexed chain's tables."""

    config: configuration.Config
    chain: str

    @property
    def url(self) -> str:
        assert self.config.database.url is not None
        return self.config.database.url

    def rows(self, table: str, **key: Any) -> list[dict[str, Any]]:
        condition = " AND ".join(f'"{name}" = %({name})s' for name in ("chain", *key))
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            sql = f"SELECT * FROM chainfold.{table} WHERE {condition}"
            return connection.execute(sql, {"chain": self.chain, **key}).fetchall()

    def row(self, table: str, **key: Any) -> dict[str, Any]:
        (row,) = self.rows(table, **key)
        return row

    def holders(self, scope: str, height: int) -> set[tuple[str, int]]:
        """Who held which role at the end of ``height``, by the declaration itself."""
        with store.opened(self.config) as opened, opened.connect("test") as connection:
            (fold,) = (f for f in opened.folds if f.name == "roles")
            source = compile.Source(
                "chainfold.",
                f"chain = %(chain)s AND scope = %(scope)s AND pos < {height + 1 << ORDINAL_BITS}",
            )
            columns = [c.name for c in compile.storage(fold)]
            with psycopg.ClientCursor(connection) as cursor:
                given = {"chain": self.chain, "scope": scope}
                cursor.execute(compile.partial(fold, source, "postgres"), given)
                rows = [dict(zip(["chain", *columns], row, strict=True)) for row in cursor]
        return {(row["account"], row["role"]) for row in rows if row["held"]}

    def is_sound(self) -> None:
        with store.opened(self.config) as opened, opened.connect("test") as connection:
            assert [f for f in verify(opened, connection) if not f.ok] == []
        assert [f for f in against_chains(self.config) if not f.ok] == []

    def is_contradicted(self, table: str, change: str, says: str) -> None:
        assert says in contradicted(self.config, table, change)


def configured(home: Path, database: str, chain: str, programs: dict[str, str]) -> Tables:
    """A chainfold.toml for registry and feeds on one chain, and what is indexed of it."""
    listed = "".join(
        f'[[programs]]\nname = "{name}"\nchain = "local"\naddress = "{address}"\n'
        f'interface = "{INTERFACES / file}"\n'
        for (name, address), file in zip(programs.items(), FILES[chain.split()[0]], strict=True)
    )
    file = home / "chainfold.toml"
    file.write_text(
        f'[database]\nurl = "{database}"\n[chains.local]\n{chain.partition(" ")[2]}\n{listed}'
        '[folds]\nmodules = ["indexer.folds.reference"]\n'
    )
    config = configuration.load(file)
    index_once(config)
    return Tables(config, "local")


FILES = {
    "solana": ("registry.idl.json", "feeds.idl.json"),
    "evm": ("Registry.abi.json", "Feeds.abi.json"),
}


# ---- Solana ----


class Node(Chain):
    """The local node behind JSON-RPC, driven as LiteSVM is. A transaction a slot."""

    def __init__(self, url: str):
        self.url = url
        self.client = httpx.Client(timeout=30)
        self.interfaces = {name: Interface(name) for name in PROGRAMS}
        self.payer = wallet("fees")
        self.heights: list[int] = []  # of what was sent
        self.fund("fees")

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self.client.post(self.url, json=body).json()
        assert "error" not in answer, answer
        return answer["result"]

    @property
    def now(self) -> int:
        return self.rpc("getBlockTime", self.rpc("getSlot", CONFIRMED))

    def data(self, address: Pubkey) -> bytes | None:
        options = CONFIRMED | {"encoding": "base64"}
        value = self.rpc("getAccountInfo", str(address), options)["value"]
        return base64.b64decode(value["data"][0]) if value else None

    def fund(self, name: str) -> Keypair:
        key = wallet(name)
        if not self.rpc("getBalance", str(key.pubkey()), CONFIRMED)["value"]:
            self.rpc("requestAirdrop", str(key.pubkey()), 10**12)
            self.rpc("localnet_produceSlots", {})
        return key

    def send(self, *instructions: Instruction, signers: Sequence[Keypair] = (), **_: Any) -> Any:
        needed = {m.pubkey for i in instructions for m in i.accounts if m.is_signer}
        needed.add(self.payer.pubkey())
        keys = [k for k in (self.payer, *signers) if k.pubkey() in needed]
        latest = Hash.from_string(self.rpc("getLatestBlockhash", CONFIRMED)["value"]["blockhash"])
        message = MessageV0.try_compile(self.payer.pubkey(), list(instructions), [], latest)
        raw = base64.b64encode(bytes(VersionedTransaction(message, keys))).decode()
        options = {"encoding": "base64", "preflightCommitment": "confirmed"}
        signature = self.rpc("sendTransaction", raw, options)
        self.rpc("localnet_produceSlots", {})
        (status,) = self.rpc("getSignatureStatuses", [signature])["value"]
        assert status["err"] is None, status
        self.heights.append(status["slot"])


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    programs = [
        word
        for name in PROGRAMS
        for idl in [INTERFACES / f"{name}.idl.json"]
        for word in ("--program", str(Interface(name).address), str(builds.elf(idl)))
    ]
    deployer = str(wallet("deployer").pubkey())
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "localnet.solana", "--rpc-port", "0", "--slot-ms", "0"),
            *("--faults", "--exit-with-stdin", "--upgrade-authority", deployer, *programs),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    driven = Node(json.loads(process.stdout.readline())["url"])
    yield driven
    driven.client.close()
    process.communicate(timeout=30)  # closes its stdin


def key(name: str) -> str:
    return str(wallet(name).pubkey())


def part(row: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in expected}


def test_solana(
    node: Node,
    databases: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, feeds = Registry(node), Feeds(node)
    for name in ("deployer", "root", "alice", "bob", "carol"):
        node.fund(name)
    registry.initialized()
    scope = registry.opened("alice")
    registry.granted(scope, "bob", KYC_ISSUER)
    granted = node.heights[-1]
    given = {"scope": scope, "subject": "carol", "kind": 7, "digest": DIGEST}
    far = node.now + 10**6 - 1_750_000_000
    attestation = registry.made(b"attestation", "attest", "bob", expires_at=far, **given)
    registry.do("revoke", "alice", scope=scope, account="bob", role=KYC_ISSUER)
    registry.do("revoke_attestation", "bob", attestation=attestation)
    registry.do("set_profile", "alice", metadata=bytes(32), handle="al", cid="")
    registry.do("set_profile", "alice", metadata=DIGEST, handle="alice", cid="bafy")
    registry.do("link", "alice", wallet="carol")
    registry.do("set_profile_status", "root", profile="alice", status=1)
    farm = registry.made(b"record", "create_record", "alice", kind=4, tags=["coffee", "shade"])
    video = registry.made(b"record", "create_record", "alice", parent=farm, tags=["x"], title="V")
    tags = ['"quoted"', "coffee", "ü" * 16]
    registry.do("update_record", "alice", record=video, tags=tags, title="Harvest")
    registry.do("set_visibility", "alice", record=video, visibility=2)
    registry.do("retire", "alice", record=farm)
    playlist = registry.made(b"playlist", "create_playlist", "alice", entries=1)
    registry.do("update_playlist", "alice", playlist=playlist, entries=1000, title="All")
    feed = feeds.opened("opener", heartbeat=3600, decimals=2)
    silent = feeds.opened("opener")
    now = node.now - 1_750_000_000
    feeds.send(feeds.publish("opener", feed, [(-5, now - 9000), (2**127 - 1, now - 60)]))

    programs = {name: str(Interface(name).address) for name in PROGRAMS}
    chain = f'solana kind = "solana"\nrpc = ["{node.url}"]'
    tables = configured(tmp_path, databases(), chain, programs)
    tables.is_sound()
    # folded in DuckDB, as long batches are
    monkeypatch.setattr(writer, "_MANY", 0)
    again = configured(tmp_path, databases(), chain, programs)
    assert tables_of(again.url) == tables_of(tables.url)

    assert tables.holders(str(scope), granted - 1) == {(key("alice"), ADMIN)}
    held = {(key("alice"), ADMIN), (key("bob"), KYC_ISSUER)}
    assert tables.holders(str(scope), granted) == held
    assert tables.holders(str(scope), node.heights[-1]) == {(key("alice"), ADMIN)}
    role = tables.row("roles", scope=str(scope), account=key("bob"), role=KYC_ISSUER)
    expected = {"held": False, "grants": 1, "revocations": 1, "granted_by": key("alice")}
    assert part(role, expected) == expected
    assert role["granted_at"] <= role["revoked_at"]
    expected = {"creator": key("deployer"), "kind": 0, "admins": 1}
    assert part(tables.row("scopes", scope=str(registry.global_scope)), expected) == expected

    expected = {
        "issuer": key("bob"), "scope": str(scope), "subject": key("carol"), "kind": 7,
        "digest": HEX, "revoked": 1, "revoked_by": key("bob"), "seq": 2,
    }  # fmt: skip
    row = tables.row("attestations", attestation=str(attestation))
    assert part(row, expected) == expected
    assert row["expires_at"] == datetime.fromtimestamp(1_750_000_000 + far, UTC)

    expected = {"handle": "alice", "metadata": HEX, "cid": "bafy", "status": 1, "linked": 1}
    row = tables.row("profiles", profile=key("alice"))
    assert part(row, expected) == expected
    assert row["created_at"] <= row["updated_at"]
    expected = {"links": 1, "unlinks": 0}
    row = tables.row("links", profile=key("alice"), wallet=key("carol"))
    assert part(row, expected) == expected

    expected = {
        "owner": key("alice"), "kind": 0, "parent": str(farm), "title": "Harvest", "tags": tags,
        "visibility": 2, "status": 0, "retired_at": None, "seq": 3,
    }  # fmt: skip
    assert part(tables.row("records", record=str(video)), expected) == expected
    expected = {"kind": 4, "parent": key_of_none(), "status": 1, "visibility": 0, "seq": 2}
    assert part(tables.row("records", record=str(farm)), expected) == expected
    shown = {(row["record"], row["tag"], row["status"]) for row in tables.rows("tags")}
    assert shown == {(str(video), tag, 0) for tag in tags} | {
        (str(farm), tag, 1) for tag in ("coffee", "shade")
    }
    assert {row["record"] for row in tables.rows("tags", tag="coffee")} == {str(farm), str(video)}
    expected = {"owner": key("alice"), "entries": 1000, "title": "All", "digest": HEX, "seq": 2}
    assert part(tables.row("playlists", playlist=str(playlist)), expected) == expected

    assert [row["value"] for row in tables.rows("observations", feed=str(feed))] == [-5, 2**127 - 1]
    assert tables.row("feed_state", feed=str(feed))["stale"] is False
    assert tables.row("feed_state", feed=str(silent))["stale"] is True

    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.2)
    for table, change, says in (
        ("scopes", "UPDATE {} SET admins = 2", "admins is 1 on the chain, 2 in the folds"),
        ("roles", "UPDATE {} SET held = true", "held is not there on the chain, 1"),
        ("roles", "UPDATE {} SET held = false WHERE role = 0", "closed by the folds, there on"),
        ("profiles", "UPDATE {} SET status = 0", "status is 1 on the chain, 0 in the folds"),
        ("links", "UPDATE {} SET wallet = profile", "profile is not there on the chain"),
        ("attestations", "UPDATE {} SET revoked = 0", "revoked is True on the chain, 0"),
        ("records", "UPDATE {} SET visibility = 1", "visibility is 2 on the chain, 1"),
        ("playlists", "UPDATE {} SET entries = 1", "entries is 1000 on the chain, 1"),
        ("playlists", "DELETE FROM {}", "the counter of registry = rows: counts 7, 6 rows"),
        ("observations", "UPDATE {} SET value = 1 WHERE round = 1", "ring[0].value is -5"),
    ):
        tables.is_contradicted(table, change, says)


def key_of_none() -> str:
    return str(Pubkey.from_bytes(bytes(32)))


# ---- EVM ----


def deploy(anvil: Anvil, name: str, *args: Any) -> Any:
    built = builds.contract(name)
    factory = anvil.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
    sent = factory.constructor(*args).transact({"from": anvil.web3.eth.accounts[0]})
    address = anvil.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    return anvil.web3.eth.contract(address=address, abi=built.abi)


def test_evm(
    anvil: Anvil, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tables from the other chain, without those of records."""
    root, alice, bob = anvil.web3.eth.accounts[:3]
    registry, feeds = deploy(anvil, "Registry", root), deploy(anvil, "Feeds")
    everywhere = registry.functions.GLOBAL().call()
    f = registry.functions
    anvil.send(f.grant(everywhere, alice, ADMIN))
    anvil.send(f.grant(everywhere, bob, OPERATOR))
    granted = anvil.send(f.grant(everywhere, bob, VENDOR))["blockNumber"]
    anvil.send(f.revoke(everywhere, root, ADMIN), 1)
    anvil.send(f.revoke(everywhere, bob, VENDOR), 1)
    anvil.send(f.setProfile(DIGEST, "bob", "bafy"), 2)
    anvil.send(f.setProfileStatus(bob, 2), 1)
    anvil.send(f.openScope(DIGEST), 2)
    now = anvil.web3.eth.get_block("latest")["timestamp"]
    feed = feeds.functions.feedId(root, 0).call()
    anvil.send(feeds.functions.open(2, 3600, "rain", "mm"))
    anvil.send(feeds.functions.publish(feed, [(-5, now - 9000), (7, now - 60)]))

    programs = {"registry": registry.address, "feeds": feeds.address}
    chain = f'evm kind = "evm"\nchain_id = 31337\nrpc = ["{anvil.url}"]'
    tables = configured(tmp_path, postgres_url, chain, programs)
    tables.is_sound()

    scope = "0x" + everywhere.hex()
    root, alice, bob = root.lower(), alice.lower(), bob.lower()
    assert tables.holders(scope, granted - 1) == {(root, ADMIN), (alice, ADMIN), (bob, OPERATOR)}
    held = {(root, ADMIN), (alice, ADMIN), (bob, OPERATOR), (bob, VENDOR)}
    assert tables.holders(scope, granted) == held
    now_held = {
        (row["account"], row["role"]) for row in tables.rows("roles", scope=scope, held=True)
    }
    assert now_held == {(alice, ADMIN), (bob, OPERATOR)}
    row = tables.row("roles", scope=scope, account=root, role=ADMIN)
    assert (row["held"], row["revoked_by"]) == (False, alice)
    expected = {"creator": root, "kind": 0, "admins": 1, "seq": 7}
    assert part(tables.row("scopes", scope=scope), expected) == expected
    expected = {"handle": "bob", "metadata": HEX, "status": 2, "seq": 2}
    assert part(tables.row("profiles", profile=bob), expected) == expected
    expected = {"publisher": root, "round": 2, "value": 7, "observations": 2}
    assert part(tables.row("feeds", feed="0x" + feed.hex()), expected) == expected
    assert tables.row("feed_state", feed="0x" + feed.hex())["stale"] is False
    anvil.rpc("evm_increaseTime", 4000)
    anvil.mine(1)
    index_once(tables.config)
    assert tables.row("feed_state", feed="0x" + feed.hex())["stale"] is True
    with psycopg.connect(tables.url) as connection:
        found = connection.execute("SELECT to_regclass('chainfold.records')").fetchone()
    assert found == (None,)

    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.2)
    for table, change, says in (
        ("scopes", "UPDATE {} SET admins = 2 WHERE kind = 0", "admins is 1 on the chain, 2"),
        ("roles", "UPDATE {} SET held = true", "held is not there on the chain, 1"),
        ("roles", "UPDATE {} SET held = false WHERE role = 0", "closed by the folds, there on"),
        ("profiles", "UPDATE {} SET status = 0", "status is 2 on the chain, 0 in the folds"),
        ("profiles", "DELETE FROM {}", "the counter of registry = rows: counts 3, 2 rows"),
        ("observations", "UPDATE {} SET value = 1 WHERE round = 1", "value is -5 on the chain, 1"),
    ):
        tables.is_contradicted(table, change, says)
