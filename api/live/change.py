"""Changes as messages: rows of table `change` with the events that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import AsyncConnection

from api.catalog import Catalog
from api.rest import select
from indexer.decode.batch import ORDINAL_BITS

_ORDINAL = (1 << ORDINAL_BITS) - 1
BATCH = 500
"""Changes read at once."""
_RECENT = 1_000_000
"""Changes among which a message's id is looked for."""


@dataclass(frozen=True, slots=True)
class Message:
    """``row`` is the event as REST answers it; of an undone event only its place is known.

    ``frame`` is the message as text/event-stream.
    """

    cursor: int
    id: str
    op: str
    chain: str
    event: str
    row: dict[str, Any] | None
    frame: bytes


# an event that was undone again before it was read has no row any more, and the block of its
# position may be another one by now
_READ = """
SELECT c.cursor, c.chain, c.pos, c.block_hash, c.op, c.event,
    coalesce(b.hash = c.block_hash, false)
FROM change c
LEFT JOIN block b ON b.chain = c.chain AND b.height = c.pos >> %(bits)s
WHERE c.cursor > %(after)s AND c.cursor <= %(upto)s ORDER BY c.cursor LIMIT %(limit)s
"""
_FIND = """
SELECT cursor FROM change
WHERE cursor > (SELECT max(cursor) FROM change) - %s AND chain = %s AND block_hash = %s
    AND pos & %s = %s AND op = %s ORDER BY cursor DESC LIMIT 1
"""


async def read(
    connection: AsyncConnection[Any], catalog: Catalog, after: int, upto: int = (1 << 63) - 1
) -> tuple[list[Message], int]:
    """Messages of the next changes after ``after``, and the last cursor read (``after`` at the
    end). To be called in a snapshot.

    An `apply` that is undone by now is left out: its `undo` follows.
    """
    values = {"bits": ORDINAL_BITS, "after": after, "upto": upto, "limit": BATCH}
    changes = await (await connection.execute(_READ, values)).fetchall()
    if not changes:
        return [], after
    wanted: dict[str, list[tuple[str, Any]]] = {}
    for _, chain, pos, _, op, event, canonical in changes:
        if op == "apply" and canonical and event in catalog.events:
            wanted.setdefault(event, []).append((chain, pos))
    rows: dict[tuple[str, str, int], dict[str, Any]] = {}
    for event, places in wanted.items():
        for row in await select.at_positions(connection, catalog.events[event], places):
            rows[event, row["chain"], int(row["pos"])] = row
    messages: list[Message] = []
    for cursor, chain, pos, block_hash, op, event, canonical in changes:
        row = rows.get((event, chain, pos)) if op == "apply" and canonical else None
        if event in catalog.events and (row is not None or op == "undo"):
            messages.append(_message(cursor, chain, pos, block_hash, op, event, row))
    return messages, changes[-1][0]


async def find(connection: AsyncConnection[Any], id_: str) -> int | None:
    """The cursor of the message ``chain:block_hash:ordinal:op``; None where it isn't kept."""
    parts = id_.split(":")
    if len(parts) != 4 or not parts[2].isdigit() or len(parts[2]) > 9 or "\0" in id_:
        return None
    chain, block_hash, ordinal, op = parts
    values: Sequence[Any] = [_RECENT, chain, block_hash, _ORDINAL, int(ordinal), op]
    found = await (await connection.execute(_FIND, values)).fetchone()
    return found[0] if found else None


async def last(connection: AsyncConnection[Any]) -> int:
    """The newest change's cursor; 0 before the first."""
    found = await (await connection.execute("SELECT max(cursor) FROM change")).fetchone()
    return found[0] or 0 if found else 0


def _message(
    cursor: int,
    chain: str,
    pos: int,
    block_hash: str,
    op: str,
    event: str,
    row: dict[str, Any] | None,
) -> Message:
    id_ = f"{chain}:{block_hash}:{pos & _ORDINAL}:{op}"
    place = {"event": event, "chain": chain, "pos": str(pos), "block_hash": block_hash}
    data = orjson.dumps(place | {"data": row})
    frame = b"id: %b\nevent: %b\ndata: %b\n\n" % (id_.encode(), op.encode(), data)
    return Message(cursor, id_, op, chain, event, row, frame)
