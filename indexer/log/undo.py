"""Reorgs: the orphans' events leave the tables, the folds and the ledger in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import ClientCursor, Connection

from indexer.decode.batch import ORDINAL_BITS
from indexer.log import ledger
from indexer.log.database import run
from indexer.log.writer import Log, changes

_ROOM = "SET LOCAL work_mem = '128MB'"
"""For sorts and groups of a deep reorg's orphans, which spill to disk in Postgres' 4 MB."""


@dataclass(frozen=True, slots=True)
class Unmerge:
    """A fold's undo: statements that take chain and from (the lowest orphan's pos)."""

    statements: Sequence[str]


def undo(
    connection: Connection[Any], log: Log, unmerges: Sequence[Unmerge], chain: str, ancestor: int
) -> int:
    """Takes every height above ``ancestor`` back out; returns how many events that were.

    ``ancestor`` must have a block row (or be the height before the first): it becomes the head.
    """
    start = (ancestor + 1) << ORDINAL_BITS
    values: dict[str, Any] = {"chain": chain, "from": start}
    with connection.transaction():
        run(
            connection,
            f"SELECT FROM {log.table('head')} WHERE chain = %(chain)s FOR UPDATE",
            values,
        )
        tables = sorted(log.schema.tables)
        run(connection, _ROOM)
        changes(connection, log, chain, start, (1 << 63) - 1, tables, "undo")
        # a utility statement (CREATE TABLE AS) takes no server-side parameters
        with ClientCursor(connection) as cursor:
            for unmerge in unmerges:
                for statement in unmerge.statements:
                    cursor.execute(statement, values)  # pyright: ignore
        orphans = 0
        for table in tables:
            orphans += run(
                connection,
                f"DELETE FROM {log.table(table)} WHERE chain = %(chain)s AND pos >= %(from)s",
                values,
            ).rowcount
        run(
            connection,
            f"DELETE FROM {log.table('block')} WHERE chain = %s AND height > %s",
            [chain, ancestor],
        )
        ledger.uncover_above(connection, log.into, chain, ancestor)
        run(
            connection,
            f"UPDATE {log.table('head')} h SET height = %s, updated_at = now(), "
            "hash = coalesce(b.hash, ''), time = coalesce(b.time, to_timestamp(0)) "
            f"FROM (SELECT 1) AS one LEFT JOIN LATERAL (SELECT hash, time "
            f"FROM {log.table('block')} "
            "WHERE chain = %s AND height <= %s ORDER BY height DESC LIMIT 1) b ON true "
            "WHERE h.chain = %s",
            [ancestor, chain, ancestor, chain],
        )
    return orphans
