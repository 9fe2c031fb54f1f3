"""Raw ranges through decoder and writer, each stage at work while the next range is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Container, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from indexer.chains.evm import EvmReader
from indexer.chains.raw import RawRange
from indexer.chains.reader import Reader
from indexer.chains.solana import SolanaReader
from indexer.chains.watch import Child, Emits, Watch
from indexer.config import Chain
from indexer.decode.batch import Batch, decode, joined
from indexer.decode.factory import announcements
from indexer.decode.schema import Schema
from indexer.log.ledger import Source
from indexer.store import wanted

_TOGETHER = 30_000
"""Events of one transaction beyond which waiting batches aren't joined: what memory allows."""


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
    return (EvmReader if chain.kind == "evm" else SolanaReader)(chain, watch)


async def pump(
    ranges: AsyncGenerator[RawRange, None],
    schema: Schema,
    write: Callable[[Batch], Any],
    only: Container[tuple[str, str]] | None = None,
) -> None:
    """Decodes every range and writes them in order.

    Ranges that come while the writer is busy wait, and finalized ones among them go to it as one
    batch: the further the database is behind, the less each event costs it.
    """
    waiting: list[Batch] = []
    writing: asyncio.Future[Any] | None = None

    def start() -> asyncio.Future[Any]:
        count = _together(waiting)
        batch = joined(waiting[:count])
        del waiting[:count]
        return asyncio.ensure_future(asyncio.to_thread(write, batch))

    try:
        async with aclosing(ranges):
            async for raw in ranges:
                waiting.append(await asyncio.to_thread(decode, raw, schema, only))
                del raw
                if writing is not None and (writing.done() or _together(waiting) < len(waiting)):
                    await asyncio.shield(writing)
                    writing = None
                if writing is None:
                    writing = start()
        while waiting or writing is not None:
            if writing is not None:
                await asyncio.shield(writing)
            writing = start() if waiting else None
    finally:
        if writing is not None:  # a thread can't be cancelled: its transaction must end
            await asyncio.wait([writing])


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
