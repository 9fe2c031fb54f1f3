"""The event tables against the chain, read anew: range by range, a digest of each table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import Connection

from indexer import ingest
from indexer.decode.batch import ORDINAL_BITS, Batch
from indexer.errors import Fatal
from indexer.log import copy, database, writer
from indexer.log.database import run
from indexer.sql import quote
from indexer.store import Store, wanted
from indexer.verify.finding import Finding

_LINES = 20
"""Differences that are told one by one; the rest is counted."""


@dataclass(slots=True)
class _Sum:
    """What the ranges so far came to."""

    ranges: int = 0
    events: int = 0
    bad: int = 0
    lines: list[Finding] = field(default_factory=list[Finding])

    def differs(self, what: str, detail: str) -> None:
        self.bad += 1
        if len(self.lines) < _LINES:
            self.lines.append(Finding(what, False, detail))


async def reread(
    store: Store,
    connection: Connection[Any],
    chain: str,
    first: int | None = None,
    last: int | None = None,
    urls: Sequence[str] = (),
) -> list[Finding]:
    """Reads heights ``first..last`` of ``chain`` again and compares them with the event tables.

    ``urls``: the nodes to ask, else the last one of the configuration, which others come before
    when indexing. Default range: the programs' start to the highest height that is final and in.
    A height above that is Fatal: it may change while it is compared.
    """
    head = writer.head(connection, store.log, chain)
    if head is None:
        raise Fatal(f"{chain}: nothing is indexed yet: run `chainfold index` first")
    final = min(head[0], head[2])
    last = final if last is None else last
    if last > final:
        raise Fatal(f"{chain}: height {last} isn't both in and final: verify up to {final}")
    sources = store.sources_on(chain)
    first = max(first or 0, min(s.start for s in sources))
    settings = store.config.chains[chain]
    rpc = tuple(urls) or settings.rpc[-1:]
    reader = ingest.reader(
        replace(settings, rpc=rpc), store.schema, sources, store.children(connection, chain)
    )
    total = _Sum()
    # what is read again goes to temporary tables: the log itself stays as it is
    tables = sorted({t.name for b in store.schema.on(chain).values() for t in b.tables.values()})
    try:
        await reader.check()
        tip = await reader.tip()
        if tip.finalized < last:
            raise Fatal(
                f"{chain}: the node to verify by calls {tip.finalized} final, the tables go to "
                f"{last}: wait for it, name another, or verify up to its height"
            )
        with database.translated():
            for name in tables:
                run(
                    connection,
                    f"CREATE TEMP TABLE IF NOT EXISTS {quote('anew ' + name)} "
                    f"(LIKE {store.log.table(name)})",
                )

            def check(batch: Batch) -> None:
                with database.translated():
                    _range(store, connection, batch, tables, total)

            if first <= last:
                await ingest.pump(
                    reader.stream(first, last, finalized=True),
                    store.schema,
                    lambda batch: batch,
                    check,
                    wanted(store.schema, sources),
                )
    finally:
        await reader.aclose()
    return [
        Finding(
            f"{chain}: events of heights {first} to {last} = the chain's, read anew",
            not total.bad,
            f"{total.events} events in {total.ranges} ranges, {total.bad} digests differ",
        ),
        *total.lines,
    ]


def _range(
    store: Store, connection: Connection[Any], batch: Batch, tables: Sequence[str], total: _Sum
) -> None:
    total.ranges += 1
    total.events += len(batch)
    low, high = batch.first << ORDINAL_BITS, ((batch.last + 1) << ORDINAL_BITS) - 1
    values = {"chain": batch.chain, "low": low, "high": high}
    for name in tables:
        anew, kept = quote(f"anew {name}"), store.log.table(name)
        columns = store.schema.tables[name].all_columns
        names = ", ".join(["chain", *(quote(c.name) for c in columns)])
        run(connection, f"TRUNCATE {anew}")
        if name in batch.tables:
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY {anew} ({names}) FROM STDIN (FORMAT binary)") as stream,  # pyright: ignore
            ):
                stream.write(copy.HEADER)
                stream.write(copy.rows(batch.tables[name], columns, batch.chain))
                stream.write(copy.TRAILER)
        mine = f"SELECT {names} FROM {kept} WHERE chain = %(chain)s AND pos BETWEEN %(low)s AND "
        mine += "%(high)s"
        digest = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY t.pos))"
        row = run(
            connection,
            f"SELECT a.*, b.* FROM ({digest} FROM (SELECT {names} FROM {anew}) AS t) AS a, "
            f"({digest} FROM ({mine}) AS t) AS b",
            values,
        ).fetchone()
        assert row is not None
        if row[:2] == row[2:]:
            continue
        found = run(
            connection,
            f"WITH mine AS ({mine}), lacks AS (SELECT {names} FROM {anew} EXCEPT TABLE mine), "
            f"extra AS (TABLE mine EXCEPT SELECT {names} FROM {anew}) SELECT "
            "(SELECT count(*) FROM lacks), (SELECT count(*) FROM extra), "
            "(SELECT min(pos) FROM (SELECT pos FROM lacks UNION ALL SELECT pos FROM extra) AS d)",
            values,
        ).fetchone()
        assert found is not None
        lacks, extra, pos = found
        total.differs(
            f"{batch.chain}: {name} at heights {batch.first} to {batch.last}",
            f"{lacks} missing or different, {extra} too many; the first at height "
            f"{pos >> ORDINAL_BITS}, ordinal {pos & ((1 << ORDINAL_BITS) - 1)}",
        )
    _blocks(store, connection, batch, total)


def _blocks(store: Store, connection: Connection[Any], batch: Batch, total: _Sum) -> None:
    """The hashes of the blocks that hold events, and that such a block is there at all."""
    row = run(
        connection,
        "SELECT count(*), min(u.h) FROM unnest(%s::int8[], %s::text[], %s::bool[]) AS u(h, x, e) "
        f"LEFT JOIN {store.log.table('block')} b ON b.chain = %s AND b.height = u.h "
        "WHERE b.hash <> u.x OR b.hash IS NULL AND u.e",
        [
            batch.blocks.height.tolist(),
            batch.blocks.hash,
            [True] * (len(batch.blocks) - 1) + [False] * (len(batch.blocks) > 0),
            batch.chain,
        ],
    ).fetchone()
    assert row is not None
    if row[0]:
        total.differs(
            f"{batch.chain}: blocks at heights {batch.first} to {batch.last}",
            f"{row[0]} have another hash than the node's; the first at height {row[1]}",
        )
