"""What Dagster opens: every part is there, quietly, with telemetry off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import dagster as dg
import pytest
import yaml

from indexer import config
from indexer.config import Config
from localnet import ports
from pipelines.definitions import defs
from pipelines.instance import environment, home

ROOT = Path(__file__).resolve().parents[2]
_QUERY = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
    assetNodes { assetKey { path } }
    sensors { name sensorState { status } }
    schedules { name scheduleState { status } } } } } }
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Config:
    """A configuration whose node doesn't answer."""
    file = tmp_path / "chainfold.toml"
    file.write_text(
        f"""
[database]
url = "postgresql://127.0.0.1:1/none"
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
    return config.load(file)


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)
    assert {k.to_user_string() for k in defs.resolve_all_asset_keys()} == {"chain_events", "lake"}


def test_a_users_dagster_yaml_stays(configuration: Config) -> None:
    folder = home(configuration)
    assert folder == configuration.path.parent / ".chainfold" / "dagster"
    made = yaml.safe_load((folder / "dagster.yaml").read_text("utf-8"))
    assert made["telemetry"] == {"enabled": False}
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
    home(configuration)
    assert (folder / "dagster.yaml").read_text("utf-8") == "telemetry: {enabled: false}\n"


def test_the_module_imports_without_a_warning(configuration: Config) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", "import pipelines.definitions"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment(configuration), "PYTHONWARNINGS": "default"},
        check=True,
    )
    assert "dagster" not in done.stderr.lower()
    assert "pipelines" not in done.stderr.lower()


@pytest.mark.timeout(600)  # five processes start, each imports Dagster
def test_dagster_dev_opens_without_a_warning(configuration: Config, tmp_path: Path) -> None:
    port = ports.free()
    log = tmp_path / "dagster.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", f"--config={configuration.path}", f"--port={port}"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        (repository,) = answer(process, port, log)["data"]["repositoriesOrError"]["nodes"]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
    assert {tuple(n["assetKey"]["path"]) for n in repository["assetNodes"]} == {
        ("chain_events",),
        ("lake",),
    }
    assert [s["name"] for s in repository["sensors"]] == ["finalized_ranges"]
    assert [s["name"] for s in repository["schedules"]] == ["lake_every_quarter_hour"]
    said = log.read_text("utf-8").lower()
    assert "serving dagster-webserver" in said
    assert "warn" not in said
    assert "traceback" not in said


def answer(process: subprocess.Popen[bytes], port: int, log: Path) -> dict:  # type: ignore[type-arg]
    """Asks until the web server answers with the code location loaded."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": _QUERY}).encode(),
        {"Content-Type": "application/json"},
    )
    limit = time.monotonic() + 480
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                found = json.load(response)
                if found["data"]["repositoriesOrError"].get("nodes"):
                    return found
        except OSError:
            pass
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < limit, log.read_text("utf-8")
        time.sleep(0.2)
