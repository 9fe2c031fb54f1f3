"""One collection for each fold and view, and one path for each of its rows."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import progress
from api.catalog import Table
from api.edge import Field
from api.problem import Problem, responses
from api.progress import Progress
from api.rest import select
from api.rest.answer import One, Page, answer, model
from api.rest.parameters import ROW, ROWS, Parameters, Query
from api.service import service


def add(router: APIRouter, table: Table) -> None:
    """Adds ``/{fold}`` and ``/{fold}/{chain}/{key…}``; a view's are alike, but as of now alone."""
    row_model = model(table)
    past = ("at",) if table.fold else ()
    many, single = Parameters(table, (*ROWS, *past)), Parameters(table, (*ROW, *past))
    tag = "folds" if table.fold else "views"

    async def page(request: Request) -> Response:
        query = many.parse(request.query_params.multi_items())
        chains = query.chains(table)
        if query.at is not None and len(query.fixed().get("chain", "")) == 0:
            raise Problem(400, "parameter 'at' is a height of one chain: give `chain` with it")
        async with service(request).snapshot() as snapshot:
            known = _at(query, await progress.of(snapshot, [table], chains))
            found = await select.rows(snapshot, table, query)
        return answer(request, found.rows, known, found.next)

    async def one(request: Request) -> Response:
        query = single.parse(request.query_params.multi_items())
        key = _key(table, request.path_params)
        async with service(request).snapshot() as snapshot:
            known = _at(query, await progress.of(snapshot, [table], [key[0]]))
            found = await select.row(snapshot, table, key, query)
        if found is None:
            raise Problem(404, f"no row in {table.name} with this key: {_said(table, request)}")
        return answer(request, found, known)

    keys = [f for name in table.key for f in [table.field(name)] if f]
    router.add_api_route(
        f"/{table.name}",
        page,
        summary=f"Rows of {table.name}",
        description=table.doc,
        response_model=Page[row_model],
        responses=responses(400, 429, 503),
        openapi_extra={"parameters": many.openapi()},
        operation_id=f"list_{table.name}",
        tags=[tag],
    )
    router.add_api_route(
        f"/{table.name}/" + "/".join(f"{{{f.name}}}" for f in keys),
        one,
        summary=f"One row of {table.name}",
        description=table.doc,
        response_model=One[row_model],
        responses=responses(400, 404, 429, 503),
        openapi_extra={"parameters": [*map(_in_path, keys), *single.openapi()]},
        operation_id=f"get_{table.name}",
        tags=[tag],
    )


def _key(table: Table, path: dict[str, Any]) -> list[Any]:
    key: list[Any] = []
    for name in table.key:
        field = table.field(name)
        assert field is not None
        try:
            key.append(field.parse(path[name]))
        except ValueError as error:
            raise Problem(400, f"{name} in the path {error}") from None
    if key[0] not in table.chains:
        raise Problem(404, f"no chain {key[0]!r} here; one of {', '.join(table.chains)}")
    return key


def _at(query: Query, known: dict[str, Progress]) -> dict[str, Progress]:
    """The answer's heights: those of now, or the one asked for, which must be in."""
    if query.at is None:
        return known
    for chain, now in known.items():
        if now.as_of is None or now.as_of < query.at:
            raise Problem(
                400, f"parameter 'at': {chain} is in up to {now.as_of}; ask for that or less"
            )
    return {
        chain: Progress(as_of=query.at, finalized=now.finalized, complete=True)
        for chain, now in known.items()
    }


def _said(table: Table, request: Request) -> str:
    return ", ".join(f"{name} {request.path_params[name]}" for name in table.key)


def _in_path(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "in": "path",
        "required": True,
        "description": field.doc,
        "schema": field.parameter,
    }
