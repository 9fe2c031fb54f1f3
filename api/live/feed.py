"""One listener for the process, and a window of its last messages that every stream reads from.

A stream holds a place in the window, not a queue of its own: a thousand slow readers cost no more
than one, and one that falls out of the window is told to come back (it resumes from the database).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import PoolTimeout

from api.catalog import Catalog
from api.live import change
from api.live.change import Message
from api.pool import options
from indexer.log.writer import CHANNEL

WINDOW = 4096
"""Messages kept for streams that are behind."""
_IDLE = 5.0
"""Seconds without a notification after which the table is looked at anyway."""
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError)
_log = logging.getLogger(__name__)


class Feed:
    """Reads `change` as it grows. ``cursor`` is the last one read."""

    def __init__(self, url: str, catalog: Catalog) -> None:
        self._url = url
        self._catalog = catalog
        self._window: deque[Message] = deque(maxlen=WINDOW)
        self._news = asyncio.Event()
        self.ended = 0
        """Count of messages ever in the window: the place after the newest."""
        self.cursor = 0
        self.connected = False
        self.closed = False

    @property
    def begins(self) -> int:
        """The place of the oldest message in the window."""
        return self.ended - len(self._window)

    def after(self, place: int) -> list[Message]:
        """The messages from ``place`` on; ``place`` must be in the window or at its end."""
        missing = self.ended - place
        return [self._window[len(self._window) - i] for i in range(missing, 0, -1)]

    async def news(self, timeout: float) -> None:
        """Returns when the window has grown, the feed closes, or after ``timeout`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._news.wait()

    def close(self) -> None:
        """Ends every stream."""
        self.closed = True
        self._announce()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Listens inside; the first connection must succeed."""
        connection = await self._connect()
        await connection.execute("SELECT 1")
        async with connection.transaction():
            self.cursor = await change.last(connection)
        task = asyncio.create_task(self._run(connection))
        try:
            yield
        finally:
            self.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _connect(self) -> AsyncConnection[Any]:
        connection: AsyncConnection[Any] = await AsyncConnection.connect(
            self._url,
            autocommit=True,
            options=options(self._catalog.config.database.schema),
            application_name="chainfold api feed",
            # statements here are few and the same: parsed once each
            prepare_threshold=1,
            connect_timeout=10,
        )
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self.connected = True
        return connection

    async def _run(self, connection: AsyncConnection[Any] | None) -> None:
        pause = 0.1
        while True:
            try:
                connection = connection or await self._connect()
                while True:
                    await self._read(connection)
                    pause = 0.1
                    async for _ in connection.notifies(timeout=_IDLE, stop_after=1):
                        pass
            except _LOST as error:
                _log.warning("the live feed lost the database and reconnects: %s", error)
            finally:
                self.connected = False
                if connection is not None:
                    with contextlib.suppress(*_LOST):
                        await connection.close()
                connection = None
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)

    async def _read(self, connection: AsyncConnection[Any]) -> None:
        """Takes in all changes there are."""
        while True:
            messages, last = await change.read(connection, self._catalog, self.cursor)
            if last == self.cursor:
                return
            self.cursor = last
            if messages:
                self._window.extend(messages)
                self.ended += len(messages)
                self._announce()

    def _announce(self) -> None:
        """Wakes everyone who waits now; who comes later waits for the next time."""
        self._news.set()
        self._news = asyncio.Event()
