"""The contracts' own tests, their committed builds and their gas table, by forge."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EVM = ROOT / "programs" / "evm"
FORGE = EVM / "tools" / "forge"


# What SPEC.md says of Solana alone: its accounts, rent, records and playlists.
ONLY_SOLANA = {
    *("I-7", "A-17", "P-17", "P-18"),
    *(f"G-{n}" for n in range(11, 15)),
    *(f"R-{n}" for n in range(13, 19)),
}


@pytest.fixture
def forge() -> Iterator[Path]:
    """forge, one at a time: two would write the same output folder."""
    if subprocess.run([FORGE, "--version"], capture_output=True).returncode != 0:
        if os.environ.get("CI"):
            pytest.fail("forge is not installed: run `npm ci`")
        pytest.skip("forge is not installed: run `npm ci` to test the EVM programs")
    (EVM / "cache").mkdir(exist_ok=True)
    with (EVM / "cache" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield FORGE


def run(*command: str | Path, **env: str) -> None:
    env = {**os.environ, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1", **env}
    result = subprocess.run(command, cwd=EVM, env=env, capture_output=True, text=True)
    assert result.returncode == 0, f"{result.stdout[-20_000:]}\n{result.stderr[-5_000:]}"


def test_committed_builds_are_what_the_sources_give(forge: Path) -> None:
    run(sys.executable, EVM / "tools" / "build.py", "--check")


@pytest.mark.timeout(600)
def test_contracts_keep_their_rules(forge: Path) -> None:
    run(forge, "test")


def test_every_rule_has_a_test() -> None:
    """Every rule and invariant that SPEC.md numbers is named by a forge test, but what tests say
    in words: a chain's ids, events, texts and amounts are in all of them."""
    in_all = {"G-1", "G-4", "G-5", "G-6", "G-8"}
    rules = set(re.findall(r"\*\*([A-Z]-\d+)", (ROOT / "programs" / "SPEC.md").read_text()))
    cited: set[str] = set()
    for path in (EVM / "test").glob("*.t.sol"):
        for name in re.findall(r"function (?:test|testFuzz|invariant)_(\w+)", path.read_text()):
            for letter, low, high in re.findall(r"([A-Z])(\d+)(?:_to_[A-Z](\d+))?", name):
                cited |= {f"{letter}-{n}" for n in range(int(low), int(high or low) + 1)}
    assert rules - cited == ONLY_SOLANA | in_all
    assert cited <= rules


def test_gas_table_is_current(forge: Path) -> None:
    run(forge, "test", FOUNDRY_PROFILE="gas", FORGE_SNAPSHOT_CHECK="true")


def test_a_claim_costs_little_more_than_a_plain_merkle_distributor() -> None:
    gas = json.loads((EVM / "snapshots" / "Payouts.json").read_text())
    plain = int(gas["plain merkle distributor, claim, 100,000 leaves"])
    assert int(gas["claim, 100,000 leaves"]) <= plain + 10_000


def test_sources_are_formatted_and_free_of_lint(forge: Path) -> None:
    run(forge, "fmt", "--check")
    # Tests reach for the types' edges on purpose.
    run(forge, "lint", "--deny", "warnings", "src")
