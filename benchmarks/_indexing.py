"""Indexing a history against only downloading it: what index_evm and index_solana share.

``ratio``: seconds of `chainfold index --until TIP` (process start to exit; everything committed in
Postgres with fsync, synchronous_commit and full_page_writes on, folds included) over
seconds of a bare loop that downloads the same answers: one request after another, as wide as the
indexer's, with the same HTTP client, parsed by orjson. ``ratio_flat_out``: over the harshest base,
four requests at once whose answers are thrown away unparsed. They take turns; ratios are of the
medians.
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
from typing import Any, Protocol

import aiohttp
import orjson
import psycopg
from _processes import Tree

from indexer.config import Database
from indexer.log.database import serve
from localnet.flood import History, history

Fetch = Callable[[object], Awaitable[Any]]
"""Posts a JSON-RPC request; returns the answer, parsed where the base parses."""


class Download(Protocol):
    """Downloads a history: ``flight`` requests at once, each through the ``Fetch``."""

    def __call__(self, made: History, post: Fetch, flight: int) -> Awaitable[None]: ...


async def loop(made: History, download: Download, *, flight: int, parse: bool) -> Bare:
    """Runs ``download``."""
    size = 0
    limit = asyncio.Semaphore(flight)

    async def post(body: object) -> Any:
        nonlocal size
        data, kind = orjson.dumps(body), {"Content-Type": "application/json"}
        async with limit, session.post(made.rpc, data=data, headers=kind) as answer:
            raw = await answer.read()
        size += len(raw)
        return orjson.loads(raw) if parse else raw

    started = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        await download(made, post, flight)
    return Bare(time.perf_counter() - started, size)


@dataclass(frozen=True)
class Bare:
    """One bare loop: wall seconds, bytes of the answers' bodies."""

    seconds: float
    size: int


@dataclass(frozen=True)
class Run:
    """One index: wall seconds, CPU seconds of the indexer, its peak resident memory in MB."""

    seconds: float
    cpu: float
    peak_mb: float


def _installed() -> dict[str, str]:
    """The environment with Python's cache of compiled modules, which installations have."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


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
        env=_installed() | {"DATABASE_URL": url},
    )
    with Tree(process.pid) as tree:
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
    return Run(seconds, usage.ru_utime + usage.ru_stime, tree.peak_mb)


def measure(
    name: str,
    kind: str,
    download: Download,
    events: int,
    per_block: int,
    least: Download | None = None,
) -> None:
    """Makes the history, runs all in turn and prints the figures, JSON last.

    ``least``: what an indexer can't do without, where that is less than ``download``.
    """
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--per-block", type=int, default=per_block)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(
        _measure(name, kind, download, least, options.events, options.runs, options.per_block)
    )


async def _measure(
    name: str,
    kind: str,
    download: Download,
    least: Download | None,
    events: int,
    runs: int,
    per_block: int,
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="chainfold-bench-") as folder,
        serve(Database(None, "chainfold", Path(folder) / "postgres")) as url,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        async with history(kind, home, events, per_block) as made:  # type: ignore[arg-type]
            print(f"{made.events} events in blocks up to {made.tip}, made in {made.seconds} s")
            bare: list[Bare] = []
            flat: list[Bare] = []
            needed: list[Bare] = []
            full: list[Run] = []
            for run in range(runs):
                bare.append(await loop(made, download, flight=1, parse=True))
                flat.append(await loop(made, download, flight=4, parse=False))
                if least is not None:
                    needed.append(await loop(made, least, flight=1, parse=True))
                full.append(await asyncio.to_thread(index, made, url))
                print(
                    f"run {run + 1}: loop {bare[-1].seconds:.2f} s, flat out "
                    f"{flat[-1].seconds:.2f} s, index {full[-1].seconds:.2f} s"
                )
    seconds = statistics.median(r.seconds for r in full)
    base = statistics.median(b.seconds for b in bare)
    flat_out = statistics.median(b.seconds for b in flat)
    figures = {
        "benchmark": name,
        "events": events,
        "per_block": per_block,
        "download_mb": round(bare[0].size / 1e6, 1),
        "download_s": round(base, 3),
        "flat_out_s": round(flat_out, 3),
        "index_s": round(seconds, 3),
        "ratio": round(seconds / base, 3),
        **(
            {"ratio_least": round(seconds / statistics.median(b.seconds for b in needed), 3)}
            if needed
            else {}
        ),
        "ratio_flat_out": round(seconds / flat_out, 3),
        "events_per_s": round(events / seconds),
        "events_per_cpu_s": round(events / statistics.median(r.cpu for r in full)),
        "peak_rss_mb": round(max(r.peak_mb for r in full), 1),
    }
    print(json.dumps(figures))
