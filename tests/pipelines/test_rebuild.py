"""`python -m pipelines.rebuild`: the chain gives the tables back."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from indexer import config, store
from indexer.backfill import backfill
from indexer.follow import Follower
from pipelines import failures
from pipelines.lake import files
from pipelines.rebuild import main


@pytest.fixture
def own(config_file: Path, postgres_url: str) -> str:
    """URL of the configuration's own database, which a follower filled."""
    url = postgres_url
    loaded = config.load(config_file)
    loaded = dataclasses.replace(loaded, database=dataclasses.replace(loaded.database, url=url))
    with store.opened(loaded) as opened:
        asyncio.run(Follower(opened, "anvil", lambda _: None, once=True).run())
    return url


def run(monkeypatch: pytest.MonkeyPatch, config_file: Path, url: str, *arguments: str) -> Result:
    monkeypatch.setenv("DATABASE_URL", url)
    return CliRunner().invoke(main, ["--config", str(config_file), *arguments])


def test_into_an_empty_schema_all_tables_are_equal(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, own: str, tmp_path: Path
) -> None:
    arguments = ("--schema", "rebuilt", "--fresh", "--compare", "--range-size", "8")
    lake = ("--lake", "--lake-dir", str(tmp_path / "lake"))
    done = run(monkeypatch, config_file, own, *arguments, *lake)
    assert done.exit_code == 0, done.output
    assert "ok   bets_bet_placed: 24 equal rows" in done.output
    assert "ok   markets: 6 equal rows" in done.output
    assert "ok   folds_equal_oracle: " in done.output
    assert (tmp_path / "lake" / "chainfold.duckdb").exists()
    again = run(monkeypatch, config_file, own, *arguments)
    assert again.exit_code == 0, again.output


def test_a_difference_is_told(monkeypatch: pytest.MonkeyPatch, config_file: Path, own: str) -> None:
    loaded = config.load(config_file)
    loaded = dataclasses.replace(loaded, database=dataclasses.replace(loaded.database, url=own))
    with store.opened(loaded) as opened, opened.connect("test") as connection:
        connection.execute("UPDATE chainfold.bets_bet_placed SET amount = amount + 1 WHERE seq = 3")
    done = run(monkeypatch, config_file, own, "--schema", "rebuilt", "--compare")
    assert done.exit_code == 1
    assert "FAIL bets_bet_placed: 24 rows in both, but not the same ones" in done.output
    assert "FAIL bettors" in done.output
    assert "ok   bets_market_opened" in done.output


def test_no_further_than_the_database_it_is_compared_with(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, postgres_url: str
) -> None:
    url = postgres_url
    empty = run(monkeypatch, config_file, url, "--schema", "rebuilt", "--compare")
    assert empty.exit_code == 1
    assert "run `chainfold index --once` first" in empty.output
    monkeypatch.setenv("DATABASE_URL", url)
    backfill(config.load(config_file), "anvil", 0, 33)
    arguments = ("--schema", "rebuilt", "--compare", "--range-size", "8")
    done = run(monkeypatch, config_file, url, *arguments)
    assert done.exit_code == 0, done.output
    assert "anvil to 33" in done.output
    assert "ok   markets: 6 equal rows" in done.output


def test_its_own_schema_is_never_dropped(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, own: str
) -> None:
    done = run(monkeypatch, config_file, own, "--fresh")
    assert done.exit_code == 1
    assert "need another database" in done.output


def test_what_does_not_pass_in_time_is_one_line(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, postgres_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(failures, "ATTEMPTS", 1)
    monkeypatch.setattr(failures, "WAIT", 0.01)
    with files.only_writer(tmp_path):
        done = run(monkeypatch, config_file, postgres_url, "--lake", "--lake-dir", str(tmp_path))
    assert done.exit_code == 1
    assert done.output.strip().splitlines()[-1] == (
        f"rebuild: lake {tmp_path}: another export is writing: try again later"
    )


def test_a_database_that_does_not_answer_is_one_line(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    done = run(monkeypatch, config_file, "postgresql://127.0.0.1:1/none")
    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    assert "can't reach the database" in done.output
