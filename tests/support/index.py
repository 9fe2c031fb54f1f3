"""Indexing in a test, and looking at what came of it."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from indexer import config as configuration
from indexer import store
from indexer.follow import Follower, Reorg, Waiting, Wrote

Reported = Reorg | Waiting | Wrote


def index_once(config: configuration.Config) -> list[Reported]:
    """Indexes up to the tip of now, as `chainfold index --once` does."""
    reported: list[Reported] = []
    with store.opened(config) as opened:
        for chain in config.chains:
            asyncio.run(Follower(opened, chain, reported.append, once=True).run())
    return reported


def tables(url: str, schema: str = "chainfold") -> dict[str, list[tuple[Any, ...]]]:
    """Every event and fold table and the block rows that hold events, sorted."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = %s AND relkind = 'r' ORDER BY 1",
            [schema],
        ).fetchall()
        own = {"meta", "block", "head", "source", "coverage", "fold_source", "change"}
        for (name,) in names:
            if name not in own:
                rows = connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall()
                found[name] = sorted(rows, key=str)
    return found
