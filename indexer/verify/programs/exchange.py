"""The accounts of `exchange`."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Program, View

_HELD = """
SELECT chain, token, sum(amount) AS amount FROM (
    SELECT chain, token, free AS amount FROM {balances}
    UNION ALL
    SELECT o.chain, CASE o.side WHEN 0 THEN m.quote ELSE m.base END,
        o."left" * CASE o.side WHEN 0 THEN o.price * m.tick ELSE m.lot END
    FROM {orders} AS o JOIN {exchange_markets} AS m USING (chain, market) WHERE o."left" > 0
) AS owed GROUP BY chain, token
"""
"""What accounts have of each token, free and locked by what rests (L-2)."""

_SAME = (
    "base", "quote", "lot", "tick", "min_notional", "creator", "orders", "trades",
)  # fmt: skip

EXCHANGE = Program(
    "exchange",
    counter=("marketCount", ""),
    entities=(
        Entity(
            Account(
                "exchange_markets",
                key=("market",),
                solana=None,
                evm=View("getMarket"),
                same=_SAME,
            ),
            opened="MarketOpened",
            parts=(
                Account(
                    "orders",
                    key=("market", "order"),
                    solana=None,
                    evm=View("getOrder"),
                    same=("owner", "price", "side"),
                    also={"quantity": '"left"'},
                    where='"left" > 0',
                ),
            ),
        ),
        Entity(
            Account(
                "balances",
                key=("balance",),
                solana=None,
                evm=View("balanceOf", "free", ("account", "token")),
                same=("free",),
            ),
            opened="BalanceChanged",
            versioned=False,
            counted=False,
        ),
        Entity(
            Account(
                "tokens",
                key=("token",),
                solana=None,
                evm=View("held", "amount"),
                same=("amount",),
                of=_HELD,
            ),
            versioned=False,
            owed="amount",
            counted=False,
        ),
    ),
)
