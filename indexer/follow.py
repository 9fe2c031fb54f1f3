"""The head writer of one chain: catches up, follows new blocks, takes orphaned ones back out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import Connection

from indexer import backfill, ingest
from indexer.ancestor import common
from indexer.chains.raw import Tip
from indexer.chains.reader import Reader
from indexer.errors import Fatal, Retryable
from indexer.log import database, ledger, writer
from indexer.log.database import run
from indexer.log.undo import undo
from indexer.store import Store

_POLL = 1.0  # seconds between looks at the tip when no subscription wakes us
_LOCK_POLL = 0.5
_ATTEMPTS_ONCE = 8


@dataclass(frozen=True, slots=True)
class Reorg:
    """Heights above ``ancestor`` were taken back out, with ``events`` events."""

    chain: str
    ancestor: int
    events: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The chain makes no progress for now, and why."""

    chain: str
    why: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """A range is in. ``target`` is the height that the writer is on its way to."""

    chain: str
    first: int
    last: int
    target: int
    events: int
    unknown: int


Report = Callable[[Reorg | Waiting | Wrote], None]


@dataclass(slots=True)
class Follower:
    """Follows ``chain`` until ``until`` is in (None: for ever); ``once``: until today's tip is."""

    store: Store
    chain: str
    report: Report
    until: int | None = None
    once: bool = False

    async def run(self) -> None:
        """Runs until done or cancelled. What passes is waited out, what can't be helped is Fatal.

        With ``once`` or ``until`` the wait is limited, so that a batch job ends.
        """
        failures = 0
        limited = self.once or self.until is not None
        reader = ingest.reader(
            self.store.config.chains[self.chain],
            self.store.schema,
            self.store.sources_on(self.chain),
        )
        try:
            await self._retry_check(reader)
            while True:
                progressed = _Progress()
                try:
                    with database.translated():
                        await self._session(reader, progressed)
                    return
                except Retryable as error:
                    failures = 1 if progressed.made else failures + 1
                    if limited and failures >= _ATTEMPTS_ONCE:
                        raise
                    self.report(Waiting(self.chain, str(error)))
                    longest = min(10.0, 0.1 * 2**failures)
                    await asyncio.sleep(error.after or random.uniform(0, longest))
        finally:
            await reader.aclose()

    async def _retry_check(self, reader: Reader) -> None:
        """A wrong node or address is Fatal at once; one that doesn't answer is too, at start."""
        try:
            await reader.check()
        except Retryable as error:
            raise Fatal(str(error)) from error

    async def _session(self, reader: Reader, progressed: _Progress) -> None:
        """One life of the database connection."""
        name = f"index {self.chain}"
        with _reconnected(self.store, name) as connection:
            if not await self._locked(connection):
                return
            head = _Head(self, connection, reader, progressed)
            tip = await reader.tip()
            await head.begin(tip)
            tasks = [
                asyncio.create_task(head.follow(tip)),
                asyncio.create_task(self._fill_below(reader, min(tip.finalized, head.height))),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def _locked(self, connection: Connection[Any]) -> bool:
        """Takes the chain's head lock; one writer only, the others wait for it."""
        key = f"{self.store.log.into} head {self.chain}"
        told = False
        while True:
            row = run(connection, "SELECT pg_try_advisory_lock(hashtext(%s))", [key]).fetchone()
            if row is not None and row[0]:
                return True
            if not told:
                self.report(Waiting(self.chain, "another chainfold indexes this chain; waiting"))
                told = True
            await asyncio.sleep(_LOCK_POLL)

    async def _fill_below(self, reader: Reader, last: int) -> None:
        """Fills gaps below the head: what a program that was added later lacks."""
        with _reconnected(self.store, f"fill {self.chain}") as connection:
            await backfill.fill(
                self.store,
                connection,
                self.chain,
                0,
                last,
                reader=reader,
                progress=lambda b: self.wrote(b, last),
            )

    def wrote(self, done: writer.Prepared, target: int) -> None:
        self.report(Wrote(self.chain, done.first, done.last, target, done.events, done.unknown))


@dataclass(slots=True)
class _Progress:
    made: bool = False


@dataclass(slots=True)
class _Head:
    """The head row and what moves it."""

    of: Follower
    connection: Connection[Any]
    reader: Reader
    progressed: _Progress
    height: int = -1
    hash: str = ""
    final: int = -1
    """Up to here what we hold is proven to be the chain that nodes call final."""
    told: tuple[int, int] = (-1, -1)

    async def begin(self, tip: Tip) -> None:
        """Finds the head row, or fills history up to the finalized height and makes it."""
        store, chain = self.of.store, self.of.chain
        row = writer.head(self.connection, store.log, chain)
        if row is None:
            first = min(s.start for s in store.sources_on(chain))
            until = tip.finalized if self.of.until is None else min(tip.finalized, self.of.until)
            last = max(until, first - 1)
            await backfill.fill(
                store,
                self.connection,
                chain,
                first,
                last,
                reader=self.reader,
                progress=lambda b: self._wrote(b, last),
            )
            self._create(last, tip)
            row = writer.head(self.connection, store.log, chain)
            assert row is not None
        self.height, self.hash, self.final = row
        while not await self._prove(tip):
            pass
        await self._make_room(tip)
        if any(level for level in store.levels(chain)[1:]):
            # which children there are is known where nothing of their factories is missing
            await backfill.fill(
                store,
                self.connection,
                chain,
                0,
                min(tip.finalized, self.height),
                reader=self.reader,
                progress=lambda b: self._wrote(b, self.height),
            )
            self._know_children()
        if not self.of.once and self.of.until is None:
            # a batch job builds them only if it meets a reorg: bulk loads go faster without
            await ingest.whole(lambda: store.index_for_undo(self.connection))

    async def _make_room(self, tip: Tip) -> None:
        """Goes back to a final height where a source lacks heights that aren't final yet.

        A backfill takes in final heights only; a program that was added later gets the others
        with all the rest, from the head.
        """
        store, chain = self.of.store, self.of.chain
        final = min(tip.finalized, self.height)
        if not any(
            ledger.gaps(self.connection, store.log.into, s, self.height, final + 1)
            for s in store.sources_on(chain)
        ):
            return
        row = run(
            self.connection,
            f"SELECT max(height) FROM {store.log.table('block')} WHERE chain = %s AND height <= %s",
            [chain, final],
        ).fetchone()
        assert row is not None
        ancestor = final if row[0] is None else row[0]
        self.of.report(
            Waiting(chain, f"a program was added: taking heights above {ancestor} in again")
        )
        await self._undo(ancestor)

    def _know_children(self) -> None:
        store, chain = self.of.store, self.of.chain
        self.reader.watch.reset(store.children(self.connection, chain))

    async def follow(self, tip: Tip) -> None:
        target = self.of.until if self.of.until is not None else tip.latest
        limited = self.of.once or self.of.until is not None
        misses = 0
        while True:
            while not await self._prove(tip):
                pass
            await self._tell(tip)
            if self.height < tip.latest:
                misses = 0
                await self._advance(tip, min(tip.latest, target) if limited else tip.latest)
            elif self.height == tip.latest:
                misses = 0
                if tip.hash != self.hash and await self._is_orphan(self.height):
                    await self._reorg(tip)
                    continue
            else:
                misses += 1
                # a node that lags knows less than we do; a chain that got shorter stays so
                if misses >= 3 and await self._is_orphan(self.height):
                    await self._reorg(tip)
                    continue
            if limited and self.height >= target:
                behind = tip.latest < self.height
                if not (behind and await self._is_orphan(tip.latest)):
                    return
            await self.reader.wake(_POLL)
            tip = await self.reader.tip()

    async def _advance(self, tip: Tip, target: int) -> None:
        settled = min(tip.finalized, target)
        if self.height < settled:
            await self._catch_up(tip, settled)
        if self.height < target:
            try:
                await self._pump(tip, self.height + 1, target, finalized=False)
            except _Orphaned:
                await self._reorg(tip)

    async def _catch_up(self, tip: Tip, last: int) -> None:
        """Finalized heights above the head; a backfill may have taken some of them in."""
        store, chain = self.of.store, self.of.chain
        first = self.height + 1
        gaps = {
            tuple(ledger.gaps(self.connection, store.log.into, s, last, first))
            for s in store.sources_on(chain)
        }
        if gaps == {((first, last),)}:
            await self._pump(tip, first, last, finalized=True)
            return
        await backfill.fill(
            store, self.connection, chain, first, last, reader=self.reader, progress=None
        )
        self._move(last, tip)

    async def _pump(self, tip: Tip, first: int, last: int, *, finalized: bool) -> None:
        store = self.of.store
        sources = store.sources_on(self.of.chain)

        def write(prepared: writer.Prepared) -> None:
            self._check_link(prepared)
            with database.translated():
                try:
                    writer.write_head(
                        self.connection,
                        prepared,
                        sources,
                        finalized=prepared.last if prepared.finalized else self.final,
                        latest=tip.latest,
                    )
                except ledger.AlreadyCovered:
                    raise Retryable(
                        f"{self.of.chain}: a backfill took heights {prepared.first} to "
                        f"{prepared.last} in meanwhile; looking again"
                    ) from None
            self.height = prepared.last
            if prepared.finalized:
                self.final = prepared.last
            if len(prepared.blocks):
                self.hash = prepared.blocks.hash[-1]
            self._wrote(prepared, last)

        await ingest.pump(
            self.reader.stream(first, last, finalized=finalized),
            store.schema,
            partial(writer.prepare, store.log),
            write,
        )

    def _check_link(self, prepared: writer.Prepared) -> None:
        if prepared.finalized or not len(prepared.blocks) or not self.hash:
            return
        if prepared.blocks.parent != self.hash:
            raise _Orphaned

    async def _prove(self, tip: Tip) -> bool:
        """Moves ``final`` up to what nodes call final; where that isn't what we hold, goes back.

        Holding a height isn't holding the block that became final there: while we were away, or
        by a node that sat on another fork, it may have become an orphan. Whether there is no more
        to prove.
        """
        wanted = min(tip.finalized, self.height)
        if wanted <= self.final:
            return True
        row = self._stored(wanted)
        if row is not None and row[0] > self.final:
            block = await self.reader.final_block(row[0])
            if block is None or block.hash != row[1]:
                await self._reorg(tip, row[0] - 1)
                return False
            self.final = row[0]
        if self.height > tip.finalized:
            return True
        # Solana: slots that were skipped on our fork may have blocks on the final one
        proven = max(self.final, self._before())
        if proven < self.height:
            await self._undo(proven)
            return False
        return True

    def _before(self) -> int:
        """The height below the first that any source takes in."""
        return min(s.start for s in self.of.store.sources_on(self.of.chain)) - 1

    def _stored(self, height: int) -> tuple[int, str] | None:
        """(height, hash) of the highest stored block that isn't above ``height``."""
        return run(
            self.connection,
            f"SELECT height, hash FROM {self.of.store.log.table('block')} "
            "WHERE chain = %s AND height <= %s ORDER BY height DESC LIMIT 1",
            [self.of.chain, height],
        ).fetchone()

    async def _is_orphan(self, height: int) -> bool:
        """Whether the nodes don't have the highest block held that isn't above ``height``."""
        row = self._stored(height)
        if row is None:
            return False
        block = await self.reader.block(row[0])
        return block is None or block.hash != row[1]

    async def _reorg(self, tip: Tip, highest: int | None = None) -> None:
        """Walks back to the last block that the nodes still have and undoes what is above it.

        ``highest``: where the walk begins; the head where it is None.
        """
        chain, log = self.of.chain, self.of.store.log
        known = self._stored(self.final)
        lowest = self.final if known is None else known[0]
        top = self.height if highest is None else highest
        found = await common(self.connection, log, self.reader, chain, lowest, top)
        if found.height is not None:
            await self._undo(found.height)
            return
        if known is None:
            # all that we hold is orphaned, and nothing of it was ever final
            await self._undo(max(min(self.final, self.height), self._before()))
            return
        block = await self.reader.final_block(known[0])
        if block is not None and block.hash == known[1]:
            await self._undo(known[0])
            return
        raise Fatal(
            f"{chain}: the chain was reorganised below height {self.final}, which was final (its "
            f"nodes are now at {tip.latest}): check that {self.of.store.config.path.name} names "
            f"the right nodes, then run `chainfold repair --chain {chain}`"
        )

    async def _undo(self, ancestor: int) -> None:
        def work() -> int:
            with database.translated():
                self.of.store.index_for_undo(self.connection)
                return undo(
                    self.connection,
                    self.of.store.log,
                    self.of.store.unmerges,
                    self.of.chain,
                    ancestor,
                )

        events = await ingest.whole(work)
        row = writer.head(self.connection, self.of.store.log, self.of.chain)
        assert row is not None
        self.height, self.hash, self.final = row
        self._know_children()
        self.progressed.made = True
        self.of.report(Reorg(self.of.chain, ancestor, events))

    def _create(self, height: int, tip: Tip) -> None:
        log = self.of.store.log
        run(
            self.connection,
            f"INSERT INTO {log.table('head')} "
            "(chain, height, hash, time, finalized, latest, live_from) "
            "SELECT %(chain)s, %(height)s, coalesce(b.hash, ''), "
            "coalesce(b.time, to_timestamp(0)), %(finalized)s, %(latest)s, %(height)s "
            "FROM (SELECT 1) AS one LEFT JOIN LATERAL (SELECT hash, time FROM "
            f"{log.table('block')} WHERE chain = %(chain)s AND height <= %(height)s "
            "ORDER BY height DESC LIMIT 1) b ON true",
            {
                "chain": self.of.chain,
                "height": height,
                "finalized": min(tip.finalized, height),
                "latest": tip.latest,
            },
        )

    def _move(self, height: int, tip: Tip) -> None:
        """The head jumps to ``height``: what is below is covered by others."""
        log = self.of.store.log
        row = run(
            self.connection,
            f"UPDATE {log.table('head')} h SET height = %(height)s, hash = b.hash, time = b.time, "
            "finalized = greatest(h.finalized, %(finalized)s), latest = %(latest)s, "
            f"updated_at = now() FROM (SELECT hash, time FROM {log.table('block')} "
            "WHERE chain = %(chain)s AND height <= %(height)s ORDER BY height DESC LIMIT 1) b "
            "WHERE h.chain = %(chain)s RETURNING h.hash",
            {
                "chain": self.of.chain,
                "height": height,
                "finalized": height,
                "latest": tip.latest,
            },
        ).fetchone()
        assert row is not None
        self.height, self.hash, self.final = height, row[0], height
        self.progressed.made = True

    async def _tell(self, tip: Tip) -> None:
        """Keeps the head row's view of the chain fresh while no block comes."""
        if self.told == (self.final, tip.latest):
            return
        self.told = (self.final, tip.latest)
        run(
            self.connection,
            f"UPDATE {self.of.store.log.table('head')} SET latest = %s, "
            "finalized = greatest(finalized, least(%s, height)), updated_at = now() "
            "WHERE chain = %s",
            [tip.latest, self.final, self.of.chain],
        )

    def _wrote(self, done: writer.Prepared, target: int) -> None:
        self.progressed.made = True
        self.of.wrote(done, target)


class _Orphaned(Exception):
    """The next block's parent isn't our head."""


def _reconnected(store: Store, name: str) -> Connection[Any]:
    """A connection; a server that is away now may come back: Retryable, not Fatal."""
    try:
        return store.connect(name)
    except database.Unreachable as error:
        raise Retryable(str(error)) from error
