"""Repair: goes back to the last block that the nodes and the log agree on, however far that is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from indexer import ingest
from indexer.ancestor import common
from indexer.errors import Fatal
from indexer.log import database, writer
from indexer.log.database import run
from indexer.log.undo import undo
from indexer.store import Store


@dataclass(frozen=True, slots=True)
class Repaired:
    """Everything above ``ancestor`` was taken out: ``events`` events. None: nothing was wrong."""

    chain: str
    ancestor: int | None
    events: int


def repair(store: Store, chain: str) -> Repaired:
    """Compares every stored block of ``chain`` with the nodes, from the head back.

    What `chainfold index` refuses to do by itself: it undoes heights that were final.
    """
    return asyncio.run(_repair(store, chain))


async def _repair(store: Store, chain: str) -> Repaired:
    reader = ingest.reader(store.config.chains[chain], store.schema, store.sources_on(chain))
    try:
        await reader.check()
        with database.translated(), store.connect(f"repair {chain}") as connection:
            key = f"{store.log.into} head {chain}"
            row = run(connection, "SELECT pg_try_advisory_lock(hashtext(%s))", [key]).fetchone()
            if row is None or not row[0]:
                raise Fatal(f"{chain}: `chainfold index` runs on it: stop it, then repair")
            head = writer.head(connection, store.log, chain)
            if head is None:
                return Repaired(chain, None, 0)
            before = min(s.start for s in store.sources_on(chain)) - 1
            found = await common(connection, store.log, reader, chain, 0, head[0])
            ancestor = before if found.height is None else found.height
            newest = head[0] if found.newest is None else found.newest
            if ancestor >= newest:
                return Repaired(chain, None, 0)
            store.index_for_undo(connection)
            events = undo(connection, store.log, store.unmerges, chain, ancestor)
            run(
                connection,
                f"UPDATE {store.log.table('head')} SET finalized = least(finalized, %s), "
                "live_from = least(live_from, %s) WHERE chain = %s",
                [ancestor, ancestor, chain],
            )
            return Repaired(chain, ancestor, events)
    finally:
        await reader.aclose()
