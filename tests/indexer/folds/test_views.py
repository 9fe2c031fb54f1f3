"""Views over folds: rows in, rows out, in both engines by the same words."""

from __future__ import annotations

from typing import Any

import duckdb
import psycopg
import pytest

from indexer.decode.schema import EventTable, Schema
from indexer.decode.types import Column, Type
from indexer.errors import Fatal
from indexer.folds import bind, compile, fold, join, last, view, views
from indexer.folds.bind import BoundFold
from indexer.sql import Dialect, quote

SHARES = view(
    "shares",
    of="customers",
    joins=[join("shops", shop="shop")],
    columns={
        "rest": "shops.volume - customers.spent",
        "early": "head.time < shops.opened",
        "closed": "shops.reason IS NOT NULL",
    },
    where="customers.spent > 0",
)
ROWS = {
    "customers": [
        {"chain": "c", "shop": "a", "customer": "x", "spent": 2},
        {"chain": "c", "shop": "a", "customer": "y", "spent": 3},
        {"chain": "c", "shop": "b", "customer": "x", "spent": 0},
        {"chain": "d", "shop": "a", "customer": "x", "spent": 7},
    ],
    "shops": [{"chain": "c", "shop": "a", "volume": 5, "opened": "2026-01-02 00:00:00+00"}],
    "head": [{"chain": "c", "time": "2026-01-01 00:00:00+00"}],
}
WANTED = [
    ("c", "a", "x", 3, True, False),
    ("c", "a", "y", 2, True, False),
    ("d", "a", "x", None, None, False),
]


def fill(execute: Any, folds: tuple[BoundFold, ...], dialect: Dialect) -> None:
    execute("CREATE TABLE head (chain VARCHAR, time TIMESTAMPTZ)")
    hidden = {"_n": 1, "sales": 0, "small_sales": 0, "events": 0}
    for bound in folds:
        execute(compile.create(bound, "", dialect))
    for table, rows in ROWS.items():
        columns = {c.name for f in folds if f.name == table for c in compile.storage(f)}
        for row in rows:
            values = {**{k: v for k, v in hidden.items() if k in columns}, **row}
            names = ", ".join(quote(k) for k in values)
            literals = ", ".join(
                f"'{v}'" if isinstance(v, str) else str(v) for v in values.values()
            )
            execute(f"INSERT INTO {table} ({names}) VALUES ({literals})")
    execute(views.create(SHARES, folds, "", dialect))


def test_postgres(postgres_url: str, shop_folds: tuple[BoundFold, ...]) -> None:
    with psycopg.connect(postgres_url) as connection:
        fill(connection.execute, shop_folds, "postgres")
        assert sorted(connection.execute("SELECT * FROM shares").fetchall()) == WANTED


def test_duckdb(shop_folds: tuple[BoundFold, ...]) -> None:
    with duckdb.connect() as connection:
        fill(connection.execute, shop_folds, "duckdb")
        assert sorted(connection.execute("SELECT * FROM shares").fetchall()) == WANTED


@pytest.mark.parametrize(
    ("name", "columns", "says"),
    [
        ("Shares", {"a": "1"}, "'Shares' can't name a column"),
        ("shares", {"chain": "1"}, "'chain' can't name a column"),
        ("shares", {}, "at least one column"),
    ],
)
def test_what_is_wrong_is_named(name: str, columns: dict[str, str], says: str) -> None:
    with pytest.raises(Fatal, match=says):
        view(name, of="customers", columns=columns)


LISTED = EventTable(
    "shop_listed", "shop", "Listed", (Column("shop", Type.TEXT), Column("labels", Type.JSON))
)
SHELVES = fold("shelves", program="shop", key="shop", columns={"labels": last("labels")})
LABELS = view(
    "labels", of="shelves", each=("label", "labels"), columns={"lit": "head.time IS NOT NULL"}
)


def shelve(execute: Any, dialect: Dialect) -> list[tuple[Any, ...]]:
    """Two labels, one of them strange and one twice, none, and nothing at all; the view's rows."""
    bound = bind.bind(SHELVES, Schema({LISTED.name: LISTED}, ()))
    execute("CREATE TABLE head (chain VARCHAR, time TIMESTAMPTZ)")
    execute(compile.create(bound, "", dialect))
    for shop, labels in (("a", """'["tea", "b\\"x", "tea"]'"""), ("b", "'[]'"), ("c", "NULL")):
        execute(
            f"INSERT INTO shelves (chain, shop, labels, _n) VALUES ('c', '{shop}', {labels}, 1)"
        )
    execute(views.create(LABELS, [bound], "", dialect))
    return sorted(execute("SELECT * FROM labels").fetchall())


def test_a_row_for_each_of_a_list(postgres_url: str) -> None:
    wanted = [("c", "a", 'b"x', False), ("c", "a", "tea", False)]
    with psycopg.connect(postgres_url) as connection:
        assert shelve(connection.execute, "postgres") == wanted
    with duckdb.connect() as engine:
        assert shelve(engine.execute, "duckdb") == wanted


def test_a_list_that_is_none_is_named() -> None:
    bound = bind.bind(SHELVES, Schema({LISTED.name: LISTED}, ()))
    wrong = view("labels", of="shelves", each=("label", "shop"), columns={"a": "1"})
    with pytest.raises(Fatal, match=r"view 'labels': shelves\.shop is no list"):
        views.check(wrong, {"shelves": bound})
