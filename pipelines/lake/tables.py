"""The log's tables as the lake holds them: which columns, and how a height range is told."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from indexer.decode.batch import ORDINAL_BITS
from indexer.decode.schema import EventTable, Schema
from indexer.decode.types import Column, Type
from indexer.sql import column_type, quote

CHAIN = Column("chain", Type.TEXT, "the chain's name in chainfold.toml")
_TEXT = (Type.NUMERIC20, Type.NUMERIC38, Type.NUMERIC78, Type.JSON)
"""Types that leave Postgres as text: Arrow has no numeric of its own."""


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` begin with the chain. ``place`` is the column that orders rows: a height, or a
    position when ``by_pos``."""

    name: str
    columns: tuple[Column, ...]
    place: str
    by_pos: bool

    @property
    def stored(self) -> tuple[Column, ...]:
        """What is in a file: the chain is in its folder's name, as Hive has it."""
        return self.columns[1:]

    def within(self, first: int, last: int) -> str:
        """SQL: the row lies in heights ``first..last``."""
        if self.by_pos:
            first, last = first << ORDINAL_BITS, ((last + 1) << ORDINAL_BITS) - 1
        return f"{self.place} BETWEEN {first} AND {last}"

    def select(self, schema: str, chain: str, first: int, last: int) -> str:
        """The range's rows in Postgres, in the order they keep."""
        columns = ", ".join(
            f"{quote(c.name)}::text" if c.type in _TEXT else quote(c.name) for c in self.stored
        )
        return (
            f"SELECT {columns} FROM {quote(schema)}.{quote(self.name)} "
            f"WHERE chain = '{chain}' AND {self.within(first, last)} ORDER BY {self.place}"
        )

    @property
    def arrow(self) -> pa.Schema:
        """What a Parquet file of it holds; integers too wide for DECIMAL(38,0) are text."""
        return pa.schema(
            [
                pa.field(c.name, pa.string() if c.type is Type.NUMERIC78 else c.type.arrow)
                for c in self.stored
            ]
        )

    def view(self, source: str | None) -> str:
        """SELECT in DuckDB from ``source`` (a FROM item), or of no row where there is none."""
        columns = [(quote(c.name), column_type(c.type, "duckdb")) for c in self.columns]
        if source is None:
            empty = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns)
            return f"SELECT {empty} WHERE false"
        cast = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in columns)
        return f"SELECT {cast} FROM {source}"


BLOCK = Table(
    "block",
    (
        CHAIN,
        Column("height", Type.INT8, "block number, or slot"),
        Column("hash", Type.TEXT),
        Column("time", Type.TIME),
    ),
    "height",
    by_pos=False,
)


def of_event(table: EventTable) -> Table:
    return Table(table.name, (CHAIN, *table.all_columns), "pos", by_pos=True)


def of_schema(schema: Schema) -> tuple[Table, ...]:
    """Every table of the log that the lake holds."""
    return (BLOCK, *(of_event(t) for t in schema.tables.values()))
