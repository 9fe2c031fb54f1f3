"""chainfold.duckdb: views over the Parquet files, and what the lake knows of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from indexer.decode.batch import ORDINAL_BITS
from indexer.decode.types import Column
from indexer.errors import Fatal, Retryable
from indexer.folds import compile
from indexer.folds.bind import BoundFold
from indexer.sql import quote
from pipelines.lake.files import DATABASE, File, whole
from pipelines.lake.folds import parquet, text
from pipelines.lake.tables import Table


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the lake holds a chain: heights ``first..height``.

    ``anchor`` (height, hash) is the block of its last event, by which the lake knows the chain
    again; None while there is no event.
    """

    chain: str
    first: int
    height: int
    anchor: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """``identity`` tells the interfaces, folds and sources that the files were made from."""

    identity: str = ""
    reaches: Mapping[str, Reach] = field(default_factory=dict)
    files: tuple[File, ...] = ()


def read(lake: Path) -> Catalog:
    """The catalog of the lake's DuckDB file; an empty one where there is none."""
    path = lake / DATABASE
    if not path.exists():
        return Catalog()
    try:
        with duckdb.connect(path, read_only=True) as connection:
            identity = connection.execute("SELECT identity FROM lake.about").fetchone()
            reaches = connection.execute(
                "SELECT chain, first, height, anchor_height, anchor_hash FROM lake.reach"
            ).fetchall()
            files = connection.execute(
                'SELECT "table", chain, first, last, rows, path FROM lake.file'
            ).fetchall()
    except duckdb.Error as error:
        if "lock" in str(error):
            raise Retryable(
                f"{path} is open for writing elsewhere: close it, analysts open it read-only"
            ) from None
        raise Fatal(
            f"{path} can't be read as the lake's database ({_line(error)}): delete it "
            "to export anew"
        ) from None
    return Catalog(
        identity[0] if identity else "",
        {r[0]: Reach(r[0], r[1], r[2], None if r[3] is None else (r[3], r[4])) for r in reaches},
        tuple(File(*f) for f in files),
    )


def write(
    lake: Path,
    catalog: Catalog,
    log: Sequence[Table],
    folds: Sequence[BoundFold],
    at: datetime,
) -> None:
    """Puts a new DuckDB file in the place of the old one, which open readers keep."""
    with whole(lake / DATABASE) as target:
        # of an export that was killed: DuckDB would play it into the new file
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        _fill(target, lake, catalog, log, folds, at)


def _fill(
    target: Path,
    lake: Path,
    catalog: Catalog,
    log: Sequence[Table],
    folds: Sequence[BoundFold],
    at: datetime,
) -> None:
    by_table: dict[str, list[File]] = {}
    for f in catalog.files:
        by_table.setdefault(f.table, []).append(f)
    with duckdb.connect(target) as connection:
        _bookkeeping(connection, catalog, at)
        for table in log:
            source = parquet(lake, by_table.get(table.name, ()))
            _view(connection, table.name, table.view(source), "", table.columns)
        for fold in folds:
            columns = (Column("chain", log[0].columns[0].type), *fold.public)
            names = ", ".join(quote(c.name) for c in columns)
            source = parquet(lake, by_table.get(fold.name, ()))
            if source is None:
                source = f"({compile.partial(fold, compile.Source(), 'duckdb')})"
            _view(connection, fold.name, f"SELECT {names} FROM {source}", fold.fold.doc, columns)
            at_height = compile.Source(
                "",
                f"chain = at_chain AND pos < (CAST(at_height AS BIGINT) + 1) * {1 << ORDINAL_BITS}",
            )
            connection.execute(
                f"CREATE MACRO {quote(fold.name + '_at')}(at_chain, at_height) AS TABLE "
                f"SELECT {names} FROM ({compile.partial(fold, at_height, 'duckdb')})"
            )


def _bookkeeping(connection: duckdb.DuckDBPyConnection, catalog: Catalog, at: datetime) -> None:
    connection.execute("CREATE SCHEMA lake")
    connection.execute("CREATE TABLE lake.about (identity VARCHAR, exported_at TIMESTAMPTZ)")
    connection.execute("INSERT INTO lake.about VALUES (?, ?)", [catalog.identity, at])
    connection.execute(
        "CREATE TABLE lake.reach (chain VARCHAR PRIMARY KEY, first BIGINT, height BIGINT, "
        "anchor_height BIGINT, anchor_hash VARCHAR)"
    )
    connection.execute("COMMENT ON TABLE lake.reach IS 'heights first..height are in the lake'")
    for r in catalog.reaches.values():
        connection.execute(
            "INSERT INTO lake.reach VALUES (?, ?, ?, ?, ?)",
            [r.chain, r.first, r.height, *(r.anchor or (None, None))],
        )
    connection.execute(
        'CREATE TABLE lake.file ("table" VARCHAR, chain VARCHAR, first BIGINT, last BIGINT, '
        "rows BIGINT, path VARCHAR)"
    )
    if catalog.files:
        columns = zip(
            *((f.table, f.chain, f.first, f.last, f.rows, f.path) for f in catalog.files),
            strict=True,
        )
        connection.execute(
            "INSERT INTO lake.file SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), "
            "unnest(?)",
            [list(c) for c in columns],
        )


def _view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    select: str,
    doc: str,
    columns: Sequence[Column],
) -> None:
    connection.execute(f"CREATE VIEW {quote(name)} AS {select}")
    if doc:
        connection.execute(f"COMMENT ON VIEW {quote(name)} IS {text(doc)}")
    for c in columns:
        if c.doc:
            connection.execute(f"COMMENT ON COLUMN {quote(name)}.{quote(c.name)} IS {text(c.doc)}")


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0]
