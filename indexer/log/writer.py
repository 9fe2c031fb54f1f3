"""One range, one transaction: its events, blocks, folds, coverage and, at the head, changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from psycopg import Connection

from indexer.chains.raw import Blocks
from indexer.decode.batch import ORDINAL_BITS, Batch
from indexer.decode.schema import Schema
from indexer.decode.types import Column
from indexer.errors import Fatal
from indexer.log import copy, ledger
from indexer.log.database import run
from indexer.sql import quote

CHANNEL = "chainfold_change"
_MANY = 1_000
"""Events of a batch from which its partial folds are made outside the database."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A fold's upsert: ``statement`` takes chain, low, high (pos, inclusive) and addresses;
    it reads ``tables``, into which the batch's rows were just copied.

    ``partials`` gives the same rows that ``statement`` makes of a batch, made outside the
    database (None where it can't); ``absorb`` merges them from ``staging``, a temporary table of
    ``columns`` that ``stage`` creates. What is the cheaper for many events.
    """

    statement: str
    tables: frozenset[str]
    partials: Callable[[Batch], pa.Table | None]
    stage: str
    staging: str
    columns: tuple[Column, ...]
    absorb: str


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one configuration: where it is and what is in it."""

    into: str
    schema: Schema
    merges: tuple[Merge, ...]

    def table(self, name: str) -> str:
        return f"{quote(self.into)}.{quote(name)}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """``first..last`` (heights, inclusive) of one chain as the database takes it: what stands in
    COPY by event table, and each fold's merge with its partial rows (None: Postgres makes them).

    ``events`` counts those in it, ``unknown`` those that no interface names.
    """

    log: Log
    chain: str
    first: int
    last: int
    finalized: bool
    blocks: Blocks
    events: int
    unknown: int
    emitters: list[str]
    tables: dict[str, _Copy]
    merges: tuple[tuple[Merge, _Copy | None], ...]


@dataclass(frozen=True, slots=True)
class _Copy:
    statement: str
    body: memoryview


def prepare(log: Log, batch: Batch) -> Prepared:
    """Makes a batch ready to be written, while another is being written."""
    merges: list[tuple[Merge, _Copy | None]] = []
    for merge in log.merges:
        if merge.tables.isdisjoint(batch.tables):
            continue
        rows = merge.partials(batch) if len(batch) >= _MANY else None
        if rows is None:
            merges.append((merge, None))
        else:
            merges.append((merge, _copy(merge.staging, merge.columns, batch.chain, rows)))
    return Prepared(
        log,
        batch.chain,
        batch.first,
        batch.last,
        batch.finalized,
        batch.blocks,
        len(batch),
        batch.unknown,
        sorted(batch.emitters),
        {
            name: _copy(log.table(name), log.schema.tables[name].all_columns, batch.chain, table)
            for name, table in batch.tables.items()
        },
        tuple(merges),
    )


def write(
    connection: Connection[Any], prepared: Prepared, sources: Sequence[ledger.Source]
) -> None:
    """Stores a batch of finalized heights for ``sources``, whole or not at all.

    Raises AlreadyCovered where another writer was first.
    """
    with connection.transaction():
        _store(connection, prepared, sources)


def write_head(
    connection: Connection[Any],
    prepared: Prepared,
    sources: Sequence[ledger.Source],
    *,
    finalized: int,
    latest: int,
) -> None:
    """Stores the next range at the head, moves the head and writes the changes."""
    log, blocks = prepared.log, prepared.blocks
    if not len(blocks):  # Solana: every slot of the range was skipped
        with connection.transaction():
            _store(connection, prepared, sources)
            run(
                connection,
                f"UPDATE {log.table('head')} SET height = %s, finalized = greatest(finalized, %s), "
                "latest = %s, updated_at = now() WHERE chain = %s",
                [prepared.last, finalized, latest, prepared.chain],
            )
        return
    with connection.transaction():
        _store(connection, prepared, sources)
        run(
            connection,
            f"UPDATE {log.table('head')} SET height = %s, hash = %s, time = to_timestamp(%s), "
            "finalized = greatest(finalized, %s), latest = %s, updated_at = now() "
            "WHERE chain = %s",
            [
                prepared.last,
                blocks.hash[-1],
                int(blocks.time[-1]),
                finalized,
                latest,
                prepared.chain,
            ],
        )
        if prepared.tables:
            low, high = _positions(prepared)
            changes(connection, log, prepared.chain, low, high, sorted(prepared.tables), "apply")


def changes(
    connection: Connection[Any],
    log: Log,
    chain: str,
    low: int,
    high: int,
    tables: Sequence[str],
    op: str,
) -> None:
    """Writes a change for every event from ``low`` to ``high``; undo goes from the last back.

    The lock, held until commit, makes cursors visible in their order.
    """
    if not tables:
        return
    run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{log.into} change"])
    arms = " UNION ALL ".join(
        f"SELECT pos, '{t}' AS event FROM {log.table(t)} "
        "WHERE chain = %(chain)s AND pos BETWEEN %(low)s AND %(high)s"
        for t in tables
    )
    order = "ASC" if op == "apply" else "DESC"
    # Postgres, whose statistics end before the newest positions, expects few events: it would
    # look each one's block up
    run(connection, "SET LOCAL enable_nestloop = off")
    run(
        connection,
        f"INSERT INTO {log.table('change')} (chain, pos, block_hash, op, event) "
        f"SELECT %(chain)s, e.pos, b.hash, %(op)s, e.event FROM ({arms}) AS e "
        f"JOIN {log.table('block')} b ON b.height = e.pos >> {ORDINAL_BITS} "
        f"WHERE b.chain = %(chain)s AND b.height BETWEEN %(low)s::int8 >> {ORDINAL_BITS} "
        f"AND %(high)s::int8 >> {ORDINAL_BITS} ORDER BY e.pos {order}",
        {"chain": chain, "low": low, "high": high, "op": op},
    )
    run(connection, "SET LOCAL enable_nestloop = on")
    run(
        connection,
        f"SELECT pg_notify('{CHANNEL}', (SELECT max(cursor)::text FROM {log.table('change')}))",
    )


def _positions(prepared: Prepared) -> tuple[int, int]:
    return prepared.first << ORDINAL_BITS, ((prepared.last + 1) << ORDINAL_BITS) - 1


def _store(
    connection: Connection[Any], prepared: Prepared, sources: Sequence[ledger.Source]
) -> None:
    log = prepared.log
    for source in sources:
        if prepared.last >= source.start:
            first = max(prepared.first, source.start)
            ledger.cover(connection, log.into, source.id, first, prepared.last)
    _blocks(connection, log, prepared.chain, prepared.blocks)
    if not prepared.tables:
        return
    for rows in prepared.tables.values():
        _send(connection, rows)
    low, high = _positions(prepared)
    values = {
        "chain": prepared.chain,
        "low": low,
        "high": high,
        "addresses": prepared.emitters,
    }
    for merge, partials in prepared.merges:
        if partials is None:
            run(connection, merge.statement, values)
        else:
            run(connection, merge.stage)
            _send(connection, partials)
            run(connection, merge.absorb)


def _copy(into: str, columns: Sequence[Column], chain: str, rows: pa.Table) -> _Copy:
    names = ", ".join(["chain", *(quote(c.name) for c in columns)])
    statement = f"COPY {into} ({names}) FROM STDIN (FORMAT binary)"
    return _Copy(statement, copy.rows(rows, columns, chain))


def _send(connection: Connection[Any], rows: _Copy) -> None:
    with connection.cursor() as cursor, cursor.copy(rows.statement) as stream:  # pyright: ignore
        stream.write(copy.HEADER)
        stream.write(rows.body)
        stream.write(copy.TRAILER)


def _blocks(connection: Connection[Any], log: Log, chain: str, blocks: Blocks) -> None:
    if not len(blocks):
        return
    heights = blocks.height.tolist()
    written = run(
        connection,
        f"INSERT INTO {log.table('block')} SELECT %s, h, x, to_timestamp(t) "
        "FROM unnest(%s::int8[], %s::text[], %s::int8[]) AS u(h, x, t) "
        "ON CONFLICT (chain, height) DO NOTHING",
        [chain, heights, blocks.hash, blocks.time.tolist()],
    ).rowcount
    if written < len(heights):
        other = run(
            connection,
            f"SELECT b.height, b.hash, u.x FROM {log.table('block')} b "
            "JOIN unnest(%s::int8[], %s::text[]) AS u(h, x) ON b.height = u.h "
            "WHERE b.chain = %s AND b.hash <> u.x LIMIT 1",
            [heights, blocks.hash, chain],
        ).fetchone()
        if other is not None:
            raise Fatal(
                f"{chain} height {other[0]}: the node has block {other[2]}, the log has "
                f"{other[1]}: finalized blocks never change; check the node, then run "
                "`chainfold repair`"
            )


def head(connection: Connection[Any], log: Log, chain: str) -> tuple[int, str, int] | None:
    """(height, hash, finalized) of the chain's head row."""
    row = run(
        connection,
        f"SELECT height, hash, finalized FROM {log.table('head')} WHERE chain = %s",
        [chain],
    ).fetchone()
    return (row[0], row[1], row[2]) if row else None
