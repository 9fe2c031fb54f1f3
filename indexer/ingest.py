"""Raw ranges through decoder and writer, each stage at work while the next range is on its way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Container, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from indexer.chains.raw import RawRange
from indexer.chains.reader import Reader
from indexer.chains.watch import Child, Emits, Watch
from indexer.config import Chain
from indexer.decode.batch import Batch, decode, joined
from indexer.decode.factory import announcements
from indexer.decode.schema import Schema
from indexer.log.ledger import Source
from indexer.store import wanted

_TOGETHER = 60_000
"""Events of one transaction beyond which waiting batches aren't joined: what memory allows."""
_ENOUGH = 20_000
"""Events that are worth a batch of their own while another is on its way: each fold row that both
touch is written twice."""
_STORED = 2
"""Batches on their way to the database: one prepared, one written."""
_T = TypeVar("_T")


def reader(
    chain: Chain,
    schema: Schema,
    sources: tuple[Source, ...],
    children: Mapping[str, Child] | None = None,
) -> Reader:
    """A reader of ``chain`` for what ``sources`` take in.

    ``children``: what the factories have announced so far, of the roles in ``sources``. New ones
    are found where the factory itself is among ``sources``.
    """
    roles = {b.address for b in schema.on(chain.name).values() if b.factory is not None}
    asked = {s.address for s in sources}
    watch = Watch(
        {s.address: s.start for s in sources if s.address not in roles},
        _topics(schema, sources),
        tuple(a for a in announcements(schema, chain.name) if a.role in asked and a.by & asked),
        dict(children or {}),
        _emits(schema, sources) if chain.kind == "solana" else {},
    )
    # each with its own libraries; most who index know one kind of chain
    if chain.kind == "evm":
        from indexer.chains.evm import EvmReader

        return EvmReader(chain, watch)
    from indexer.chains.solana import SolanaReader

    return SolanaReader(chain, watch)


async def pump(
    ranges: AsyncGenerator[RawRange, None],
    schema: Schema,
    prepare: Callable[[Batch], _T],
    write: Callable[[_T], Any],
    only: Container[tuple[str, str]] | None = None,
) -> None:
    """Decodes every range, prepares what is to be written, and writes in order.

    One batch is prepared while the one before it is written. Ranges that come meanwhile wait, and
    finalized ones among them go on as one batch: the further the database is behind, the less
    each event costs it.
    """
    waiting: list[Batch] = []
    stored: deque[asyncio.Task[None]] = deque()

    def store() -> None:
        if len(stored) == _STORED or (stored and sum(map(len, waiting)) < _ENOUGH):
            return
        count = _together(waiting)
        batch = joined(waiting[:count])
        del waiting[:count]
        before = stored[-1] if stored else None
        stored.append(asyncio.create_task(_store(batch, prepare, write, before)))

    async def settle() -> None:
        await asyncio.wait([stored[0]])
        stored.popleft().result()

    try:
        async with aclosing(ranges):
            async for raw in ranges:
                waiting.append(await asyncio.to_thread(decode, raw, schema, only))
                del raw
                while stored and stored[0].done():
                    await settle()
                if len(stored) == _STORED and _together(waiting) < len(waiting):
                    await settle()
                store()
        while waiting or stored:
            if stored:
                await settle()
            if waiting:
                store()
    finally:
        for task in stored:
            task.cancel()
        if stored:
            await asyncio.wait(stored)


async def _store(
    batch: Batch,
    prepare: Callable[[Batch], _T],
    write: Callable[[_T], Any],
    before: asyncio.Task[None] | None,
) -> None:
    """Prepares and writes a batch, after ``before`` has been written."""
    prepared = await asyncio.to_thread(prepare, batch)
    if before is not None:
        await asyncio.wait([before])
        before.result()
    await whole(lambda: write(prepared))


async def whole(work: Callable[[], _T]) -> _T:
    """``work`` in a thread; when we are cancelled meanwhile, its transaction still ends first."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    finally:
        if not working.done():
            await asyncio.wait([working])


def _together(waiting: Sequence[Batch]) -> int:
    """How many of the first of ``waiting`` one transaction may take."""
    events = count = 0
    for batch in waiting:
        events += len(batch)
        if count and (not batch.finalized or not waiting[0].finalized or events > _TOGETHER):
            break
        count += 1
    return count


def _emits(schema: Schema, sources: tuple[Source, ...]) -> dict[str, Emits]:
    from indexer.decode.idl import discriminators

    found: dict[str, Emits] = {}
    for address in {s.address for s in sources}:
        interface = schema.on(sources[0].chain)[address].interface
        events = any(e.accounts is None for e in interface.events)
        found[address] = Emits(events, discriminators(interface.document, interface.events))
    return found


def _topics(schema: Schema, sources: tuple[Source, ...]) -> frozenset[str] | None:
    """The topics to ask for; None (all) where the sources take in whole interfaces."""
    only = wanted(schema, sources)
    if only is None:
        return None
    selectors = {
        e.selector
        for s in sources
        for e in schema.on(s.chain)[s.address].interface.events
        if (s.address, e.signature) in only
    }
    return None if "" in selectors else frozenset(selectors)
