"""The proof of folds against accounts, over tables that were changed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from indexer import store
from indexer.config import Config
from indexer.verify import Finding
from indexer.verify.compare import accounts_are_folds


def against_chains(config: Config) -> list[Finding]:
    """What the accounts of every chain say of the folds."""
    found: list[Finding] = []
    with store.opened(config) as opened, opened.connect("test") as connection:
        for chain in config.chains:
            found += asyncio.run(accounts_are_folds(opened, connection, chain))
    return found


def contradicted(config: Config, table: str, change: str) -> str:
    """What the accounts say once ``change`` (SQL) was made in a fold's table, which is then put
    right again."""
    assert config.database.url is not None
    with _changed(config.database.url, table, change):
        found = against_chains(config)
    return "\n".join(f"{f.what}: {f.detail}" for f in found if not f.ok)


@contextmanager
def _changed(url: str, table: str, change: str) -> Generator[None]:
    with psycopg.connect(url, autocommit=True) as connection:
        name = f'chainfold."{table}"'
        connection.execute(f"CREATE TEMP TABLE kept AS TABLE {name}")  # type: ignore[arg-type]
        changed = connection.execute(change.format(name))  # type: ignore[arg-type]
        assert changed.rowcount, "nothing was changed"
        yield
        connection.execute(f"DELETE FROM {name}")  # type: ignore[arg-type]
        connection.execute(f"INSERT INTO {name} TABLE kept")  # type: ignore[arg-type]
