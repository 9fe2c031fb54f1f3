"""Changes over a real socket: applies, undos, filters, resuming."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from apiledger import ALICE, ALICE_55, BOB, CAROL, MARKET, OTHER, SOLANA_MARKET, Ledger
from apiledger import opened as open_
from apiledger import placed as place
from fastapi import FastAPI

from api.live import change, feed, sse


@pytest.fixture
def url(app: FastAPI, listen: Callable[[FastAPI], AbstractContextManager[str]]) -> Iterator[str]:
    with listen(app) as url:
        yield url


class Stream:
    """The messages of one connection, read as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._blocks = self._read()

    async def _read(self) -> AsyncIterator[str]:
        rest = ""
        async for text in self.response.aiter_text():
            *blocks, rest = (rest + text).split("\n\n")
            for block in blocks:
                yield block

    async def block(self) -> str:
        """The next block as it is, heartbeats too."""
        return await anext(self._blocks)

    async def next(self) -> dict[str, Any]:
        while True:
            lines = dict(line.split(": ", 1) for line in (await self.block()).splitlines())
            if "data" in lines:
                return {"id": lines["id"], "op": lines["event"], **json.loads(lines["data"])}

    async def some(self, count: int) -> list[dict[str, Any]]:
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def stream(url: str, *, last: str | None = None, **query: Any) -> AsyncIterator[Stream]:
    headers = {"Last-Event-ID": last} if last else {}
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("GET", f"{url}/v1/changes", params=query, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        found = Stream(response)
        assert await found.block() == "retry: 1000"
        yield found


async def test_applied_event_is_told_with_its_row(ledger: Ledger, url: str) -> None:
    async with stream(url) as changes:
        ledger.write("anvil", [open_(MARKET), place(MARKET, ALICE, 2**100)])
        first, second = await changes.some(2)
    assert first["id"] == "anvil:a0:0:apply"
    assert second["id"] == "anvil:a0:1:apply"
    assert (second["op"], second["event"], second["chain"]) == ("apply", "bets_bet_placed", "anvil")
    assert (second["pos"], second["block_hash"]) == ("1", "a0")
    async with httpx.AsyncClient() as client:
        rest = (await client.get(f"{url}/v1/events/bets_bet_placed")).json()["data"]
    assert second["data"] == rest[0]
    assert second["data"]["bettor"] == ALICE_55
    assert second["data"]["amount"] == str(2**100)


async def test_reorg_undoes_and_applies_anew(ledger: Ledger, url: str) -> None:
    ledger.write("anvil", [open_(MARKET)], [place(MARKET, ALICE, 1)], [place(MARKET, BOB, 2)])
    async with stream(url) as changes:
        ledger.undo("anvil", 0, fork="b")
        ledger.write("anvil", [], [place(MARKET, BOB, 3)])
        found = await changes.some(3)
    assert [m["id"] for m in found] == ["anvil:a2:0:undo", "anvil:a1:0:undo", "anvil:b2:0:apply"]
    assert [m["data"] and m["data"]["amount"] for m in found] == [None, None, "3"]


async def test_filters(ledger: Ledger, url: str) -> None:
    ledger.write("anvil", [open_(MARKET), open_(OTHER)])
    ledger.write("solana", [open_(SOLANA_MARKET, CAROL)])
    async with (
        stream(url, market=MARKET.upper().replace("0X", "0x"), event="bets_bet_placed") as one,
        stream(url, chain="solana") as solana,
        stream(url, bettor=[BOB, CAROL]) as bettors,
        stream(url, outcome=1, amount=5) as outcome,
    ):
        ledger.write("anvil", [place(OTHER, ALICE, 5), place(MARKET, ALICE, 6)])
        ledger.write("anvil", [place(OTHER, BOB, 5, 1)])
        ledger.write("solana", [place(SOLANA_MARKET, CAROL, 7)])
        assert (await one.next())["data"]["amount"] == "6"
        assert (await solana.next())["data"]["amount"] == "7"
        assert [m["data"]["amount"] for m in await bettors.some(2)] == ["5", "7"]
        assert (await outcome.next())["pos"] == str(2 << 28)


async def test_undo_passes_filters_on_columns(ledger: Ledger, url: str) -> None:
    ledger.write("anvil", [open_(MARKET)], [place(MARKET, ALICE, 1)])
    async with stream(url, market=OTHER) as changes:
        ledger.undo("anvil", 0, fork="b")
        assert (await changes.next())["id"] == "anvil:a1:0:undo"


async def test_resumes_after_the_last_id(ledger: Ledger, url: str) -> None:
    ledger.write("anvil", [open_(MARKET)])
    ledger.write("solana", [open_(SOLANA_MARKET, CAROL)])
    ledger.write("anvil", [place(MARKET, ALICE, n) for n in (1, 2, 3)])
    async with stream(url, last="anvil:a0:0:apply") as changes:
        ledger.write("anvil", [place(MARKET, ALICE, 4)])
        found = await changes.some(5)
    assert [m["id"] for m in found] == [
        "solana:a0:0:apply", *(f"anvil:a1:{i}:apply" for i in range(3)), "anvil:a2:0:apply",
    ]  # fmt: skip
    async with stream(url, last_event_id="anvil:a1:1:apply", market=MARKET) as changes:
        assert [m["data"]["amount"] for m in await changes.some(2)] == ["3", "4"]


async def test_resuming_leaves_out_what_was_undone_meanwhile(ledger: Ledger, url: str) -> None:
    async with stream(url) as changes:
        ledger.write("anvil", [open_(MARKET)], [place(MARKET, ALICE, 1)])
        ledger.undo("anvil", 0, fork="b")
        ledger.write("anvil", [place(MARKET, BOB, 2)])
        while (await changes.next())["id"] != "anvil:b1:0:apply":
            pass  # the feed has read them all, whatever it saw of them in between
    async with stream(url, last="anvil:a0:0:apply") as changes:
        found = await changes.some(2)
    assert [m["id"] for m in found] == ["anvil:a1:0:undo", "anvil:b1:0:apply"]
    assert found[1]["data"]["amount"] == "2"


async def test_replays_more_than_a_batch_and_goes_on_without_a_gap(
    ledger: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "BATCH", 3)
    ledger.write("anvil", [open_(MARKET)], [place(MARKET, ALICE, n) for n in range(1, 11)])
    async with stream(url, last="anvil:a0:0:apply") as changes:
        first = await changes.next()
        ledger.write("anvil", [place(MARKET, ALICE, n) for n in range(11, 21)])
        rest = await changes.some(19)
    assert [m["data"]["amount"] for m in [first, *rest]] == [str(n) for n in range(1, 21)]


@pytest.mark.parametrize("last", ["anvil:a9:0:apply", "anvil", "a:b:c:d", "anvil:a0:0:undo"])
async def test_unknown_id_is_gone(ledger: Ledger, url: str, last: str) -> None:
    ledger.write("anvil", [open_(MARKET)])
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{url}/v1/changes", headers={"Last-Event-ID": last})
    assert response.status_code == 410
    assert "/v1/events" in response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("chain=base", "one of anvil, solana"),
        ("event=bets_bet_place", "did you mean 'bets_bet_placed'?"),
        ("markt=1", "did you mean 'market'?"),
    ],
)
async def test_bad_filters_say_what_to_do(url: str, query: str, says: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{url}/v1/changes?{query}")
    assert response.status_code == 400
    assert says in response.json()["detail"]


async def test_heartbeat(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.01)
    async with stream(url) as changes:
        assert await changes.block() == ": "


async def test_streams_are_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STREAMS", 1)
    async with stream(url), httpx.AsyncClient() as client:
        response = await client.get(f"{url}/v1/changes")
        assert response.status_code == 503
        assert response.headers["retry-after"]


async def test_feed_comes_back_after_its_connection_was_cut(ledger: Ledger, url: str) -> None:
    async with stream(url) as changes:
        ledger.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'chainfold api feed' AND datname = current_database()"
        )
        ledger.write("anvil", [open_(MARKET)])
        assert (await changes.next())["id"] == "anvil:a0:0:apply"


async def test_stream_that_falls_out_of_the_window_ends(
    app: FastAPI, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WINDOW", 4)
    async with app.router.lifespan_context(app):
        running = app.state.service
        wanted = sse.Filter(frozenset(), frozenset(), {})
        place_, cursor = running.feed.ended, running.feed.cursor
        frames = sse.frames(running, wanted, cursor, cursor, place_)
        assert await anext(frames) == b"retry: 1000\n\n"
        ledger.write("anvil", [open_(MARKET), *(place(MARKET, ALICE, n) for n in range(1, 6))])
        while running.feed.ended < place_ + 6:
            await running.feed.news(5)
        assert [frame async for frame in frames] == []


async def test_reader_that_takes_nothing_is_dropped(
    app: FastAPI, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "_STALLED", 0.01)
    ended: list[bool] = []

    async def frames() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": \n\n"
        finally:
            ended.append(True)

    async def receive() -> dict[str, Any]:
        await never()
        return {}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await never()

    streams = sse.Streams()
    await sse.EventStream(frames(), streams)({"type": "http"}, receive, send)  # pyright: ignore
    assert ended == [True]
    assert streams.open == 0


async def never() -> None:
    await asyncio.Event().wait()
