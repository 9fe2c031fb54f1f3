"""The one table of types: what a field of a program is in Arrow, Postgres, DuckDB and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import reduce

import pyarrow as pa


class Type(Enum):
    """A column's type. Members order each family from narrow to wide.

    ``NUMERIC78`` travels through Arrow as 33 bytes, big-endian two's complement, because
    decimal256 ends at 76 digits and u256 has 78.
    """

    BOOL = ("bool", "BOOLEAN", pa.bool_())
    INT4 = ("int4", "INTEGER", pa.int32())
    INT8 = ("int8", "BIGINT", pa.int64())
    NUMERIC20 = ("numeric(20,0)", "DECIMAL(20,0)", pa.decimal128(20, 0))
    NUMERIC38 = ("numeric(38,0)", "DECIMAL(38,0)", pa.decimal128(38, 0))
    NUMERIC78 = ("numeric(78,0)", "BIGNUM", pa.binary(33))
    TEXT = ("text", "VARCHAR", pa.string())
    HEX = ("text", "VARCHAR", pa.string())
    EVM_ADDRESS = ("text", "VARCHAR", pa.string())
    PUBKEY = ("text", "VARCHAR", pa.string())
    TIME = ("timestamptz", "TIMESTAMPTZ", pa.timestamp("us", "UTC"))
    JSON = ("jsonb", "JSON", pa.string())

    def __init__(self, postgres: str, duckdb: str, arrow: pa.DataType) -> None:
        self.postgres = postgres
        self.duckdb = duckdb
        self.arrow = arrow

    # HEX, EVM_ADDRESS and PUBKEY share TEXT's storage; Enum would make them aliases of one member.
    def __new__(cls, *_: object) -> Type:
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        return member

    @property
    def is_text(self) -> bool:
        return self.postgres == "text"

    @property
    def is_number(self) -> bool:
        return self in _NUMBERS


_NUMBERS = (Type.INT4, Type.INT8, Type.NUMERIC20, Type.NUMERIC38, Type.NUMERIC78)
_TEXTS = (Type.EVM_ADDRESS, Type.PUBKEY, Type.HEX)


def integer(bits: int, *, signed: bool) -> Type:
    """The narrowest column that holds every integer of ``bits`` bits."""
    value_bits = bits - 1 if signed else bits
    if value_bits <= 31:
        return Type.INT4
    if value_bits <= 32:
        return Type.INT8
    if bits <= 64:
        return Type.NUMERIC20
    return Type.NUMERIC38 if value_bits <= 126 else Type.NUMERIC78


def widest(types: list[Type]) -> Type | None:
    """The column type that holds every one of ``types``; None when they don't mix.

    Two chains' identities (an address, a public key, a 32-byte id) mix as text.
    """

    def wider(a: Type | None, b: Type) -> Type | None:
        if a is None or a is b:
            return a
        if a in _NUMBERS and b in _NUMBERS:
            return max(a, b, key=_NUMBERS.index)
        if a.is_text and b.is_text:
            return Type.TEXT if Type.TEXT in (a, b) else Type.HEX
        return None

    return reduce(wider, types[1:], types[0]) if types else None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, with the ``doc`` of the field it comes from."""

    name: str
    type: Type
    doc: str = ""
