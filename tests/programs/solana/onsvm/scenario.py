"""Runs shared scenarios (programs/vectors/README.md) on LiteSVM."""

from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from trees import Tree

from onsvm.bets import Bets
from onsvm.chain import START, SYSTEM, Chain, Refused, wallet
from onsvm.contracts import Contracts
from onsvm.feeds import Feeds
from onsvm.payouts import ZERO, Payouts
from onsvm.projects import Projects
from onsvm.registry import Registry

TIMES = ("_at", "_by")


class Runner:
    """Names ↔ addresses, and the program's entry points. A subclass knows one program."""

    program: str
    entity: str  # the event field and argument that names the program's entity

    def __init__(self, scenario: dict[str, Any]):
        self.chain = Chain()
        self.names: dict[Any, str] = {}
        self.entities: dict[str, Pubkey] = {}
        for symbol, decimals in scenario.get("tokens", {}).items():
            self.names[self.chain.token(symbol, decimals)] = symbol
        for actor, amounts in scenario.get("balances", {}).items():
            for symbol, amount in amounts.items():
                self.chain.mint(self.actor(actor), self.chain.token(symbol), int(amount))

    def actor(self, name: str) -> Pubkey:
        key = self.chain.fund(name).pubkey()
        self.names[key] = name
        return key

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        raise NotImplementedError

    def instructions(self, do: str, by: str, args: dict[str, Any]) -> list[Instruction]:
        """A step's, with what must stand before it in the transaction."""
        return [self.instruction(do, by, args)]

    def next_entity(self, do: str, by: str) -> Pubkey:
        """The id that an entity made now by `by` will have."""
        raise NotImplementedError

    def vaults(self) -> list[Pubkey]:
        raise NotImplementedError

    # ---- values ----

    def given(self, value: Any, field: str = "") -> Any:
        """A scenario's value as the instructions' clients want it."""
        if isinstance(value, dict) and "repeat" in value:
            return value["repeat"] * value["times"]
        if isinstance(value, list):
            return [self.given(item) for item in value]
        if isinstance(value, str) and value.startswith("0x"):
            return bytes.fromhex(value[2:])
        if isinstance(value, str) and value in self.entities:
            return self.entities[value]
        if isinstance(value, str) and value.lstrip("-").isdigit() and field not in ("cid", "title"):
            return int(value)
        return value

    def shown(self, value: Any, field: str) -> Any:
        """An event's or account's value in a scenario's form."""
        if isinstance(value, bool | str):
            return value
        if isinstance(value, Pubkey):
            return self.names.get(value, str(value))
        if isinstance(value, bytes):
            return "0x" + value.hex()
        if isinstance(value, list):
            return [self.shown(item, field) for item in value]
        if not field.endswith(TIMES):
            return value
        return value - START if value else "none"

    def same(self, shown: Any, listed: Any) -> bool:
        """64-bit numbers are decimal strings in a scenario, small ones may be numbers."""
        if isinstance(listed, dict):
            listed = self.given(listed)
        if isinstance(listed, bytes):
            listed = "0x" + listed.hex()
        if isinstance(listed, list) and isinstance(shown, list):
            pairs = zip(shown, listed, strict=True)
            return len(shown) == len(listed) and all(self.same(a, b) for a, b in pairs)
        if isinstance(shown, int) and not isinstance(shown, bool):
            return shown == int(listed)
        return shown == listed


def run(program: str, scenario: dict[str, Any]) -> None:
    runner = RUNNERS[program](scenario)
    for number, step in enumerate(scenario["steps"]):
        where = f"{scenario['name']}, step {number}: {step}"
        if "at" in step:
            runner.chain.at(step["at"], step.get("height"))
        if "do" in step:
            perform(runner, step, where)
        compare(runner, step, where)


def perform(runner: Runner, step: dict[str, Any], where: str) -> None:
    runner.actor(step["by"])
    args = {key: runner.given(value, key) for key, value in step.get("args", {}).items()}
    entity = None
    if "as" in step:
        entity = runner.next_entity(step["do"], step["by"])
        runner.names[entity] = step["as"]
        runner.entities[step["as"]] = entity
    built = runner.instructions(step["do"], step["by"], args)
    signers = [wallet(name) for name in runner.names.values()]
    try:
        receipt = runner.chain.send(*built, signers=signers)
    except Refused as refused:
        if refused.name != step.get("error"):
            raise AssertionError(f"{where}\n{refused}") from refused
        return
    assert "error" not in step, f"{where}: accepted"
    if "events" not in step:
        return
    shown = [
        (event.name, {key: runner.shown(value, key) for key, value in event.fields.items()})
        for event in receipt.events
    ]
    listed = [next(iter(event.items())) for event in step["events"]]
    assert [name for name, _ in shown] == [name for name, _ in listed], where
    for (name, fields), (_, wanted) in zip(shown, listed, strict=True):
        assert set(fields) == set(wanted), f"{where}: {name} {set(fields) ^ set(wanted)}"
        for key, value in fields.items():
            assert runner.same(value, wanted[key]), f"{where}: {name}.{key} = {value}"


