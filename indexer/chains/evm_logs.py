"""What a range's logs say of its blocks and of new contracts, and their order."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from indexer.chains.raw import HASH, EvmLogs
from indexer.chains.reader import Block
from indexer.chains.watch import Log
from indexer.errors import Retryable
from indexer.windows import window


def blocks_said(logs: EvmLogs, first: int, last: int, where: str) -> dict[int, Block]:
    """Every block that ``logs`` name, by height; its time is -1 where they don't tell it.

    Raises Retryable when they contradict one another.
    """
    said: dict[int, Block] = {}
    if not len(logs):
        return said
    text = window(logs.text, logs.block_hash, HASH)
    change = (np.diff(logs.height) != 0) | (np.diff(logs.time) != 0)
    change |= (text[1:] != text[:-1]).any(axis=1)
    for row in [0, *(np.flatnonzero(change) + 1).tolist()]:
        height = int(logs.height[row])
        if not first <= height <= last:
            raise Retryable(f"{where}: a log of block {height} is outside of the range asked for")
        block = Block(text[row].tobytes().decode("ascii"), int(logs.time[row]))
        if said.setdefault(height, block) != block:
            raise Retryable(f"{where}: logs tell two blocks {height} in one answer (a reorg?)")
    return said


def ordered(logs: EvmLogs, starts: Mapping[str, int], where: str) -> EvmLogs:
    """``logs`` in chain order, each once, without those below their address's start."""
    if not len(logs):
        return logs
    if not set(logs.emitters) <= starts.keys():
        raise Retryable(f"{where}: the node answers with logs of addresses not asked for")
    start = np.array([starts[a] for a in logs.emitters], np.int64)
    late = logs.height < start[logs.address]
    if late.any():
        logs = logs.take(np.flatnonzero(~late))
    position = logs.height << 28 | logs.log_index
    if (np.diff(position) > 0).all():
        return logs
    order = np.argsort(position, kind="stable")
    if (np.diff(position[order]) == 0).any():
        raise Retryable(f"{where}: the node lists a log twice")
    return logs.take(order)


def announcing(logs: EvmLogs, topics: Collection[str]) -> list[Log]:
    """Those of ``logs`` whose first topic is one of ``topics`` (0x, lower case)."""
    rows = np.flatnonzero(logs.topics[:, 0] >= 0)
    first = window(logs.text, logs.topics[rows, 0], HASH) | np.uint8(0x20)
    found = np.zeros(len(rows), np.bool_)
    for topic in topics:
        found |= (first == np.frombuffer(topic.encode("ascii"), np.uint8)).all(axis=1)
    return [logs.log(row) for row in rows[found].tolist()]
