"""The demo's proof: what the chains say against what the tables say."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Set
from typing import Any

import aiohttp
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from indexer import store, verify
from indexer.config import Config
from indexer.errors import Fatal
from indexer.folds import views
from indexer.verify import Finding
from indexer.verify.compare import accounts_are_folds
from localnet import keeping, truth
from localnet.network import Deployed, Localnet
from localnet.play import Player
from localnet.served import served
from localnet.truth import Truth

REBUILT = "chainfold_rebuilt"


async def proof(
    net: Localnet, config: Config, players: Iterable[Player], api: str
) -> list[Finding]:
    """All findings, once the tables hold what the chains held when this was called, finalized.
    ``api``: the API's URL."""
    players = list(players)
    async with aiohttp.ClientSession() as session:
        truths = [await truth.evm(net.evm, session), await truth.solana(net.solana, session)]
        await caught_up(net, config, {t.chain: t.tip for t in truths}, session)
        with store.opened(config) as opened, opened.connect("demo") as connection:
            found = [
                sent_is_there(p, t, keeping.sent(connection, t.chain))
                for p, t in zip(players, truths, strict=True)
            ]
            found += [
                tables_are_chain(connection, config, c.programs, t)
                for c, t in zip((net.evm, net.solana), truths, strict=True)
            ]
            found += verify.verify(opened, connection)
            for chain in config.chains:
                found += await accounts_are_folds(opened, connection, chain)
            names = [fold.name for fold in opened.folds]
            names += [view.name for view in views.load(config, opened.folds)]
            found.append(await served(connection, config, names, api, session))
    return [*found, await rebuilt(config)]


async def caught_up(
    net: Localnet,
    config: Config,
    tips: dict[str, int],
    session: aiohttp.ClientSession,
    seconds: float = 120,
) -> None:
    """Waits until the nodes call ``tips`` final and the indexer has them. Raises Fatal."""
    limit = time.monotonic() + seconds
    evm, solana = truth.Rpc(net.evm.rpc, session), truth.Rpc(net.solana.rpc, session)
    with store.opened(config) as opened, opened.connect("demo") as connection:
        while True:
            block = await evm("eth_getBlockByNumber", "finalized", False)
            final = {
                "anvil": int(block["number"], 16),
                "solana": await solana("getSlot", {"commitment": "finalized"}),
            }
            rows = connection.execute(
                SQL("SELECT chain, least(height, finalized) FROM {}").format(_table(config, "head"))
            ).fetchall()
            head: dict[str, int] = dict(rows)
            behind = {
                chain: f"at {head.get(chain, -1)}, final {final[chain]}, wanted {tip}"
                for chain, tip in tips.items()
                if min(final[chain], head.get(chain, -1)) < tip
            }
            if not behind:
                return
            if time.monotonic() > limit:
                raise Fatal(f"the indexer is behind after {seconds:.0f} s: {behind}")
            await asyncio.sleep(0.2)


def sent_is_there(
    player: Player, t: Truth, kept: tuple[Set[str], int] = (frozenset(), 0)
) -> Finding:
    """Every transaction that the wallets and the keeper (``kept``) sent is in a block, with the
    same verdict."""
    ok = {s.tx for s in player.sent if s.ok} | kept[0]
    refused = sum(not s.ok for s in player.sent) + kept[1]
    return Finding(
        f"{t.chain}: the chain has what the wallets sent",
        ok == t.transactions and refused == t.refused,
        f"{len(ok)} succeeded, {len(kept[0])} of them the keeper's, and {refused} were refused, "
        f"the blocks have {len(t.transactions)} and {t.refused}",
    )


def tables_are_chain(
    connection: Connection[Any], config: Config, programs: Iterable[Deployed], t: Truth
) -> Finding:
    """Every event of the chain's blocks is in its table, and nothing else is."""
    rows: Counter[tuple[str, str]] = Counter()
    for event in truth.tables(programs):
        query = SQL("SELECT tx, count(*) FROM {} WHERE chain = %s AND pos < %s GROUP BY tx")
        table = query.format(_table(config, event))
        for tx, count in connection.execute(table, [t.chain, (t.tip + 1) << 28]):
            rows[event, tx] = count
    missing, extra = t.events - rows, rows - t.events
    return Finding(
        f"{t.chain}: the tables have what succeeded on the chain",
        not missing and not extra,
        f"{len(t.transactions)} transactions with {t.events.total()} events on the chain, "
        f"{rows.total()} rows, {missing.total()} missing, {extra.total()} too many",
    )


async def rebuilt(config: Config) -> Finding:
    """Dagster takes everything in again, into an empty schema, and every table is equal."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipelines.rebuild", "--config", str(config.path)),
        *("--schema", REBUILT, "--fresh", "--range-size", "50", "--compare"),
        env={**os.environ, "DATABASE_URL": config.database.url or ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output = (await process.communicate())[0].decode("utf-8", "replace").strip()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    lines = output.splitlines() or ["it said nothing"]
    bad = [line.strip() for line in lines if "FAIL" in line]
    detail = "; ".join(bad) if bad else lines[-1]
    equal = sum(line.endswith("equal rows") for line in lines)
    good = process.returncode == 0 and equal > 0
    return Finding(
        "Dagster's rebuild into an empty database gives equal tables",
        good,
        f"{equal} tables equal" if good else detail,
    )


def _table(config: Config, name: str) -> Identifier:
    return Identifier(config.database.schema, name)
