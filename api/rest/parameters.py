"""A query string against a table: one declaration both parses it and writes its OpenAPI."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from api.catalog import Table
from api.edge import Field
from api.problem import Problem

Op = Literal["=", ">", ">=", "<", "<="]
_RANGES: dict[str, Op] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_WORDS = {">": "greater than", ">=": "at least", "<": "less than", "<=": "at most"}
LIMIT = 100
"""Rows of a page where ``limit`` is not given."""
MOST = 1000
"""The most rows of a page."""
_VALUES = 100
"""The most values that one parameter may be given."""


@dataclass(frozen=True, slots=True)
class Condition:
    """``field op any of values``; only ``=`` has several."""

    field: Field
    op: Op
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One term of an order; absent values come last either way."""

    field: Field
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """``fields``: those to answer with, None for all. ``at``: state at that height."""

    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = LIMIT
    cursor: str | None = None
    fields: tuple[Field, ...] | None = None
    at: int | None = None

    def fixed(self) -> dict[str, Any]:
        """Columns that one value is asked of, with it."""
        return {
            c.field.name: c.values[0] for c in self.conditions if c.op == "=" and len(c.values) == 1
        }

    def chains(self, table: Table) -> tuple[str, ...]:
        """The chains that rows may come from."""
        asked = {v for c in self.conditions if c.field.name == "chain" for v in c.values}
        return tuple(c for c in table.chains if not asked or c in asked)


class Parameters:
    """What may be asked of ``table``: its columns, and the page's own parameters."""

    def __init__(self, table: Table, page: Iterable[str]) -> None:
        self.table = table
        self.page = tuple(page)
        self.filters: dict[str, tuple[Field, Op]] = {}
        if "limit" not in self.page:
            return
        for f in table.fields:
            if f.shape.value == "json":
                continue
            self.filters[f"{f.name}_eq" if f.name in _PAGE else f.name] = (f, "=")
        for f in table.fields:
            if f.shape.ordered:
                for suffix, op in _RANGES.items():
                    self.filters.setdefault(f"{f.name}_{suffix}", (f, op))

    def parse(self, given: Iterable[tuple[str, str]]) -> Query:
        """Raises Problem 400 for an unknown name or a value that can't be."""
        values: dict[str, list[str]] = {}
        for name, value in given:
            if name not in self.filters and name not in self.page:
                raise Problem(400, self._unknown(name))
            values.setdefault(name, []).append(value)
        return Query(
            tuple(self._condition(n, v) for n, v in values.items() if n in self.filters),
            self._order(_one(values, "order")),
            _number(values, "limit", LIMIT, 1, MOST),
            _one(values, "cursor"),
            self._fields(_one(values, "fields")),
            _number(values, "at", None, 0, (1 << 35) - 1),
        )

    def openapi(self) -> list[dict[str, Any]]:
        """The parameters as OpenAPI lists them."""
        found: list[dict[str, Any]] = []
        for name, (f, op) in self.filters.items():
            schema: dict[str, Any] = dict(f.parameter)
            if name == "chain":
                schema["enum"] = list(self.table.chains)
            if op == "=":
                schema = {"type": "array", "items": schema, "maxItems": _VALUES}
                words = f"{f.name} is any of these"
            else:
                words = f"{f.name} is {_WORDS[op]} this"
            found.append(_parameter(name, schema, f"{words}. {f.doc}".rstrip(". ") + "."))
        return found + [_parameter(n, *_PAGE[n]) for n in self.page]

    def _unknown(self, name: str) -> str:
        known = [*self.page, *self.filters]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see /docs for this route's parameters"
        return f"unknown parameter {name!r}: {hint}"

    def _condition(self, name: str, texts: list[str]) -> Condition:
        field, op = self.filters[name]
        if op != "=" and len(texts) > 1:
            raise Problem(400, f"parameter {name!r} is given twice: give it once")
        if len(texts) > _VALUES:
            raise Problem(400, f"parameter {name!r} takes up to {_VALUES} values")
        try:
            values = tuple(field.parse(text) for text in texts)
        except ValueError as error:
            raise Problem(400, f"parameter {name!r} {error}") from None
        if name == "chain":
            for value in values:
                if value not in self.table.chains:
                    chains = ", ".join(self.table.chains)
                    raise Problem(400, f"parameter 'chain': no {value!r} here; one of {chains}")
        return Condition(field, op, values)

    def _order(self, text: str | None) -> tuple[Order, ...]:
        terms: list[Order] = []
        for term in text.split(",") if text else ():
            field = self.table.field(term.removeprefix("-"))
            if field is None or field.shape.value == "json":
                raise Problem(
                    400, f"parameter 'order': no column {term!r}; give columns, - before falling"
                )
            if all(field is not o.field for o in terms):
                terms.append(Order(field, term.startswith("-")))
        return tuple(terms)

    def _fields(self, text: str | None) -> tuple[Field, ...] | None:
        if text is None:
            return None
        names = dict.fromkeys(text.split(","))
        found = [self.table.field(name) for name in names]
        for name, field in zip(names, found, strict=True):
            if field is None:
                near = difflib.get_close_matches(name, [f.name for f in self.table.fields], 1)
                hint = f"did you mean {near[0]!r}?" if near else "see /docs for the columns"
                raise Problem(400, f"parameter 'fields': no column {name!r}; {hint}")
        return tuple(f for f in found if f)


_PAGE: Mapping[str, tuple[dict[str, Any], str]] = {
    "order": (
        {"type": "string", "examples": ["-total"]},
        "Columns to order by, separated by commas, `-` before one that falls. Absent values come "
        "last. The key decides between equals.",
    ),
    "limit": (
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        "Rows of a page.",
    ),
    "cursor": ({"type": "string"}, "`next` of the page before, with the same order and filters."),
    "fields": (
        {"type": "string", "examples": ["chain,market,total"]},
        "Columns to answer with, separated by commas; all where absent.",
    ),
    "at": (
        {"type": "integer", "minimum": 0},
        "State as it was at this height (block number or slot) of the one `chain` asked for, "
        "computed from the events.",
    ),
}
ROWS = ("order", "limit", "cursor", "fields")
ROW = ("fields",)


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _one(values: Mapping[str, list[str]], name: str) -> str | None:
    given = values.get(name)
    if given is None:
        return None
    if len(given) > 1:
        raise Problem(400, f"parameter {name!r} is given twice: give it once")
    return given[0]


def _number(values: Mapping[str, list[str]], name: str, default: Any, low: int, high: int) -> Any:
    text = _one(values, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise Problem(400, f"parameter {name!r} must be a whole number from {low} to {high}")
    return int(text)
