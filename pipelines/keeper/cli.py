"""`chainfold keeper`: cranks what anyone may crank, until it is told to stop.

Its configuration is its options: chainfold.toml is read by the API too, which must not know where
a key lies.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from deploy import key
from indexer import config as configuration
from indexer.config import Config
from indexer.decode.schema import Schema, schema
from indexer.errors import ChainfoldError, Fatal, Retryable
from indexer.log import database
from indexer.rpc.client import Rpc
from pipelines.keeper import ledger
from pipelines.keeper.chain import Chain
from pipelines.keeper.evm import Evm
from pipelines.keeper.report import reporter
from pipelines.keeper.run import Caps, Keeper, Report
from pipelines.keeper.trees import Tree, load

_DECIMALS = {"evm": 18, "solana": 9}


class Of(click.ParamType[tuple[str, str], Any]):
    """CHAIN=VALUE."""

    name = "CHAIN=…"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        chain, equals, rest = str(value).partition("=")
        if not equals or not chain or not rest:
            self.fail(f"{value!r} is not CHAIN=…, such as anvil=0.01", param, ctx)
        return chain, rest


@click.command()
@click.option("--key", "keys", type=Of(), multiple=True, required=True, metavar="CHAIN=FILE",
              help="A chain to keep, and the key that signs there; mode 0600.")  # fmt: skip
@click.option("--max-fee", "max_fees", type=Of(), multiple=True, metavar="CHAIN=AMOUNT",
              help="Most that a transaction may cost, in ETH or SOL.  [0.01]")  # fmt: skip
@click.option("--per-day", "per_days", type=Of(), multiple=True, metavar="CHAIN=AMOUNT",
              help="Most that 24 hours may cost.  [0.1]")  # fmt: skip
@click.option("--keep", "keeps", type=Of(), multiple=True, metavar="CHAIN=AMOUNT",
              help="What must stay in the account.  [0.01]")  # fmt: skip
@click.option("--trees", type=click.Path(path_type=Path),
              help="Folder of StandardMerkleTree dumps: their leaves are paid too.")  # fmt: skip
@click.option("--every", type=click.FloatRange(0.05), default=2.0, show_default=True,
              help="Seconds between passes.")  # fmt: skip
@click.option("--only-pay", is_flag=True, help="Leave out what only closes and gives rent back.")
@click.option("--once", is_flag=True, help="One pass, then the end.")
@click.option("--dry-run", is_flag=True, help="One pass that says what it would send.")
@click.pass_context
def keeper(
    ctx: click.Context,
    keys: tuple[tuple[str, str], ...],
    max_fees: tuple[tuple[str, str], ...],
    per_days: tuple[tuple[str, str], ...],
    keeps: tuple[tuple[str, str], ...],
    trees: Path | None,
    every: float,
    only_pay: bool,
    once: bool,
    dry_run: bool,
) -> None:
    """Crank what anyone may: void, settle, fire, pay people what they are owed, close what is done.

    Reads what is due from the tables of `chainfold index`, simulates, signs with a key that no
    other process reads, and stays under its caps.
    """
    given: Any = ctx.obj
    try:
        config = configuration.load(given)
        files = _by_chain(config, "--key", keys)
        for option, values in (("--max-fee", max_fees), ("--per-day", per_days), ("--keep", keeps)):
            without = set(_by_chain(config, option, values)) - set(files)
            if without:
                raise Fatal(f"{option}: {sorted(without)[0]} has no --key, so it isn't kept")
        kept = {
            name: (
                Path(file),
                Caps(
                    _amount(config, name, "--max-fee", max_fees, "0.01"),
                    _amount(config, name, "--per-day", per_days, "0.1"),
                    _amount(config, name, "--keep", keeps, "0.01"),
                ),
            )
            for name, file in files.items()
        }
        known = load(trees) if trees is not None else {}
        report = reporter(sys.stdout)
        _run(_Plan(config, kept, known, report, every, only_pay, once or dry_run, dry_run))
    except ChainfoldError as error:
        click.echo(f"chainfold: {error}", err=True)
        sys.exit(1)


def _by_chain(config: Config, option: str, values: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for chain, value in values:
        if chain not in config.chains:
            raise Fatal(f"{option}: no chain {chain!r} in {config.path.name}")
        if found.setdefault(chain, value) != value:
            raise Fatal(f"{option}: {chain} is given twice")
    return found


def _amount(
    config: Config, chain: str, option: str, values: Sequence[tuple[str, str]], default: str
) -> int:
    kind = config.chains[chain].kind
    text = _by_chain(config, option, values).get(chain, default)
    try:
        amount = Decimal(text).scaleb(_DECIMALS[kind])
        if amount < 0 or amount != amount.to_integral_value():
            raise InvalidOperation
    except InvalidOperation:
        coin = "ETH" if kind == "evm" else "SOL"
        raise Fatal(f"{option}: {text!r} is no amount of {coin}: give it as 0.01") from None
    return int(amount)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all chains share. ``kept``: the key's file and the caps of each."""

    config: Config
    kept: Mapping[str, tuple[Path, Caps]]
    trees: Mapping[str, Tree]
    report: Report
    every: float
    only_pay: bool
    once: bool
    dry: bool


def _run(plan: _Plan) -> None:
    declared = schema(plan.config)
    with database.serve(plan.config.database) as url:
        ledger.prepare(url)
        asyncio.run(_all(plan, declared, url))


async def _all(plan: _Plan, declared: Schema, url: str) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        pending: set[asyncio.Task[None]] = set()
        for name, (file, _) in plan.kept.items():
            chain = _chain(plan.config, declared, name, file)
            stack.push_async_callback(chain.aclose)
            pending.add(asyncio.create_task(_keep(plan, declared, url, name, chain, stop)))
        failures: list[BaseException] = []
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if (error := task.exception()) is not None:
                        failures.append(error)
                        if pending:
                            # one chain's stop doesn't stop another's
                            click.echo(f"chainfold: {error!s:.1000}; other chains go on", err=True)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if failures:
            raise failures[0]


def _chain(config: Config, declared: Schema, name: str, file: Path) -> Chain:
    chain = config.chains[name]
    rpc = Rpc(chain.rpc, name=name, attempts=4, timeout=15.0)
    if chain.kind == "evm":
        return Evm(rpc, chain, key.evm(file))
    from api.tx.solana import Program
    from pipelines.keeper.solana import Solana

    interfaces = {b.interface.path: b.interface for b in declared.on(name).values()}
    return Solana(rpc, key.solana(file), {path: Program(i) for path, i in interfaces.items()})


async def _keep(
    plan: _Plan, declared: Schema, url: str, name: str, chain: Chain, stop: asyncio.Event
) -> None:
    """One chain, to the end; over a new connection where the database was away."""
    chain_id = plan.config.chains[name].chain_id
    leaves = [leaf for t in plan.trees.values() for leaf in t.leaves if leaf.chain_id == chain_id]
    into = plan.config.database.schema
    while not stop.is_set():
        try:
            async with ledger.opened(url, into, name, chain.sender, alone=not plan.dry) as opened:
                await opened.trees(leaves)
                keeper = Keeper(
                    opened,
                    chain,
                    name,
                    declared.on(name),
                    plan.kept[name][1],
                    plan.report,
                    plan.trees,
                    plan.dry,
                    plan.only_pay,
                )
                keeper.tell("keeping", sender=chain.sender)
                if plan.once:
                    await keeper.once(stop)
                    return
                await keeper.run(stop, plan.every)
        except Retryable as error:
            if plan.once:
                raise
            plan.report("waiting", {"chain": name, "why": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(plan.every, 1.0))
