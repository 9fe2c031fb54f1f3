"""The command `chainfold init`."""

from __future__ import annotations

from pathlib import Path

import click

from indexer.errors import Fatal

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("address")
@click.option("--abi", type=_FILE, help="EVM: the contract's ABI, or a build file that holds it.")
@click.option("--idl", type=_FILE, help="Solana: the program's Anchor IDL.")
@click.option("--rpc", help="A node: tells the chain, the first height, and a proxy.")
@click.option("--name", help="The program's name, which its tables begin with.")
@click.option("--chain", help="The chain's name in the configuration.")
@click.option("--start", type=click.IntRange(0), help="The height to index from.")
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path(),
    help="Where to write (here).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over what is there.")
def init(
    address: str,
    abi: Path | None,
    idl: Path | None,
    rpc: str | None,
    name: str | None,
    chain: str | None,
    start: int | None,
    folder: Path,
    force: bool,
) -> None:
    """Write chainfold.toml and starter folds for the program at ADDRESS."""
    from indexer.init.project import FOLDS, Wanted, write

    if (abi is None) == (idl is None):
        raise Fatal("give one of --abi (EVM) and --idl (Solana): the program's interface")
    if abi is not None:
        wanted = Wanted(address, "evm", abi, rpc, name, chain, start)
    else:
        assert idl is not None
        wanted = Wanted(address, "solana", idl, rpc, name, chain, start)
    made = write(wanted, folder, force=force)
    for note in made.notes:
        click.echo(f"note: {note}")
    (program,) = made.config.programs
    click.echo(
        f"wrote {folder / 'chainfold.toml'} and {folder / FOLDS}: {made.events} events and "
        f"{made.folds} folds of {program.name!r} on {program.chain} from height {program.start}"
    )
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"next: {where}chainfold index")
