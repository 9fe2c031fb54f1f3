"""An EVM node's answers: headers and receipts as structs, logs as columns of their own JSON.

A log's object is the same text from log to log but for its values: once one of its kind is
parsed, the others are compared with it and their values are where its values are. No object is
made for any log. An answer that doesn't look so (escapes, null fields, other orders) is parsed
log by log and written the regular way first.

Source: the Ethereum JSON-RPC specification (execution-apis).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from indexer.chains.raw import ADDRESS, HASH, EvmLogs
from indexer.windows import Bytes, distinct, window

_TOPICS = 4
_QUANTITY = 16
"""Hex digits of a height or a log index at most."""
_QUOTE, _BACKSLASH, _COLON, _BRACE = b'"\\:{'
_PIECE = 900_000
"""Bytes of an answer that are looked at at once."""
_LOOK = 4096
_SPACE = b" \t\r\n"
_HEX = np.frombuffer(b"0x", np.uint8)
_DIGIT = np.full(256, 0xFF, np.uint8)
_DIGIT[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_DIGIT[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)


class Header(Struct, gc=False, frozen=True, rename="camel"):
    """A block without its transactions."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    logs_bloom: str | None = None


class LogObject(Struct, gc=False, rename="camel", omit_defaults=True):
    """A log of a block. ``block_timestamp`` is no part of the specification: it may be anything."""

    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    block_timestamp: Any = None
    removed: bool = False


class Receipt(Struct, gc=False, rename="camel"):
    """What a transaction did."""

    block_hash: str
    logs: list[LogObject]


_NONE = np.empty(0, np.int64)
NO_LOGS = EvmLogs(
    np.empty(0, np.uint8), _NONE, _NONE, _NONE, _NONE, np.empty((0, _TOPICS), np.int64),
    _NONE, _NONE, _NONE, _NONE, (),
)  # fmt: skip
_LOG = msgspec.json.Decoder(LogObject)
_LOGS = msgspec.json.Decoder(list[LogObject] | None)


def read(answer: Raw | bytes) -> EvmLogs | None:
    """The result of eth_getLogs in the order it has, None where it is null.

    Raises msgspec.ValidationError where it isn't what the specification says, or lists logs that
    a reorganisation removed.
    """
    found = _by_piece(np.frombuffer(answer, np.uint8))
    if found is not None:
        return found
    logs = _LOGS.decode(answer)
    return None if logs is None else written(logs)


def _by_piece(text: Bytes) -> EvmLogs | None:
    """``_columns`` of pieces that end with an object each: a piece's arrays find room in caches,
    and in memory that those of the piece before have left."""
    starts, parts = [0], list[EvmLogs]()
    while starts[-1] < len(text):
        end = _end_of_object(text, starts[-1] + _PIECE)
        part = _columns(text[starts[-1] : end])
        if part is None:
            return None
        parts.append(part)
        starts.append(end)
    return EvmLogs.of_pieces(text, starts[:-1], parts) if len(parts) > 1 else parts[0]


def _end_of_object(text: Bytes, start: int) -> int:
    """Behind the first closing brace from ``start`` on; the text's end where no object follows."""
    while start < len(text):
        brace = text[start : start + _LOOK].tobytes().find(b"}")
        if brace >= 0:
            end = start + brace + 1
            last = len(text) - end < _PIECE and not (text[end:] == _BRACE).any()
            return len(text) if last else end
        start += _LOOK
    return len(text)


def written(logs: Sequence[LogObject]) -> EvmLogs:
    """``logs`` as columns; errors as of ``read``."""
    if any(log.removed for log in logs):
        raise msgspec.ValidationError("it lists removed logs: a reorg just now")
    if not all(isinstance(log.block_timestamp, str) for log in logs):
        for log in logs:
            log.block_timestamp = None
    found = _columns(np.frombuffer(msgspec.json.encode(logs), np.uint8))
    if found is None:
        raise msgspec.ValidationError("a log's values aren't 0x-hex of their lengths")
    return found


def from_receipts(
    receipts: Iterable[Receipt], addresses: set[str], topics: frozenset[str] | None
) -> EvmLogs:
    """The logs of a block's receipts that eth_getLogs would have given."""
    return written(
        [
            log
            for receipt in receipts
            for log in receipt.logs
            if log.address.lower() in addresses
            and (topics is None or (log.topics and log.topics[0].lower() in topics))
        ]
    )


SHAPES = {
    "eth_getBlockByNumber": msgspec.json.Decoder(Header | None).decode,
    "eth_getBlockReceipts": msgspec.json.Decoder(list[Receipt] | None).decode,
    "eth_getLogs": read,
}
"""Method → what reads its result."""


class _Kind:
    """Where the values of one kind of log are: of all objects with as many strings as ``first``.

    ``at``: field → the numbers of its values among the object's strings. ``between``: the text
    from each value's closing quote to the next one's opening quote, both included; before the
    first value it is from the object's brace, after the last one to its closing brace.
    """

    def __init__(self, first: bytes) -> None:
        quotes = [i for i, byte in enumerate(first) if byte == _QUOTE]
        strings = list(zip(quotes[0::2], quotes[1::2], strict=True))
        self.log = _LOG.decode(first)
        self.at: dict[str, list[int]] = {}
        key = ""
        for i, (a, b) in enumerate(strings):
            if first[b + 1 :].lstrip(_SPACE)[:1] == b":":
                key = first[a + 1 : b].decode()
                self.at[key] = []
            else:
                self.at[key].append(i)
        self.values = sorted(i for found in self.at.values() for i in found)
        ends = [0, *(strings[i][1] for i in self.values)]
        begins = [*(strings[i][0] for i in self.values), len(first) - 1]
        self.between = [first[a : b + 1] for a, b in zip(ends, begins, strict=True)]


