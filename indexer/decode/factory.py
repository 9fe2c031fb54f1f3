"""Where in an event a factory names its child: what the chain stage looks for in raw logs."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.chains.watch import Announcement
from indexer.config import Factory
from indexer.decode.evm import head_size
from indexer.decode.interface import Event, Field, snake
from indexer.decode.schema import Binding, Schema
from indexer.decode.types import Type
from indexer.errors import Fatal


def announcements(schema: Schema, chain: str) -> tuple[Announcement, ...]:
    """What announces the children of every factory on ``chain``.

    Raises Fatal where a factory names an event or a field that its interface hasn't got, or one
    that holds no address.
    """
    bindings = schema.on(chain).values()
    return tuple(
        announcement
        for binding in bindings
        if binding.factory is not None
        for announcement in _of(binding, binding.factory, bindings)
    )


def field(factory: Factory, parents: Iterable[Binding]) -> tuple[str, str]:
    """(event table, column) that hold the children's addresses."""
    for parent in parents:
        event, found = _look(factory, parent)
        return parent.tables[event.name].name, found.name
    raise Fatal(f"programs: no program {factory.program!r} to be a factory")


def _of(binding: Binding, factory: Factory, bindings: Iterable[Binding]) -> Iterable[Announcement]:
    places: dict[tuple[str, bool, int], set[str]] = {}
    for parent in bindings:
        if parent.program == factory.program:
            event, found = _look(factory, parent)
            place = event.selector, found.indexed, _place(event, found)
            places.setdefault(place, set()).add(parent.address)
    for (topic, indexed, at), by in places.items():
        yield Announcement(binding.address, frozenset(by), topic, indexed, at)


def _look(factory: Factory, parent: Binding) -> tuple[Event, Field]:
    where = f"programs: the factory {factory}"
    event = next((e for e in parent.interface.events if e.name == factory.event), None)
    if event is None or not event.selector:
        names = ", ".join(e.name for e in parent.interface.events)
        raise Fatal(
            f"{where}: {parent.interface.path.name} has no event {factory.event!r}: {names}"
        )
    name = snake(factory.field)
    found = next((f for f in event.fields if f.name == name), None)
    if found is None or found.type is not Type.EVM_ADDRESS:
        names = ", ".join(f.name for f in event.fields if f.type is Type.EVM_ADDRESS)
        raise Fatal(f"{where}: {event.signature} has no address {factory.field!r}, but: {names}")
    return event, found


def _place(event: Event, wanted: Field) -> int:
    """The field's topic, or the 32-byte word of the data that it is in."""
    if wanted.indexed:
        return 1 + [f for f in event.fields if f.indexed].index(wanted)
    words = 0
    for other in event.fields:
        if other is wanted:
            break
        if not other.indexed:
            words += head_size(other.source) // 32 if other.kind == "json" else 1
    return words
