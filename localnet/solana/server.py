"""HTTP and WebSocket: requests in, answers out, faults between.

Statuses and texts of refused HTTP requests are those of Agave's RPC service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from localnet.solana.chain import Chain
from localnet.solana.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
    invalid_params,
)
from localnet.solana.faults import CONTROLS, PREFIX, Controls
from localnet.solana.methods import METHODS
from localnet.solana.params import Config
from localnet.solana.subscriptions import KINDS, Subscriptions

MAX_BODY = 50 * 1024  # bytes of a request; the real node's default
_MAX_CONTROL_BODY = 256 * 1024 * 1024  # bytes of a request to a fault method
_MAX_QUEUE = 100_000  # notifications that a slow reader may have waiting
_JSON = {"Content-Type": "application/json; charset=utf-8"}


def _failure(number: Any, code: int, message: str, data: Any = None) -> dict[str, Any]:
    error = RpcError(code, message, data).object()
    return {"jsonrpc": "2.0", "error": error, "id": number}


_PARSE_FAILURE = orjson.dumps(_failure(None, PARSE_ERROR, "Parse error"))


class Dropped(Exception):
    """The connection is to be cut without an answer."""


class RateLimited(Exception):
    """The answer is HTTP 429."""


class Server:
    def __init__(
        self, chain: Chain, subscriptions: Subscriptions, controls: Controls | None
    ) -> None:
        self.chain = chain
        self.subscriptions = subscriptions
        self.controls = controls
        self._sockets: set[asyncio.Task[Any]] = set()

    # -- calls ------------------------------------------------------------------------------

    def call(self, request: Any) -> Any:
        """The answer to one request object, or None for a notification."""
        number = request.get("id")
        method = request.get("method")
        version = request.get("jsonrpc")
        params = request.get("params")
        if (
            not isinstance(method, str)
            or version not in (None, "2.0")
            or not isinstance(params, (dict, list, type(None)))
        ):
            return _failure(number, INVALID_REQUEST, "Invalid request")
        if version is None:
            error = RpcError(INVALID_REQUEST, "Unsupported JSON-RPC protocol version").object()
            return {"error": error, "id": number}
        if "id" not in request:
            return None
        try:
            result = self._result(method, params)
        except RpcError as error:
            return {"jsonrpc": "2.0", "error": error.object(), "id": number}
        return {"jsonrpc": "2.0", "result": result, "id": number}

    def _result(self, method: str, params: Any) -> Any:
        if self.controls is not None and method.startswith(PREFIX):
            control = CONTROLS.get(method)
            if control is None:
                raise RpcError(METHOD_NOT_FOUND, "Method not found")
            if isinstance(params, list):
                params = params[0] if params else {}
            return control(self.controls, Config(params, method))
        known = METHODS.get(method)
        if known is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        given = positional(params, known.fewest, known.most)
        if self.controls is None:
            return known.call(self.chain, given)
        faults = self.controls.faults
        rule = faults.rule(method)
        if faults.strikes("error", rule.error_rate):
            raise RpcError(rule.error_code, rule.error_message)
        if not faults.strikes("lag", rule.lag_rate):
            return known.call(self.chain, given)
        usual = self.chain.lag
        self.chain.lag = max(usual, rule.lag_blocks)
        try:
            return known.call(self.chain, given)
        finally:
            self.chain.lag = usual

    async def _faults(self, requests: list[Any]) -> None:
        if self.controls is None:
            return
        faults = self.controls.faults
        for request in requests:
            method = request.get("method") if isinstance(request, dict) else None
            if not isinstance(method, str) or method.startswith(PREFIX):
                continue
            rule = faults.rule(method)
            if rule.delay_ms and faults.strikes("delay", rule.delay_rate):
                await asyncio.sleep(rule.delay_ms / 1_000)
            if faults.strikes("disconnect", rule.disconnect_rate):
                raise Dropped
            if faults.strikes("rateLimit", rule.rate_limit_rate):
                raise RateLimited

    def _is_control(self, body: bytes) -> bool:
        """Whether a large request is one to a fault method, which take histories."""
        return (
            self.controls is not None
            and len(body) <= _MAX_CONTROL_BODY
            and b'"localnet_' in body[:512] + body[-512:]
        )

    # -- HTTP -------------------------------------------------------------------------------

    async def http(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and request.path == "/health":
            behind = self.chain.lag
            return web.Response(text="ok" if behind < 128 else "behind")
        if request.method == "OPTIONS":
            return web.Response()
        if request.method != "POST":
            return web.Response(
                status=405,
                text="Used HTTP Method is not allowed. POST or OPTIONS is required\n",
            )
        if request.content_type != "application/json":
            return web.Response(
                status=415,
                text="Supplied content type is not allowed. "
                "Content-Type: application/json is required\n",
            )
        body = await request.content.read()
        if len(body) > MAX_BODY and not self._is_control(body):
            return web.Response(status=413, text="request body size exceeds allowed maximum")
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            return web.Response(body=_PARSE_FAILURE, headers=_JSON)
        requests = parsed if isinstance(parsed, list) else [parsed]
        if not all(_is_request(one) for one in requests):
            return web.Response(body=_PARSE_FAILURE, headers=_JSON)
        try:
            await self._faults(requests)
        except RateLimited:
            return web.Response(status=429, headers={"Retry-After": "1"}, text="Too many requests")
        except Dropped:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        answers = [answer for one in requests if (answer := self.call(one)) is not None]
        if not answers:
            return web.Response(headers=_JSON)
        answer = answers if isinstance(parsed, list) else answers[0]
        return web.Response(body=orjson.dumps(answer), headers=_JSON)

    # -- WebSocket --------------------------------------------------------------------------

    async def websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_BODY, autoping=True)
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="this port speaks WebSocket")
        await socket.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        mine: set[int] = set()
        task = asyncio.current_task()
        assert task is not None
        self._sockets.add(task)

        def send(message: bytes) -> None:
            if queue.qsize() >= _MAX_QUEUE:
                task.cancel()
                return
            queue.put_nowait(message)

        writer = asyncio.create_task(_write(socket, queue))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    answer, number = self._socket_call(message.data, mine, send)
                    if answer is not None:
                        send(answer)
                    if number is not None:
                        self.subscriptions.subscribed(number)
        finally:
            self._sockets.discard(task)
            self.subscriptions.drop(mine)
            writer.cancel()
        return socket

    def hang_up(self) -> int:
        """Cut every WebSocket connection."""
        for task in self._sockets:
            task.cancel()
        return len(self._sockets)

    def _socket_call(
        self, text: str, mine: set[int], send: Callable[[bytes], None]
    ) -> tuple[bytes | None, int | None]:
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError:
            return _PARSE_FAILURE, None
        if not _is_request(parsed):
            return _PARSE_FAILURE, None
        number = parsed.get("id")
        method = parsed.get("method")
        if not isinstance(method, str) or parsed.get("jsonrpc") != "2.0":
            return orjson.dumps(_failure(number, INVALID_REQUEST, "Invalid request")), None
        fresh: int | None = None
        try:
            if method.endswith("Unsubscribe") and method[:-11] in KINDS:
                params = positional(parsed.get("params"), 1, 1)
                result: Any = self.subscriptions.unsubscribe(method[:-11], params, mine)
            elif method.endswith("Subscribe") and method[:-9] in KINDS:
                fewest = 0 if method[:-9] in ("slot", "root", "slotsUpdates", "vote") else 1
                params = positional(parsed.get("params"), fewest, 2 * fewest)
                fresh = result = self.subscriptions.subscribe(method[:-9], params, send)
                mine.add(fresh)
            else:
                raise RpcError(METHOD_NOT_FOUND, "Method not found")
        except RpcError as error:
            answer = {"jsonrpc": "2.0", "error": error.object(), "id": number}
            return orjson.dumps(answer), None
        return orjson.dumps({"jsonrpc": "2.0", "result": result, "id": number}), fresh


async def _write(socket: web.WebSocketResponse, queue: asyncio.Queue[bytes]) -> None:
    while True:
        message = await queue.get()
        await socket.send_str(message.decode())


def _is_request(value: Any) -> bool:
    """Whether the node can read it as a request at all: an object whose id is one."""
    if not isinstance(value, dict):
        return False
    number = value.get("id")
    return number is None or isinstance(number, str) or (type(number) is int and number >= 0)


def _debug(value: Any) -> str:
    """A JSON value in the notation of Rust's Debug, which some errors carry."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return f"Bool({str(value).lower()})"
    if isinstance(value, (int, float)):
        return f"Number({value})"
    if isinstance(value, str):
        return f"String({orjson.dumps(value).decode()})"
    if isinstance(value, list):
        return f"Array [{', '.join(_debug(one) for one in value)}]"
    fields = (f"{orjson.dumps(name).decode()}: {_debug(one)}" for name, one in value.items())
    return f"Object {{{', '.join(fields)}}}"


def positional(params: Any, fewest: int, most: int) -> list[Any]:
    """`params` as a list of an allowed length."""
    if params is None:
        params = []
    if not isinstance(params, list):
        raise invalid_params("`params` should be an array")
    if len(params) < fewest:
        raise RpcError(INVALID_PARAMS, f"`params` should have at least {fewest} argument(s)")
    if len(params) > most:
        if most == 0:
            shown = ", ".join(_debug(param) for param in params)
            raise invalid_params(
                "Invalid parameters: No parameters were expected", f"Array([{shown}])"
            )
        bounds = f"{most}" if fewest == most else f"from {fewest} to {most}"
        raise invalid_params(
            f"Invalid parameters: Expected {bounds} parameters.", f'"Got: {len(params)}"'
        )
    return params
