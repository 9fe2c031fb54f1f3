"""The laws of folds, on the SQL that the product runs, in both engines.

Any partition of any event stream, in any order, with undo and other events in its place, leaves
the table that GROUP BY over the events in the log makes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.decode.schema import EventTable, Schema
from indexer.folds import compile
from indexer.folds.bind import BoundFold
from indexer.log import ddl
from indexer.sql import Dialect, quote

BITS = 28
EXAMPLES = 1000 if os.environ.get("CI") else 100
HEIGHTS = 12


class Engine(Protocol):
    dialect: Dialect

    def execute(self, statement: str, **values: Any) -> list[tuple[Any, ...]]: ...


@dataclass
class Postgres:
    connection: psycopg.Connection[Any]
    dialect: Dialect = "postgres"

    def execute(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with psycopg.ClientCursor(self.connection) as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


@dataclass
class Duck:
    connection: duckdb.DuckDBPyConnection
    dialect: Dialect = "duckdb"

    def execute(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        for name, value in values.items():
            literal = f"'{value}'" if isinstance(value, str) else str(value)
            statement = statement.replace(f"%({name})s", literal)
        return self.connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def postgres(postgres_server: str) -> Iterator[Postgres]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA laws")
        connection.execute("SET search_path = laws")
        connection.execute("SET synchronous_commit = off")
        yield Postgres(connection)
        connection.execute("DROP SCHEMA laws CASCADE")


@pytest.fixture(scope="module")
def engines(
    postgres: Postgres, shop_schema: Schema, shop_folds: tuple[BoundFold, ...]
) -> dict[str, Engine]:
    made: dict[str, Engine] = {
        "postgres": postgres,
        "duckdb": Duck(duckdb.connect(config={"threads": 1})),
    }
    for engine in made.values():
        for table in shop_schema.tables.values():
            statement = ddl.create_events(table, "")
            if engine.dialect == "duckdb":
                statement = statement.replace(' COLLATE "C"', "").replace("jsonb", "JSON")
            engine.execute(statement)
        for fold in shop_folds:
            engine.execute(compile.create(fold, "", engine.dialect))
    for fold in shop_folds:
        for _, statement in compile.indexes(fold, ""):
            postgres.execute(statement)
    return made


@dataclass(frozen=True)
class Put:
    """Heights ``first..last`` become covered with these events: (height, table, values)."""

    first: int
    last: int
    events: tuple[tuple[int, str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Undo:
    """Everything above ``ancestor`` is orphaned."""

    ancestor: int


shop = st.sampled_from(["a", "b"])
amount = st.integers(0, 10) | st.just(2**120 - 1)
paid = st.tuples(st.just("shop_paid"), st.tuples(shop, st.sampled_from("xyz"), amount, amount))
closed = st.tuples(st.just("shop_closed"), st.tuples(shop, st.integers(0, 3), amount))


@st.composite
def put(draw: st.DrawFn) -> Put:
    first = draw(st.integers(0, HEIGHTS - 1))
    last = min(HEIGHTS - 1, first + draw(st.integers(0, 5)))
    events = draw(st.lists(st.tuples(st.integers(first, last), paid | closed), max_size=12))
    return Put(first, last, tuple((h, t, v) for h, (t, v) in events))


steps = st.lists(put() | st.builds(Undo, st.integers(-1, HEIGHTS - 2)), min_size=1, max_size=10)
_chains = itertools.count()


@pytest.mark.timeout(3000)  # a thousand examples on a machine that others use too
@pytest.mark.parametrize("name", ["postgres", "duckdb"])
def test_any_partition_any_order_any_undo_equals_the_oracle(
    name: str,
    engines: dict[str, Engine],
    shop_schema: Schema,
    shop_folds: tuple[BoundFold, ...],
) -> None:
    engine = engines[name]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps)
    def law(steps: Sequence[Put | Undo]) -> None:
        chain = f"c{next(_chains)}"
        covered: set[int] = set()
        engine.execute("BEGIN")
        for step in steps:
            if isinstance(step, Undo):
                _undo(engine, shop_schema, shop_folds, chain, step.ancestor)
                covered = {h for h in covered if h <= step.ancestor}
            elif covered.isdisjoint(range(step.first, step.last + 1)):
                _put(engine, shop_schema, shop_folds, chain, step)
                covered |= set(range(step.first, step.last + 1))
        for fold in shop_folds:
            assert _table(engine, fold, chain) == _oracle(engine, fold, chain)
        engine.execute("ROLLBACK")

    law()


def _put(engine: Engine, schema: Schema, folds: Sequence[BoundFold], chain: str, step: Put) -> None:
    counts: dict[int, int] = {}
    rows: dict[str, list[list[str]]] = {}
    for height, table, values in step.events:
        ordinal = counts[height] = counts.get(height, -1) + 1
        time = f"2026-01-01 00:00:{height:02}+00"
        cells = [chain, str(height << BITS | ordinal), "tx", "0x", time, *map(str, values)]
        rows.setdefault(table, []).append(cells)
    for table, of_table in rows.items():
        _insert(engine, schema.tables[table], of_table)
    filter_ = "chain = %(chain)s AND pos BETWEEN %(low)s AND %(high)s"
    for fold in folds:
        statement = compile.upsert(fold, "", compile.Source("", filter_), engine.dialect)
        engine.execute(
            statement,
            chain=chain,
            low=step.first << BITS,
            high=((step.last + 1) << BITS) - 1,
        )


def _insert(engine: Engine, table: EventTable, rows: list[list[str]]) -> None:
    names = ", ".join(["chain", *(quote(c.name) for c in table.all_columns)])
    literals = ", ".join("('" + "', '".join(row) + "')" for row in rows)
    engine.execute(f"INSERT INTO {quote(table.name)} ({names}) VALUES {literals}")


def _undo(
    engine: Engine, schema: Schema, folds: Sequence[BoundFold], chain: str, ancestor: int
) -> None:
    values = {"chain": chain, "from": (ancestor + 1) << BITS}
    orphans = compile.Source("", "chain = %(chain)s AND pos >= %(from)s")
    kept = compile.Source("", "chain = %(chain)s AND pos < %(from)s")
    for fold in folds:
        for statement in compile.undo(fold, "", orphans, kept, engine.dialect):
            engine.execute(statement, **values)
    for table in schema.tables:
        engine.execute(f"DELETE FROM {table} WHERE chain = %(chain)s AND pos >= %(from)s", **values)


def _table(engine: Engine, fold: BoundFold, chain: str) -> list[tuple[Any, ...]]:
    columns = ", ".join(["chain", *(quote(c.name) for c in compile.storage(fold))])
    return sorted(
        engine.execute(f"SELECT {columns} FROM {fold.name} WHERE chain = %(chain)s", chain=chain),
        key=str,
    )


def _oracle(engine: Engine, fold: BoundFold, chain: str) -> list[tuple[Any, ...]]:
    source = compile.Source("", "chain = %(chain)s")
    return sorted(
        engine.execute(compile.partial(fold, source, engine.dialect), chain=chain), key=str
    )
