"""Indexing a history against only downloading it: what index_evm and index_solana share.

``ratio``: seconds of `chainfold index --until TIP` (process start to exit; everything committed in
Postgres with fsync, synchronous_commit and full_page_writes on, folds included) over
seconds of a bare loop that downloads the same answers with the same HTTP client and throws them
away unparsed. The two alternate; the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from indexer.config import Database
from indexer.log.database import serve
from localnet.flood import History, history

Download = Callable[[History], Awaitable[int]]
"""Downloads the history; returns the bytes of the answers' bodies."""


@dataclass(frozen=True)
class Run:
    """One index: wall seconds, CPU seconds of the indexer, its peak resident memory in MB."""

    seconds: float
    cpu: float
    peak_mb: float


def index(made: History, url: str) -> Run:
    """Indexes ``made`` into the emptied database at ``url`` and counts what came in."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS chainfold CASCADE")
        connection.execute("CHECKPOINT")
    command = [Path(sys.executable).with_name("chainfold"), "--config", made.config, "index"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--until", str(made.tip)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"DATABASE_URL": url},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        sys.exit(f"chainfold index failed with status {status}")
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM chainfold.bets_bet_placed").fetchone()
        durable = connection.execute(
            "SELECT string_agg(setting, ',') FROM pg_settings "
            "WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')"
        ).fetchone()
    if found != (made.events,) or durable != ("on,on,on",):
        sys.exit(f"indexed {found} of {made.events} events; durability {durable}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(name: str, kind: str, download: Download, events: int, per_block: int) -> None:
    """Makes the history, runs both in turn and prints the figures, JSON last."""
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(_measure(name, kind, download, options.events, options.runs, per_block))


async def _measure(
    name: str, kind: str, download: Download, events: int, runs: int, per_block: int
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="chainfold-bench-") as folder,
        serve(Database(None, "chainfold", Path(folder) / "postgres")) as url,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        async with history(kind, home, events, per_block) as made:  # type: ignore[arg-type]
            print(f"{made.events} events in blocks up to {made.tip}, made in {made.seconds} s")
            bare: list[float] = []
            full: list[Run] = []
            size = 0
            for run in range(runs):
                started = time.perf_counter()
                size = await download(made)
                bare.append(time.perf_counter() - started)
                full.append(await asyncio.to_thread(index, made, url))
                print(f"run {run + 1}: download {bare[-1]:.2f} s, index {full[-1].seconds:.2f} s")
    seconds = statistics.median(r.seconds for r in full)
    base = statistics.median(bare)
    figures = {
        "benchmark": name,
        "events": events,
        "download_mb": round(size / 1e6, 1),
        "download_s": round(base, 3),
        "index_s": round(seconds, 3),
        "ratio": round(seconds / base, 3),
        "events_per_s": round(events / seconds),
        "events_per_cpu_s": round(events / statistics.median(r.cpu for r in full)),
        "peak_rss_mb": round(max(r.peak_mb for r in full), 1),
    }
    print(json.dumps(figures))
