"""A query as SQL: a keyset page over a table, or over a fold's state at a height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql

from api.catalog import Table
from api.edge import Field
from api.rest import cursor
from api.rest.parameters import Condition, Order, Query
from indexer.decode.batch import ORDINAL_BITS
from indexer.folds import compile

_FLIPPED = {False: sql.SQL(">"), True: sql.SQL("<")}


@dataclass(frozen=True, slots=True)
class Rows:
    """A page: rows as JSON takes them, and the cursor of the page after, if there is one."""

    rows: list[dict[str, Any]]
    next: str | None


async def rows(connection: AsyncConnection[Any], table: Table, query: Query) -> Rows:
    """Runs ``query``; one row more than the page tells whether there is another page."""
    order = _order(table, query)
    fields = query.fields or table.fields
    statement, values = _page(connection, table, query, order, fields)
    found = await (await connection.execute(statement, values)).fetchall()
    more = len(found) > query.limit
    width = len(order)
    page = [_row(fields, row) for row in found[: query.limit]]
    following = None
    if more:
        following = cursor.encode(_identity(table, query, order), found[query.limit - 1][-width:])
    return Rows(page, following)


async def row(
    connection: AsyncConnection[Any], table: Table, key: Sequence[Any], query: Query
) -> dict[str, Any] | None:
    """The row with this primary key."""
    conditions = tuple(
        Condition(f, "=", (value,)) for f, value in zip(_fields(table), key, strict=True)
    )
    asked = Query(conditions, limit=1, fields=query.fields, at=query.at)
    found = await rows(connection, table, asked)
    return found.rows[0] if found.rows else None


async def at_positions(
    connection: AsyncConnection[Any], table: Table, places: Sequence[tuple[str, Any]]
) -> list[dict[str, Any]]:
    """The events of one table at these (chain, pos); any order."""
    statement = sql.SQL(
        "SELECT t.chain, {} FROM {} AS t "
        "JOIN unnest(%s::text[], %s::int8[]) AS p(chain, pos) USING (chain, pos)"
    ).format(sql.SQL(", ").join(f.select() for f in table.fields), sql.Identifier(table.name))
    values = [[p[0] for p in places], [int(p[1]) for p in places]]
    found = await (await connection.execute(statement, values)).fetchall()
    return [_row(table.fields, row) for row in found]


Place = tuple[str, int, str]
"""Chain, position, block hash."""


async def in_blocks(
    connection: AsyncConnection[Any], table: Table, places: Sequence[Place]
) -> list[tuple[Place, dict[str, Any]]]:
    """The events of one table at these places, where the chain still has the block."""
    statement = sql.SQL(
        "SELECT p.pos, p.hash, t.chain, {} FROM {} AS t "
        "JOIN unnest(%s::text[], %s::int8[], %s::text[]) AS p(chain, pos, hash) USING (chain, pos) "
        "JOIN block b ON b.chain = p.chain AND b.height = p.pos >> {} AND b.hash = p.hash"
    ).format(
        sql.SQL(", ").join(f.select() for f in table.fields),
        sql.Identifier(table.name),
        sql.Literal(ORDINAL_BITS),
    )
    values = [list(column) for column in zip(*places, strict=True)]
    found = await (await connection.execute(statement, values)).fetchall()
    return [((row[2], row[0], row[1]), _row(table.fields, row[2:])) for row in found]


def where(conditions: Sequence[Condition]) -> tuple[sql.Composed, list[Any]]:
    """The conditions joined, and their values in order."""
    parts: list[sql.Composable] = []
    values: list[Any] = []
    for c in conditions:
        name = sql.Identifier(c.field.name)
        if c.op == "=" and c.values[1:]:
            parts.append(sql.SQL("{} = ANY(%s::{}[])").format(name, _type(c.field)))
            values.append(list(c.values))
        else:
            parts.append(sql.SQL("{} {} %s").format(name, sql.SQL(c.op)))
            values.append(c.values[0])
    return sql.SQL(" AND ").join(parts or [sql.SQL("true")]), values


def _page(
    connection: AsyncConnection[Any],
    table: Table,
    query: Query,
    order: Sequence[Order],
    fields: Sequence[Field],
) -> tuple[sql.Composed, list[Any]]:
    condition, values = where(query.conditions)
    if query.cursor is not None:
        last = cursor.decode(_identity(table, query, order), query.cursor, len(order))
        after, more = _after(order, last)
        condition = sql.SQL("{} AND {}").format(condition, after)
        values += more
    # chain decides how addresses look, so it is always read
    selected = [sql.Identifier("chain"), *(f.select() for f in fields)]
    selected += [sql.SQL("{}::text").format(sql.Identifier(o.field.name)) for o in order]
    statement = sql.SQL("SELECT {} FROM {} AS t WHERE {} ORDER BY {} LIMIT %s").format(
        sql.SQL(", ").join(selected),
        _source(connection, table, query),
        condition,
        sql.SQL(", ").join(_term(table, o) for o in order) if order else sql.SQL("1"),
    )
    return statement, [*values, query.limit + 1]


def _source(connection: AsyncConnection[Any], table: Table, query: Query) -> sql.Composable:
    """The table, a union of tables, or a fold's own aggregate over the events up to a height."""
    if table.parts:
        shared = sql.SQL(", ").join(sql.Identifier(f.name) for f in table.fields[:-1])
        arms = [
            sql.SQL("SELECT {}, {}::text AS event FROM {}").format(
                shared, sql.Literal(part), sql.Identifier(part)
            )
            for part in table.parts
        ]
        return sql.SQL("({})").format(sql.SQL(" UNION ALL ").join(arms))
    if query.at is None or table.fold is None:
        return sql.Identifier(table.name)
    fixed = query.fixed()
    filters = [sql.SQL("pos < {}").format(sql.Literal((query.at + 1) << ORDINAL_BITS))]
    for name in table.key:
        if name in fixed:
            filters.append(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(fixed[name]))
            )
    condition = sql.SQL(" AND ").join(filters).as_string(connection)
    state = compile.partial(table.fold, compile.Source("", condition), "postgres")
    return sql.SQL("({})").format(sql.SQL(state.replace("%", "%%")))  # pyright: ignore


