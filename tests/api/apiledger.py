"""Rows as the indexer writes them: the program `bets` on two chains, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from indexer import store
from indexer.chains.raw import Blocks
from indexer.config import Config
from indexer.decode.batch import ORDINAL_BITS, Batch
from indexer.decode.types import Type
from indexer.log import writer
from indexer.log.undo import undo

ROOT = Path(__file__).resolve().parents[2]
BETS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
PROGRAM = "BetsChainfo1d1111111111111111111111111111111"
TOKEN = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"
ALICE = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
ALICE_55 = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
CAROL = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"
MARKET = "0x" + "aa" * 32
OTHER = "0x" + "bb" * 32
SOLANA_MARKET = "8FE27ioQh3T7o22QsYVT5Re8NnHFqmFNbdqwiF3ywuZQ"
START = 1_700_000_000
"""Unix seconds of block 0; each block is a second after the one before."""
TOML = f"""
[database]
schema = "chainfold"
[chains.anvil]
kind = "evm"
chain_id = 31337
rpc = ["http://127.0.0.1:1"]
[chains.solana]
kind = "solana"
rpc = ["http://127.0.0.1:1"]
[[programs]]
name = "bets"
chain = "anvil"
address = "{BETS}"
interface = "{ROOT}/programs/interfaces/Bets.abi.json"
[[programs]]
name = "bets"
chain = "solana"
address = "{PROGRAM}"
interface = "{ROOT}/programs/interfaces/bets.idl.json"
[folds]
modules = ["indexer.folds.reference"]
"""
Event = tuple[str, dict[str, Any]]
"""(event table, fields)."""


def opened(market: str, actor: str = ALICE, **fields: Any) -> Event:
    return "bets_market_opened", {
        "market": market, "seq": 1, "actor": actor, "nonce": 0, "resolver": actor, "token": TOKEN,
        "subject": "0x" + "00" * 32, "question": "0x" + "11" * 32, "outcome_count": 3,
        "close_at": START + 1000, "resolve_by": START + 2000, "fee_bps": 100,
        "fee_recipient": actor, "status_after": 0, "cid": "bafy", "title": "Who wins?",
    } | fields  # fmt: skip


def placed(market: str, bettor: str, amount: int, outcome: int = 0, **fields: Any) -> Event:
    return "bets_bet_placed", {
        "market": market, "seq": 2, "actor": bettor, "bettor": bettor, "outcome": outcome,
        "amount": amount, "stake_after": amount, "pool_after": amount, "total_after": amount,
    } | fields  # fmt: skip


@dataclass
class Ledger:
    """Writes heights as the head writer does."""

    config: Config
    url: str
    store: store.Store
    connection: psycopg.Connection[Any]
    heads: dict[str, int] = field(default_factory=dict)
    fork: dict[str, str] = field(default_factory=dict)

    def block_hash(self, chain: str, height: int) -> str:
        return f"{self.fork.get(chain, 'a')}{height}"

    def write(self, chain: str, *blocks: Sequence[Event], finalized: int = 0) -> None:
        """Each of ``blocks`` is the next height with its events."""
        first = self.heads.get(chain, -1) + 1
        if first == 0:
            self.connection.execute(
                "INSERT INTO chainfold.head VALUES (%s, -1, '', to_timestamp(0), -1, -1, -1)",
                [chain],
            )
        last = first + len(blocks) - 1
        self.heads[chain] = last
        batch = self._batch(chain, first, blocks)
        writer.write_head(
            self.connection,
            writer.prepare(self.store.log, batch),
            self.store.sources_on(chain),
            finalized=finalized,
            latest=last,
        )

    def undo(self, chain: str, ancestor: int, fork: str) -> None:
        """Takes the heights above ``ancestor`` back; the next ones are of another fork."""
        undo(self.connection, self.store.log, self.store.unmerges, chain, ancestor)
        self.heads[chain] = ancestor
        self.fork[chain] = fork

    def _batch(self, chain: str, first: int, blocks: Sequence[Sequence[Event]]) -> Batch:
        heights = np.arange(first, first + len(blocks), dtype=np.int64)
        rows: dict[str, list[dict[str, Any]]] = {}
        address = BETS.lower() if chain == "anvil" else PROGRAM
        for height, events in zip(heights.tolist(), blocks, strict=True):
            for ordinal, (table, fields) in enumerate(events):
                tx = f"0x{height:060x}{ordinal:04x}" if chain == "anvil" else f"sig{height}"
                rows.setdefault(table, []).append(
                    {
                        "pos": height << ORDINAL_BITS | ordinal,
                        "tx": tx,
                        "address": address,
                        "time": _time(START + height),
                    }
                    | fields
                )
        return Batch(
            chain,
            first,
            first + len(blocks) - 1,
            False,
            Blocks(
                heights,
                [self.block_hash(chain, h) for h in heights.tolist()],
                heights + START,
                self.block_hash(chain, first - 1),
            ),
            {name: self._table(name, found) for name, found in rows.items()},
            0,
            frozenset([address]),
        )

    def _table(self, name: str, rows: list[dict[str, Any]]) -> pa.Table:
        columns = self.store.schema.tables[name].all_columns
        arrays: dict[str, pa.Array] = {}
        for column in columns:
            values = [_value(column.name, column.type, row) for row in rows]
            arrays[column.name] = pa.array(values, column.type.arrow)
        return pa.table(arrays)


def _value(name: str, kind: Type, row: Mapping[str, Any]) -> Any:
    value = row.get(name.removesuffix("_raw"))
    if kind is Type.TIME and isinstance(value, int):
        return _time(value) if value < 1 << 40 else None
    return value


def _time(seconds: int) -> datetime | int:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError):
        return seconds * 1_000_000  # beyond Python's last year, not beyond timestamptz's
