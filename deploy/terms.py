"""What a deployment is asked for, tells, and leaves behind, on either kind of chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from indexer.config import Chain
from indexer.errors import Fatal
from indexer.rpc.client import Rpc


@dataclass(frozen=True, slots=True)
class Options:
    """``folder``: of Solana's builds; ``given``: addresses for constructors, by name."""

    key: Path
    program_keys: tuple[Path, ...]
    folder: Path | None
    password_file: Path | None
    given: Mapping[str, str]
    yes: bool


@dataclass(frozen=True, slots=True)
class Stands:
    """A program that was deployed, for chainfold.toml."""

    program: str
    address: str
    interface: Path
    start: int


def tell(text: str) -> None:
    """On stderr: stdout has the lines for chainfold.toml and nothing else."""
    click.echo(text, err=True)


def agreed(options: Options) -> None:
    """Returns after a yes. Raises Fatal after anything else."""
    if options.yes:
        return
    try:
        yes = click.confirm("Deploy?", err=True)
    except click.Abort:
        yes = False
    if not yes:
        raise Fatal("nothing was sent: answer y, or give --yes, to deploy")


async def each(rpc: Rpc, chain: Chain, method: str) -> list[tuple[str, str]]:
    """What each of the chain's nodes says, with its name. Raises Fatal where none answers."""
    answers = await rpc.ask_each([(method, [])])
    said = [(e.label, a[0]) for e, a in answers if not isinstance(a, Exception)]
    if not said:
        raise Fatal(
            f"no node of {chain.name!r} answers ({answers[0][1]}): start one, or correct "
            f"chains.{chain.name}.rpc"
        )
    return said


def _amount(amount: int, decimals: int, unit: str) -> str:
    whole, part = divmod(amount, 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0")
    return f"{whole}{'.' + digits if digits else ''} {unit}"


def sol(lamports: int) -> str:
    """With its unit."""
    return _amount(lamports, 9, "SOL")


def eth(wei: int) -> str:
    """With its unit."""
    return _amount(wei, 18, "ETH")
