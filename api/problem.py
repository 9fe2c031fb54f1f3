"""Errors as problem documents (RFC 9457): one line each that says what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from psycopg import errors
from psycopg_pool import PoolTimeout
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from indexer.errors import Fatal, Retryable
from indexer.rpc.errors import NodeFatal

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(BaseModel):
    """RFC 9457. ``type`` is always about:blank: ``status`` and ``detail`` say it all."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str


class Problem(Exception):
    """Ends a request with ``status`` and a line of what to do; ``extra`` are further members."""

    def __init__(
        self, status: int, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.extra = extra

    def response(self, instance: str) -> Response:
        """``instance``: the path of the request."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        } | self.extra
        return Response(orjson.dumps(document), self.status, self.headers, MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of its errors."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }


_DETAILS = {
    404: "nothing is here: /docs lists every route",
    405: "this route doesn't serve that method: see Allow, or /docs",
}


def install(app: FastAPI) -> None:
    """Has every error of ``app`` answered as a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        return _problem(error).response(request.url.path)

    for kind in (
        Problem,
        HTTPException,
        RequestValidationError,
        PoolTimeout,
        errors.Error,
        Retryable,
        Fatal,
        Exception,
    ):
        app.add_exception_handler(kind, answer)


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case HTTPException():
            detail = _DETAILS.get(error.status_code, error.detail)
            headers = dict(error.headers) if error.headers else None
            return Problem(error.status_code, detail, headers=headers)
        case RequestValidationError():
            return _invalid(error)
        case errors.QueryCanceled():
            detail = "the query takes over 5 s: narrow it by its key, or ask for fewer rows"
            return _later(detail, 5)
        case errors.UndefinedTable() | errors.UndefinedColumn():
            detail = "the database lacks a table of this configuration: run `chainfold index`"
            return _later(detail, 10)
        case PoolTimeout():
            return _later("all database connections are in use: ask again", 1)
        case errors.DataError():
            return Problem(400, "a value is out of range for its column: see /docs")
        case errors.OperationalError() | errors.InterfaceError():
            return _later("the database doesn't answer: ask again", 5)
        case NodeFatal():
            return Problem(502, f"the chain's node refuses: {error}")
        case Retryable():
            return _later(str(error), error.after or 2)
        case Fatal():
            return Problem(502, str(error))
        case _:
            return Problem(500, "a fault of the server's, written to its log")


def _later(detail: str, seconds: float) -> Problem:
    return Problem(503, detail, headers={"Retry-After": str(max(1, round(seconds)))})


def _invalid(error: RequestValidationError) -> Problem:
    """422 of a body: the first finding in words, all of them in ``errors``."""
    found = [
        {"field": ".".join(str(part) for part in e["loc"][1:]) or "body", "detail": e["msg"]}
        for e in error.errors()
    ]
    first = found[0]
    detail = f"{first['field']}: {first['detail']}"
    return Problem(422, detail, errors=found)
