"""Bets made in memory, straight into an indexer's store: for what depends on how much is there."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from indexer import config, store
from indexer.chains.raw import Blocks
from indexer.config import Database
from indexer.decode.batch import ORDINAL_BITS, Batch
from indexer.decode.types import Type
from indexer.log import writer
from indexer.log.database import serve

START = 1_700_000_000
BETS = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
TABLE = "bets_bet_placed"
_CONFIG = """
[chains.made]
kind = "evm"
chain_id = 31337
rpc = ["http://127.0.0.1:1"]
[[programs]]
name = "bets"
chain = "made"
address = "{address}"
interface = "{interface}"
[folds]
modules = ["indexer.folds.bets"]
"""
_INTERFACE = Path(__file__).parents[1] / "programs/interfaces/Bets.abi.json"


@dataclass
class Made:
    """A store whose next heights are written here. Bets are of 10,000 bettors, by turns."""

    store: store.Store
    connection: psycopg.Connection[Any]
    height: int = -1
    _bets: int = field(default=0)

    def finalized(self, blocks: int, per_block: int, markets: range) -> None:
        """Writes the next ``blocks`` as a backfill does, 50,000 events at a time."""
        at_once = max(1, 50_000 // per_block)
        sources = self.store.sources_on("made")
        for first in range(0, blocks, at_once):
            batch = self.batch(min(at_once, blocks - first), per_block, markets, final=True)
            writer.write(self.connection, writer.prepare(self.store.log, batch), sources)

    def head(self) -> None:
        """Makes the head row at the last height, as following begins, with undo's indexes."""
        log = self.store.log
        self.connection.execute(
            f"INSERT INTO {log.table('head')} SELECT chain, height, hash, time, height, height, "  # pyright: ignore
            f"height FROM {log.table('block')} WHERE height = %s",
            [self.height],
        )
        self.store.index_for_undo(self.connection)
        self.connection.execute("VACUUM ANALYZE")

    def live(self, blocks: int, per_block: int, markets: range) -> None:
        """Writes the next ``blocks`` as the head writer does, in one range."""
        final, batch = self.height, self.batch(blocks, per_block, markets, final=False)
        writer.write_head(
            self.connection, writer.prepare(self.store.log, batch),
            self.store.sources_on("made"), finalized=final, latest=batch.last,
        )  # fmt: skip

    def batch(self, blocks: int, per_block: int, markets: range, *, final: bool) -> Batch:
        """The next ``blocks`` heights with ``per_block`` bets on ``markets``, by turns, in each."""
        heights = np.arange(self.height + 1, self.height + 1 + blocks, dtype=np.int64)
        n = blocks * per_block
        bet = np.arange(self._bets, self._bets + n)
        self.height, self._bets = int(heights[-1]), self._bets + n
        height = np.repeat(heights, per_block)
        bettor = _words(bet % 10_000, 40)
        amount = pa.array(np.full(n, 5), pa.int64()).cast(pa.decimal128(38, 0))
        total = pa.array(bet, pa.int64()).cast(pa.decimal128(38, 0))
        values: dict[str, Any] = {
            "pos": height << ORDINAL_BITS | np.tile(np.arange(per_block), blocks),
            "tx": _words(bet, 64),
            "address": pa.array([BETS]).take(pa.array(np.zeros(n, np.int32))),
            "time": pa.array((START + height) * 1_000_000, Type.TIME.arrow),
            "market": _words(markets.start + bet % len(markets), 64),
            "seq": total.cast(pa.decimal128(20, 0)),
            "actor": bettor,
            "bettor": bettor,
            "outcome": (bet % 4).astype(np.int32),
            "amount": amount,
            "stake_after": amount,
            "pool_after": total,
            "total_after": total,
        }
        columns = self.store.schema.tables[TABLE].all_columns
        hashes = _words(heights + 1, 64).to_pylist()
        return Batch(
            "made", int(heights[0]), self.height, final,
            Blocks(heights, hashes, START + heights),
            {TABLE: pa.table({c.name: values[c.name] for c in columns})}, 0,
            frozenset([BETS]),
        )  # fmt: skip


@contextmanager
def made() -> Generator[Made]:
    """An empty store in an embedded Postgres with its defaults: fsync and all."""
    with tempfile.TemporaryDirectory(prefix="chainfold-bench-") as folder:
        path = Path(folder) / "chainfold.toml"
        path.write_text(_CONFIG.format(address=BETS, interface=_INTERFACE))
        with serve(Database(None, "chainfold", Path(folder) / "postgres")) as url:
            path.write_text(path.read_text() + f'[database]\nurl = "{url}"\n')
            with store.opened(config.load(path)) as opened, opened.connect("benchmark") as link:
                yield Made(opened, link)


def _words(numbers: Any, digits: int) -> pa.Array:
    """Each number as 0x-hex of ``digits`` digits."""
    n = len(numbers)
    text = np.full((n, digits + 2), ord("0"), np.uint8)
    text[:, 1] = ord("x")
    for i in range(16):
        digit = (numbers >> (4 * i)) & 15
        text[:, -1 - i] = np.where(digit < 10, digit + ord("0"), digit + ord("a") - 10)
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(digits + 2)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))
