"""The market, agreement, pool … that a transaction is for, as indexed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from api.problem import Problem
from indexer.decode.schema import Binding


@dataclass(frozen=True, slots=True)
class Kind:
    """``opened``: the event table that its first event is in; ``key``: that event's id, "" for
    calls that are about no entity; ``fold``: where the API lists it; ``paid``: whether its first
    event names the token that is paid in it."""

    program: str
    opened: str
    key: str
    fold: str
    paid: bool = True


@dataclass(frozen=True, slots=True)
class Entity:
    """``address``: the contract or program that it lives in; ``token``: what is paid in it, "" for
    nothing; ``opened``: its first event. Of a call about no entity ``id`` is ""."""

    kind: Kind
    program: Binding
    address: str
    id: str
    token: str
    opened: Mapping[str, Any]

    @property
    def on_solana(self) -> bool:
        return not self.address.startswith("0x")


_READ = "SELECT * FROM {} WHERE chain = %s AND {} = %s ORDER BY pos DESC LIMIT 1"


async def read(
    connection: AsyncConnection[Any],
    kind: Kind,
    programs: Mapping[str, Binding],
    chain: str,
    id_: str,
) -> Entity:
    """Raises Problem 404 where no such entity has been indexed. ``programs`` by address."""
    query = sql.SQL(_READ).format(sql.Identifier(kind.opened), sql.Identifier(kind.key))
    async with connection.cursor(row_factory=dict_row) as cursor:
        found = await (await cursor.execute(query, [chain, id_])).fetchone()
    # what a factory made is under its announcement's name
    child = next((b for b in programs.values() if b.factory is not None), None)
    program = programs.get(found["address"], child) if found else None
    if found is None or program is None:
        raise Problem(
            404, f"no {kind.key} {id_} on {chain}: /v1/{kind.fold}?chain={chain} lists them"
        )
    token = found["token"] if kind.paid else ""
    return Entity(kind, program, found["address"], id_, token, found)


def none(kind: Kind, programs: Mapping[str, Binding], token: str) -> Entity:
    """What a call on the program itself is for: the first one that the configuration names."""
    program = next(b for b in programs.values() if b.factory is None)
    return Entity(kind, program, program.address, "", token, {})
