"""eth_getLogs' answer as columns."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter, methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.chains.raw import EvmLogs
from indexer.errors import Retryable

Log = dict[str, Any]
"""One log object as a node gives it."""


def block_hashes(logs: list[Log], first: int, last: int, where: str) -> dict[int, str]:
    """The hash of every block that ``logs`` name. Retryable when they contradict one another."""
    hashes: dict[int, str] = {}
    for (number, block_hash), _ in groupby(logs, itemgetter("blockNumber", "blockHash")):
        height = int(number, 16)
        if not first <= height <= last:
            raise Retryable(f"{where}: a log of block {height} is outside of the range asked for")
        if hashes.setdefault(height, block_hash) != block_hash:
            raise Retryable(f"{where}: two hashes for block {height} in one answer (a reorg?)")
    return hashes


def columns(logs: list[Log], starts: Mapping[str, int], where: str) -> EvmLogs:
    """``logs`` in chain order, each once, without those below their address's start."""
    if any(map(methodcaller("get", "removed"), logs)):
        raise Retryable(f"{where}: the node lists removed logs (a reorg just now)")
    address = _field(logs, "address")
    seen = set(address)
    if not seen <= starts.keys():
        if not {a.lower() for a in seen} <= starts.keys():
            raise Retryable(f"{where}: the node answers with logs of addresses not asked for")
        address = [a.lower() for a in address]
    n = len(logs)
    height = _integers(_field(logs, "blockNumber"))
    index = _integers(_field(logs, "logIndex"))
    columns = EvmLogs(
        height,
        index,
        _field(logs, "transactionHash"),
        address,
        _field(logs, "topics"),
        _field(logs, "data"),
    )
    late = {a: s for a, s in starts.items() if s > height.min()} if n else {}
    if late:
        keep = np.fromiter(
            (h >= late.get(a, 0) for h, a in zip(height.tolist(), address, strict=True)),
            np.bool_,
            n,
        )
        if not keep.all():
            columns = take(columns, np.flatnonzero(keep))
    position = columns.height << 28 | columns.log_index
    steps = np.diff(position)
    if (steps > 0).all():
        return columns
    order = np.argsort(position, kind="stable")
    if (np.diff(position[order]) == 0).any():
        raise Retryable(f"{where}: the node lists a log twice")
    return take(columns, order)


def _field(logs: list[Log], name: str) -> list[Any]:
    return list(map(itemgetter(name), logs))


def _integers(column: list[str]) -> NDArray[np.int64]:
    """0x-hex quantities, of which few differ."""
    values = {text: int(text, 16) for text in set(column)}
    return np.array([values[text] for text in column], np.int64)


def take(logs: EvmLogs, rows: Any) -> EvmLogs:
    """``logs`` at ``rows`` (int64 indices), in that order."""
    picked = rows.tolist()
    return EvmLogs(
        logs.height[rows],
        logs.log_index[rows],
        [logs.tx[i] for i in picked],
        [logs.address[i] for i in picked],
        [logs.topics[i] for i in picked],
        [logs.data[i] for i in picked],
    )


def from_receipts(
    receipts: list[Mapping[str, Any]], addresses: set[str], topics: frozenset[str] | None
) -> list[Log]:
    """The logs of a block's receipts that eth_getLogs would have given."""
    return [
        log
        for receipt in receipts
        for log in receipt["logs"]
        if log["address"].lower() in addresses
        and (topics is None or (log["topics"] and log["topics"][0] in topics))
    ]
