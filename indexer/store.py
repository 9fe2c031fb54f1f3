"""The store: one configuration's log and folds, joined and ready in the database."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import Connection

from indexer import migrate, views
from indexer.chains.watch import Child
from indexer.config import Config
from indexer.decode.batch import ORDINAL_BITS
from indexer.decode.factory import announcements, field
from indexer.decode.schema import Schema, schema
from indexer.errors import Fatal, Retryable
from indexer.fingerprint import declarations
from indexer.folds import bind, compile
from indexer.folds.aggregate import Aggregator
from indexer.folds.bind import BoundFold
from indexer.folds.views import load as load_views
from indexer.log import database, ddl, ledger
from indexer.log.database import run
from indexer.log.declared import store as store_declarations
from indexer.log.declared import stored as stored_declarations
from indexer.log.undo import Unmerge
from indexer.log.writer import Log, Merge
from indexer.sql import quote

_BATCH = "chain = %(chain)s AND pos BETWEEN %(low)s AND %(high)s AND address = ANY(%(addresses)s)"
_ORPHANS = "chain = %(chain)s AND pos >= %(from)s"
_NEVER = Child("", 1 << 62, 0)
_KEPT = "chain = %(chain)s AND pos < %(from)s"


@dataclass(frozen=True, slots=True)
class Store:
    """What the indexer works with: the declarations, their SQL, and the database's URL."""

    config: Config
    url: str
    schema: Schema
    folds: tuple[BoundFold, ...]
    log: Log
    unmerges: tuple[Unmerge, ...]
    sources: tuple[ledger.Source, ...]

    def sources_on(self, chain: str) -> tuple[ledger.Source, ...]:
        return tuple(s for s in self.sources if s.chain == chain)

    def levels(self, chain: str) -> list[tuple[ledger.Source, ...]]:
        """The chain's sources, those of factories before those of their children."""
        level = {a: b.level for a, b in self.schema.on(chain).items()}
        sources = self.sources_on(chain)
        return [
            tuple(s for s in sources if level[s.address] == n) for n in sorted({*level.values()})
        ]

    def children(self, connection: Connection[Any], chain: str) -> dict[str, Child]:
        """The contracts that the chain's factories have announced, by address.

        They are read from the events themselves: what a reorg takes out is no child any more.
        """
        on_chain = self.schema.on(chain)
        found: dict[str, Child] = {}
        for binding in on_chain.values():
            if binding.factory is None:
                continue
            parents = [b for b in on_chain.values() if b.program == binding.factory.program]
            table, column = field(binding.factory, parents)
            rows = run(
                connection,
                f"SELECT {quote(column)}, min(pos) FROM {self.log.table(table)} "
                "WHERE chain = %s GROUP BY 1",
                [chain],
            ).fetchall()
            for address, pos in rows:
                place = pos >> ORDINAL_BITS, pos & ((1 << ORDINAL_BITS) - 1)
                child = Child(binding.address, *place)
                if address not in on_chain and child[1:] < found.get(address, _NEVER)[1:]:
                    found[address] = child
        return found

    def connect(self, name: str) -> Connection[Any]:
        """A connection to tables that are what this store knows; it keeps migrations out.

        Raises Unreachable, Retryable while a migration works, and Fatal where one has worked
        since the store was opened: with every connection away nothing kept it out.
        """
        connection = database.connect(self.url, name=f"chainfold {name}")
        try:
            with database.translated():
                _use(connection, self.config.database.schema)
                self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: Connection[Any]) -> None:
        into = self.config.database.schema
        mine = declarations(self.schema, self.folds)
        there = stored_declarations(connection, into)
        same = all(there.get(key) == declaration for key, declaration in mine.items())
        # a fold that isn't ours would miss what we write
        same &= all(key in mine for key in there if key.kind == "fold")
        if not same or not ledger.known(connection, into, self.sources):
            raise Fatal(
                f"`chainfold migrate` or `reindex` changed schema {into!r} while this had no "
                "connection to it: start this again"
            )

    def log_for(self, sources: Sequence[ledger.Source]) -> Log:
        """The log for a write of ``sources``: folds take in no event that is in already."""
        only = wanted(self.schema, sources)
        if only is None:
            return self.log
        tables = frozenset(
            b.tables[e.name].name
            for s in sources
            for b in [self.schema.on(s.chain)[s.address]]
            for e in b.interface.events
            if (s.address, e.signature) in only
        )
        return Log(self.log.into, self.schema, _merges(self.folds, self.log.into, tables))

    def index_for_undo(self, connection: Connection[Any]) -> None:
        """Builds the look-up indexes that undo needs; bulk loads go faster without them.

        One builder at a time: two that make the same index at once would both fail.
        """
        with connection.transaction():
            key = f"{self.log.into} ddl"
            run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", [key])
            self._build_indexes(connection)

    def _build_indexes(self, connection: Connection[Any]) -> None:
        for fold in self.folds:
            for _, statement in compile.indexes(fold, f"{quote(self.log.into)}."):
                run(connection, statement)


