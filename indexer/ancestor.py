"""The walk back from the head: which of the stored blocks the nodes still have."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from indexer.chains.reader import Reader
from indexer.log.database import run
from indexer.log.writer import Log

_WALK = 64  # block rows compared with the nodes in one call


class Common(NamedTuple):
    """``newest``: the highest stored block; ``height``: the highest that the nodes have too.

    None where there is no such block.
    """

    newest: int | None
    height: int | None


async def common(
    connection: Connection[Any], log: Log, reader: Reader, chain: str, lowest: int, highest: int
) -> Common:
    """Compares the stored blocks of ``lowest..highest`` (inclusive) with the nodes, top first."""
    newest: int | None = None
    while True:
        rows = run(
            connection,
            f"SELECT height, hash FROM {log.table('block')} WHERE chain = %s "
            "AND height <= %s AND height >= %s ORDER BY height DESC LIMIT %s",
            [chain, highest, lowest, _WALK],
        ).fetchall()
        if not rows:
            return Common(newest, None)
        newest = rows[0][0] if newest is None else newest
        nodes = await reader.blocks([height for height, _ in rows])
        for (height, hash_), block in zip(rows, nodes, strict=True):
            if block is not None and block.hash == hash_:
                return Common(newest, height)
        highest = rows[-1][0] - 1
