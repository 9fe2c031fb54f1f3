"""The accounts of `bets`."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Listed, Pda, Program, View

_SAME = (
    "total", "status", "paid", "fee", "winning_pool", "fee_bps", "outcome_count", "creator",
    "resolver", "fee_recipient", "token", "subject", "question", "close_at", "resolve_by",
)  # fmt: skip

BETS = Program(
    "bets",
    counter=("marketCount", "markets"),
    entities=(
        Entity(
            Account(
                "markets",
                key=("market",),
                solana=Pda("Market"),
                evm=View("getMarket"),
                same=_SAME,
                # of a voided market all that was staked goes back
                also={"net": "CASE WHEN status = 2 THEN total ELSE coalesce(net, 0) END"},
                closed="closed > 0",
            ),
            opened="MarketOpened",
            parts=(
                Account(
                    "positions",
                    key=("market", "bettor", "outcome"),
                    solana=Pda("Position", (b"position", "market", "bettor", "outcome")),
                    evm=View("getPosition"),
                    same=("stake", "claimed"),
                    closed="closed > 0",
                ),
            ),
            lists=(Listed("pools", "market_pools", at="outcome", value="pool"),),
            owed="CASE WHEN closed = 0 THEN coalesce(total, 0) - coalesce(paid, 0) ELSE 0 END",
        ),
    ),
)
