"""The ledger: blocks and transactions, the index by address, and answers kept as bytes.

Transactions lie in an unlinked temporary file, one marshalled list a block; memory holds what
lookups need: a block's header and signatures, and for each address the positions of its
transactions. A position is `slot << 20 | index in the block`.
"""

from __future__ import annotations

import marshal
import os
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from solders.hash import Hash
from solders.pubkey import Pubkey

from localnet.solana.record import Record

INDEX_BITS = 20
INDEX_MASK = (1 << INDEX_BITS) - 1
SIGNATURE = 64  # bytes
_ORPHANS = 1_024  # dropped blocks kept for a node that still serves them


@dataclass(slots=True)
class Block:
    slot: int
    parent: int
    height: int
    hash: Hash
    previous: Hash
    time: int
    rewards: list[dict[str, Any]]
    signatures: bytes = b""
    errors: dict[int, Any] = field(default_factory=dict)
    memos: dict[int, str] = field(default_factory=dict)
    fees: tuple[int, int] = (0, 0)  # lowest priority fee seen, transactions
    offset: int = 0
    length: int = 0

    @property
    def count(self) -> int:
        return len(self.signatures) // SIGNATURE

    def signature(self, index: int) -> bytes:
        return self.signatures[index * SIGNATURE : (index + 1) * SIGNATURE]


@dataclass(slots=True)
class Entry:
    """A transaction on its way into the ledger."""

    signature: bytes
    record: Record
    keys: list[Pubkey]
    err: Any
    memo: str | None


class ByteCache:
    """Answers as bytes, the least recently used leaving when `limit` bytes are exceeded."""

    def __init__(self, limit: int) -> None:
        self._held: OrderedDict[Any, bytes] = OrderedDict()
        self._size = 0
        self._limit = limit

    def get(self, key: Any) -> bytes | None:
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, key: Any, value: bytes) -> None:
        if len(value) > self._limit or key in self._held:
            return
        self._held[key] = value
        self._size += len(value)
        while self._size > self._limit:
            self._size -= len(self._held.popitem(last=False)[1])

    def clear(self) -> None:
        self._held.clear()
        self._size = 0


