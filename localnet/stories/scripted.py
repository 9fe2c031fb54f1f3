"""A program's part of the story, told by scripts: an entity now and then, each with its fate."""

from __future__ import annotations

import heapq
import random
from abc import ABC, abstractmethod
from dataclasses import replace

from localnet.stories.action import Action, Script


class Scripted(ABC):
    """Opens an entity whenever its ``share`` of ``rate`` actions a second has room for one of
    about ``length`` actions, and tells the scripts' actions when they are due.

    ``scale``: by how much deadlines must be longer than at ten actions a second, for a script
    that is told more slowly to be within them.
    """

    def __init__(self, rate: float, rng: random.Random, share: float, length: float) -> None:
        self.rng = rng
        self.every = length / (share * rate)
        self.scale = max(1.0, 10.0 / rate)
        self.opening = rng.uniform(0, self.every)
        self.count = 0
        self.due: list[tuple[float, int, int, Action]] = []

    @abstractmethod
    def script(self, number: int, now: float) -> Script:
        """All that will happen to a new entity."""

    def next(self, now: float) -> Action | None:
        """The action of this moment, if there is one."""
        if self.opening <= now:
            self.opening += self.every * self.rng.uniform(0.5, 1.5)
            for i, action in enumerate(self.script(self.count, now)):
                heapq.heappush(self.due, (action.at, self.count, i, action))
            self.count += 1
        if self.due and self.due[0][0] <= now:
            return replace(heapq.heappop(self.due)[3], at=now)
        return None
