"""Arrow in, Postgres' own text out: every type at its edges, uniform and ragged rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.decode.types import Column, Type
from indexer.log import copy
from indexer.sql import column_type


def stored(url: str, values: list[Any], kind: Type) -> list[Any]:
    """Copies ``values`` as a column of ``kind`` and reads the column as text."""
    column = Column("v", kind)
    array = pa.array(_arrow(values, kind), kind.arrow)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute("DROP TABLE IF EXISTS t")
        kind_sql = column_type(kind, "postgres")
        connection.execute(f"CREATE TABLE t (chain text, v {kind_sql})")  # pyright: ignore
        with connection.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as stream:
            stream.write(copy.HEADER)
            stream.write(copy.rows(pa.table({"v": array}), [column], "anvil"))
            stream.write(copy.TRAILER)
        rows = connection.execute("SELECT chain, v::text FROM t").fetchall()
    assert all(chain == "anvil" for chain, _ in rows)
    return [v for _, v in rows]


def _arrow(values: list[Any], kind: Type) -> list[Any]:
    if kind is Type.NUMERIC78:
        return [None if v is None else v.to_bytes(33, "big", signed=True) for v in values]
    if kind in (Type.NUMERIC20, Type.NUMERIC38):
        return [None if v is None else Decimal(v) for v in values]
    return values


INTEGERS = [0, 1, 9_999, 10_000, 2**31, 2**63, 2**64 - 1, 10**16]
NUMBERS = [
    (Type.NUMERIC20, [*INTEGERS, -(2**63)]),
    (Type.NUMERIC38, [*INTEGERS, 2**64, 2**120 - 1, 10**37, 1 - 10**38]),
    (Type.NUMERIC78, [*INTEGERS, 2**128, 2**256 - 1, -(2**255), 10**77]),
    (Type.INT4, [0, -1, 2**31 - 1, -(2**31)]),
    (Type.INT8, [0, -1, 2**63 - 1, -(2**63)]),
]


@pytest.mark.parametrize(("kind", "values"), NUMBERS)
def test_numbers_keep_every_digit(postgres_url: str, kind: Type, values: list[int]) -> None:
    assert stored(postgres_url, values, kind) == [str(v) for v in values]
    assert stored(postgres_url, [None, *values, None], kind) == [None, *map(str, values), None]


def test_text_of_one_length_and_of_many(postgres_url: str) -> None:
    assert stored(postgres_url, ["0xab", "0xcd"], Type.HEX) == ["0xab", "0xcd"]
    ragged = ["", "é", None, "a" * 10_000, "€ and 𐍈"]
    assert stored(postgres_url, ragged, Type.TEXT) == ragged


def test_json_booleans_and_times(postgres_url: str) -> None:
    documents = ['{"a": [1, "2"]}', "[]", None]
    found = stored(postgres_url, documents, Type.JSON)
    assert [v and json.loads(v) for v in found] == [{"a": [1, "2"]}, [], None]
    assert stored(postgres_url, [True, False, None], Type.BOOL) == ["true", "false", None]
    times = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), None]
    assert stored(postgres_url, times, Type.TIME) == [
        "0001-01-01 00:00:00+00",
        "9999-12-31 00:00:00+00",
        None,
    ]


def test_no_rows_is_no_bytes() -> None:
    table = pa.table({"v": pa.array([], pa.string())})
    assert copy.rows(table, [Column("v", Type.TEXT)], "anvil") == b""


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(-(2**255), 2**256 - 1) | st.none(), min_size=1, max_size=50))
def test_any_256_bit_integer(postgres_url: str, values: list[int | None]) -> None:
    wanted = [None if v is None else str(v) for v in values]
    assert stored(postgres_url, values, Type.NUMERIC78) == wanted