def _columns(text: Bytes) -> EvmLogs | None:
    """The columns of a list of log objects; None where they aren't as regular as they should be."""
    opens = np.flatnonzero(text == _BRACE)
    n = len(opens)
    if not n:
        return NO_LOGS if text.tobytes().split() in ([b"[]"], [b"[", b"]"]) else None
    quotes = np.flatnonzero(text == _QUOTE)
    before = np.searchsorted(quotes, opens)
    if len(quotes) % 2 or (before % 2).any() or before[0] or (text == _BACKSLASH).any():
        return None
    begins, ends, first = quotes[0::2], quotes[1::2], before // 2
    counts = np.diff(first, append=len(begins))
    columns = {name: np.empty(n, np.int64) for name in _FIELDS}
    sizes = {name: np.empty(n, np.int64) for name in _FIELDS}
    topics = np.full((n, _TOPICS), -1, np.int64)
    times = np.full(n, -1, np.int64)
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        strings = first[rows][:, None] + np.arange(count)
        a, b = begins[strings], ends[strings]
        kind = _kind(text, opens, int(rows[0]))
        if kind is None or not _alike(text, kind, opens[rows], a, b):
            return None
        for name in _FIELDS:
            (at,) = kind.at[name]
            columns[name][rows] = a[:, at] + 1
            sizes[name][rows] = b[:, at] - a[:, at] - 1
        for i, at in enumerate(kind.at["topics"]):
            if (b[:, at] - a[:, at] - 1 != HASH).any():
                return None
            topics[rows, i] = a[:, at] + 1
        if len(kind.at.get(_TIME, ())) == 1:
            (at,) = kind.at[_TIME]
            told = _quantities(text, a[:, at] + 1, b[:, at] - a[:, at] - 1)
            times[rows] = -1 if told is None else told
    for name, size in _FIELDS.items():
        if size and (sizes[name] != size).any():
            return None
        if (sizes[name] < 2).any() or (window(text, columns[name], 2) != _HEX).any():
            return None
    height = _quantities(text, columns["blockNumber"], sizes["blockNumber"])
    index = _quantities(text, columns["logIndex"], sizes["logIndex"])
    if height is None or index is None:
        return None
    address, emitters = _emitters(text, columns["address"])
    return EvmLogs(
        text,
        height,
        index,
        columns["blockHash"],
        columns["transactionHash"],
        topics,
        columns["data"],
        sizes["data"],
        address,
        times,
        emitters,
    )


_FIELDS = {
    "address": ADDRESS,
    "blockHash": HASH,
    "transactionHash": HASH,
    "data": 0,
    "blockNumber": 0,
    "logIndex": 0,
}
"""A log's strings and their characters, 0 where that varies."""
_TIME = "blockTimestamp"
"""Its block's time: many nodes' logs have it, the specification doesn't ask for it."""


def _kind(text: Bytes, opens: NDArray[np.int64], row: int) -> _Kind | None:
    stop = int(opens[row + 1]) if row + 1 < len(opens) else len(text)
    there = text[int(opens[row]) : stop].tobytes()
    try:
        kind = _Kind(there[: there.rfind(b"}") + 1])
    except (msgspec.DecodeError, KeyError, ValueError):
        return None
    single = all(len(kind.at.get(name, ())) == 1 for name in _FIELDS)
    return kind if single and len(kind.log.topics) <= _TOPICS and not kind.log.removed else None


def _alike(
    text: Bytes,
    kind: _Kind,
    opens: NDArray[np.int64],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> bool:
    """Whether all objects are ``kind``'s but for their values; positions are those of quotes."""
    if len(kind.log.topics) != len(kind.at["topics"]):
        return False
    froms = [opens, *(ends[:, i] for i in kind.values)]
    untils = [*(begins[:, i] for i in kind.values), None]
    for start, stop, between in zip(froms, untils, kind.between, strict=True):
        if stop is not None and (stop - start + 1 != len(between)).any():
            return False
        if int(start.max()) + len(between) > len(text):
            return False
        if (window(text, start, len(between)) != np.frombuffer(between, np.uint8)).any():
            return False
    return True


def _quantities(
    text: Bytes, starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """0x-hex numbers below 2^63."""
    digits = sizes - 2
    if (digits < 1).any() or (digits >= _QUANTITY).any():
        return None
    if (window(text, starts, 2) != _HEX).any():
        return None
    values = np.zeros(len(starts), np.int64)
    for count in np.unique(digits).tolist():
        rows = np.flatnonzero(digits == count)
        found = _DIGIT[window(text, starts[rows] + 2, count)]
        if (found > 15).any():
            return None
        values[rows] = found.astype(np.int64) @ (16 ** np.arange(count - 1, -1, -1, dtype=np.int64))
    return values


def _emitters(text: Bytes, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    # a letter's lower case has bit 0x20 set, and so has every digit
    places, found = distinct(window(text, starts, ADDRESS) | np.uint8(0x20))
    return places, tuple(a.decode("ascii") for a in found)
