"""The tables against the truth, both ways, and the promises that hold at every moment."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from indexer.folds import bets
from indexer.folds.algebra import Fold
from sim.truth import Events, Row, fold

FOLDS = [f for f in vars(bets).values() if isinstance(f, Fold)]


def differences(
    connection: psycopg.Connection[Any], chain: str, events: Events, blocks: dict[int, str]
) -> list[str]:
    """A line for each table of ``chain`` that isn't what the chain says."""
    found: list[str] = []
    for name, rows in events.items():
        table = "bets_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        mine = {r.pop("pos"): r for r in _rows(connection, table, chain)}
        found += _differ(f"{chain} {table}", mine, rows)
    for declared in FOLDS:
        mine = {
            tuple(r.pop(k) for k in declared.key): r
            for r in _rows(connection, declared.name, chain)
        }
        found += _differ(f"{chain} fold {declared.name}", mine, fold(declared, events))
    stored = connection.execute(
        "SELECT height, hash FROM chainfold.block WHERE chain = %s", [chain]
    ).fetchall()
    wrong = [(h, x, blocks.get(h)) for h, x in stored if blocks.get(h) != x]
    if wrong:
        found.append(f"{chain} block: {len(wrong)} are not the chain's, e.g. {wrong[0]}")
    return found + _changes(connection, chain, events)


def _rows(connection: psycopg.Connection[Any], table: str, chain: str) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM chainfold.{table} WHERE chain = %s", [chain])
    assert cursor.description is not None
    names = [c.name for c in cursor.description]
    return [
        {n: _plain(v) for n, v in zip(names, row, strict=True) if n != "chain" and n[0] != "_"}
        for row in cursor
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, datetime):
        return int(value.timestamp())
    return value


def _differ(what: str, mine: dict[Any, Row], true: dict[Any, Row]) -> list[str]:
    lines: list[str] = []
    missing, extra = true.keys() - mine.keys(), mine.keys() - true.keys()
    if missing:
        lines.append(f"{what}: {len(missing)} of {len(true)} rows missing, e.g. {min(missing)}")
    if extra:
        lines.append(f"{what}: {len(extra)} rows too many, e.g. {min(extra)}")
    for key in sorted(true.keys() & mine.keys()):
        if mine[key] != true[key]:
            columns = {
                c: (mine[key].get(c), true[key].get(c))
                for c in mine[key].keys() | true[key].keys()
                if mine[key].get(c, "no column") != true[key].get(c, "no column")
            }
            lines.append(f"{what}: row {key} has (mine, true) {columns}")
            break
    return lines


def _changes(connection: psycopg.Connection[Any], chain: str, events: Events) -> list[str]:
    """The stream `change`, replayed: apply and undo take turns, and what is left is the table."""
    row = connection.execute(
        "SELECT live_from FROM chainfold.head WHERE chain = %s", [chain]
    ).fetchone()
    assert row is not None
    last: dict[tuple[int, str, str], str] = {}
    for pos, event, hash_, op in connection.execute(
        "SELECT pos, event, block_hash, op FROM chainfold.change WHERE chain = %s ORDER BY cursor",
        [chain],
    ):
        key = (pos, event, hash_)
        if last.get(key) == op:
            return [f"{chain} change: {op} of {key} comes twice"]
        last[key] = op
    # what a repair took out may have come by a backfill, which tells nothing: undo comes first
    left = Counter(k[:2] for k, op in last.items() if op == "apply" and k[0] >> 28 > row[0])
    true = Counter(
        (pos, "bets_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        for name, rows in events.items()
        for pos in rows
        if pos >> 28 > row[0]
    )
    if left != true:
        return [f"{chain} change: leaves {sorted((left - true) | (true - left))[:3]} …"]
    return []
