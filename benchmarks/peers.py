"""chainfold beside Ponder and Subsquid: the same bets, one anvil, one durable Postgres.

python benchmarks/peers.py [--events 200000] [--per-block 20] [--runs 1]

Each indexes the same history into an empty database of its own, one after another. The clock runs
from the start of the process until the last row is committed; CPU is that of the process and its
children, memory the highest sum over them. Then the rows of all are compared, value by value.
The peers keep the events and no state, so chainfold does too; it runs once more with its folds.
The projects of the peers are in benchmarks/peers/, with a README; npm installs them on demand
into .chainfold/peers/.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
from _processes import Tree, cpu_of
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from web3 import Web3

from indexer import config
from indexer.config import Database
from indexer.log.database import serve
from localnet.flood import History, history
from localnet.ports import free

HERE = Path(__file__).parent / "peers"
INSTALLED = HERE.parents[1] / ".chainfold" / "peers"
BURIED = 64  # blocks on top of the history: Ponder takes a block for final after 30
SIGNATURE = "BetPlaced(bytes32,uint64,address,address,uint8,uint120,uint120,uint120,uint120)"


@dataclass(frozen=True)
class Run:
    """One index: wall seconds, CPU seconds of the indexer's processes and of Postgres' meanwhile,
    the highest resident memory of the indexer's processes in MB."""

    seconds: float
    cpu: float
    postgres_cpu: float
    peak_mb: float


@dataclass(frozen=True)
class Task:
    """What is to be indexed: ``address`` is that of the bets program."""

    made: History
    address: str
    server: str
    """URL of a database of the server, not of one that an indexer writes."""

    def url(self, name: str) -> str:
        return urlsplit(self.server)._replace(path=f"/bench_{name}").geturl()


@dataclass(frozen=True)
class Indexer:
    """A program that indexes, and where its rows are.

    ``rows``: SELECT of height, log index, market, bettor, outcome, amount. ``tables``: SQL to run
    first. ``exits``: it ends when all is in; otherwise it is done when the last row is there.
    """

    name: str
    command: Callable[[Task], tuple[Sequence[object], Path, Mapping[str, str]]]
    rows: str
    exits: bool
    tables: str = ""


def _chainfold(task: Task) -> tuple[Sequence[object], Path, Mapping[str, str]]:
    whole = Path(task.made.config)
    events = whole.with_name("events.toml")
    events.write_text(re.sub(r"(?m)^modules = .*$", "modules = []", whole.read_text()))
    return _index(task, "chainfold", events)


def _with_folds(task: Task) -> tuple[Sequence[object], Path, Mapping[str, str]]:
    return _index(task, "with_folds", Path(task.made.config))


def _index(task: Task, name: str, toml: Path) -> tuple[Sequence[object], Path, Mapping[str, str]]:
    program = Path(sys.executable).with_name("chainfold")
    command = [program, "--config", toml, "index", "--until", task.made.tip]
    return command, Path.cwd(), {"DATABASE_URL": task.url(name)}


def _ponder(task: Task) -> tuple[Sequence[object], Path, Mapping[str, str]]:
    where = conninfo_to_dict(task.url("ponder"))
    pool = {k: where[v] for k, v in _POOL.items() if where.get(v)}
    home = INSTALLED / "ponder"
    command = ["node", home / "node_modules/ponder/dist/esm/bin/ponder.js", "start"]
    command += ["--schema", "bench", "--log-level", "warn"]
    command += ["--hostname", "127.0.0.1", "--port", free()]
    return (
        command,
        home,
        _told(task)
        | {
            "BENCH_DATABASE": json.dumps(pool),
            "PONDER_TELEMETRY_DISABLED": "true",
        },
    )


def _subsquid(task: Task) -> tuple[Sequence[object], Path, Mapping[str, str]]:
    where = conninfo_to_dict(task.url("subsquid"))
    database = {f"DB_{k}": str(where[v]) for k, v in _DB.items() if where.get(v)}
    return (
        ["node", "lib/main.js"],
        INSTALLED / "subsquid",
        _told(task)
        | database
        | {
            "BENCH_TOPIC": Web3.to_hex(Web3.keccak(text=SIGNATURE)),
            "PROMETHEUS_PORT": str(free()),
            "SQD_WARN": "*",
        },
    )


_POOL = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
_DB = {"HOST": "host", "PORT": "port", "USER": "user", "NAME": "dbname", "PASS": "password"}


