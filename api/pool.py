"""Connections that can only read: a role that may SELECT in one schema, read-only transactions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg_pool import AsyncConnectionPool

from api.catalog import Catalog
from indexer.errors import Fatal
from indexer.log.database import safe
from indexer.log.ddl import READER

_STATEMENT_TIMEOUT = 5_000
"""Milliseconds that one statement may take."""
_WAIT = 3.0
"""Seconds that a request waits for a connection."""


def options(schema: str) -> str:
    """What every connection starts with. ``schema`` is a checked name."""
    settings = {
        "role": READER,
        "default_transaction_read_only": "on",
        "search_path": schema,
        "statement_timeout": str(_STATEMENT_TIMEOUT),
        "idle_in_transaction_session_timeout": "10000",
        "timezone": "UTC",
        # a page's rows are few: compiling its query would take longer than running it
        "jit": "off",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def check(url: str, schema: str, known: Catalog) -> None:
    """Raises Fatal, in one line, where the API can't work on this database, or its tables were
    made from other declarations than ``known``."""
    from indexer import migrate
    from indexer.log import ddl

    try:
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=10, options=options(schema)
        )
    except psycopg.OperationalError as error:
        why = " ".join(str(error).split())
        if f'role "{READER}" does not exist' in why:
            raise Fatal(
                f"the database at {safe(url)} isn't chainfold's yet: run `chainfold index` first"
            ) from None
        raise Fatal(
            f"can't reach the database at {safe(url)} ({why}): start it, or correct DATABASE_URL"
        ) from None
    with connection:
        try:
            ddl.check(connection, schema)
            migrate.refuse(migrate.changes(connection, schema, known.declared, known.bound))
        except psycopg.errors.InsufficientPrivilege:
            raise Fatal(
                f"role {READER} may not read schema {schema!r} of {safe(url)}: run `chainfold "
                "index` once, it grants what is needed"
            ) from None


@asynccontextmanager
async def opened(
    url: str, schema: str, *, size: int = 8
) -> AsyncGenerator[AsyncConnectionPool[AsyncConnection[Any]]]:
    """A pool of up to ``size`` read-only connections. Each request's statements share a snapshot,
    so rows and the heights they are of belong together."""

    async def configure(connection: AsyncConnection[Any]) -> None:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)

    pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        url,
        kwargs={"options": options(schema), "application_name": "chainfold api"},
        min_size=1,
        max_size=size,
        timeout=_WAIT,
        configure=configure,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close(timeout=2)
