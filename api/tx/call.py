"""A call of a program as both chains share it; each chain's builder makes its own of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Who:
    """An address that a request's field gives."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A program's own account on Solana, at the seeds ``kind``, the entity, ``of``."""

    kind: bytes
    of: tuple[Who | bytes, ...] = ()


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


Account = Who | Part | Holding | RentPayer
SOLANA_ONLY = ("payer", "source", "destination")
"""Fields of a request that mean nothing on EVM chains."""
Value = Who | int | bytes | Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """``name``: the instruction, snake_case; EVM's function has its words in camelCase.

    ``words``: what it does, for people. ``values``: its arguments after the entity's id, by
    Solana's names in EVM's order. ``accounts``: Solana's beside the entity, its vault and the
    programs. ``spends``: what the sender must let an EVM contract take. ``opens``: the account that
    the call makes where it isn't there, and its type.
    """

    name: str
    words: str
    sender: Who
    values: Mapping[str, Value]
    accounts: Mapping[str, Account]
    payer: Who | None = None
    spends: int = 0
    opens: tuple[str, str] | None = None
