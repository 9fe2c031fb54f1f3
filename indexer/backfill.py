"""Backfill: takes in the finalized heights that the ledger lacks, in any order, by anyone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from psycopg import Connection

from indexer import ingest, store
from indexer.chains.reader import Reader
from indexer.config import Config
from indexer.errors import Fatal
from indexer.log import database, ledger, writer

Progress = Callable[[writer.Prepared], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a backfill added: heights (summed over sources), events, and the seconds it took."""

    chain: str
    heights: int
    events: int
    seconds: float


def backfill(config: Config, chain: str, first: int, last: int) -> Report:
    """Takes in what is missing of ``first..last`` (inclusive) of ``chain``. Idempotent.

    Heights above the chain's finalized one are refused: Fatal.
    """
    if chain not in config.chains:
        raise Fatal(f"no chain {chain!r} in {config.path.name}: it has {sorted(config.chains)}")
    with store.opened(config) as opened:
        return asyncio.run(_backfill(opened, chain, first, last))


async def _backfill(opened: store.Store, chain: str, first: int, last: int) -> Report:
    sources = opened.sources_on(chain)
    reader = ingest.reader(opened.config.chains[chain], opened.schema, sources)
    try:
        await reader.check()
        finalized = (await reader.tip()).finalized
        if last > finalized:
            raise Fatal(
                f"{chain}: height {last} is above the finalized height {finalized}: backfill up to "
                "that, the head is `chainfold index`'s"
            )
        with opened.connect("backfill") as connection:
            return await fill(opened, connection, chain, first, last, reader=reader)
    finally:
        await reader.aclose()


async def fill(
    opened: store.Store,
    connection: Connection[Any],
    chain: str,
    first: int,
    last: int,
    *,
    reader: Reader,
    progress: Progress | None = None,
) -> Report:
    """Fills every gap of the chain's sources in ``first..last``, which must be finalized.

    ``reader`` watches all of the chain's sources; sources with gaps of their own get their own.
    A factory's children come after it, up to the height that it is covered to without a gap: only
    there is it known which children there are.
    """
    started = monotonic()
    heights = events = 0
    reached = last
    levels = opened.levels(chain)
    for level in levels:
        part = await _fill_level(
            opened, connection, chain, first, reached, level, reader=reader, progress=progress
        )
        heights += part.heights
        events += part.events
        if level is levels[-1]:
            break
        with database.translated():
            for source in level:
                gaps = ledger.gaps(connection, opened.log.into, source, reached)
                reached = min([reached, *(low - 1 for low, _ in gaps)])
    return Report(chain, heights, events, monotonic() - started)


async def _fill_level(
    opened: store.Store,
    connection: Connection[Any],
    chain: str,
    first: int,
    last: int,
    level: tuple[ledger.Source, ...],
    *,
    reader: Reader,
    progress: Progress | None,
) -> Report:
    started = monotonic()
    heights = events = 0
    everything = opened.sources_on(chain)
    with database.translated():
        by_gap: dict[tuple[int, int], list[ledger.Source]] = {}
        for source in level:
            for gap in ledger.gaps(connection, opened.log.into, source, last, first):
                by_gap.setdefault(gap, []).append(source)
        children = opened.children(connection, chain) if by_gap else {}
    for (low, high), lacking in sorted(by_gap.items()):
        sources = tuple(lacking)
        log = opened.log_for(sources)
        own = reader if sources == everything else None
        roles = {s.address for s in sources}
        mine = {a: c for a, c in children.items() if c.role in roles}
        used = own or ingest.reader(opened.config.chains[chain], opened.schema, sources, mine)

        def write(prepared: writer.Prepared) -> None:
            nonlocal heights, events
            with database.translated():
                try:
                    writer.write(connection, prepared, sources)  # noqa: B023
                except ledger.AlreadyCovered:
                    return
            heights += (prepared.last - prepared.first + 1) * len(sources)  # noqa: B023
            events += prepared.events
            if progress is not None:
                progress(prepared)

        try:
            await ingest.pump(
                used.stream(low, high, finalized=True),
                opened.schema,
                partial(writer.prepare, log),
                write,
                store.wanted(opened.schema, sources),
            )
        finally:
            if own is None:
                await used.aclose()
    return Report(chain, heights, events, monotonic() - started)
