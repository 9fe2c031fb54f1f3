"""A bound fold as SQL: table, aggregate, upsert and undo, for Postgres and DuckDB alike.

One shape serves all: ``partial`` aggregates the events that a filter lets through into rows of the
fold. Over everything it is the oracle, over one batch it is what the upsert merges, over the
orphans it is what undo takes away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.decode.schema import EventTable
from indexer.decode.types import Column, Type
from indexer.folds.bind import Bound, BoundFold, Key
from indexer.sql import Dialect, column_type, quote

_COLLATION = ' COLLATE "C"'
COUNT = Column("_n", Type.INT8)
"""On every fold row, hidden: how many events are in it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where events are read: ``prefix`` stands before a table's name (``chainfold.``), ``filter``
    is a condition over an event table's columns, ``only`` leaves out other event tables."""

    prefix: str = ""
    filter: str = "true"
    only: frozenset[str] | None = None


def storage(fold: BoundFold) -> tuple[Column, ...]:
    """All columns of the fold's table after ``chain``, the hidden ones last."""
    hidden = tuple(Column(_position(m[0]), Type.INT8) for m in _groups(fold).values())
    return (*fold.public, COUNT, *hidden)


def create(fold: BoundFold, prefix: str, dialect: Dialect) -> str:
    """CREATE TABLE of the fold, with its primary key (chain, key)."""
    sums = {c.name for c in fold.columns if c.op == "sum"}
    keys = {c.name for c in fold.key}
    lines = [f"chain {column_type(Type.TEXT, dialect)} NOT NULL"]
    for column in storage(fold):
        kind = column_type(column.type, dialect)
        if column.name in sums:
            kind = _sum_type(column.type, dialect)
        null = " NOT NULL" if column.name in keys or column is COUNT else ""
        lines.append(f"{quote(column.name)} {kind}{null}")
    lines.append(f"PRIMARY KEY ({_keys(fold)})")
    # room on each page for the next version of its rows: updates then touch no index
    room = " WITH (fillfactor = 70)" if dialect == "postgres" else ""
    return f"CREATE TABLE {prefix}{quote(fold.name)} ({', '.join(lines)}){room}"


def partial(fold: BoundFold, source: Source, dialect: Dialect) -> str:
    """SELECT of (chain, *storage) aggregated over the events that ``source`` lets through."""
    tables = _tables(fold, source)
    groups = _groups(fold)
    # what only other tables give is null, without a look for it
    live = {c.group for c in fold.columns if any(t in tables for t, _ in c.arms)}
    joins = [
        f"LEFT JOIN e AS e{g} ON e{g}.chain = g.chain AND e{g}.pos = g.{_position(members[0])}"
        for g, members in groups.items()
        if g in live
    ]
    selected = ["g.chain"]
    group = {c.name: g for g, members in groups.items() for c in members}
    for column in storage(fold):
        q = quote(column.name)
        if column.name not in group:
            selected.append(f"g.{q}")
        elif group[column.name] in live:
            selected.append(f"e{group[column.name]}.{q}")
        else:
            kind = column_type(column.type, dialect).removesuffix(_COLLATION)
            selected.append(f"CAST(NULL AS {kind}) AS {q}")
    events = " UNION ALL ".join(_arm(fold, t, fold.columns, source, dialect) for t in tables)
    materialized = "MATERIALIZED " if dialect == "postgres" else ""
    return (
        f"WITH e AS {materialized}({events}), g AS ({_aggregated(fold, 'e')}) "
        f"SELECT {', '.join(selected)} FROM g {' '.join(joins)}"
    )


def _tables(fold: BoundFold, source: Source) -> list[EventTable]:
    return [t for t in fold.tables if source.only is None or t.name in source.only]


def _groups(fold: BoundFold) -> dict[int, list[Bound]]:
    """The columns that take one event's values together, by their group."""
    found: dict[int, list[Bound]] = {}
    for c in fold.columns:
        if c.group >= 0:
            found.setdefault(c.group, []).append(c)
    return found


