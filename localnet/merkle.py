"""The tree of who is paid how much: what OpenZeppelin's StandardMerkleTree verifies.

Nodes are keccak256 of the sorted pair of their children; a node without a partner goes up as it is.
A leaf is hashed twice, so that no inner node can be taken for one (SPEC P-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web3 import Web3


def leaf(*words: bytes) -> bytes:
    """A leaf of 32-byte words."""
    return bytes(Web3.keccak(Web3.keccak(b"".join(words))))


@dataclass(frozen=True)
class Tree:
    """``levels``: from the leaves, in their order, up to the root alone."""

    levels: tuple[tuple[bytes, ...], ...]

    @classmethod
    def of(cls, leaves: Sequence[bytes]) -> Tree:
        levels = [tuple(leaves)]
        while len(levels[-1]) > 1:
            below = levels[-1]
            pairs = [below[i : i + 2] for i in range(0, len(below), 2)]
            levels.append(tuple(_node(*p) if len(p) == 2 else p[0] for p in pairs))
        return cls(tuple(levels))

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]

    def proof(self, index: int) -> list[bytes]:
        """The siblings on the way from leaf ``index`` to the root."""
        found: list[bytes] = []
        for level in self.levels[:-1]:
            if (index ^ 1) < len(level):
                found.append(level[index ^ 1])
            index //= 2
        return found


def _node(a: bytes, b: bytes) -> bytes:
    return bytes(Web3.keccak(min(a, b) + max(a, b)))
