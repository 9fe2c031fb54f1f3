"""Folds over HTTP: rows, filters, orders, pages, heights."""

from __future__ import annotations

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
    START,
    TOKEN,
    Ledger,
    opened,
    placed,
)

HUGE = 2**120 - 1


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def detail(client: httpx.AsyncClient, path: str, status: int = 400) -> str:
    response = await client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["instance"] == path.partition("?")[0]
    assert "\n" not in problem["detail"]
    return problem["detail"]


@pytest.fixture
def bets(ledger: Ledger) -> Ledger:
    """Blocks 0..2 on anvil (two markets, three bets), 0..1 on solana."""
    ledger.write(
        "anvil",
        [opened(MARKET), opened(OTHER, BOB)],
        [placed(MARKET, ALICE, 700), placed(MARKET, BOB, HUGE, 1)],
        [placed(OTHER, ALICE, 5)],
        finalized=1,
    )
    ledger.write("solana", [opened(SOLANA_MARKET, CAROL)], [placed(SOLANA_MARKET, CAROL, 9)])
    return ledger


async def test_row_has_strings_for_amounts_and_checksums_for_addresses(
    bets: Ledger, client: httpx.AsyncClient
) -> None:
    answer = await get(client, f"/v1/markets/anvil/{MARKET}")
    row = answer["data"]
    assert row["chain"] == "anvil"
    assert row["market"] == MARKET
    assert row["creator"] == ALICE_55
    assert row["token"] == "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
    assert row["total"] == str(HUGE)
    assert row["outcome_count"] == 3
    assert row["status"] == 0
    assert row["winning_pool"] is None
    assert row["dust"] == "0"
    assert row["bets"] == 2
    assert row["opened_at"] == "2023-11-14T22:13:20Z"
    assert row["title"] == "Who wins?"
    assert not [name for name in row if name.startswith("_")]
    assert answer["next"] is None
    assert answer["chains"] == {"anvil": {"as_of": 2, "finalized": 1, "complete": True}}


async def test_collection_spans_chains_in_key_order(
    bets: Ledger, client: httpx.AsyncClient
) -> None:
    answer = await get(client, "/v1/markets", fields="chain,market")
    assert answer["data"] == [
        {"chain": "anvil", "market": MARKET},
        {"chain": "anvil", "market": OTHER},
        {"chain": "solana", "market": SOLANA_MARKET},
    ]
    assert answer["chains"] == {
        "anvil": {"as_of": 2, "finalized": 1, "complete": True},
        "solana": {"as_of": 1, "finalized": 0, "complete": True},
    }


@pytest.mark.parametrize(
    ("query", "bettors"),
    [
        ({"bettor": ALICE.upper().replace("0X", "0x")}, [ALICE, ALICE]),
        ({"bettor": ALICE_55, "market": OTHER}, [ALICE]),
        ({"bettor": [ALICE, CAROL]}, [ALICE, ALICE, CAROL]),
        ({"chain": "solana"}, [CAROL]),
        ({"chain": ["anvil", "solana"], "outcome": 1}, [BOB]),
        ({"stake_gte": 700}, [BOB, ALICE]),
        ({"stake_gt": 700}, [BOB]),
        ({"stake_lte": 9}, [ALICE, CAROL]),
        ({"stake_lt": 9, "stake_gte": 5}, [ALICE]),
        ({"stake": str(HUGE)}, [BOB]),
        ({"stake_gt": "9" * 78}, []),
        ({"bettor": "'; DROP TABLE chainfold.positions; --"}, []),
    ],
)
async def test_filters(
    bets: Ledger, client: httpx.AsyncClient, query: dict[str, Any], bettors: list[str]
) -> None:
    answer = await get(client, "/v1/positions", fields="bettor", **query)
    found = [row["bettor"] for row in answer["data"]]
    assert [b.lower() if b.startswith("0x") else b for b in found] == bettors


async def test_time_filters(bets: Ledger, client: httpx.AsyncClient) -> None:
    query = {"first_at_gte": "2023-11-14T22:13:22Z", "fields": "bettor"}
    assert (await get(client, "/v1/bettors", **query))["data"] == []
    query["first_at_gte"] = "2023-11-14T23:13:21+01:00"
    assert len((await get(client, "/v1/bettors", **query))["data"]) == 3


