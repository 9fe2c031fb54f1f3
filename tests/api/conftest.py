"""A database written by the indexer's own writer, and the API over it."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from indexer import store
from indexer.config import Config, load
from indexer.decode.schema import schema
from indexer.folds import bind
from indexer.log import database

sys.path.insert(0, str(Path(__file__).parent))

from apiledger import TOML, Ledger


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "chainfold.toml").write_text(TOML)
    return load(tmp_path / "chainfold.toml")


@pytest.fixture
def ledger(config: Config, postgres_url: str) -> Iterator[Ledger]:
    declared = schema(config)
    with database.connect(postgres_url) as connection:
        ready = store.prepare(
            config, postgres_url, declared, bind.load(config, declared), connection
        )
        yield Ledger(config, postgres_url, ready, connection)


@pytest.fixture
def app(ledger: Ledger) -> FastAPI:
    return create_app(ledger.config, ledger.url, rate=0)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The app in this process, started."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


@pytest.fixture
def listen() -> Callable[[FastAPI], AbstractContextManager[str]]:
    return listening


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The app behind a real socket, on its own thread; yields its URL."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    listener = socket.create_server(("127.0.0.1", 0))
    options = uvicorn.Config(
        app, loop="asyncio", lifespan="on", log_level="warning", timeout_graceful_shutdown=2
    )
    server = Server(options)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        service = getattr(app.state, "service", None)
        if service is not None:
            service.feed.closed = True
        server.should_exit = True
        thread.join(10)
        listener.close()
