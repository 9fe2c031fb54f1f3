"""Folds in the lake: the state of before merged with the new events, by the same declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from indexer.folds import compile
from indexer.folds.bind import BoundFold
from indexer.sql import quote
from pipelines.lake import tables
from pipelines.lake.files import File, fold_path, whole

MEMORY = "256MB"
"""Of DuckDB; what is more goes to disk."""


def parquet(lake: Path, files: Sequence[File]) -> str | None:
    """A FROM item of DuckDB over ``files``."""
    if not files:
        return None
    names = ", ".join(text(str(lake / f.path)) for f in files)
    return (
        f"read_parquet([{names}], union_by_name = true, hive_partitioning = true, "
        "hive_types = {'chain': VARCHAR})"
    )


def text(value: str) -> str:
    """A literal of DuckDB."""
    return "'" + value.replace("'", "''") + "'"


def merge(
    lake: Path,
    fold: BoundFold,
    chain: str,
    before: File | None,
    fresh: Mapping[str, Sequence[File]],
    first: int,
    last: int,
) -> File | None:
    """The fold's state at ``last``, from the one at ``first - 1`` and the events of first..last.

    ``fresh``: files by event table that hold those events, among others. The cost is that of the
    new events and of the fold's rows, not of the history. None, where no event came, says that
    ``before`` stands.
    """
    spill = lake / ".spill"
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": 2,
        "temp_directory": str(spill),
    }
    with duckdb.connect(config=settings) as connection:
        for table in fold.tables:
            shape = tables.of_event(table)
            select = shape.view(parquet(lake, fresh.get(table.name, ())))
            connection.execute(
                f"CREATE VIEW {quote(table.name)} AS SELECT * FROM ({select}) "
                f"WHERE {shape.within(first, last)}"
            )
        arms = " UNION ALL ".join(f"(SELECT 1 FROM {quote(t.name)} LIMIT 1)" for t in fold.tables)
        if not connection.execute(arms).fetchone():
            return None
        connection.execute(compile.create(fold, "", "duckdb"))
        if before is not None:
            names = ", ".join(["chain", *(quote(c.name) for c in compile.storage(fold))])
            connection.execute(
                f"INSERT INTO {quote(fold.name)} ({names}) "
                f"SELECT {names} FROM {parquet(lake, [before])}"
            )
        connection.execute(compile.upsert(fold, "", compile.Source(), "duckdb"))
        path = fold_path(fold.name, chain, last)
        order = ", ".join(quote(c.name) for c in fold.key)
        with whole(lake / path) as target:
            written = connection.execute(
                f"COPY (SELECT * EXCLUDE (chain) FROM {quote(fold.name)} ORDER BY {order}) "
                f"TO {text(str(target))} (FORMAT parquet, COMPRESSION zstd)"
            ).fetchone()
    return File(fold.name, chain, 0, last, written[0] if written else 0, path)