def compare(runner: Runner, step: dict[str, Any], where: str) -> None:
    for actor, amounts in step.get("balances", {}).items():
        for symbol, amount in amounts.items():
            account = runner.chain.token_account(runner.actor(actor), runner.chain.token(symbol))
            assert runner.chain.balance(account) == int(amount), f"{where}: {actor}"
    for symbol, amount in step.get("held", {}).items():
        mint = bytes(runner.chain.token(symbol))
        held = sum(
            runner.chain.balance(vault)
            for vault in runner.vaults()
            if (runner.chain.data(vault) or b"")[:32] == mint
        )
        assert held == int(amount), f"{where}: held {held}"
    for entity, fields in step.get("state", {}).items():
        data = runner.chain.data(runner.entities[entity])
        assert data is not None, f"{where}: {entity} is gone"
        state = runner.chain.interfaces[runner.program].account(data)
        for key, value in fields.items():
            assert runner.same(runner.shown(state[key], key), value), f"{where}: {key}"


class BetsRunner(Runner):
    program, entity = "bets", "market"

    def __init__(self, scenario: dict[str, Any]):
        super().__init__(scenario)
        self.bets = Bets(self.chain)

    def next_entity(self, do: str, by: str) -> Pubkey:
        return self.bets.next_market(by)

    def vaults(self) -> list[Pubkey]:
        return [self.bets.vault(market) for market in self.entities.values()]

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        if do == "open":
            for key in ("close_at", "resolve_by"):
                args[key] += START - self.chain.now
            for key in ("resolver", "fee_recipient"):
                named = args[key]
                args[key] = self.actor(named) if isinstance(named, str) else Pubkey(named)
            return self.bets.open(by, **args)
        market = args.pop("market")
        for name in (args.get("bettor"),):
            if name:
                self.actor(name)
        if do in ("claim", "close_position"):
            return getattr(self.bets, do)(by, market, args["bettor"], args["outcome"])
        return getattr(self.bets, do)(by, market, *args.values())


class ContractsRunner(Runner):
    program, entity = "contracts", "agreement"

    def __init__(self, scenario: dict[str, Any]):
        super().__init__(scenario)
        self.contracts = Contracts(self.chain)
        self.feeds = Feeds(self.chain)
        self.names[SYSTEM] = "none"

    def next_entity(self, do: str, by: str) -> Pubkey:
        if do == "feeds.open":
            return self.feeds.next_feed(by)
        return self.contracts.next_agreement(by)

    def vaults(self) -> list[Pubkey]:
        return [self.contracts.vault(address) for address in self.entities.values()]

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        if do == "feeds.open":
            return self.feeds.open(by, **args)
        if do == "feeds.publish":
            return self.feeds.publish(by, args["feed"], [tuple(o) for o in args["observations"]])
        if do == "propose":
            if args["feed"] == "none":
                del args["feed"]
            for name in ("seller", "buyer", "arbiter"):
                args[name] = self.actor(args[name])
            return self.contracts.propose(by, **args)
        agreement = args.pop("agreement")
        if do == "fund":
            return self.contracts.fund(by, agreement)
        if do == "fix_price":
            return self.contracts.fix_price(by, agreement, args["round"])
        if do == "withdraw":
            self.actor(args["party"])
            return self.contracts.withdraw(by, agreement, args["party"])
        return self.contracts.step(do, by, agreement, **args)


