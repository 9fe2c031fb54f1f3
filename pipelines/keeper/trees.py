"""Trees of payout roots, as OpenZeppelin's JavaScript library dumps them: leaves and proofs.

A proof is not on-chain, so the keeper pays a leaf only when its tree lies in the folder it is
given. Whether it is the root's tree the chain says: a wrong proof is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from solders.pubkey import Pubkey

from indexer.errors import Fatal

_EVM = ["uint256", "address", "bytes32", "uint256", "address", "uint256"]
_SOLANA = ["bytes32", "bytes32", "bytes32", "uint256", "bytes32", "uint256"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """``chain_id``: the EVM chain's, None for Solana. Ids and addresses as the tables have them."""

    chain_id: int | None
    pool: str
    root: str
    index: int
    account: str
    amount: int
    place: int


@dataclass(frozen=True, slots=True)
class Tree:
    """``nodes``: all hashes, the root first, 0x-hex; a leaf's ``place`` is its own among them."""

    nodes: list[str]
    leaves: list[Leaf]

    def proof(self, place: int) -> list[str]:
        """The siblings from the leaf to the root."""
        found: list[str] = []
        while place > 0:
            found.append(self.nodes[place + 1 if place % 2 else place - 1])
            place = (place - 1) // 2
        return found


def load(folder: Path) -> dict[str, Tree]:
    """The trees of all ``*.json`` in ``folder`` by root. Raises Fatal with the file's name."""
    if not folder.is_dir():
        raise Fatal(f"no folder of trees at {folder}: correct --trees, or leave it out")
    found: dict[str, Tree] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            tree = _tree(orjson.loads(file.read_bytes()))
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Fatal(
                f"{file}: no tree that StandardMerkleTree.dump() wrote, of payouts' leaves "
                f"({error}): remove it from --trees"
            ) from None
        found[tree.nodes[0]] = tree
    return found


def _tree(raw: Any) -> Tree:
    if raw["format"] != "standard-v1" or raw["leafEncoding"] not in (_EVM, _SOLANA):
        raise ValueError("another format or leaf encoding")
    evm = raw["leafEncoding"] == _EVM
    nodes = [str(node).lower() for node in raw["tree"]]
    leaves: list[Leaf] = []
    for entry in raw["values"]:
        chain, _, pool, index, account, amount = entry["value"]
        place = int(entry["treeIndex"])
        if not 0 <= place < len(nodes):
            raise ValueError(f"no node {place}")
        leaves.append(
            Leaf(
                int(chain) if evm else None,
                pool.lower() if evm else _base58(pool),
                nodes[0],
                int(index),
                account.lower() if evm else _base58(account),
                int(amount),
                place,
            )
        )
    if len({leaf.index for leaf in leaves}) < len(leaves):
        raise ValueError("an index is there twice")
    return Tree(nodes, leaves)


def _base58(hexed: str) -> str:
    return str(Pubkey.from_bytes(bytes.fromhex(hexed[2:])))
