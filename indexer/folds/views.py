"""What the algebra leaves out, as SQL views over folds: joins, and columns that the clock moves.

>>> from indexer.folds import view
>>> view("market_state", of="markets", columns={
...     "closed": "head.time >= markets.close_at"}).name
'market_state'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from indexer.config import Config
from indexer.decode.types import Column, Type
from indexer.errors import Fatal
from indexer.folds import bind
from indexer.folds.bind import BoundFold
from indexer.sql import Dialect, quote

_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")
HEAD = "head"
"""The chain's head in a view's expressions: ``head.time``, ``head.height``, ``head.finalized``."""


@dataclass(frozen=True, slots=True)
class Join:
    """The row of fold ``fold`` whose columns equal the view's fold's: ``on`` maps the former to
    the latter. Where there is none, its columns are null."""

    fold: str
    on: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """A row for each row of fold ``of``: its key, then ``columns``, name → SQL expression.

    Expressions are in words that Postgres and DuckDB share. They name columns as ``fold.column``,
    of ``of``, of the folds in ``joins`` and of the chain's head. ``where`` leaves rows out.
    ``each`` names a column after the key and a list of texts in ``of``: a row for each text of it.
    """

    name: str
    of: str
    columns: Mapping[str, str]
    joins: tuple[Join, ...] = ()
    where: str | None = None
    each: tuple[str, str] | None = None
    doc: str = field(default="", compare=False)


def join(fold: str, **on: str) -> Join:
    """``join("sent", sender="holder")``: the row of ``sent`` whose ``sender`` is the ``holder``."""
    return Join(fold, on)


def view(
    name: str,
    *,
    of: str,
    columns: Mapping[str, str],
    joins: Sequence[Join] = (),
    where: str | None = None,
    each: tuple[str, str] | None = None,
    doc: str = "",
) -> View:
    """Declares a view over folds. It holds no data: a change of it takes effect at once."""
    for n in (name, *columns, *(each or ())):
        if not _NAME.fullmatch(n) or n == "chain":
            raise Fatal(f"view {name!r}: {n!r} can't name a column: use lower case, digits and _")
    if not columns:
        raise Fatal(f"view {name!r}: give it at least one column")
    return View(name, of, dict(columns), tuple(joins), where, each, doc)


def load(config: Config, folds: Sequence[BoundFold]) -> tuple[View, ...]:
    """Every View in the modules that ``[folds]`` names, held against the folds."""
    found: dict[str, View] = {}
    by_name = {f.name: f for f in folds}
    for module in bind.modules(config):
        for value in vars(module).values():
            if isinstance(value, View) and found.setdefault(value.name, value) != value:
                raise Fatal(f"two views are named {value.name!r}: rename one")
    return tuple(v for v in found.values() if check(v, by_name))


def check(declared: View, folds: Mapping[str, BoundFold]) -> bool:
    """Whether the programs of its folds are configured; Fatal where its folds lack a column."""
    where = f"view {declared.name!r}"
    if declared.name in folds:
        raise Fatal(f"{where} has the name of a fold: rename it")
    of = folds.get(declared.of)
    if of is None or any(j.fold not in folds for j in declared.joins):
        return False
    base = {c.name for c in of.public}
    if declared.each and Column(declared.each[1], Type.JSON) not in of.public:
        raise Fatal(f"{where}: {declared.of}.{declared.each[1]} is no list")
    for j in declared.joins:
        other = {c.name for c in folds[j.fold].public}
        for theirs, ours in j.on.items():
            if theirs not in other or ours not in base:
                raise Fatal(f"{where}: {j.fold}.{theirs} = {declared.of}.{ours}: no such column")
    return True


def create(declared: View, folds: Sequence[BoundFold], prefix: str, dialect: Dialect) -> str:
    """CREATE VIEW, over the tables that ``prefix`` leads to."""
    of = next(f for f in folds if f.name == declared.of)
    base = quote(of.name)
    key = ", ".join(f"{base}.{n}" for n in ["chain", *(quote(c.name) for c in of.key)])
    columns = ", ".join(f"({e}) AS {quote(n)}" for n, e in declared.columns.items())
    sources = [f"{prefix}{base} AS {base}"]
    for j in declared.joins:
        table = quote(j.fold)
        on = [f"{table}.chain = {base}.chain"]
        on += [f"{table}.{quote(a)} = {base}.{quote(b)}" for a, b in j.on.items()]
        sources.append(f"{prefix}{table} AS {table} ON {' AND '.join(on)}")
    sources.append(f"{prefix}{HEAD} AS {HEAD} ON {HEAD}.chain = {base}.chain")
    where = f" WHERE {declared.where}" if declared.where else ""
    elements = ""
    if declared.each:
        one, many = quote(declared.each[0]), f"{base}.{quote(declared.each[1])}"
        texts = {
            "postgres": f"jsonb_array_elements_text({many})",
            "duckdb": f"unnest(CAST({many} AS VARCHAR[]))",
        }
        # what a list names twice is one row: the key is unique
        elements = (
            f" CROSS JOIN LATERAL (SELECT DISTINCT {one} FROM {texts[dialect]} AS e({one})) "
            f"AS {one}"
        )
        key += f", {one}.{one}"
    return (
        f"CREATE VIEW {prefix}{quote(declared.name)} AS SELECT {key}, {columns} "
        f"FROM {' LEFT JOIN '.join(sources)}{elements}{where}"
    )


def fingerprint(statement: str) -> str:
    """Equal for equal views."""
    return sha256(statement.encode()).hexdigest()[:32]