class PayoutsRunner(Runner):
    program, entity = "payouts", "pool"

    def __init__(self, scenario: dict[str, Any]):
        super().__init__(scenario)
        self.payouts = Payouts(self.chain)
        self.feeds = Feeds(self.chain)
        self.names[SYSTEM] = "none"
        self.trees: dict[str, Any] = scenario.get("trees", {})

    def tree(self, name: str) -> Tree:
        listed = self.trees[name]
        leaves = [(int(index), who, int(amount)) for index, who, amount in listed["leaves"]]
        return self.payouts.tree(self.entities[listed["pool"]], leaves)

    def given(self, value: Any, field: str = "") -> Any:
        if isinstance(value, dict) and "root_of" in value:
            return self.tree(value["root_of"]).root
        if isinstance(value, dict) and "proof_of" in value:
            tree, leaf = value["proof_of"]
            return self.tree(tree).proof(leaf)
        if isinstance(value, dict) and "signed_by" in value:
            return {key: self.given(item, key) for key, item in value.items()}
        return super().given(value, field)

    def next_entity(self, do: str, by: str) -> Pubkey:
        if do == "feeds.open":
            return self.feeds.next_feed(by)
        return self.payouts.next_pool(by)

    def vaults(self) -> list[Pubkey]:
        return [self.payouts.vault(address) for address in self.entities.values()]

    def instructions(self, do: str, by: str, args: dict[str, Any]) -> list[Instruction]:
        if do != "redeem":
            return super().instructions(do, by, args)
        signed = args.pop("signature")
        signature = self.payouts.signature(
            signed["signed_by"],
            signed["pool"],
            signed["vendor"],
            signed["amount"],
            signed["nonce"],
            signed["expiry"],
        )
        return [signature, self.instruction(do, by, args)]

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        if do == "feeds.open":
            return self.feeds.open(by, **args)
        if do == "feeds.publish":
            return self.feeds.publish(by, args["feed"], [tuple(o) for o in args["observations"]])
        for name in ("account", "vendor", "funder", "operator", "guardian"):
            if name in args and args[name] != "none":
                self.actor(args[name])
        if do == "open":
            for name in ("operator", "guardian", "feed"):
                args[name] = ZERO if args[name] == "none" else args[name]
            for name in ("opens_at", "closes_at", "trigger_by"):
                args[name] = None if args[name] == "none" else args[name]
            return self.payouts.open(by, **args)
        pool = args.pop("pool")
        if do in ("claim", "allocate"):
            leaf = args["index"], args["account"], args["amount"]
            return getattr(self.payouts, do)(by, pool, leaf, args["proof"])
        if do == "fire":
            return self.payouts.fire(by, pool, args["round"])
        return getattr(self.payouts, do)(by, pool, **args)


class ProjectsRunner(PayoutsRunner):
    """A project's pools are those of payouts that name it."""

    program, entity = "projects", "project"

    def __init__(self, scenario: dict[str, Any]):
        super().__init__(scenario)
        self.projects = Projects(self.chain)

    def given(self, value: Any, field: str = "") -> Any:
        if isinstance(value, dict) and "payouts_of" in value:
            return str(self.payouts.interface.address)
        return super().given(value, field)

    def next_entity(self, do: str, by: str) -> Pubkey:
        return self.projects.next_project(by) if do == "create" else self.payouts.next_pool(by)

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        if do == "payouts.open":
            return super().instruction("open", by, args)
        for name in ("organisation", "digest", "evidence"):
            if name in args:
                args[name] = list(args[name])
        if do == "create":
            return self.projects.create(by, **args)
        if "due_at" in args:
            args["due_at"] += START
        return self.projects.step(do, by, **args)


class FeedsRunner(Runner):
    program, entity = "feeds", "feed"

    def __init__(self, scenario: dict[str, Any]):
        super().__init__(scenario)
        self.feeds = Feeds(self.chain)

    def next_entity(self, do: str, by: str) -> Pubkey:
        return self.feeds.next_feed(by)

    def vaults(self) -> list[Pubkey]:
        return []

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        if do == "open":
            return self.feeds.open(by, **args)
        return self.feeds.publish(by, args["feed"], [tuple(o) for o in args["observations"]])


class RegistryRunner(Runner):
    """`root` is the first global admin, and `global` names the global scope."""

    program, entity = "registry", "scope"

    def __init__(self, scenario: dict[str, Any]):
        super().__init__(scenario)
        self.registry = Registry(self.chain).initialized()
        self.actor("root")
        self.names[self.registry.global_scope] = "global"
        self.entities["global"] = self.registry.global_scope

    def next_entity(self, do: str, by: str) -> Pubkey:
        return self.registry.next_entity(b"scope" if do == "open_scope" else b"attestation", by)

    def vaults(self) -> list[Pubkey]:
        return []

    def instruction(self, do: str, by: str, args: dict[str, Any]) -> Instruction:
        for name in ("account", "subject", "wallet", "profile"):
            if isinstance(args.get(name), str):
                args[name] = ZERO if args[name] == "none" else self.actor(args[name])
        for name in ("deadline", "signature"):  # here the wallet signs the transaction
            args.pop(name, None)
        return self.registry.call(do, by, **args)


RUNNERS: dict[str, type[Runner]] = {
    "bets": BetsRunner,
    "contracts": ContractsRunner,
    "feeds": FeedsRunner,
    "registry": RegistryRunner,
    "payouts": PayoutsRunner,
    "projects": ProjectsRunner,
}
