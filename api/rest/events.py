"""Events as emitted: a collection for each type, and all types in one order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from psycopg import AsyncConnection
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api import progress
from api.catalog import EVENT, Catalog, Table
from api.problem import responses
from api.rest import select
from api.rest.answer import Page, answer, model
from api.rest.parameters import ROWS, Parameters
from api.service import service
from indexer.decode.schema import COMMON


class AnyEvent(BaseModel):
    """An event of any type."""

    chain: str
    pos: str = Field(description="height << 28 | ordinal: orders every event of one chain")
    tx: str
    address: str
    time: datetime
    event: str = Field(description="its table: /v1/events/{event} lists its kind")
    data: dict[str, Any] = Field(description="the event's own fields")


def add(router: APIRouter, catalog: Catalog) -> None:
    """Adds ``/events`` and ``/events/{event table}``."""
    if catalog.events:
        _all(router, catalog)
    for table in catalog.events.values():
        _one(router, table)


def _one(router: APIRouter, table: Table) -> None:
    parameters = Parameters(table, ROWS)

    async def page(request: Request) -> Response:
        query = parameters.parse(request.query_params.multi_items())
        async with service(request).snapshot() as snapshot:
            known = await progress.of(snapshot, [table], query.chains(table))
            found = await select.rows(snapshot, table, query)
        return answer(request, found.rows, known, found.next)

    router.add_api_route(
        f"/events/{table.name}",
        page,
        summary=f"Events of {table.name}",
        description=table.doc,
        response_model=Page[model(table)],
        responses=responses(400, 429, 503),
        openapi_extra={"parameters": parameters.openapi()},
        operation_id=f"list_events_{table.name}",
        tags=["events"],
    )


def _all(router: APIRouter, catalog: Catalog) -> None:
    tables = tuple(catalog.events.values())
    every = union(catalog)
    parameters = Parameters(every, ("order", "limit", "cursor"))

    async def page(request: Request) -> Response:
        query = parameters.parse(request.query_params.multi_items())
        async with service(request).snapshot() as snapshot:
            known = await progress.of(snapshot, tables, query.chains(every))
            found = await select.rows(snapshot, every, query)
            data = await own(snapshot, catalog, found.rows)
        return answer(request, data, known, found.next)

    router.add_api_route(
        "/events",
        page,
        summary="Events of all types",
        description=every.doc,
        response_model=Page[AnyEvent],
        responses=responses(400, 429, 503),
        openapi_extra={"parameters": parameters.openapi()},
        operation_id="list_events",
        tags=["events"],
    )


def union(catalog: Catalog) -> Table:
    """All event tables as one, of the columns that they share and ``event``, the table's name."""
    tables = tuple(catalog.events.values())
    return Table(
        "events",
        "Every event of every program, by chain and position.",
        (*tables[0].fields[: 1 + len(COMMON)], EVENT),
        ("chain", "pos"),
        tuple(dict.fromkeys(c for t in tables for c in t.chains)),
        parts=tuple(t.name for t in tables),
    )


async def own(
    snapshot: AsyncConnection[Any], catalog: Catalog, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """``rows`` of the union, each with its event's own fields as ``data``: a query a type."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["event"], []).append(row)
    data: dict[tuple[str, str], dict[str, Any]] = {}
    for name, of_kind in kinds.items():
        table = catalog.events[name]
        places = [(row["chain"], row["pos"]) for row in of_kind]
        for found in await select.at_positions(snapshot, table, places):
            data[found["chain"], found["pos"]] = found
    shared = 1 + len(COMMON)
    return [
        row
        | {
            "data": {
                f.name: data[row["chain"], row["pos"]][f.name]
                for f in catalog.events[row["event"]].fields[shared:]
            }
        }
        for row in rows
    ]
