"""What is in the database, by chain and by program: heads, lag, coverage, gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from indexer.log.database import run
from indexer.sql import quote


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Heights of one chain. ``lag`` is in blocks (slots) behind the tip that the nodes told."""

    chain: str
    height: int
    hash: str
    time: datetime
    finalized: int
    latest: int
    lag: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Coverage of one source. ``gaps``: height ranges (inclusive) that lack below its highest."""

    chain: str
    program: str
    address: str
    start: int
    as_of: int
    highest: int
    gaps: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Status:
    """``events``: rows of each event table by chain, counted."""

    chains: tuple[ChainStatus, ...]
    sources: tuple[SourceStatus, ...]
    events: dict[str, dict[str, int]]


def status(connection: Connection[Any], into: str) -> Status:
    """Reads the status. Counts come from the event tables themselves."""
    s = quote(into)
    chains = run(
        connection,
        "SELECT chain, height, hash, time, finalized, latest, greatest(latest - height, 0), "
        f"updated_at FROM {s}.head ORDER BY chain",
    ).fetchall()
    sources = run(
        connection,
        "SELECT chain, program, address, start, as_of, highest, "
        "array(SELECT ARRAY[lower(r), upper(r) - 1] FROM unnest("
        "CASE WHEN highest < start THEN '{}'::int8multirange "
        "ELSE int8multirange(int8range(start, highest, '[]')) - covered END) AS r ORDER BY 1) "
        f"FROM {s}.source_progress ORDER BY chain, source",
    ).fetchall()
    tables = run(
        connection,
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tx' "
        "WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY 1",
        [into],
    ).fetchall()
    events: dict[str, dict[str, int]] = {}
    for (table,) in tables:
        rows = run(
            connection, f"SELECT chain, count(*) FROM {s}.{quote(table)} GROUP BY chain ORDER BY 1"
        ).fetchall()
        events[table] = dict(rows)
    return Status(
        tuple(ChainStatus(*row) for row in chains),
        tuple(SourceStatus(*row[:6], gaps=_pairs(row[6])) for row in sources),
        events,
    )


def _pairs(gaps: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((low, high) for low, high in gaps)
