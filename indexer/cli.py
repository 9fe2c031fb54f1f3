"""The command `chainfold`: one group, whose heavier commands are loaded when they are called."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from indexer import process
from indexer.errors import ChainfoldError

_OURS = {
    "init": ("indexer.init.command", "init"),
    "index": ("indexer.commands", "index"),
    "status": ("indexer.commands", "status"),
    "backfill": ("indexer.commands", "backfill"),
    "repair": ("indexer.commands", "repair"),
    "migrate": ("indexer.migrate", "migrate_command"),
    "reindex": ("indexer.migrate", "reindex_command"),
    "verify": ("indexer.commands", "verify"),
}
_ASK_NODES = {"index", "backfill", "repair", "verify"}


class _Lazy(click.Group):
    """Imports a command's module only when that command runs: most of them are heavy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*_OURS, *(e.name for e in entry_points(group="chainfold.commands"))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from importlib import import_module

        if cmd_name in _OURS:
            process.tune()
            if cmd_name in _ASK_NODES:
                process.import_aside("indexer.rpc.client")
            module, name = _OURS[cmd_name]
            return getattr(import_module(module), name)
        for entry in entry_points(group="chainfold.commands", name=cmd_name):
            return entry.load()
        return None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ChainfoldError as error:
            click.echo(f"chainfold: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chainfold")
@click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    help="The configuration; else $CHAINFOLD_CONFIG, else ./chainfold.toml.",
)
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Money and agreements on Solana and EVM chains; the backend is a fold over the chain."""
    ctx.obj = config


if __name__ == "__main__":
    main()
