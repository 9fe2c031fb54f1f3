"""`make demo`: everything, from nothing: chains, traffic, indexer, API, Dagster, a live table.

`--once` plays a minute of traffic, proves the tables against the chains and ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import aiohttp
import click

from indexer import config as configuration
from indexer.config import Config
from indexer.errors import ChainfoldError, Fatal
from indexer.log import database
from localnet import child, keeping, ports
from localnet.board import Board
from localnet.cli import Rate
from localnet.network import ANVIL_PORT, SOLANA_PORT, Localnet
from localnet.play import play, recorded
from localnet.proof import proof
from localnet.scenario import story
from localnet.together import leave, run, together
from localnet.wallets import Cast

API_PORT = 8080
DAGSTER_PORT = 3000


@dataclasses.dataclass(frozen=True)
class Options:
    home: Path
    rate: float
    seed: int
    seconds: float | None
    once: bool
    usual_ports: bool

    def port(self, usual: int, count: int = 1) -> int:
        """The first of ``count`` neighbouring ports: the usual ones where they are free."""
        if self.usual_ports:
            with suppress(Fatal):
                for i in range(count):
                    ports.require_free(usual + i, "demo", "")
                return usual
        return ports.free(count)


@click.command()
@click.option("--once", is_flag=True, help="A minute of traffic, then the proof, then the end.")
@click.option("--traffic", "rate", type=Rate(), default="20/s", show_default=True)
@click.option("--seed", default=7, show_default=True, help="Of wallets and traffic.")
@click.option("--seconds", type=click.FloatRange(1), help="Length of the traffic.  [once: 60]")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".chainfold/demo"),
    show_default=True,
    help="Folder for everything; what an earlier demo left there is removed.",
)
@click.option("--free-ports", is_flag=True, help="Free ports, not the usual ones where free.")
def main(
    once: bool, rate: float, seed: int, seconds: float | None, home: Path, free_ports: bool
) -> None:
    """All of chainfold on this machine, ended by Ctrl-C."""
    length = seconds or (60 if once else None)
    options = Options(home.resolve(), rate, seed, length, once, not free_ports)
    try:
        passed = run(demo(options))
    except ChainfoldError as error:
        click.secho(f"demo: {error}", err=True, fg="red")
        leave(1)
    leave(1 if once and not passed else 0)


async def demo(options: Options) -> bool:
    """Runs until it is cancelled, or, once, through the proof; whether that held."""
    _clear(options.home)
    async with AsyncExitStack() as stack:
        stack.callback(click.echo, "everything has ended")
        say("chains: anvil and a Solana node, with the programs, USDC and funded wallets")
        net = await stack.enter_async_context(
            Localnet(
                options.home,
                anvil_port=options.port(ANVIL_PORT),
                solana_port=options.port(SOLANA_PORT, 2),
                block_time=1.0,
                cast=Cast(options.seed),
            )
        )
        say("database: an embedded Postgres")
        config = stack.enter_context(_database(net.config))
        stack.push_async_callback(_stop_all, children := [])
        api, dagster = options.port(API_PORT), options.port(DAGSTER_PORT)
        say("indexer, API and Dagster")
        await _start_services(config, net, api, dagster, children)
        keeper = await keeping.start(net, config, {"DATABASE_URL": config.database.url or ""})
        children.append(keeper)
        _urls(net, api, dagster)
        note = stack.enter_context(recorded(options.home / "traffic.jsonl"))
        players = net.players(note)
        board = Board(config, players, sys.stdout)
        traffic = asyncio.ensure_future(
            play(players, lambda: story(net.cast, options.rate), options.seconds)
        )
        stack.callback(traffic.cancel)
        say(f"traffic: {options.rate:g} transactions a second on each chain, seed {options.seed}")
        opened = children[2].ready(
            lambda: _answers(f"http://{ports.HOST}:{dagster}/server_info"), 300
        )
        watched = together(
            net.watch(), _watch(children), board.show(), _done(traffic, opened, options)
        )
        with suppress(_Finished):
            await watched
        if not options.once:
            return True
        # what it has sent is in a block, and nothing more comes, while the chains are read
        children.remove(keeper)
        await keeper.stop()
        say("proof: the chains' own blocks against the tables")
        findings = await proof(net, config, players, f"http://{ports.HOST}:{api}")
        for finding in findings:
            mark = click.style("ok  ", "green") if finding.ok else click.style("FAIL", "red")
            click.echo(f"  {mark} {finding.what}: {finding.detail}")
        return all(finding.ok for finding in findings)


class _Finished(Exception):
    """The traffic of `--once` is over."""


async def _done(traffic: Awaitable[None], opened: Awaitable[None], options: Options) -> None:
    await opened
    say("Dagster is open")
    await traffic
    if options.once:
        raise _Finished
    await asyncio.Event().wait()


def _clear(home: Path) -> None:
    """An earlier demo's chains are gone, so its tables are of no use."""
    marker = home / ".chainfold-demo"
    if home.exists() and any(home.iterdir()) and not marker.exists():
        raise Fatal(f"{home} holds other files: name an empty folder with --home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    marker.touch()


@contextmanager
def _database(file: Path) -> Iterator[Config]:
    """The configuration, with the URL of an embedded server that runs as long as this block."""
    os.environ.pop("DATABASE_URL", None)
    config = configuration.load(file)
    with database.serve(config.database) as url:
        yield dataclasses.replace(config, database=dataclasses.replace(config.database, url=url))


async def _start_services(
    config: Config, net: Localnet, api: int, dagster: int, children: list[child.Child]
) -> None:
    """Starts all three; returns when the indexer and the API are ready: Dagster takes longer."""
    from pipelines.instance import environment

    bin_, logs = Path(sys.executable).parent, net.home / "logs"
    own = [bin_ / "chainfold", "--config", config.path]
    dev = [bin_ / "dagster", "dev", "-m", "pipelines.definitions", "-h", ports.HOST, "-p", dagster]
    env = {"DATABASE_URL": config.database.url or ""}
    dagster_env = {**env, **environment(config), "CHAINFOLD_RANGE_SIZE": "50"}
    index = await child.start("chainfold index", [*own, "index"], logs / "index.log", env)
    children.append(index)
    await index.ready(lambda: _has_tables(config), 120)
    serve = await child.start("chainfold api", [*own, "api", "--port", api], logs / "api.log", env)
    children.append(serve)
    await serve.ready(lambda: _answers(f"http://{ports.HOST}:{api}/docs"), 120)
    children.append(await child.start("dagster", dev, logs / "dagster.log", dagster_env))


async def _has_tables(config: Config) -> bool:
    assert config.database.url is not None
    with database.connect(config.database.url, name="chainfold demo") as connection:
        row = connection.execute(
            "SELECT to_regclass(%s)", [f"{config.database.schema}.head"]
        ).fetchone()
        return bool(row and row[0])


async def _answers(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status == 200


async def _watch(children: list[child.Child]) -> None:
    """Raises Fatal when one of them ends."""
    while True:
        for one in children:
            if not one.running:
                raise Fatal(f"{one.name} ended: {one.last_words()} (whole log: {one.log})")
        await asyncio.sleep(0.2)


async def _stop_all(children: list[child.Child]) -> None:
    await asyncio.gather(*(one.stop() for one in children))


def _urls(net: Localnet, api: int, dagster: int) -> None:
    lines = {
        "API docs": f"http://{ports.HOST}:{api}/docs",
        "Dagster": f"http://{ports.HOST}:{dagster}",
        "EVM RPC": net.evm.rpc,
        "Solana RPC": f"{net.solana.rpc}  {net.solana.ws}",
        "tables": f"chainfold --config {net.config} status",
        "logs": str(net.home / "logs"),
    }
    for name, where in lines.items():
        click.echo(f"  {name:11}{where}")


def say(what: str) -> None:
    click.secho(f"[{time.strftime('%H:%M:%S')}] ", nl=False, dim=True)
    click.echo(what)


if __name__ == "__main__":
    main()
