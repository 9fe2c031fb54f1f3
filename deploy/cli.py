"""`chainfold deploy`: puts the programs on a chain of one's own, and says what it will cost first.

Keys come from files that are named here and nowhere else: chainfold.toml is read by the API too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from eth_utils.address import is_address

from deploy import evm, on_evm, on_solana, solana
from deploy.terms import Options, Stands
from indexer import config as configuration
from indexer.config import Chain, Config
from indexer.errors import Fatal


class NameAddress(click.ParamType[tuple[str, str], Any]):
    """NAME=ADDRESS."""

    name = "NAME=ADDRESS"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, _, address = str(value).partition("=")
        if name not in ("admin", "feeds", "payouts") or not is_address(address):
            self.fail(f"{value!r} is not admin=, feeds= or payouts=0x…", param, ctx)
        return name, address


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("programs", nargs=-1, metavar="[PROGRAM]...")
@click.option("--chain", "name", required=True, help="Where to, as chainfold.toml names it.")
@click.option("--key", required=True, type=_FILE,
              help="Who pays and, on Solana, may upgrade: an encrypted keystore (EVM), or what "
              "solana-keygen writes.")  # fmt: skip
@click.option("--program-key", "program_keys", multiple=True, type=_FILE,
              help="Solana: the key of a program's address.")  # fmt: skip
@click.option("--builds", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="Solana: where the builds are.  [programs/solana/target/deploy, where "
              "cargo build-sbf has built; else programs/solana/artifacts]")  # fmt: skip
@click.option("--password-file", type=_FILE, help="EVM: the keystore's password; else it is asked.")
@click.option("--with", "given", multiple=True, type=NameAddress(), metavar="NAME=ADDRESS",
              help="EVM: what a constructor wants: admin (else the deployer), feeds, payouts (else "
              "those deployed now, else chainfold.toml's).")  # fmt: skip
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def deploy(
    path: Path | None,
    programs: tuple[str, ...],
    name: str,
    key: Path,
    program_keys: tuple[Path, ...],
    folder: Path | None,
    password_file: Path | None,
    given: tuple[tuple[str, str], ...],
    yes: bool,
) -> None:
    """Deploy the programs, or those named, to a chain of chainfold.toml.

    Says what it will do and cost, asks, does it, and prints the lines for chainfold.toml. What was
    interrupted goes on where it was when the same command runs again.
    """
    config = configuration.load(path, deployed=False)
    chain = config.chains.get(name)
    if chain is None:
        raise Fatal(f"no chain {name!r} in {config.path.name}: it has {', '.join(config.chains)}")
    known = tuple(evm.PROGRAMS) if chain.kind == "evm" else solana.PROGRAMS
    for program in programs:
        if program not in known:
            raise Fatal(f"no program {program!r} for {chain.kind}: there are {', '.join(known)}")
    wanted = [p for p in known if p in programs or not programs]
    options = Options(key, program_keys, folder, password_file, dict(given), yes)

    def done(one: Stands) -> None:
        click.echo(_toml(config, chain, one))

    if chain.kind == "evm":
        _only("solana", "--program-key", bool(program_keys))
        _only("solana", "--builds", folder is not None)
        asyncio.run(on_evm.deploy(config, chain, wanted, options, done))
    else:
        _only("evm", "--password-file", password_file is not None)
        _only("evm", "--with", bool(given))
        asyncio.run(on_solana.deploy(chain, wanted, options, done))


def _only(kind: str, option: str, used: bool) -> None:
    if used:
        raise Fatal(f"{option} is for a chain of kind {kind!r}: leave it out")


def _toml(config: Config, chain: Chain, one: Stands) -> str:
    interface = one.interface
    if interface.is_relative_to(config.path.parent):
        interface = interface.relative_to(config.path.parent)
    return (
        f'\n[[programs]]\nname = "{one.program}"\nchain = "{chain.name}"\n'
        f'address = "{one.address}"\ninterface = "{interface}"\nstart = {one.start:_}'
    )
