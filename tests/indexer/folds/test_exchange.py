"""The folds of exchange over real events: books, orders, trades, days and balances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from support.accounts import against_chains, contradicted
from support.anvil import Anvil
from support.index import index_once

from deploy import builds
from indexer import config as configuration
from indexer import store
from indexer.verify import verify

ROOT = Path(__file__).resolve().parents[3]
BUY, SELL = 0, 1
GOOD_TILL_CANCELLED, IMMEDIATE_OR_CANCEL = 0, 1
LOT, TICK = 10, 3
DAY = 86_400


def deploy(anvil: Anvil, name: str) -> Any:
    built = builds.contract(name)
    factory = anvil.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
    sent = factory.constructor().transact({"from": anvil.web3.eth.accounts[0]})
    address = anvil.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    return anvil.web3.eth.contract(address=address, abi=built.abi)


@pytest.fixture
def exchange(anvil: Anvil) -> Any:
    """An exchange with a market, and a million of both tokens in for accounts 1 and 2."""
    made, base, quote = (deploy(anvil, name) for name in ("Exchange", "TestToken", "TestToken"))
    anvil.send(made.functions.open(base.address, quote.address, LOT, TICK, 0))
    for account in (1, 2):
        for token in (base, quote):
            anvil.send(token.functions.mint(anvil.web3.eth.accounts[account], 10**6))
            anvil.send(token.functions.approve(made.address, 10**6), account)
            anvil.send(made.functions.deposit(token.address, 10**6), account)
    return made


def test_rows(
    anvil: Anvil,
    exchange: Any,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    creator, alice, bob = anvil.web3.eth.accounts[:3]
    f = exchange.functions
    market = f.marketId(creator, 0).call()
    midnight = (anvil.web3.eth.get_block("latest")["timestamp"] // DAY + 1) * DAY

    def place(account: int, side: int, price: int, quantity: int, kind: int = 0) -> None:
        receipt = anvil.send(f.place(market, side, price, quantity, kind, 100), account)
        assert receipt["status"] == 1

    anvil.rpc("evm_setNextBlockTimestamp", midnight)
    place(1, SELL, 100, 5)
    place(1, SELL, 100, 5)
    place(1, SELL, 110, 5)
    place(1, BUY, 90, 2)
    place(2, BUY, 110, 12)  # 5 and 5 at 100, 2 at 110
    anvil.rpc("evm_setNextBlockTimestamp", midnight + DAY)
    place(2, SELL, 80, 3, IMMEDIATE_OR_CANCEL)  # 2 at 90, and 1 is cancelled
    place(2, BUY, 95, 7)
    anvil.send(f.cancel(market, 3), 1)
    place(2, BUY, 95, 1)

    file = tmp_path / "chainfold.toml"
    file.write_text(
        f'[database]\nurl = "{postgres_url}"\n'
        f'[chains.local]\nkind = "evm"\nchain_id = 31337\nrpc = ["{anvil.url}"]\n'
        f'[[programs]]\nname = "exchange"\nchain = "local"\naddress = "{exchange.address}"\n'
        f'interface = "{ROOT / "programs/interfaces/Exchange.abi.json"}"\n'
        '[folds]\nmodules = ["indexer.folds.reference"]\n'
    )
    config = configuration.load(file)
    index_once(config)
    with store.opened(config) as opened, opened.connect("test") as connection:
        assert [finding for finding in verify(opened, connection) if not finding.ok] == []

    def rows(columns: str, table: str) -> list[dict[str, Any]]:
        with psycopg.connect(postgres_url, row_factory=dict_row) as connection:
            sql = f"SELECT {columns} FROM chainfold.{table} ORDER BY {columns.split(',')[0]}"
            return connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def values(columns: str, table: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in rows(columns, table)]

    # The book is what the contract says it is.
    asked = [
        (level[0], side, level[1])
        for side in (BUY, SELL)
        for level in f.getLevels(market, side, 10).call()
    ]
    assert values("price, side, quantity", "book_depth") == asked == [(95, BUY, 8)]
    assert values("worth", "book_depth") == [(8 * 95 * TICK,)]
    columns = '"order", side, quantity, rested, "left", filled, cancelled, reason'
    assert values(columns, "orders") == [
        (1, SELL, 5, 5, 0, 5, 0, None),
        (2, SELL, 5, 5, 0, 5, 0, None),
        (3, SELL, 5, 5, 0, 2, 3, 0),
        (4, BUY, 2, 2, 0, 2, 0, None),
        (5, BUY, 12, 0, 0, 0, 0, None),
        (6, SELL, 3, 1, 0, 0, 1, 1),
        (7, BUY, 7, 7, 7, 0, 0, None),
        (8, BUY, 1, 1, 1, 0, 0, None),
    ]  # fmt: skip
    assert values('trade, "order", taker_order, side, price, quantity, worth', "trades") == [
        (1, 1, 5, SELL, 100, 5, 1500),
        (2, 2, 5, SELL, 100, 5, 1500),
        (3, 3, 5, SELL, 110, 2, 660),
        (4, 4, 6, BUY, 90, 2, 540),
    ]
    days = values("day, open, high, low, close, trades, quantity, volume", "trading_days")
    first = midnight // DAY
    assert days == [
        (first, 100, 110, 100, 110, 3, 12, 3660),
        (first + 1, 90, 90, 90, 90, 1, 2, 540),
    ]
    (row,) = rows(
        "last_price, last_quantity, trades, volume, lot, tick, orders", "exchange_markets"
    )
    assert tuple(row.values()) == (90, 2, 4, 4200, LOT, TICK, 8)
    for row in rows("account, token, free, deposited, withdrawn", "balances"):
        who = {alice.lower(): alice, bob.lower(): bob}[row["account"]]
        token = anvil.web3.to_checksum_address(row["token"])
        assert row["free"] == f.balanceOf(who, token).call()
        assert (row["deposited"], row["withdrawn"]) == (10**6, 0)

    found = against_chains(config)
    assert [finding for finding in found if not finding.ok] == []
    assert found[0].detail == "4 balances, 1 exchange_markets, 2 orders, 2 tokens, 0 differ"
    assert found[2].detail == "4000000 owed, all of it is there"
    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.2)
    for table, change, says in (
        ("exchange_markets", "UPDATE {} SET trades = 3", "trades is 4 on the chain, 3"),
        ("exchange_markets", "DELETE FROM {}", "the counter of exchange = rows: counts 1, 0 rows"),
        ("orders", "UPDATE {} SET price = 94", "price is 95 on the chain, 94 in the folds"),
        ("orders", 'UPDATE {} SET "left" = 2 WHERE "order" = 8', "quantity is 1 on the chain, 2"),
        ("orders", 'UPDATE {} SET "left" = 1 WHERE "order" = 3', "owner is not there on the chain"),
        ("orders", 'UPDATE {} SET "left" = 0', "tokens 0x"),
        ("balances", "UPDATE {} SET free = free + 1", "free is "),
        ("balances", "UPDATE {} SET free = free + 1", "vaults of exchange hold what is owed: "),
    ):
        assert says in contradicted(config, table, change)
