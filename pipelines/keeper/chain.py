"""What the keeper needs of a chain: to build, simulate, sign, send, and see what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from api.tx.call import Call
from api.tx.entity import Entity
from api.tx.model import EvmTransaction, ProgramError, SolanaTransaction
from pipelines.keeper.ledger import Ended, Sent, Signed


@dataclass(frozen=True, slots=True)
class Built:
    """``error``: why it would fail on the newest block, None where it wouldn't."""

    transaction: EvmTransaction | SolanaTransaction
    error: ProgramError | None


class TooDear(Exception):
    """It may cost ``most`` wei or lamports, over the cap."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class Chain(Protocol):
    """``sender``: the key's address. ``unit``: what fees are told in, of ``decimals`` digits.
    ``in_order``: a transaction that waits holds up those after it."""

    sender: str
    unit: str
    decimals: int
    kind: str
    in_order: bool

    async def balance(self) -> int:
        """Wei or lamports of the sender."""
        ...

    async def begin(self) -> None:
        """Called with nothing under way, before transactions are signed and sent in turn."""
        ...

    async def build(self, entity: Entity, call: Call) -> Built:
        """Built and simulated. Raises Problem, NodeFatal and Retryable."""
        ...

    async def holding(self, owner: str, token: str) -> str | None:
        """A token account of the owner's other than the associated one, where tokens need one."""
        ...

    def sign(self, built: Built, max_fee: int) -> Signed:
        """Raises TooDear."""
        ...

    async def send(self, signed: Signed) -> ProgramError | None:
        """None, or why it can't get into a block. Raises Retryable where that isn't known."""
        ...

    async def ended(self, pending: Sequence[Sent]) -> dict[int, Ended]:
        """By id, what a block has, or none can have any more."""
        ...

    async def push(self, sent: Sent, max_fee: int) -> Signed | None:
        """Sends again what takes long; what should stand in its place, where its fee is too low."""
        ...

    async def resend(self, signed: Signed) -> None:
        """Sends what ``push`` gave."""
        ...

    async def aclose(self) -> None: ...
