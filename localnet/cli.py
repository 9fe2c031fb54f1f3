"""`chainfold localnet`: both chains on this machine, with traffic."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

import click

from indexer.errors import ChainfoldError
from localnet.network import ANVIL_PORT, SOLANA_PORT, Localnet
from localnet.play import Sent, play, recorded
from localnet.scenario import story
from localnet.together import leave, run, together
from localnet.wallets import Cast


class Rate(click.ParamType):
    """``20/s``, ``90/m`` or a bare number a second; gives transactions a second."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:/\s*(s|m|min))?", str(value).strip())
        rate = float(match[1]) / (1 if match[2] in (None, "s") else 60) if match else 0.0
        if not match or not 0 <= rate <= 500:
            self.fail(f"{value!r} is no rate: write 20/s, up to 500/s; 0 for no traffic")
        return rate


@click.command()
@click.option(
    "--anvil-port", type=int, help=f"anvil's port.  [default: {ANVIL_PORT}, or the base port]"
)
@click.option(
    "--solana-port",
    type=int,
    help=f"Solana's RPC port; its WebSocket has the next.  [default: {SOLANA_PORT}, or base + 1]",
)
@click.option("--base-port", type=int, help="First of three ports: anvil, Solana, its WebSocket.")
@click.option(
    "--solana",
    type=click.Choice(["litesvm", "test-validator", "surfpool"]),
    default="litesvm",
    show_default=True,
    help="Which Solana node: ours, or a real one where it is installed.",
)
@click.option(
    "--block-time",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Seconds between EVM blocks; 0: a block for each transaction at once.",
)
@click.option(
    "--traffic",
    type=Rate(),
    default="0",
    show_default=True,
    metavar="RATE",
    help="Transactions on each chain, e.g. 20/s.",
)
@click.option("--seed", default=7, show_default=True, help="Of wallets and traffic.")
@click.option(
    "--seconds", type=click.FloatRange(0), help="Length of the traffic; then only chains."
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".chainfold"),
    show_default=True,
    help="Folder for logs, localnet.json and traffic.jsonl.",
)
@click.option(
    "--config-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the chainfold.toml of these chains here.",
)
def localnet(
    anvil_port: int | None,
    solana_port: int | None,
    base_port: int | None,
    solana: Any,
    block_time: float,
    traffic: float,
    seed: int,
    seconds: float | None,
    home: Path,
    config_out: Path | None,
) -> None:
    """Run anvil and a Solana node, with the programs deployed and wallets funded.

    Ends both on Ctrl-C. Prints JSON lines where stdout is no terminal: `ready` first.
    """
    net = Localnet(
        home,
        anvil_port=anvil_port or base_port or ANVIL_PORT,
        solana_port=solana_port or (base_port + 1 if base_port else SOLANA_PORT),
        solana=solana,
        block_time=block_time or None,
        cast=Cast(seed),
        config=config_out,
    )
    try:
        run(_serve(net, traffic, seconds, sys.stdout))
    except ChainfoldError as error:
        click.echo(f"chainfold: {error}", err=True)
        leave(1)
    leave(0)


async def _serve(net: Localnet, rate: float, seconds: float | None, out: TextIO) -> None:
    tell = _terminal if out.isatty() else _lines
    async with net:
        tell(
            out, "ready", **net.state(), config=str(net.config), home=str(net.home), pid=os.getpid()
        )
        await together(net.watch(), _traffic(net, rate, seconds, out, tell))


async def _traffic(
    net: Localnet, rate: float, seconds: float | None, out: TextIO, tell: Any
) -> None:
    if not rate:
        return
    counts: Counter[str] = Counter()
    with recorded(net.home / "traffic.jsonl") as record:

        def note(sent: Sent) -> None:
            record(sent)
            counts[f"{sent.chain} {'sent' if sent.ok else 'refused'}"] += 1

        async def report() -> None:
            while True:
                await asyncio.sleep(10)
                tell(out, "traffic", **counts)

        reporter = asyncio.create_task(report())
        try:
            await play(net.players(note), lambda: story(net.cast, rate), seconds)
        finally:
            reporter.cancel()
    tell(out, "traffic ended", **counts)


def _lines(out: TextIO, event: str, **facts: Any) -> None:
    out.write(json.dumps({"event": event, "at": round(time.time(), 3), **facts}) + "\n")
    out.flush()


def _terminal(out: TextIO, event: str, **facts: Any) -> None:
    if event != "ready":
        told = ", ".join(f"{name}: {value}" for name, value in facts.items())
        click.echo(f"{event}: {told or 'none yet'}", out)
        return
    click.secho("both chains are up", out, bold=True)
    for name, urls in facts["chains"].items():
        click.echo(f"  {name:8} {urls['rpc']}   {urls['ws']}", out)
        for program, address in facts["programs"][name].items():
            click.echo(f"  {'':8} {program:9} {address}", out)
        click.echo(f"  {'':8} {'USDC':9} {facts['tokens'][name]['USDC']}", out)
    click.echo(f"  wallets and their keys: {facts['home']}/localnet.json", out)
    click.echo(f"next: chainfold --config {facts['config']} index    (Ctrl-C ends the chains)", out)