@contextmanager
def opened(config: Config) -> Generator[Store]:
    """Starts the database where it is embedded and makes what is missing in it."""
    declared = schema(config)
    for chain in config.chains:
        announcements(declared, chain)  # a factory that is misspelt is refused before all else
    folds = bind.load(config, declared)
    with (
        database.serve(config.database) as url,
        database.connect(url, name="chainfold setup") as connection,
    ):
        with database.translated():
            _use(connection, config.database.schema)
            store = prepare(config, url, declared, folds, connection)
        yield store


def _use(connection: Connection[Any], into: str) -> None:
    """Keeps migrations out for as long as the connection lives. Raises Retryable during one."""
    key = [f"{into} {migrate.USERS}"]
    row = run(connection, "SELECT pg_try_advisory_lock_shared(hashtext(%s))", key).fetchone()
    if row is None or not row[0]:
        raise Retryable(f"`chainfold migrate` works on schema {into!r}: run this when it is done")


def prepare(
    config: Config,
    url: str,
    declared: Schema,
    folds: Sequence[BoundFold],
    connection: Connection[Any],
) -> Store:
    """Makes tables, sources and links in the database that ``connection`` is to."""
    into = config.database.schema
    prefix = f'"{into}".'
    migrate.refuse(migrate.changes(connection, into, declared, folds))
    ddl.prepare(
        connection,
        into,
        declared.tables.values(),
        [(f.name, compile.create(f, prefix, "postgres")) for f in folds],
    )
    views.prepare(connection, into, load_views(config, folds), folds)
    store_declarations(connection, into, declarations(declared, folds).values())
    sources = ledger.register(connection, declared, into)
    ledger.link_folds(connection, into, _feeds(declared, folds, sources))
    unmerges = tuple(
        Unmerge(
            compile.undo(
                f,
                prefix,
                compile.Source(prefix, _ORPHANS),
                compile.Source(prefix, _KEPT),
                "postgres",
            )
        )
        for f in folds
    )
    return Store(
        config,
        url,
        declared,
        tuple(folds),
        Log(into, declared, _merges(folds, into, None)),
        unmerges,
        tuple(sources),
    )


def wanted(schema: Schema, sources: Sequence[ledger.Source]) -> frozenset[tuple[str, str]] | None:
    """(address, event signature) of ``sources``; None where that is all their interfaces have."""
    pairs = frozenset((s.address, e) for s in sources for e in s.events)
    bindings = [schema.on(s.chain)[s.address] for s in sources]
    every = {(b.address, e.signature) for b in bindings for e in b.interface.events}
    return None if pairs >= every else pairs


def _merges(
    folds: Sequence[BoundFold], into: str, only: frozenset[str] | None
) -> tuple[Merge, ...]:
    prefix = f"{quote(into)}."
    source = compile.Source(prefix, _BATCH, only)
    aggregator = Aggregator()
    merges: list[Merge] = []
    for fold in folds:
        tables = frozenset(t.name for t in fold.tables if only is None or t.name in only)
        staging = quote(f"_new_{fold.name}")
        if tables:
            merges.append(
                Merge(
                    compile.upsert(fold, prefix, source, "postgres"),
                    tables,
                    partial(aggregator.partials, fold, tables),
                    f"CREATE TEMP TABLE IF NOT EXISTS {staging} "
                    f"(LIKE {prefix}{quote(fold.name)}) ON COMMIT DELETE ROWS",
                    staging,
                    compile.storage(fold),
                    compile.absorb(fold, prefix, staging),
                )
            )
    return tuple(merges)


def _feeds(
    declared: Schema, folds: Sequence[BoundFold], sources: Sequence[ledger.Source]
) -> list[tuple[str, ledger.Source]]:
    tables = {
        (b.chain, b.address, e.signature): b.tables[e.name].name
        for b in declared.bindings
        for e in b.interface.events
    }
    return [
        (fold.name, source)
        for fold in folds
        for source in sources
        if {tables.get((source.chain, source.address, e)) for e in source.events}
        & {t.name for t in fold.tables}
    ]
