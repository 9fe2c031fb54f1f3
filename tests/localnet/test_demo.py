"""The demo as a user runs it: its proof, and its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

DEMO = [sys.executable, "-m", "localnet.demo", "--free-ports", "--traffic", "10/s"]
MARK = "CHAINFOLD_TEST_DEMO"
PROVEN = (
    *(f"{chain}: the chain has what the wallets sent" for chain in ("anvil", "solana")),
    *(f"{chain}: the tables have what succeeded" for chain in ("anvil", "solana")),
    *(f"fold {name} =" for name in ("markets", "agreements", "deliveries", "feeds", "projects")),
    *(f"fold {name} =" for name in ("pools", "entries", "claims", "vouchers", "funders")),
    *(f"fold {name} =" for name in ("scopes", "roles", "profiles", "links", "attestations")),
    *(f"fold {name} =" for name in ("records", "playlists", "exchange_markets", "price_levels")),
    *(f"fold {name} =" for name in ("orders", "trades", "trading_days", "balances")),
    *(f"seq of {name} has" for name in ("bets", "contracts", "feeds", "payouts", "projects")),
    *(
        f"{chain}: {proof}"
        for chain in ("anvil", "solana")
        for name in ("bets", "contracts", "payouts")
        for proof in (f"accounts of {name} = folds", f"vaults of {name} hold what is owed")
    ),
    *(f"seq of {name} has" for name in ("registry", "exchange")),
    "anvil: vaults of exchange hold what is owed",
    "coverage of payouts",
    "the API serves the tables",
    "Dagster's rebuild into an empty database gives equal tables",
)


def mine(home: Path) -> list[psutil.Process]:
    """Processes that the demo in ``home`` started, and theirs."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home) and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DEMO, "--home", str(home), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, MARK: str(home)},
    )


def gone(home: Path, seconds: float = 15) -> bool:
    limit = time.monotonic() + seconds
    while (left := mine(home)) and time.monotonic() < limit:
        psutil.wait_procs(left, timeout=0.5)
    return not left


@pytest.mark.timeout(600)
def test_once_proves_the_tables(shared_folder: Path) -> None:
    home = shared_folder / "demo"
    process = start(home, "--once", "--seconds", "5")
    output, _ = process.communicate(timeout=580)
    assert process.returncode == 0, output
    lines = output.splitlines()
    assert "FAIL" not in output
    proven = [line.removeprefix("  ok   ") for line in lines if line.startswith("  ok   ")]
    for what in PROVEN:
        assert any(line.startswith(what) for line in proven), (what, output)
    assert lines[-1] == "everything has ended"
    assert gone(home)


@pytest.mark.timeout(600)
def test_ctrl_c_ends_everything(shared_folder: Path) -> None:
    home = shared_folder / "demo"
    process = start(home)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if "events; solana block" in line:
            break
    assert len(mine(home)) > 5, lines
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0, rest
    assert rest.splitlines()[-1] == "everything has ended"
    assert "Traceback" not in rest
    assert gone(home)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [*DEMO, "--home", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"demo: {tmp_path} holds other files: name an empty folder with --home\n"
    )
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
