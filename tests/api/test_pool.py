"""Nothing can be written through the API's connections."""

from __future__ import annotations

import psycopg
import pytest
from apiledger import MARKET, Ledger, opened

from api import pool
from api.catalog import catalog
from indexer.config import Config
from indexer.errors import Fatal

WRITES = [
    "INSERT INTO markets (chain, market, _n) VALUES ('anvil', 'x', 1)",
    "UPDATE markets SET total = 0",
    "DELETE FROM bets_market_opened",
    "TRUNCATE head",
    "DROP TABLE change",
    "ALTER TABLE markets ADD COLUMN x int",
    "CREATE TABLE x ()",
    "CREATE TABLE public.x ()",
    "CREATE SCHEMA x",
    "CREATE TEMP TABLE x ()",
    "COPY head FROM STDIN",
    "COPY head TO PROGRAM 'cat'",
    "SELECT * FROM markets FOR UPDATE",
    "SELECT setval('change_cursor_seq', 1)",
    "SELECT lo_create(0)",
    "GRANT ALL ON markets TO PUBLIC",
    "ALTER ROLE chainfold_reader SUPERUSER",
]


async def test_every_write_is_refused(ledger: Ledger) -> None:
    ledger.write("anvil", [opened(MARKET)])
    async with pool.opened(ledger.url, "chainfold") as connections:
        for statement in WRITES:
            async with connections.connection() as connection:
                with pytest.raises(psycopg.Error) as refused:
                    await connection.execute(statement)
                assert refused.value.sqlstate in ("25006", "42501"), statement
        async with connections.connection() as connection:
            found = await (await connection.execute("SELECT count(*) FROM markets")).fetchone()
            assert found == (1,)


async def test_role_refuses_where_the_transaction_would_let_it(ledger: Ledger) -> None:
    """The read-only transaction is one lock, the role's rights are another."""
    ledger.write("anvil", [opened(MARKET)])
    async with pool.opened(ledger.url, "chainfold") as connections:
        for statement in WRITES:
            # only the transaction forbids the first two, to any role, and in nobody's table; a
            # GRANT of what one doesn't have is a warning
            if statement.startswith(("CREATE TEMP", "SELECT lo_create", "GRANT")):
                continue
            async with connections.connection() as connection:
                await connection.set_read_only(False)
                await connection.execute("RESET ROLE")
                with pytest.raises(psycopg.Error) as refused:
                    await connection.execute(statement)
                assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege), (
                    f"{statement}: {refused.value}"
                )
                await connection.rollback()
                await connection.set_read_only(True)


async def test_long_statement_is_ended(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_STATEMENT_TIMEOUT", 50)
    async with (
        pool.opened(ledger.url, "chainfold") as connections,
        connections.connection() as connection,
    ):
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(10)")


def test_unready_databases_are_told_in_a_line(config: Config, postgres_url: str) -> None:
    for url, says in (
        ("postgresql://postgres@127.0.0.1:1/x", "can't reach the database"),
        (postgres_url, "`chainfold index` first"),
    ):
        with pytest.raises(Fatal) as refused:
            pool.check(url, "chainfold", catalog(config))
        assert says in str(refused.value)
        assert "\n" not in str(refused.value)


def test_newer_schema_is_refused(ledger: Ledger) -> None:
    pool.check(ledger.url, "chainfold", catalog(ledger.config))
    ledger.connection.execute("UPDATE chainfold.meta SET value = '999' WHERE key = 'version'")
    with pytest.raises(Fatal, match="install the newer chainfold"):
        pool.check(ledger.url, "chainfold", catalog(ledger.config))
