"""From a block to its row at a client: how far the API's stream is behind the chains.

Both local chains run for real (anvil mining each transaction at once, our Solana node with its
slots), and so do `chainfold index` and `chainfold api` over a durable Postgres. Wallets place bets
at a steady rate. For each bet the clock starts when the node announces it over WebSocket to a
client beside the indexer (EVM: newHeads with its block; Solana: logsSubscribe, confirmed) and
stops when its row arrives over GET /v1/changes. ``commit_*`` stops at Postgres' own announcement
of the commit: the rest is the API's. ``sent_*`` starts at the sending instead: it
includes execution, and on Solana the wait for the slot's end.

The last line is JSON: p50, p99 and the worst in milliseconds for each chain; ``p99_ms`` is the
worse chain's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psycopg
from solana.rpc.commitment import Confirmed
from solana.rpc.types import TxOpts
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

from indexer.config import Database
from indexer.log.database import serve
from localnet.network import Localnet
from localnet.stories.bets import Action, Terms

_TERMS = Terms("creator-0", "resolver-0", 3, 3600, 3600, 100, bytes(32), bytes(32), "cid", "title")
_WARM = 10  # bets of each chain before the measured ones: the first ones open connections
_LIMIT = 30.0  # seconds after the last bet for its row to come


@dataclass
class Marks:
    """Times (monotonic seconds) of one chain's bets, by transaction or by block."""

    announced: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    committed: dict[str, float] = field(default_factory=dict)
    height: dict[str, int] = field(default_factory=dict)
    pos: dict[str, str] = field(default_factory=dict)
    sent: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    subscribed: bool = False

    def figures(self, chain: str) -> dict[str, float]:
        by_block = chain == "anvil"
        measured = self.order[_WARM:]
        since = [
            self.shown[tx] - self.announced[str(self.height[tx]) if by_block else tx]
            for tx in measured
        ]
        stored = [
            self.committed[self.pos[tx]] - self.announced[str(self.height[tx]) if by_block else tx]
            for tx in measured
        ]
        whole = [self.shown[tx] - self.sent[tx] for tx in measured]
        return {
            f"{chain}_p50_ms": _ms(statistics.median(since)),
            f"{chain}_p99_ms": _ms(_percentile(since, 99)),
            f"{chain}_max_ms": _ms(max(since)),
            f"{chain}_commit_p50_ms": _ms(statistics.median(stored)),
            f"{chain}_commit_p99_ms": _ms(_percentile(stored, 99)),
            f"{chain}_sent_p50_ms": _ms(statistics.median(whole)),
            f"{chain}_sent_p99_ms": _ms(_percentile(whole, 99)),
        }


def _percentile(values: list[float], percent: int) -> float:
    """The nearest rank: a measured value, not one between two."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


@asynccontextmanager
async def command(config: Path, url: str, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `chainfold` command that runs inside the block."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("chainfold"),
        "--config",
        config,
        *words,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"DATABASE_URL": url},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def drain(process: asyncio.subprocess.Process) -> None:
    """Reads what a command says, so that it doesn't wait for us; says it when the command ends."""
    assert process.stderr is not None
    last = b""
    async for line in process.stderr:
        last = line
    if await process.wait() > 0:
        sys.exit(f"a command ended: {last.decode().strip()}")


async def heads(session: aiohttp.ClientSession, net: Localnet, marks: Marks) -> None:
    """Notes when anvil announces each block."""
    async with session.ws_connect(net.evm.ws) as socket:
        await socket.send_json(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        )
        async for message in socket:
            now = time.perf_counter()
            said = orjson.loads(message.data)
            marks.subscribed = True
            if "params" in said:
                marks.announced.setdefault(str(int(said["params"]["result"]["number"], 16)), now)


async def logs(session: aiohttp.ClientSession, net: Localnet, marks: Marks) -> None:
    """Notes when the Solana node announces each of the program's transactions as confirmed."""
    wanted = [{"mentions": [net.solana.bets]}, {"commitment": "confirmed"}]
    async with session.ws_connect(net.solana.ws) as socket:
        await socket.send_json(
            {"jsonrpc": "2.0", "id": 1, "method": "logsSubscribe", "params": wanted}
        )
        async for message in socket:
            now = time.perf_counter()
            said = orjson.loads(message.data)
            marks.subscribed = True
            if "params" in said:
                marks.announced.setdefault(said["params"]["result"]["value"]["signature"], now)


async def rows(session: aiohttp.ClientSession, url: str, marks: dict[str, Marks]) -> None:
    """Notes when each bet's row arrives. The stream stands when its first line is there."""
    query = {"event": "bets_bet_placed"}
    async with session.get(f"{url}/v1/changes", params=query, timeout=_NEVER) as response:
        async for line in response.content:
            marks["api"].subscribed = True
            if line.startswith(b"data: "):
                now = time.perf_counter()
                said = orjson.loads(line[6:])
                of, tx = marks[said["chain"]], said["data"]["tx"]
                of.shown.setdefault(tx, now)
                of.height[tx] = int(said["pos"]) >> 28
                of.pos[tx] = said["pos"]