def _aggregated(fold: BoundFold, events: str) -> str:
    """SELECT of the key, the hidden columns, counts, sums and extremes over ``events``."""
    aggregates = ["count(*) AS _n"]
    for head, *_ in _groups(fold).values():
        fn = "min" if head.op == "first" else "max"
        aggregates.append(f"{fn}(CASE WHEN {_member(head)} THEN pos END) AS {_position(head)}")
    for c in fold.columns:
        q = quote(c.name)
        if c.op == "count":
            aggregates.append(f"count(CASE WHEN {_member(c)} THEN 1 END) AS {q}")
        elif c.op == "sum":
            aggregates.append(f"coalesce(sum({q}), 0) AS {q}")
        elif c.op in ("min", "max"):
            aggregates.append(f"{c.op}({q}) AS {q}")
    keys = _keys(fold)
    return f"SELECT {keys}, {', '.join(aggregates)} FROM {events} GROUP BY {keys}"


def upsert(fold: BoundFold, prefix: str, source: Source, dialect: Dialect) -> str:
    """Merges the partial of ``source`` into the fold's table, in key order."""
    return absorb(fold, prefix, f"({partial(fold, source, dialect)})")


def absorb(fold: BoundFold, prefix: str, partials: str) -> str:
    """Merges ``partials``, a FROM item of rows (chain, *storage), into the fold's table, in key
    order."""
    table = quote(fold.name)
    names = ", ".join(["chain", *(quote(c.name) for c in storage(fold))])
    sets = [f"{q} = {rule}" for q, rule in _merge(fold, table, "excluded")]
    keys = _keys(fold)
    return (
        f"INSERT INTO {prefix}{table} AS {table} ({names}) "
        f"SELECT {names} FROM {partials} AS p ORDER BY {keys} "
        f"ON CONFLICT ({keys}) DO UPDATE SET {', '.join(sets)}"
    )


def undo(
    fold: BoundFold, prefix: str, orphans: Source, kept: Source, dialect: Dialect
) -> list[str]:
    """Statements that take the events of ``orphans`` out of the fold's table.

    The orphans are still in the event tables; ``kept`` is the filter of those that stay. Counts
    and sums are subtracted; ``last``, ``min`` and ``max`` are looked up again, by index, for the
    rows whose value an orphan held. Orphans come after all that stay: where one is the ``first``,
    nothing is left of its events.
    """
    table = f"{prefix}{quote(fold.name)}"
    gone = "_gone_" + fold.name
    match = " AND ".join(f"t.{k} = d.{k}" for k in _key_names(fold))
    statements = [
        f"DROP TABLE IF EXISTS {gone}",
        f"CREATE TEMP TABLE {gone} AS {_counted(fold, orphans, dialect)}",
        f"DELETE FROM {table} AS t USING {gone} AS d WHERE {match} AND t._n = d._n",
    ]
    values = {"_n": "t2._n - d._n"}
    for c in fold.columns:
        if c.op in ("sum", "count"):
            values[quote(c.name)] = f"t2.{quote(c.name)} - d.{quote(c.name)}"
    for head, *rest in _groups(fold).values():
        if head.op == "first":
            held = "t2.{0} = d.{0}".format(_position(head))
            for c in [_position(head), *(quote(c.name) for c in [head, *rest])]:
                values[c] = f"CASE WHEN NOT coalesce({held}, false) THEN t2.{c} END"
    lookups: list[str] = []
    for i, (columns, lookup, held) in enumerate(_lookups(fold, kept, dialect)):
        lookups.append(
            f"LEFT JOIN LATERAL (SELECT * FROM ({lookup}) AS q WHERE {held}) AS l{i} ON true"
        )
        for c in map(quote, columns):
            values[c] = f"CASE WHEN {held} THEN l{i}.{c} ELSE t2.{c} END"
    keys = _key_names(fold)
    left = ", ".join([*(f"t2.{k}" for k in keys), *(f"{v} AS {c}" for c, v in values.items())])
    statements.append(
        f"UPDATE {table} AS t SET {', '.join(f'{c} = n.{c}' for c in values)} FROM (SELECT {left} "
        f"FROM {table} AS t2 JOIN {gone} AS d ON {' AND '.join(f't2.{k} = d.{k}' for k in keys)} "
        f"{' '.join(lookups)}) AS n WHERE {' AND '.join(f't.{k} = n.{k}' for k in keys)}"
    )
    statements.append(f"DROP TABLE {gone}")
    return statements


