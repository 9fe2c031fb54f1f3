"""Factories: children and grandchildren are indexed from the block that announces them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eth_utils.crypto import keccak
from support import anvil as anvils
from support.anvil import Anvil
from support.index import index_once, tables
from support.solidity import compiled

from deploy import builds
from indexer import config as configuration
from indexer import store
from indexer.backfill import backfill
from indexer.chains import evm
from indexer.errors import Fatal
from indexer.follow import Reorg
from indexer.status import status
from indexer.verify import verify

SOURCE = Path(__file__).parent / "contracts" / "Family.sol"
FOLDS = """
from indexer.folds import count, fold, last

pings = fold(
    "pings", program="leaf", key="address",
    columns={"pings": count("Pinged"), "number": last("Pinged.number")},
)
"""
Databases = Callable[[], str]


@dataclass
class Family:
    """A root contract on a node of its own, and configurations that index it."""

    node: Anvil
    root: Any
    folder: Path

    def contract(self, name: str, address: str) -> Any:
        return self.node.web3.eth.contract(address=address, abi=compiled(SOURCE)[name]["abi"])  # type: ignore[call-overload]

    def branch(self, number: int) -> Any:
        return self.contract("Branch", self.root.functions.branches(number).call())

    def leaf(self, branch: int, number: int) -> Any:
        address = self.branch(branch).functions.leaves(number).call()
        return self.contract("Leaf", address)

    def send(self, function: Any) -> int:
        """The height that the call is in."""
        sender = self.node.web3.eth.accounts[0]
        sent = function.transact({"from": sender, "gas": 5_000_000})
        receipt = self.node.web3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1
        return receipt["blockNumber"]

    def configure(self, url: str, *names: str, **changes: str) -> configuration.Config:
        """``names``: the programs to index; all where none is named."""
        interfaces = {"root": "Root", "branch": "Branch", "leaf": "Leaf"}
        places = {
            "root": f'"{self.root.address}"',
            "branch": '{ program = "root", event = "BranchMade", field = "branch" }',
            "leaf": '{ program = "branch", event = "LeafMade", field = "leaf" }',
        } | changes
        programs = ""
        for name in names or ("root", "branch", "leaf"):
            file = self.folder / f"{name}.json"
            file.write_text(json.dumps(compiled(SOURCE)[interfaces[name]]["abi"]))
            programs += (
                f'[[programs]]\nname = "{name}"\nchain = "anvil"\n'
                f'address = {places[name]}\ninterface = "{file.name}"\n'
            )
        (self.folder / "folds.py").write_text(FOLDS)
        toml = self.folder / "chainfold.toml"
        toml.write_text(
            f'[database]\nurl = "{url}"\n[chains.anvil]\nkind = "evm"\nchain_id = 31337\n'
            f'rpc = ["{self.node.url}"]\n{programs}[folds]\nmodules = ["folds.py"]\n'
        )
        return configuration.load(toml)

    def truth(self) -> set[tuple[int, int, str, int]]:
        """(height, log index, leaf, number) of every ping, the slow obvious way: all logs of the
        chain, in order, those of announced contracts from their block on."""
        topic = {
            name: "0x" + keccak(text=text).hex()
            for name, text in {
                "branch": "BranchMade(string,uint256[2],address)",
                "leaf": "LeafMade(address,uint256)",
                "ping": "Pinged(uint256)",
            }.items()
        }
        logs = self.node.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
        branches: dict[str, int] = {}
        leaves: dict[str, int] = {}
        for log in logs:
            height = int(log["blockNumber"], 16)
            if log["address"] == self.root.address.lower() and log["topics"][0] == topic["branch"]:
                branches.setdefault("0x" + log["data"][2 + 64 * 3 + 24 : 2 + 64 * 4], height)
        for log in logs:
            height = int(log["blockNumber"], 16)
            if (
                height >= branches.get(log["address"], 1 << 60)
                and log["topics"][0] == topic["leaf"]
            ):
                leaves.setdefault("0x" + log["topics"][1][26:], height)
        said = [
            (int(x["blockNumber"], 16), int(x["logIndex"], 16), x["address"], x["topics"][1])
            for x in logs
            if x["topics"][0] == topic["ping"]
        ]
        return {
            (height, index, leaf, int(number, 16))
            for height, index, leaf, number in said
            if height >= leaves.get(leaf, 1 << 60)
        }


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    with anvils.running() as node:
        built = compiled(SOURCE)["Root"]
        factory = node.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
        sent = factory.constructor().transact({"from": node.web3.eth.accounts[0]})
        address = node.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        root = node.web3.eth.contract(address=address, abi=built["abi"])  # type: ignore[call-overload]
        yield Family(node, root, tmp_path)


def pings(url: str) -> set[tuple[int, int, str, int]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pos >> 28, pos & ((1 << 28) - 1), address, number::int8 "
            "FROM chainfold.leaf_pinged"
        ).fetchall()
    return set(rows)


def assert_true(family: Family, url: str, databases: Databases) -> None:
    """The tables are the chain's own record, equal those of an index from nothing, and prove
    themselves."""
    assert pings(url) == family.truth()
    fresh = databases()
    index_once(family.configure(fresh))
    assert tables(url) == tables(fresh)
    with store.opened(family.configure(url)) as opened, opened.connect("test") as connection:
        assert [f for f in verify(opened, connection) if not f.ok] == []


def test_three_generations_in_history(
    family: Family, postgres_url: str, databases: Databases
) -> None:
    family.send(family.root.functions.plant("first"))
    family.node.mine(20)
    family.send(family.branch(0).functions.grow(7))
    family.send(family.leaf(0, 0).functions.ping(8))
    family.send(family.root.functions.dynasty(9))
    family.node.mine(100)
    index_once(family.configure(postgres_url))
    assert {p[3] for p in pings(postgres_url)} == {7, 8, 9}
    assert_true(family, postgres_url, databases)


def test_at_the_head_a_child_speaks_in_the_block_that_announces_it(
    family: Family, postgres_url: str, databases: Databases
) -> None:
    config = family.configure(postgres_url)
    index_once(config)
    for number in range(1, 4):
        family.send(family.root.functions.dynasty(number))
        family.send(family.branch(0).functions.grow(10 + number))
        family.send(family.leaf(0, 0).functions.ping(20 + number))
        index_once(config)
        assert pings(postgres_url) == family.truth()
    assert_true(family, postgres_url, databases)


@pytest.mark.parametrize("more", [0, 100])
def test_ranges_that_were_fetched_ahead_of_an_announcement(
    family: Family, postgres_url: str, databases: Databases, more: int
) -> None:
    config = family.configure(postgres_url)
    index_once(config)
    family.send(family.root.functions.dynasty(1))
    for number in range(2, 7):
        family.node.mine(9)
        family.send(family.leaf(0, 0).functions.ping(number))
    family.node.mine(more)
    index_once(config)
    assert len(pings(postgres_url)) == 7
    assert_true(family, postgres_url, databases)


def test_what_is_announced_starts_with_its_first_announcement(
    family: Family, postgres_url: str, databases: Databases
) -> None:
    family.send(family.root.functions.plant("a"))
    stranger = compiled(SOURCE)["Leaf"]
    factory = family.node.web3.eth.contract(abi=stranger["abi"], bytecode=stranger["bytecode"])
    sent = factory.constructor(1).transact({"from": family.node.web3.eth.accounts[0]})
    address = family.node.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    assert address is not None
    leaf = family.contract("Leaf", address)
    family.send(leaf.functions.ping(2))
    first = family.send(family.branch(0).functions.claim(address))
    family.send(leaf.functions.ping(3))
    family.send(family.branch(0).functions.claim(address))
    index_once(family.configure(postgres_url))
    assert {(p[3], p[0] >= first) for p in pings(postgres_url)} == {(3, True)}
    assert_true(family, postgres_url, databases)


def test_a_reorg_takes_back_the_children_that_only_the_orphans_announced(
    family: Family, postgres_url: str, databases: Databases
) -> None:
    family.send(family.root.functions.plant("kept"))
    config = family.configure(postgres_url)
    fork = family.node.snapshot()
    family.send(family.branch(0).functions.grow(1))
    family.send(family.root.functions.dynasty(2))
    index_once(config)
    assert len(pings(postgres_url)) == 3
    family.node.revert(fork)
    # the same leaf at the same address, but later; no second branch
    family.node.mine(3)
    family.send(family.branch(0).functions.grow(5))
    family.send(family.leaf(0, 0).functions.ping(6))
    family.node.mine(3)
    assert any(isinstance(r, Reorg) for r in index_once(config))
    assert {p[3] for p in pings(postgres_url)} == {5, 6}
    assert_true(family, postgres_url, databases)


def test_children_that_are_configured_later_get_what_they_lack(
    family: Family, postgres_url: str, databases: Databases
) -> None:
    family.send(family.root.functions.dynasty(1))
    family.node.mine(90)
    family.send(family.root.functions.dynasty(2))
    index_once(family.configure(postgres_url, "root"))
    before = _covered(postgres_url)
    family.send(family.root.functions.dynasty(3))
    index_once(family.configure(postgres_url, "root", "branch"))
    index_once(family.configure(postgres_url))
    assert _covered(postgres_url)[0] == (before[0][0], before[0][1] + 1)
    assert len(_covered(postgres_url)) == 3
    assert_true(family, postgres_url, databases)


def _covered(url: str) -> list[tuple[str, int]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT program, highest FROM chainfold.source_progress ORDER BY source"
        ).fetchall()


def test_partitions_in_any_order_leave_children_to_where_their_factory_is_whole(
    family: Family, postgres_url: str, databases: Databases
) -> None:
    family.send(family.root.functions.dynasty(1))
    middle = family.send(family.leaf(0, 0).functions.ping(2))
    family.send(family.leaf(0, 0).functions.ping(3))
    family.node.mine(100)
    config = family.configure(postgres_url)
    backfill(config, "anvil", middle, middle + 20)
    assert pings(postgres_url) == set()
    backfill(config, "anvil", 0, middle - 1)
    backfill(config, "anvil", 0, middle + 20)
    assert pings(postgres_url) == family.truth()
    index_once(config)
    assert_true(family, postgres_url, databases)


def test_many_children_are_asked_for_in_parts(
    family: Family, postgres_url: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evm, "_ADDRESSES_AT_ONCE", 3)
    family.send(family.root.functions.plant("many"))
    for number in range(10):
        family.send(family.branch(0).functions.grow(number))
    family.node.mine(80)
    config = family.configure(postgres_url)
    index_once(config)
    for number in range(10):
        family.send(family.leaf(0, number).functions.ping(100 + number))
    index_once(config)
    assert len(pings(postgres_url)) == 20
    assert_true(family, postgres_url, databases)


def test_status_names_the_children_by_their_announcement(family: Family, postgres_url: str) -> None:
    family.send(family.root.functions.dynasty(1))
    index_once(family.configure(postgres_url))
    with psycopg.connect(postgres_url) as connection:
        found = {s.program: s for s in status(connection, "chainfold").sources}
    assert found["leaf"].address == "branch.LeafMade.leaf"
    assert found["leaf"].gaps == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"leaf": '{ program = "twig", event = "A", field = "b" }'}, "no program 'twig'"),
        ({"leaf": '{ program = "leaf", event = "A", field = "b" }'}, "would be its own factory"),
        ({"leaf": '{ program = "branch", event = "LeafMade" }'}, "'field' is missing"),
        ({"leaf": '{ program = "branch", evnt = "A", field = "b" }'}, "did you mean 'event'?"),
        ({"leaf": '{ program = "branch", event = "Made", field = "leaf" }'}, "no event 'Made'"),
        (
            {"leaf": '{ program = "branch", event = "LeafMade", field = "number" }'},
            "has no address 'number', but: leaf",
        ),
    ],
)
def test_a_factory_that_is_misspelt_is_one_line(
    family: Family, postgres_url: str, changes: dict[str, str], says: str
) -> None:
    with pytest.raises(Fatal) as error, store.opened(family.configure(postgres_url, **changes)):
        pass
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_clones_of_projects_are_its_children(tmp_path: Path, postgres_url: str) -> None:
    interfaces = Path(__file__).resolve().parents[2] / "programs" / "interfaces"
    with anvils.running() as node:
        owner = node.web3.eth.accounts[0]

        def deployed(name: str, *arguments: Any) -> Any:
            built = builds.contract(name)
            factory = node.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
            sent = factory.constructor(*arguments).transact({"from": owner})
            address: Any = node.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
            return node.web3.eth.contract(address=address, abi=built.abi)

        payouts = deployed("Payouts", deployed("Feeds").address)
        projects = deployed("Projects", payouts.address)
        clones: list[str] = []
        for title in ("one", "two"):
            receipt = node.send(projects.functions.create(0, b"\1" * 32, 5, "cid", title))
            (made,) = projects.events.ProjectCreated().process_receipt(receipt)
            clones.append(made["args"]["payouts"].lower())
        toml = tmp_path / "chainfold.toml"
        toml.write_text(
            f'[database]\nurl = "{postgres_url}"\n[chains.anvil]\nkind = "evm"\n'
            f'chain_id = 31337\nrpc = ["{node.url}"]\n'
            f'[[programs]]\nname = "projects"\nchain = "anvil"\naddress = "{projects.address}"\n'
            f'interface = "{interfaces}/Projects.abi.json"\n'
            f'[[programs]]\nname = "payouts"\nchain = "anvil"\naddress = "{payouts.address}"\n'
            f'interface = "{interfaces}/Payouts.abi.json"\n'
            '[[programs]]\nname = "payouts"\nchain = "anvil"\naddress = { program = "projects", '
            'event = "ProjectCreated", field = "payouts" }\n'
            f'interface = "{interfaces}/Payouts.abi.json"\n'
        )
        config = configuration.load(toml)
        index_once(config)
        with store.opened(config) as opened, opened.connect("test") as connection:
            found = opened.children(connection, "anvil")
            assert [f for f in verify(opened, connection) if not f.ok] == []
    assert sorted(found) == sorted(clones)
    assert {c.role for c in found.values()} == {"projects.ProjectCreated.payouts"}
