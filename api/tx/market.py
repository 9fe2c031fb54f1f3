"""The market that a transaction is for, as indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from api.problem import Problem
from indexer.decode.schema import Binding

_READ = """
SELECT address, token FROM bets_market_opened
WHERE chain = %s AND market = %s ORDER BY pos DESC LIMIT 1
"""
PROGRAM = "bets"
OPENED = "bets_market_opened"


@dataclass(frozen=True, slots=True)
class Market:
    """``program``: the contract or program it lives in; ``token``: what is bet."""

    program: Binding
    id: str
    token: str


async def read(
    connection: AsyncConnection[Any], programs: dict[str, Binding], chain: str, market: str
) -> Market:
    """Raises Problem 404 where no such market has been indexed. ``programs`` by address."""
    found = await (await connection.execute(_READ, [chain, market])).fetchone()
    if found is None or found[0] not in programs:
        raise Problem(404, f"no market {market} on {chain}: /v1/markets?chain={chain} lists them")
    return Market(programs[found[0]], market, found[1])