@pytest.mark.parametrize(
    ("order", "amounts"),
    [
        ("stake", [5, 9, 700, HUGE]),
        ("-stake", [HUGE, 700, 9, 5]),
        ("-outcome,stake", [HUGE, 5, 9, 700]),
    ],
)
async def test_order(
    bets: Ledger, client: httpx.AsyncClient, order: str, amounts: list[int]
) -> None:
    answer = await get(client, "/v1/positions", order=order)
    assert [int(row["stake"]) for row in answer["data"]] == amounts


async def walk(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(100):
        answer = await get(client, path, **query)
        found += answer["data"]
        if answer["next"] is None:
            return found
        query["cursor"] = answer["next"]
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"order": "-total"},
        {"order": "winning_pool"},
        {"order": "-winning_pool,total"},
        {"order": "settled_at,-opened_at"},
        {"order": "-market"},
        {"chain": "anvil"},
        {"chain": "anvil", "order": "-outcome"},
        {"order": "title,-fee"},
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_pages_hold_every_row_once(
    ledger: Ledger, client: httpx.AsyncClient, query: dict[str, Any], limit: int
) -> None:
    markets = [f"0x{i:064x}" for i in range(9)]
    ledger.write("anvil", [opened(m, title=f"t{i % 3}") for i, m in enumerate(markets)])
    ledger.write(
        "anvil",
        [placed(m, ALICE, 10 + i % 2) for i, m in enumerate(markets) if i % 3],
        [resolved(m, i % 2) for i, m in enumerate(markets) if i % 4 == 1],
    )
    ledger.write("solana", [opened(SOLANA_MARKET, CAROL)])
    whole = (await get(client, "/v1/markets", **query))["data"]
    assert len(whole) == (9 if "chain" in query else 10)
    assert await walk(client, "/v1/markets", **query, limit=limit) == whole


def resolved(market: str, outcome: int) -> tuple[str, dict[str, Any]]:
    return "bets_market_resolved", {
        "market": market, "seq": 3, "actor": ALICE, "outcome": outcome, "winning_pool": outcome * 7,
        "fee": 1, "net": 9, "status_after": 1,
    }  # fmt: skip


async def test_pages_are_stable_while_rows_come(bets: Ledger, client: httpx.AsyncClient) -> None:
    first = await get(client, "/v1/markets", chain="anvil", limit=1)
    bets.write("anvil", [opened("0x" + "00" * 32), opened("0x" + "ab" * 32)])
    rest = await walk(client, "/v1/markets", chain="anvil", limit=1, cursor=first["next"])
    assert [row["market"] for row in rest] == ["0x" + "ab" * 32, OTHER]


async def test_state_at_a_height(bets: Ledger, client: httpx.AsyncClient) -> None:
    async def at(height: int) -> list[tuple[str, str | None, int]]:
        answer = await get(client, "/v1/markets", chain="anvil", at=height)
        assert answer["chains"]["anvil"]["as_of"] == height
        return [(row["market"], row["total"], row["bets"]) for row in answer["data"]]

    assert await at(0) == [(MARKET, None, 0), (OTHER, None, 0)]
    assert await at(1) == [(MARKET, str(HUGE), 2), (OTHER, None, 0)]
    assert await at(2) == [(MARKET, str(HUGE), 2), (OTHER, "5", 1)]
    now = await get(client, f"/v1/markets/anvil/{MARKET}")
    then = await get(client, f"/v1/markets/anvil/{MARKET}", at=2)
    assert then["data"] == now["data"]
    assert await detail(client, f"/v1/positions/anvil/{OTHER}/{ALICE}/0?at=1", 404)


async def test_state_at_a_height_needs_one_chain_that_has_it(
    bets: Ledger, client: httpx.AsyncClient
) -> None:
    assert "give `chain`" in await detail(client, "/v1/markets?at=1")
    assert "anvil is in up to 2" in await detail(client, "/v1/markets?at=3&chain=anvil")


