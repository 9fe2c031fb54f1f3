"""The form of every answer, and what lets a client skip one it has."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.requests import Request
from starlette.responses import Response

from api.catalog import Table
from api.progress import Progress

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Rows, the cursor of the page after, and how far the chains they come from are in."""

    data: list[T]
    next: str | None = Field(description="give it as `cursor` for the page after; null at the end")
    chains: dict[str, Progress]


class One(BaseModel, Generic[T]):
    """One row and how far its chain is in."""

    data: T
    next: None = Field(description="always null: there is one row")
    chains: dict[str, Progress]


def model(table: Table, name: str | None = None) -> type[BaseModel]:
    """The table's row. ``fields`` may leave any of its members out of an answer."""
    members: dict[str, Any] = {
        f.name: (f.annotation, Field(description=f.doc or None)) for f in table.fields
    }
    made = create_model(
        name or "".join(part.capitalize() for part in table.name.split("_")),
        __config__=ConfigDict(json_schema_extra=_optional),
        **members,
    )
    made.__doc__ = table.doc
    return made


def _optional(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


def answer(
    request: Request,
    data: Any,
    chains: Mapping[str, Progress],
    following: str | None = None,
) -> Response:
    """The JSON document, or 304 where the client's ETag is still that of its bytes."""
    body = orjson.dumps(
        {
            "data": data,
            "next": following,
            "chains": {name: progress.model_dump() for name, progress in chains.items()},
        }
    )
    return tagged(request, body)


def tagged(request: Request, body: bytes) -> Response:
    """``body`` with an ETag. A weak one: compression on the way doesn't change what it says."""
    tag = f'W/"{blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if _known(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _known(given: str | None, tag: str) -> bool:
    """If-None-Match by RFC 9110, 13.1.2: weak comparison, several tags, or ``*``."""
    if given is None:
        return False
    opaque = tag.removeprefix("W/")
    return any(t.strip() == "*" or t.strip().removeprefix("W/") == opaque for t in given.split(","))
