"""Indexing in a test, and looking at what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg

from indexer import config as configuration
from indexer import store
from indexer.follow import Follower, Reorg, Waiting, Wrote
from support.anvil import Anvil

ROOT = Path(__file__).resolve().parents[2]
Reported = Reorg | Waiting | Wrote


def write_config(file: Path, anvil: Anvil, url: str, **changes: object) -> Path:
    """Writes a chainfold.toml for ``anvil`` and the database at ``url``, with ``changes``."""
    values = {
        "schema": "chainfold",
        "chain_id": 31337,
        "rpc": anvil.url,
        "address": anvil.bets.address,
        "interface": ROOT / "programs" / "interfaces" / "Bets.abi.json",
    } | changes
    file.write_text(
        f"""
[database]
url = "{url}"
schema = "{values["schema"]}"
[chains.anvil]
kind = "evm"
chain_id = {values["chain_id"]}
rpc = ["{values["rpc"]}"]
[[programs]]
name = "bets"
chain = "anvil"
address = "{values["address"]}"
interface = "{values["interface"]}"
[folds]
modules = ["indexer.folds.reference"]
"""
    )
    return file


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
        own.add("declaration")
        for (name,) in names:
            if name not in own:
                rows = connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall()
                found[name] = sorted(rows, key=str)
    return found
