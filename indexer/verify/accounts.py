"""What a program's page declares: which accounts its folds' rows are, and what they must equal.

SQL expressions are over the fold's columns, and over ``now``, the time of the chain's head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Fields = Mapping[str, Any]
"""An account's fields by snake_case name: int, bool, text, or a list or mapping of them."""
VAULT = b"vault"
"""Seed of a Solana entity's vault, before the entity (SPEC G-14)."""


@dataclass(frozen=True, slots=True)
class Pda:
    """A Solana account: its name in the IDL and its seeds, bytes or a key column; a number is one
    byte. Without seeds it lies at the key itself."""

    name: str
    seeds: tuple[bytes | str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """An EVM view function and the columns it takes, the key unless said otherwise. ``field``:
    what its answer is called where that is one value and no struct."""

    name: str
    field: str = ""
    takes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """The array ``name`` of an account whose place ``at`` (SQL) is a row of the fold ``rows``: one
    ``value``, or a struct of ``values`` by field. Places without a row are zero."""

    name: str
    rows: str
    at: str
    value: str = ""
    values: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Account:
    """An account for each row of the fold ``rows`` (``of``: or of a SELECT, with folds in
    braces) where ``where``. Its fields equal the columns ``same``, and those of ``also`` the
    expressions. ``closed``: it is gone by an event. ``may_close``: it may be gone without one,
    which happens on Solana only. The key's first column is the entity."""

    rows: str
    key: tuple[str, ...]
    solana: Pda | None
    evm: View | None
    same: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict[str, str])
    of: str = ""
    where: str = "true"
    closed: str = "false"
    may_close: str = "false"

    def on(self, kind: str) -> bool:
        return (self.solana if kind == "solana" else self.evm) is not None


@dataclass(frozen=True, slots=True)
class Entity:
    """An account and those that belong to it (``parts``), read at one moment with it.

    ``opened``: the event that says which contract an entity is of. ``versioned``: account and row
    have a ``seq``; where it is equal everything must be. ``owed``: the debt, smallest units of
    the row's ``token``. ``counted``: by the program's counter.
    """

    account: Account
    opened: str = ""
    parts: tuple[Account, ...] = ()
    lists: tuple[Listed, ...] = ()
    versioned: bool = True
    owed: str = ""
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Program:
    """``counter``: the EVM view function and the field of Solana's Counter that count entities."""

    name: str
    counter: tuple[str, str]
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One account to read: ``row`` has the columns that its address or its view is made of,
    ``contract`` is who answers the view."""

    account: Account
    row: Mapping[str, Any]
    contract: str


@dataclass(frozen=True, slots=True)
class Found:
    """Accounts of one entity at one moment, None where there is none, in the order asked.
    ``held``: smallest units in its own vault; None where entities share one."""

    fields: Sequence[Fields | None]
    held: int | None


class Accounts(Protocol):
    """Reads one chain's accounts. Raises Retryable and Fatal as the RPC client does."""

    async def entities(
        self, groups: Sequence[Sequence[Wanted]], *, vaults: bool
    ) -> list[Found]: ...

    async def count(self, contract: str, counter: str) -> int: ...

    async def held(self, contract: str, tokens: Sequence[str]) -> list[int] | None:
        """Smallest units of each token in ``contract``; None where each entity has a vault."""
        ...