def _told(task: Task) -> dict[str, str]:
    return {
        "BENCH_RPC": task.made.rpc,
        "BENCH_ADDRESS": task.address,
        "BENCH_TIP": str(task.made.tip),
        "NODE_ENV": "production",
    }


_ROWS = (
    "SELECT pos >> 28 AS height, pos & ((1 << 28) - 1) AS log_index, "
    "market, bettor, outcome, amount FROM chainfold.bets_bet_placed"
)
OURS = (
    Indexer("chainfold", _chainfold, _ROWS, exits=True),
    Indexer("with_folds", _with_folds, _ROWS, exits=True),
)
PEERS = (
    Indexer(
        "subsquid",
        _subsquid,
        "SELECT height, log_index, market, bettor, outcome, amount FROM bet_placed",
        exits=True,
        tables=(HERE / "subsquid" / "schema.sql").read_text(),
    ),
    Indexer(
        "ponder",
        _ponder,
        "SELECT height, log_index, market, bettor, outcome, amount FROM bench.bet_placed",
        exits=False,
    ),
)


def install(name: str) -> None:
    """Copies the peer's project to ``INSTALLED`` and has npm install it there, once per lock."""
    home, source = INSTALLED / name, HERE / name
    stamp, lock = home / ".installed", (source / "package-lock.json").read_text()
    shutil.copytree(source, home, dirs_exist_ok=True)
    if stamp.exists() and stamp.read_text() == lock:
        return
    print(f"npm install: {name}", flush=True)
    npm = ["npm", "install", "--no-save", "--silent", "--no-audit", "--no-fund"]
    if subprocess.run(npm, cwd=home).returncode != 0:
        sys.exit(f"npm install failed in {home}: see its log, then run this again")
    stamp.write_text(lock)


def index(indexer: Indexer, task: Task, last: tuple[int, int] | None) -> Run:
    """Indexes into a new database. ``last``: height and log index of the last event, for an
    indexer that doesn't exit."""
    _recreate(indexer, task)
    command, home, told = indexer.command(task)
    # Installed programs have Python's cache of compiled modules.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | told
    log = Path(task.made.config).with_name(f"{indexer.name}.log")
    with (
        psycopg.connect(task.url(indexer.name), autocommit=True) as connection,
        log.open("wb") as out,
    ):
        postgres = psutil.Process(connection.info.backend_pid).parent()
        assert postgres is not None
        before = cpu_of(postgres)
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=home,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        tree = Tree(process.pid)
        try:
            with tree:
                if last is None or indexer.exits:
                    _, status, usage = os.wait4(process.pid, 0)
                    process.returncode = os.waitstatus_to_exitcode(status)
                    seconds = time.perf_counter() - started
                    cpu = usage.ru_utime + usage.ru_stime
                else:
                    _until(indexer, connection, process, last, log, 120 + task.made.events / 20)
                    seconds = time.perf_counter() - started
                    cpu = cpu_of(psutil.Process(process.pid))
            spent = cpu_of(postgres) - before
        finally:
            _end(process)
    if process.returncode != 0 and indexer.exits:
        sys.exit(f"{indexer.name} failed with status {process.returncode}: {_tail(log)}")
    return Run(seconds, cpu, spent, tree.peak_mb)


