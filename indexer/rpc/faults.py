"""Nodes' error texts, and what each asks for: the table that providers' limits are learnt from.

Nodes agree on no codes (-32000 and -32602 mean everything), so the text decides and the code
only where no row matches. The first row that matches wins. Named groups: ``a`` and ``b`` are a
block range that would work, ``blocks`` the widest range allowed, ``batch`` the largest batch,
``after`` the seconds to wait. tests/indexer/rpc/test_faults.py has each provider's own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from indexer.rpc.errors import Fault, Kind

_SPAN = r"\[?\b(?P<a>0x[0-9a-f]+|\d+)\s*(?:,|-|–|to)\s*(?P<b>0x[0-9a-f]+|\d+)\b"
_N = r"(?P<blocks>\d[\d,]*k?)\b"
_RANGE = r"(?:block )?range"

TABLE: tuple[tuple[Kind, str], ...] = (
    # What looks like a limit but never passes.
    (
        Kind.REFUSED,
        r"monthly (?:capacity|quota|request|credit)|(?:credits?|quota) (?:exhausted|used)",
    ),
    (Kind.REFUSED, r"max usage reached|out of (?:credits|requests)|payment required"),
    (
        Kind.REFUSED,
        r"(?:invalid|unknown|missing|expired|wrong) (?:api|project|access|auth)[ -]?\w*",
    ),
    (Kind.REFUSED, r"must be authenticated|unauthori[sz]ed|project id (?:is )?(?:not|required)"),
    (
        Kind.REFUSED,
        r"api key (?:is )?(?:not|invalid|disabled|required|missing)|account .*suspended",
    ),
    # Batches, before "limit" and "too many" mean anything else.
    (Kind.BATCH, r"batch of more than (?P<batch>\d+)"),
    (
        Kind.BATCH,
        r"batch (?:size|limit|request)?\D{0,40}(?:limit|max\w*|up to)\D{0,20}(?P<batch>\d+)",
    ),
    (Kind.BATCH, r"maximum (?:rpc )?(?:batch|calls)\D{0,40}(?P<batch>\d+)"),
    (Kind.BATCH, r"batch\w* .{0,40}(?:not supported|not allowed|disabled|too (?:large|big|many))"),
    (Kind.BATCH, r"too many (?:requests|calls) in (?:a |the )?batch|too large batch"),
    (Kind.BATCH, r"(?:request|body) (?:entity )?(?:too|is too) large|entity too large"),
    # A range that would work.
    (Kind.WIDE, rf"up to an? {_N} block range\. Based on .*{_SPAN}"),
    (Kind.MANY, rf"(?:should work|try with this block range|retry with the range)\W*{_SPAN}"),
    # The widest range.
    (Kind.WIDE, rf"(?:limited|restricted) to (?:an? )?(?:\d+ ?- ?)?{_N}\s*(?:block|range)"),
    (Kind.WIDE, rf"(?:up to|only|maximum of) (?:an? )?{_N} blocks? "),
    (Kind.WIDE, rf"over {_N} blocks"),
    (Kind.WIDE, rf"max(?:imum)?(?: allowed)?(?: {_RANGE})?(?: is)?(?: set to)?\W+{_N}"),
    (Kind.WIDE, rf"range (?:\d+ exceeds )?limit\D{{0,12}}{_N}"),
    (
        Kind.WIDE,
        rf"(?:exceeds?|allowed|smaller than|less than|greater than|larger than)"
        rf"[^\d.;]*(?:range|size|blocks)[^\d.;]*{_N}",
    ),
    (Kind.WIDE, rf"{_N} blocks? (?:range )?(?:limit|max)"),
    (
        Kind.WIDE,
        r"range (?:is |was )?too (?:wide|large|big)|too (?:wide|large|big) (?:a )?(?:block )?range",
    ),
    (
        Kind.WIDE,
        r"range (?:limit )?exceed|exceed\w* (?:the )?(?:\w+ )?(?:block )?range|too many blocks",
    ),
    # Too much here.
    (Kind.MANY, r"more than \d[\d,]*k? (?:results|logs)|too many (?:results|logs|events)"),
    (
        Kind.MANY,
        r"max(?:imum)? (?:\w+ )?(?:results|logs)|(?:results|logs?) .{0,20}(?:limit|exceed)",
    ),
    (Kind.MANY, r"response (?:size|is|body|too)?.{0,20}(?:too (?:large|big)|exceed|limit)"),
    (
        Kind.MANY,
        r"query (?:timeout|timed out|exceeds|took too long)|reduce (?:the|your) (?:block )?range",
    ),
    (Kind.MANY, r"query must be smaller|narrow (?:down )?your (?:filter|query|search)"),
    # Rates.
    (Kind.RATE, r"(?:retry|try again) (?:after|in) (?P<after>[\d.]+)\s*s"),
    (Kind.RATE, r"rate.?limit|too many requests|requests? (?:per|/) ?second|limit reached|throttl"),
    (
        Kind.RATE,
        r"compute units? per second|exceeded .{0,30}(?:rate|capacity|throughput)|over rate",
    ),
    (Kind.RATE, r"request (?:rate|count|limit) .{0,20}(?:exceed|reached)|slow down|limit exceeded"),
    # Solana's slots.
    (Kind.SKIPPED, r"slot \d+ was skipped|missing in long-term storage"),
    (Kind.PRUNED, r"cleaned up|first available block|does not exist on node"),
    (Kind.LAG, r"block not available for slot|minimum context slot|node is (?:behind|unhealthy)"),
    (Kind.LAG, r"block status not yet available|slot was not processed"),
    # Blocks that the node has not, or no more.
    (
        Kind.PRUNED,
        r"pruned|missing trie node|state .{0,20}not available|history .{0,20}unavailable",
    ),
    (
        Kind.LAG,
        r"(?:header|block|hash|receipts?) (?:\w+ )?not found|(?:unknown|can't find) (?:block|header)",
    ),
    (Kind.LAG, r"(?:beyond|after|ahead of|greater than) .{0,24}(?:head|latest|current|highest)"),
    (
        Kind.LAG,
        r"lagging|not (?:yet )?synced|still syncing|invalid block range|could not find block",
    ),
    # The rest.
    (Kind.REVERTED, r"execution reverted|revert|out of gas|simulation failed|insufficient funds"),
    (
        Kind.UNSUPPORTED,
        r"method .{0,60}(?:not (?:found|supported|available|exist|allowed|enabled)|disabled)",
    ),
    (Kind.UNSUPPORTED, r"(?:un|not )(?:supported|implemented|available)|does not exist|whitelist"),
    (Kind.TIMEOUT, r"time(?:d)?.?out|deadline exceeded|took too long"),
    (
        Kind.TRANSIENT,
        r"busy|overload|try again|temporar|unhealthy|no backend|internal|unavailable|bad gateway",
    ),
    (Kind.INVALID, r"invalid|missing (?:value|param)|cannot unmarshal|parse error"),
)

_ROWS = tuple((kind, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for kind, pattern in TABLE)

_CODES: Mapping[int, Kind] = {
    3: Kind.REVERTED,
    429: Kind.RATE,
    4444: Kind.PRUNED,
    -32001: Kind.LAG,
    -32002: Kind.TRANSIENT,
    -32004: Kind.UNSUPPORTED,
    -32005: Kind.RATE,
    -32016: Kind.RATE,
    -32097: Kind.RATE,
    -32600: Kind.INVALID,
    -32601: Kind.UNSUPPORTED,
    -32602: Kind.INVALID,
    -32603: Kind.TRANSIENT,
    -32700: Kind.INVALID,
}
_STATUS: Mapping[int, Kind] = {
    400: Kind.INVALID,
    401: Kind.REFUSED,
    402: Kind.REFUSED,
    403: Kind.REFUSED,
    404: Kind.REFUSED,
    405: Kind.REFUSED,
    408: Kind.TIMEOUT,
    413: Kind.BATCH,
    429: Kind.RATE,
    504: Kind.TIMEOUT,
    522: Kind.TIMEOUT,
    524: Kind.TIMEOUT,
}
_MESSAGE_LIMIT = 300
"""Characters of a node's message that are shown: some answer with a page of HTML."""


