"""Both local chains as one: started, the programs deployed, wallets funded, ready for traffic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from deploy.builds import INTERFACES
from indexer.errors import Fatal
from localnet import anvil, artifacts, child, evm, ports, solananode, svm
from localnet.calls.bets import EvmBets, SolanaBets
from localnet.calls.contracts import EvmContracts, SolanaContracts
from localnet.calls.exchange import EvmExchange
from localnet.calls.feeds import EvmFeeds, SolanaFeeds
from localnet.calls.payouts import EvmPayouts
from localnet.calls.projects import EvmProjects, SolanaProjects
from localnet.calls.records import SolanaRecords
from localnet.calls.registry import EvmRegistry, SolanaRegistry
from localnet.calls.solana_payouts import SolanaPayouts
from localnet.play import Note, Player, Program, play
from localnet.scenario import story
from localnet.stories.action import Step
from localnet.stories.registry import ADMIN
from localnet.together import together
from localnet.wallets import Cast

SolanaKind = Literal["litesvm", "test-validator", "surfpool"]
ANVIL_PORT = 8545
SOLANA_PORT = 8899


@dataclass(frozen=True)
class Deployed:
    """A program on a chain: ``program`` is its name in the configuration, ``address`` EIP-55 or
    base58."""

    program: str
    address: str
    interface: Path


@dataclass(frozen=True)
class _Chain:
    """``tokens``: the test tokens' addresses by their names. ``programs``: those that are there."""

    name: str
    rpc: str
    ws: str
    tokens: Mapping[str, str]
    programs: tuple[Deployed, ...]

    @property
    def token(self) -> str:
        """The test USDC's address."""
        return self.tokens["USDC"]

    @property
    def bets(self) -> str:
        return next(p.address for p in self.programs if p.program == "bets")


@dataclass(frozen=True)
class EvmChain(_Chain):
    """``client``: the cast's wallets, and what they call of Bets; ``calls``: every program."""

    client: EvmBets
    calls: Mapping[str, Program]


@dataclass(frozen=True)
class SolanaChain(_Chain):
    """``client``: the cast's wallets, and what they call of bets; ``calls``: every program."""

    client: SolanaBets
    calls: Mapping[str, Program]


# What makes a program's transactions, by the name that the story has for it.
_EVM_CALLS = {
    "feeds": EvmFeeds, "contracts": EvmContracts, "payouts": EvmPayouts, "projects": EvmProjects,
    "registry": EvmRegistry, "exchange": EvmExchange,
}  # fmt: skip
_SOLANA_CALLS = {
    "feeds": SolanaFeeds, "contracts": SolanaContracts, "payouts": SolanaPayouts,
    "projects": SolanaProjects,
}  # fmt: skip


