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
from api.problem import Problem
from indexer.log import declared
from indexer.rpc.client import Rpc

_MARK = declared.MARK.format(declaration="declaration")
_OTHER = declared.OTHER.format(declaration="declaration")
Pool = AsyncConnectionPool[AsyncConnection[Any]]


@dataclass(slots=True)
class Service:
    """``feed``: the live changes. ``_declared``: what this process takes the tables for, as
    ``declared.columns`` gives it. ``_good``: the mark of tables that were seen to be so. ``_rpc``:
    a client per chain, opened when it is first needed.
    """

    catalog: Catalog
    pool: Pool
    feed: Feed
    _declared: list[list[str]]
    _good: tuple[Any, ...] | None = None
    _rpc: dict[str, Rpc] = field(default_factory=dict[str, Rpc])

    def rpc(self, chain: str) -> Rpc:
        """The chain's nodes. A person waits for the answer, so it gives up early."""
        if chain not in self._rpc:
            urls = self.catalog.config.chains[chain].rpc
            self._rpc[chain] = Rpc(urls, name=chain, attempts=2, timeout=5.0)
        return self._rpc[chain]

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection[Any]]:
        """A read-only transaction in which all statements see the same state.

        Raises Problem where the tables were made from other declarations than this process knows:
        after a migration a column of the same name may mean something else.
        """
        async with self.pool.connection() as connection, connection.transaction():
            await self._check(connection)
            yield connection

    async def _check(self, connection: AsyncConnection[Any]) -> None:
        mark = await (await connection.execute(_MARK)).fetchone()
        if mark == self._good:
            return
        other = await (await connection.execute(_OTHER, self._declared)).fetchone()
        if other is not None:
            kind, name = other
            raise Problem(
                503,
                f"{kind} {name} isn't what the tables were made from: run `chainfold migrate` "
                "if that wasn't done, then start the API again",
            )
        self._good = mark

    async def aclose(self) -> None:
        for rpc in self._rpc.values():
            await rpc.aclose()


def service(request: Request) -> Service:
    """The running app's."""
    return request.app.state.service
