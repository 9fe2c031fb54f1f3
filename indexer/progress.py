"""How the indexer tells what it does: a live line on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, TextIO

import click
import orjson

from indexer.follow import Reorg, Report, Waiting, Wrote
from indexer.status import Status

_EVERY = 1.0  # seconds between two lines about one chain


@contextmanager
def reporter(out: TextIO) -> Generator[Report]:
    """A function to report to, for as long as the block lasts."""
    if out.isatty():
        with _terminal() as report:
            yield report
    else:
        lines = _Lines(out)
        try:
            yield lines
        finally:
            lines.flush()


@dataclass(slots=True)
class _Lines:
    """A JSON line a second for each chain while it catches up, and one for whatever is rare."""

    out: TextIO
    started: float = field(default_factory=monotonic)
    told: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    def __call__(self, what: Reorg | Waiting | Wrote) -> None:
        now = monotonic()
        line: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "what": type(what).__name__.lower(),
            **dataclasses.asdict(what),
        }
        if isinstance(what, Wrote):
            total = self.events[what.chain] = self.events.get(what.chain, 0) + what.events
            line |= {"total": total}
            if now - self.told.get(what.chain, -_EVERY) < _EVERY:
                self.waiting[what.chain] = line
                return
            self.told[what.chain] = now
            self.waiting.pop(what.chain, None)
        self._print(line)

    def flush(self) -> None:
        for line in self.waiting.values():
            self._print(line)

    def _print(self, line: dict[str, Any]) -> None:
        self.out.write(orjson.dumps(line).decode() + "\n")
        self.out.flush()


@contextmanager
def _terminal() -> Generator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("height {task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[events]:,} events"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        tasks: dict[str, Any] = {}
        events: dict[str, int] = {}
        begun: dict[str, float] = {}

        def report(what: Reorg | Waiting | Wrote) -> None:
            if isinstance(what, Waiting):
                console.print(f"{what.chain}: {what.why}", style="yellow")
            elif isinstance(what, Reorg):
                console.print(
                    f"{what.chain}: reorg: back to height {what.ancestor}, "
                    f"{what.events} events undone",
                    style="yellow",
                )
            else:
                if what.chain not in tasks:
                    tasks[what.chain] = progress.add_task(what.chain, events=0, rate=0.0)
                    begun[what.chain] = monotonic()
                total = events[what.chain] = events.get(what.chain, 0) + what.events
                seconds = max(monotonic() - begun[what.chain], 0.001)
                progress.update(
                    tasks[what.chain],
                    completed=what.last,
                    total=max(what.target, what.last),
                    events=total,
                    rate=total / seconds,
                )

        yield report


def print_status(found: Status, *, as_json: bool) -> None:
    """A table for people, or one JSON document."""
    if as_json:
        click.echo(orjson.dumps(dataclasses.asdict(found), option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    heads = Table(title="Chains")
    for name in ("chain", "height", "finalized", "tip", "lag", "block time", "updated"):
        heads.add_column(name)
    for c in found.chains:
        heads.add_row(
            c.chain,
            str(c.height),
            str(c.finalized),
            str(c.latest),
            str(c.lag),
            f"{c.time:%Y-%m-%d %H:%M:%S}",
            f"{c.updated_at:%H:%M:%S}",
        )
    console.print(heads)
    coverage = Table(title="Coverage")
    for name in ("chain", "program", "address", "from", "as of", "gaps"):
        coverage.add_column(name)
    for s in found.sources:
        gaps = ", ".join(f"{a}-{b}" for a, b in s.gaps) or "none"
        coverage.add_row(s.chain, s.program, s.address, str(s.start), str(s.as_of), gaps)
    console.print(coverage)
    events = Table(title="Events")
    chains = sorted({chain for counts in found.events.values() for chain in counts})
    for name in ("table", *chains):
        events.add_column(name, justify="left" if name == "table" else "right")
    for table, counts in found.events.items():
        events.add_row(table, *(f"{counts.get(c, 0):,}" for c in chains))
    console.print(events)