class Ledger:
    def __init__(self, genesis: Block, keep_blocks: int, cache_bytes: int) -> None:
        self.chain: list[Block] = [genesis]
        self._slots: list[int] = [genesis.slot]
        self.keep_blocks = keep_blocks
        self.positions: dict[bytes, int] = {}
        self._addresses: dict[Pubkey, array[int]] = {}
        self.transactions = 0
        self.orphans: dict[int, tuple[Block, list[Record]]] = {}
        self.answers = ByteCache(cache_bytes)
        self._file = tempfile.TemporaryFile(prefix="chainfold-solana-")  # noqa: SIM115
        self._end = 0
        self._recent: OrderedDict[int, list[Record]] = OrderedDict()

    def close(self) -> None:
        self._file.close()

    # -- blocks -----------------------------------------------------------------------------

    @property
    def head(self) -> Block:
        return self.chain[-1]

    @property
    def first(self) -> Block:
        return self.chain[0]

    def block(self, slot: int) -> Block | None:
        at = bisect_left(self._slots, slot)
        return self.chain[at] if at < len(self._slots) and self._slots[at] == slot else None

    def slots(self, low: int, high: int) -> list[int]:
        """Slots with a block, both ends included."""
        return self._slots[bisect_left(self._slots, low) : bisect_right(self._slots, high)]

    def behind(self, blocks: int) -> Block:
        """The block so many blocks behind the head, or the first one."""
        return self.chain[max(len(self.chain) - 1 - blocks, 0)]

    def append(self, block: Block, entries: list[Entry]) -> None:
        block.signatures = b"".join(entry.signature for entry in entries)
        base = block.slot << INDEX_BITS
        for index, entry in enumerate(entries):
            position = base | index
            self.positions[entry.signature] = position
            if entry.err is not None:
                block.errors[index] = entry.err
            if entry.memo is not None:
                block.memos[index] = entry.memo
            for key in dict.fromkeys(entry.keys):
                held = self._addresses.get(key)
                if held is None:
                    held = self._addresses[key] = array("q")
                held.append(position)
        self.transactions += len(entries)
        if entries:
            blob = marshal.dumps(
                [
                    (entry.record.wire, entry.record.meta, [bytes(k) for k in entry.keys])
                    for entry in entries
                ]
            )
            os.pwrite(self._file.fileno(), blob, self._end)
            block.offset, block.length = self._end, len(blob)
            self._end += len(blob)
            self._keep(block.slot, [entry.record for entry in entries])
        self.chain.append(block)
        self._slots.append(block.slot)
        if len(self.chain) > self.keep_blocks + self.keep_blocks // 4:
            self._purge(len(self.chain) - self.keep_blocks)

    def _keep(self, slot: int, records: list[Record]) -> None:
        self._recent[slot] = records
        if len(self._recent) > 64:  # blocks around the head, read again and again
            self._recent.popitem(last=False)

    def _blob(self, block: Block) -> list[tuple[bytes, bytes, list[bytes]]]:
        if not block.length:
            return []
        return marshal.loads(os.pread(self._file.fileno(), block.length, block.offset))

    def records(self, block: Block) -> list[Record]:
        found = self._recent.get(block.slot)
        if found is None:
            found = [Record(wire, meta) for wire, meta, _ in self._blob(block)]
            self._keep(block.slot, found)
        return found

    def _purge(self, count: int) -> None:
        for block in self.chain[:count]:
            for index in range(block.count):
                self.positions.pop(block.signature(index), None)
        del self.chain[:count]
        del self._slots[:count]
        low = self.first.slot << INDEX_BITS
        for key in list(self._addresses):
            held = self._addresses[key]
            kept = held[bisect_left(held, low) :]
            if kept:
                self._addresses[key] = kept
            else:
                del self._addresses[key]

    def drop_after(self, slot: int) -> list[tuple[Block, list[Entry]]]:
        """Take the blocks after `slot` off the chain, oldest first."""
        dropped: list[tuple[Block, list[Entry]]] = []
        while self.head.slot > slot and len(self.chain) > 1:
            block = self.chain.pop()
            self._slots.pop()
            base = block.slot << INDEX_BITS
            entries: list[Entry] = []
            for index, (wire, meta, raw_keys) in enumerate(self._blob(block)):
                keys = [Pubkey.from_bytes(key) for key in raw_keys]
                signature = block.signature(index)
                entries.append(
                    Entry(
                        signature,
                        Record(wire, meta),
                        keys,
                        block.errors.get(index),
                        block.memos.get(index),
                    )
                )
                self.positions.pop(signature, None)
                for key in keys:
                    held = self._addresses[key]
                    while held and held[-1] >= base:
                        held.pop()
            self.transactions -= len(entries)
            if block.length:
                self._end = block.offset
            self._recent.pop(block.slot, None)
            self.orphans[block.slot] = (block, [entry.record for entry in entries])
            dropped.append((block, entries))
        while len(self.orphans) > _ORPHANS:
            self.orphans.pop(next(iter(self.orphans)))
        self.answers.clear()
        return dropped[::-1]

    # -- transactions -----------------------------------------------------------------------

    def find(self, signature: bytes) -> int | None:
        return self.positions.get(signature)

    def newest_first(
        self, key: Pubkey, below: int | None = None, above: int | None = None
    ) -> Iterator[int]:
        """Positions of an address's transactions, newest first, both bounds exclusive."""
        held = self._addresses.get(key)
        if held is None:
            return
        high = len(held) if below is None else bisect_left(held, below)
        low = 0 if above is None else bisect_right(held, above)
        for at in range(high - 1, low - 1, -1):
            yield held[at]

    def at(self, positions: Iterable[int]) -> Iterator[tuple[Block, int]]:
        for position in positions:
            block = self.block(position >> INDEX_BITS)
            if block is not None:
                yield block, position & INDEX_MASK
