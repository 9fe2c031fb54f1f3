"""Two databases of one configuration, held against each other at one height."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from indexer.decode.batch import ORDINAL_BITS
from indexer.folds import compile
from indexer.log import database
from indexer.log.database import run
from indexer.sql import quote
from indexer.status import status
from indexer.store import Store
from indexer.verify import Finding

Digest = tuple[int, str]
"""How many rows, and the SHA-256 of them in order, as COPY writes them."""


def equal(mine: Store, other: Store, heights: Mapping[str, int]) -> list[Finding]:
    """Event tables, their blocks and folds of both, row for row, up to ``heights`` by chain.

    Folds of ``mine`` are its tables as they are, so ``mine`` must end at ``heights``; those of
    ``other``, which may have gone on, are what its events up to there give.
    """
    findings: list[Finding] = []
    with database.translated(), mine.connect("compare") as a, other.connect("compare") as b:
        for name in mine.schema.tables:
            findings.append(
                _same(name, a, _events(mine, name, heights), b, _events(other, name, heights))
            )
        findings.append(
            _same("block of events", a, _blocks(mine, heights), b, _blocks(other, heights))
        )
        for fold in mine.folds:
            columns = ", ".join(["chain", *(quote(c.name) for c in compile.storage(fold))])
            keys = ", ".join(["chain", *(quote(c.name) for c in fold.key)])
            events = compile.Source(f"{quote(other.log.into)}.", _up_to(heights))
            oracle = compile.partial(fold, events, "postgres")
            findings.append(
                _same(
                    fold.name,
                    a,
                    f"SELECT {columns} FROM {mine.log.table(fold.name)} ORDER BY {keys}",
                    b,
                    f"SELECT {columns} FROM ({oracle}) AS o ORDER BY {keys}",
                )
            )
    return findings


def covered(opened: Store) -> dict[str, int]:
    """The height up to which every source of a chain is in without a gap, by chain."""
    with database.translated(), opened.connect("compare") as connection:
        sources = status(connection, opened.log.into).sources
    heights: dict[str, int] = {}
    for s in sources:
        heights[s.chain] = min(s.as_of, heights.get(s.chain, s.as_of))
    return heights


def _same(
    name: str, a: Connection[Any], select_a: str, b: Connection[Any], select_b: str
) -> Finding:
    (rows_a, hash_a), (rows_b, hash_b) = _digest(a, select_a), _digest(b, select_b)
    if rows_a != rows_b:
        return Finding(name, False, f"{rows_a} rows, the other database has {rows_b}")
    if hash_a != hash_b:
        return Finding(name, False, f"{rows_a} rows in both, but not the same ones")
    return Finding(name, True, f"{rows_a} equal rows")


def _digest(connection: Connection[Any], select: str) -> Digest:
    run(connection, "SET timezone = 'UTC'")
    rows, digest = 0, hashlib.sha256()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT") as stream:  # pyright: ignore
        for piece in stream:
            digest.update(piece)
            rows += bytes(piece).count(b"\n")  # COPY escapes a line feed within a value
    return rows, digest.hexdigest()


def _up_to(heights: Mapping[str, int]) -> str:
    arms = [
        f"(chain = '{chain}' AND pos < {(height + 1) << ORDINAL_BITS})"
        for chain, height in heights.items()
    ]
    return f"({' OR '.join(arms) or 'false'})"


def _events(opened: Store, name: str, heights: Mapping[str, int]) -> str:
    columns = ", ".join(["chain", *(quote(c.name) for c in opened.schema.tables[name].all_columns)])
    return (
        f"SELECT {columns} FROM {opened.log.table(name)} WHERE {_up_to(heights)} "
        "ORDER BY chain, pos"
    )


def _blocks(opened: Store, heights: Mapping[str, int]) -> str:
    """Blocks with events: which others have a row depends on how the ranges were cut."""
    places = " UNION ".join(
        f"SELECT chain, pos >> {ORDINAL_BITS} AS height FROM {opened.log.table(name)} "
        f"WHERE {_up_to(heights)}"
        for name in opened.schema.tables
    )
    return (
        "SELECT b.chain, b.height, b.hash, b.time "
        f"FROM {opened.log.table('block')} b JOIN ({places}) AS e USING (chain, height) "
        "ORDER BY 1, 2"
    )