def classify(
    code: int | None,
    message: str,
    data: Any = None,
    *,
    status: int = 200,
    after: float | None = None,
) -> Fault:
    """What the error asks for. ``status`` is HTTP's; ``after`` its Retry-After in seconds."""
    text = message if data is None or isinstance(data, (int, float)) else f"{message} {data}"
    shown = " ".join(message.split())[:_MESSAGE_LIMIT] or f"HTTP {status}"
    if status == 429:
        return Fault(Kind.RATE, code, shown, data, after=after)
    for kind, row in _ROWS:
        if found := row.search(text):
            groups = found.groupdict()
            span = None
            if groups.get("a") and groups.get("b"):
                span = (int(groups["a"], 0), int(groups["b"], 0))
            return Fault(
                kind, code, shown, data, span,
                _count(groups.get("blocks")), _count(groups.get("batch")),
                float(groups["after"].rstrip(".")) if groups.get("after") else after,
            )  # fmt: skip
    fallback = _STATUS.get(status, Kind.TRANSIENT)
    if status == 200 or code is not None:
        fallback = _CODES.get(code or 0, Kind.TRANSIENT if status >= 500 else Kind.INVALID)
    return Fault(fallback, code, shown, data, after=after)


def _count(text: str | None) -> int | None:
    if not text:
        return None
    digits = text.lower().replace(",", "")
    return int(digits[:-1]) * 1000 if digits.endswith("k") else int(digits)
