"""One seed, from an empty database to the comparison."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import psycopg

from localnet.solana.faults import Rule
from sim import compare, evm, solana, truth
from sim.evm import EvmChain
from sim.indexers import Failed, Indexers
from sim.plan import Plan, plan
from sim.proxy import Proxy, View
from sim.rpc import Rpc
from sim.solana import SolanaChain

Chain = EvmChain | SolanaChain
_ARRIVE = 60.0  # seconds that the indexer has to get to the tip once all is well


@dataclass
class Outcome:
    """``problems``: what is wrong, a line each; none where all is right. ``did``: what happened."""

    seed: int
    problems: list[str] = field(default_factory=list)
    did: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


async def play(seed: int, server: str, home: Path, steps: int | None = None) -> Outcome:
    """Plays ``seed`` against the Postgres at ``server``; files are left in ``home``."""
    began, outcome = time.monotonic(), Outcome(seed)
    home.mkdir(parents=True, exist_ok=True)
    name = f"sim_{seed}_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        run = Run(plan(seed, steps), admin, name, url, home, outcome)
        try:
            await run.play()
        except Failed as error:
            outcome.problems.append(str(error))
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # pyright: ignore
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


@dataclass
class Run:
    plan: Plan
    admin: psycopg.Connection[Any]
    database: str
    url: str
    home: Path
    outcome: Outcome

    async def play(self) -> None:
        plan = self.plan
        self.dice = random.Random(f"run {plan.seed}")
        async with AsyncExitStack() as stack:
            self.session = await stack.enter_async_context(aiohttp.ClientSession())
            self.evm = await stack.enter_async_context(
                evm.chain(self.home, plan.seed, plan.finality, self.session)
            )
            self.solana = await stack.enter_async_context(solana.chain(plan.seed, plan.finality))
            self.chains: list[Chain] = [self.evm, self.solana]
            self.proxies = {c.name: [await self._proxy(stack, c, i) for i in range(plan.nodes)]
                            for c in self.chains}  # fmt: skip
            for chain in self.chains:
                for _ in range(self.dice.randrange(plan.finality * 3)):
                    await chain.block(self.dice.randrange(1, 20))
            self.indexers = Indexers(self.home, self._config())
            stack.push_async_callback(self.indexers.close)
            await self.indexers.start()
            if self.dice.random() < 0.7:  # else the history goes on while it starts
                await self._begun()
            for step in range(plan.steps):
                await self._step(step)
            await self._settle()
        self.outcome.did |= {
            "starts": self.indexers.starts,
            "kills": self.indexers.kills,
            "undone": self.indexers.told("reorg"),
            "waits": self.indexers.told("waiting"),
        }

    async def _proxy(self, stack: AsyncExitStack, chain: Chain, i: int) -> Proxy:
        dice = random.Random(f"proxy {chain.name} {i} {self.plan.seed}")
        known = chain if isinstance(chain, EvmChain) else None
        proxy = Proxy(chain.url, chain.ws, self.plan.trouble, dice, known)
        await proxy.start(self.session)
        stack.push_async_callback(proxy.stop)
        return proxy

    def _config(self) -> Path:
        self.starts = {c.name: 0 if self.plan.from_genesis else c.start for c in self.chains}
        parts = [f'[database]\nurl = "{self.url}"\n']
        for chain in self.chains:
            proxies = self.proxies[chain.name]
            urls = [p.url for p in proxies]
            parts.append(chain.toml(urls, proxies[0].ws_url, self.starts[chain.name]))
        parts.append('[folds]\nmodules = ["indexer.folds.bets"]\n')
        file = self.home / "chainfold.toml"
        file.write_text("\n".join(parts))
        return file

    def _did(self, what: str) -> None:
        self.outcome.did[what] = self.outcome.did.get(what, 0) + 1

    async def _step(self, step: int) -> None:
        plan, dice = self.plan, self.dice
        hidden = self.solana.node.chain.hidden
        if hidden and min(hidden) <= self.solana.final:
            self.solana.node.chain.hidden = set()  # no node is without a block that is final
        for chain in self.chains:
            seconds = dice.randrange(1, 20)
            if dice.random() < plan.jump:
                seconds += dice.choice([300, 3_600])
            await chain.block(seconds)
            await self._perhaps_reorg(chain)
            self._perhaps_view(chain)
        if step == plan.beyond:
            await self._beyond(dice.choice(self.chains))
        await self._perhaps_end()
        if dice.random() < plan.disconnect:
            self._did("disconnects")
            self._disconnect()
        if dice.random() < plan.refuse:
            self._did("refusals")
            await self._refuse()
        await self.indexers.look()
        # the pace of the history: now the indexer is at the tip, now it is blocks behind
        await asyncio.sleep(dice.choice([0, 0, 0.02, 0.15]))

    async def _begun(self) -> None:
        limit = time.monotonic() + _ARRIVE
        while len(self._heads()) < len(self.chains) and time.monotonic() < limit:
            await self.indexers.look()
            await asyncio.sleep(0.02)

    async def _there(self, chain: Chain, seconds: float) -> None:
        """Waits until the indexer is at the tip of ``chain``, ``seconds`` at most."""
        tip, limit = await self._tip(chain), time.monotonic() + seconds
        while self._heads().get(chain.name) != tip and time.monotonic() < limit:
            await asyncio.sleep(0.02)

    async def _perhaps_reorg(self, chain: Chain) -> None:
        chance = self.dice.random()
        depth = chain.deepest()
        if depth < 1 or chance >= self.plan.reorg + self.plan.deep:
            return
        deep = chance < self.plan.deep
        depth = self.dice.randint(1, depth if deep else min(3, depth))
        self._did("deep reorgs" if deep else "reorgs")
        self._clear_views(chain)
        if self.indexers.running and self.dice.random() < 0.7:
            await self._there(chain, 2)  # so that it has something to undo
        await chain.drop(depth)
        if isinstance(chain, EvmChain):
            top = max(chain.orphans)
            for proxy in self.proxies[chain.name]:
                if self.dice.random() < 0.3:
                    proxy.view = View(top, chain.fork, chain.orphans)
        for _ in range(self.dice.choice([0, 1, depth + 1])):
            await chain.block(self.dice.randrange(1, 20))

    def _perhaps_view(self, chain: Chain) -> None:
        """For a while a node lags, has lost blocks, or still serves another fork."""
        if self.dice.random() >= self.plan.view:
            return
        self._did("views")
        if isinstance(chain, EvmChain):
            proxy = self.dice.choice(self.proxies[chain.name])
            if proxy.view is not None or self.dice.random() < 0.3:
                proxy.view = None
                return
            tip = max(1, chain.height - self.dice.choice([0, 1, 5, 30]))
            proxy.view = View(tip, tip, {})
            return
        node, dice = chain.node, self.dice
        node.chain.lag = 0
        node.chain.hidden = set()
        node.chain.serves_orphans = dice.random() < 0.3
        node.controls.faults.everywhere = Rule()
        match dice.randrange(4):
            case 0:
                node.chain.lag = dice.choice([1, 5, 20])
            case 1:
                node.controls.faults.everywhere = Rule(lag_rate=0.3, lag_blocks=dice.choice([1, 9]))
            case 2:
                above = [b.slot for b in node.chain.ledger.chain[-5:]]
                node.chain.hidden = {dice.choice(above)}
            case _:
                pass

    def _clear_views(self, chain: Chain) -> None:
        for proxy in self.proxies[chain.name]:
            proxy.view = None
        if isinstance(chain, SolanaChain):
            chain.node.chain.lag = 0
            chain.node.chain.hidden = set()
            chain.node.chain.serves_orphans = False
            chain.node.controls.faults.everywhere = Rule()

    async def _perhaps_end(self) -> None:
        plan, dice, indexers = self.plan, self.dice, self.indexers
        if indexers.running and dice.random() < plan.kill:
            await indexers.kill(dice.choice(indexers.running))
        if indexers.running and dice.random() < plan.terminate:
            self._did("terms")
            await indexers.terminate(dice.choice(indexers.running))
        if dice.random() < plan.second and len(indexers.running) < 2:
            self._did("seconds")
            await indexers.start()
        if not indexers.running and dice.random() < 0.5:
            await indexers.start()

    def _disconnect(self) -> None:
        self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND application_name LIKE 'chainfold%%'",
            [self.database],
        )

    async def _refuse(self) -> None:
        """The database is away for a moment."""
        self.admin.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false")  # pyright: ignore
        self._disconnect()
        await asyncio.sleep(self.dice.choice([0.05, 0.5]))
        self.admin.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")  # pyright: ignore

    async def _beyond(self, chain: Chain) -> None:
        """A reorganisation of what was final: the indexer must say so, and repair must mend it."""
        self._did("beyond")
        for one in [*self.indexers.running]:
            await self.indexers.terminate(one)
        self._quiet(True)
        done = await self.indexers.run("--once")
        if done.process.returncode != 0:
            raise Failed(f"index --once ended with {done.process.returncode}: {done.last_words()}")
        above = [h for h in self._heights(chain) if h > self._heights(chain)[0]]
        depth = min(self.plan.finality + self.dice.randrange(1, 10), len(above) - 1)
        if depth <= self.plan.finality:
            return
        was = chain.final
        await chain.drop(depth)
        chain.rewrite_finality()
        blocks = depth + 2
        while blocks > 0 or chain.final < was:  # slots that were skipped aren't any more
            await chain.block(self.dice.randrange(1, 20))
            blocks -= 1
        done = await self.indexers.run("--once", "--chain", chain.name)
        if done.process.returncode == 0 or "chainfold repair" not in done.last_words():
            raise Failed(f"below finality it ended with {done.process.returncode}, saying: "
                         f"{done.last_words()}")  # fmt: skip
        done = await self.indexers.run("--chain", chain.name, command="repair")
        if done.process.returncode != 0:
            raise Failed(f"repair ended with {done.process.returncode}: {done.last_words()}")
        self._quiet(False)
        await self.indexers.start()

    def _heights(self, chain: Chain) -> list[int]:
        if isinstance(chain, EvmChain):
            return sorted(chain.snapshots)
        return [b.slot for b in chain.node.chain.ledger.chain]

    def _quiet(self, quiet: bool) -> None:
        for chain in self.chains:
            self._clear_views(chain)
            for proxy in self.proxies[chain.name]:
                proxy.quiet = quiet

    async def _settle(self) -> None:
        """All is well from here on: what runs gets to the tip by itself and is compared."""
        self._quiet(True)
        for chain in self.chains:
            await chain.block(1)
        if not self.indexers.running:
            await self.indexers.start()
        tips = {c.name: await self._tip(c) for c in self.chains}
        limit = time.monotonic() + _ARRIVE
        while (heads := self._heads()) != tips:
            await self.indexers.look()
            if time.monotonic() > limit:
                raise Failed(f"after {_ARRIVE:.0f} s without faults it is at {heads}, not {tips}")
            await asyncio.sleep(0.02)
        for one in [*self.indexers.running]:
            await self.indexers.terminate(one)
        for proxies in self.proxies.values():
            for proxy in proxies:
                for what, n in proxy.counts.items():
                    self.outcome.did[what] = self.outcome.did.get(what, 0) + n
        await self._compare()

    async def _tip(self, chain: Chain) -> tuple[int, str]:
        rpc = Rpc(chain.url, self.session)
        if isinstance(chain, EvmChain):
            block = await rpc("eth_getBlockByNumber", "latest", False)
            return int(block["number"], 16), block["hash"]
        head = chain.node.chain.ledger.head
        return head.slot, str(head.hash)

    def _heads(self) -> dict[str, tuple[int, str]]:
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT to_regclass('chainfold.head')").fetchone()
            if found is None or found[0] is None:
                return {}
            rows = connection.execute("SELECT chain, height, hash FROM chainfold.head")
            return {chain: (height, hash_) for chain, height, hash_ in rows}

    async def _compare(self) -> None:
        rows = 0
        with psycopg.connect(self.url) as connection:
            for chain in self.chains:
                rpc, start = Rpc(chain.url, self.session), self.starts[chain.name]
                read = (
                    truth.evm(chain, rpc, start)
                    if isinstance(chain, EvmChain)
                    else truth.solana(chain, rpc, start)
                )
                events, blocks = await read
                rows += sum(map(len, events.values()))
                found = compare.differences(connection, chain.name, events, blocks)
                self.outcome.problems += found
        self.outcome.did["events"] = rows
