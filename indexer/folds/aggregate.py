"""A batch's partial folds from its Arrow tables: the declaration's own SQL, run by DuckDB.

What Postgres then merges is one row for each key that the batch touches, not one for each event.
"""

from __future__ import annotations

import re
import threading
from functools import cached_property
from typing import Any

import pyarrow as pa

from indexer.decode.batch import Batch
from indexer.decode.schema import EventTable
from indexer.decode.types import Type
from indexer.folds import compile
from indexer.folds.bind import BoundFold
from indexer.sql import quote


class Aggregator:
    """One DuckDB in memory; callers take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @cached_property
    def _duckdb(self) -> Any:
        import duckdb  # a third of a second that only bulk loads pay

        return duckdb.connect(config={"threads": 1})

    def partials(self, fold: BoundFold, tables: frozenset[str], batch: Batch) -> pa.Table | None:
        """Rows of ``compile.storage(fold)`` over the events of ``batch`` in ``tables``.

        None where DuckDB's numbers are too narrow: u256 among the fold's columns, or a sum that
        left DECIMAL(38, 0).
        """
        if any(_wide(fold, table) for table in fold.tables):
            return None
        import duckdb

        present = tables & batch.tables.keys()
        query = compile.partial(fold, compile.Source(only=present), "duckdb")
        with self._lock:
            for name in present:
                self._duckdb.register(f"_{name}", batch.tables[name])
                self._duckdb.execute(
                    f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS "
                    f"SELECT '{batch.chain}' AS chain, * FROM {quote('_' + name)}"
                )
            try:
                rows: pa.Table = self._duckdb.execute(query).to_arrow_table()
            except (duckdb.OutOfRangeException, duckdb.ConversionException):
                return None
            finally:
                for name in present:
                    self._duckdb.unregister(f"_{name}")
        columns = compile.storage(fold)
        return rows.select([c.name for c in columns]).cast(
            pa.schema([(c.name, c.type.arrow) for c in columns])
        )


def _wide(fold: BoundFold, table: EventTable) -> bool:
    """Whether the fold reads a column of ``table`` that is wider than DuckDB's decimals."""
    read = {k.of for k in fold.key}
    for column in fold.columns:
        read |= {field for t, field in column.arms if t is table and field}
        read |= set(re.findall(r"\w+", column.where or ""))
    return any(c.type is Type.NUMERIC78 and c.name in read for c in table.all_columns)
