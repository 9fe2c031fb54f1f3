"""What is the same for every route: errors, limits, caching, compression, OpenAPI, health."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from apiledger import ALICE, CAROL, MARKET, OTHER, SOLANA_MARKET, Ledger, opened, placed
from fastapi import FastAPI
from pydantic import TypeAdapter

from api.app import create_app
from api.catalog import catalog
from api.limits import RateLimit
from api.rest.answer import model


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["status"] == status
    assert found["type"] == "about:blank"
    assert "\n" not in found["detail"]
    return found


async def test_etag_spares_what_the_client_has(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.write("anvil", [opened(MARKET)])
    first = await client.get("/v1/markets")
    tag = first.headers["etag"]
    for given in (tag, f'"x", {tag}', "*", tag.removeprefix("W/")):
        again = await client.get("/v1/markets", headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    ledger.write("anvil", [placed(MARKET, ALICE, 1)])
    changed = await client.get("/v1/markets", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_long_answers_are_compressed(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.write("anvil", [opened(MARKET), opened(OTHER)])
    response = await client.get("/v1/markets", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    plain = await client.get("/v1/markets", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == response.json()
    assert plain.headers["x-content-type-options"] == "nosniff"


async def test_wrong_method_path_and_body(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/markets")
    assert "Allow" in problem(response, 405)["detail"]
    assert response.headers["allow"] == "GET"
    problem(await client.get("/v2/markets"), 404)
    tx = "/v1/tx/anvil/bets/place"
    assert "market" in problem(await client.post(tx, json={}), 422)["detail"]
    problem(await client.post(tx, content=b"{"), 422)
    problem(await client.post(tx, content=b"x" * 70_000), 413)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1000

    problem(await client.post(tx, content=chunks()), 413)


async def test_too_many_requests(ledger: Ledger) -> None:
    app = create_app(ledger.config, ledger.url, rate=2)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            statuses = [(await client.get("/v1/nothing")).status_code for _ in range(4)]
            refused = await client.get("/v1/nothing")
            assert statuses == [404] * 4
            problem(refused, 429)
            assert int(refused.headers["retry-after"]) >= 1
            assert (await client.get("/livez")).status_code == 200


def test_bucket_fills_with_time_and_forgets_the_longest_unused() -> None:
    async def app(*_: Any) -> None: ...

    limit = RateLimit(app, rate=1)
    assert [limit._take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]  # pyright: ignore
    assert limit._take("b", 0.0) == 0.0  # pyright: ignore[reportPrivateUsage]
    assert limit._take("a", 1.0) == 0.0  # pyright: ignore[reportPrivateUsage]
    assert limit._take("a", 1.0) == 1.0  # pyright: ignore[reportPrivateUsage]


async def test_table_that_is_missing_is_503(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.connection.execute("DROP TABLE chainfold.bettors")
    assert "chainfold index" in problem(await client.get("/v1/bettors"), 503)["detail"]


async def test_fault_of_ours_says_nothing_of_itself(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async def broken() -> None:
        raise RuntimeError("secret")

    app.add_api_route("/broken", broken)
    assert "secret" not in json.dumps(problem(await client.get("/broken"), 500))


async def test_openapi_lists_what_is_there(ledger: Ledger, client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    row = document["components"]["schemas"]["Markets"]["properties"]
    assert row["total"]["anyOf"][0] == {
        "type": "string", "pattern": r"^-?\d+$", "examples": ["1000000"],
    }  # fmt: skip
    assert row["total"]["description"] == "last of total_after"
    assert row["bets"]["type"] == "integer"
    names = {p["name"] for p in document["paths"]["/v1/markets"]["get"]["parameters"]}
    assert {"chain", "market", "status", "total_gte", "order", "limit", "cursor", "at"} <= names
    assert "title_gte" not in names
    codes = document["paths"]["/v1/tx/{chain}/bets/place"]["post"]["responses"]
    assert list(codes["422"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_documentation_needs_no_other_host(client: httpx.AsyncClient, page: str) -> None:
    shown = await client.get(page)
    assert shown.status_code == 200
    needed = re.findall(r"""(?:src|href)=["']([^"']+)["']""", shown.text)
    assert any(url.endswith(".js") for url in needed)
    for url in needed:
        assert url.startswith("/"), url
        assert (await client.get(url)).status_code == 200, url


async def test_answers_are_what_openapi_says(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.write("anvil", [opened(MARKET)], [placed(MARKET, ALICE, 1)])
    ledger.write("solana", [opened(SOLANA_MARKET, CAROL)], [placed(SOLANA_MARKET, CAROL, 2)])
    known = catalog(ledger.config)
    checked = 0
    for prefix, tables in (("", known.folds), ("events/", known.events)):
        for table in tables.values():
            adapter = TypeAdapter(model(table))
            rows = (await client.get(f"/v1/{prefix}{table.name}")).json()["data"]
            for row in rows:
                assert list(row) == [f.name for f in table.fields]
                adapter.validate_python(row, strict=True)
                checked += 1
    assert checked == 2 + 2 + 2 + 2 + 2 + 2


async def test_events_of_a_type_and_of_all(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.write("anvil", [opened(MARKET), placed(MARKET, ALICE, 5)], [placed(MARKET, ALICE, 6)])
    ledger.write("solana", [opened(SOLANA_MARKET, CAROL)])
    answer = (await client.get("/v1/events")).json()
    found = [(e["chain"], e["pos"], e["event"]) for e in answer["data"]]
    assert found == [
        ("anvil", "0", "bets_market_opened"),
        ("anvil", "1", "bets_bet_placed"),
        ("anvil", str(1 << 28), "bets_bet_placed"),
        ("solana", "0", "bets_market_opened"),
    ]
    assert answer["chains"]["anvil"] == {"as_of": 1, "finalized": 0, "complete": True}
    assert answer["data"][1]["data"]["amount"] == "5"
    assert answer["data"][1]["address"] == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert "tx" not in answer["data"][1]["data"]
    one_by_one: list[Any] = []
    query: dict[str, Any] = {"limit": 1}
    while True:
        page = (await client.get("/v1/events", params=query)).json()
        one_by_one += page["data"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert one_by_one == answer["data"]
    newest = await client.get("/v1/events?chain=anvil&order=-pos&limit=1")
    assert newest.json()["data"] == [answer["data"][2]]
    some = await client.get(f"/v1/events?chain=anvil&pos_gte={1 << 28}&event=bets_bet_placed")
    assert some.json()["data"] == [answer["data"][2]]
    of_type = await client.get("/v1/events/bets_bet_placed?amount=6&fields=tx,amount")
    assert of_type.json()["data"] == [{"tx": "0x" + f"{1:060x}" + "0000", "amount": "6"}]


async def test_status(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.write("anvil", [], [], [], finalized=1)
    ledger.connection.execute("UPDATE chainfold.head SET latest = 5 WHERE chain = 'anvil'")
    ledger.connection.execute("UPDATE chainfold.coverage SET heights = '[1,3)'")
    answer = (await client.get("/v1/status")).json()
    assert answer["chains"]["anvil"] == {"as_of": None, "finalized": 1, "complete": False}
    assert answer["chains"]["solana"] == {"as_of": None, "finalized": None, "complete": False}
    head = answer["data"]["chains"]["anvil"]
    assert (head["height"], head["latest"], head["lag"], head["hash"]) == (2, 5, 3, "a2")
    assert head["time"] == "2023-11-14T22:13:22Z"
    source = answer["data"]["sources"][0]
    assert (source["covered"], source["gaps"], source["complete"]) == ([[1, 2]], [[0, 0]], False)
    assert set(answer["data"]["folds"]) == {"markets", "market_pools", "positions", "bettors"}


async def test_health(ledger: Ledger, client: httpx.AsyncClient) -> None:
    ledger.write("anvil", [opened(MARKET)])
    assert (await client.get("/livez")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ok", "reasons": []}
    health = (await client.get("/healthz")).json()
    assert health["status"] == "degraded"
    assert health["reasons"] == ["solana: nothing is indexed yet"]
    assert health["process"]["disk_free_bytes"] > 0
    await client.get("/v1/markets/anvil/0xab")
    metrics = (await client.get("/metrics")).text
    assert 'chainfold_chain_height{chain="anvil",of="indexed"} 0.0' in metrics
    route = 'route="/v1/markets/{chain}/{market}",status="404"'
    assert f'chainfold_api_requests_total{{method="GET",{route}}} 1.0' in metrics


@pytest.mark.parametrize("name", ["status", "events"])
async def test_fold_with_a_name_of_a_route_is_refused(
    ledger: Ledger, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.errors import Fatal
    from indexer.folds import reference
    from indexer.folds.algebra import count, fold

    bad = fold(name, program="bets", key="market", columns={"n": count()})
    monkeypatch.setattr(reference, "bad", bad, raising=False)
    with pytest.raises(Fatal, match="API route"):
        catalog(ledger.config)


@pytest.mark.parametrize(
    ("where", "what"),
    [("kind = 'fold' AND name = 'markets'", "fold markets"), ("kind = 'event'", "event ")],
)
async def test_a_migration_ends_what_runs_with_the_declarations_of_before(
    ledger: Ledger, client: httpx.AsyncClient, where: str, what: str
) -> None:
    ledger.write("anvil", [opened(MARKET)])
    assert (await client.get("/v1/markets")).status_code == 200
    with psycopg.connect(ledger.url) as connection:
        connection.execute(f"UPDATE chainfold.declaration SET fingerprint = 'x' WHERE {where}")
    for path in ("/v1/markets", "/v1/markets/anvil/" + MARKET, "/v1/events", "/v1/status"):
        detail = problem(await client.get(path), 503)["detail"]
        assert detail.startswith(what)
        assert "run `chainfold migrate`" in detail
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/metrics")).status_code == 200
