from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from indexer.chains.raw import Blocks, RawRange, SolanaEvents
from indexer.chains.stream import Width, gathered, in_order
from indexer.errors import Retryable

NONE = np.empty(0, np.int64)


class Node:
    """Answers ranges; ``dense`` gives the events of a height, 100 bytes each."""

    def __init__(self, dense: Callable[[int], int]) -> None:
        self.dense = dense
        self.asked: list[tuple[int, int]] = []
        self.running = 0
        self.most_running = 0
        self.held = 0
        self.most_held = 0
        self.gate: Callable[[int], asyncio.Event] | None = None

    async def fetch(self, first: int, last: int) -> RawRange:
        self.asked.append((first, last))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate(first).wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.running -= 1
        n = sum(map(self.dense, range(first, last + 1)))
        self.held += n * 100
        self.most_held = max(self.most_held, self.held)
        heights = np.zeros(n, np.int64)
        blocks = Blocks(NONE, [], NONE)
        logs = SolanaEvents(heights, heights, [""] * n, [""] * n, [b""] * n)
        return RawRange("x", first, last, blocks, logs, True, nbytes=n * 100)


def stream(node: Node, last: int, *, ahead: int = 4, max_bytes: int = 1 << 30, **width: int):
    settings = {"events": 1000, "nbytes": 1 << 20, "start": 16, "cap": 4096} | width
    return in_order(
        node.fetch,
        0,
        last,
        Width(**settings),
        cap=lambda: None,
        ahead=lambda: ahead,
        max_bytes=max_bytes,
    )


async def taken(node: Node, parts: object) -> list[RawRange]:
    got: list[RawRange] = []
    async for part in parts:  # type: ignore[attr-defined]
        node.held -= part.nbytes
        got.append(part)
    return got


def contiguous(parts: list[RawRange], last: int) -> None:
    assert parts[0].first == 0
    assert parts[-1].last == last
    assert [p.first for p in parts[1:]] == [p.last + 1 for p in parts[:-1]]


async def test_width_grows_over_empty_ranges_to_the_cap() -> None:
    node = Node(lambda h: 0)
    contiguous(await taken(node, stream(node, 100_000)), 99_999 + 1)
    widths = [b - a + 1 for a, b in node.asked]
    assert widths[0] == 16
    assert max(widths) == 4096
    assert len(widths) < 60


async def test_width_follows_density() -> None:
    node = Node(lambda h: 0 if h < 5000 else 50)
    contiguous(await taken(node, stream(node, 10_000)), 10_000)
    late = [b - a + 1 for a, b in node.asked if a > 8000]
    assert all(15 <= w <= 25 for w in late[:-1]), "1000 events at 50 a height"


async def test_as_many_at_once_as_allowed() -> None:
    node = Node(lambda h: 1)
    await taken(node, stream(node, 5000, ahead=3))
    assert node.most_running == 3


async def test_memory_is_bounded_when_the_consumer_is_slow() -> None:
    node = Node(lambda h: 100)
    parts = stream(node, 20_000, ahead=16, max_bytes=500_000)
    got: list[RawRange] = []
    async for part in parts:
        for _ in range(50):
            await asyncio.sleep(0)
        node.held -= part.nbytes
        got.append(part)
    contiguous(got, 20_000)
    assert node.most_held <= 700_000


async def test_order_holds_when_answers_overtake() -> None:
    gates: dict[int, asyncio.Event] = {}
    node = Node(lambda h: 1)
    node.gate = lambda first: gates.setdefault(first, asyncio.Event())
    parts = stream(node, 200, ahead=4)
    task = asyncio.create_task(anext(parts))
    while len(gates) < 2:
        await asyncio.sleep(0)
    gates[16].set()
    while len(gates) < 4:
        await asyncio.sleep(0)
    for event in list(gates.values())[2:]:
        event.set()
        await asyncio.sleep(0)
    assert not task.done()
    gates[0].set()
    node.gate = lambda first: gates[0]
    assert (await task).first == 0
    contiguous([task.result(), *[part async for part in parts]], 200)


async def test_a_failure_ends_the_stream_and_what_runs() -> None:
    class Failing(Node):
        async def fetch(self, first: int, last: int) -> RawRange:
            if first >= 32:
                raise Retryable("gone")
            return await super().fetch(first, last)

    node = Failing(lambda h: 1)
    parts = stream(node, 10_000)
    assert [(await anext(parts)).first for _ in range(2)] == [0, 16]
    with pytest.raises(Retryable, match="gone"):
        await anext(parts)
    assert node.running == 0


async def test_leaving_early_stops_what_runs() -> None:
    node = Node(lambda h: 1)
    stuck = asyncio.Event()
    passed = asyncio.Event()
    passed.set()
    node.gate = lambda first: stuck if first else passed
    parts = stream(node, 1000)
    assert (await anext(parts)).first == 0
    assert node.running > 0
    await parts.aclose()
    assert node.running == 0


async def test_gathered_stops_the_others_on_failure() -> None:
    stopped = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise Retryable("no")

    with pytest.raises(Retryable):
        await gathered([waits(), fails()])
    assert stopped.is_set()
