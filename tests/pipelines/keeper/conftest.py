"""A local chain that is played on, indexed as it goes, and kept by `chainfold keeper`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from indexer import store
from indexer.config import Config, load
from indexer.follow import Follower
from localnet.network import Localnet, SolanaKind
from localnet.play import Player
from localnet.stories.action import Script
from localnet.stories.bets import Action, Terms
from localnet.wallets import Cast

ChainName = Literal["anvil", "solana"]
PATIENCE = 90.0
"""Seconds that a test waits for what must come."""


@dataclass
class Kept:
    """A process of `chainfold keeper`, which tells in ``log``."""

    log: Path
    process: asyncio.subprocess.Process = field(init=False)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def errors(self) -> str:
        return self.log.with_suffix(".err").read_text()

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def told(self, what: str) -> dict[str, Any]:
        """Waits until it tells ``what``."""
        limit = time.monotonic() + PATIENCE
        while True:
            # the last line may be half written
            for line in self.log.read_text().splitlines(keepends=True):
                if line.endswith("\n") and (found := json.loads(line))["what"] == what:
                    return found
            assert time.monotonic() < limit, f"it never told {what!r}: {self.errors}"
            assert self.process.returncode is None, f"it ended: {self.errors}"
            await asyncio.sleep(0.1)


@dataclass
class Running:
    """One chain, the tables that follow it, and keepers in processes of their own.

    ``folder``: for keys and the like.
    """

    net: Localnet
    chain: ChainName
    config: Config
    url: str
    folder: Path
    player: Player = field(init=False)
    keepers: list[Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.player = Player(self.client, self.side.calls)

    @property
    def side(self) -> Any:
        return self.net.evm if self.chain == "anvil" else self.net.solana

    @property
    def client(self) -> Any:
        return self.side.client

    def address(self, name: str) -> str:
        """As the tables have it."""
        found = str(self.client.address(name))
        return found.lower() if self.chain == "anvil" else found

    async def play(self, script: Script) -> str:
        """Plays it, all of which must succeed; the entity's id."""
        before = len(self.player.sent)
        await self.player.play(script)
        assert [s for s in self.player.sent[before:] if not s.expected] == []
        return self.player.entities[script.key].id

    @property
    def bets(self) -> str:
        """Bets' address."""
        return self.side.bets

    async def market(
        self,
        *bets: tuple[str, int, int],
        fee_bps: int = 100,
        token: str = "",
        close_in: int = 3_600,
        resolve_in: int = 7_200,
    ) -> str:
        """A market that closes in an hour and must be resolved in two, with (bettor, outcome,
        amount) bets. ``token``: an EVM one other than the test USDC."""
        now = await self.client.now()
        terms = Terms(
            "creator-0", "resolver-0", 2, 0, 0, fee_bps, bytes(32), bytes(32), "", "Who wins?"
        )
        usual = self.client.deployed if token else None
        if token:
            self.client.deployed = replace(self.client.deployed, token=token)
        market, receipt = await self.client.open(terms, now + close_in, now + resolve_in)
        assert receipt.ok
        if usual is not None:
            self.client.deployed = usual
        for bettor, outcome, amount in bets:
            bet = {"bettor": bettor, "outcome": outcome, "amount": amount}
            await self.act("place", bettor, market, **bet)
        return market

    async def act(self, kind: Any, actor: str, market: str, **what: Any) -> None:
        receipt = await self.client.call(Action(0, kind, 0, 0, actor, **what), market)
        assert receipt.ok, receipt.error

    async def later(self, seconds: int) -> None:
        """Sets the chain's clock forward."""
        await self.client.travel(await self.client.now() + seconds)

    async def held(self, name: str) -> int:
        """USDC of an actor, in smallest units."""
        if self.chain == "anvil":
            return await self.client.token.functions.balanceOf(self.client.address(name)).call()
        found = await self.client.client.get_token_account_balance(self.client.account(name))
        return int(found.value.amount)

    def key(self, actor: str = "stranger") -> Path:
        """The actor's key in a file as the keeper wants it."""
        file = self.folder / f"{actor}.key"
        if self.chain == "anvil":
            file.write_text(self.net.cast.evm(actor).key.to_0x_hex())
        else:
            file.write_text(json.dumps(list(bytes(self.net.cast.solana(actor)))))
        file.chmod(0o600)
        return file

    async def keeper(self, *options: str, actor: str = "stranger") -> Kept:
        """Starts `chainfold keeper`; it is ended with the test."""
        kept = Kept(self.folder / f"keeper-{len(self.keepers)}.log")
        with kept.log.open("w") as out, kept.log.with_suffix(".err").open("w") as errors:
            kept.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "indexer.cli", "--config", str(self.config.path), "keeper"),
                *("--key", f"{self.chain}={self.key(actor)}", *options),
                stdout=out,
                stderr=errors,
                env={**os.environ, "DATABASE_URL": self.url},
            )
        self.keepers.append(kept)
        return kept

    async def once(self, *options: str, actor: str = "stranger") -> list[dict[str, Any]]:
        """One pass that succeeds; what it told."""
        kept = await self.keeper("--once", *options, actor=actor)
        assert await kept.ended() == 0, kept.errors
        assert kept.errors == ""
        return kept.lines

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, options="-c search_path=chainfold") as connection:
            return connection.execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    async def until(self, query: str, *values: Any) -> None:
        """Waits for a query of the tables whose first column is true."""
        limit = time.monotonic() + PATIENCE
        while True:
            rows = self.rows(query, *values)
            if rows and rows[0][0]:
                return
            died = [k.errors for k in self.keepers if k.errors]
            assert not died, died
            assert time.monotonic() < limit, f"it never came: {query}"
            await asyncio.sleep(0.1)

    async def indexed(self) -> None:
        """Waits until the tables have what the chain has now."""
        if self.chain == "anvil":
            height = await self.client.web3.eth.block_number
        else:
            height = (await self.client.client.get_slot("confirmed")).value
        await self.until("SELECT height >= %s FROM head WHERE chain = %s", height, self.chain)


@asynccontextmanager
async def _running(
    chain: ChainName, solana: SolanaKind, home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setenv("DATABASE_URL", url)
    cast = Cast(7, bettors=3, creators=1, resolvers=1)
    nodes: Any = {"chains": (chain,), "solana": solana, "slot_ms": 50, "finality": 2}
    async with Localnet(home, **nodes, cast=cast) as net:
        config = load(net.config)
        with store.opened(config) as ready:
            at = Running(net, chain, config, url, home)
            following = asyncio.create_task(Follower(ready, chain, lambda _: None).run())
            try:
                yield at
            finally:
                for process in (kept.process for kept in at.keepers):
                    if process.returncode is None:
                        process.kill()
                        await process.wait()
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


@pytest.fixture
def running(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """Of a chain's name and, for a real Solana node, its kind."""

    def start(
        chain: ChainName, solana: SolanaKind = "litesvm"
    ) -> AbstractAsyncContextManager[Running]:
        return _running(chain, solana, tmp_path, postgres_url, monkeypatch)

    return start
