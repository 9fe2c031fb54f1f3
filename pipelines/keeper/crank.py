"""A crank: a call that anyone may make, when it is due, and what it builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from api.tx.call import Call
from api.tx.entity import Entity
from api.tx.entity import Kind as Opened

Row = Mapping[str, Any]
Key = tuple[str, str, str]
"""Names a crank on its chain: kind, entity, and what about it."""


class Rank(IntEnum):
    """What comes first when not all fits into a pass."""

    PAY = 0
    """People get what they are owed."""
    FREE = 1
    """What they are owed gets known: a market is voided, an agreement settled."""
    TIDY = 2
    """What is done is closed, rent goes back to who paid it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``name``: the program's instruction, snake_case. ``chains``: the kinds that have it.

    ``query`` gives a row for each that is due on ``%(chain)s`` at its indexed head: ``entity``,
    ``about`` (with the entity it names the crank), ``worth`` (smallest units of the entity's token
    that hang on it) and what ``call`` needs. ``%(solana)s`` says whether rent can be got back.

    ``call`` makes of a row, the sender, a token account (or None) and the entity what both chains
    build; ``payee`` is who owns that token account. ``done``: the program's errors that say someone
    else was first. ``silent``: it leaves no event, so the tables can't know that it was done.
    """

    program: str
    name: str
    rank: Rank
    opened: Opened
    query: str
    call: Callable[[Row, str, str | None, Entity], Call]
    done: frozenset[str]
    payee: Callable[[Row, Entity], str] | None = None
    chains: frozenset[str] = frozenset({"evm", "solana"})
    silent: bool = False

    def __str__(self) -> str:
        return f"{self.program}.{self.name}"


@dataclass(frozen=True, slots=True)
class Due:
    """A crank that is due: the entity as indexed, and the row that says so."""

    kind: Kind
    entity: Entity
    row: Row

    @property
    def about(self) -> str:
        return self.row["about"]

    @property
    def key(self) -> Key:
        return str(self.kind), self.entity.id, self.about
