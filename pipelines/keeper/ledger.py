"""What the keeper has sent, in schema `keeper`: so that a restart forgets neither a transaction
nor what was spent today, and keepers of one database don't send the same crank twice.

Its role may read the indexed state, and write here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import AsyncConnection, IsolationLevel, errors
from psycopg.rows import dict_row
from psycopg.sql import SQL

from indexer.errors import Fatal, Retryable
from indexer.log import database
from indexer.log.database import run
from indexer.log.ddl import READER
from pipelines.keeper.crank import Due, Kind, Row
from pipelines.keeper.trees import Leaf

ROLE = "chainfold_keeper"
Outcome = Literal["ok", "refused", "dropped"]
"""In a block and did it; in a block and failed; never in a block."""

_SCHEMA = f"""
CREATE SCHEMA IF NOT EXISTS keeper;
CREATE TABLE IF NOT EXISTS keeper.sent (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text COLLATE "C" NOT NULL, sender text COLLATE "C" NOT NULL,
    crank text COLLATE "C" NOT NULL, entity text COLLATE "C" NOT NULL,
    about text COLLATE "C" NOT NULL,
    txs text[] NOT NULL, raw bytea NOT NULL, nonce int8, expires int8,
    most numeric(38,0) NOT NULL, spent numeric(38,0),
    outcome text, height int8,
    sent_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz);
COMMENT ON COLUMN keeper.sent.txs IS 'the transaction, and those it replaced: one of them counts';
COMMENT ON COLUMN keeper.sent.expires IS 'Solana: no block above this height takes it';
COMMENT ON COLUMN keeper.sent.most IS 'wei or lamports that it may cost; spent: that it did';
CREATE UNIQUE INDEX IF NOT EXISTS sent_once ON keeper.sent (chain, crank, entity, about)
    WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS sent_again ON keeper.sent (chain, crank, entity, about, height)
    WHERE outcome = 'ok';
CREATE INDEX IF NOT EXISTS sent_lately ON keeper.sent (chain, sender, sent_at);
CREATE TABLE IF NOT EXISTS keeper.done (
    chain text COLLATE "C", crank text COLLATE "C", entity text COLLATE "C",
    about text COLLATE "C", PRIMARY KEY (chain, crank, entity, about));
COMMENT ON TABLE keeper.done IS 'cranks that leave no event and were seen to be done';
GRANT USAGE ON SCHEMA keeper TO {ROLE};
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA keeper TO {ROLE};
GRANT {READER} TO {ROLE};
"""
_LEAVES = """
CREATE TEMP TABLE keeper_leaf (
    chain text COLLATE "C", pool text COLLATE "C", root text COLLATE "C", "index" numeric(20,0),
    account text COLLATE "C", amount numeric(38,0), place int8, PRIMARY KEY (pool, root, "index"))
"""
_HEAD = "SELECT height, time FROM head WHERE chain = %s"
# A crank that is under way, or whose block the tables haven't reached, isn't due again.
_DUE = """
SELECT due.* FROM ({query}) AS due
WHERE NOT (due.entity || ' ' || due.about = ANY(%(skip)s::text[]))
  AND NOT EXISTS (SELECT FROM keeper.sent s
                  WHERE s.chain = %(chain)s AND s.crank = %(crank)s AND s.entity = due.entity
                    AND s.about = due.about
                    AND (s.outcome IS NULL OR (s.outcome = 'ok' AND s.height > %(head)s)))
  AND NOT EXISTS (SELECT FROM keeper.done d
                  WHERE d.chain = %(chain)s AND d.crank = %(crank)s AND d.entity = due.entity
                    AND d.about = due.about)
ORDER BY due.worth DESC, due.entity, due.about LIMIT %(limit)s
"""
_SPENT = """
SELECT coalesce(sum(coalesce(spent, most)), 0)
FROM keeper.sent WHERE chain = %(chain)s AND sender = %(sender)s
  AND sent_at > now() - interval '1 day'
"""
_RESERVE = f"""
INSERT INTO keeper.sent
    (chain, sender, crank, entity, about, txs, raw, nonce, expires, most)
