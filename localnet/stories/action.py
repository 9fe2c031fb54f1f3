"""What a story tells: actions on entities, and scripts of one entity's actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Key = tuple[str, int]
"""An entity of the story, such as ("agreement", 4): counted from 0, the same on every chain."""
USDC = 1_000_000  # smallest units


class Step(Protocol):
    """One transaction, as far as a player has to know it.

    ``phase`` orders an entity's actions: one is sent when all of the phases before it are done,
    and when the entities that it ``needs`` are open. ``deadlines`` of an opening are seconds from
    then on, ``spans`` are lengths in seconds; one of them ``starts`` when the action is in a block.
    ``after``: the action must also wait until that deadline, or that span, has passed on the
    chain. ``error`` names the rule that the program will refuse it by; "" when it must succeed.
    """

    @property
    def at(self) -> float: ...
    @property
    def program(self) -> str: ...
    @property
    def key(self) -> Key: ...
    @property
    def kind(self) -> str: ...
    @property
    def phase(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def deadlines(self) -> Mapping[str, float]: ...
    @property
    def spans(self) -> Mapping[str, float]: ...
    @property
    def starts(self) -> str: ...
    @property
    def after(self) -> str: ...
    @property
    def needs(self) -> tuple[Key, ...]: ...
    @property
    def error(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Action:
    """A Step whose call says ``args``, by the names that the program's caller reads."""

    at: float
    program: str
    key: Key
    kind: str
    phase: int
    actor: str
    args: Mapping[str, Any] = field(default_factory=dict)
    deadlines: Mapping[str, float] = field(default_factory=dict)
    spans: Mapping[str, float] = field(default_factory=dict)
    starts: str = ""
    after: str = ""
    needs: tuple[Key, ...] = ()
    error: str = ""


class Script:
    """An entity's actions, a phase each unless they are said to be of one phase."""

    def __init__(self, program: str, key: Key, at: float) -> None:
        self.program, self.key = program, key
        self.opened = self.at = at
        self.deadlines: Mapping[str, float] = {}
        self.spans: Mapping[str, float] = {}
        self.starts: dict[str, float] = {}
        self.actions: list[Action] = []
        self.phase = -1

    def open(
        self,
        kind: str,
        actor: str,
        deadlines: Mapping[str, float],
        spans: Mapping[str, float] | None = None,
        needs: tuple[Key, ...] = (),
        **args: Any,
    ) -> None:
        """The first action."""
        self.deadlines, self.spans, self.phase = deadlines, spans or {}, 0
        self.actions.append(
            Action(
                self.at, self.program, self.key, kind, 0, actor, args,
                deadlines=deadlines, spans=self.spans, needs=needs,
            )
        )  # fmt: skip

    def then(
        self,
        kind: str,
        actor: str,
        *,
        program: str | None = None,
        beside: bool = False,
        starts: str = "",
        after: str = "",
        needs: tuple[Key, ...] = (),
        error: str = "",
        **args: Any,
    ) -> None:
        """The next action; ``beside`` the one before it: in its phase."""
        if not beside:
            self.phase += 1
            self.at += 0.25
        if after:
            due = self.starts.get(after, self.opened + self.deadlines.get(after, 0.0))
            self.at = max(self.at, due + 0.5)
        if starts:
            self.starts[starts] = self.at + self.spans[starts]
        self.actions.append(
            Action(
                self.at, program or self.program, self.key, kind, self.phase, actor, args,
                starts=starts, after=after, needs=needs, error=error,
            )
        )  # fmt: skip

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)
