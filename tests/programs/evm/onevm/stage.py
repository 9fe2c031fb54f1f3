"""Plays the shared scenarios (programs/vectors/README.md) on a node."""

from __future__ import annotations

import json
import re
from typing import Any

from eth_account.messages import encode_typed_data
from trees import Tree, word
from web3.contract import Contract

from onevm.node import ROOT, Node, Outcome, account

VECTORS = ROOT / "programs" / "vectors"
# What each program's contract, the view of its stored entity, and the programs that its
# constructor is given, are called.
CONTRACTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "bets": ("Bets", "getMarket", ()),
    "feeds": ("Feeds", "getFeed", ()),
    "contracts": ("Contracts", "getAgreement", ("feeds",)),
    "payouts": ("Payouts", "getPool", ("feeds",)),
    "registry": ("Registry", "getScope", ()),
    "projects": ("Projects", "getProject", ("payouts",)),
}
ZERO = "0x" + "00" * 20
CHAIN = 31337  # anvil's


def scenarios(program: str) -> list[dict[str, Any]]:
    """The scenarios of `programs/vectors/<program>.json`."""
    return json.loads((VECTORS / f"{program}.json").read_text())["scenarios"]


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


class Stage:
    """One scenario on contracts of its own."""

    def __init__(self, node: Node, program: str, scenario: dict[str, Any]) -> None:
        self.node, self.scenario = node, scenario
        self.view = CONTRACTS[program][1]
        self.programs: dict[str, Contract] = {}
        self.program = self.deploy(program)
        self.tokens: dict[str, Contract] = {
            symbol: node.deploy("TestToken") for symbol in scenario["tokens"]
        }
        self.ids: dict[str, bytes] = {}
        if program == "registry":
            self.ids["global"] = self.program.functions.GLOBAL().call()
        self.funded: set[str] = set()
        for actor, balances in scenario.get("balances", {}).items():
            for symbol, amount in balances.items():
                node.send(actor, self.tokens[symbol], "mint", account(actor).address, int(amount))
        # Far enough ahead for the set-up of this scenario, which takes a second a block.
        self.start = node.now() + 10_000
        node.clock(self.start)

    def deploy(self, program: str) -> Contract:
        """A program's contract, after those that its constructor is given."""
        name, _, needs = CONTRACTS[program]
        given = [self.deploy(other).address for other in needs]
        if program == "registry":
            given.append(account("root").address)
        self.programs[program] = self.node.deploy(name, *given)
        return self.programs[program]

    def play(self) -> None:
        """Every step, each compared with what the scenario says."""
        for number, step in enumerate(self.scenario["steps"]):
            where = f"{self.scenario['name']} step {number}: {step}"
            if "at" in step:
                self.node.clock(self.start + step["at"])
            if "do" in step:
                outcome = self.call(step)
                assert outcome.error == step.get("error"), where
                if "as" in step and outcome.error is None:
                    _, fields = outcome.events[0]
                    self.ids[step["as"]] = next(iter(fields.values()))
                if "events" in step:
                    program, _ = self.entry(step)
                    wanted = self.expected(program, step["events"])
                    assert self.neutral(outcome) == wanted, where
            for actor, balances in step.get("balances", {}).items():
                for symbol, amount in balances.items():
                    assert self.balance(symbol, account(actor).address) == int(amount), where
            for symbol, amount in step.get("held", {}).items():
                assert self.balance(symbol, self.program.address) == int(amount), where
            for entity, fields in step.get("state", {}).items():
                stored = self.stored(entity)
                wanted = {
                    field: self.value(stored[field][0], field, value)
                    for field, value in fields.items()
                }
                assert {field: stored[field][1] for field in fields} == wanted, where

    def call(self, step: dict[str, Any]) -> Outcome:
        """Sends the step's transaction."""
        actor = step["by"]
        if actor not in self.funded:
            self.funded.add(actor)
            for token in self.tokens.values():
                self.node.send(actor, token, "approve", self.program.address, 2**256 - 1)
        program, name = self.entry(step)
        inputs = self.function(program, name)["inputs"]
        given = step.get("args", {})
        return self.node.send(
            actor, program, name, *(self.argument(item, given) for item in inputs)
        )

    def entry(self, step: dict[str, Any]) -> tuple[Contract, str]:
        """The contract and function of a step; `program.function` is another program's, and a
        project's payouts are a contract of its own."""
        program, _, name = step["do"].rpartition(".")
        if program == "payouts":
            abi = self.programs[program].abi
            return self.node.web3.eth.contract(self.payouts(step["args"]["project"]), abi=abi), name
        return self.programs[program] if program else self.program, camel(name)

    @staticmethod
    def function(program: Contract, name: str) -> dict[str, Any]:
        found = [e for e in program.abi if e["type"] == "function" and e["name"] == name]
        assert len(found) == 1, f"no function {name}"
        return dict(found[0])

    def argument(self, item: Any, given: dict[str, Any]) -> Any:
        """One argument: by its name, or, for a struct, its members by theirs."""
        if item["type"] == "tuple":
            return tuple(self.argument(member, given) for member in item["components"])
        field = snake(item["name"])
        if item["type"] == "tuple[]":
            # A list's structs are written as their members in a row.
            names = [snake(member["name"]) for member in item["components"]]
            return [
                tuple(
                    self.argument(member, dict(zip(names, row, strict=True)))
                    for member in item["components"]
                )
                for row in given[field]
            ]
        return self.value(item["type"], field, given[field])

    def value(self, kind: str, field: str, value: Any) -> Any:
        """A scenario's value as the chain has it."""
        if isinstance(value, dict):
            return self.made(value)
        if kind.endswith("]"):
            inner = kind[: kind.rindex("[")]
            return [self.value(inner, field, item) for item in value]
        if kind == "address":
            if value in self.tokens:
                return self.tokens[value].address
            return ZERO if value in (None, "none", "zero") else account(value).address
        if kind == "bytes32":
            if value == "none":
                return bytes(32)
            return self.ids[value] if value in self.ids else bytes.fromhex(value[2:])
        if kind in ("string", "bool"):
            return value
        if value == "none":
            return 0
        number = int(value)
        return number + self.start if re.search(r"_(at|by)$|^(expiry|deadline)$", field) else number

    def made(self, value: dict[str, Any]) -> Any:
        """What a scenario writes as how it is made."""
        if "root_of" in value:
            return self.tree(value["root_of"]).root
        if "proof_of" in value:
            tree, leaf = value["proof_of"]
            return self.tree(tree).proof(leaf)
        if "signed_by" in value:
            return self.signature(value)
        if "payouts_of" in value:
            return self.payouts(value["payouts_of"])
        return value["repeat"] * value["times"]

    def payouts(self, project: str) -> Any:
        """The address of a project's own payouts contract."""
        return self.stored(project)["payouts"][1]

    def tree(self, name: str) -> Tree:
        """A scenario's tree, with the leaves of this chain (SPEC.md P-11)."""
        listed = self.scenario["trees"][name]
        head = word(CHAIN) + word(int(self.program.address, 16))
        head += self.ids[listed["pool"]]
        return Tree(
            [
                head + word(int(index)) + word(int(account(who).address, 16)) + word(int(amount))
                for index, who, amount in listed["leaves"]
            ]
        )

    def signature(self, value: dict[str, Any]) -> bytes:
        """By EIP-712: a beneficiary's (SPEC.md P-14), or a linked wallet's (R-7)."""
        if "profile" in value:
            program, name = "registry", "Link"
            kinds = {"profile": "address", "wallet": "address"}
            kinds |= dict.fromkeys(("nonce", "deadline"), "uint256")
        else:
            program, name = "payouts", "Redeem"
            kinds = {"pool": "bytes32", "account": "address", "vendor": "address"}
            kinds |= dict.fromkeys(("amount", "nonce", "expiry"), "uint256")
        # On Solana the key that signed is the account, and no field beside it.
        said = {"account": value["signed_by"]} | value
        domain = {"name": f"chainfold {program}", "version": "1", "chainId": CHAIN}
        message = encode_typed_data(
            domain_data=domain | {"verifyingContract": self.program.address},
            message_types={name: [{"name": n, "type": kind} for n, kind in kinds.items()]},
            message_data={n: self.value(kind, n, said[n]) for n, kind in kinds.items()},
        )
        return bytes(account(value["signed_by"]).sign_message(message).signature)

    def expected(
        self, program: Contract, listed: list[dict[str, Any]]
    ) -> list[tuple[str, dict[str, Any]]]:
        """A step's `events` as the chain has them."""
        events: list[tuple[str, dict[str, Any]]] = []
        for event in listed:
            ((name, fields),) = event.items()
            kinds = {
                snake(item["name"]): item["type"]
                for entry in program.abi
                if entry["type"] == "event" and entry["name"] == name
                for item in entry["inputs"]
            }
            events.append((name, {f: self.value(kinds[f], f, v) for f, v in fields.items()}))
        return events

    @staticmethod
    def neutral(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
        return [
            (name, {snake(field): value for field, value in fields.items()})
            for name, fields in outcome.events
        ]

    def stored(self, entity: str) -> dict[str, tuple[str, Any]]:
        """Field → (type, value) of a stored entity."""
        value = self.program.functions[self.view](self.ids[entity]).call()
        (output,) = self.function(self.program, self.view)["outputs"]
        members = zip(output["components"], value, strict=True)
        return {snake(item["name"]): (item["type"], member) for item, member in members}

    def balance(self, symbol: str, address: str) -> int:
        return self.tokens[symbol].functions.balanceOf(address).call()
