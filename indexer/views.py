"""Declared views in the database: made where they are new or changed, dropped where they went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection

from indexer.errors import Fatal
from indexer.folds import views
from indexer.folds.bind import BoundFold
from indexer.folds.views import View
from indexer.log import declared
from indexer.log.database import run
from indexer.log.declared import Declaration, Key
from indexer.sql import quote


def prepare(
    connection: Connection[Any], into: str, wanted: Sequence[View], folds: Sequence[BoundFold]
) -> None:
    """Raises Fatal where Postgres can't read a view's expressions."""
    statements = {v.name: views.create(v, folds, f"{quote(into)}.", "postgres") for v in wanted}
    now = {
        key: Declaration(key, name, views.fingerprint(statement))
        for name, statement in statements.items()
        for key in [Key("view", name)]
    }
    with connection.transaction():
        run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{into} ddl"])
        before = {k: d for k, d in declared.stored(connection, into).items() if k.kind == "view"}
        if before == now:
            return
        drop(connection, into)
        for name, statement in statements.items():
            try:
                run(connection, statement.replace("%", "%%"), [])
            except (psycopg.ProgrammingError, psycopg.DataError) as error:
                what = error.diag.message_primary or str(error)
                raise Fatal(f"view {name!r}: {what}: correct its declaration") from None
        declared.store(connection, into, now.values())


def drop(connection: Connection[Any], into: str) -> None:
    """Drops every declared view; part of the caller's transaction."""
    keys = [k for k in declared.stored(connection, into) if k.kind == "view"]
    for key in reversed(keys):
        try:
            run(connection, f"DROP VIEW IF EXISTS {quote(into)}.{quote(key.name)}")
        except psycopg.errors.DependentObjectsStillExist as error:
            what = " ".join((error.diag.message_detail or "").split())
            raise Fatal(
                f"view {into}.{key.name} is to be replaced, but {what}: drop that"
            ) from None
    declared.forget(connection, into, keys)
