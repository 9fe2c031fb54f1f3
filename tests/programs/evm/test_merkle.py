"""Trees made by OpenZeppelin's JavaScript library are paid by Payouts (SPEC.md P-11)."""

from __future__ import annotations

import json
import subprocess

import pytest
from onevm.node import ROOT, Node, account

# Prints root, total, and one leaf's amount and proof, of a tree over as many accounts as asked.
SCRIPT = """
const { StandardMerkleTree } = require('@openzeppelin/merkle-tree');
const [chain, payouts, pool, account, leaves, index] = process.argv.slice(1);
const rows = [];
for (let i = 0; i < Number(leaves); i++) {
  const other = '0x' + (i + 1).toString(16).padStart(40, '0');
  rows.push([chain, payouts, pool, i, i === Number(index) ? account : other, 10 + i % 7]);
}
const types = ['uint256', 'address', 'bytes32', 'uint256', 'address', 'uint256'];
const tree = StandardMerkleTree.of(rows, types);
const total = rows.reduce((sum, row) => sum + row[5], 0);
const proof = tree.getProof(Number(index));
console.log(JSON.stringify({ root: tree.root, total, amount: rows[index][5], proof }));
"""


@pytest.mark.parametrize(
    ("leaves", "nodes"),
    # Half a minute of JavaScript makes the large one.
    [(1000, 10), pytest.param(100_000, 17, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_a_leaf_is_paid_by_its_proof(node: Node, leaves: int, nodes: int) -> None:
    index = leaves * 3 // 4
    feeds = node.deploy("Feeds")
    payouts = node.deploy("Payouts", feeds.address)
    token = node.deploy("TestToken")
    now = node.now()
    operator = account("operator").address
    terms = (operator, "0x" + "00" * 20, token.address, 2, bytes(32), False, 0, 0, 0)
    terms += (now + 10_000, 0, now + 1_000_000, bytes(32), 0, 0, 0, "", "aid")
    opened = node.send("operator", payouts, "open", terms)
    assert opened.error is None
    pool = opened.events[0][1]["pool"]
    given = ["31337", payouts.address, "0x" + pool.hex(), account("alice").address]
    made = subprocess.run(
        ["node", "-e", SCRIPT, *given, str(leaves), str(index)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tree = json.loads(made.stdout)
    proof = [bytes.fromhex(sibling[2:]) for sibling in tree["proof"]]
    assert nodes - 1 <= len(proof) <= nodes

    node.send("operator", token, "mint", operator, tree["total"])
    node.send("operator", token, "approve", payouts.address, tree["total"])
    assert node.send("operator", payouts, "fund", pool, tree["total"]).error is None
    root = bytes.fromhex(tree["root"][2:])
    published = node.send(
        "operator", payouts, "publish", pool, root, tree["total"], leaves, bytes(32), ""
    )
    assert published.error is None
    claim = ("claim", pool, index, account("alice").address, tree["amount"])
    assert node.send("bob", payouts, *claim, proof).error is None
    assert token.functions.balanceOf(account("alice").address).call() == tree["amount"]
    assert node.send("bob", payouts, *claim, proof).error == "AlreadyClaimed"
    next_leaf = ("claim", pool, index + 1, account("alice").address, tree["amount"])
    assert node.send("bob", payouts, *next_leaf, proof).error == "InvalidProof"
