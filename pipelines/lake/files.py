"""The lake's folder: what each file is called, how it comes to be whole, and who may write."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import Retryable

DATABASE = "chainfold.duckdb"
_FOLDERS = ("events", "folds")


@dataclass(frozen=True, slots=True)
class File:
    """One Parquet file: heights ``first..last`` of ``table`` on ``chain``; ``path`` from the lake.

    A fold's file is its state at ``last``.
    """

    table: str
    chain: str
    first: int
    last: int
    rows: int
    path: str


def events_path(table: str, chain: str, first: int, last: int) -> str:
    return f"events/{table}/chain={chain}/{first:012d}-{last:012d}.parquet"


def fold_path(fold: str, chain: str, height: int) -> str:
    return f"folds/{fold}/chain={chain}/{height:012d}.parquet"


@contextmanager
def whole(target: Path) -> Generator[Path]:
    """A path to write to, which becomes ``target`` when the block ends well and not otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def only_writer(lake: Path) -> Generator[None]:
    """Keeps every other export out. Raises Retryable where one is at work."""
    lake.mkdir(parents=True, exist_ok=True)
    with (lake / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Retryable(f"lake {lake}: another export is writing: try again later") from None
        yield


def sweep(lake: Path, kept: Iterable[File]) -> int:
    """Removes the Parquet files that are not among ``kept``; how many that were."""
    named = {lake / f.path for f in kept}
    removed = 0
    for folder in _FOLDERS:
        for path in (lake / folder).rglob("*.parquet*"):
            if path not in named:
                path.unlink()
                removed += 1
    return removed
