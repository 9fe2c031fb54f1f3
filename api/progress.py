"""How far an answer goes: per chain, the height up to which nothing is missing, and what is final.

Read in the same snapshot as the rows it speaks of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from pydantic import BaseModel, Field

from api.catalog import Table


class Progress(BaseModel):
    """Of one chain, in an answer."""

    as_of: int | None = Field(
        description="highest height up to which everything is in; null while nothing is"
    )
    finalized: int | None = Field(description="no reorg reaches this height or below")
    complete: bool = Field(description="false while heights below the indexed head are missing")


_FOLD = """
SELECT chain, min(as_of), finalized, bool_and(complete) FROM fold_progress
WHERE fold = ANY(%s::text[]) AND chain = ANY(%s::text[]) GROUP BY chain, finalized
"""
_EVENTS = """
SELECT p.chain, min(p.as_of), h.finalized, bool_and(p.as_of >= h.height)
FROM source_progress p
JOIN source s ON s.id = p.source
LEFT JOIN head h ON h.chain = p.chain
WHERE p.chain = ANY(%s::text[]) AND EXISTS (
    SELECT FROM unnest(%s::text[], %s::text[], %s::text[]) AS e(chain, address, signature)
    WHERE e.chain = s.chain AND e.address = s.address AND e.signature = ANY(s.events))
GROUP BY p.chain, h.finalized
"""


async def of(
    connection: AsyncConnection[Any], tables: Sequence[Table], chains: Sequence[str]
) -> dict[str, Progress]:
    """Of a fold, or of a view: of its folds together; or of event tables together."""
    reads = [name for t in tables for name in t.reads]
    if reads:
        found = await connection.execute(_FOLD, [reads, list(chains)])
    else:
        emitters = [e for t in tables for e in t.emitters]
        columns = [[e[i] for e in emitters] for i in range(3)]
        found = await connection.execute(_EVENTS, [list(chains), *columns])
    rows = {row[0]: row[1:] for row in await found.fetchall()}
    return {chain: _progress(*rows.get(chain, (None, None, None))) for chain in chains}


def _progress(as_of: int | None, finalized: int | None, complete: bool | None) -> Progress:
    return Progress(
        as_of=as_of if as_of is not None and as_of >= 0 else None,
        finalized=finalized if finalized is not None and finalized >= 0 else None,
        complete=bool(complete),
    )
