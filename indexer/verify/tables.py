"""Proofs over the tables: each is a query that finds what should not be there."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from indexer.folds import compile
from indexer.folds.bind import BoundFold
from indexer.log.database import run
from indexer.sql import quote
from indexer.store import Store
from indexer.verify.finding import Finding


def verify(store: Store, connection: Connection[Any]) -> list[Finding]:
    """All proofs that need the database only, at one snapshot."""
    with connection.transaction():
        run(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [
            *(fold_is_oracle(store, connection, fold) for fold in store.folds),
            *(seq_has_no_hole(store, connection, program) for program in _programs(store)),
            *no_gaps(store, connection),
        ]


def fold_is_oracle(store: Store, connection: Connection[Any], fold: BoundFold) -> Finding:
    """The fold's table against GROUP BY over all events, EXCEPT both ways."""
    prefix = f"{quote(store.log.into)}."
    columns = ", ".join(["chain", *(quote(c.name) for c in compile.storage(fold))])
    oracle = compile.partial(fold, compile.Source(prefix), "postgres")
    table = f"{prefix}{quote(fold.name)}"
    row = run(
        connection,
        f"WITH oracle AS ({oracle}), mine AS (SELECT {columns} FROM {table}) SELECT "
        f"(SELECT count(*) FROM (SELECT {columns} FROM oracle EXCEPT ALL TABLE mine) AS x), "
        f"(SELECT count(*) FROM (TABLE mine EXCEPT ALL SELECT {columns} FROM oracle) AS x), "
        "(SELECT count(*) FROM mine)",
    ).fetchone()
    assert row is not None
    missing, extra, rows = row
    return Finding(
        f"fold {fold.name} = GROUP BY of the events",
        not missing and not extra,
        f"{rows} rows, {missing} missing or different, {extra} too many",
    )


def seq_has_no_hole(store: Store, connection: Connection[Any], program: str) -> Finding:
    """Every entity's events are numbered 1, 2, 3, … without a hole or a repetition.

    The entity is the first field of each event that is followed by ``seq``.
    """
    arms: list[str] = []
    for table in store.schema.of(program).values():
        names = [c.name for c in table.columns]
        if "seq" in names and names.index("seq") > 0:
            entity = quote(names[names.index("seq") - 1])
            arms.append(
                f"SELECT chain, address, {entity} AS entity, seq FROM {store.log.table(table.name)}"
            )
    if not arms:
        return Finding(f"seq of {program}", True, "its events carry none")
    row = run(
        connection,
        "SELECT count(*), count(*) FILTER (WHERE lo <> 1 OR hi <> n OR d <> n), "
        "coalesce(sum(n), 0) "
        "FROM (SELECT count(*) AS n, count(DISTINCT seq) AS d, min(seq) AS lo, max(seq) AS hi "
        f"FROM ({' UNION ALL '.join(arms)}) AS e GROUP BY chain, address, entity) AS g",
    ).fetchone()
    assert row is not None
    entities, bad, events = row
    return Finding(
        f"seq of {program} has no hole",
        not bad,
        f"{entities} entities, {events} events, {bad} entities with a hole",
    )


def no_gaps(store: Store, connection: Connection[Any]) -> list[Finding]:
    """Every source is covered from its start to the chain's head."""
    rows = run(
        connection,
        "SELECT p.chain, p.program, p.address, p.as_of, h.height "
        f"FROM {store.log.table('source_progress')} p JOIN {store.log.table('head')} h "
        "ON h.chain = p.chain ORDER BY p.source",
    ).fetchall()
    return [
        Finding(
            f"coverage of {program} {address} on {chain}",
            as_of >= height,
            f"without a gap to {as_of}, head at {height}",
        )
        for chain, program, address, as_of, height in rows
    ]


def _programs(store: Store) -> list[str]:
    return sorted({b.program for b in store.schema.bindings})
