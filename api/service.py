"""What every route works with; made when the server starts, closed when it stops."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request

from api.catalog import Catalog
from api.live.feed import Feed
from indexer.rpc.client import Rpc

Pool = AsyncConnectionPool[AsyncConnection[Any]]


@dataclass(slots=True)
class Service:
    """``feed``: the live changes. ``rpc``: a client per chain, opened when it is first needed."""

    catalog: Catalog
    pool: Pool
    feed: Feed
    _rpc: dict[str, Rpc] = field(default_factory=dict[str, Rpc])

    def rpc(self, chain: str) -> Rpc:
        """The chain's nodes. A person waits for the answer, so it gives up early."""
        if chain not in self._rpc:
            urls = self.catalog.config.chains[chain].rpc
            self._rpc[chain] = Rpc(urls, name=chain, attempts=2, timeout=5.0)
        return self._rpc[chain]

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection[Any]]:
        """A read-only transaction in which all statements see the same state."""
        async with self.pool.connection() as connection, connection.transaction():
            yield connection

    async def aclose(self) -> None:
        for rpc in self._rpc.values():
            await rpc.aclose()


def service(request: Request) -> Service:
    """The running app's."""
    return request.app.state.service
