"""The command `chainfold`: one group, whose heavier commands are loaded when they are called."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from indexer import process
from indexer.errors import ChainfoldError

_GROUP = "chainfold.commands"
_OURS = {
    name: EntryPoint(name, value, _GROUP)
    for name, value in {
        "init": "indexer.init.command:init",
        "index": "indexer.commands:index",
        "status": "indexer.commands:status",
        "backfill": "indexer.commands:backfill",
        "repair": "indexer.commands:repair",
        "migrate": "indexer.migrate:migrate_command",
        "reindex": "indexer.migrate:reindex_command",
        "verify": "indexer.commands:verify",
    }.items()
}
_ASK_NODES = {"index", "backfill", "repair", "verify"}


class _Lazy(click.Group):
    """Imports a command's module only when that command runs: most of them are heavy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*_OURS, *(e.name for e in entry_points(group=_GROUP))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OURS:
            process.tune()
            if cmd_name in _ASK_NODES:
                process.import_aside("indexer.rpc.client")
            return _OURS[cmd_name].load()
        for entry in entry_points(group=_GROUP, name=cmd_name):
            return entry.load()
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [*_OURS.values(), *entry_points(group=_GROUP)]
        with formatter.section("Commands"):
            formatter.write_dl(sorted((e.name, _summary(e)) for e in commands))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ChainfoldError as error:
            click.echo(f"chainfold: {error}", err=True)
            sys.exit(1)


def _summary(entry: EntryPoint) -> str:
    """The first paragraph of a command's docstring, read without running its module."""
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None:
        return ""
    for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
            return " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return ""


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
