"""One node: its connection, its health, and what has been learnt of its limits."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import orjson

from indexer.rpc.errors import Fault, Kind
from indexer.rpc.limiter import Budget, Concurrency
from indexer.rpc.reply import Call, Reader, Reply
from indexer.rpc.url import is_local, redact

HEAD_TRUSTED = 2.0
"""Seconds for which a head seen at a node counts as where the node is."""
MAX_ANSWER = 64 << 20
"""Bytes of one decompressed answer beyond which the request is to be split."""
LONGEST_WAIT = 60.0
"""Seconds of a Retry-After that are waited; a longer one is told to the caller."""
_CONNECT = 10.0
_FIRST_BATCH = 100


class Endpoint:
    """A URL with its limits, as learnt: the most calls in one ``batch``, the most blocks in one
    range (``width``), the lowest height kept (``floor``), methods not served."""

    def __init__(
        self,
        url: str,
        reader: Reader,
        *,
        budget: float | None,
        timeout: float,
        alone: bool = False,
    ) -> None:
        self.url = url
        self._reader = reader
        self.label = redact(url)
        self.concurrency = Concurrency(start=4, high=16 if is_local(url) else 32)
        self.budget = Budget(budget)
        self.batch = _FIRST_BATCH
        self.width: int | None = None
        self.floor = 0
        self.unsupported: set[str] = set()
        self.down_until = 0.0
        self._failures = 0
        # Where there is no other node, all that a long exile does is miss the node's return.
        self._longest = 2.0 if alone else 10.0
        self._head = -1
        self._head_at = 0.0
        self._ids = itertools.count(1)
        self._timeout = aiohttp.ClientTimeout(
            total=timeout * 4, sock_connect=_CONNECT, sock_read=timeout
        )
        # Between processes of one machine, bytes are cheaper than inflating them.
        self._headers = {"Content-Type": "application/json"}
        if is_local(url):
            self._headers["Accept-Encoding"] = "identity"

    def saw_head(self, height: int) -> None:
        self._head, self._head_at = height, time.monotonic()

    def lags(self, height: int) -> None:
        """The node was asked for ``height`` and didn't know it."""
        self.saw_head(min(self._head, height - 1) if self._head >= 0 else height - 1)

    def behind(self, height: int) -> bool:
        """Whether the node is known not to have ``height`` now."""
        return self._head < height and time.monotonic() - self._head_at < HEAD_TRUSTED

    @property
    def failures(self) -> int:
        """Failures since the last answer."""
        return self._failures

    def failed(self, *, wait: float | None = None) -> None:
        """Keeps the node out of the choice: ``wait`` seconds, or longer after each failure."""
        self._failures += 1
        pause = min(self._longest, 0.1 * 2 ** min(self._failures, 9)) * (0.5 + random.random() / 2)
        self.down_until = time.monotonic() + (pause if wait is None else min(wait, LONGEST_WAIT))

    def answered(self) -> None:
        self._failures = 0
        self.down_until = 0.0

    async def exchange(
        self, session: aiohttp.ClientSession, calls: Sequence[Call]
    ) -> tuple[list[Reply], int]:
        """One HTTP request; returns a reply for each call, and the answer's bytes.

        Never raises for the node's or the network's failures: they are faults of each call.
        """
        ids = [next(self._ids) for _ in calls]
        requests = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in zip(ids, calls, strict=True)
        ]
        body = orjson.dumps(requests[0] if len(requests) == 1 else requests)
        self.concurrency.in_flight += 1
        try:
            wait = self.budget.book(calls=len(calls))
            if wait:
                await asyncio.sleep(wait)
            started = time.monotonic()
            async with session.post(
                self.url, data=body, headers=self._headers, timeout=self._timeout,
                allow_redirects=False,
            ) as response:  # fmt: skip
                raw = await _read(response)
                status, after = response.status, retry_after(response.headers.get("Retry-After"))
        except TimeoutError:
            return self._all(calls, Fault(Kind.TIMEOUT, None, "no answer in time")), 0
        except (aiohttp.ClientError, OSError) as error:
            return self._all(calls, Fault(Kind.TRANSIENT, None, _cause(error))), 0
        finally:
            self.concurrency.in_flight -= 1
        if raw is None:
            text = f"the answer is over {MAX_ANSWER >> 20} MB"
            return self._all(calls, Fault(Kind.MANY, None, text)), MAX_ANSWER
        replies = self._reader.replies(calls, ids, raw, status, after)
        if all(reply.fault is None for reply in replies):
            self.concurrency.took(calls[0][0], time.monotonic() - started)
        return replies, len(raw)

    def _all(self, calls: Sequence[Call], fault: Fault) -> list[Reply]:
        return [Reply(None, fault)] * len(calls)


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, or None when it is longer than ``MAX_ANSWER``."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_ANSWER:
            response.close()
            return None
        parts.append(part)
    return b"".join(parts)


def retry_after(value: str | None) -> float | None:
    """Seconds of an HTTP ``Retry-After`` header, which holds seconds or a date (RFC 9110)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _cause(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect ({error.os_error.strerror or error.os_error})"
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