def _counted(fold: BoundFold, source: Source, dialect: Dialect) -> str:
    """The partial without what ``first`` and ``last`` take: their positions only."""
    valued = [c for c in fold.columns if c.group < 0]
    arms = [_arm(fold, t, valued, source, dialect) for t in _tables(fold, source)]
    return _aggregated(fold, f"({' UNION ALL '.join(arms)}) AS e")


def indexes(fold: BoundFold, prefix: str) -> list[tuple[str, str]]:
    """(name, statement) of the indexes that undo's look-ups need, on the event tables."""
    keys = ", ".join(["chain", *(_key_value(None, k, "postgres") for k in fold.key)])
    wanted: dict[str, str] = {}
    for table in fold.tables:
        on = f"{prefix}{quote(table.name)}"
        name = f"{table.name[:30]}_{'_'.join(k.name for k in fold.key)[:20]}_pos"
        wanted[f"{name}"] = f"ON {on} ({keys}, pos)"
    for c in fold.columns:
        if c.op in ("min", "max"):
            for table, field in c.arms:
                if field and field != "time":
                    name = (
                        f"{table.name[:24]}_{'_'.join(k.name for k in fold.key)[:16]}_{field[:16]}"
                    )
                    wanted[name] = f"ON {prefix}{quote(table.name)} ({keys}, {quote(field)})"
    return [
        (name, f"CREATE INDEX IF NOT EXISTS {quote(name)} {rest}") for name, rest in wanted.items()
    ]


def _arm(
    fold: BoundFold, table: EventTable, valued: Sequence[Bound], source: Source, dialect: Dialect
) -> str:
    """One event table's part of the events: key, pos, the value of each of the columns ``valued``,
    each column's membership."""
    keys = [f"{_key_value(table, k, dialect)} AS {quote(k.name)}" for k in fold.key]
    selected = ["chain", *keys, "pos"]
    # a key's NULL (a field that one chain doesn't have) belongs to no row
    conditions = [source.filter, *(f"{quote(k.of)} IS NOT NULL" for k in fold.key)]
    members: dict[str, str] = {}
    for c in fold.columns:
        fields = [f for t, f in c.arms if t is table]
        test = "false" if not fields else f"coalesce({c.where}, false)" if c.where else "true"
        members[_member(c)] = test
        if c.op == "count" or c not in valued:
            continue
        value = _value(table, fields[0], c.type, dialect) if fields and fields[0] else None
        if value is None:
            kind = _sum_type(c.type, dialect) if c.op == "sum" else column_type(c.type, dialect)
            value = f"CAST(NULL AS {kind.removesuffix(_COLLATION)})"
        elif c.where and c.group < 0:
            value = f"CASE WHEN {c.where} THEN {value} END"
        selected.append(f"{value} AS {quote(c.name)}")
    selected += [f"{test} AS {name}" for name, test in members.items()]
    return (
        f"SELECT {', '.join(selected)} FROM {source.prefix}{quote(table.name)} "
        f"WHERE {' AND '.join(conditions)}"
    )


def _sum_type(kind: Type, dialect: Dialect) -> str:
    """Of a sum: Postgres' numeric has no bound; of DuckDB's types only BIGNUM holds u256."""
    if dialect == "postgres":
        return "numeric"
    return "BIGNUM" if kind is Type.NUMERIC78 else "DECIMAL(38,0)"


def _value(table: EventTable, name: str, kind: Type, dialect: Dialect, prefix: str = "") -> str:
    """The column, in the fold's type where DuckDB doesn't find the way there by itself."""
    column, q = table.column(name), prefix + quote(name)
    if dialect == "duckdb" and kind is Type.NUMERIC78 and column and column.type is not kind:
        return f"CAST(CAST({q} AS VARCHAR) AS BIGNUM)"
    return q


