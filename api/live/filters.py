"""Which messages a stream wants: by chain, by event table, by any of the events' columns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.catalog import Catalog
from api.live.change import Message
from api.problem import Problem

OWN = ("chain", "event", "last_event_id")


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty sets let everything through. ``columns``: name → wanted values, as compared."""

    chains: frozenset[str]
    events: frozenset[str]
    columns: dict[str, frozenset[str]]

    def wants(self, message: Message) -> bool:
        """An undo's columns are gone with its row, so it passes every filter on columns."""
        if self.chains and message.chain not in self.chains:
            return False
        if self.events and message.event not in self.events:
            return False
        if message.row is None:
            return True
        row = message.row
        return all(_form(row.get(name)) in wanted for name, wanted in self.columns.items())


def columns(catalog: Catalog) -> list[str]:
    """Every column that a filter may name."""
    names = dict.fromkeys(
        f.name for t in catalog.events.values() for f in t.fields if f.shape.value != "json"
    )
    return [n for n in names if n not in OWN]


def parse(catalog: Catalog, given: Iterable[tuple[str, str]]) -> Filter:
    """Raises Problem 400 for what no event has."""
    known = columns(catalog)
    chains: set[str] = set()
    events: set[str] = set()
    wanted: dict[str, set[str]] = {}
    for name, value in given:
        if name == "chain":
            _require(value, list(catalog.config.chains), "chain")
            chains.add(value)
        elif name == "event":
            _require(value, list(catalog.events), "event")
            events.add(value)
        elif name in known:
            wanted.setdefault(name, set()).add(_form(value))
        elif name != "last_event_id":
            near = difflib.get_close_matches(name, [*OWN, *known], 1)
            hint = f"did you mean {near[0]!r}?" if near else "give a column of the events"
            raise Problem(400, f"unknown parameter {name!r}: {hint}")
    return Filter(
        frozenset(chains), frozenset(events), {n: frozenset(v) for n, v in wanted.items()}
    )


def _require(value: str, known: list[str], name: str) -> None:
    if value not in known:
        near = difflib.get_close_matches(value, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
        raise Problem(400, f"parameter {name!r}: no {value!r}; {hint}")


def _form(value: Any) -> str:
    """A value as compared: hex in one case, everything as text."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.lower() if text[:2] in ("0x", "0X") else text
