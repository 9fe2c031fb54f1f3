"""What a reader looks for on its chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Log(NamedTuple):
    """An EVM log by itself; strings are 0x-hex, ``address`` and ``topics`` in lower case."""

    height: int
    log_index: int
    address: str
    topics: tuple[str, ...]
    data: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """A log that names a new contract.

    Logs with first topic ``topic`` of the emitters ``by`` (addresses, or roles of other children)
    carry the child's address in topic ``at``, or where not ``indexed`` in the 32-byte word ``at``
    of the data. The child is watched as ``role``.
    """

    role: str
    by: frozenset[str]
    topic: str
    indexed: bool
    at: int

    def child(self, log: Log) -> str | None:
        """The address that ``log`` announces, lower-case; None where its bytes hold none."""
        if self.indexed:
            word = log.topics[self.at][2:] if self.at < len(log.topics) else ""
        else:
            word = log.data[2 + 64 * self.at : 66 + 64 * self.at]
        if len(word) != 64 or word[:24].strip("0"):
            return None
        return "0x" + word[24:].lower()


class Emits(NamedTuple):
    """What of a Solana program is taken in: its events or none, and instructions.

    An instruction is known by the bytes that its data begins with; the number is that of the
    accounts to keep.
    """

    events: bool = True
    instructions: tuple[tuple[bytes, int], ...] = ()


class Child(NamedTuple):
    """A contract that a factory announced at (``height``, ``log_index``)."""

    role: str
    height: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Addresses (lower-case 0x, or base58 program ids) with the height each one starts at.

    ``topics`` limits EVM logs to these first topics (0x, lower case); None takes all, anonymous
    events included. Events below an address's start are left out. ``announcements`` add children,
    each from its announcement's block on; ``children`` are those known so far. ``emits`` names
    Solana programs of which other than all events is wanted.
    """

    addresses: Mapping[str, int]
    topics: frozenset[str] | None = field(default=None)
    announcements: tuple[Announcement, ...] = ()
    children: dict[str, Child] = field(default_factory=dict[str, Child])
    emits: Mapping[str, Emits] = field(default_factory=dict[str, Emits])

    def active(self, last: int) -> list[str]:
        """The addresses that may have events up to ``last``, sorted."""
        return sorted(
            [
                *(a for a, start in self.addresses.items() if start <= last),
                *(a for a, c in self.children.items() if c.height <= last),
            ]
        )

    def family(self, logs: Iterable[Log]) -> dict[str, Child]:
        """``children`` and those that ``logs`` announce: by the earliest announcement each,
        whatever the order of ``logs``."""
        children = dict(self.children)
        said = sorted(logs)
        while True:  # again: a parent may be announced after its own events, in the same block
            before = len(children)
            for log in said:
                for announcement in self.announcements:
                    address = self._announced(announcement, log, children)
                    if address is not None:
                        child = Child(announcement.role, log.height, log.log_index)
                        children.setdefault(address, child)
            if len(children) == before:
                return children

    def _announced(
        self, announcement: Announcement, log: Log, children: Mapping[str, Child]
    ) -> str | None:
        if log.topics[:1] != (announcement.topic,):
            return None
        parent = children.get(log.address)
        role, start = log.address, self.addresses.get(log.address, 0)
        if parent is not None:
            role, start = parent.role, parent.height
        if role not in announcement.by or log.height < start:
            return None
        address = announcement.child(log)
        return None if address in self.addresses else address

    def learn(self, found: Mapping[str, Child]) -> None:
        for address, child in found.items():
            self.children.setdefault(address, child)

    def reset(self, children: Mapping[str, Child]) -> None:
        """Forgets what was learnt, which a reorg may have taken back, for ``children``."""
        self.children.clear()
        self.children.update(children)
