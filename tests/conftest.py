"""Real parts for every test: a Postgres server for the run, a database for each test."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
_names = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of an embedded server of this test process.

    Not below pytest's own folder: that is closed to the user whom the server runs as under root.
    """
    from indexer.config import Database
    from indexer.log.database import serve

    with (
        TemporaryDirectory(prefix="chainfold-test-") as folder,
        serve(Database(None, "chainfold", Path(folder) / "data")) as url,
    ):
        yield url


@pytest.fixture
def databases(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases; they are dropped after the test."""
    made: list[str] = []
    with psycopg.connect(postgres_server, autocommit=True) as admin:

        def make() -> str:
            made.append(f"test_{next(_names)}")
            admin.execute(f"CREATE DATABASE {made[-1]}")
            return urlunsplit(urlsplit(postgres_server)._replace(path=f"/{made[-1]}"))

        yield make
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(databases: Callable[[], str]) -> str:
    """URL of an empty database, dropped after the test."""
    return databases()