class Localnet:
    """Local chains, alive inside ``async with``.

    ``home``: folder for logs, ledgers, ``localnet.json`` and ``chainfold.toml``. Ports that are
    None are free ones. ``block_time``: seconds between EVM blocks, None for one per transaction.
    ``slot_ms``, ``finality``: of our own Solana node, milliseconds a slot and blocks to finalized.
    ``chains``: which of "anvil", "solana" to start.
    """

    def __init__(
        self,
        home: Path,
        *,
        anvil_port: int | None = None,
        solana_port: int | None = None,
        solana: SolanaKind = "litesvm",
        block_time: float | None = None,
        slot_ms: int = 400,
        finality: int = 32,
        cast: Cast | None = None,
        chains: Sequence[str] = ("anvil", "solana"),
        config: Path | None = None,
    ) -> None:
        self.home = home.resolve()
        self.cast = cast or Cast(7)
        self.chains = tuple(chains)
        self.config = (config or self.home / "chainfold.toml").resolve()
        self._anvil_port, self._solana_port = anvil_port, solana_port
        self._solana_kind: SolanaKind = solana
        self._block_time = block_time
        self._slots = slot_ms, finality
        self._stack = AsyncExitStack()
        self.nodes: list[child.Child] = []
        self._evm: EvmChain | None = None
        self._solana: SolanaChain | None = None

    @property
    def evm(self) -> EvmChain:
        assert self._evm is not None, "anvil is not among the chains that were started"
        return self._evm

    @property
    def solana(self) -> SolanaChain:
        assert self._solana is not None, "solana is not among the chains that were started"
        return self._solana

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._anvil_port is not None and "anvil" in self.chains:
                ports.require_free(self._anvil_port, "anvil", "--anvil-port")
            if self._solana_port is not None and "solana" in self.chains:
                for port in (self._solana_port, self._solana_port + 1):
                    ports.require_free(port, "solana", "--solana-port")
            starts = {"anvil": self._start_evm, "solana": self._start_solana}
            await together(*(starts[chain](stack) for chain in self.chains))
            self.write()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start_evm(self, stack: AsyncExitStack) -> None:
        node = await anvil.start(
            self.home / "logs" / "anvil.log", self._anvil_port, self._block_time
        )
        stack.push_async_callback(node.process.stop)
        self.nodes.append(node.process)
        web3 = evm.connect(node.url)
        stack.push_async_callback(web3.provider.disconnect)
        deployed = await evm.deploy(web3, self.cast.evm(ADMIN).address)
        client = EvmBets(web3, "anvil", anvil.CHAIN_ID, deployed, self.cast)
        await client.fund()
        calls: dict[str, Program] = {n: make(client) for n, make in _EVM_CALLS.items()}
        self._evm = EvmChain(
            "anvil",
            node.url,
            node.ws,
            {"USDC": deployed.token, "goods": deployed.goods},
            evm_programs(deployed),
            client,
            {"bets": client, **calls},
        )

    async def _start_solana(self, stack: AsyncExitStack) -> None:
        port = self._solana_port or ports.free(2)
        process = await solananode.start(self._solana_kind, self.home, port, *self._slots)
        stack.push_async_callback(process.stop)
        self.nodes.append(process)
        url, ws = f"http://{ports.HOST}:{port}", f"ws://{ports.HOST}:{port + 1}"
        client = SolanaBets(svm.connect(url), "solana", self.cast)
        stack.push_async_callback(client.close)
        await client.fund()
        registry = SolanaRegistry(client)
        await registry.initialize(ADMIN)
        calls: dict[str, Program] = {n: make(client) for n, make in _SOLANA_CALLS.items()}
        calls |= {"registry": registry, "records": SolanaRecords(registry)}
        self._solana = SolanaChain(
            "solana",
            url,
            ws,
            {"USDC": str(client.token)},
            solana_programs(),
            client,
            {"bets": client, **calls},
        )

    def players(self, note: Note | None = None, travels: bool = False) -> list[Player]:
        """One for each chain that runs."""
        chains = [c for c in (self._evm, self._solana) if c is not None]
        return [Player(c.client, c.calls, note, travels) for c in chains]

    async def play(
        self,
        rate: float = 20,
        seconds: float | None = None,
        actions: int | None = None,
        travels: bool = False,
    ) -> list[Player]:
        """Plays the cast's story on all chains, ``rate`` transactions a second on each, for
        ``seconds`` of it or its first ``actions``; gives the players with what they sent.
        ``travels``: by setting the chains' clocks instead of waiting for markets to close."""
        players = self.players(travels=travels)

        def told() -> Iterable[Step]:
            for i, action in enumerate(story(self.cast, rate)):
                if i == actions:
                    return
                yield action

        await play(players, told, seconds)
        return players

    async def watch(self) -> None:
        """Returns never; raises Fatal when a node of ours ends."""
        while True:
            for node in self.nodes:
                if not node.running:
                    raise Fatal(f"{node.name} ended: {node.last_words()} (whole log: {node.log})")
            await asyncio.sleep(0.2)

    def write(self) -> None:
        """Writes ``localnet.json`` and the chainfold.toml of these ports."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "localnet.json").write_text(json.dumps(self.state(), indent=1) + "\n")
        write_toml(self.config, self.home, self._chains())

    def state(self) -> dict[str, object]:
        """What ``localnet.json`` holds; secret keys too, which are worth nothing elsewhere."""
        running = [c for c in (self._evm, self._solana) if c is not None]
        return {
            "chains": {c.name: {"rpc": c.rpc, "ws": c.ws} for c in running},
            "programs": {c.name: {p.program: p.address for p in c.programs} for c in running},
            "tokens": {c.name: c.tokens for c in running},
            "cast": asdict(self.cast),
            "wallets": {
                name: {
                    "anvil": self.cast.evm(name).address,
                    "anvil_key": self.cast.evm(name).key.to_0x_hex(),
                    "solana": str(self.cast.solana(name).pubkey()),
                    "solana_key": str(self.cast.solana(name)),
                }
                for name in self.cast
            },
        }

    def _chains(self) -> list[str]:
        parts: list[str] = []
        if self._evm is not None:
            parts.append(evm_toml(self._evm.name, self._evm.rpc, self._evm.programs))
        if self._solana is not None:
            parts.append(solana_toml(self._solana.name, self._solana.rpc, self._solana.programs))
        return parts


def evm_programs(deployed: evm.Deployed) -> tuple[Deployed, ...]:
    """The contracts by their names in the configuration."""
    built = (
        ("bets", "Bets", deployed.bets),
        ("feeds", "Feeds", deployed.feeds),
        ("contracts", "Contracts", deployed.contracts),
        ("payouts", "Payouts", deployed.payouts),
        ("projects", "Projects", deployed.projects),
        ("registry", "Registry", deployed.registry),
        ("exchange", "Exchange", deployed.exchange),
    )
    return tuple(
        Deployed(name, address, INTERFACES / f"{build}.abi.json") for name, build, address in built
    )


def solana_programs() -> tuple[Deployed, ...]:
    """The programs that the node is started with."""
    return tuple(
        Deployed(idl.name.split(".")[0], str(svm.program_id(idl)), idl)
        for idl in artifacts.SOLANA_IDLS
    )


def evm_toml(chain: str, rpc: str, programs: Sequence[Deployed]) -> str:
    """The part of a chainfold.toml about an anvil."""
    head = f'[chains.{chain}]\nkind = "evm"\nchain_id = {anvil.CHAIN_ID}\nrpc = ["{rpc}"]\n'
    parts = [head, *(_program(chain, p) for p in programs)]
    if any(p.program == "projects" for p in programs):
        # each project's own contract
        made = '{ program = "projects", event = "ProjectCreated", field = "payouts" }'
        payouts = next(p for p in programs if p.program == "payouts")
        parts.append(_program(chain, payouts).replace(f'"{payouts.address}"', made))
    return "\n".join(parts)


def solana_toml(chain: str, rpc: str, programs: Iterable[Deployed]) -> str:
    """The part of a chainfold.toml about a Solana node."""
    head = f'[chains.{chain}]\nkind = "solana"\nrpc = ["{rpc}"]\n'
    return "\n".join([head, *(_program(chain, p) for p in programs)])


def write_toml(file: Path, home: Path, chains: list[str]) -> Path:
    """Writes a chainfold.toml whose embedded database is in ``home``; gives its path."""
    data = json.dumps(str(home / "postgres"))
    database = f'[database]\nschema = "chainfold"\ndata_dir = {data}\n'
    folds = '[folds]\nmodules = ["indexer.folds.reference"]\n'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([database, *chains, folds]))
    return file


def _program(chain: str, p: Deployed) -> str:
    return (
        f'[[programs]]\nname = "{p.program}"\nchain = "{chain}"\naddress = "{p.address}"\n'
        f"interface = {json.dumps(str(p.interface))}\n"
    )
