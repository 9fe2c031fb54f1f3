"""Each example runs by its one command and agrees with the programs that it indexes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(file.parent.name for file in (ROOT / "examples").glob("*/run.py"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_runs_and_agrees_with_the_chain(name: str, postgres_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}.run"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": postgres_url},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert ", 0 other than on chain" in done.stdout.splitlines()[-1]


def test_there_are_examples_on_both_chains() -> None:
    assert EXAMPLES == ["openzeppelin", "spl_token"]
