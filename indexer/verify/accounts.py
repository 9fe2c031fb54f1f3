"""The accounts of the `bets` program as a chain holds them now, named as its interface names them.

Both chains' readers answer the same questions, so that one comparison serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Fields = Mapping[str, Any]
"""An account's fields by snake_case name: int, bool, text, or a list of them."""
Position = tuple[str, int]
"""Bettor and outcome."""


@dataclass(frozen=True, slots=True)
class MarketAccounts:
    """A market at one moment: None where the chain has no such account.

    ``held``: smallest units in the vault that is this market's alone; None where markets share one.
    """

    market: Fields | None
    positions: Mapping[Position, Fields | None]
    held: int | None


class Accounts(Protocol):
    """Reads one chain's accounts. Raises Retryable and Fatal as the RPC client does."""

    async def market(self, market: str, positions: Sequence[Position]) -> MarketAccounts: ...

    async def markets(self) -> int:
        """How many markets were ever opened, by the program's own counter."""
        ...

    async def held(self, token: str) -> int | None:
        """Smallest units of ``token`` in the vault that markets share; None where they don't."""
        ...

    async def aclose(self) -> None: ...