def _key_value(table: EventTable | None, key: Key, dialect: Dialect, prefix: str = "") -> str:
    """A key column's value in an event table's row."""
    q = prefix + quote(key.of)
    if not key.digest:
        return _value(table, key.of, key.type, dialect, prefix) if table else q
    if dialect == "duckdb":
        return f"('0x' || sha256({q}))"
    # By bytea's input, whose escape is the backslash: unlike convert_to() it is immutable, so that
    # an index can be made of it.
    digest = f"encode(sha256(replace({q}, '\\', '\\\\')::bytea), 'hex')"
    return f"(('0x' || {digest}){_COLLATION})"


def _merge(fold: BoundFold, mine: str, other: str) -> list[tuple[str, str]]:
    rules: list[tuple[str, str]] = [
        ("_n", f"{mine}._n + {other}._n"),
    ]
    done: set[int] = set()
    for c in fold.columns:
        q = quote(c.name)
        if c.group >= 0:
            p = _position(c)
            sign = "<" if c.op == "first" else ">"
            better = (
                f"{other}.{p} IS NOT NULL AND ({mine}.{p} IS NULL OR {other}.{p} {sign} {mine}.{p})"
            )
            rules.append((q, f"CASE WHEN {better} THEN {other}.{q} ELSE {mine}.{q} END"))
            if c.group not in done:
                done.add(c.group)
                fn = "least" if c.op == "first" else "greatest"
                rules.append((p, f"{fn}({mine}.{p}, {other}.{p})"))
        elif c.op in ("sum", "count"):
            rules.append((q, f"{mine}.{q} + {other}.{q}"))
        else:
            fn = "least" if c.op == "min" else "greatest"
            rules.append((q, f"{fn}({mine}.{q}, {other}.{q})"))
    return rules


def _lookups(fold: BoundFold, kept: Source, dialect: Dialect) -> list[tuple[list[str], str, str]]:
    """(columns, SELECT of their values for the row ``t2``, condition that an orphan held them)."""
    found: list[tuple[list[str], str, str]] = []
    pairs = [(_key_value(None, k, dialect, "x."), f"t2.{quote(k.name)}") for k in fold.key]
    same = " AND ".join(f"{x} = {mine}" for x, mine in [("x.chain", "t2.chain"), *pairs])
    for c in fold.columns:
        if c.op in ("min", "max"):
            fn = c.op
            extremes = [
                f"SELECT {fn}({_value(t, field, c.type, dialect, 'x.')}) AS v "
                f"FROM {kept.prefix}{quote(t.name)} AS x "
                f"WHERE {same} AND {kept.filter}" + (f" AND ({c.where})" if c.where else "")
                for t, field in c.arms
                if field
            ]
            q = quote(c.name)
            lookup = f"SELECT {fn}(u.v) AS {q} FROM ({' UNION ALL '.join(extremes)}) AS u"
            found.append(([c.name], lookup, f"t2.{q} = d.{q}"))
    for members in _groups(fold).values():
        head = members[0]
        if head.op == "first":
            continue
        picks: list[str] = []
        for table, _ in head.arms:
            values = [
                f"{_value(table, field, c.type, dialect, 'x.')} AS {quote(c.name)}"
                for c in members
                for field in [next(f or "" for t, f in c.arms if t is table)]
            ]
            picks.append(
                f"(SELECT x.pos AS {_position(head)}, {', '.join(values)} "
                f"FROM {kept.prefix}{quote(table.name)} AS x WHERE {same} AND "
                f"{kept.filter}"
                + (f" AND ({head.where})" if head.where else "")
                + " ORDER BY x.pos DESC LIMIT 1)"
            )
        p = _position(head)
        lookup = f"SELECT * FROM ({' UNION ALL '.join(picks)}) AS u ORDER BY u.{p} DESC LIMIT 1"
        names = [p, *(c.name for c in members)]
        found.append((names, lookup, f"t2.{p} = d.{p}"))
    return found


def _position(c: Bound) -> str:
    return f"_{c.op}_{c.group}"


def _member(c: Bound) -> str:
    return f"_in_{c.group}" if c.group >= 0 else f'"_in_{c.name}"'


def _key_names(fold: BoundFold) -> list[str]:
    return ["chain", *(quote(c.name) for c in fold.key)]


def _keys(fold: BoundFold) -> str:
    return ", ".join(_key_names(fold))
