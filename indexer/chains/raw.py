"""The raw batch: what the chain stage hands to the decoder.

Columns, not records: each event is a row across the columns. Strings are those of the node's
JSON, untouched; nothing here knows an ABI or an IDL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from indexer.chains.watch import Child


@dataclass(frozen=True, slots=True)
class Blocks:
    """Headers in ascending height, one row a block that the range needs.

    Every block of an unfinalized range is here; of a finalized range those that hold events and
    the range's last one. ``time`` is in unix seconds. On Solana a skipped slot has no row and
    ``parent_height`` is the slot of the parent; on EVM it is ``height - 1``.
    """

    height: NDArray[np.int64]
    hash: list[str]
    parent_hash: list[str]
    parent_height: NDArray[np.int64]
    time: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hash)

    @classmethod
    def joined(cls, parts: Sequence[Blocks]) -> Blocks:
        """``parts`` of neighbouring ranges, in their order, as one."""
        return cls(
            np.concatenate([p.height for p in parts]),
            [h for p in parts for h in p.hash],
            [h for p in parts for h in p.parent_hash],
            np.concatenate([p.parent_height for p in parts]),
            np.concatenate([p.time for p in parts]),
        )


@dataclass(frozen=True, slots=True)
class EvmLogs:
    """Logs ordered by (height, log index). ``data`` and ``topics`` are 0x-hex as received."""

    height: NDArray[np.int64]
    log_index: NDArray[np.int64]
    tx: list[str]
    address: list[str]
    topics: list[list[str]]
    data: list[str]

    def __len__(self) -> int:
        return len(self.tx)


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
