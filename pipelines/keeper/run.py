"""The keeper's passes over one chain: what is due is built, simulated, sent and seen to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from typing import Any

from api.problem import Problem
from api.tx import entity
from api.tx.model import ProgramError
from indexer.decode.schema import Binding
from indexer.errors import Retryable
from indexer.log import database
from pipelines.keeper import bets, contracts, payouts
from pipelines.keeper.chain import Built, Chain, TooDear
from pipelines.keeper.crank import Due, Key, Kind, Rank, Row
from pipelines.keeper.ledger import Ended, Ledger, Unread
from pipelines.keeper.trees import Tree

KINDS: tuple[Kind, ...] = (*bets.KINDS, *contracts.KINDS, *payouts.KINDS)
BATCH = 64
"""Cranks of one pass."""
_FREEING = 16
"""Of them, kept for what makes money payable: nobody is paid before it."""
_AT_ONCE = 4
"""Cranks that are built at the same time."""
_SEEN_WITHIN = 60.0
"""Seconds that a pass waits for its blocks; the next one goes on waiting."""
_LAST_WORDS = 5.0
"""Of them, when it is told to stop."""
_SLOW = 30.0
"""Seconds after which a transaction is sent again."""
_POLL = 0.5
_BACKOFF = (2.0, 600.0)
"""Seconds until what failed is tried again, doubled each time, and the most."""

Report = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Caps:
    """In wei or lamports: of a transaction, of 24 hours, and what must stay in the account."""

    max_fee: int
    per_day: int
    keep: int


@dataclass(slots=True)
class _Failure:
    times: int
    again: float


@dataclass(slots=True)
class Keeper:
    """``programs``: what the chain has, by address. ``dry``: shows, sends nothing. ``paying``:
    leaves out what only tidies."""

    ledger: Ledger
    chain: Chain
    name: str
    programs: Mapping[str, Binding]
    caps: Caps
    report: Report
    trees: Mapping[str, Tree] = field(default_factory=dict[str, Tree])
    dry: bool = False
    paying: bool = False
    _failures: dict[Key, _Failure] = field(default_factory=dict[Key, _Failure])
    _lacking: dict[str, str] = field(default_factory=dict[str, str])
    _halted: str = ""
    _started: bool = False

    async def run(self, stop: asyncio.Event, every: float) -> None:
        """Passes until told to stop, ``every`` seconds one. Raises Fatal; the world's troubles are
        told and tried again."""
        tries = 0
        while not stop.is_set():
            wait = every
            try:
                with database.translated():
                    sent = await self.once(stop)
                tries = 0
                # the tables need a moment to see it; whatever else is due needn't wait
                wait = every if sent < BATCH else 0
            except Retryable as error:
                if self.ledger.connection.closed:
                    raise
                tries += 1
                wait = max(error.after or 0, min(60.0, every * 2**tries))
                self.tell("waiting", why=str(error), seconds=wait)
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def once(self, stop: asyncio.Event | None = None) -> int:
        """One pass; how many transactions it sent. Raises Retryable and Fatal."""
        if not self.dry and not await self._settled() and self.chain.in_order:
            return 0
        self._started = True
        ready = await self._ready(await self._due())
        sent = await self._send(ready, stop or asyncio.Event())
        if sent:
            await self._watch(stop or asyncio.Event())
        return sent

    def tell(self, what: str, key: Key | None = None, **more: Any) -> None:
        where: dict[str, Any] = {"chain": self.name}
        if key is not None:
            crank, entity_, about = key
            where |= {"crank": crank, "entity": entity_} | ({"about": about} if about else {})
        self.report(what, where | more)

    # -- what is due ----------------------------------------------------------------------------

    async def _due(self) -> list[Due]:
        """What the tables say of the chain's head, all of one moment: who is owed money first,
        what only tidies last."""
        names = {b.program for b in self.programs.values()}
        kinds = [
            k
            for k in KINDS
            if k.program in names
            and self.chain.kind in k.chains
            and not (self.paying and k.rank is Rank.TIDY)
        ]
        now, connection = time.monotonic(), self.ledger.connection
        # one that wasn't due for so long was done by somebody
        self._failures = {
            key: f for key, f in self._failures.items() if f.again > now - 2 * _BACKOFF[1]
        }
        solana = self.chain.kind == "solana"
        async with connection.transaction():
            await connection.execute("SET TRANSACTION READ ONLY")
            head = await self.ledger.head()
            rows: dict[Rank, list[list[tuple[Kind, Row]]]] = {rank: [] for rank in Rank}
            for kind in kinds:
                skip = [
                    key[1:]
                    for key, failure in self._failures.items()
                    if key[0] == str(kind) and failure.again > now
                ]
                try:
                    found = await self.ledger.due(kind, head, skip, BATCH, solana)
                except Unread as error:
                    self._unread(kind, str(error))
                    continue
                self._lacking.pop(str(kind), None)
                rows[kind.rank].append([(kind, row) for row in found])
            turns = {rank: _turns(rows[rank]) for rank in Rank}
            freeing = list(islice(turns[Rank.FREE], _FREEING))
            rest = chain(turns[Rank.PAY], turns[Rank.FREE], turns[Rank.TIDY])
            chosen = [*freeing, *islice(rest, BATCH - len(freeing))]
            chosen.sort(key=lambda one: one[0].rank)
            read = [await self._read(kind, row) for kind, row in chosen]
        return [due for due in read if due is not None]

    def _unread(self, kind: Kind, why: str) -> None:
        """Told once, not in each pass."""
        if self._lacking.get(str(kind)) != why:
            self._lacking[str(kind)] = why
            self.tell("failed", crank=str(kind), why=why)

    async def _read(self, kind: Kind, row: Row) -> Due | None:
        there = {a: b for a, b in self.programs.items() if b.program == kind.program}
        of = await entity.read(self.ledger.connection, kind.opened, there, self.name, row["entity"])
        if (tree := self.trees.get(row.get("root", ""))) is not None:
            row = {**row, "proof": tree.proof(int(row["place"]))}
        return Due(kind, of, row)

    # -- built and simulated --------------------------------------------------------------------

    async def _ready(self, due: Sequence[Due]) -> list[tuple[Due, Built]]:
        """Those that would succeed on the newest block. What fails is told, and waits its time."""
        few = asyncio.Semaphore(_AT_ONCE)

        async def one(d: Due) -> Built | Exception:
            async with few:
                try:
                    return await self._build(d)
                except Exception as error:
                    # What is in a table was chosen by strangers: one entity that can't even be
                    # built must not keep the others from being paid.
                    return error

        built = await asyncio.gather(*(one(d) for d in due))
        down = [b for b in built if isinstance(b, Retryable)]
        if down and len(down) == len(built):
            raise down[0]
        ready: list[tuple[Due, Built]] = []
        for d, b in zip(due, built, strict=True):
            if isinstance(b, Built) and b.error is None:
                ready.append((d, b))
            elif isinstance(b, Built):
                await self._refused(d, b.error)
            elif isinstance(b, Problem) and b.status == 404:
                # on Solana an account that the call closes is gone already
                await self._others(d, "gone")
            else:
                why = b.detail if isinstance(b, Problem) else (str(b) or type(b).__name__)
                self._failed(d.key, None, why)
        return ready

    async def _build(self, due: Due) -> Built:
        call = due.kind.call(due.row, self.chain.sender, None, due.entity)
        built = await self.chain.build(due.entity, call)
        if built.error is None or due.kind.payee is None or built.error.name in due.kind.done:
            return built
        to = await self.chain.holding(due.kind.payee(due.row, due.entity), due.entity.token)
        if to is None:
            return built
        call = due.kind.call(due.row, self.chain.sender, to, due.entity)
        return await self.chain.build(due.entity, call)

    async def _refused(self, due: Due, error: ProgramError | None) -> None:
        if error is not None and error.name in due.kind.done:
            await self._others(due, error.name or "")
        else:
            self._failed(due.key, error and error.name, error.message if error else "")

    async def _others(self, due: Due, why: str) -> None:
        """Somebody else was first: all is well, and the tables will say so."""
        if due.kind.silent:
            await self.ledger.done(*due.key)
        else:
            self._wait(due.key)
        self.tell("already", due.key, why=why)

    def _failed(self, key: Key, name: str | None, why: str) -> None:
        seconds = self._wait(key)
        self.tell("failed", key, error=name, why=why, again_in=round(seconds))

    def _wait(self, key: Key) -> float:
        failure = self._failures.setdefault(key, _Failure(0, 0))
        seconds = min(_BACKOFF[1], _BACKOFF[0] * 2**failure.times)
        failure.times = min(failure.times + 1, 20)
        failure.again = time.monotonic() + seconds
        return seconds

    # -- sent -----------------------------------------------------------------------------------

    async def _send(self, ready: Iterable[tuple[Due, Built]], stop: asyncio.Event) -> int:
        ready = list(ready)
        if not ready:
            return 0
        await self.chain.begin()
        left = await self.chain.balance() - self.caps.keep
        count = 0
        for due, built in ready:
            if stop.is_set():
                break
            try:
                signed = self.chain.sign(built, self.caps.max_fee)
            except TooDear as dear:
                cap = self.money(self.caps.max_fee)
                why = f"it may cost {self.money(dear.most)}, over --max-fee {cap}"
                self._failed(due.key, None, why)
                continue
            if signed.most > left:
                self._halt(
                    "keep",
                    f"the account {self.chain.sender} would go below {self.money(self.caps.keep)} "
                    "(--keep): send it more",
                )
                return count
            if self.dry:
                self.tell("would", due.key, most=self.money(signed.most))
                continue
            id_ = await self.ledger.reserve(due, signed, self.caps.per_day)
            if id_ is None:
                spent = await self.ledger.spent()
                if spent + signed.most > self.caps.per_day:
                    self._halt(
                        "per_day",
                        f"{self.money(spent)} of the last 24 hours leave no room under --per-day "
                        f"{self.money(self.caps.per_day)}: sending goes on when they are over",
                    )
                    return count
                self.tell("already", due.key, why="another keeper sends it")
                continue
            self._halted = ""
            error = await self.chain.send(signed)
            if error is not None:
                await self.ledger.end(id_, Ended("dropped", signed.tx))
                await self._refused(due, error)
                continue
            left -= signed.most
            count += 1
            self.tell("sent", due.key, tx=signed.tx, most=self.money(signed.most))
        return count

    def _halt(self, by: str, why: str) -> None:
        """Told once, not in each pass."""
        if self._halted != by:
            self._halted = by
            self.tell("stopped", why=why)

    def money(self, amount: int) -> str:
        """In the chain's coin: 0.0021 ETH."""
        whole, part = divmod(amount, 10**self.chain.decimals)
        digits = f"{part:0{self.chain.decimals}d}".rstrip("0")
        return f"{whole}{'.' + digits if digits else ''} {self.chain.unit}"

    # -- seen to its end ------------------------------------------------------------------------

    async def _settled(self) -> bool:
        """Whether all that was sent before has ended; what a killed keeper left too."""
        pending = await self.ledger.pending()
        if not pending:
            return True
        ended = await self.chain.ended(pending)
        for sent in pending:
            key = sent.crank, sent.entity, sent.about
            if (found := ended.get(sent.id)) is not None:
                await self.ledger.end(sent.id, found)
                if found.outcome == "ok":
                    self._failures.pop(key, None)
                    if _SILENT.get(sent.crank):
                        await self.ledger.done(*key)
                elif found.outcome == "refused":
                    # what succeeds when simulated and fails in a block, as a token can be made
                    # to, must not be paid for in each pass
                    self._wait(key)
                more: dict[str, Any] = {"tx": found.tx, "spent": self.money(found.spent)}
                more |= {"height": found.height} if found.height is not None else {}
                more |= {"why": found.error} if found.error else {}
                self.tell(found.outcome, key, **more)
            elif sent.age > _SLOW or not self._started:
                signed = await self.chain.push(sent, self.caps.max_fee)
                if signed is not None and await self.ledger.replace(
                    sent, signed, self.caps.per_day
                ):
                    await self.chain.resend(signed)
                    self.tell("replaced", key, tx=signed.tx)
        return len(ended) == len(pending)

    async def _watch(self, stop: asyncio.Event) -> None:
        until = time.monotonic() + _SEEN_WITHIN
        while not await self._settled() and time.monotonic() < until:
            if stop.is_set():
                # what is under way is told, where that is soon
                until = min(until, time.monotonic() + _LAST_WORDS)
            await asyncio.sleep(_POLL)


def _turns(kinds: Sequence[Sequence[tuple[Kind, Row]]]) -> Iterator[tuple[Kind, Row]]:
    """One of each kind in turn: many of one don't hold up another."""
    for several in zip_longest(*kinds):
        yield from (one for one in several if one is not None)


_SILENT = {str(kind): kind.silent for kind in KINDS}
