"""A real anvil with markets in every state, and schemas of an embedded Postgres."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from localnet import anvil, evm, wallets
from localnet.calls.bets import EvmBets
from localnet.stories.bets import Action, Terms
from localnet.wallets import Cast
from pipelines.project import Project

ROOT = Path(__file__).resolve().parents[2]
SIZE = 8
"""Heights in a partition here: the history has dozens."""


@dataclass
class Chain:
    """An anvil of one test module, and the loop that its clients live in."""

    loop: asyncio.AbstractEventLoop
    node: anvil.Anvil
    bets: EvmBets

    def rpc(self, method: str, *params: object) -> object:
        return self.loop.run_until_complete(self.bets.rpc(method, list(params)))

    def mine(self, blocks: int) -> None:
        self.rpc("anvil_mine", hex(blocks))

    def play(self, markets: int) -> None:
        """Markets with bets: one in three resolved and claimed, one voided, one left open."""
        self.loop.run_until_complete(self._play(markets))

    async def _play(self, markets: int) -> None:
        opened: list[str] = []
        start = await self.bets.now()
        for n in range(markets):
            terms = Terms(
                f"creator-{n % 2}", "resolver-0", 2 + n % 3, 0, 0, 250, bytes(32), bytes(32), "",
                f"Market {n}: ünïcödé, 'quotes'",
            )  # fmt: skip
            market, receipt = await self.bets.open(terms, start + 3_600, start + 864_000)
            assert receipt.ok
            opened.append(market)
        for n, market in enumerate(opened):
            for b in range(4):
                bet = {"outcome": (b + n) % 2, "amount": 1_000_000 * (b + 1) + n}
                await self._send("place", f"bettor-{b}", market, bettor=f"bettor-{b}", **bet)
        await self.bets.rpc("evm_increaseTime", [3_700])
        await self.bets.rpc("anvil_mine", ["0x1"])
        for n, market in enumerate(opened):
            if n % 3 == 0:
                await self._send("resolve", "resolver-0", market, outcome=0)
                await self._send("collect_fee", "stranger", market)
            elif n % 3 == 1:
                await self._send("void", "resolver-0", market)
            if n % 3 < 2:
                for b in range(4):
                    if n % 3 == 1 or (b + n) % 2 == 0:
                        paid = {"bettor": f"bettor-{b}", "outcome": (b + n) % 2}
                        await self._send("claim", "stranger", market, **paid)

    async def _send(self, kind: str, actor: str, market: str, **more: object) -> None:
        action = Action(0, kind, 0, 0, actor, **more)  # type: ignore[arg-type]
        receipt = await self.bets.call(action, market)
        assert receipt.ok, action


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """An anvil that mines a block a transaction, with six markets on it, all of it final."""
    loop = asyncio.new_event_loop()
    log = tmp_path_factory.mktemp("anvil") / "anvil.log"
    node = loop.run_until_complete(anvil.start(log, block_time=None))
    web3 = evm.connect(node.url)
    try:
        deployed = loop.run_until_complete(evm.deploy(web3, wallets.deployer().address))
        bets = EvmBets(web3, "anvil", anvil.CHAIN_ID, deployed, Cast(7, bettors=4))
        loop.run_until_complete(bets.fund())
        found = Chain(loop, node, bets)
        found.play(6)
        # what is final ends within a range, not with it
        found.mine(36)
        yield found
        loop.run_until_complete(bets.close())
    finally:
        loop.run_until_complete(node.process.stop())
        loop.close()


@pytest.fixture
def config_file(chain: Chain, tmp_path: Path) -> Path:
    """A chainfold.toml for the chain, in a folder of its own."""
    file = tmp_path / "chainfold.toml"
    file.write_text(
        f"""
[chains.anvil]
kind = "evm"
chain_id = {anvil.CHAIN_ID}
rpc = ["{chain.node.url}"]
[[programs]]
name = "bets"
chain = "anvil"
address = "{chain.bets.deployed.bets}"
interface = "{ROOT}/programs/interfaces/Bets.abi.json"
[folds]
modules = ["indexer.folds.reference"]
""",
        "utf-8",
    )
    return file


@pytest.fixture
def project(config_file: Path, postgres_url: str, tmp_path: Path) -> Callable[[], Project]:
    """Makes a project with an empty schema of its own and its own lake."""
    numbers = itertools.count()

    def make() -> Project:
        n = next(numbers)
        return Project(
            config_file=str(config_file),
            database_url=postgres_url,
            database_schema=f"chainfold_{n}",
            range_size=SIZE,
            lake_dir=str(tmp_path / f"lake-{n}"),
        )

    return make
