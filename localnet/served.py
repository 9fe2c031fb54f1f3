"""What the API serves against what the tables hold: each row of folds and views, each value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import aiohttp
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from indexer.config import Config
from indexer.errors import Fatal
from indexer.verify import Finding

_PAGE = 500  # rows


async def served(
    connection: Connection[Any],
    config: Config,
    names: Iterable[str],
    api: str,
    session: aiohttp.ClientSession,
) -> Finding:
    """Pages through each fold and view at the URL ``api``. Holds when no traffic is under way."""
    rows = wrong = tables = 0
    for name in names:
        told = [row async for row in _pages(session, f"{api}/v1/{name}")]
        with connection.cursor(row_factory=dict_row) as cursor:
            query = SQL("SELECT * FROM {}").format(Identifier(config.database.schema, name))
            held = cursor.execute(query).fetchall()
        mine = sorted(map(_plain, told), key=repr)
        # what begins with _ is the fold's own
        theirs = (_plain({k: v for k, v in row.items() if k[0] != "_"}) for row in held)
        pairs = zip(mine, sorted(theirs, key=repr), strict=False)
        wrong += abs(len(told) - len(held)) + sum(a != b for a, b in pairs)
        rows += len(held)
        tables += 1
    return Finding(
        "the API serves the tables",
        not wrong and rows > 0,
        f"{rows} rows of {tables} tables asked for, {wrong} missing or different",
    )


async def _pages(session: aiohttp.ClientSession, url: str) -> Any:
    cursor: dict[str, str] = {}
    while True:
        async with session.get(url, params={"limit": str(_PAGE), **cursor}) as response:
            page = await response.json()
            if response.status != 200:
                raise Fatal(f"{url}: HTTP {response.status}: {page}")
        for row in page["data"]:
            yield row
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def _plain(row: dict[str, Any]) -> dict[str, str | None]:
    """The values in one form: digits, lower-case hex, UTC to the microsecond."""
    return {name: _text(value) for name, value in sorted(row.items())}


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value)
        case int() | Decimal():
            return str(int(value))
        case datetime():
            return value.isoformat()
        case str() if value[:2] == "0x":
            return value.lower()
        case str() if value[-1:] == "Z" and value[10:11] == "T":
            return datetime.fromisoformat(value).isoformat()
        case _:
            return str(value)
