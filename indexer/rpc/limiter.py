"""How many requests a node bears: at once by its latency, per second by its complaints."""

from __future__ import annotations

import math
import time
from collections import deque

_SLOW = 8
"""Requests in a second below which a rate limit teaches no rate."""


class Concurrency:
    """An adaptive bound on requests in flight.

    Latency is compared with its own slow average, method by method: while it doesn't rise, the
    bound grows by its square root's worth a round; when requests only queue, it shrinks in
    proportion (the gradient rule of Netflix's concurrency-limits).
    """

    def __init__(self, start: float = 4, low: int = 1, high: int = 32) -> None:
        self.limit = start
        self.in_flight = 0
        self._low, self._high = low, high
        self._usual: dict[str, float] = {}

    @property
    def free(self) -> bool:
        return self.in_flight < max(self._low, int(self.limit))

    def took(self, method: str, seconds: float) -> None:
        """Learns from a request that succeeded."""
        usual = self._usual.get(method, seconds)
        # One slow answer is no trend; the average may fall at once but rises slowly.
        self._usual[method] = (
            min(seconds, usual) if seconds < usual / 2 else (usual + 0.02 * (seconds - usual))
        )
        if self.in_flight * 2 < self.limit:
            return  # An idle node's latency says nothing about the bound.
        gradient = max(0.5, min(1.0, 2.0 * self._usual[method] / max(seconds, 1e-6)))
        goal = gradient * self.limit + math.sqrt(self.limit)
        self._set(self.limit + 0.1 * (goal - self.limit))

    def overloaded(self) -> None:
        """Learns from a rate limit or a timeout."""
        self._set(self.limit / 2)

    def _set(self, limit: float) -> None:
        self.limit = min(float(self._high), max(float(self._low), limit))


class Budget:
    """Requests per second: a set ceiling, and a lower learnt one after rate limits.

    The learnt rate starts at four fifths of what was sent in the second before the complaint
    and creeps back up by 5 % a second.
    """

    def __init__(self, ceiling: float | None = None) -> None:
        if ceiling is not None and ceiling <= 0:
            raise ValueError("a request budget is above 0 per second")
        self._ceiling = ceiling
        self._learnt: float | None = None
        self._learnt_at = 0.0
        self._next = 0.0
        self._sent: deque[float] = deque()

    def rate(self, now: float) -> float | None:
        """Requests per second allowed at ``now`` (monotonic seconds); None is no limit."""
        if self._learnt is None:
            return self._ceiling
        grown = self._learnt * 1.05 ** (now - self._learnt_at)
        if now - self._learnt_at > 300:
            self._learnt = None
        return grown if self._ceiling is None else min(grown, self._ceiling)

    def book(self, now: float | None = None, calls: int = 1) -> float:
        """Takes the next free place for ``calls`` requests; returns the wait in seconds."""
        now = time.monotonic() if now is None else now
        self._sent.extend([now] * calls)
        while self._sent and self._sent[0] < now - 1:
            self._sent.popleft()
        rate = self.rate(now)
        if rate is None:
            return 0.0
        # A tenth of a second's worth may go at once: bursts are what the head needs.
        start = max(self._next, now - 0.1)
        self._next = start + calls / rate
        return max(0.0, start - now)

    def exceeded(self, now: float | None = None) -> None:
        """The node said that this was too fast."""
        now = time.monotonic() if now is None else now
        while self._sent and self._sent[0] < now - 1:
            self._sent.popleft()
        observed = len(self._sent)
        if observed < _SLOW:
            # So few can't have been too many: others share the limit. Pausing is enough.
            return
        before = self.rate(now)
        rate = observed if before is None else min(before, observed)
        if self._learnt is None or now - self._learnt_at > 1:
            # Answers to one burst complain together; they count once.
            self._learnt, self._learnt_at = 0.8 * rate, now