async def test_gap_makes_an_answer_incomplete(bets: Ledger, client: httpx.AsyncClient) -> None:
    bets.connection.execute("DELETE FROM chainfold.coverage WHERE source @> 1")
    bets.connection.execute(
        "INSERT INTO chainfold.coverage VALUES ('[1,1]', '[0,0]'), ('[1,1]', '[2,2]')"
    )
    answer = await get(client, "/v1/markets", chain="anvil")
    assert answer["chains"] == {"anvil": {"as_of": 0, "finalized": 1, "complete": False}}


async def test_nothing_indexed_yet(ledger: Ledger, client: httpx.AsyncClient) -> None:
    answer = await get(client, "/v1/bettors")
    assert answer["data"] == []
    empty = {"as_of": None, "finalized": None, "complete": False}
    assert answer["chains"] == {"anvil": empty, "solana": empty}


async def test_times_beyond_rfc_3339_are_null(ledger: Ledger, client: httpx.AsyncClient) -> None:
    year_30000 = 884_541_340_800
    ledger.write("anvil", [opened(MARKET, resolve_by=year_30000)])
    row = (await get(client, f"/v1/markets/anvil/{MARKET}"))["data"]
    assert row["resolve_by"] is None
    event = (await get(client, "/v1/events/bets_market_opened"))["data"][0]
    assert (event["resolve_by"], event["resolve_by_raw"]) == (None, str(year_30000))
    assert event["close_at_raw"] == str(START + 1000)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/markets?creater=x", "did you mean 'creator'?"),
        ("/v1/markets?limit=0", "from 1 to 1000"),
        ("/v1/markets?limit=1001", "from 1 to 1000"),
        ("/v1/markets?limit=ten", "from 1 to 1000"),
        ("/v1/markets?limit=5&limit=6", "given twice"),
        ("/v1/markets?status=open", "whole number"),
        ("/v1/markets?status=99999999999999999999", "beyond 64 bits"),
        ("/v1/markets?outcome_count=99999999999&outcome_count=1", "out of range"),
        ("/v1/markets?total_gte=1e5", "whole number"),
        ("/v1/markets?total_gte=1&total_gte=2", "given twice"),
        ("/v1/markets?opened_at_gte=yesterday", "RFC 3339"),
        ("/v1/markets?chain=base", "one of anvil, solana"),
        ("/v1/markets?order=price", "no column 'price'"),
        ("/v1/markets?fields=market,totl", "did you mean 'total'?"),
        ("/v1/markets?cursor=xyz", "no cursor"),
        ("/v1/markets?title=a%00b", "U+0000"),
        ("/v1/markets?at=-1&chain=anvil", "whole number"),
        ("/v1/positions/anvil/0xaa/0xbb/first", "outcome in the path must be a whole number"),
    ],
)
async def test_bad_requests_say_what_to_do(
    bets: Ledger, client: httpx.AsyncClient, path: str, says: str
) -> None:
    assert says in await detail(client, path)


async def test_cursor_of_another_query_is_refused(bets: Ledger, client: httpx.AsyncClient) -> None:
    page = await get(client, "/v1/markets", limit=1)
    assert "another query" in await detail(client, f"/v1/positions?cursor={page['next']}")
    again = f"/v1/markets?order=-total&cursor={page['next']}"
    assert "another query" in await detail(client, again)


async def test_unknown_rows_and_chains_are_404(bets: Ledger, client: httpx.AsyncClient) -> None:
    assert "no row in markets" in await detail(client, f"/v1/markets/solana/{MARKET}", 404)
    assert "one of anvil, solana" in await detail(client, f"/v1/markets/base/{MARKET}", 404)
    assert "/docs" in await detail(client, "/v1/nothing", 404)


async def test_key_in_the_path_takes_addresses_in_any_case(
    bets: Ledger, client: httpx.AsyncClient
) -> None:
    row = (await get(client, f"/v1/positions/anvil/{MARKET.upper()}/{ALICE_55}/0"))["data"]
    assert (row["bettor"], row["stake"]) == (ALICE_55, "700")
    assert TOKEN not in str(row)
