"""Trees made by OpenZeppelin's JavaScript library are paid by payouts (SPEC.md P-11)."""

import json
import subprocess
from typing import Any

import pytest
from onsvm.chain import REPOSITORY, Refused, wallet
from onsvm.payouts import DELAY, PAGE, Leaf, Payouts
from solders.pubkey import Pubkey
from trees import Tree

# Prints root, total, and one leaf's amount and proof, of a tree over as many accounts as asked.
SCRIPT = """
const { StandardMerkleTree } = require('@openzeppelin/merkle-tree');
const [cluster, program, pool, account, leaves, index] = process.argv.slice(1);
const rows = [];
for (let i = 0; i < Number(leaves); i++) {
  const other = '0x' + (i + 1).toString(16).padStart(64, '0');
  rows.push([cluster, program, pool, i, i === Number(index) ? account : other, 10 + i % 7]);
}
const types = ['bytes32', 'bytes32', 'bytes32', 'uint256', 'bytes32', 'uint256'];
const tree = StandardMerkleTree.of(rows, types);
const total = rows.reduce((sum, row) => sum + row[5], 0);
const proof = tree.getProof(Number(index));
console.log(JSON.stringify({ root: tree.root, total, amount: rows[index][5], proof }));
"""


def made(payouts: Payouts, pool: Pubkey, leaves: int, index: int) -> Any:
    addresses = (payouts.cluster, payouts.interface.address, pool, wallet("alice").pubkey())
    given = ["0x" + bytes(address).hex() for address in addresses]
    answer = subprocess.run(
        ["node", "-e", SCRIPT, *given, str(leaves), str(index)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


def unhexed(nodes: list[str]) -> list[bytes]:
    return [bytes.fromhex(node[2:]) for node in nodes]


@pytest.mark.parametrize(
    ("leaves", "nodes"),
    # Half a minute of JavaScript makes the large one.
    [(1000, 10), pytest.param(100_000, 17, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_a_leaf_is_paid_by_its_proof(payouts: Payouts, leaves: int, nodes: int) -> None:
    """P-10, P-11"""
    index = leaves * 3 // 4
    pool = payouts.funded(20 * leaves)
    tree = made(payouts, pool, leaves, index)
    proof = unhexed(tree["proof"])
    assert nodes - 1 <= len(proof) <= nodes
    root = bytes.fromhex(tree["root"][2:])
    payouts.send(payouts.publish("operator", pool, root, tree["total"], leaves))
    payouts.chain.at(DELAY)
    leaf: Leaf = (index, "alice", tree["amount"])
    payouts.send(payouts.claim("bob", pool, leaf, proof))
    account = payouts.chain.token_account(wallet("alice").pubkey(), payouts.chain.token("usd"))
    assert payouts.chain.balance(account) == tree["amount"]
    assert payouts.read(payouts.page(pool, index))["number"] == index // PAGE
    next_leaf = (index + 1, "alice", tree["amount"])
    for wrong, error in ((leaf, "AlreadyClaimed"), (next_leaf, "InvalidProof")):
        with pytest.raises(Refused) as refused:
            payouts.send(payouts.claim("bob", pool, wrong, proof))
        assert refused.value.name == error


@pytest.mark.parametrize("leaves", [1, 2, 3, 8, 13])
def test_our_trees_are_the_librarys(payouts: Payouts, leaves: int) -> None:
    """P-11: root and proofs, so that what other tests show of ours holds for its."""
    pool = payouts.opened()
    encoded = [
        payouts.leaf(pool, i, Pubkey.from_bytes((i + 1).to_bytes(32, "big")), 10 + i % 7)
        for i in range(leaves)
    ]
    for index in range(leaves):
        tree = made(payouts, pool, leaves, index)
        mine = list(encoded)
        mine[index] = payouts.leaf(pool, index, wallet("alice").pubkey(), tree["amount"])
        ours = Tree(mine)
        assert ours.root.hex() == tree["root"][2:]
        assert ours.proof(index) == unhexed(tree["proof"])
