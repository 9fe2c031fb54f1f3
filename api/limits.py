"""How often one address may ask, and how much it may send."""

from __future__ import annotations

import time
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem import Problem

_ADDRESSES = 10_000
"""Buckets kept; the longest unused goes first, and comes back full."""
_FREE = ("/livez", "/readyz", "/healthz", "/metrics")


_BODY = 64 << 10
"""Bytes of a request's body."""


class BodyLimit:
    """Reads a body before the route does, and no more of it than 64 KiB."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        body = b""
        message: Message = {"more_body": True}
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > _BODY:
                problem = Problem(413, "the body is over 64 KiB: send only what /docs lists")
                await problem.response(scope["path"])(scope, receive, send)
                return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)


class RateLimit:
    """Lets an address send ``rate`` requests per second, after a burst of twice as many.

    ``rate`` 0 is no limit. Behind a proxy, name its address in $FORWARDED_ALLOW_IPS (uvicorn's),
    so that the client's is the one seen.
    """

    def __init__(self, app: ASGIApp, rate: float) -> None:
        self.app = app
        self._rate = rate
        self._burst = 2 * rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._rate and scope["path"] not in _FREE:
            client = scope.get("client")
            wait = self._take(client[0] if client else "", time.monotonic())
            if wait > 0:
                problem = Problem(
                    429,
                    f"more than {self._rate:g} requests a second: wait as long as Retry-After says",
                    headers={"Retry-After": str(int(wait) + 1)},
                )
                await problem.response(scope["path"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _take(self, address: str, now: float) -> float:
        """Takes a token; the seconds until there is one, 0 where there was."""
        tokens, at = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[address] = (tokens - 1 if wait == 0 else tokens, now)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return wait
