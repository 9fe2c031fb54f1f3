"""A node that answers by script: what a boundary looks like when it misbehaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web


class Node:
    """A JSON-RPC server. ``answers`` maps a method to a result, or to a function of the params.

    A function may return an ``error(...)``, a ``web.Response``, or a plain result. ``whole``, if
    set, sees each HTTP request's calls first and may answer for all of them.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.whole: Callable[[list[dict[str, Any]]], Any] | None = None
        self.requests: list[list[dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    @property
    def methods(self) -> list[str]:
        return [call["method"] for calls in self.requests for call in calls]

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        self.requests.append(calls)
        self.headers.append(dict(request.headers))
        if self.whole is not None:
            answer = self.whole(calls)
            if hasattr(answer, "__await__"):
                answer = await answer
            if isinstance(answer, web.StreamResponse):
                return answer
            if answer is not None:
                return web.json_response(answer)
        replies: list[dict[str, Any]] = []
        for call in calls:
            found = self.answers.get(call["method"], error(-32601, "Method not found"))
            if callable(found):
                found = found(*call["params"])
            if isinstance(found, web.Response):
                return found
            reply = {"jsonrpc": "2.0", "id": call["id"]}
            is_error = isinstance(found, dict) and "__error__" in found
            reply |= {"error": found["__error__"]} if is_error else {"result": found}
            replies.append(reply)
        return web.json_response(replies if isinstance(body, list) else replies[0])


def error(code: int, message: str, data: Any = None) -> dict[str, Any]:
    body = {"code": code, "message": message}
    return {"__error__": body if data is None else body | {"data": data}}


def response(status: int, text: str = "", **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, text=text, headers=named)


def dumps(value: Any) -> web.Response:
    return web.Response(text=json.dumps(value), content_type="application/json")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    one = Node()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def other() -> AsyncIterator[Node]:
    two = Node()
    await two.start()
    yield two
    await two.stop()


@pytest.fixture(name="error")
def error_fixture() -> Any:
    return error


@pytest.fixture(name="response")
def response_fixture() -> Any:
    return response
