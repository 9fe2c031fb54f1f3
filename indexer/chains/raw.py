"""The raw batch: what the chain stage hands to the decoder.

Columns, not records: each event is a row across the columns. Text is that of the node's JSON,
untouched; nothing here knows an ABI or an IDL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from indexer.chains.watch import Child, Log
from indexer.windows import Bytes

HASH = 66
"""Characters of a 32-byte hash or topic, 0x included."""
ADDRESS = 42


@dataclass(frozen=True, slots=True)
class Blocks:
    """Headers in ascending height, one row a block that the range needs.

    Every block of an unfinalized range is here; of a finalized range those that hold events and
    the range's last one. ``time`` is in unix seconds. On Solana a skipped slot has no row.
    ``parent`` is the hash that the first block names as its parent's, "" for a finalized range.
    """

    height: NDArray[np.int64]
    hash: list[str]
    time: NDArray[np.int64]
    parent: str = ""

    def __len__(self) -> int:
        return len(self.hash)

    @classmethod
    def joined(cls, parts: Sequence[Blocks]) -> Blocks:
        """``parts`` of neighbouring finalized ranges, in their order, as one."""
        return cls(
            np.concatenate([p.height for p in parts]),
            [h for p in parts for h in p.hash],
            np.concatenate([p.time for p in parts]),
        )


@dataclass(frozen=True, slots=True)
class EvmLogs:
    """Logs ordered by (height, log index), their 0x-hex where the node's answer has it.

    ``text`` is ASCII. ``block_hash``, ``tx``, ``topics`` (n, 4) and ``data`` are where in it each
    string begins; a topic that a log hasn't got is -1. ``size`` counts the characters of the data,
    its 0x included. ``address`` indexes ``emitters``, which are in lower case. ``time`` is that of
    the log's block in unix seconds, -1 where the node's logs don't tell it.
    """

    text: Bytes
    height: NDArray[np.int64]
    log_index: NDArray[np.int64]
    block_hash: NDArray[np.int64]
    tx: NDArray[np.int64]
    topics: NDArray[np.int64]
    data: NDArray[np.int64]
    size: NDArray[np.int64]
    address: NDArray[np.int64]
    time: NDArray[np.int64]
    emitters: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.height)

    def tx_hash(self, row: int) -> str:
        return self._string(self.tx[row], HASH)

    def log(self, row: int) -> Log:
        """One row by itself."""
        return Log(
            int(self.height[row]),
            int(self.log_index[row]),
            self.emitters[self.address[row]],
            tuple(self._string(at, HASH).lower() for at in self.topics[row] if at >= 0),
            self._string(self.data[row], int(self.size[row])),
        )

    def _string(self, start: np.int64, size: int) -> str:
        return self.text[start : start + size].tobytes().decode("ascii")

    def take(self, rows: NDArray[np.int64]) -> EvmLogs:
        """The logs at ``rows``, in that order."""
        return EvmLogs(
            self.text,
            self.height[rows],
            self.log_index[rows],
            self.block_hash[rows],
            self.tx[rows],
            self.topics[rows],
            self.data[rows],
            self.size[rows],
            self.address[rows],
            self.time[rows],
            self.emitters,
        )

    @classmethod
    def joined(cls, parts: Sequence[EvmLogs]) -> EvmLogs:
        """``parts`` in their order as one."""
        if len(parts) == 1:
            return parts[0]
        ends = list(accumulate(len(p.text) for p in parts))
        return cls.of_pieces(np.concatenate([p.text for p in parts]), [0, *ends[:-1]], parts)

    @classmethod
    def of_pieces(cls, text: Bytes, shifts: Sequence[int], parts: Sequence[EvmLogs]) -> EvmLogs:
        """``parts`` in their order as one, each of the piece of ``text`` that its shift begins."""
        emitters = {a: i for i, a in enumerate(dict.fromkeys(a for p in parts for a in p.emitters))}

        def moved(name: str) -> NDArray[np.int64]:
            columns = (getattr(p, name) for p in parts)
            return np.concatenate(
                [np.where(c < 0, c, c + by) for c, by in zip(columns, shifts, strict=True)]
            )

        return cls(
            text,
            np.concatenate([p.height for p in parts]),
            np.concatenate([p.log_index for p in parts]),
            moved("block_hash"),
            moved("tx"),
            moved("topics"),
            moved("data"),
            np.concatenate([p.size for p in parts]),
            np.concatenate(
                [np.array([emitters[a] for a in p.emitters], np.int64)[p.address] for p in parts]
            ),
            np.concatenate([p.time for p in parts]),
            tuple(emitters),
        )


@dataclass(frozen=True, slots=True)
class SolanaEvents:
    """Anchor events of successful transactions, ordered by (height, ordinal).

    ``ordinal`` is ``tx_index << 10 | instruction index`` among all instructions of the
    transaction, outer and inner, in execution order; a data log line has 64, the most instructions
    that a transaction runs, plus its index among the data log lines.
    ``payload`` starts with the event's 8-byte discriminator: the self-CPI tag is cut off.
    """

    height: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    tx: list[str]
    program: list[str]
    payload: list[bytes]

    def __len__(self) -> int:
        return len(self.tx)

    def tx_hash(self, row: int) -> str:
        return self.tx[row]


@dataclass(frozen=True, slots=True)
class RawRange:
    """All that the watched programs emitted in ``first..last`` (heights, inclusive)."""

    chain: str
    first: int
    last: int
    blocks: Blocks
    events: EvmLogs | SolanaEvents
    finalized: bool
    nbytes: int = field(default=0, kw_only=True)
    """Bytes of the node's answers: what memory bounds and progress count."""
    children: Mapping[str, Child] = field(default_factory=dict[str, Child], kw_only=True)
    """The factories' children that the range was read with, its own announcements included."""


@dataclass(frozen=True, slots=True)
class Tip:
    """What a chain's nodes say of its end, in heights. ``hash`` is that of ``latest``."""

    latest: int
    hash: str
    finalized: int
    time: int
    """Unix seconds of block ``latest``."""
