"""Merkle trees as OpenZeppelin's StandardMerkleTree makes them (SPEC.md P-11)."""

from collections.abc import Sequence

from eth_utils import keccak


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def hash_pair(a: bytes, b: bytes) -> bytes:
    return keccak(min(a, b) + max(a, b))


class Tree:
    """Over encoded leaves. A complete binary tree in an array: the root first, the leaves last,
    these sorted by hash and in reverse, which is the library's order."""

    def __init__(self, leaves: Sequence[bytes]):
        self.hashes = [keccak(keccak(leaf)) for leaf in leaves]
        placed = sorted(self.hashes, reverse=True)
        self.nodes = [b""] * (len(placed) - 1) + placed
        for at in reversed(range(len(placed) - 1)):
            self.nodes[at] = hash_pair(self.nodes[2 * at + 1], self.nodes[2 * at + 2])

    @property
    def root(self) -> bytes:
        return self.nodes[0]

    def proof(self, leaf: int) -> list[bytes]:
        """Siblings from the leaf up."""
        at = self.nodes.index(self.hashes[leaf], len(self.hashes) - 1)
        siblings: list[bytes] = []
        while at:
            siblings.append(self.nodes[at + 1 if at % 2 else at - 1])
            at = (at - 1) // 2
        return siblings
