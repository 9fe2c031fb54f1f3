"""Integers of 256 bits: sums, extremes and differences are exact in both engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import psycopg
import pytest

from indexer.decode.schema import EventTable, Schema
from indexer.decode.types import Column, Type
from indexer.folds import bind, compile
from indexer.folds.algebra import fold, last, max_, min_, sum_
from indexer.sql import Dialect, column_type, quote

TOP = 2**256 - 1
LOW = -(2**255)
SENT = EventTable(
    "t_sent", "t", "Sent", (Column("who", Type.TEXT), Column("value", Type.NUMERIC78))
)
PAID = EventTable(
    "t_paid", "t", "Paid", (Column("who", Type.TEXT), Column("value", Type.NUMERIC20))
)
FOLD = fold(
    "totals",
    program="t",
    key="who",
    columns={
        "total": sum_("value"),
        "large": sum_("value", where="value > 100"),
        "least": min_("value"),
        "most": max_("value"),
        "newest": last("value"),
    },
)
BOUND = bind.bind(FOLD, Schema({t.name: t for t in (SENT, PAID)}, ()))
Execute = Callable[[str], Any]
EVENTS = [
    (0, SENT, TOP), (1, PAID, 7), (2, SENT, TOP), (3, SENT, LOW), (4, PAID, 2**64 - 1),
    (5, SENT, 101), (6, SENT, 1),
]  # fmt: skip


def make(execute: Execute, dialect: Dialect) -> None:
    for table in (SENT, PAID):
        columns = ", ".join(
            f"{quote(c.name)} {column_type(c.type, dialect)}" for c in table.all_columns
        )
        execute(f"CREATE TABLE {table.name} (chain VARCHAR, {columns})")
    execute(compile.create(BOUND, "", dialect))


def put(execute: Execute, dialect: Dialect, events: Sequence[tuple[int, EventTable, int]]) -> None:
    for pos, table, value in events:
        execute(
            f"INSERT INTO {table.name} (chain, pos, tx, address, time, who, value) "
            f"VALUES ('c', {pos}, 'x', '0x', '2026-01-01 00:00:00+00', 'me', '{value}')"
        )
    low, high = events[0][0], events[-1][0]
    source = compile.Source("", f"pos BETWEEN {low} AND {high}")
    execute(compile.upsert(BOUND, "", source, dialect))


def undo(execute: Execute, dialect: Dialect, start: int) -> None:
    orphans, kept = compile.Source("", f"pos >= {start}"), compile.Source("", f"pos < {start}")
    for statement in compile.undo(BOUND, "", orphans, kept, dialect):
        execute(statement)
    for table in (SENT, PAID):
        execute(f"DELETE FROM {table.name} WHERE pos >= {start}")


def row(execute: Execute) -> tuple[int, ...]:
    (found,) = execute("SELECT total, large, least, most, newest FROM totals").fetchall()
    return tuple(int(v) for v in found)


def wanted(count: int) -> tuple[int, ...]:
    values = [v for _, _, v in EVENTS[:count]]
    large = sum(v for v in values if v > 100)
    return sum(values), large, min(values), max(values), values[-1]


@pytest.mark.parametrize("dialect", ["postgres", "duckdb"])
def test_any_order_and_undo_are_exact(dialect: Dialect, postgres_url: str) -> None:
    connection: Any = psycopg.connect(postgres_url) if dialect == "postgres" else duckdb.connect()
    with connection:
        execute: Execute = connection.execute
        make(execute, dialect)
        put(execute, dialect, EVENTS[4:])
        put(execute, dialect, EVENTS[:4])
        assert row(execute) == wanted(7)
        undo(execute, dialect, 4)
        assert row(execute) == wanted(4)
        undo(execute, dialect, 2)
        assert row(execute) == wanted(2)
