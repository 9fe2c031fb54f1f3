from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from indexer.rpc.subscription import Subscription


class Socket:
    """A WebSocket server: confirms subscriptions, announces on request, hangs up on request."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribed: list[str] = []
        self.refuse = False

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            call = message.json()
            self.subscribed.append(call["method"])
            if self.refuse:
                await socket.send_json({"id": call["id"], "error": {"code": -32601}})
            else:
                await socket.send_json({"id": call["id"], "result": 1})
        return socket

    async def announce(self) -> None:
        await self.sockets[-1].send_json({"method": "eth_subscription", "params": {}})


@pytest.fixture
async def socket() -> AsyncIterator[Socket]:
    one = Socket()
    await one.start()
    yield one
    for held in one.sockets:
        await held.close()
    await one.runner.cleanup()


async def settled(news: Subscription) -> None:
    """Past the wake that a new subscription brings."""
    assert await news.wait(10)


async def test_wakes_on_news(socket: Socket) -> None:
    news = Subscription(socket.url, [("a", []), ("b", [])])
    await settled(news)
    assert socket.subscribed == ["a", "b"]
    assert not await news.wait(0.01)
    await socket.announce()
    assert await news.wait(10)
    await news.aclose()


async def test_news_between_waits_is_kept(socket: Socket) -> None:
    news = Subscription(socket.url, [("a", [])])
    await settled(news)
    for _ in range(3):
        await socket.announce()
    assert await news.wait(10)
    await news.aclose()


async def test_reconnects_and_wakes_as_something_may_have_passed(socket: Socket) -> None:
    news = Subscription(socket.url, [("a", [])])
    await settled(news)
    await socket.sockets[0].close()
    assert await news.wait(10)
    assert len(socket.sockets) == 2
    await socket.announce()
    assert await news.wait(10)
    await news.aclose()


async def test_without_a_socket_it_only_waits() -> None:
    news = Subscription("ws://127.0.0.1:1", [("a", [])])
    assert not await news.wait(0.05)
    assert not await news.wait(0.05)
    await news.aclose()


async def test_a_refused_subscription_is_no_wake(socket: Socket) -> None:
    socket.refuse = True
    news = Subscription(socket.url, [("a", [])])
    assert not await news.wait(0.3)
    assert socket.subscribed
    assert not news.connected.is_set()
    await news.aclose()


async def test_closing_leaves_no_task(socket: Socket) -> None:
    before = asyncio.all_tasks()
    news = Subscription(socket.url, [("a", [])])
    await settled(news)
    await news.aclose()
    await news.aclose()
    assert {t for t in asyncio.all_tasks() - before if "Subscription" in repr(t)} == set()
