"""Proofs over the lake: its folds against its own events, its events against the log."""

from __future__ import annotations

from pathlib import Path

import duckdb

from indexer.folds import compile
from indexer.log import database
from indexer.log.database import run
from indexer.sql import quote
from indexer.store import Store
from indexer.verify import Finding
from pipelines.lake import catalog, tables
from pipelines.lake.files import DATABASE
from pipelines.lake.folds import MEMORY, text


def prove(opened: Store, lake: Path) -> list[Finding]:
    """Every fold and every event table of the lake, at the height that the lake is at."""
    with duckdb.connect(lake / DATABASE, read_only=True) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = {text(str(lake / '.spill'))}")
        findings = [_fold(connection, opened, fold.name) for fold in opened.folds]
        held = {
            (table, chain): rows
            for table, chain, rows in connection.execute(
                'SELECT "table", chain, sum(rows)::BIGINT FROM lake.file GROUP BY ALL'
            ).fetchall()
        }
    reaches = catalog.read(lake).reaches.values()
    with database.translated(), opened.connect("lake") as log:
        for table in map(tables.of_event, opened.schema.tables.values()):
            for reach in reaches:
                row = run(
                    log,
                    f"SELECT count(*) FROM {opened.log.table(table.name)} "
                    f"WHERE chain = %s AND {table.within(reach.first, reach.height)}",
                    [reach.chain],
                ).fetchone()
                there, here = row[0] if row else 0, held.get((table.name, reach.chain), 0)
                findings.append(
                    Finding(
                        f"{table.name} on {reach.chain} to {reach.height}",
                        here == there,
                        f"{here} rows, {there} in the log",
                    )
                )
    return findings


def _fold(connection: duckdb.DuckDBPyConnection, opened: Store, name: str) -> Finding:
    fold = next(f for f in opened.folds if f.name == name)
    columns = ", ".join(["chain", *(quote(c.name) for c in fold.public)])
    oracle = f"SELECT {columns} FROM ({compile.partial(fold, compile.Source(), 'duckdb')})"
    mine = f"SELECT {columns} FROM {quote(fold.name)}"
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM ({oracle} EXCEPT ALL {mine})), "
        f"(SELECT count(*) FROM ({mine} EXCEPT ALL {oracle})), (SELECT count(*) FROM ({mine}))"
    ).fetchone()
    missing, extra, rows = row or (0, 0, 0)
    return Finding(
        f"fold {fold.name} = GROUP BY of the events",
        not missing and not extra,
        f"{rows} rows, {missing} missing or different, {extra} too many",
    )
