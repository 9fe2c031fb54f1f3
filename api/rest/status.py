"""How far each chain, program and fold is, and what is missing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from psycopg import AsyncConnection
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.problem import responses
from api.progress import Progress
from api.rest.answer import answer
from api.service import service

_GAPS = 100
"""Gaps listed per source."""


class Head(BaseModel):
    """Where the indexer is on a chain; heights are block numbers or slots."""

    height: int | None = Field(description="indexed up to here; null before the first range")
    hash: str | None
    time: str | None = Field(description="time of the block, RFC 3339")
    finalized: int | None
    latest: int | None = Field(description="the nodes' tip when last asked")
    lag: int | None = Field(description="latest - height")
    age: float | None = Field(description="seconds since the head row was written")


class Source(BaseModel):
    """A program on a chain. ``gaps``: inclusive height ranges missing below the head."""

    program: str
    chain: str
    address: str
    start: int
    as_of: int | None
    covered: list[tuple[int, int]]
    gaps: list[tuple[int, int]]
    complete: bool


class Status(BaseModel):
    """Everything at once."""

    chains: dict[str, Head]
    sources: list[Source]
    folds: dict[str, dict[str, Progress]] = Field(description="by fold, by chain")


class StatusAnswer(BaseModel):
    """The form of every answer."""

    data: Status
    next: None
    chains: dict[str, Progress]


_HEADS = """
SELECT chain, height, hash, to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    nullif(finalized, -1), latest, greatest(latest - height, 0),
    extract(epoch FROM clock_timestamp() - updated_at)::float8
FROM head ORDER BY chain
"""
_SOURCES = """
SELECT p.program, p.chain, p.address, p.start, nullif(p.as_of, -1),
    ARRAY(SELECT ARRAY[lower(r), upper(r) - 1] FROM unnest(p.covered) AS r
          ORDER BY r DESC LIMIT %(most)s),
    ARRAY(SELECT ARRAY[lower(r), upper(r) - 1] FROM unnest(
            CASE WHEN h.height >= p.start
            THEN int8multirange(int8range(p.start, h.height, '[]')) - coalesce(p.covered, '{}')
            ELSE '{}' END) AS r ORDER BY r LIMIT %(most)s),
    coalesce(p.as_of >= h.height, false)
FROM source_progress p LEFT JOIN head h ON h.chain = p.chain ORDER BY p.chain, p.source
"""
_FOLDS = """
SELECT fold, chain, nullif(as_of, -1), nullif(finalized, -1), complete
FROM fold_progress ORDER BY fold, chain
"""


async def read(connection: AsyncConnection[Any], chains: list[str]) -> Status:
    """The state of the ledger; every chain of the configuration is in it."""
    heads = {c: Head(**dict.fromkeys(Head.model_fields)) for c in chains}
    for name, *values in await (await connection.execute(_HEADS)).fetchall():
        heads[name] = Head(**dict(zip(Head.model_fields, values, strict=True)))
    rows = await (await connection.execute(_SOURCES, {"most": _GAPS})).fetchall()
    sources = [Source(**dict(zip(Source.model_fields, row, strict=True))) for row in rows]
    folds: dict[str, dict[str, Progress]] = {}
    for fold, chain, as_of, finalized, complete in await (
        await connection.execute(_FOLDS)
    ).fetchall():
        folds.setdefault(fold, {})[chain] = Progress(
            as_of=as_of, finalized=finalized, complete=bool(complete)
        )
    return Status(chains=heads, sources=sources, folds=folds)


def add(router: APIRouter) -> None:
    """Adds ``/status``."""

    async def status(request: Request) -> Response:
        running = service(request)
        async with running.snapshot() as snapshot:
            found = await read(snapshot, list(running.catalog.config.chains))
        known = {
            name: Progress(
                as_of=_lowest(found, name),
                finalized=head.finalized,
                complete=all(s.complete for s in found.sources if s.chain == name),
            )
            for name, head in found.chains.items()
        }
        return answer(request, found.model_dump(), known)

    router.add_api_route(
        "/status",
        status,
        summary="Heads, coverage, gaps",
        response_model=StatusAnswer,
        responses=responses(429, 503),
        operation_id="status",
        tags=["status"],
    )


def _lowest(found: Status, chain: str) -> int | None:
    heights = [s.as_of for s in found.sources if s.chain == chain]
    known = [h for h in heights if h is not None and h >= 0]
    return min(known) if known and len(known) == len(heights) else None
