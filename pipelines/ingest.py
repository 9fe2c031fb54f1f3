"""The indexer's backfill over partitions: the same functions, the same ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from indexer import backfill, ingest
from indexer.backfill import Report
from indexer.chains.reader import Reader
from indexer.errors import Fatal, Retryable
from indexer.log import ledger
from indexer.store import Store
from pipelines.ranges import HeightRange, cut, spans


def take_in(
    opened: Store, ranges: Iterable[HeightRange], limits: Mapping[str, int] | None = None
) -> dict[str, Report]:
    """Fills what the ledger lacks of ``ranges``, all chains at once; reports by chain.

    A range that reaches above its chain's finalized height, or above its height in ``limits``, is
    filled up to there.
    """
    wanted: dict[str, list[HeightRange]] = {}
    for r in spans(ranges):
        if r.chain not in opened.config.chains:
            raise Fatal(
                f"partition {r.key}: {opened.config.path.name} has no chain {r.chain!r}, it has "
                f"{sorted(opened.config.chains)}: delete the partition"
            )
        wanted.setdefault(r.chain, []).append(r)
    reports = asyncio.run(_all(opened, wanted, limits or {}))
    return {r.chain: r for r in reports}


async def _all(
    opened: Store, wanted: Mapping[str, Sequence[HeightRange]], limits: Mapping[str, int]
) -> list[Report]:
    tasks = [_chain(opened, c, ranges, limits.get(c)) for c, ranges in wanted.items()]
    reports = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [r for r in reports if isinstance(r, BaseException)]
    if failed:  # a fact stands above what may pass
        raise next((e for e in failed if not isinstance(e, Retryable)), failed[0])
    return [r for r in reports if isinstance(r, Report)]


async def _chain(
    opened: Store, chain: str, ranges: Sequence[HeightRange], limit: int | None
) -> Report:
    heights = events = 0
    seconds = 0.0
    async with _reader(opened, chain) as reader:
        await reader.check()
        last = (await reader.tip()).finalized
        if limit is not None:
            last = min(last, limit)
        with opened.connect("pipelines") as connection:
            for r in ranges:
                part = await backfill.fill(
                    opened, connection, chain, r.first, min(r.last, last), reader=reader
                )
                heights += part.heights
                events += part.events
                seconds += part.seconds
    return Report(chain, heights, events, seconds)


def finalized_heights(opened: Store) -> dict[str, int]:
    """The finalized height that each chain's nodes tell now."""

    async def ask(chain: str) -> int:
        async with _reader(opened, chain) as reader:
            return (await reader.tip()).finalized

    async def every() -> list[int]:
        return await asyncio.gather(*(ask(c) for c in chains))

    chains = [c for c in opened.config.chains if opened.sources_on(c)]
    return dict(zip(chains, asyncio.run(every()), strict=True))


def ranges_of(opened: Store, finalized: Mapping[str, int], size: int) -> list[HeightRange]:
    """Every range from the chains' first sources to ``finalized``, the last one begun only."""
    return [
        r
        for chain, height in finalized.items()
        for r in cut(chain, min(s.start for s in opened.sources_on(chain)), height, size)
    ]


def lacking(opened: Store, ranges: Iterable[HeightRange]) -> set[HeightRange]:
    """Those of ``ranges`` that the ledger doesn't cover whole for every source."""
    found: set[HeightRange] = set()
    bounds: dict[str, list[HeightRange]] = {}
    for r in ranges:
        bounds.setdefault(r.chain, []).append(r)
    with opened.connect("pipelines") as connection:
        for chain, of_chain in bounds.items():
            low, high = min(r.first for r in of_chain), max(r.last for r in of_chain)
            gaps = [
                gap
                for source in opened.sources_on(chain)
                for gap in ledger.gaps(connection, opened.log.into, source, high, low)
            ]
            found |= {
                r
                for r in of_chain
                if any(first <= r.last and last >= r.first for first, last in gaps)
            }
    return found


@asynccontextmanager
async def _reader(opened: Store, chain: str) -> AsyncGenerator[Reader]:
    reader = ingest.reader(opened.config.chains[chain], opened.schema, opened.sources_on(chain))
    try:
        yield reader
    finally:
        await reader.aclose()
