"""Partial folds made of a batch's Arrow tables are those that Postgres makes of its rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.chains.raw import Blocks
from indexer.decode.batch import Batch
from indexer.decode.schema import EventTable, Schema
from indexer.decode.types import Type
from indexer.folds import bind, compile
from indexer.folds.aggregate import Aggregator
from indexer.folds.algebra import Fold, count, fold
from indexer.folds.bind import BoundFold
from indexer.log import copy, ddl

EXAMPLES = 500 if os.environ.get("CI") else 50
START = datetime(2026, 1, 1, tzinfo=UTC)
NONE = Blocks(np.array([], np.int64), [], np.array([], np.int64))

shop = st.sampled_from(["a", "b"])
number = (st.integers(0, 10) | st.just(10**37)).map(Decimal)
paid = st.tuples(st.just("shop_paid"), st.tuples(shop, st.sampled_from("xyz"), number, number))
closed = st.tuples(st.just("shop_closed"), st.tuples(shop, st.integers(0, 3), number))


def batch(schema: Schema, events: Sequence[tuple[str, tuple[Any, ...]]]) -> Batch:
    tables: dict[str, pa.Table] = {}
    for name, table in schema.tables.items():
        rows = [
            (pos, "tx", "0x", START + timedelta(seconds=pos), *values)
            for pos, (of, values) in enumerate(events)
            if of == name
        ]
        if rows:
            tables[name] = pa.table(
                {
                    c.name: pa.array([row[i] for row in rows], c.type.arrow)
                    for i, c in enumerate(table.all_columns)
                }
            )
    return Batch("c", 0, 9, True, NONE, tables, 0, frozenset(["0x"]))


def of_postgres(
    connection: psycopg.Connection[Any], schema: Schema, fold: BoundFold, of: Batch
) -> list[tuple[Any, ...]]:
    for name, rows in of.tables.items():
        statement = f"COPY {name} FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as stream:  # pyright: ignore
            body = copy.rows(rows, schema.tables[name].all_columns, of.chain)
            stream.write(copy.HEADER + body + copy.TRAILER)
    query = compile.partial(fold, compile.Source(), "postgres")
    return connection.execute(query).fetchall()  # pyright: ignore


@pytest.mark.timeout(600)
def test_any_batch(
    postgres_server: str, shop_schema: Schema, shop_folds: tuple[BoundFold, ...]
) -> None:
    aggregator = Aggregator()
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for table in shop_schema.tables.values():
            connection.execute(  # pyright: ignore
                ddl.create_events(table, "").replace("CREATE TABLE", "CREATE TEMP TABLE")
            )

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(paid | closed, min_size=1, max_size=12))
        def law(events: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
            of = batch(shop_schema, events)
            for bound in shop_folds:
                tables = frozenset(t.name for t in bound.tables)
                if tables.isdisjoint(of.tables):
                    continue
                made = aggregator.partials(bound, tables, of)
                with connection.transaction(force_rollback=True):
                    wanted = of_postgres(connection, shop_schema, bound, of)
                if made is None:
                    # only a sum beyond what DuckDB's decimals hold is left to Postgres
                    assert any(
                        isinstance(v, Decimal) and v >= 10**37 for row in wanted for v in row
                    )
                    continue
                rows = [
                    ("c", *(r[c.name] for c in compile.storage(bound))) for r in made.to_pylist()
                ]
                assert sorted(rows, key=str) == sorted(wanted, key=str)

        law()


def test_a_sum_that_leaves_duckdbs_decimals_is_left_to_postgres(
    shop_schema: Schema, shop_folds: tuple[BoundFold, ...]
) -> None:
    most = Decimal(10**38 - 1)
    of = batch(shop_schema, [("shop_paid", ("a", "x", most, most))] * 3)
    for bound in shop_folds:
        assert Aggregator().partials(bound, frozenset(of.tables), of) is None


def test_u256_is_left_to_postgres(shop_schema: Schema) -> None:
    paid = shop_schema.tables["shop_paid"]
    wide = EventTable(
        paid.name,
        paid.program,
        paid.event,
        tuple(replace(c, type=Type.NUMERIC78) if c.name == "amount" else c for c in paid.columns),
    )
    schema = Schema({wide.name: wide}, ())
    of = batch(shop_schema, [("shop_paid", ("a", "x", Decimal(1), Decimal(2)))])
    reads = bind.bind(_count(where="amount > 5"), schema)
    leaves = bind.bind(_count(where="total_after > 5"), schema)
    assert Aggregator().partials(reads, frozenset(of.tables), of) is None
    assert Aggregator().partials(leaves, frozenset(of.tables), of) is not None


def _count(where: str) -> Fold:
    return fold("n", program="shop", key="shop", columns={"n": count("Paid", where=where)})
