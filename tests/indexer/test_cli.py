"""`chainfold --help`: quick, and it says of each command what the command's own help says."""

import subprocess
import sys

import click
from click.testing import CliRunner

from indexer.cli import main


def test_help_says_of_each_command_what_the_command_says() -> None:
    shown = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    context = click.Context(main)
    names = main.list_commands(context)
    assert {"index", "api", "deploy", "keeper", "localnet"} <= {*names}
    for name in names:
        command = main.get_command(context, name)
        assert command is not None
        assert command.help is not None
        first = command.help.split("\n\n")[0]
        assert f"{name} {' '.join(first.split())}" in shown


def test_help_runs_no_commands_module() -> None:
    code = (
        "import sys\n"
        "from indexer.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'psycopg', 'web3', 'aiohttp'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_one_line() -> None:
    result = CliRunner().invoke(main, ["indx"])
    assert result.exit_code == 2
    assert "No such command 'indx'" in result.output
