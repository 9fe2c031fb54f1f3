"""Whether the process lives, may be sent requests, and is well."""

from __future__ import annotations

import resource
import shutil
import sys
from typing import Any

import orjson
from fastapi import APIRouter
from psycopg import Error
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from api.live.sse import Streams
from api.metrics import CONTENT_TYPE, Metrics
from api.problem import Problem
from api.rest import status
from api.service import Service, service

_STALE = 120.0
"""Seconds without a word of the indexer after which a chain counts as degraded."""


def add(router: APIRouter, metrics: Metrics, streams: Streams) -> None:
    """Adds ``/livez``, ``/readyz``, ``/healthz``, ``/metrics``."""

    async def livez() -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(request: Request) -> Response:
        running = service(request)
        reasons = [] if running.feed.connected else ["the live feed has no database connection"]
        try:
            async with running.snapshot() as snapshot:
                await snapshot.execute("SELECT FROM head LIMIT 1")
        except (Error, PoolTimeout, Problem) as error:
            reasons.append(f"database: {' '.join(str(error).split())}")
        return _json(503 if reasons else 200, {"status": _word(reasons), "reasons": reasons})

    async def healthz(request: Request) -> Response:
        running = service(request)
        document: dict[str, Any] = {"status": "ok", "reasons": [], "process": process(running)}
        reasons: list[str] = document["reasons"]
        try:
            async with running.snapshot() as snapshot:
                found = await status.read(snapshot, list(running.catalog.config.chains))
        except (Error, PoolTimeout, Problem) as error:
            reasons.append(f"database: {' '.join(str(error).split())}")
            document["status"] = "failed"
            return _json(503, document)
        document["chains"] = {name: head.model_dump() for name, head in found.chains.items()}
        for name, head in found.chains.items():
            if head.height is None:
                reasons.append(f"{name}: nothing is indexed yet")
            elif head.age is not None and head.age > _STALE:
                reasons.append(f"{name}: the indexer is silent for {head.age:.0f} s")
        reasons += [f"{s.program} on {s.chain}: gaps" for s in found.sources if s.gaps]
        if not running.feed.connected:
            reasons.append("the live feed has no database connection")
        document["status"] = "degraded" if reasons else "ok"
        return _json(200, document)

    async def prometheus(request: Request) -> Response:
        running = service(request)
        metrics.streams.set(streams.open)
        metrics.feed.set(running.feed.cursor)
        stats = running.pool.get_stats()
        metrics.connections.labels("open").set(stats.get("pool_size", 0))
        metrics.connections.labels("idle").set(stats.get("pool_available", 0))
        try:
            async with running.snapshot() as snapshot:
                metrics.show(await status.read(snapshot, list(running.catalog.config.chains)))
        except (Error, PoolTimeout, Problem):
            # what the process knows of itself is told even then; readyz says the rest
            metrics.height.clear()
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    for path, endpoint, words in (
        ("/livez", livez, "The process runs"),
        ("/readyz", readyz, "Database and live feed are there"),
        ("/healthz", healthz, "Database, chains, disk, memory"),
        ("/metrics", prometheus, "Prometheus"),
    ):
        router.add_api_route(path, endpoint, summary=words, tags=["health"])


def process(running: Service) -> dict[str, int]:
    """Bytes of memory at the most so far, and free on the disk that the project is on."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: getrusage(2)
    free = shutil.disk_usage(running.catalog.config.path.parent).free
    return {
        "memory_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "disk_free_bytes": free,
    }


def _word(reasons: list[str]) -> str:
    return "failed" if reasons else "ok"


def _json(code: int, document: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(document), code, headers, "application/json")
