"""The resource: what a run's configuration, the environment and the file say, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import Fatal
from pipelines.project import RANGE_SIZE, Project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "chainfold.toml"
    file.write_text(
        f"""
[database]
url = "postgresql://file/db"
[chains.anvil]
kind = "evm"
chain_id = 31337
rpc = ["http://127.0.0.1:1"]
[[programs]]
name = "bets"
chain = "anvil"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
interface = "{ROOT}/programs/interfaces/Bets.abi.json"
""",
        "utf-8",
    )
    return file


def test_from_the_file_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "CHAINFOLD_RANGE_SIZE", "CHAINFOLD_LAKE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAINFOLD_CONFIG", str(file))
    loaded = Project().load()
    assert loaded.database.url == "postgresql://file/db"
    assert Project().heights_per_range == RANGE_SIZE
    assert Project().lake(loaded) == file.parent / ".chainfold" / "lake"


def test_the_environment_stands_above_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/db")
    monkeypatch.setenv("CHAINFOLD_RANGE_SIZE", "50")
    monkeypatch.setenv("CHAINFOLD_LAKE", "/some/lake")
    project = Project(config_file=str(file))
    assert project.load().database.url == "postgresql://environment/db"
    assert project.heights_per_range == 50
    assert project.lake(project.load()) == Path("/some/lake")


def test_a_runs_configuration_stands_above_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/db")
    monkeypatch.setenv("CHAINFOLD_RANGE_SIZE", "nonsense")
    project = Project(
        config_file=str(file), database_url="postgresql://run/db", range_size=7, lake_dir="/l"
    )
    assert project.load().database.url == "postgresql://run/db"
    assert project.heights_per_range == 7
    assert project.lake(project.load()) == Path("/l")


@pytest.mark.parametrize("size", ["nonsense", "0", "-5", "1.5"])
def test_a_size_that_is_none_is_told(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINFOLD_RANGE_SIZE", size)
    with pytest.raises(Fatal, match="CHAINFOLD_RANGE_SIZE is"):
        _ = Project().heights_per_range
