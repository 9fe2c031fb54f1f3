"""The schema in Postgres: made from the interfaces and folds, checked on every start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import Connection

from indexer.decode.schema import COMMON, EventTable
from indexer.decode.types import Type
from indexer.errors import Fatal
from indexer.log.database import run
from indexer.sql import column_type, quote

VERSION = 2
"""Of the tables in this file. A database of a newer version is left alone."""
READER = "chainfold_reader"

_TABLES = """
CREATE TABLE {s}.meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE {s}.block (
    chain text COLLATE "C" NOT NULL, height int8 NOT NULL, hash text COLLATE "C" NOT NULL,
    time timestamptz NOT NULL, PRIMARY KEY (chain, height));
CREATE TABLE {s}.head (
    chain text COLLATE "C" PRIMARY KEY, height int8 NOT NULL, hash text COLLATE "C" NOT NULL,
    time timestamptz NOT NULL, finalized int8 NOT NULL, latest int8 NOT NULL,
    live_from int8 NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
COMMENT ON COLUMN {s}.head.height IS 'indexed up to here by the head writer';
COMMENT ON COLUMN {s}.head.latest IS 'the tip that the nodes last told';
COMMENT ON COLUMN {s}.head.live_from IS 'above this height every event has a row in change';
CREATE TABLE {s}.source (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chain text COLLATE "C" NOT NULL,
    program text NOT NULL, address text COLLATE "C" NOT NULL, events text[] NOT NULL,
    start int8 NOT NULL, UNIQUE (chain, address, events));
CREATE TABLE {s}.coverage (
    source int4range NOT NULL, heights int8range NOT NULL CHECK (NOT isempty(heights)),
    EXCLUDE USING gist (source WITH &&, heights WITH &&));
CREATE TABLE {s}.fold_source (
    fold text NOT NULL, chain text COLLATE "C" NOT NULL,
    source int4 NOT NULL REFERENCES {s}.source ON DELETE CASCADE,
    PRIMARY KEY (fold, source));
CREATE TABLE {s}.change (
    cursor int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chain text COLLATE "C" NOT NULL,
    pos int8 NOT NULL, block_hash text COLLATE "C" NOT NULL,
    op text NOT NULL CHECK (op IN ('apply', 'undo')), event text NOT NULL);
CREATE VIEW {s}.source_progress AS
    SELECT s.id AS source, s.chain, s.program, s.address, s.start,
        coalesce((SELECT upper(r) - 1 FROM unnest(c.covered) AS r WHERE r @> s.start),
                 s.start - 1) AS as_of,
        coalesce(upper(c.covered) - 1, s.start - 1) AS highest, c.covered
    FROM {s}.source s LEFT JOIN LATERAL (
        SELECT range_agg(heights) AS covered FROM {s}.coverage
        WHERE source && int4range(s.id, s.id, '[]')) c ON true;
COMMENT ON VIEW {s}.source_progress IS 'as_of: covered from start to here without a gap';
CREATE VIEW {s}.fold_progress AS
    SELECT f.fold, f.chain, min(p.as_of) AS as_of, h.finalized,
        bool_and(p.as_of >= h.height) AS complete
    FROM {s}.fold_source f JOIN {s}.source_progress p USING (source)
    LEFT JOIN {s}.head h ON h.chain = f.chain GROUP BY f.fold, f.chain, h.finalized;
"""

_UPGRADES = {
    1: "ALTER TABLE {s}.block DROP COLUMN parent_hash, DROP COLUMN parent_height",
}
"""What makes tables of a version those of the next."""

_DECLARATION = """
CREATE TABLE IF NOT EXISTS {s}.declaration (
    kind text NOT NULL, name text NOT NULL, chain text NOT NULL, address text NOT NULL,
    "table" text NOT NULL, fingerprint text NOT NULL, PRIMARY KEY (kind, name, chain, address))
"""


def prepare(
    connection: Connection[Any],
    schema: str,
    tables: Iterable[EventTable],
    folds: Iterable[tuple[str, str]],
) -> None:
    """Makes what is missing, in one transaction; raises Fatal where something else is there.

    ``folds``: (name, CREATE TABLE statement) of each fold.
    """
    with connection.transaction():
        run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{schema} ddl"])
        run(connection, f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
        version = _version(connection, schema)
        if version is None:
            for statement in _TABLES.format(s=quote(schema)).split(";\n"):
                if statement.strip():
                    run(connection, statement)
            run(
                connection,
                f"INSERT INTO {quote(schema)}.meta VALUES ('version', %s)",
                [str(VERSION)],
            )
        elif version > VERSION:
            raise Fatal(
                f"schema {schema!r} of the database is of version {version}, this chainfold knows "
                f"{VERSION}: install the newer chainfold or use another schema"
            )
        elif version < VERSION:
            for old in range(version, VERSION):
                run(connection, _UPGRADES[old].format(s=quote(schema)))
            run(
                connection,
                f"UPDATE {quote(schema)}.meta SET value = %s WHERE key = 'version'",
                [str(VERSION)],
            )
        run(connection, _DECLARATION.format(s=quote(schema)))
        for table in tables:
            _ensure(connection, schema, table.name, create_events(table, f"{quote(schema)}."))
        for name, statement in folds:
            _ensure(connection, schema, name, statement)
        _reader(connection, schema)


def create_events(table: EventTable, prefix: str) -> str:
    """CREATE TABLE of an event table: primary key (chain, pos)."""
    lines = [f"chain {column_type(Type.TEXT, 'postgres')} NOT NULL"]
    for column in table.all_columns:
        null = " NOT NULL" if column in COMMON else ""
        lines.append(f"{quote(column.name)} {column_type(column.type, 'postgres')}{null}")
    lines.append("PRIMARY KEY (chain, pos)")
    return f"CREATE TABLE {prefix}{quote(table.name)} ({', '.join(lines)})"


def check(connection: Connection[Any], schema: str) -> None:
    """For readers: Fatal where the schema isn't there or is newer than this code."""
    version = _version(connection, schema)
    if version is None:
        raise Fatal(
            f"the database has no schema {schema!r} yet: run `chainfold index` first, or correct "
            "[database] schema"
        )
    if version > VERSION:
        raise Fatal(
            f"schema {schema!r} of the database is of version {version}, this chainfold knows "
            f"{VERSION}: install the newer chainfold"
        )


def _version(connection: Connection[Any], schema: str) -> int | None:
    found = run(connection, "SELECT to_regclass(%s)", [f"{quote(schema)}.meta"]).fetchone()
    if found is None or found[0] is None:
        return None
    row = run(
        connection, f"SELECT value FROM {quote(schema)}.meta WHERE key = 'version'"
    ).fetchone()
    return int(row[0]) if row else None


_DEFINITION = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_attribute a WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


def _ensure(connection: Connection[Any], schema: str, name: str, statement: str) -> None:
    """Creates the table, or compares its columns with those that ``statement`` would make."""
    there = _columns(connection, f"{quote(schema)}.{quote(name)}")
    if not there:
        run(connection, statement)
        return
    probe = f"{quote(schema)}.{quote(name)}"
    temporary = "_probe"
    run(connection, statement.replace(f"CREATE TABLE {probe}", f"CREATE TEMP TABLE {temporary}"))
    wanted = _columns(connection, temporary)
    run(connection, f"DROP TABLE {temporary}")
    if there != wanted:
        changed = sorted({c[0] for c in set(there) ^ set(wanted)}) or ["their order"]
        raise Fatal(
            f"table {schema}.{name} was made from another interface or fold (differs in: "
            f"{', '.join(changed)}): drop the schema {schema!r} to index anew, or use another"
        )


def _columns(connection: Connection[Any], table: str) -> list[tuple[Any, ...]]:
    return run(connection, _DEFINITION, [table]).fetchall()


def _reader(connection: Connection[Any], schema: str) -> None:
    """The role of the API: may read this schema and nothing else."""
    with connection.transaction():
        exists = run(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", [READER])
        if exists.fetchone() is None:
            try:
                with connection.transaction():
                    run(connection, f"CREATE ROLE {READER} NOLOGIN")
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                pass  # another database of this server made it in the same moment
        s = quote(schema)
        run(connection, f"GRANT USAGE ON SCHEMA {s} TO {READER}")
        run(connection, f"GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO {READER}")
        run(
            connection,
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT SELECT ON TABLES TO {READER}",
        )
