"""One long range as many: how wide each request is, how many are ahead, how much is held."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from indexer.chains.raw import RawRange

_RISKED = 2
"""Requests at once while nothing is known of how much a height holds."""
_GROWTH = 4.0
"""How many times the heights of one answer the next request may have."""
_T = TypeVar("_T")
Fetch = Callable[[int, int], Awaitable[RawRange]]


class Width:
    """How many heights to ask for at once so that an answer holds about ``events`` and ``nbytes``.

    Grows while answers stay small, follows the density of what came, never over ``cap``.
    """

    def __init__(self, *, events: int, nbytes: int, start: int, cap: int) -> None:
        self._events, self._nbytes, self._cap = events, nbytes, cap
        self._next = min(start, cap)
        self._events_per_height = 0.0
        self.bytes_per_height = 0.0
        self.learnt = False

    def next(self, cap: int | None = None) -> int:
        """Heights of the next request; ``cap`` is the nodes' limit as known now."""
        return max(1, min(self._next, self._cap, cap or self._cap))

    def came(self, heights: int, events: int, nbytes: int) -> None:
        """Learns from an answer over ``heights``."""
        self.learnt = True
        # Rising density counts at once, falling by halves: too wide costs more than too narrow.
        for name, seen in (("_events_per_height", events), ("bytes_per_height", nbytes)):
            old, new = getattr(self, name), seen / heights
            setattr(self, name, new if new > old else (old + new) / 2)
        wanted = min(
            self._events / max(self._events_per_height, 1e-9),
            self._nbytes / max(self.bytes_per_height, 1e-9),
        )
        self._next = max(1, int(min(wanted, _GROWTH * max(heights, 1), self._cap)))


async def in_order(
    fetch: Fetch,
    first: int,
    last: int,
    width: Width,
    *,
    cap: Callable[[], int | None],
    ahead: Callable[[], int],
    max_bytes: int,
) -> AsyncGenerator[RawRange, None]:
    """Yields ``first..last`` in contiguous ascending ranges, fetching ahead of the consumer.

    No new request starts while those that run or wait to be taken hold ``max_bytes`` (by the
    bytes seen so far) or are ``ahead()`` many. Leaving early cancels what runs.
    """
    queue: deque[tuple[asyncio.Task[RawRange], int, int]] = deque()
    begin = first

    def held() -> float:
        return sum(
            t.result().nbytes if t.done() and not t.cancelled() and t.exception() is None
            else (b - a + 1) * width.bytes_per_height
            for t, a, b in queue
        )  # fmt: skip

    def learn(task: asyncio.Task[RawRange]) -> None:
        if not task.cancelled() and task.exception() is None:
            got = task.result()
            width.came(got.last - got.first + 1, len(got.events), got.nbytes)

    try:
        while queue or begin <= last:
            while begin <= last and len(queue) < (max(1, ahead()) if width.learnt else _RISKED):
                wide = width.next(cap())
                if queue and held() + wide * width.bytes_per_height > max_bytes:
                    break
                end = min(last, begin + wide - 1)
                task = asyncio.create_task(_fetch(fetch, begin, end))
                task.add_done_callback(learn)
                queue.append((task, begin, end))
                begin = end + 1
            if queue[0][0].done():
                yield queue.popleft()[0].result()
            else:
                # Any finished request may make room for the next, not only the first in line.
                running = [t for t, _, _ in queue if not t.done()]
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task, _, _ in queue:
            task.cancel()
        await asyncio.gather(*(t for t, _, _ in queue), return_exceptions=True)


async def _fetch(fetch: Fetch, first: int, last: int) -> RawRange:
    return await fetch(first, last)


async def gathered(jobs: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The results of ``jobs``, run together; the first failure stops the others."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
