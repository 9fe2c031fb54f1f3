"""`chainfold-sim`: plays seeds and says which fail; the last line is JSON."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from indexer.config import Database
from indexer.log.database import serve
from sim.play import Outcome, play


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", type=int, multiple=True, help="This one (may be repeated).")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--first", type=int, default=1, show_default=True, help="The lowest of them.")
@click.option("--soak", is_flag=True, help="One after the other until Ctrl-C or a failure.")
@click.option("--steps", type=click.IntRange(1), help="Length of the histories; else the seed's.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder for logs.")
def main(
    seed: tuple[int, ...],
    seeds: int,
    first: int,
    soak: bool,
    steps: int | None,
    workers: int,
    keep: Path | None,
) -> None:
    """Play seeded histories on both chains under faults, and compare every table with the truth."""
    wanted: Iterable[int] = seed or range(first, first + seeds)
    if soak:
        wanted = itertools.count(first)
    # what ends us from outside ends the database too, as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, played, failed = time.monotonic(), 0, list[int]()
    did: Counter[str] = Counter()
    with TemporaryDirectory(prefix="chainfold-sim-") as folder:
        home = (keep or Path(folder) / "logs").resolve()
        with serve(Database(None, "chainfold", Path(folder) / "data")) as server:
            try:
                for outcome in _each(wanted, server, home, steps, workers):
                    played += 1
                    did.update(outcome.did)
                    _tell(outcome)
                    if outcome.problems:
                        failed.append(outcome.seed)
                        if soak:
                            break
            except KeyboardInterrupt:
                click.echo("stopped", err=True)
    seconds = round(time.monotonic() - began, 1)
    click.echo(
        json.dumps({"seeds": played, "failed": failed, "seconds": seconds, "did": dict(did)})
    )
    sys.exit(1 if failed or not played else 0)


def _tell(outcome: Outcome) -> None:
    verdict = "FAIL" if outcome.problems else "ok  "
    did = ", ".join(f"{n} {what}" for what, n in sorted(outcome.did.items()))
    click.echo(f"{verdict} seed {outcome.seed}: {outcome.seconds:.1f} s: {did}")
    for problem in outcome.problems:
        click.echo(f"     {problem}")


def _each(
    seeds: Iterable[int], server: str, home: Path, steps: int | None, workers: int
) -> Iterator[Outcome]:
    """Outcomes as they come; one process for each worker, so that both cores have work."""
    waiting = iter(seeds)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        under_way: set[Future[Outcome]] = set()
        try:
            while True:
                for seed in itertools.islice(waiting, workers - len(under_way)):
                    under_way.add(pool.submit(_play, seed, server, home / str(seed), steps))
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in under_way:
                future.cancel()


def _play(seed: int, server: str, home: Path, steps: int | None) -> Outcome:
    try:
        return asyncio.run(play(seed, server, home, steps))
    except Exception:
        return Outcome(seed, [f"the simulation itself failed: {traceback.format_exc()}"])


if __name__ == "__main__":
    main()
