"""How a column looks at the edge: its SQL expression, its JSON, its type in OpenAPI, and what a
filter's text means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Optional

import orjson
from eth_utils.address import to_checksum_address
from psycopg import sql
from pydantic import WithJsonSchema

from indexer.decode.types import Column, Type


class Shape(Enum):
    """``DECIMAL``: an integer that JSON's numbers may not hold, as a string of digits.
    ``FRACTION``: a number with digits behind a point, as a string too. ``ID``: an address, key or
    digest."""

    BOOL = "bool"
    NUMBER = "number"
    DECIMAL = "decimal string"
    FRACTION = "fraction"
    TEXT = "text"
    ID = "id"
    TIME = "time"
    JSON = "json"

    @property
    def ordered(self) -> bool:
        """Whether ranges and orders over it mean something."""
        return self in (Shape.NUMBER, Shape.DECIMAL, Shape.FRACTION, Shape.TIME)


_SHAPES = {
    Type.BOOL: Shape.BOOL,
    Type.INT4: Shape.NUMBER,
    Type.INT8: Shape.NUMBER,
    Type.NUMERIC20: Shape.DECIMAL,
    Type.NUMERIC38: Shape.DECIMAL,
    Type.NUMERIC78: Shape.DECIMAL,
    Type.TEXT: Shape.TEXT,
    Type.HEX: Shape.ID,
    Type.EVM_ADDRESS: Shape.ID,
    Type.PUBKEY: Shape.ID,
    Type.TIME: Shape.TIME,
    Type.JSON: Shape.JSON,
}
_DIGITS = re.compile(r"-?\d{1,78}")
_POINT = re.compile(r"-?\d{1,78}(\.\d{1,78})?")
_HEX = re.compile(r"0[xX][0-9a-fA-F]*")
_YEAR_10000 = "'10000-01-01 00:00:00+00'::timestamptz"
_INT8 = (-(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Field:
    """A column as it is served. ``checksummed``: the EVM chains on which it is an address;
    ``cast``: its Postgres type."""

    name: str
    shape: Shape
    cast: str
    nullable: bool
    checksummed: frozenset[str] = frozenset()
    doc: str = ""

    def select(self) -> sql.Composable:
        """The expression that reads it, from the relation ``t``, in the form JSON wants."""
        name, alias = sql.Identifier("t", self.name), sql.Identifier(self.name)
        match self.shape:
            case Shape.DECIMAL | Shape.FRACTION | Shape.JSON:
                return sql.SQL("{}::text AS {}").format(name, alias)
            case Shape.TIME:
                # RFC 3339 ends with year 9999; the raw seconds stand beside a time
                return sql.SQL(
                    "CASE WHEN {} < " + _YEAR_10000 + " THEN replace(to_char({} AT TIME ZONE "
                    "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '.000000Z', 'Z') END AS {}"
                ).format(name, name, alias)
            case _:
                return name

    def json(self, value: Any, chain: str) -> Any:
        """A selected value as orjson takes it."""
        if value is None:
            return None
        if self.shape is Shape.JSON:
            return orjson.Fragment(value)
        if chain in self.checksummed:
            return checksum(value)
        return value

    def parse(self, text: str) -> Any:
        """A filter's value for the database; raises ValueError with what the text must be."""
        match self.shape:
            case Shape.BOOL:
                if text not in ("true", "false"):
                    raise ValueError("must be true or false")
                return text == "true"
            case Shape.NUMBER | Shape.DECIMAL:
                return _integer(text, _INT8 if self.cast in ("int4", "int8") else None)
            case Shape.FRACTION:
                if not _POINT.fullmatch(text):
                    raise ValueError("must be a number in digits, with a point or without")
                return Decimal(text)
            case Shape.TIME:
                return _time(text)
            case Shape.JSON:
                raise ValueError("can't be filtered")
            case Shape.TEXT | Shape.ID:
                if "\0" in text:
                    raise ValueError("must not hold U+0000")
                hexadecimal = self.shape is Shape.ID and _HEX.fullmatch(text)
                return text.lower() if hexadecimal else text

    @property
    def annotation(self) -> Any:
        """Its type for pydantic, and so for OpenAPI."""
        kind: Any = _ANNOTATIONS[self.shape]
        return Optional[kind] if self.nullable else kind  # noqa: UP045 - made at run time

    @property
    def parameter(self) -> dict[str, Any]:
        """The schema of a filter on it."""
        return _PARAMETERS[self.shape]


_DECIMAL = {"type": "string", "pattern": r"^-?\d+$", "examples": ["1000000"]}
_FRACTION = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["0.25"]}
_ANNOTATIONS: dict[Shape, Any] = {
    Shape.BOOL: bool,
    Shape.NUMBER: int,
    Shape.DECIMAL: Annotated[str, WithJsonSchema(_DECIMAL)],
    Shape.FRACTION: Annotated[str, WithJsonSchema(_FRACTION)],
    Shape.TEXT: str,
    Shape.ID: str,
    Shape.TIME: Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})],
    Shape.JSON: Any,
}
_PARAMETERS: dict[Shape, dict[str, Any]] = {
    Shape.BOOL: {"type": "boolean"},
    Shape.NUMBER: {"type": "integer"},
    Shape.DECIMAL: _DECIMAL,
    Shape.FRACTION: _FRACTION,
    Shape.TEXT: {"type": "string"},
    Shape.ID: {"type": "string"},
    Shape.TIME: {"type": "string", "format": "date-time"},
}


def field(
    column: Column,
    *,
    nullable: bool,
    is_sum: bool = False,
    checksummed: frozenset[str] = frozenset(),
    doc: str = "",
) -> Field:
    """``is_sum``: the table holds it as a plain numeric, whatever its terms' type.

    Positions pass what a JSON number holds (2^53), so they are decimal strings; other int4 and
    int8 columns are of 32 bits or count events.
    """
    shape = _SHAPES[column.type]
    cast = column.type.postgres
    if is_sum:
        shape, cast = Shape.DECIMAL, "numeric"
    elif column.name == "pos":
        shape = Shape.DECIMAL
    elif column.name in ("tx", "address"):
        shape = Shape.ID
    return Field(column.name, shape, cast, nullable, checksummed, doc or column.doc)


@lru_cache(maxsize=1 << 16)
def checksum(address: str) -> str:
    """EIP-55."""
    return to_checksum_address(address) if len(address) == 42 else address


def _integer(text: str, bounds: tuple[int, int] | None) -> int:
    if not _DIGITS.fullmatch(text):
        raise ValueError("must be a whole number in digits")
    value = int(text)
    if bounds and not bounds[0] <= value <= bounds[1]:
        raise ValueError("is beyond 64 bits")
    return value


def _time(text: str) -> datetime:
    # in a query string an unescaped + arrives as a space
    try:
        value = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ValueError("must be a time as 2026-01-31T12:00:00Z (RFC 3339)") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value
