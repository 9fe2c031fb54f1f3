"""A made-up program with two events, and a fold that uses every operation on them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from indexer.decode.schema import EventTable, Schema
from indexer.decode.types import Column, Type
from indexer.folds import bind
from indexer.folds.algebra import count, digest, first, fold, last, max_, min_, sum_

# the classes that drive the Solana programs
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "programs" / "solana"))

PAID = EventTable(
    "shop_paid",
    "shop",
    "Paid",
    (
        Column("shop", Type.TEXT),
        Column("customer", Type.TEXT),
        Column("amount", Type.NUMERIC38),
        Column("total_after", Type.NUMERIC38),
    ),
)
CLOSED = EventTable(
    "shop_closed",
    "shop",
    "Closed",
    (
        Column("shop", Type.TEXT),
        Column("reason", Type.INT4),
        Column("total_after", Type.NUMERIC38),
    ),
)
SHOPS = fold(
    "shops",
    program="shop",
    key="shop",
    columns={
        "first_customer": first("customer"),
        "big_customer": last("customer", where="amount >= 5"),
        "total": last("total_after"),
        "opened": first("time"),
        "sales": count("Paid"),
        "small_sales": count("Paid", where="amount < 5"),
        "events": count(),
        "volume": sum_("amount"),
        "small_volume": sum_("amount", where="amount < 5"),
        "least": min_("amount"),
        "most": max_("amount", where="amount < 8"),
        "reason": last("reason"),
    },
)
CUSTOMERS = fold(
    "customers",
    program="shop",
    key=("shop", "customer"),
    columns={"spent": sum_("amount"), "total": last("total_after"), "least": min_("amount")},
)
NAMES = fold(
    "names",
    program="shop",
    key=(digest("customer"), "shop"),
    columns={"customer": first("customer"), "spent": sum_("amount"), "least": min_("amount")},
)


@pytest.fixture(scope="session")
def shop_schema() -> Schema:
    return Schema({t.name: t for t in (PAID, CLOSED)}, ())


@pytest.fixture(scope="session")
def shop_folds(shop_schema: Schema) -> tuple[bind.BoundFold, ...]:
    return tuple(bind.bind(f, shop_schema) for f in (SHOPS, CUSTOMERS, NAMES))
