"""What a node answers instead of a result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from indexer.errors import Fatal, Retryable


class Kind(Enum):
    """What an error asks the caller to do."""

    TRANSIENT = auto()
    """Ask again: the node is busy, restarting or stumbled."""
    TIMEOUT = auto()
    """Ask again, and for less where that is possible."""
    RATE = auto()
    """Ask more slowly."""
    BATCH = auto()
    """Put fewer calls into one request."""
    WIDE = auto()
    """Ask for fewer blocks at a time: a fixed limit of the provider's."""
    MANY = auto()
    """Ask for fewer blocks here: too many results, or too many bytes."""
    LAG = auto()
    """The node doesn't know that block yet, or no longer."""
    PRUNED = auto()
    """The node has thrown that history away; another may have it."""
    SKIPPED = auto()
    """Solana: the slot has no block, and never will."""
    UNSUPPORTED = auto()
    """The node doesn't serve this method."""
    REFUSED = auto()
    """The key, plan or account behind the URL is not good for this."""
    REVERTED = auto()
    """The simulated call or transaction failed by the program's own rules."""
    INVALID = auto()
    """The request is wrong and will stay so."""


RETRYABLE = frozenset(
    {Kind.TRANSIENT, Kind.TIMEOUT, Kind.RATE, Kind.BATCH, Kind.WIDE, Kind.MANY, Kind.LAG}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A classified error. ``span`` is a block range the node says would work (inclusive),
    ``blocks`` or ``batch`` the limit it names, ``after`` the wait it asks for in seconds."""

    kind: Kind
    code: int | None
    message: str
    data: Any = None
    span: tuple[int, int] | None = None
    blocks: int | None = None
    batch: int | None = None
    after: float | None = None


class NodeRetryable(Retryable):
    """A node's error that passes, or that a smaller request avoids: see ``fault.kind``."""

    def __init__(self, message: str, fault: Fault) -> None:
        super().__init__(message, after=fault.after)
        self.fault = fault


class NodeFatal(Fatal):
    """A node's error that repeating can't mend."""

    def __init__(self, message: str, fault: Fault) -> None:
        super().__init__(message)
        self.fault = fault


def raised(fault: Fault, where: str) -> NodeRetryable | NodeFatal:
    """The exception for ``fault``; ``where`` names URL, method and height."""
    text = f"{where}: {fault.message}" + (f" (code {fault.code})" if fault.code else "")
    if fault.kind in RETRYABLE:
        return NodeRetryable(text, fault)
    return NodeFatal(text, fault)
