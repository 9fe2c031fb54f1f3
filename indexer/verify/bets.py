"""The `bets` folds against the program's own accounts: each market, each position, each vault.

A market's ``seq`` is its version: where the chain's and the fold's are equal, everything else must
be; where they aren't, one of the two is ahead, and both are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from indexer.errors import Retryable
from indexer.log import database, writer
from indexer.rpc.client import Rpc
from indexer.store import Store
from indexer.verify.accounts import Accounts, MarketAccounts, Position
from indexer.verify.evm_accounts import EvmAccounts
from indexer.verify.finding import Finding
from indexer.verify.solana_accounts import SolanaAccounts

FOLDS = frozenset({"markets", "market_pools", "positions"})
PATIENCE = 30.0
"""Seconds for the chain and the tables to come to the same ``seq``."""
_PAUSE = 0.3
_TOGETHER = 32
_SAME = ("total", "status", "paid", "fee", "net", "winning_pool", "fee_bps", "outcome_count",
         "creator", "resolver", "fee_recipient", "subject", "question")  # fmt: skip
_LINES = 20


@dataclass(slots=True)
class _Folds:
    """The folds' rows of one chain at one moment, and its head then."""

    height: int
    markets: dict[str, dict[str, Any]]
    pools: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    positions: dict[str, dict[Position, dict[str, Any]]] = field(
        default_factory=dict[str, dict[Position, dict[str, Any]]]
    )


async def accounts_are_folds(
    store: Store,
    connection: Connection[Any],
    chain: str,
    urls: tuple[str, ...] = (),
) -> list[Finding]:
    """Findings for each deployment of `bets` on ``chain``; none where the folds aren't ours."""
    if not {f.name for f in store.folds if f.fold.program == "bets"} >= FOLDS:
        return []
    found: list[Finding] = []
    settings = store.config.chains[chain]
    bindings = [b for b in store.schema.on(chain).values() if b.program == "bets"]
    for binding in bindings:
        if binding.factory is not None or len(bindings) > 1:
            continue  # the folds don't say which contract a market is of
        rpc = Rpc(urls or settings.rpc[-1:], name=chain)
        try:
            document = binding.interface.document
            if settings.kind == "solana":
                accounts: Accounts = SolanaAccounts(rpc, binding.address, document)
                found += await _compare(store, connection, chain, accounts)
            else:
                evm = EvmAccounts(rpc, binding.address, document, 0)
                found += await _compare(store, connection, chain, evm)
        finally:
            await rpc.aclose()
    return found


async def _compare(
    store: Store, connection: Connection[Any], chain: str, accounts: Accounts
) -> list[Finding]:
    limit = monotonic() + PATIENCE
    wrong: dict[str, str] = {}
    waiting: set[str] | None = None
    while True:
        folds = _read(store, connection, chain)
        if isinstance(accounts, EvmAccounts):
            accounts.height = folds.height
        asked = set(folds.markets) if waiting is None else waiting & set(folds.markets)
        waiting, why = set[str](), dict[str, str]()
        try:
            for market, account in await _markets(accounts, folds, sorted(asked)):
                verdict = _market(folds, market, account)
                if verdict is None:
                    wrong.pop(market, None)
                elif verdict.startswith("seq"):
                    waiting.add(market)
                    why[market] = verdict
                else:
                    wrong[market] = verdict
            opened = await accounts.markets()
            vaults = await _vaults(folds, accounts)
        except Retryable:
            if monotonic() > limit:
                raise
            await asyncio.sleep(_PAUSE)
            waiting = None
            continue
        if (not waiting and opened == len(folds.markets)) or monotonic() > limit:
            wrong |= why
            break
        await asyncio.sleep(_PAUSE)
    owed = sum(_owed(m) for m in folds.markets.values())
    short = [line for line in vaults if line]
    lines = [
        Finding(f"{chain}: market {m}", False, why) for m, why in sorted(wrong.items())[:_LINES]
    ]
    positions = sum(map(len, folds.positions.values()))
    return [
        Finding(
            f"{chain}: accounts of bets = folds",
            not wrong,
            f"{len(folds.markets)} markets and {positions} positions, {len(wrong)} differ",
        ),
        Finding(
            f"{chain}: the program's counter of markets = rows",
            opened == len(folds.markets),
            f"counts {opened}, {len(folds.markets)} rows",
        ),
        Finding(
            f"{chain}: vaults hold what is owed",
            not short,
            "; ".join(short[:3]) or f"{owed} owed, all of it is there",
        ),
        *lines,
    ]


