"""What a declared view serves: its key is its fold's, its columns' forms are those of expressions.

No database is asked: where a column is not a fold's as it is, DuckDB, which reads the same words,
says what its expression gives.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import duckdb

from api.edge import Field, Shape
from indexer.errors import Fatal
from indexer.folds.views import HEAD, View
from indexer.sql import quote

_PLAIN = re.compile(r'(\w+)\.(?:(\w+)|"(\w+)")')
_HEADS = (
    Field("height", Shape.DECIMAL, "int8", False),
    Field("finalized", Shape.DECIMAL, "int8", False),
    Field("time", Shape.TIME, "timestamptz", False),
)
# Stand-ins that hold no data: what counts is the form of what an expression makes of them. One
# type for all integers, so that no product is too wide for it.
_STAND_INS: Mapping[Shape, str] = {
    Shape.BOOL: "BOOLEAN",
    Shape.NUMBER: "HUGEINT",
    Shape.DECIMAL: "HUGEINT",
    Shape.FRACTION: "DOUBLE",
    Shape.TEXT: "VARCHAR",
    Shape.ID: "VARCHAR",
    Shape.TIME: "TIMESTAMP",
    Shape.JSON: "JSON",
}
_FORMS: Mapping[str, tuple[Shape, str]] = {
    "BOOLEAN": (Shape.BOOL, "bool"),
    "VARCHAR": (Shape.TEXT, "text"),
    "TIMESTAMP": (Shape.TIME, "timestamptz"),
    "TIMESTAMP WITH TIME ZONE": (Shape.TIME, "timestamptz"),
    "JSON": (Shape.JSON, "jsonb"),
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), (Shape.DECIMAL, "numeric")
    ),
    **dict.fromkeys(("FLOAT", "DOUBLE"), (Shape.FRACTION, "numeric")),
}


def columns(declared: View, folds: Mapping[str, Sequence[Field]]) -> tuple[Field, ...]:
    """The view's own columns. ``folds``: the fields of the folds that it reads, by name.

    Raises Fatal where an expression can't be read.
    """
    known = {**folds, HEAD: _HEADS}
    return tuple(
        _plain(name, expression, known) or _made(declared, name, expression, known)
        for name, expression in declared.columns.items()
    )


def _plain(name: str, expression: str, known: Mapping[str, Sequence[Field]]) -> Field | None:
    """A column that is another's: it looks like that one."""
    found = _PLAIN.fullmatch(expression.strip())
    if found is None:
        return None
    column = found[2] or found[3]
    field = next((f for f in known.get(found[1], ()) if f.name == column), None)
    if field is None:
        return None
    return dataclasses.replace(field, name=name, nullable=True, doc=field.doc or expression)


def _made(
    declared: View, name: str, expression: str, known: Mapping[str, Sequence[Field]]
) -> Field:
    with duckdb.connect() as engine:
        for table, fields in known.items():
            listed = ", ".join(f"{quote(f.name)} {_STAND_INS[f.shape]}" for f in fields)
            engine.execute(f"CREATE TABLE {quote(table)} ({listed})")
        tables = ", ".join(map(quote, known))
        try:
            (row,) = engine.execute(f"DESCRIBE SELECT ({expression}) FROM {tables}").fetchall()
        except duckdb.Error as error:
            what = str(error).partition("\n")[0]
            raise Fatal(f"view {declared.name!r}: column {name!r}: {what}") from None
    form = _FORMS.get("DOUBLE" if row[1].startswith("DECIMAL") else row[1])
    if form is None:
        raise Fatal(
            f"view {declared.name!r}: column {name!r} is {row[1]}, which has no form in JSON: "
            "cast it to text"
        )
    return Field(name, *form, nullable=True, doc=expression)
