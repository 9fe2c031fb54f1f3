"""GET /v1/changes: the changes as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.catalog import Catalog
from api.live import change, filters
from api.live.feed import Feed
from api.live.filters import Filter
from api.problem import Problem, responses
from api.service import Service, service

HEARTBEAT = 15.0
"""Seconds between signs of life: proxies close what is silent for 30 to 60."""
_STALLED = 30.0
"""Seconds that a reader may leave a full socket unread."""
STREAMS = 1000
"""Streams of one process."""
_RETRY = b"retry: 1000\n\n"
_BEAT = b": \n\n"


class Streams:
    """Counts the streams that are open."""

    def __init__(self) -> None:
        self.open = 0


class EventStream(Response):
    """Sends ``frames`` as they come. Ends when they do, when the client goes, and when the client
    reads nothing for 30 s."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes], streams: Streams) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        told = asyncio.create_task(self._tell(send))
        self._streams.open += 1
        try:
            await asyncio.wait((gone, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.open -= 1
            for task in (gone, told):
                task.cancel()
            results = await asyncio.gather(gone, told, return_exceptions=True)
            await self._frames.aclose()
        if isinstance(results[1], Exception):
            raise results[1]

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for frame in self._frames:
            try:
                async with asyncio.timeout(_STALLED):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
            except TimeoutError:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def frames(
    running: Service, wanted: Filter, cursor: int, upto: int, place: int
) -> AsyncGenerator[bytes]:
    """First what lies in the database after ``cursor`` up to ``upto``, then the feed's window from
    ``place``, which is where ``upto`` was its newest. A stream that falls out of the window ends;
    its client comes back with the last id it got."""
    feed: Feed = running.feed
    yield _RETRY
    while cursor < upto:
        async with running.snapshot() as snapshot:
            messages, read = await change.read(snapshot, running.catalog, cursor, upto)
        if read == cursor:
            break
        cursor = read
        if found := b"".join(m.frame for m in messages if wanted.wants(m)):
            yield found
    while not feed.closed:
        if place < feed.begins:
            return
        messages = feed.after(place)
        place = feed.ended
        if found := b"".join(m.frame for m in messages if wanted.wants(m)):
            yield found
            continue
        if not messages:
            await feed.news(HEARTBEAT)
            if feed.ended == place and not feed.closed:
                yield _BEAT


def add(router: APIRouter, catalog: Catalog, streams: Streams) -> None:
    """Adds ``/changes``."""

    async def changes(request: Request) -> Response:
        running = service(request)
        wanted = filters.parse(catalog, request.query_params.multi_items())
        if streams.open >= STREAMS:
            raise Problem(
                503, f"{STREAMS} streams are open: come back later", headers={"Retry-After": "10"}
            )
        # what the window holds now and what is replayed must meet without a gap
        upto, place = running.feed.cursor, running.feed.ended
        cursor = upto
        given = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        if given:
            async with running.snapshot() as snapshot:
                found = await change.find(snapshot, given)
            if found is None:
                raise Problem(
                    410,
                    "the stream can't resume there: read /v1/events from your last position, "
                    "then connect without Last-Event-ID",
                )
            cursor = found
        return EventStream(frames(running, wanted, cursor, upto, place), streams)

    router.add_api_route(
        "/changes",
        changes,
        summary="Changes as they happen (server-sent events)",
        description=(
            "Each message: `id: chain:block_hash:ordinal:op`, `event: apply` or `undo` (a reorg "
            "took the event's block away), `data:` JSON with `event`, `chain`, `pos`, "
            "`block_hash` and, for `apply`, the event's row as `data`. Ids stay the same over "
            "retries. After a break, `Last-Event-ID` resumes without loss. An `undo` has no row, "
            "so filters on columns let it through."
        ),
        response_class=EventStream,
        status_code=200,
        responses={200: {"content": {"text/event-stream": {}}}, **responses(400, 410, 429, 503)},
        openapi_extra={"parameters": _parameters(catalog)},
        operation_id="stream_changes",
        tags=["live"],
    )


def _parameters(catalog: Catalog) -> list[dict[str, Any]]:
    def many(name: str, words: str, values: list[str] | None = None) -> dict[str, Any]:
        item: dict[str, Any] = {"type": "string"} | ({"enum": values} if values else {})
        return {
            "name": name,
            "in": "query",
            "description": words,
            "schema": {"type": "array", "items": item},
        }

    header = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "resume after this message; also as `last_event_id`",
        "schema": {"type": "string"},
    }
    return [
        header,
        many("chain", "only these chains", list(catalog.config.chains)),
        many("event", "only these event tables", list(catalog.events)),
        *(many(n, f"only where {n} is any of these") for n in filters.columns(catalog)),
        {"name": "last_event_id", "in": "query", "schema": {"type": "string"}},
    ]
