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


_READ = """
SELECT cursor, chain, pos, block_hash, op, event FROM change
WHERE cursor > %(after)s AND cursor <= %(upto)s ORDER BY cursor LIMIT %(limit)s
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
    end).

    An `apply` that is undone by now is left out: its `undo` follows. Each statement sees a state of
    its own, so an event is read only together with the block that the change names.
    """
    values = {"after": after, "upto": upto, "limit": BATCH}
    changes = await (await connection.execute(_READ, values)).fetchall()
    if not changes:
        return [], after
    wanted: dict[str, list[select.Place]] = {}
    for _, chain, pos, block_hash, op, event in changes:
        if op == "apply" and event in catalog.events:
            wanted.setdefault(event, []).append((chain, pos, block_hash))
    rows: dict[tuple[str, select.Place], dict[str, Any]] = {}
    for event, places in wanted.items():
        for place, row in await select.in_blocks(connection, catalog.events[event], places):
            rows[event, place] = row
    messages: list[Message] = []
    for cursor, chain, pos, block_hash, op, event in changes:
        row = rows.get((event, (chain, pos, block_hash))) if op == "apply" else None
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
