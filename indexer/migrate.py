"""Changed declarations: what they make stale is taken out, built anew beside it, and swapped in.

A fold is rebuilt from the event log. An event whose bytes are read in another way than they were
loses its rows and its coverage, so that the next `chainfold index` fetches that event again, and
that event only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from psycopg import Connection, errors

from indexer import config as configuration
from indexer import views
from indexer.config import Config
from indexer.decode.schema import EventTable, Schema, schema, table_name
from indexer.errors import Fatal
from indexer.fingerprint import declarations
from indexer.folds import bind, compile
from indexer.folds.bind import BoundFold
from indexer.log import database, ddl, declared
from indexer.log.database import run
from indexer.log.declared import Declaration, Key
from indexer.sql import quote

USERS = "declared"
"""Advisory lock: shared by whoever writes by the declarations, exclusive for a migration."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between the declarations and what the tables were made from.

    ``events`` are read in another way than the rows in the tables were; ``gone`` ones are in no
    configured program's interface any more, those of ``programs`` because the program, as
    (chain, address), isn't configured.
    """

    events: frozenset[Key] = frozenset()
    gone: frozenset[Key] = frozenset()
    programs: frozenset[tuple[str, str]] = frozenset()
    tables: frozenset[str] = frozenset()
    folds: frozenset[str] = frozenset()
    new_folds: frozenset[str] = frozenset()
    dropped_folds: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.lines())

    def lines(self) -> list[str]:
        """One sentence a change."""
        return [
            *(f"{_place(k)} changed" for k in sorted(self.events)),
            *(
                f"{_place(k)} is no longer declared"
                for k in sorted(self.gone)
                if (k.chain, k.address) not in self.programs
            ),
            *(f"{a} on {c} is no longer configured" for c, a in sorted(self.programs)),
            *(f"event table {name} changed" for name in sorted(self.tables)),
            *(f"fold {name} changed" for name in sorted(self.folds)),
            *(f"fold {name} is new over events that are in" for name in sorted(self.new_folds)),
            *(f"fold {name} is no longer declared" for name in sorted(self.dropped_folds)),
        ]


@dataclass(slots=True)
class Done:
    """What a migration did: events taken out by event table, and rows of each rebuilt fold."""

    fetched_again: dict[str, int] = field(default_factory=dict[str, int])
    rebuilt: dict[str, int] = field(default_factory=dict[str, int])
    dropped: list[str] = field(default_factory=list[str])


def changes(
    connection: Connection[Any], into: str, declared_: Schema, folds: Sequence[BoundFold]
) -> Changes:
    """Compares ``declared_`` and ``folds`` with what is stored beside the tables of ``into``."""
    before = declared.stored(connection, into)
    if not before:
        return Changes()
    now = declarations(declared_, folds)
    differs = {k for k, d in before.items() if k in now and now[k].fingerprint != d.fingerprint}
    programs = {(b.chain, b.address) for b in declared_.bindings}
    gone = {k for k in before if k not in now}
    gone_events = frozenset(k for k in gone if k.kind == "event")
    return Changes(
        frozenset(k for k in differs if k.kind == "event"),
        gone_events,
        frozenset({(k.chain, k.address) for k in gone_events} - programs),
        frozenset(k.name for k in differs if k.kind == "table"),
        frozenset(k.name for k in differs if k.kind == "fold"),
        frozenset(
            f.name
            for f in folds
            if Key("fold", f.name) not in before
            and any(_has_rows(connection, into, t.name) for t in f.tables)
        ),
        frozenset(k.name for k in gone if k.kind == "fold"),
    )


def refuse(found: Changes) -> None:
    """Raises Fatal where something is stale."""
    lines = found.lines()
    if lines:
        more = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
        raise Fatal(
            f"{'; '.join(lines[:3])}{more} since the tables were made: run `chainfold migrate`"
        )


def migrate(config: Config, say: Callable[[str], object]) -> Done:
    """Brings the tables to what ``config`` declares, in one transaction.

    Readers have the old folds until it commits. Raises Fatal while another chainfold writes.
    """
    with _exclusive(config) as (connection, declared_, folds):
        found = changes(connection, config.database.schema, declared_, folds)
        for line in found.lines():
            say(line)
        return _apply(connection, config.database.schema, declared_, folds, found)


def reindex(
    config: Config,
    *,
    program: str | None,
    event: str | None = None,
    chain: str | None = None,
    only_folds: bool = False,
) -> Done:
    """Takes the named events out, to be fetched again, and rebuilds the folds that read them.

    ``only_folds`` leaves the events as they are.
    """
    with _exclusive(config) as (connection, declared_, folds):
        bindings = [
            b
            for b in declared_.bindings
            if (program is None or b.program == program) and (chain is None or b.chain == chain)
        ]
        if not bindings:
            raise Fatal(f"no program {program!r} on {chain or 'any chain'} in {config.path.name}")
        keys = {
            Key("event", e.signature, b.chain, b.address)
            for b in bindings
            for e in b.interface.events
            if event is None or e.name == event
        }
        if not keys:
            raise Fatal(f"program {program!r} has no event {event!r}")
        tables = {
            b.tables[e.name].name
            for b in bindings
            for e in b.interface.events
            if event is None or e.name == event
        }
        found = changes(connection, config.database.schema, declared_, folds)
        refuse(found)
        wanted = frozenset(f.name for f in folds if tables & {t.name for t in f.tables})
        events = frozenset[Key]() if only_folds else frozenset(keys)
        return _apply(
            connection,
            config.database.schema,
            declared_,
            folds,
            Changes(events=events, folds=wanted),
        )


@contextmanager
def _exclusive(
    config: Config,
) -> Generator[tuple[Connection[Any], Schema, tuple[BoundFold, ...]]]:
    """The database for a migration alone, with what is declared."""
    declared_ = schema(config)
    folds = bind.load(config, declared_)
    into = config.database.schema
    with (
        database.serve(config.database) as url,
        database.translated(),
        database.connect(url, name="chainfold migrate") as connection,
    ):
        ddl.check(connection, into)
        lock = [f"{into} {USERS}"]
        row = run(connection, "SELECT pg_try_advisory_lock(hashtext(%s))", lock).fetchone()
        if row is None or not row[0]:
            raise Fatal(
                f"another chainfold works on schema {into!r}: stop `chainfold index` and "
                "backfills, then run this again"
            )
        yield connection, declared_, folds


def _apply(
    connection: Connection[Any],
    into: str,
    declared_: Schema,
    folds: Sequence[BoundFold],
    found: Changes,
) -> Done:
    done = Done()
    before = declared.stored(connection, into)
    prefix = f"{quote(into)}."
    with connection.transaction():
        run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{into} ddl"])
        if found:
            views.drop(connection, into)  # they are made anew when the store is next opened
        events = _with_children(found.events | found.gone, declared_, before)
        for key in sorted(events):
            table = before[key].table
            count = _take_out(connection, into, before, key)
            done.fetched_again[table] = done.fetched_again.get(table, 0) + count
        for name in sorted(found.tables):
            if name in declared_.tables:
                _remake(connection, into, declared_.tables[name])
        left = {k for k in before if k.kind == "table" and k.name not in declared_.tables}
        empty = {k for k in left if not _has_rows(connection, into, k.name)}
        done.dropped += [*sorted(k.name for k in empty), *sorted(found.dropped_folds)]
        for name in done.dropped:
            _drop(connection, into, name)
        for fold in folds:
            named = fold.name in found.folds | found.new_folds
            if named or not done.fetched_again.keys().isdisjoint(t.name for t in fold.tables):
                done.rebuilt[fold.name] = _rebuild(connection, into, fold)
        declared.forget(
            connection,
            into,
            [
                *events,
                *empty,
                *(Key("table", name) for name in found.tables),
                *(Key("fold", name) for name in found.folds | found.dropped_folds),
            ],
        )
        ddl.prepare(
            connection,
            into,
            declared_.tables.values(),
            [(f.name, compile.create(f, prefix, "postgres")) for f in folds],
        )
        declared.store(connection, into, declarations(declared_, folds).values())
    return done


def _with_children(
    events: Iterable[Key], declared_: Schema, before: Mapping[Key, Declaration]
) -> set[Key]:
    """``events`` and, where they announce contracts, every event of those."""
    found = set(events)
    while True:
        size = len(found)
        tables = {before[k].table for k in found}
        for binding in declared_.bindings:
            factory = binding.factory
            if factory is not None and table_name(factory.program, factory.event) in tables:
                # children that share a table with others can't be told from them by address
                mine = {t.name for t in binding.tables.values()}
                found |= {
                    k
                    for k, d in before.items()
                    if k.kind == "event"
                    and k.chain == binding.chain
                    and d.table in mine
                    and _is_role(k.address)
                }
        if len(found) == size:
            return found


def _take_out(
    connection: Connection[Any], into: str, before: Mapping[Key, Declaration], key: Key
) -> int:
    """Deletes an event's rows and says in the ledger that they aren't in; how many there were."""
    s = quote(into)
    table = before[key].table
    if _is_role(key.address):
        others = sorted({k.address for k in before if k.kind == "event"} - {key.address})
        condition, values = "address <> ALL(%s)", [key.chain, others]
    else:
        condition, values = "address = %s", [key.chain, key.address]
    deleted = run(
        connection, f"DELETE FROM {s}.{quote(table)} WHERE chain = %s AND {condition}", values
    ).rowcount
    run(
        connection,
        f"UPDATE {s}.source SET events = array_remove(events, %s) "
        "WHERE chain = %s AND address = %s AND %s = ANY(events)",
        [key.name, key.chain, key.address, key.name],
    )
    run(
        connection,
        f"DELETE FROM {s}.coverage c USING {s}.source s WHERE s.events = '{{}}' "
        "AND c.source @> s.id",
    )
    run(connection, f"DELETE FROM {s}.source WHERE events = '{{}}'")
    return deleted


def _is_role(address: str) -> bool:
    """Whether it names an announcement instead of being an address."""
    return "." in address


def _place(key: Key) -> str:
    return f"event {key.name} of {key.address} on {key.chain}"


def _remake(connection: Connection[Any], into: str, table: EventTable) -> None:
    """The event table with its new columns and the rows it has."""
    old = f"{quote(into)}.{quote(table.name)}"
    there = {
        row[0]
        for row in run(
            connection,
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
            "AND NOT attisdropped",
            [old],
        ).fetchall()
    }
    shared = [c for c in table.all_columns if c.name in there]
    names = ", ".join(["chain", *(quote(c.name) for c in shared)])
    values = ", ".join(["chain", *(f"{quote(c.name)}::{c.type.postgres}" for c in shared)])
    _swap(
        connection,
        into,
        table.name,
        ddl.create_events(table, f"{quote(into)}."),
        f"({names}) SELECT {values} FROM {old}",
    )


def _rebuild(connection: Connection[Any], into: str, fold: BoundFold) -> int:
    prefix = f"{quote(into)}."
    names = ", ".join(["chain", *(quote(c.name) for c in compile.storage(fold))])
    oracle = compile.partial(fold, compile.Source(prefix), "postgres")
    create = compile.create(fold, prefix, "postgres")
    return _swap(connection, into, fold.name, create, f"({names}) {oracle}")


def _swap(connection: Connection[Any], into: str, name: str, create: str, fill: str) -> int:
    """Makes a table anew beside the live one, fills it and takes the live one's place."""
    live, beside = f"{quote(into)}.{quote(name)}", f"{quote(into)}._next"
    run(connection, create.replace(f"CREATE TABLE {live} ", f"CREATE TABLE {beside} ", 1))
    rows = run(connection, f"INSERT INTO {beside} {fill}").rowcount
    _drop(connection, into, name)
    run(connection, f"ALTER TABLE {beside} RENAME TO {quote(name)}")
    run(connection, f"ALTER INDEX {quote(into)}._next_pkey RENAME TO {quote(f'{name}_pkey'[:63])}")
    return rows


