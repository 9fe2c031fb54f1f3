"""How a column is written in SQL."""

from __future__ import annotations

from typing import Literal

from indexer.decode.types import Type

Dialect = Literal["postgres", "duckdb"]


def quote(name: str) -> str:
    """An identifier. Names are checked where they are declared, so none holds a quote."""
    return f'"{name}"'


def column_type(kind: Type, dialect: Dialect) -> str:
    """The type's SQL name. Text compares by bytes: identities have no language."""
    if kind.is_text:
        return 'text COLLATE "C"' if dialect == "postgres" else "VARCHAR"
    return kind.postgres if dialect == "postgres" else kind.duckdb
