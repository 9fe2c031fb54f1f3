"""The demo's live table: what the tables hold, read from the database like any client does."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from psycopg import Connection
from psycopg.sql import SQL, Identifier
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from indexer.config import Config
from indexer.log import database
from indexer.status import Status, status
from localnet.play import Player

_LATEST = 8


class Board:
    """Redraws a table on a terminal; prints a plain line each few seconds elsewhere."""

    def __init__(self, config: Config, players: Sequence[Player], out: TextIO) -> None:
        self.config, self.players, self.out = config, players, out
        self.started = time.monotonic()

    async def show(self) -> None:
        """Until it is cancelled."""
        assert self.config.database.url is not None
        with database.connect(self.config.database.url, name="chainfold demo") as connection:
            if self.out.isatty():
                console = Console(file=self.out)
                with Live(self.drawn(connection), console=console, auto_refresh=False) as live:
                    while True:
                        await asyncio.sleep(0.5)
                        live.update(self.drawn(connection), refresh=True)
            while True:
                await asyncio.sleep(5)
                self.out.write(self.line(connection) + "\n")
                self.out.flush()

    def read(self, connection: Connection[Any]) -> Status:
        return status(connection, self.config.database.schema)

    def line(self, connection: Connection[Any]) -> str:
        now = self.read(connection)
        events = _by_chain(now)
        sent = {p.chain.chain: len(p.sent) for p in self.players}
        chains = "; ".join(
            f"{c.chain} block {c.height} ({c.lag} behind), {sent.get(c.chain, 0)} sent, "
            f"{events[c.chain]} events"
            for c in now.chains
        )
        return f"{time.monotonic() - self.started:6.1f} s  {chains}"

    def drawn(self, connection: Connection[Any]) -> Group:
        now = self.read(connection)
        events = _by_chain(now)
        chains = Table("chain", "block", "behind", "final", "sent", "refused", "events")
        for c in now.chains:
            sent = next((p.sent for p in self.players if p.chain.chain == c.chain), [])
            refused = sum(not s.ok for s in sent)
            cells = (c.height, c.lag, c.finalized, len(sent), refused, events[c.chain])
            chains.add_row(c.chain, *map(str, cells))
        query = SQL(
            "SELECT chain, title, CASE status WHEN 0 THEN 'open' WHEN 1 THEN 'resolved' "
            "ELSE 'voided' END || CASE WHEN closed > 0 THEN ', closed' ELSE '' END, bets, "
            "total / 1000000, coalesce(paid, 0) / 1000000 FROM {} ORDER BY opened_at DESC LIMIT %s"
        )
        latest = Table("chain", "market", "state", "bets", "USDC bet", "USDC paid")
        table = Identifier(self.config.database.schema, "markets")
        for row in connection.execute(query.format(table), [_LATEST]):
            chain, title, state, bets, total, paid = row
            latest.add_row(chain, title, state, str(bets), f"{total or 0:.2f}", f"{paid:.2f}")
        return Group(chains, latest, "Ctrl-C ends everything")


def _by_chain(now: Status) -> Counter[str]:
    counts: Counter[str] = Counter()
    for table in now.events.values():
        counts.update(table)
    return counts
