"""The export: what became final since the last one, from Postgres into the lake."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi
from psycopg import Connection

from indexer.decode.batch import ORDINAL_BITS
from indexer.errors import Fatal
from indexer.fingerprint import declarations
from indexer.folds import compile
from indexer.log import database
from indexer.log.database import run
from indexer.sql import quote
from indexer.store import Store
from pipelines.lake import catalog, files, folds, tables
from pipelines.lake.catalog import Catalog, Reach
from pipelines.lake.files import File
from pipelines.lake.tables import Table
from pipelines.ranges import cut

_LAYOUT = 1
"""Of the folder. A lake of another layout is exported anew."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an export did. ``heights``: how far the lake reaches now, by chain."""

    heights: dict[str, int]
    events: int
    files_written: int
    files_removed: int


def export(opened: Store, lake: Path, size: int) -> Summary:
    """Brings the lake to the highest finalized height without a gap below, on every chain.

    Files hold aligned ranges of ``size`` heights; the last one of a chain is written anew until
    its range is full. Where interfaces, folds or the chain itself are others than before, that
    part is exported from the start. A reader that has the old database open keeps its files until
    the export after this one.
    """
    try:
        with files.only_writer(lake):
            return _export(opened, lake, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _full(lake) from error
    except duckdb.IOException as error:
        if "No space left" not in str(error):
            raise
        raise _full(lake) from error


def _full(lake: Path) -> Fatal:
    return Fatal(f"lake {lake}: no space left on its disk: free some; the lake is as it was")


def _export(opened: Store, lake: Path, size: int) -> Summary:
    old = catalog.read(lake)
    identity = _identity(opened, size)
    known = old if old.identity == identity else Catalog(identity)
    log = tables.of_schema(opened.schema)
    reaches: dict[str, Reach] = {}
    kept: list[File] = []
    fresh: list[File] = []
    with (
        database.translated(),
        opened.connect("lake") as connection,
        dbapi.connect(opened.url) as arrow,
    ):
        for chain, first, height in _final(connection, opened):
            before = known.reaches.get(chain)
            if before and not (before.height <= height and _same_chain(connection, opened, before)):
                before = None
            mine = [f for f in known.files if before and f.chain == chain]
            if before and before.height == height:
                reaches[chain] = before
                kept += mine
                continue
            start = before.height + 1 if before else first
            full, written = _events(opened, arrow, lake, log, chain, mine, start, height, size)
            states = _folds(opened, lake, chain, mine, written, start, height)
            kept += [f for f in mine if f in full or f in states]
            fresh += written + [f for f in states if f not in mine]
            anchor = _anchor(connection, opened, chain, height)
            reaches[chain] = Reach(chain, first, height, anchor)
    after = Catalog(identity, reaches, tuple(kept + fresh))
    heights = {c: r.height for c, r in reaches.items()}
    events = sum(f.rows for f in after.files if f.table in opened.schema.tables)
    if after == old:
        return Summary(heights, events, 0, 0)
    catalog.write(lake, after, log, opened.folds, datetime.now(UTC))
    # readers of the database that was just replaced may still open its files
    removed = files.sweep(lake, {*old.files, *after.files})
    return Summary(heights, events, len(fresh), removed)


_FINAL = """
SELECT p.chain, min(p.start), least(min(p.as_of), h.finalized)
FROM {s}.source_progress p LEFT JOIN {s}.head h USING (chain)
WHERE p.source = ANY(%s) GROUP BY p.chain, h.finalized ORDER BY p.chain
"""


def _final(connection: Connection[Any], opened: Store) -> list[tuple[str, int, int]]:
    """(chain, first, last) of the heights that are final and covered by every source."""
    rows = run(
        connection,
        _FINAL.format(s=quote(opened.log.into)),
        [[s.id for s in opened.sources]],
    ).fetchall()
    return [(chain, first, last) for chain, first, last in rows if last >= first]


def _same_chain(connection: Connection[Any], opened: Store, reach: Reach) -> bool:
    """The log has the lake's last event's block: it is the history that the lake was made from."""
    if reach.anchor is None:
        return True
    found = run(
        connection,
        f"SELECT hash FROM {opened.log.table('block')} WHERE chain = %s AND height = %s",
        [reach.chain, reach.anchor[0]],
    ).fetchone()
    return found is not None and found[0] == reach.anchor[1]


def _anchor(
    connection: Connection[Any], opened: Store, chain: str, height: int
) -> tuple[int, str] | None:
    latest = " UNION ALL ".join(
        f"SELECT max(pos) AS pos FROM {opened.log.table(name)} "
        "WHERE chain = %(chain)s AND pos < %(end)s"
        for name in opened.schema.tables
    )
    row = run(
        connection,
        f"SELECT height, hash FROM {opened.log.table('block')} WHERE chain = %(chain)s "
        f"AND height = (SELECT max(pos) >> {ORDINAL_BITS} FROM ({latest}) AS l)",
        {"chain": chain, "end": (height + 1) << ORDINAL_BITS},
    ).fetchone()
    return (row[0], row[1]) if row else None


def _events(
    opened: Store,
    arrow: dbapi.Connection,
    lake: Path,
    log: Sequence[Table],
    chain: str,
    mine: Sequence[File],
    start: int,
    height: int,
    size: int,
) -> tuple[set[File], list[File]]:
    """Writes start..height; (files of before that still stand, files written).

    The range that ``start`` lies in is written from its beginning: the file that held its first
    part no longer stands.
    """
    ranges = cut(chain, start, height, size)
    standing = {f for f in mine if f.table in {t.name for t in log} and f.last < ranges[0].first}
    written: list[File] = []
    for table in log:
        for r in ranges:
            last = min(r.last, height)
            path = files.events_path(table.name, chain, r.first, last)
            rows = _copy(arrow, table, opened.log.into, chain, r.first, last, lake / path)
            if rows:
                written.append(File(table.name, chain, r.first, last, rows, path))
    return standing, written


def _copy(
    connection: dbapi.Connection,
    table: Table,
    schema: str,
    chain: str,
    first: int,
    last: int,
    target: Path,
) -> int:
    """One Parquet file of the range's rows, in pieces of bounded memory; how many rows."""
    rows = 0
    with connection.cursor() as cursor:
        cursor.execute(table.select(schema, chain, first, last))
        reader = cursor.fetch_record_batch()
        piece = next((b for b in reader if len(b)), None)
        if piece is None:
            return 0
        with (
            files.whole(target) as path,
            pq.ParquetWriter(path, table.arrow, compression="zstd") as writer,
        ):
            while piece is not None:
                writer.write_table(pa.Table.from_batches([piece]).cast(table.arrow))
                rows += len(piece)
                piece = next((b for b in reader if len(b)), None)
    return rows


def _folds(
    opened: Store,
    lake: Path,
    chain: str,
    mine: Sequence[File],
    written: Sequence[File],
    start: int,
    height: int,
) -> list[File]:
    """Every fold's file at ``height``: the one of before where no event of it came since."""
    by_table: dict[str, list[File]] = {}
    for f in written:
        by_table.setdefault(f.table, []).append(f)
    states: list[File] = []
    for fold in opened.folds:
        before = next((f for f in mine if f.table == fold.name), None)
        after = folds.merge(lake, fold, chain, before, by_table, start, height) or before
        if after is not None:
            states.append(after)
    return states


def _identity(opened: Store, size: int) -> str:
    """Changes with whatever makes the old files unfit to be continued."""
    parts = [
        _LAYOUT,
        size,
        sorted([*d.key, d.fingerprint] for d in declarations(opened.schema, opened.folds).values()),
        [compile.partial(f, compile.Source(), "duckdb") for f in opened.folds],
        [[s.chain, s.address, list(s.events), s.start] for s in opened.sources],
    ]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
