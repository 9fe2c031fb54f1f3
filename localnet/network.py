"""Both local chains as one: started, the programs deployed, wallets funded, ready for traffic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from indexer.errors import Fatal
from localnet import anvil, artifacts, child, evm, ports, solananode, svm
from localnet.play import Note, Player, play
from localnet.scenario import Action, story
from localnet.together import together
from localnet.wallets import Cast

SolanaKind = Literal["litesvm", "test-validator", "surfpool"]
ANVIL_PORT = 8545
SOLANA_PORT = 8899


@dataclass(frozen=True)
class EvmChain:
    """``bets`` and ``token``: EIP-55 addresses. ``client`` calls Bets by the cast's wallets."""

    name: str
    rpc: str
    ws: str
    chain_id: int
    bets: str
    token: str
    client: evm.EvmBets


@dataclass(frozen=True)
class SolanaChain:
    """``bets``: program id, ``token``: mint. ``client`` calls bets by the cast's wallets."""

    name: str
    rpc: str
    ws: str
    bets: str
    token: str
    client: svm.SolanaBets


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
        deployed = await evm.deploy(web3)
        client = evm.EvmBets(web3, "anvil", anvil.CHAIN_ID, deployed, self.cast)
        await client.fund()
        self._evm = EvmChain(
            "anvil", node.url, node.ws, anvil.CHAIN_ID, deployed.bets, deployed.token, client
        )

    async def _start_solana(self, stack: AsyncExitStack) -> None:
        port = self._solana_port or ports.free(2)
        process = await solananode.start(self._solana_kind, self.home, port, *self._slots)
        stack.push_async_callback(process.stop)
        self.nodes.append(process)
        url, ws = f"http://{ports.HOST}:{port}", f"ws://{ports.HOST}:{port + 1}"
        client = svm.SolanaBets(svm.connect(url), "solana", self.cast)
        stack.push_async_callback(client.close)
        await client.fund()
        self._solana = SolanaChain(
            "solana", url, ws, str(client.program_id), str(client.token), client
        )

    def players(self, note: Note | None = None, travels: bool = False) -> list[Player]:
        """One for each chain that runs."""
        clients = [c.client for c in (self._evm, self._solana) if c is not None]
        return [Player(client, note, travels) for client in clients]

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

        def told() -> Iterable[Action]:
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
            "programs": {c.name: {"bets": c.bets} for c in running},
            "tokens": {c.name: {"USDC": c.token} for c in running},
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
            parts.append(evm_toml(self._evm.name, self._evm.rpc, self._evm.bets))
        if self._solana is not None:
            parts.append(solana_toml(self._solana.name, self._solana.rpc, self._solana.bets))
        return parts


def evm_toml(chain: str, rpc: str, bets: str) -> str:
    """The part of a chainfold.toml about an anvil."""
    return (
        f'[chains.{chain}]\nkind = "evm"\nchain_id = {anvil.CHAIN_ID}\nrpc = ["{rpc}"]\n\n'
        + _program(chain, bets, artifacts.BETS_ABI)
    )


def solana_toml(chain: str, rpc: str, bets: str) -> str:
    """The part of a chainfold.toml about a Solana node."""
    return f'[chains.{chain}]\nkind = "solana"\nrpc = ["{rpc}"]\n\n' + _program(
        chain, bets, artifacts.BETS_IDL
    )


def write_toml(file: Path, home: Path, chains: list[str]) -> Path:
    """Writes a chainfold.toml whose embedded database is in ``home``; gives its path."""
    data = json.dumps(str(home / "postgres"))
    database = f'[database]\nschema = "chainfold"\ndata_dir = {data}\n'
    folds = '[folds]\nmodules = ["indexer.folds.reference"]\n'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([database, *chains, folds]))
    return file


def _program(chain: str, address: str, interface: Path) -> str:
    return (
        f'[[programs]]\nname = "bets"\nchain = "{chain}"\naddress = "{address}"\n'
        f"interface = {json.dumps(str(interface))}\n"
    )
