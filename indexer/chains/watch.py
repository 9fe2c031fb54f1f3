"""What a reader looks for on its chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Watch:
    """Addresses (lower-case 0x, or base58 program ids) with the height each one starts at.

    ``topics`` limits EVM logs to these first topics (0x, lower case); None takes all, anonymous
    events included. Events below an address's start are left out.
    """

    addresses: Mapping[str, int]
    topics: frozenset[str] | None = field(default=None)

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ValueError("a watch needs at least one address")

    def active(self, last: int) -> list[str]:
        """The addresses that may have events up to ``last``, sorted."""
        return sorted(a for a, start in self.addresses.items() if start <= last)
