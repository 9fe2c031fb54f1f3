"""A page's cursor: where it ended, in terms of what it is ordered by."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from api.problem import Problem

_LONGEST = 4096


def encode(query: str, values: Sequence[str | None]) -> str:
    """``query`` names what the cursor is good for; ``values`` are those of the last row."""
    raw = orjson.dumps([_digest(query), *values])
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode(query: str, cursor: str, width: int) -> list[str | None]:
    """The values; raises Problem 400 where the cursor is no cursor, or another query's."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        found: Any = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        digest, *values = found
        if not all(v is None or (isinstance(v, str) and "\0" not in v) for v in values):
            raise ValueError
    except (ValueError, TypeError):
        raise Problem(400, "parameter 'cursor' is no cursor: pass `next` as it came") from None
    if digest != _digest(query) or len(values) != width:
        raise Problem(
            400, "parameter 'cursor' belongs to another query: keep order and filters over pages"
        )
    return values


def _digest(query: str) -> str:
    return blake2b(query.encode(), digest_size=6).hexdigest()