def _order(table: Table, query: Query) -> tuple[Order, ...]:
    """The asked order, then the key; without what is the same in every row."""
    fixed = query.fixed()
    terms = [o for o in query.order if o.field.name not in fixed]
    named = {o.field.name for o in terms}
    falling = bool(terms) and terms[-1].descending
    rest = [f for f in _fields(table) if f.name not in named and f.name not in fixed]
    return (*terms, *(Order(f, falling) for f in rest))


def _fields(table: Table) -> list[Field]:
    return [f for name in table.key for f in [table.field(name)] if f]


def _term(table: Table, order: Order) -> sql.Composable:
    direction = " DESC" if order.descending else ""
    # the key's columns hold no nulls, and its index is of the plain order
    nulls = " NULLS LAST" if order.field.nullable else ""
    return sql.SQL("t.{}{}").format(sql.Identifier(order.field.name), sql.SQL(direction + nulls))


def _after(order: Sequence[Order], last: Sequence[str | None]) -> tuple[sql.Composed, list[Any]]:
    """The condition that a row comes after ``last``."""
    if not order:
        return sql.Composed([sql.SQL("false")]), []
    names = [sql.Identifier(o.field.name) for o in order]
    casts = [sql.SQL("%s::{}").format(_type(o.field)) for o in order]
    if len({o.descending for o in order}) == 1 and not any(o.field.nullable for o in order):
        condition = sql.SQL("({}) {} ({})").format(
            sql.SQL(", ").join(names), _FLIPPED[order[0].descending], sql.SQL(", ").join(casts)
        )
        return condition, list(last)
    arms: list[sql.Composable] = []
    values: list[Any] = []
    for i, (term, value) in enumerate(zip(order, last, strict=True)):
        if value is None:
            continue  # nothing comes after an absent value but what the next terms tell apart
        parts: list[sql.Composable] = []
        for name, cast, equal in zip(names[:i], casts, last, strict=False):
            parts.append(sql.SQL("{} IS NOT DISTINCT FROM {}").format(name, cast))
            values.append(equal)
        beyond = sql.SQL("{} {} {}").format(names[i], _FLIPPED[term.descending], casts[i])
        if term.field.nullable:
            beyond = sql.SQL("({} OR {} IS NULL)").format(beyond, names[i])
        values.append(value)
        arms.append(sql.SQL("({})").format(sql.SQL(" AND ").join([*parts, beyond])))
    return sql.SQL("({})").format(sql.SQL(" OR ").join(arms)), values


def _type(field: Field) -> sql.SQL:
    return sql.SQL(field.cast)  # pyright: ignore[reportArgumentType] - one of indexer's own types


def _identity(table: Table, query: Query, order: Sequence[Order]) -> str:
    terms = ",".join(f"{'-' if o.descending else ''}{o.field.name}" for o in order)
    return f"{table.name} {terms} {query.at}"


def _row(fields: Sequence[Field], values: Sequence[Any]) -> dict[str, Any]:
    chain = values[0]
    return {
        f.name: f.json(v, chain) for f, v in zip(fields, values[1 : len(fields) + 1], strict=True)
    }
