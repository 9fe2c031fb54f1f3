"""Raw ranges through decoder and writer, each stage at work while the next range is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Container
from contextlib import aclosing
from typing import Any

from indexer.chains.evm import EvmReader
from indexer.chains.raw import RawRange
from indexer.chains.reader import Reader
from indexer.chains.solana import SolanaReader
from indexer.chains.watch import Watch
from indexer.config import Chain
from indexer.decode.batch import Batch, decode
from indexer.decode.schema import Schema
from indexer.log.ledger import Source
from indexer.store import wanted


def reader(chain: Chain, schema: Schema, sources: tuple[Source, ...]) -> Reader:
    """A reader of ``chain`` for what ``sources`` take in."""
    return (EvmReader if chain.kind == "evm" else SolanaReader)(
        chain, Watch({s.address: s.start for s in sources}, _topics(schema, sources))
    )


async def pump(
    ranges: AsyncGenerator[RawRange, None],
    schema: Schema,
    write: Callable[[Batch], Any],
    only: Container[tuple[str, str]] | None = None,
) -> None:
    """Decodes and writes every range in order; at most one batch waits for the writer."""
    writing: asyncio.Future[Any] | None = None
    try:
        async with aclosing(ranges):
            async for raw in ranges:
                batch = await asyncio.to_thread(decode, raw, schema, only)
                if writing is not None:
                    await asyncio.shield(writing)
                writing = asyncio.ensure_future(asyncio.to_thread(write, batch))
                del raw, batch
        if writing is not None:
            await asyncio.shield(writing)
            writing = None
    finally:
        if writing is not None:  # a thread can't be cancelled: its transaction must end
            await asyncio.wait([writing])


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
