"""JSON-RPC over several nodes of one chain."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from indexer.rpc.endpoint import LONGEST_WAIT, Endpoint
from indexer.rpc.errors import Fault, Kind, NodeFatal, NodeRetryable, raised
from indexer.rpc.reply import Call, Reader, Shapes

_ABSENT = object()
_SPLITTABLE = frozenset({Kind.WIDE, Kind.MANY})
_ELSEWHERE = frozenset({Kind.UNSUPPORTED, Kind.REFUSED, Kind.PRUNED})
"""Kinds that are final for one node, but perhaps not for the next."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Results in the order of the calls, the bytes they took, and who gave the last of them."""

    results: list[Any]
    nbytes: int
    endpoint: Endpoint


class Rpc:
    """Calls that fail over between ``urls``, the preferred first, within each node's limits.

    A free and healthy node that is preferred is asked first; the next one helps when it is at
    its bound. ``budget`` is requests per second and node. ``attempts`` bounds how often a call
    that failed retryably is sent, ``timeout`` (seconds) how long a node may be silent. Results are
    read into ``shapes``.

    Raises ``NodeRetryable`` or ``NodeFatal``: the message names the URL without its secrets, the
    method and the height; ``fault`` says what kind it is.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str = "rpc",
        shapes: Shapes | None = None,
        budget: float | None = None,
        attempts: int = 6,
        timeout: float = 30.0,
    ) -> None:
        if not urls:
            raise ValueError("an Rpc needs at least one URL")
        self.name = name
        alone = len(urls) == 1
        reader = Reader(shapes or {})
        self.endpoints = [
            Endpoint(url, reader, budget=budget, timeout=timeout, alone=alone) for url in urls
        ]
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None
        self._freed = asyncio.Event()

    async def __aenter__(self) -> Rpc:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP session, opened with the first request, inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                read_bufsize=1 << 20,
                max_field_size=1 << 16,
            )
        return self._session

    @property
    def in_flight_limit(self) -> int:
        """Requests that the healthy nodes together bear at once, as learnt so far."""
        now = time.monotonic()
        up = [e for e in self.endpoints if e.down_until <= now] or self.endpoints[:1]
        return sum(max(1, int(e.concurrency.limit)) for e in up)

    @property
    def width(self) -> int | None:
        """The widest block range that any node serves; None while no limit has shown."""
        widths = [e.width for e in self.endpoints]
        return None if None in widths else max(w for w in widths if w is not None)

    async def call(
        self, method: str, params: Sequence[Any] = (), *, height: int | None = None
    ) -> Any:
        """One call's result. ``height``: only nodes that may know this height are asked."""
        return (await self.ask([(method, params)], height=height)).results[0]

    async def batch(self, calls: Sequence[Call], *, height: int | None = None) -> list[Any]:
        """The results of several calls in one request, or in as few as the node allows."""
        return (await self.ask(calls, height=height)).results

    async def ask(
        self,
        calls: Sequence[Call],
        *,
        height: int | None = None,
        lowest: int | None = None,
        width: int = 0,
        together: bool = False,
        at_once: frozenset[Kind] = frozenset(),
        on: Endpoint | None = None,
    ) -> Answer:
        """``batch`` with the answer's size and origin.

        Nodes known not to keep ``lowest`` any more are left out. ``together`` has all results
        from one node, in the order of the calls, so that one can bear out another. Errors of
        the kinds ``at_once`` are an answer: they are raised without trying again.

        ``width`` says how many blocks the calls span: nodes that serve fewer are left out, and
        limits (``Kind.WIDE``, ``Kind.MANY``, or ``Kind.TIMEOUT`` where width > 1) are raised at
        once so that the caller can split. ``on`` asks that node only.
        """
        results: list[Any] = [_ABSENT] * len(calls)
        todo = list(range(len(calls)))
        nbytes, attempt, most = 0, 0, len(calls)
        spent: set[Endpoint] = set()
        endpoint = self.endpoints[0]
        stay = on
        while todo:
            endpoint = await self._pick(calls[todo[0]][0], height, lowest, width, stay, spent)
            now = todo[: min(endpoint.batch, most)]
            try:
                replies, size = await endpoint.exchange(self.session, [calls[i] for i in now])
            finally:
                self._freed.set()
            nbytes += size
            failed: tuple[int, Fault] | None = None
            for i, reply in zip(now, replies, strict=True):
                if reply.fault is None:
                    results[i] = reply.result
                elif failed is None:
                    failed = (i, reply.fault)
            todo = [i for i in todo if results[i] is _ABSENT]
            if failed is None:
                endpoint.answered()
                stay = endpoint if together else on
                continue
            i, fault = failed
            if fault.kind is Kind.BATCH and len(now) > 1:
                endpoint.batch = max(1, min(fault.batch or len(now) // 2, len(now) - 1))
                stay = endpoint if together else on
                continue
            if fault.kind is Kind.MANY and len(now) > 1 and not together:
                # Too much in one answer, though each call alone may well be served.
                most = len(now) // 2
                continue
            stay = on
            if together:
                results = [_ABSENT] * len(calls)
                todo = list(range(len(calls)))
            error = raised(fault, self._where(endpoint, calls[i], height))
            if fault.kind is Kind.WIDE and width > 1:
                endpoint.width = max(1, min(fault.blocks or width // 2, width - 1))
            if fault.kind in _SPLITTABLE or (fault.kind is Kind.TIMEOUT and width > 1):
                raise error
            self._learn(endpoint, calls[i][0], fault, height)
            if fault.kind in at_once:
                raise error
            spent.add(endpoint)
            others = on is None and any(
                e not in spent and self._serves(e, calls[i][0]) for e in self.endpoints
            )
            if fault.kind in _ELSEWHERE:
                if others:
                    continue
                raise error
            if isinstance(error, NodeFatal):
                raise error
            attempt += 1
            if attempt >= self._attempts:
                raise error
            if not others:
                spent.clear()
                await asyncio.sleep(_jitter(attempt, fault.after))
        return Answer(results, nbytes, endpoint)

    async def ask_each(
        self, calls: Sequence[Call], *, patience: float | None = None
    ) -> list[tuple[Endpoint, list[Any] | Exception]]:
        """The same calls once to every node, at the same time: for cross-checks.

        With ``patience`` nodes that are down are left out, and once one has answered the others
        get as long again, or that many seconds: a node that hangs doesn't hold up the rest.
        """

        async def one(endpoint: Endpoint) -> list[Any] | Exception:
            replies, _ = await endpoint.exchange(self.session, calls)
            results: list[Any] = []
            for call, reply in zip(calls, replies, strict=True):
                if reply.fault is None:
                    results.append(reply.result)
                    continue
                if reply.fault.kind is Kind.BATCH and len(calls) > 1:
                    endpoint.batch = 1
                    return await singly(endpoint)
                self._learn(endpoint, call[0], reply.fault, None)
                return raised(reply.fault, self._where(endpoint, call, None))
            endpoint.answered()
            return results

        async def singly(endpoint: Endpoint) -> list[Any] | Exception:
            try:
                return (await self.ask(calls, on=endpoint)).results
            except (NodeRetryable, NodeFatal) as error:
                return error

        started = time.monotonic()
        up = [e for e in self.endpoints if e.down_until <= started]
        nodes = self.endpoints if patience is None or not up else up
        tasks = {
            asyncio.create_task(one(e) if e.batch >= len(calls) else singly(e)): e for e in nodes
        }
        waiting = set(tasks)
        limit: float | None = None
        try:
            while waiting:
                left = None if limit is None else max(0.0, limit - time.monotonic())
                done, waiting = await asyncio.wait(
                    waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                good = any(not isinstance(task.result(), Exception) for task in done)
                if patience is not None and limit is None and good:
                    now = time.monotonic()
                    limit = now + max(patience, now - started)
            for task in waiting:
                tasks[task].failed()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return [(e, task.result()) for task, e in tasks.items() if task not in waiting]

    def _serves(self, endpoint: Endpoint, method: str) -> bool:
        return method not in endpoint.unsupported

    async def _pick(
        self,
        method: str,
        height: int | None,
        lowest: int | None,
        width: int,
        on: Endpoint | None,
        spent: set[Endpoint],
    ) -> Endpoint:
        """The first node that may serve the call and has a place free; waits for one."""
        while True:
            self._freed.clear()
            nodes = (
                [on]
                if on is not None
                else [e for e in self.endpoints if self._serves(e, method)] or self.endpoints
            )
            kept = [e for e in nodes if lowest is None or e.floor <= lowest]
            if not kept:
                text = f"no node keeps it; they begin at {min(e.floor for e in nodes)}"
                fault = Fault(Kind.PRUNED, None, text)
                raise NodeFatal(f"{self.name}: {method} at {lowest}: {text}", fault)
            known = [e for e in kept if height is None or not e.behind(height)]
            if not known:
                text = "no node has this block yet"
                fault = Fault(Kind.LAG, None, text)
                raise NodeRetryable(f"{self.name}: {method} at {height}: {text}", fault)
            fits = [e for e in known if e.width is None or e.width >= width]
            if not fits:
                widest = max(e.width or 0 for e in known)
                fault = Fault(
                    Kind.WIDE, None, f"nodes serve {widest} blocks at once", blocks=widest
                )
                raise NodeRetryable(f"{self.name}: {method}: {fault.message}", fault)
            fits = [e for e in fits if e not in spent] or fits
            now = time.monotonic()
            up = [e for e in fits if e.down_until <= now]
            for endpoint in up:
                if endpoint.concurrency.free:
                    return endpoint
            if up:
                await self._freed.wait()
            else:
                await asyncio.sleep(max(0.001, min(e.down_until for e in fits) - now))

    def _learn(self, endpoint: Endpoint, method: str, fault: Fault, height: int | None) -> None:
        match fault.kind:
            case Kind.RATE:
                endpoint.budget.exceeded()
                endpoint.concurrency.overloaded()
                endpoint.failed(wait=fault.after)
            case Kind.TIMEOUT:
                endpoint.concurrency.overloaded()
                endpoint.failed()
            case Kind.TRANSIENT:
                endpoint.failed()
            case Kind.LAG:
                if height is not None:
                    endpoint.lags(height)
            case Kind.UNSUPPORTED:
                endpoint.unsupported.add(method)
            case Kind.REFUSED:
                endpoint.failed(wait=60.0 if len(self.endpoints) > 1 else None)
            case _:
                pass

    def _where(self, endpoint: Endpoint, call: Call, height: int | None) -> str:
        at = "" if height is None else f" at {height}"
        return f"{self.name}: {endpoint.label}: {call[0]}{at}"


def _jitter(attempt: int, after: float | None) -> float:
    """Full jitter (AWS architecture blog): anywhere up to a bound that doubles, 10 s at most."""
    wait = random.uniform(0, min(10.0, 0.1 * 2**attempt))
    return wait if after is None else min(after, LONGEST_WAIT) + wait