def _recreate(indexer: Indexer, task: Task) -> None:
    name = f"bench_{indexer.name}"
    with psycopg.connect(task.server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        connection.execute("CHECKPOINT")
    with psycopg.connect(task.url(indexer.name), autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            found = connection.execute(f"SHOW {setting}").fetchone()  # type: ignore[arg-type]
            if found != ("on",):
                sys.exit(f"{setting} is {found}: the comparison wants a durable Postgres")
        if indexer.tables:
            connection.execute(indexer.tables)  # type: ignore[arg-type]


def _until(
    indexer: Indexer,
    connection: psycopg.Connection[Any],
    process: subprocess.Popen[bytes],
    last: tuple[int, int],
    log: Path,
    limit: float,
) -> None:
    """Returns when the row of the ``last`` event is committed; it is looked up by its key."""
    end = time.monotonic() + limit
    query = f"{indexer.rows} WHERE height = %s AND log_index = %s"
    while True:
        with contextlib.suppress(errors.UndefinedTable, errors.InvalidSchemaName):
            if connection.execute(query, last).fetchone():  # type: ignore[arg-type]
                return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{indexer.name} did not finish within {limit:.0f} s: {_tail(log)}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its group, politely first."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(log: Path) -> str:
    return " / ".join(log.read_text("utf-8", "replace").strip().splitlines()[-5:]) or "no output"


def rows(indexer: Indexer, task: Task) -> list[tuple[Any, ...]]:
    """Its rows, in the order of the chain."""
    with psycopg.connect(task.url(indexer.name)) as connection:
        query = f"SELECT * FROM ({indexer.rows}) r ORDER BY height, log_index"
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def summary(events: int, runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """The figures: medians of speed, the highest memory. ``times_NAME``: chainfold's events per
    second over that peer's, ``times_NAME_with_folds``: with its folds; ``rss_times_leanest``: its
    highest memory over the leanest peer's."""
    figures: dict[str, dict[str, float]] = {}
    for name, mine in runs.items():
        seconds = statistics.median(r.seconds for r in mine)
        cpu = statistics.median(r.cpu for r in mine)
        figures[name] = {
            "seconds": round(seconds, 2),
            "events_per_s": round(events / seconds),
            "events_per_cpu_s": round(events / cpu),
            "postgres_cpu_s": round(statistics.median(r.postgres_cpu for r in mine), 2),
            "peak_rss_mb": round(max(r.peak_mb for r in mine), 1),
        }
    same, more = (figures[indexer.name] for indexer in OURS)
    peers = {n: f for n, f in figures.items() if n not in {o.name for o in OURS}}
    leanest = min(f["peak_rss_mb"] for f in peers.values())
    highest = max(same["peak_rss_mb"], more["peak_rss_mb"])
    return {
        "events": events,
        **figures,
        **{f"times_{n}": round(f["seconds"] / same["seconds"], 2) for n, f in peers.items()},
        **{
            f"times_{n}_with_folds": round(f["seconds"] / more["seconds"], 2)
            for n, f in peers.items()
        },
        "rss_times_leanest": round(highest / leanest, 2),
    }


def compare(task: Task, chosen: Sequence[Indexer], times: int) -> dict[str, list[Run]]:
    """Runs each in turn, ``times`` times, and exits where their rows differ."""
    runs: dict[str, list[Run]] = {}
    for turn in range(times):
        truth: list[tuple[Any, ...]] = []
        for indexer in (*OURS, *chosen):
            last = (int(truth[-1][0]), int(truth[-1][1])) if truth else None
            run = index(indexer, task, last)
            runs.setdefault(indexer.name, []).append(run)
            found = rows(indexer, task)
            if len(found) != task.made.events:
                sys.exit(f"{indexer.name} has {len(found)} rows of {task.made.events}")
            if truth and found != truth:
                ours, theirs = next(p for p in zip(truth, found, strict=True) if p[0] != p[1])
                sys.exit(f"chainfold has {ours} where {indexer.name} has {theirs}")
            same = "the same " if truth else ""
            truth = truth or found
            print(
                f"run {turn + 1}: {indexer.name} {run.seconds:.2f} s, CPU {run.cpu:.2f} s, "
                f"{run.peak_mb:.0f} MB; {same}{len(found)} rows",
                flush=True,
            )
    return runs


async def _main(events: int, per_block: int, times: int, chosen: Sequence[Indexer]) -> None:
    for indexer in chosen:
        install(indexer.name)
    with (
        tempfile.TemporaryDirectory(prefix="chainfold-bench-") as folder,
        serve(Database(None, "chainfold", Path(folder) / "postgres")) as url,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        async with history("evm", home, events, per_block) as made:
            print(f"{made.events} events in blocks up to {made.tip}, made in {made.seconds} s")
            node = Web3(Web3.HTTPProvider(made.rpc))
            node.provider.make_request("anvil_mine", [hex(BURIED)])  # type: ignore[arg-type]
            (program,) = config.load(Path(made.config)).programs
            task = Task(made, program.address, url)
            runs = await asyncio.to_thread(compare, task, chosen, times)
    print(json.dumps({"benchmark": "peers", "per_block": per_block, **summary(events, runs)}))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = [p.name for p in PEERS]
    parser = argparse.ArgumentParser(prog="peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--per-block", type=int, default=20)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument(
        "--peers", nargs="+", choices=names, default=names, help="beside whom; all by default"
    )
    return parser


if __name__ == "__main__":
    options = parser().parse_args()
    beside = [p for p in PEERS if p.name in options.peers]
    asyncio.run(_main(options.events, options.per_block, options.runs, beside))