def _read(store: Store, connection: Connection[Any], chain: str) -> _Folds:
    with database.translated(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        head = writer.head(connection, store.log, chain)
        assert head is not None, "the proofs of the event log come first"
        cursor = connection.cursor(row_factory=dict_row)

        def rows(fold: str) -> list[dict[str, Any]]:
            statement = f"SELECT * FROM {store.log.table(fold)} WHERE chain = %s"
            return cursor.execute(statement, [chain]).fetchall()  # pyright: ignore

        folds = _Folds(head[0], {r["market"]: r for r in rows("markets")})
        for r in rows("market_pools"):
            folds.pools.setdefault(r["market"], {})[r["outcome"]] = int(r["pool"] or 0)
        for r in rows("positions"):
            at = (r["bettor"], r["outcome"])
            folds.positions.setdefault(r["market"], {})[at] = r
    return folds


async def _markets(
    accounts: Accounts, folds: _Folds, markets: list[str]
) -> list[tuple[str, MarketAccounts]]:
    found: list[tuple[str, MarketAccounts]] = []
    for i in range(0, len(markets), _TOGETHER):
        part = markets[i : i + _TOGETHER]
        read = (accounts.market(m, sorted(folds.positions.get(m, {}))) for m in part)
        found += zip(part, await asyncio.gather(*read), strict=True)
    return found


def _market(folds: _Folds, market: str, account: MarketAccounts) -> str | None:
    """What differs; None where nothing does; a line that begins with ``seq`` where one is ahead."""
    row, on_chain = folds.markets[market], account.market
    if row["closed"]:
        return None if on_chain is None else "seq: closed by the folds, there on the chain"
    if on_chain is None:
        return "seq: open by the folds, not there on the chain"
    seq = int(row["seq"] or 0)
    if on_chain["seq"] != seq:
        return f"seq {on_chain['seq']} on the chain, {seq} in the folds"
    for name in _SAME:
        kept = _plain(row[name], on_chain[name])
        if kept != on_chain[name]:
            return f"{name} is {on_chain[name]} on the chain, {kept} in the folds"
    pools = {o: pool for o, pool in enumerate(on_chain["pools"]) if pool}
    if pools != {o: pool for o, pool in folds.pools.get(market, {}).items() if pool}:
        return f"pools are {pools} on the chain, {folds.pools.get(market, {})} in the folds"
    for at, position in account.positions.items():
        line = _position(folds.positions[market][at], position)
        if line:
            return f"position of {at[0]} on {at[1]}: {line}"
    if account.held is not None and account.held < _owed(row):
        return f"its vault holds {account.held}, it owes {_owed(row)}"
    return None


def _position(row: Mapping[str, Any], on_chain: Mapping[str, Any] | None) -> str | None:
    if row["closed"]:
        return None if on_chain is None else "closed by the folds, there on the chain"
    if on_chain is None:
        return "not there on the chain"
    mine = int(row["stake"] or 0), bool(row["claimed"])
    true = on_chain["stake"], on_chain["claimed"]
    return None if mine == true else f"(stake, claimed) is {true} on the chain, {mine} here"


def _plain(value: Any, like: Any) -> Any:
    """A column as the account's field has it: a number that nothing has set yet is 0 there."""
    if isinstance(like, list):  # 32 bytes of a digest
        return list(bytes.fromhex(value[2:]))
    return value if isinstance(like, str) else int(value or 0)


def _owed(row: Mapping[str, Any]) -> int:
    return 0 if row["closed"] else int(row["total"] or 0) - int(row["paid"] or 0)


async def _vaults(folds: _Folds, accounts: Accounts) -> list[str | None]:
    """A line for each shared vault that holds less than its markets owe. Whoever likes may send
    tokens to a vault, so more is no difference."""
    debts: dict[str, int] = {}
    for row in folds.markets.values():
        debts[row["token"]] = debts.get(row["token"], 0) + _owed(row)
    lines: list[str | None] = []
    for token, debt in sorted(debts.items()):
        held = await accounts.held(token)
        if held is not None:
            lines.append(None if held >= debt else f"{held} of {token} held, {debt} owed")
    return lines
