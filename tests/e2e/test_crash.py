"""kill -9 while it indexes, again and again: the tables are those of an undisturbed index."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support import anvil as anvils
from support.anvil import Anvil
from support.index import index_once, tables, write_config

from indexer import config as configuration


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with anvils.running() as node:
        yield node


def rows(url: str) -> int:
    """Rows of BetPlaced so far; 0 while there is no table."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('chainfold.bets_bet_placed')").fetchone()
        if found is None or found[0] is None:
            return 0
        count = connection.execute("SELECT count(*) FROM chainfold.bets_bet_placed").fetchone()
        assert count is not None
        return count[0]


def test_killed_at_any_moment_it_goes_on_where_it_was(
    anvil: Anvil, tmp_path: Path, databases: Callable[[], str]
) -> None:
    url = databases()
    config = write_config(tmp_path / "chainfold.toml", anvil, url)
    anvil.open()
    command = [str(Path(sys.executable).with_name("chainfold")), "--config", str(config), "index"]
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    wanted = 0
    for turn in range(4):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + 60
        wanted += 3 + turn
        while rows(url) < wanted:  # bets come while it runs; it dies between two of them
            assert process.poll() is None
            assert time.monotonic() < limit
            anvil.bet(2, amount=100 * (turn + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    index_once(configuration.load(config))
    fresh = databases()
    index_once(configuration.load(write_config(tmp_path / "fresh.toml", anvil, fresh)))
    assert tables(url) == tables(fresh)
