"""Plays a story on chains: sends each action when it is due, and keeps what became of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from localnet.scenario import CLOSED, Action, Terms
from localnet.together import together

Note = Callable[["Sent"], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that a chain has in a block: ``ok`` is the chain's own verdict.

    ``time``: unix seconds at sending; ``took``: seconds from there to the receipt.
    """

    chain: str
    kind: str
    market: str
    tx: str
    height: int
    ok: bool
    expected: bool
    error: str
    time: float
    took: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """``error``: what the chain says of a refused transaction, where it says it."""

    tx: str
    height: int
    ok: bool
    error: str = ""


class Bets(Protocol):
    """The bets program on one chain, as wallets call it. Each call signs, sends and waits for the
    receipt; a refused transaction is a receipt too. ``market``: the id that ``open`` gave."""

    chain: str

    async def now(self) -> int:
        """The chain's clock, unix seconds."""
        ...

    async def travel(self, to: int) -> None:
        """Sets the chain's clock forward to ``to``, unix seconds."""
        ...

    async def open(self, terms: Terms, close_at: int, resolve_by: int) -> tuple[str, Receipt]: ...

    async def call(self, action: Action, market: str) -> Receipt: ...


@dataclass
class _Market:
    id: str = ""
    close_at: int = 0
    resolve_by: int = 0
    pending: list[int] = field(default_factory=lambda: [0] * (CLOSED + 1))
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class Player:
    """Plays on one chain. ``sent`` grows as receipts come in.

    With ``travels`` the markets stay open for hours of the chain's time, and its clock is set
    forward when all that is left waits for it: so no machine is too slow for a bet to be in time.
    """

    def __init__(self, bets: Bets, note: Note | None = None, travels: bool = False) -> None:
        self.bets = bets
        self.sent: list[Sent] = []
        self.note = note
        self.markets: dict[int, _Market] = defaultdict(_Market)
        self.tasks: set[asyncio.Task[None]] = set()
        self.stretch = 1_000 if travels else 1
        self.blocked = 0
        self.dues: list[int] = []

    async def play(
        self, actions: Iterable[Action], seconds: float | None = None, most: int = 200
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
                await self.bets.travel(min(self.dues))

    def _reap(self) -> None:
        done = {task for task in self.tasks if task.done()}
        self.tasks -= done
        failed = [error for task in done if (error := task.exception()) is not None]
        if failed:
            raise failed[0]

    def _begin(self, action: Action) -> None:
        market = self.markets[action.market]
        market.pending[action.phase] += 1
        task = asyncio.create_task(self._act(action, market))
        self.tasks.add(task)

    async def _act(self, action: Action, market: _Market) -> None:
        self.blocked += 1
        async with market.changed:
            await market.changed.wait_for(lambda: not any(market.pending[: action.phase]))
        if action.after:
            due = market.close_at if action.after == "close" else market.resolve_by + 1
            self.dues.append(due)
            while await self.bets.now() < due:
                await asyncio.sleep(0.2)
            self.dues.remove(due)
        self.blocked -= 1
        began = time.time()
        if action.kind == "open":
            assert action.terms is not None
            market.close_at = await self.bets.now() + round(action.terms.life * self.stretch)
            market.resolve_by = market.close_at + round(action.terms.window * self.stretch)
            market.id, receipt = await self.bets.open(
                action.terms, market.close_at, market.resolve_by
            )
        else:
            receipt = await self.bets.call(action, market.id)
        sent = Sent(
            self.bets.chain,
            action.kind,
            market.id,
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
        async with market.changed:
            market.pending[action.phase] -= 1
            market.changed.notify_all()


@contextmanager
def recorded(file: Path) -> Iterator[Note]:
    """Writes each transaction that is noted as a JSON line of ``file``."""
    with file.open("w", buffering=1) as lines:
        yield lambda sent: print(json.dumps(asdict(sent)), file=lines)


async def play(
    players: Iterable[Player], story: Callable[[], Iterable[Action]], seconds: float | None
) -> None:
    """Plays one story on several chains at once. The first failure ends all."""
    await together(*(player.play(story(), seconds) for player in players))