SELECT %(chain)s, %(sender)s, %(crank)s, %(entity)s, %(about)s, ARRAY[%(tx)s], %(raw)s, %(nonce)s,
       %(expires)s, %(most)s
WHERE ({_SPENT}) + %(most)s <= %(per_day)s
ON CONFLICT DO NOTHING RETURNING id
"""


class Unread(Exception):
    """What is due of one kind can't be told; of the others it can."""


@dataclass(frozen=True, slots=True)
class Signed:
    """``tx``: hash or signature; ``most``: wei or lamports that it may cost; ``nonce``: EVM's;
    ``expires``: the last height whose block takes it, Solana's."""

    tx: str
    raw: bytes
    most: int
    nonce: int | None = None
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that no block was seen with. ``age``: seconds since it was sent."""

    id: int
    crank: str
    entity: str
    about: str
    txs: list[str]
    raw: bytes
    nonce: int | None
    expires: int | None
    most: int
    age: float


@dataclass(frozen=True, slots=True)
class Ended:
    """``height``, ``spent`` (wei, lamports): of the block that has it."""

    outcome: Outcome
    tx: str
    height: int | None = None
    spent: int = 0
    error: str = ""


def prepare(url: str) -> None:
    """Makes role and schema, as the user of ``url``. Raises Fatal."""
    with database.translated(), database.connect(url, name="chainfold keeper") as connection:
        try:
            with connection.transaction():
                run(connection, "SELECT pg_advisory_xact_lock(hashtext('keeper ddl'))")
                if not run(connection, f"SELECT FROM pg_roles WHERE rolname = '{ROLE}'").rowcount:
                    run(connection, f"CREATE ROLE {ROLE} NOLOGIN")
                run(connection, _SCHEMA)
        except errors.DuplicateObject as error:
            # another database of this server made the role in the same moment
            raise Retryable(f"database: {error}") from error
        except errors.UndefinedObject:
            raise Fatal(
                f"the database at {database.safe(url)} isn't chainfold's yet: run `chainfold "
                "index` first"
            ) from None


class Ledger:
    """One chain's and one key's part of the schema, over a connection of its own."""

    def __init__(self, connection: AsyncConnection[Any], chain: str, sender: str) -> None:
        self.connection, self.chain, self.sender = connection, chain, sender

    async def trees(self, leaves: Iterable[Leaf]) -> None:
        """Makes the leaves known to this connection."""
        async with self.connection.transaction():
            await self.connection.execute(_LEAVES)
            cursor = self.connection.cursor()
            async with cursor.copy("COPY keeper_leaf FROM STDIN") as copy:
                for at in leaves:
                    row = (self.chain, at.pool, at.root, at.index, at.account, at.amount, at.place)
                    await copy.write_row(row)

    async def head(self) -> int:
        """The height that the tables stand at; -1 while they have nothing."""
        found = await (await self.connection.execute(_HEAD, [self.chain])).fetchone()
        return found[0] if found else -1

    async def due(
        self, kind: Kind, head: int, skip: Sequence[tuple[str, str]], limit: int, solana: bool
    ) -> list[Row]:
        """At most ``limit``, what most hangs on first; ``skip``: (entity, about) to leave out.

        Part of the caller's transaction, which goes on where this raises ``Unread``.
        """
        values = {
            "chain": self.chain,
            "crank": str(kind),
            "skip": [f"{entity} {about}" for entity, about in skip],
            "head": head,
            "limit": limit,
            "solana": solana,
        }
        query = SQL(_DUE.format(query=kind.query))  # pyright: ignore[reportArgumentType]
        try:
            async with (
                self.connection.transaction(),
                self.connection.cursor(row_factory=dict_row) as cursor,
            ):
                found: list[Row] = [*await (await cursor.execute(query, values)).fetchall()]
                return found
        except errors.UndefinedColumn as error:
            what = error.diag.message_primary
            raise Fatal(
                f"the tables are of another version ({what}): run `chainfold migrate`"
            ) from None
        except errors.UndefinedTable as error:
            why = f"{error.diag.message_primary}: its program or fold isn't configured"
            raise Unread(why) from None
        except (errors.DataError, errors.QueryCanceled) as error:
            raise Unread(" ".join(str(error).split())) from None

    async def spent(self) -> int:
        """Wei or lamports of the last 24 hours, with what is under way at its most."""
        values = {"chain": self.chain, "sender": self.sender}
        row = await (await self.connection.execute(_SPENT, values)).fetchone()
        return int(row[0]) if row else 0

    async def reserve(self, due: Due, signed: Signed, per_day: int) -> int | None:
        """Writes down what is about to be sent; None where the day's cap or another keeper, who
        sends the same, is in the way."""
        crank, entity, about = due.key
        values = {
            "chain": self.chain,
            "sender": self.sender,
            "crank": crank,
            "entity": entity,
            "about": about,
            "tx": signed.tx,
            "raw": signed.raw,
            "nonce": signed.nonce,
            "expires": signed.expires,
            "most": signed.most,
            "per_day": per_day,
        }
        found = await (await self.connection.execute(_RESERVE, values)).fetchone()
        return found[0] if found else None

    async def replace(self, sent: Sent, signed: Signed, per_day: int) -> bool:
        """The same nonce at a higher fee; False where the day's cap is in the way."""
        statement = (
            "UPDATE keeper.sent SET txs = txs || %(tx)s::text, raw = %(raw)s, most = %(most)s, "
            f"sent_at = now() WHERE id = %(id)s AND ({_SPENT}) - most + %(most)s <= %(per_day)s"
        )
        values = {
            "chain": self.chain,
            "sender": self.sender,
            "id": sent.id,
            "tx": signed.tx,
            "raw": signed.raw,
            "most": signed.most,
            "per_day": per_day,
        }
        query = SQL(statement)  # pyright: ignore[reportArgumentType]
        return (await self.connection.execute(query, values)).rowcount == 1

    async def pending(self) -> list[Sent]:
        """What this key sent and has not been seen to end, in the order of sending."""
        rows = await self.connection.execute(
            "SELECT id, crank, entity, about, txs, raw, nonce, expires, "
            # of int8's size: a cap over 9.2 ETH would not be one
            "least(most, 9223372036854775807)::int8, "
            "extract(epoch FROM now() - sent_at)::float8 FROM keeper.sent "
            "WHERE chain = %s AND sender = %s AND outcome IS NULL ORDER BY id",
            [self.chain, self.sender],
        )
        return [Sent(*row) for row in await rows.fetchall()]

    async def end(self, id_: int, ended: Ended) -> None:
        await self.connection.execute(
            "UPDATE keeper.sent SET outcome = %s, height = %s, spent = %s, ended_at = now() "
            "WHERE id = %s",
            [ended.outcome, ended.height, ended.spent, id_],
        )

    async def done(self, crank: str, entity: str, about: str) -> None:
        """It leaves no event: this is how it is known not to be due again."""
        await self.connection.execute(
            "INSERT INTO keeper.done VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [self.chain, crank, entity, about],
        )


@asynccontextmanager
async def opened(
    url: str, schema: str, chain: str, sender: str, *, alone: bool = True
) -> AsyncGenerator[Ledger]:
    """``alone``: raises Fatal where another process sends with the same key: their nonces would
    collide."""
    settings = {
        "role": ROLE,
        "search_path": schema,
        "statement_timeout": "30000",
        "timezone": "UTC",
        "jit": "off",
    }
    try:
        connection = await AsyncConnection.connect(
            url,
            autocommit=True,
            connect_timeout=10,
            application_name="chainfold keeper",
            options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
        )
    except psycopg.OperationalError as error:
        why = " ".join(str(error).split())
        raise Retryable(
            f"can't reach the database at {database.safe(url)} ({why}): start it, or correct "
            "DATABASE_URL"
        ) from None
    async with connection:
        # of the transactions in which what is due is read: all of one moment
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        lock = f"chainfold keeper {chain} {sender}"
        query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
        row = await (await connection.execute(query, [lock])).fetchone() if alone else [True]
        if row is None or not row[0]:
            raise Fatal(
                f"{chain}: another keeper sends with {sender}: stop it, or give this one a key of "
                "its own"
            )
        yield Ledger(connection, chain, sender)
