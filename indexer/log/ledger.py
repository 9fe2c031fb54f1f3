"""The coverage ledger: which heights of which source are in. No height can be in twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, errors

from indexer.decode.schema import Schema
from indexer.log.database import run


@dataclass(frozen=True, slots=True)
class Source:
    """A program on one chain and the events of it that are taken in, from height ``start``."""

    id: int
    chain: str
    program: str
    address: str
    events: tuple[str, ...]
    start: int


class AlreadyCovered(Exception):
    """Another writer took these heights in; nothing is to be done."""


def register(connection: Connection[Any], schema: Schema, into: str) -> list[Source]:
    """The sources of ``schema``, made where they are new, in the order of the configuration.

    An interface that gained events since gets a further source that covers only those.
    """
    found: list[Source] = []
    with connection.transaction():
        run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{into} ddl"])
        for binding in schema.bindings:
            events = {e.signature for e in binding.interface.events}
            rows = run(
                connection,
                f'SELECT id, events, start FROM "{into}".source WHERE chain = %s AND address = %s'
                " ORDER BY id",
                [binding.chain, binding.address],
            ).fetchall()
            known: set[str] = set()
            for id_, of_source, begun in rows:
                start = min(begun, binding.start)
                if start < begun:  # the configuration wants more history than it did
                    run(
                        connection,
                        f'UPDATE "{into}".source SET start = %s WHERE id = %s',
                        [start, id_],
                    )
                known |= set(of_source)
                if events & set(of_source):
                    found.append(
                        Source(
                            id_,
                            binding.chain,
                            binding.program,
                            binding.address,
                            tuple(of_source),
                            start,
                        )
                    )
            fresh = sorted(events - known)
            if fresh:
                row = run(
                    connection,
                    f'INSERT INTO "{into}".source (chain, program, address, events, start)'
                    " VALUES (%s, %s, %s, %s, %s) RETURNING id",
                    [binding.chain, binding.program, binding.address, fresh, binding.start],
                ).fetchone()
                assert row is not None
                found.append(
                    Source(
                        row[0],
                        binding.chain,
                        binding.program,
                        binding.address,
                        tuple(fresh),
                        binding.start,
                    )
                )
    return found


def known(connection: Connection[Any], into: str, sources: Sequence[Source]) -> bool:
    """Whether the ledger has ``sources`` as they are here."""
    rows = run(
        connection,
        f'SELECT id, events FROM "{into}".source WHERE id = ANY(%s)',
        [[s.id for s in sources]],
    ).fetchall()
    return {row[0]: tuple(row[1]) for row in rows} == {s.id: s.events for s in sources}


def link_folds(connection: Connection[Any], into: str, feeds: Sequence[tuple[str, Source]]) -> None:
    """Says which sources feed which fold: what ``as_of`` of an answer is computed from."""
    columns = [list(c) for c in zip(*((f, s.chain, s.id) for f, s in feeds), strict=True)]
    with connection.transaction():
        run(connection, f'DELETE FROM "{into}".fold_source')
        if columns:
            run(
                connection,
                f'INSERT INTO "{into}".fold_source '
                "SELECT * FROM unnest(%s::text[], %s::text[], %s::int4[]) ON CONFLICT DO NOTHING",
                columns,
            )


def cover(connection: Connection[Any], into: str, source: int, first: int, last: int) -> None:
    """Adds ``first..last`` to what is covered of ``source``, joined with its neighbours.

    Part of the caller's transaction. Raises AlreadyCovered where a height of it is in.
    """
    try:
        joined = run(
            connection,
            f"DELETE FROM \"{into}\".coverage WHERE source = int4range(%(id)s, %(id)s, '[]') "
            "AND heights -|- int8range(%(first)s, %(last)s, '[]') "
            "RETURNING lower(heights), upper(heights) - 1",
            {"id": source, "first": first, "last": last},
        ).fetchall()
        low = min([first, *(row[0] for row in joined)])
        high = max([last, *(row[1] for row in joined)])
        run(
            connection,
            f"INSERT INTO \"{into}\".coverage VALUES (int4range(%s, %s, '[]'), "
            "int8range(%s, %s, '[]'))",
            [source, source, low, high],
        )
    except errors.ExclusionViolation as error:
        raise AlreadyCovered from error


def uncover_above(connection: Connection[Any], into: str, chain: str, height: int) -> None:
    """Takes every height above ``height`` of ``chain``'s sources out of the ledger."""
    values = {"chain": chain, "from": height + 1}
    of_chain = (
        f'EXISTS (SELECT FROM "{into}".source s WHERE s.chain = %(chain)s '
        "AND c.source @> s.id) AND upper(c.heights) > %(from)s"
    )
    run(
        connection,
        f'DELETE FROM "{into}".coverage c WHERE {of_chain} AND lower(c.heights) >= %(from)s',
        values,
    )
    run(
        connection,
        f'UPDATE "{into}".coverage c SET heights = int8range(lower(c.heights), %(from)s) '
        f"WHERE {of_chain}",
        values,
    )


def gaps(
    connection: Connection[Any], into: str, source: Source, last: int, first: int = 0
) -> list[tuple[int, int]]:
    """Height ranges (inclusive) from ``max(first, start)`` to ``last`` that ``source`` lacks."""
    low = max(first, source.start)
    if low > last:
        return []
    rows = run(
        connection,
        f"SELECT lower(r), upper(r) - 1 FROM unnest(int8multirange(int8range(%s, %s, '[]')) - "
        f'coalesce((SELECT range_agg(heights) FROM "{into}".coverage '
        "WHERE source = int4range(%s, %s, '[]')), '{}')) AS r ORDER BY 1",
        [low, last, source.id, source.id],
    ).fetchall()
    return [(row[0], row[1]) for row in rows]
