"""Declared views over HTTP: rows like a fold's, with the forms that their expressions give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from apiledger import (
    ALICE,
    ALICE_55,
    BOB,
    CAROL,
    MARKET,
    OTHER,
    SOLANA_MARKET,
    TOML,
    Ledger,
    placed,
)
from apiledger import opened as market_opened

from api.app import create_app
from indexer.config import Config, load
from indexer.errors import Fatal

VIEWS = """
from indexer.folds import join, view
from indexer.folds.bets import bettors, markets, positions

shares = view(
    "shares",
    of="positions",
    joins=[join("markets", market="market")],
    doc="A position's part of its market.",
    columns={
        "creator": "markets.creator",
        "part": "positions.stake / markets.total",
        "others": "markets.total - positions.stake",
        "closed": "head.time >= markets.close_at",
        "label": "'market of ' || markets.title",
    },
    where="positions.outcome < 2",
)
"""


def configured(folder: Path, views: str) -> Config:
    (folder / "views.py").write_text(views)
    toml = TOML.replace('"indexer.folds.reference"', '"views.py"')
    (folder / "chainfold.toml").write_text(toml)
    return load(folder / "chainfold.toml")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return configured(tmp_path, VIEWS)


@pytest.fixture
def bets(ledger: Ledger) -> Ledger:
    def placed_of(market: str, who: str, stake: int, total: int, outcome: int = 0) -> Any:
        return placed(market, who, stake, outcome, total_after=total)

    ledger.write(
        "anvil",
        [market_opened(MARKET), market_opened(OTHER, BOB, close_at=0)],
        [placed_of(MARKET, ALICE, 100, 100), placed_of(MARKET, BOB, 2**100, 2**100 + 100, 1)],
        [
            placed_of(OTHER, ALICE, 1, 1),
            placed_of(OTHER, BOB, 3, 4),
            placed_of(OTHER, BOB, 5, 9, 2),
        ],
        finalized=1,
    )
    ledger.write("solana", [market_opened(SOLANA_MARKET, CAROL)])
    ledger.write("solana", [placed_of(SOLANA_MARKET, CAROL, 9, 9)])
    return ledger


async def rows(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/v1/shares", params=query)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_a_row_has_its_folds_key_and_the_forms_of_its_columns(
    bets: Ledger, client: httpx.AsyncClient
) -> None:
    response = await client.get(f"/v1/shares/anvil/{OTHER}/{BOB}/0")
    assert response.json() == {
        "data": {
            "chain": "anvil",
            "market": OTHER,
            "bettor": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "outcome": 0,
            "creator": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "part": "0.33333333333333333333",
            "others": "6",
            "closed": True,
            "label": "market of Who wins?",
        },
        "next": None,
        "chains": {"anvil": {"as_of": 2, "finalized": 1, "complete": True}},
    }
    # what `where` leaves out isn't there
    assert (await client.get(f"/v1/shares/anvil/{OTHER}/{BOB}/2")).status_code == 404


@pytest.mark.parametrize(
    ("query", "stakers"),
    [
        ({"creator": ALICE_55}, [(MARKET, BOB), (MARKET, ALICE)]),
        ({"others_gt": 2**99}, [(MARKET, ALICE)]),
        ({"others": 100}, [(MARKET, BOB)]),
        ({"part_gte": "0.3", "part_lt": "1"}, [(OTHER, BOB)]),
        ({"closed": "true"}, [(OTHER, BOB), (OTHER, ALICE)]),
        ({"chain": "solana"}, [(SOLANA_MARKET, CAROL)]),
    ],
)
async def test_filters(
    bets: Ledger, client: httpx.AsyncClient, query: dict[str, Any], stakers: list[Any]
) -> None:
    found = await rows(client, **query)
    assert [(r["market"], r["bettor"].lower()) for r in found] == [
        (market, bettor.lower()) for market, bettor in stakers
    ]


@pytest.mark.parametrize("order", ["", "others", "-part", "closed,-others"])
async def test_pages_hold_every_row_once(
    bets: Ledger, client: httpx.AsyncClient, order: str
) -> None:
    asked = {"order": order} if order else {}
    whole = await rows(client, **asked)
    assert len(whole) == 5
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await client.get("/v1/shares", params=asked | {"limit": "2"} | cursor)).json()
        paged += answer["data"]
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
    assert paged == whole


async def test_answers_say_how_far_all_of_its_folds_are(
    bets: Ledger, client: httpx.AsyncClient
) -> None:
    answer = (await client.get("/v1/shares", params={"limit": 1})).json()
    assert answer["chains"] == {
        "anvil": {"as_of": 2, "finalized": 1, "complete": True},
        "solana": {"as_of": 1, "finalized": 0, "complete": True},
    }


async def test_it_is_as_of_now_alone(bets: Ledger, client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/shares", params={"chain": "anvil", "at": 1})
    assert response.status_code == 400
    assert "unknown parameter 'at'" in response.json()["detail"]


async def test_the_documentation_has_it(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    listed = described["paths"]["/v1/shares"]["get"]
    assert (listed["tags"], listed["description"]) == (
        ["views"],
        "A position's part of its market.",
    )
    names = {p["name"] for p in listed["parameters"]}
    assert {"part_gte", "others_lt", "closed", "order", "cursor"} <= names
    assert "at" not in names
    part = described["components"]["schemas"]["Shares"]["properties"]["part"]
    assert part["anyOf"][0]["pattern"] == r"^-?\d+(\.\d+)?$"


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("positions.stake + markets.titel", r"view 'shares': column 'part': .*titel"),
        ("[1, 2]", r"view 'shares': column 'part' is INTEGER\[\].*cast it to text"),
    ],
)
def test_an_expression_that_gives_nothing_is_named(
    tmp_path: Path, expression: str, says: str
) -> None:
    wrong = VIEWS.replace("positions.stake / markets.total", expression)
    with pytest.raises(Fatal, match=says):
        create_app(configured(tmp_path, wrong), "postgresql://nowhere")


def test_a_route_is_no_name_for_a_view(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="view 'status' has the name of an API route"):
        create_app(configured(tmp_path, VIEWS.replace('"shares"', '"status"')), "postgresql://x")
