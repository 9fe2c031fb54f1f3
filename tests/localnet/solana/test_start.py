"""Starting the node with what it can't use: one line that says what to do, exit code 1."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localnet.solana", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )


def test_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = start("--rpc-port", str(port))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port}")
    assert "choose another --rpc-port" in refused.stderr


@pytest.mark.parametrize(
    ("key", "reason"),
    [("abc", "'abc' is no address"), ("1" * 31 + "2", "is no program that runs here")],
)
def test_a_program_that_is_none(key: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "program.so"
    file.write_text("no program")
    refused = start("--rpc-port", "0", "--program", key, str(file))
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_journal_too_short_for_finality() -> None:
    refused = start("--rpc-port", "0", "--journal-slots", "3")
    assert refused.returncode == 1
    assert "journal_slots" in refused.stderr
