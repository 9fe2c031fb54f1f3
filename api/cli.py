"""`chainfold api`: the API on a port, until it is told to stop."""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from indexer import config as configuration
from indexer.errors import ChainfoldError, Fatal


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="0 picks a free one.")
@click.option(
    "--rate", default=100.0, show_default=True, help="Requests a second and address; 0: no limit."
)
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path),
    help="The configuration; else $CHAINFOLD_CONFIG, else ./chainfold.toml.",
)
@click.pass_context
def api(ctx: click.Context, host: str, port: int, rate: float, path: Path | None) -> None:
    """Serve REST, live changes and unsigned transactions, read-only; /docs says what there is."""
    given: Any = ctx.obj
    try:
        serve(configuration.load(path or given), host, port, rate)
    except ChainfoldError as error:
        click.echo(f"chainfold: {error}", err=True)
        sys.exit(1)


def serve(config: configuration.Config, host: str, port: int, rate: float) -> None:
    """Runs until a signal; raises Fatal, in one line, where it can't start."""
    from api import pool
    from api.app import create_app
    from api.catalog import catalog
    from indexer.log import database

    listener = bind(host, port)
    with listener, database.serve(config.database) as url:
        pool.check(url, config.database.schema, catalog(config))
        app = create_app(config, url, rate=rate)
        _run(app, listener)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises Fatal where the port is taken or the address isn't ours."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise Fatal(
            f"can't listen on {host}:{port} ({why}): stop what runs there, or give another --port"
        ) from None
    return listener


def _run(app: Any, listener: socket.socket) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        """Ends the streams when it is told to stop: they would hold it up for ever."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # what start-up made stays: one search through it for cycles holds all answers up
            # for a quarter of a second
            gc.freeze()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            running = getattr(app.state, "service", None)
            if running is not None:
                running.feed.close()
            super().handle_exit(sig, frame)

    host, port = listener.getsockname()[:2]
    server = Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"chainfold: API on http://{shown}:{port} (documentation: /docs)", err=True)
    server.run(sockets=[listener])
    if not server.started:
        raise Fatal("the API didn't start: the lines above say why")
