"""What the tables were made from: a fingerprint of every event and fold that is in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from psycopg import Connection

from indexer.log.database import run
from indexer.sql import quote

Kind = Literal["event", "table", "fold", "view"]


class Key(NamedTuple):
    """``name``: an event's signature, with where it comes from; else a table's or a fold's name."""

    kind: Kind
    name: str
    chain: str = ""
    address: str = ""


class Declaration(NamedTuple):
    """``table``: where the rows are. ``fingerprint``: equal for what makes equal rows."""

    key: Key
    table: str
    fingerprint: str


def stored(connection: Connection[Any], into: str) -> dict[Key, Declaration]:
    """Every declaration that the tables were made from; empty where there are no tables yet."""
    name = f"{quote(into)}.declaration"
    there = run(connection, "SELECT to_regclass(%s)", [name]).fetchone()
    if there is None or there[0] is None:
        return {}
    rows = run(
        connection, f'SELECT kind, name, chain, address, "table", fingerprint FROM {name}'
    ).fetchall()
    return {Key(*row[:4]): Declaration(Key(*row[:4]), row[4], row[5]) for row in rows}


MARK = """
SELECT md5(string_agg(fingerprint, ',' ORDER BY fingerprint COLLATE "C")) FROM {declaration}
"""
"""Another one after every change: cheap enough to be asked with each request."""

OTHER = """
SELECT d.kind, d.name FROM {declaration} AS d
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS mine(kind, name, chain, address, fingerprint) USING (kind, name, chain, address)
WHERE d.fingerprint <> mine.fingerprint ORDER BY 1, 2 LIMIT 1
"""
"""A declaration that the tables were made from in another form, given ``columns``."""


def columns(declarations: Iterable[Declaration]) -> list[list[str]]:
    """Kinds, names, chains, addresses and fingerprints, each a list."""
    rows = [(*d.key, d.fingerprint) for d in declarations]
    return [list(c) for c in zip(*rows, strict=True)] or [[]] * 5


def store(connection: Connection[Any], into: str, declarations: Iterable[Declaration]) -> None:
    """Writes the declarations that are new; part of the caller's transaction."""
    rows = [(*d.key, d.table, d.fingerprint) for d in declarations]
    columns = [list(c) for c in zip(*rows, strict=True)]
    if columns:
        run(
            connection,
            f'INSERT INTO {quote(into)}.declaration (kind, name, chain, address, "table", '
            "fingerprint) SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], "
            "%s::text[], %s::text[]) ON CONFLICT (kind, name, chain, address) DO NOTHING",
            columns,
        )


def forget(connection: Connection[Any], into: str, keys: Iterable[Key]) -> None:
    """Deletes declarations; part of the caller's transaction."""
    columns = [list(c) for c in zip(*keys, strict=True)]
    if columns:
        run(
            connection,
            f"DELETE FROM {quote(into)}.declaration d USING unnest(%s::text[], %s::text[], "
            "%s::text[], %s::text[]) AS k(kind, name, chain, address) WHERE d.kind = k.kind "
            "AND d.name = k.name AND d.chain = k.chain AND d.address = k.address",
            columns,
        )