def _drop(connection: Connection[Any], into: str, name: str) -> None:
    try:
        run(connection, f"DROP TABLE IF EXISTS {quote(into)}.{quote(name)}")
    except errors.DependentObjectsStillExist as error:
        what = " ".join((error.diag.message_detail or "").split())
        raise Fatal(
            f"table {into}.{name} is to be replaced, but {what}: drop that, run this again, "
            "then make it anew"
        ) from None


def _has_rows(connection: Connection[Any], into: str, table: str) -> bool:
    name = f"{quote(into)}.{quote(table)}"
    there = run(connection, "SELECT to_regclass(%s)", [name]).fetchone()
    if there is None or there[0] is None:
        return False
    row = run(connection, f"SELECT EXISTS (SELECT FROM {name})").fetchone()
    return row is not None and row[0]


def _tell(done: Done) -> None:
    for table, count in done.fetched_again.items():
        click.echo(f"{table}: {count} events taken out; `chainfold index` fetches them again")
    for name, rows in done.rebuilt.items():
        click.echo(f"fold {name}: rebuilt, {rows} rows")
    for name in done.dropped:
        click.echo(f"{name}: dropped")


@click.command("migrate")
@click.pass_obj
def migrate_command(path: Path | None) -> None:
    """Bring the tables to the folds and interfaces as they are now."""
    done = migrate(configuration.load(path), click.echo)
    _tell(done)
    if done == Done():
        click.echo("nothing to migrate: the tables are what is declared")


@click.command("reindex")
@click.argument("program", required=False)
@click.option("--event", help="Only this event of PROGRAM.")
@click.option("--chain", help="Only this chain.")
@click.option("--folds", "only_folds", is_flag=True, help="Rebuild folds; keep the events.")
@click.pass_obj
def reindex_command(
    path: Path | None, program: str | None, event: str | None, chain: str | None, only_folds: bool
) -> None:
    """Take PROGRAM's events out, to be fetched again, and rebuild the folds that read them."""
    if program is None and not only_folds:
        raise Fatal("name the program to fetch again, or --folds to rebuild folds only")
    _tell(
        reindex(
            configuration.load(path),
            program=program,
            event=event,
            chain=chain,
            only_folds=only_folds,
        )
    )