async def commits(url: str, times: list[tuple[int, float]]) -> None:
    """Notes when Postgres announces each commit, by the highest cursor in it."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("LISTEN chainfold_change")
        async for notice in connection.notifies():
            times.append((int(notice.payload), time.perf_counter()))


def committed(url: str, times: list[tuple[int, float]], marks: dict[str, Marks]) -> None:
    """Gives each position the time of the first commit that has its change."""
    with psycopg.connect(url) as connection:
        changes = connection.execute(
            "SELECT cursor, chain, pos::text FROM chainfold.change ORDER BY cursor"
        ).fetchall()
    left = iter(times)
    upto, at = next(left, (0, 0.0))
    for cursor, chain, pos in changes:
        while cursor > upto:
            upto, at = next(left, (1 << 63, at))
        marks[chain].committed[pos] = at


_NEVER = aiohttp.ClientTimeout(total=None, sock_read=None)


async def bets(
    send: Callable[[int], Awaitable[str]], marks: Marks, count: int, rate: float
) -> None:
    """Sends ``count`` bets, ``rate`` a second."""
    start = time.perf_counter()
    for i in range(count):
        await asyncio.sleep(max(0.0, start + i / rate - time.perf_counter()))
        now = time.perf_counter()
        tx = await send(i)
        marks.sent[tx] = now
        marks.order.append(tx)


def bettor(i: int) -> Action:
    """A small bet of one of the cast, never the same twice in a row."""
    name = f"bettor-{i % 40}"
    return Action(0, "place", 0, 0, name, name, i % 3, 1000 + i)


def on_anvil(net: Localnet, market: str) -> Callable[[int], Awaitable[str]]:
    client = net.evm.client

    async def send(i: int) -> str:
        action = bettor(i)
        wallet = client.wallet(action.actor)
        sent = await wallet.send(client.prepare(action, market), gas=250_000)
        return sent.to_0x_hex()

    return send


def on_solana(net: Localnet, market: str) -> Callable[[int], Awaitable[str]]:
    client = net.solana.client
    options = TxOpts(skip_preflight=True, preflight_commitment=Confirmed)

    async def send(i: int) -> str:
        action = bettor(i)
        signer = client.wallet(action.actor)
        instruction = client.prepare(action, Pubkey.from_string(market))
        message = Message([instruction], signer.pubkey())
        signed = Transaction([signer], message, await client.sender.blockhash())
        return str((await client.client.send_transaction(signed, options)).value)

    return send


async def until(condition: Callable[[], bool], what: str) -> None:
    limit = time.perf_counter() + _LIMIT
    while not condition():
        if time.perf_counter() > limit:
            sys.exit(f"{what} did not happen within {_LIMIT:.0f} s")
        await asyncio.sleep(0.05)


async def measure(count: int, rate: float) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(prefix="chainfold-bench-") as folder,
        serve(Database(None, "chainfold", Path(folder) / "postgres")) as url,
    ):
        async with Localnet(Path(folder) / "home") as net:
            return await over(net, url, count, rate)


async def over(net: Localnet, url: str, count: int, rate: float) -> dict[str, float]:
    """The measurement on running chains and database."""
    marks = {"anvil": Marks(), "solana": Marks(), "api": Marks()}
    now = int(time.time())
    evm, _ = await net.evm.client.open(_TERMS, now + 3600, now + 7200)
    solana, _ = await net.solana.client.open(_TERMS, now + 3600, now + 7200)
    tasks: list[asyncio.Task[Any]] = []
    times: list[tuple[int, float]] = []
    async with (
        command(net.config, url, "index") as index,
        aiohttp.ClientSession() as session,
    ):
        tasks.append(asyncio.create_task(drain(index)))
        await until(lambda: followed(url), "the indexer's first range")
        async with command(net.config, url, "api", "--port", "0") as api:
            assert api.stderr is not None
            said = (await api.stderr.readline()).decode()
            address = next(w for w in said.split() if w.startswith("http"))
            tasks += [
                asyncio.create_task(drain(api)),
                asyncio.create_task(heads(session, net, marks["anvil"])),
                asyncio.create_task(logs(session, net, marks["solana"])),
                asyncio.create_task(rows(session, address, marks)),
                asyncio.create_task(commits(url, times)),
            ]
            await until(lambda: all(m.subscribed for m in marks.values()), "subscribing")
            total = count + _WARM
            print(f"{count} bets on each chain, {rate:g} a second", flush=True)
            gc.freeze()  # a pause of the clock's own process would count as the product's
            await asyncio.gather(
                bets(on_anvil(net, evm), marks["anvil"], total, rate),
                bets(on_solana(net, solana), marks["solana"], total, rate),
            )
            chains = {name: marks[name] for name in ("anvil", "solana")}
            for chain, of in chains.items():
                await until(lambda of=of: set(of.order) <= set(of.shown), f"{chain}: every row")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    found: dict[str, float] = {}
    committed(url, times, marks)
    for chain, of in chains.items():
        found |= of.figures(chain)
    return found | {"p99_ms": max(found["anvil_p99_ms"], found["solana_p99_ms"])}


def followed(url: str) -> bool:
    """Whether both chains have a head row."""
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM chainfold.head").fetchone()
    except psycopg.Error:
        return False
    return row == (2,)


def main() -> None:
    parser = argparse.ArgumentParser(prog="head_latency")
    parser.add_argument("--bets", type=int, default=300, help="measured on each chain")
    parser.add_argument("--rate", type=float, default=10, help="bets a second on each chain")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.bets, options.rate))
    print(json.dumps({"benchmark": "head_latency", "bets": options.bets, **figures}))


if __name__ == "__main__":
    main()
