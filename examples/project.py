"""An example's files in a folder of their own, indexed by the shipped command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from indexer import config as configuration
from indexer.log import database

ROOT = Path(__file__).parents[1]
_COPIED = ("*.toml", "*.py", "*.json")


def copied(example: Path, into: Path, *more: Path, rpc: tuple[str, str]) -> Path:
    """Copies configuration, folds and interfaces, and ``more`` files, into ``into``.

    ``rpc``: the node's URL in the configuration and the one to put in its place.
    """
    into.mkdir(parents=True, exist_ok=True)
    files = [f for pattern in _COPIED for f in example.glob(pattern)]
    for file in [*files, *more]:
        shutil.copyfile(file, into / file.name)
    toml = into / "chainfold.toml"
    text = toml.read_text("utf-8")
    assert rpc[0] in text
    toml.write_text(text.replace(*rpc), "utf-8")
    return toml


def chainfold(toml: Path, *arguments: str) -> None:
    """Runs the command; raises CalledProcessError where it fails."""
    command = [str(Path(sys.executable).with_name("chainfold")), "--config", str(toml)]
    subprocess.run([*command, *arguments], check=True, env=os.environ)


@contextmanager
def tables(toml: Path) -> Iterator[psycopg.Connection]:
    """The indexed tables, found without a prefix."""
    own = configuration.load(toml).database
    with database.serve(own) as url, psycopg.connect(url) as connection:
        connection.execute(f"SET search_path = {own.schema}")
        yield connection


def show(title: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows as a table."""
    widths = [max(len(str(v)) for v in column) for column in zip(names, *rows, strict=True)]
    print(f"\n{title}")
    for row in (names, *rows):
        print("  " + "  ".join(str(v).ljust(w) for v, w in zip(row, widths, strict=True)))
