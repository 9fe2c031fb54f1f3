"""Decoder, log and folds alone: raw batches from memory into durable Postgres, no network.

python benchmarks/engine.py [--events 200000] [--per-block 100] [--runs 3]

``events_per_s``: decoded, copied, folded and committed with fsync, synchronous_commit and
full_page_writes on, by the indexer's own pump; ``decode_per_s``: the decoder alone, on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg

from indexer import config, ingest, store
from indexer.chains.raw import RawRange
from indexer.config import Database
from indexer.decode.batch import decode
from indexer.decode.schema import schema
from indexer.log import writer
from indexer.log.database import serve
from localnet.flood import History, history


async def _read(configured: config.Config) -> list[RawRange]:
    """The history up to its final height, which has every bet, as the reader yields it."""
    declared = schema(configured)
    (chain,) = configured.chains.values()
    with store.opened(configured) as opened:
        reader = ingest.reader(chain, declared, opened.sources_on(chain.name))
        try:
            final = (await reader.tip()).finalized
            return [raw async for raw in reader.stream(0, final, finalized=True)]
        finally:
            await reader.aclose()


async def _replayed(ranges: list[RawRange]) -> AsyncGenerator[RawRange]:
    for raw in ranges:
        yield raw


async def _ingest(configured: config.Config, ranges: list[RawRange]) -> float:
    """Seconds from the first batch to the last commit."""
    with store.opened(configured) as opened:
        sources = opened.sources_on(ranges[0].chain)
        log = opened.log_for(sources)
        with opened.connect("benchmark") as connection:

            def write(prepared: writer.Prepared) -> None:
                writer.write(connection, prepared, sources)

            started = time.perf_counter()
            await ingest.pump(_replayed(ranges), opened.schema, partial(writer.prepare, log), write)
            return time.perf_counter() - started


def _decode(configured: config.Config, ranges: list[RawRange]) -> float:
    declared = schema(configured)
    started = time.process_time()
    for raw in ranges:
        decode(raw, declared)
    return time.process_time() - started


async def _measure(made: History, url: str, runs: int) -> None:
    database = Database(url, "chainfold", Path("unused"))
    configured = replace(config.load(Path(made.config)), database=database)
    ranges = await _read(configured)
    decoding = [_decode(configured, ranges) for _ in range(runs)]
    writing: list[float] = []
    for run in range(runs):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS chainfold CASCADE")
            connection.execute("CHECKPOINT")
        writing.append(await _ingest(configured, ranges))
        print(f"run {run + 1}: {len(ranges)} batches in {writing[-1]:.2f} s")
    print(
        json.dumps(
            {
                "benchmark": "engine",
                "events": made.events,
                "batches": len(ranges),
                "events_per_s": round(made.events / statistics.median(writing)),
                "decode_per_s": round(made.events / statistics.median(decoding)),
            }
        )
    )


async def _main(events: int, per_block: int, runs: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="chainfold-bench-") as folder,
        serve(Database(None, "chainfold", Path(folder) / "postgres")) as url,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        async with history("evm", home, events, per_block) as made:
            await _measure(made, url, runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="engine")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--per-block", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(_main(options.events, options.per_block, options.runs))
