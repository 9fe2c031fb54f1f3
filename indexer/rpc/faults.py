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

_SPAN = r"\[?\b(?P<a>0x[0-9a-f]+|\d+)\s*(?:,|-|to)\s*(?P<b>0x[0-9a-f]+|\d+)\b"
_N = r"(?P<blocks>\d[\d,]*k?)\b"

TABLE: tuple[tuple[Kind, str], ...] = (
    # Solana's own words, several of which sound like another row's.
    (Kind.INVALID, r"transaction version .* is not supported"),
    (Kind.SKIPPED, r"slot \d+ was skipped|missing in long-term storage"),
    (Kind.PRUNED, r"cleaned up, does not exist|history is not available from this node"),
    (Kind.LAG, r"block (?:status )?not (?:yet )?available(?: yet)? for slot"),
    (Kind.LAG, r"minimum context slot|node is (?:behind|unhealthy)"),
    (Kind.UNSUPPORTED, r"excluded from account secondary indexes"),
    # What looks like a limit but doesn't pass.
    (Kind.REFUSED, r"monthly (?:capacity|quota|request|credit)|max usage reached"),
    (Kind.REFUSED, r"(?:account|project|tenant) .{0,20}(?:suspended|disabled)|tenant disabled"),
    (Kind.REFUSED, r"(?:invalid|unknown|missing|expired) (?:api|project|access|auth)[ -]?\w*"),
    (Kind.REFUSED, r"must be authenticated|unauthori[sz]ed|api key (?:is )?(?:not|disabled|req)"),
    # Batches, before "limit" and "too many" mean anything else.
    (Kind.BATCH, r"batch of more than (?P<batch>\d+)"),
    (Kind.BATCH, r"batch\D{0,50}(?:limit|max\w*|up to|exceed\w*)\D{0,24}(?P<batch>\d+)"),
    (Kind.BATCH, r"batch\w* .{0,40}(?:not supported|not allowed|disabled|too (?:large|big|many))"),
    (Kind.BATCH, r"batch.{0,20}(?:limit|size).{0,20}exceed|too many \w+ in (?:a |the )?batch"),
    (Kind.BATCH, r"(?:request|body|entity) (?:entity |body )?(?:is )?too large"),
    # A range that would work.
    (Kind.WIDE, rf"up to an? {_N} block range\. Based on .*{_SPAN}"),
    (Kind.MANY, rf"(?:should work|try with this block range|retry with the range)\W*{_SPAN}"),
    # Nodes behind the range, before a "range" is taken for too wide.
    (Kind.LAG, r"(?:beyond|ahead of|greater than) .{0,24}(?:head|latest|current|highest)"),
    (Kind.LAG, r"block is out of range|still syncing|lagging|not (?:yet )?synced"),
    (Kind.LAG, r"BlockOutOfRange|block height is \d+ but requested was \d+"),
    # Too much in this range, before the number is taken for blocks.
    (
        Kind.MANY,
        r"(?:more than|over|exceeds?) \d[\d,]*k? (?:results|logs)|too many (?:results|logs)",
    ),
    (Kind.MANY, r"max(?:imum)? (?:\w+ )?(?:results|logs)|\blogs? .{0,20}(?:limit|exceed)"),
    (Kind.MANY, r"response (?:size |is |body )?.{0,12}(?:too (?:large|big)|exceed|limit)"),
    (Kind.MANY, r"query (?:timeout|timed out|took too long)|reduce (?:the|your) (?:block )?range"),
    # The widest range.
    (Kind.WIDE, rf"(?:limited|restricted) to (?:an? )?(?:\d+ ?- ?)?{_N}\s*(?:blocks?|range)"),
    (
        Kind.WIDE,
        rf"(?:over|more than|exceed|up to|only|is|than) (?:an? |more than )?{_N} blocks?\b",
    ),
    (Kind.WIDE, rf"max(?:imum)?(?: allowed)?(?: block)?(?: range)?(?: is)?(?: set to)?\W+{_N}"),
    (Kind.WIDE, rf"range (?:\d+ exceeds )?limit\D{{0,12}}{_N}"),
    (Kind.WIDE, rf"(?:exceeds?|smaller|less|greater|larger) [^\d.;]*(?:range|size)[^\d.;]*{_N}"),
    (Kind.WIDE, rf"range exceeds [^\d.;]*{_N}"),
    (Kind.WIDE, rf"blocks allowed\D{{0,24}}{_N}"),
    (
        Kind.WIDE,
        r"range (?:is |was )?(?:too|bigger|larger|greater) |too (?:wide|large) .{0,12}range",
    ),
    (Kind.WIDE, r"range (?:limit )?exceed|exceed\w* .{0,12}(?:block )?range|too many blocks"),
    # Rates.
    (Kind.RATE, r"backoff_seconds\W+(?P<after>[\d.]+)"),
    (Kind.RATE, r"rate.?limit|too many requests|(?:per|/) ?sec|limit reached|throttl"),
    (Kind.RATE, r"exceeded .{0,30}(?:rate|capacity|throughput|rps)|slow down|limit exceeded"),
    (Kind.RATE, r"request (?:rate|count|limit) .{0,20}(?:exceed|reached)"),
    # Blocks that the node has not, or no more.
    (
        Kind.PRUNED,
        r"pruned|missing trie node|state .{0,20}not available|history .{0,20}unavailable",
    ),
    (Kind.LAG, r"(?:header|block|hash|receipts?) (?:\w+ )?not found|unknown (?:block|header)"),
    (Kind.LAG, r"invalid block range|could not (?:find block|be found)|(?:block|data).? not found"),
    # The rest.
    (Kind.REVERTED, r"execution reverted|revert|out of gas|simulation failed|insufficient funds"),
    (Kind.UNSUPPORTED, r"method .{0,60}(?:not (?:found|avail|exist|allow|enabled|supp)|disabled)"),
    (Kind.TIMEOUT, r"timed? ?out|deadline exceeded|took too long"),
    (Kind.TRANSIENT, r"busy|overload|try again|temporar|unhealthy|internal|unavailable"),
    (Kind.TRANSIENT, r"no backend|healthy|bad gateway|connection (?:reset|refused)"),
    (Kind.INVALID, r"invalid|missing (?:value|param)|cannot unmarshal|parse error"),
)

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
    -32429: Kind.RATE,
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
    method: str = "",
    status: int = 200,
    after: float | None = None,
) -> Fault:
    """What the error of ``method`` asks for.

    ``status`` is HTTP's, ``after`` its Retry-After in seconds. ``data`` is searched too: some
    nodes say "invalid params" and put the reason there.
    """
    text = message if data is None or isinstance(data, (int, float)) else f"{message} {data}"
    shown = " ".join(message.split())[:_MESSAGE_LIMIT] or f"HTTP {status}"
    for kind, pattern in TABLE:
        # compiled, and kept by re, when a node first fails: most runs never need it
        found = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
        if found is None:
            continue
        if kind is Kind.RATE and method == "eth_getLogs" and message.strip() == "limit exceeded":
            # BNB chain's public nodes refuse eth_getLogs so; smaller ranges end at receipts.
            kind = Kind.MANY
        groups = found.groupdict()
        span = None
        if groups.get("a") and groups.get("b"):
            span = (int(groups["a"], 0), int(groups["b"], 0))
        wait = groups.get("after")
        return Fault(
            kind,
            code,
            shown,
            data,
            span,
            _count(groups.get("blocks")),
            _count(groups.get("batch")),
            float(wait.rstrip(".")) if wait else after,
        )
    kind = _STATUS.get(status, Kind.TRANSIENT if status >= 500 else Kind.INVALID)
    if code is not None and code in _CODES and status < 400:
        kind = _CODES[code]
    elif status == 200 and code is not None and -32099 <= code <= -32000:
        kind = Kind.TRANSIENT
    return Fault(kind, code, shown, data, after=after)


def _count(text: str | None) -> int | None:
    if not text:
        return None
    digits = text.lower().replace(",", "")
    return int(digits[:-1]) * 1000 if digits.endswith("k") else int(digits)
