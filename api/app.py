"""The FastAPI app: every route of one configuration, over a role that can only read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from api import health, pool, problem, tx
from api.catalog import catalog
from api.headers import SecurityHeaders
from api.limits import BodyLimit, RateLimit
from api.live import sse
from api.live.feed import Feed
from api.live.sse import Streams
from api.metrics import Measured, Metrics
from api.openapi import describe
from api.rest import events, folds, status
from api.service import Service
from indexer.config import Config
from indexer.fingerprint import declarations
from indexer.log import declared

RATE = 100.0
"""Requests per second and address where nothing else is said."""


def create_app(config: Config, url: str, *, rate: float = RATE) -> FastAPI:
    """The app for ``config`` on the database at ``url``; ``rate`` 0 lifts the limit.

    Raises Fatal where the interfaces or folds don't fit. The database is first asked when the app
    starts. ``app.state.service`` is what runs; ``app.state.service.feed.close()`` ends the streams.
    """
    known = catalog(config)
    mine = declared.columns(declarations(known.declared, known.bound).values())
    metrics, streams = Metrics(), Streams()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        feed = Feed(url, known)
        async with pool.opened(url, config.database.schema) as connections, feed.running():
            app.state.service = Service(known, connections, feed, mine)
            try:
                yield
            finally:
                await app.state.service.aclose()

    # its pages of documentation need nothing from another host
    app = FastAPIOffline(
        title="chainfold",
        version=version("chainfold"),
        description="State and events of programs on Solana and EVM chains, read-only.",
        lifespan=lifespan,
    )
    problem.install(app)
    v1 = APIRouter(prefix="/v1")
    status.add(v1)
    sse.add(v1, known, streams)
    for table in (*known.folds.values(), *known.views.values()):
        folds.add(v1, table)
    events.add(v1, known)
    tx.add(v1, known)
    app.include_router(v1)
    root = APIRouter()
    health.add(root, metrics, streams)
    app.include_router(root)
    describe(app)
    # the last one added is the outermost
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)
    app.add_middleware(BodyLimit)
    app.add_middleware(RateLimit, rate=rate)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["ETag", "Retry-After"],
    )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured, metrics=metrics)
    return app
