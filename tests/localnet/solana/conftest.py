"""Nodes for tests: in this process, and in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from localnet.solana import SolanaNode

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def solana_process() -> Iterator[Callable[..., dict[str, Any]]]:
    """Start `python -m localnet.solana` with these arguments; its ready line."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> dict[str, Any]:
        process = subprocess.Popen(
            [sys.executable, "-m", "localnet.solana", "--rpc-port", "0", *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(process)
        assert process.stdout is not None
        return json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


@pytest_asyncio.fixture
async def node() -> AsyncIterator[SolanaNode]:
    """A node whose slots come on request only, with faults."""
    async with SolanaNode(slot_ms=0, faults=True, clock="slots") as running:
        yield running
