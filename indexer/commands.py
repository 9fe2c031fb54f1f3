"""Commands of the indexer: index, backfill, status, verify."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import click

from indexer import config as configuration
from indexer import process, store
from indexer.errors import Fatal
from indexer.follow import Follower


def _config(path: Path | None) -> configuration.Config:
    return configuration.load(path)


@click.command()
@click.option("--until", type=click.IntRange(0), help="Stop when this height is in.")
@click.option("--once", is_flag=True, help="Stop when the tip of now is in.")
@click.option("--chain", "only", multiple=True, help="Only this chain (may be repeated).")
@click.pass_obj
def index(path: Path | None, until: int | None, once: bool, only: tuple[str, ...]) -> None:
    """Follow the chains into the database; start again where it stopped."""
    config = _config(path)
    unknown = set(only) - set(config.chains)
    if unknown:
        raise Fatal(f"no chain {sorted(unknown)[0]!r} in {config.path.name}")
    chains = [c for c in config.chains if config.programs_on(c) and (not only or c in only)]
    from indexer.progress import reporter

    process.leave_pandas_out()
    with store.opened(config) as opened, reporter(sys.stderr) as report:

        async def run() -> None:
            loop = asyncio.get_running_loop()
            tasks = [
                asyncio.create_task(Follower(opened, c, report, until, once).run()) for c in chains
            ]
            stop = asyncio.Event()
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, stop.set)
            stopped = asyncio.create_task(_until(stop))
            try:
                await _first_failure(tasks, stopped)
            finally:
                for task in [*tasks, stopped]:
                    task.cancel()
                await asyncio.gather(*tasks, stopped, return_exceptions=True)

        asyncio.run(run())


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _first_failure(tasks: list[asyncio.Task[None]], stopped: asyncio.Task[None]) -> None:
    """Until every chain is done, one can't go on and the others are, or we are told to stop.

    One chain's stop doesn't stop another's.
    """
    pending: set[asyncio.Task[Any]] = {*tasks, stopped}
    failures: list[BaseException] = []
    while pending - {stopped}:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if stopped in done:
            break
        for task in done:
            error = task.exception()
            if error is not None:
                failures.append(error)
                if len(tasks) > 1:
                    click.echo(f"chainfold: {error!s:.1000}; other chains go on", err=True)
    if failures:
        raise failures[0]


@click.command()
@click.argument("chain")
@click.argument("first", type=click.IntRange(0))
@click.argument("last", type=click.IntRange(0))
@click.pass_obj
def backfill(path: Path | None, chain: str, first: int, last: int) -> None:
    """Take in what is missing of heights FIRST to LAST of CHAIN (finalized ones only)."""
    from indexer.backfill import backfill as run

    report = run(_config(path), chain, first, last)
    click.echo(
        f"{report.chain}: {report.heights} heights and {report.events} events added "
        f"in {report.seconds:.1f} s"
    )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def status(path: Path | None, as_json: bool) -> None:
    """Show heads, lag, coverage and gaps."""
    from indexer.log import database, ddl
    from indexer.progress import print_status
    from indexer.status import status as read

    config = _config(path)
    with (
        database.serve(config.database) as url,
        database.translated(),
        database.connect(url, name="chainfold status") as connection,
    ):
        ddl.check(connection, config.database.schema)
        print_status(read(connection, config.database.schema), as_json=as_json)


@click.command()
@click.option("--chain", required=True, help="The chain whose nodes and log disagree.")
@click.pass_obj
def repair(path: Path | None, chain: str) -> None:
    """Undo what the nodes no longer have, final or not; the next `index` takes in what is new."""
    from indexer.repair import repair as run

    config = _config(path)
    if chain not in config.chains:
        raise Fatal(f"no chain {chain!r} in {config.path.name}")
    with store.opened(config) as opened:
        done = run(opened, chain)
    if done.ancestor is None:
        click.echo(f"{chain}: nothing to repair: its newest block is on the nodes' chain")
    else:
        click.echo(f"{chain}: back to height {done.ancestor}, {done.events} events undone")


@click.command()
@click.option("--from", "first", type=click.IntRange(0), help="Lowest height to read again.")
@click.option("--to", "last", type=click.IntRange(0), help="Highest; it must be final.")
@click.option("--chain", "only", multiple=True, help="Only this chain (may be repeated).")
@click.option("--rpc", "urls", multiple=True, help="Another node of that chain to read it from.")
@click.option("--offline", is_flag=True, help="Only the proofs that need no node.")
@click.pass_obj
def verify(
    path: Path | None,
    first: int | None,
    last: int | None,
    only: tuple[str, ...],
    urls: tuple[str, ...],
    offline: bool,
) -> None:
    """Prove the tables: folds equal the oracle, no gap, no hole in any entity's seq, and, with the
    chain read again, its events and accounts."""
    from indexer.verify.proof import prove

    with store.opened(_config(path)) as opened:
        findings = prove(opened, chains=only, first=first, last=last, urls=urls, offline=offline)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.detail}")
    if not all(f.ok for f in findings):
        raise Fatal("the tables differ from the chain: see the lines marked FAIL")
