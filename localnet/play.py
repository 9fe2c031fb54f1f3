"""Plays a story on chains: sends each action when it is due, and keeps what became of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from indexer.errors import Fatal
from localnet.stories.action import Key, Step
from localnet.together import together

Note = Callable[["Sent"], None]
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that a chain has in a block: ``ok`` is the chain's own verdict.

    ``time``: unix seconds at sending; ``took``: seconds from there to the receipt.
    """

    chain: str
    program: str
    kind: str
    entity: str
    tx: str
    height: int
    ok: bool
    expected: bool
    error: str
    time: float
    took: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """``error``: what the chain says of a refused transaction, where it says it. ``made``: the
    entity that an EVM transaction's first event is about."""

    tx: str
    height: int
    ok: bool
    error: str = ""
    made: str = ""


class Chain(Protocol):
    """A chain, as far as a player needs its clock.

    ``in_turn``: a wallet's openings in one program wait for one another there. Their deadlines are
    those of the moment when each is sent.
    """

    chain: str
    in_turn: bool

    async def now(self) -> int:
        """The chain's clock, unix seconds."""
        ...

    async def travel(self, to: int) -> None:
        """Sets the chain's clock forward to ``to``, unix seconds."""
        ...


@dataclass
class Entity:
    """A market, an agreement, a pool … of the story on one chain.

    ``id``: the program's name for it, from its opening on. ``times``: its deadlines and the ends
    of its spans on the chain's clock, ``spans`` in seconds; ``notes``: what its caller remembers.
    """

    id: str = ""
    times: dict[str, int] = field(default_factory=dict)
    spans: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    pending: Counter[int] = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def waits(self, phase: int) -> bool:
        """Whether an earlier phase has actions under way."""
        return any(n for p, n in self.pending.items() if p < phase)


Entities = Mapping[Key, Entity]


class Program(Protocol):
    """A program on one chain, as wallets call it."""

    async def act(self, action: Any, entity: Entity, others: Entities) -> Receipt:
        """Signs and sends ``action`` and waits for the receipt; a refused transaction is a receipt
        too. An opening that succeeds sets the entity's id. ``others``: all that was opened."""
        ...


class Player:
    """Plays on one chain. ``sent`` grows as receipts come in; actions on programs that the chain
    doesn't have are left out.

    With ``travels`` the deadlines are hours of the chain's time away, and its clock is set
    forward when all that is left waits for it: so no machine is too slow to be in time.
    """

    def __init__(
        self,
        chain: Chain,
        programs: Mapping[str, Program],
        note: Note | None = None,
        travels: bool = False,
    ) -> None:
        self.chain, self.programs = chain, programs
        self.sent: list[Sent] = []
        self.note = note
        self.entities: defaultdict[Key, Entity] = defaultdict(Entity)
        self.opening: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self.tasks: set[asyncio.Task[None]] = set()
        self.stretch = 1_000 if travels else 1
        self.blocked = 0
        self.dues: list[int] = []

    async def play(
        self, actions: Iterable[Step], seconds: float | None = None, most: int = 200
    ) -> None:
        """Sends ``actions`` in their time, for ``seconds`` (None: to the story's end), and waits
        for the receipts. At most ``most`` are under way: a chain that can't keep pace delays the
        story, and loses none of it. Raises what a send raised."""
        start = time.monotonic()
        try:
            for action in actions:
                if seconds is not None and action.at > seconds:
                    break
                await asyncio.sleep(start + action.at - time.monotonic())
                self._reap()
                while len(self.tasks) >= most:
                    await self._some()
                if action.program in self.programs:
                    self._begin(action)
            while self.tasks:
                await (self._some() if self.stretch == 1 else self._some_or_travel())
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _some(self) -> None:
        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        self._reap()

    async def _some_or_travel(self) -> None:
        await asyncio.wait(self.tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        self._reap()
        if self.dues and self.blocked == len(self.tasks):
            # One who has been woken but hasn't run yet still counts as blocked.
            await asyncio.sleep(0.1)
            if self.dues and self.blocked == len(self.tasks):
                await self.chain.travel(min(self.dues))

    def _reap(self) -> None:
        done = {task for task in self.tasks if task.done()}
        self.tasks -= done
        failed = [error for task in done if (error := task.exception()) is not None]
        if failed:
            raise failed[0]

    def _begin(self, action: Step) -> None:
        entity = self.entities[action.key]
        entity.pending[action.phase] += 1
        self.tasks.add(asyncio.create_task(self._act(action, entity)))

    async def _act(self, action: Step, entity: Entity) -> None:
        self.blocked += 1
        async with entity.changed:
            await entity.changed.wait_for(lambda: not entity.waits(action.phase))
        for key in action.needs:
            needed = self.entities[key]
            async with needed.changed:
                await needed.changed.wait_for(lambda needed=needed: bool(needed.id))
        if action.after:
            # without one, what begins it was refused, and this will be too
            due = entity.times.get(action.after, 0) + 1
            self.dues.append(due)
            while await self.chain.now() < due:
                await asyncio.sleep(0.2)
            self.dues.remove(due)
        self.blocked -= 1
        if action.phase == 0:
            await self._open(action, entity)
        else:
            began = time.time()
            receipt = await self.programs[action.program].act(action, entity, self.entities)
            if action.starts and receipt.ok:
                entity.times[action.starts] = await self.chain.now() + entity.spans[action.starts]
            self._keep(action, entity, receipt, began)
        async with entity.changed:
            entity.pending[action.phase] -= 1
            entity.changed.notify_all()

    async def _open(self, action: Step, entity: Entity) -> None:
        """Tries again where the machine was too slow for the deadlines that it had set."""
        for _ in range(_TRIES):
            turn = self.opening[action.program, action.actor]
            async with turn if self.chain.in_turn else nullcontext():
                began = time.time()
                now = await self.chain.now()
                entity.times = {k: now + self._length(s) for k, s in action.deadlines.items()}
                entity.spans = {k: self._length(s) for k, s in action.spans.items()}
                receipt = await self.programs[action.program].act(action, entity, self.entities)
            self._keep(action, entity, receipt, began)
            if receipt.ok:
                return
        raise Fatal(
            f"{self.chain.chain}: {action.program} refuses {action.kind}(), transaction "
            f"{receipt.tx}: {receipt.error or 'the chain says no more'}"
        )

    def _length(self, seconds: float) -> int:
        return round(seconds * self.stretch)

    def _keep(self, action: Step, entity: Entity, receipt: Receipt, began: float) -> None:
        sent = Sent(
            self.chain.chain,
            action.program,
            action.kind,
            entity.id,
            receipt.tx,
            receipt.height,
            receipt.ok,
            receipt.ok == (not action.error),
            receipt.error,
            began,
            time.time() - began,
        )
        self.sent.append(sent)
        if self.note is not None:
            self.note(sent)


@contextmanager
def recorded(file: Path) -> Iterator[Note]:
    """Writes each transaction that is noted as a JSON line of ``file``."""
    with file.open("w", buffering=1) as lines:
        yield lambda sent: print(json.dumps(asdict(sent)), file=lines)


async def play(
    players: Iterable[Player], story: Callable[[], Iterable[Step]], seconds: float | None
) -> None:
    """Plays one story on several chains at once. The first failure ends all."""
    await together(*(player.play(story(), seconds) for player in players))
