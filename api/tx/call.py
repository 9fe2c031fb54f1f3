"""A call of a program as both chains share it; each chain's builder makes its own of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Who:
    """An address that a request's field gives."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A program's own account on Solana, at the seeds ``kind``, the entity, ``of``; ``alone``:
    without the entity."""

    kind: bytes
    of: tuple[Who | bytes, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """What ``creator`` makes next on Solana: at the seeds ``kind``, creator, its count of them."""

    kind: bytes
    creator: Who


@dataclass(frozen=True, slots=True)
class Holding:
    """A token account on Solana: the one ``given``, else the owner's associated one."""

    owner: Who
    given: Who | None = None


@dataclass(frozen=True, slots=True)
class RentPayer:
    """On Solana: who gets the rent of an account that the call closes, as that account says
    (programs/SPEC.md, G-13). ``of``: the account's name in the call."""

    of: str


Place = Who | Part | Next | Holding
"""Where an account is found by itself."""
Account = Place | RentPayer
SOLANA_ONLY = ("payer", "source", "destination")
"""Fields of a request that mean nothing on EVM chains."""
EVM_ONLY = ("deadline", "signature")
"""Fields of a request that EVM chains want and Solana doesn't."""
Value = Who | int | str | bytes | Sequence[bytes] | Sequence[str]


@dataclass(frozen=True, slots=True)
class Call:
    """``name``: the instruction, snake_case; EVM's function has its words in camelCase.

    ``words``: what it does, for people. ``values``: its arguments after the entity's id, by
    Solana's names in EVM's order; Solana leaves out those that its instruction doesn't have.
    ``accounts``: Solana's beside the entity, its vault, the program's counter and the programs.
    ``spends``: what the sender must let an EVM contract take. ``opens``: the accounts that the
    call makes where they aren't there, and their types.
    """

    name: str
    words: str
    sender: Who
    values: Mapping[str, Value]
    accounts: Mapping[str, Account]
    payer: Who | None = None
    spends: int = 0
    opens: Mapping[str, str] = field(default_factory=dict[str, str])
