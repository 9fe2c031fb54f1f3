"""The mistakes of a beginner, and of the world: one line that says what to do, nothing lost.

Each runs the shipped command in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support import anvil as anvils
from support.anvil import Anvil
from support.index import tables, write_config

from localnet import ports

ROOT = Path(__file__).resolve().parents[2]
ABI = ROOT / "programs" / "interfaces" / "Bets.abi.json"


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with anvils.running() as node:
        node.open()
        node.bet(3)
        yield node


@pytest.fixture
def toml(tmp_path: Path, anvil: Anvil, postgres_url: str) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        url = str(changes.pop("url", postgres_url))
        return write_config(tmp_path / "chainfold.toml", anvil, url, **changes)

    return write


def chainfold(config: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and the lines that `chainfold` says of itself, without its JSON progress."""
    command = [str(Path(sys.executable).with_name("chainfold")), "--config", str(config)]
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )
    lines = [x for x in done.stderr.splitlines() if x.strip() and not x.startswith("{")]
    return done.returncode, lines


def refused(config: Path, *arguments: str) -> str:
    """The one line of a command that must fail."""
    code, lines = chainfold(config, *(arguments or ("index", "--once")))
    assert code != 0
    assert len(lines) == 1, lines
    assert lines[0].startswith("chainfold: ")
    return lines[0]


def test_unreachable_node(toml: Callable[..., Path]) -> None:
    line = refused(toml(rpc=f"http://127.0.0.1:{ports.free()}"))
    assert "no node of 'anvil' answers" in line
    assert "chains.anvil.rpc" in line


def test_wrong_chain_id(toml: Callable[..., Path]) -> None:
    line = refused(toml(chain_id=1))
    assert "31337" in line
    assert "chain_id" in line


def test_address_without_code(toml: Callable[..., Path]) -> None:
    line = refused(toml(address="0x" + "12" * 20))
    assert "no contract at" in line
    assert "0x" + "12" * 20 in line


def test_interface_that_does_not_match_the_program(
    toml: Callable[..., Path], tmp_path: Path, postgres_url: str
) -> None:
    other = tmp_path / "other.json"
    # the same signature, so the same topic, but another field is indexed
    abi = json.loads(ABI.read_text())
    (event,) = [e for e in abi if e["type"] == "event" and e["name"] == "BetPlaced"]
    (bettor,) = [i for i in event["inputs"] if i["name"] == "bettor"]
    bettor["indexed"] = not bettor["indexed"]
    other.write_text(json.dumps(abi))
    line = refused(toml(interface=other))
    assert "don't fit its interface" in line
    assert "transaction 0x" in line
    assert all(not rows for rows in tables(postgres_url).values())


def test_interface_that_is_no_abi(toml: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert "no ABI in it" in refused(toml(interface=tmp_path / "x.json"))
    (tmp_path / "x.json").write_text("nonsense")
    assert "not JSON" in refused(toml(interface=tmp_path / "x.json"))


def test_misspelt_key(toml: Callable[..., Path]) -> None:
    file = toml()
    file.write_text(file.read_text().replace("chain_id", "chain_ID"))
    assert "did you mean 'chain_id'" in refused(file)


def test_database_that_is_not_there(toml: Callable[..., Path]) -> None:
    line = refused(toml(url=f"postgresql://user:secret@127.0.0.1:{ports.free()}/x"))
    assert "can't reach the database" in line
    assert "secret" not in line


def test_schema_of_a_newer_version(toml: Callable[..., Path], postgres_url: str) -> None:
    assert chainfold(toml(), "index", "--once")[0] == 0
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE chainfold.meta SET value = '999'")
    assert "version 999" in refused(toml())
    assert "version 999" in refused(toml(), "status")


def test_status_before_the_first_index(toml: Callable[..., Path]) -> None:
    assert "run `chainfold index` first" in refused(toml(), "status")


def test_unknown_chain(toml: Callable[..., Path]) -> None:
    assert "no chain 'base'" in refused(toml(), "index", "--once", "--chain", "base")
    assert "no chain 'base'" in refused(toml(), "backfill", "base", "0", "1")


def test_backfill_above_the_finalized_height(toml: Callable[..., Path]) -> None:
    assert "above the finalized height" in refused(toml(), "backfill", "anvil", "0", "999999")


@pytest.fixture
def small_disk(postgres_server: str) -> Iterator[str]:
    """A tablespace of 3 MB, on a file system of its own."""
    folder = Path(tempfile.mkdtemp(prefix="chainfold-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes root")
    try:
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            row = admin.execute("SHOW data_directory").fetchone()
            assert row is not None
            os.chown(folder, os.stat(row[0]).st_uid, -1)  # a tablespace is the server's own
            admin.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
            yield "small"
            admin.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_full_disk_leaves_whole_ranges_only(
    toml: Callable[..., Path], postgres_url: str, anvil: Anvil, small_disk: str
) -> None:
    config = toml()
    assert chainfold(config, "index", "--once")[0] == 0
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE chainfold.bets_bet_placed SET TABLESPACE {small_disk}")
        connection.execute(f"CREATE TABLE filler (x text) TABLESPACE {small_disk}")
        with pytest.raises(psycopg.errors.DiskFull):
            connection.execute(
                "DO $$ BEGIN LOOP INSERT INTO filler VALUES (repeat('x', 2000)); COMMIT; "
                "END LOOP; END $$"
            )
        before = tables(postgres_url)
        anvil.bet(60)
        assert "free space on its disk" in refused(config)
        row = connection.execute(
            "SELECT (SELECT sum(bets) FROM chainfold.markets), "
            "(SELECT count(*) FROM chainfold.bets_bet_placed)"
        ).fetchone()
        assert row is not None
        assert row[0] == row[1] < len(before["bets_bet_placed"]) + 60
        connection.execute("DROP TABLE filler")
        assert chainfold(config, "index", "--once")[0] == 0
        assert len(tables(postgres_url)["bets_bet_placed"]) == len(before["bets_bet_placed"]) + 60
        connection.execute("ALTER TABLE chainfold.bets_bet_placed SET TABLESPACE pg_default")
