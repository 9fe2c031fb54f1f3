"""State of the `bets` program: markets, their pools, positions in them, and bettors."""

from indexer.folds.algebra import count, first, fold, last, max_, sum_

markets = fold(
    "markets",
    program="bets",
    key="market",
    doc="One row a market. status: 0 Open, 1 Resolved, 2 Voided.",
    columns={
        "creator": first("MarketOpened.actor"),
        "resolver": first("resolver"),
        "token": first("token"),
        "subject": first("subject"),
        "question": first("question"),
        "cid": first("cid"),
        "title": first("title"),
        "outcome_count": first("outcome_count"),
        "opened_at": first("MarketOpened.time"),
        "close_at": first("close_at"),
        "resolve_by": first("resolve_by"),
        "fee_bps": first("fee_bps"),
        "fee_recipient": first("fee_recipient"),
        "total": last("total_after"),
        "status": last("status_after"),
        "outcome": last("MarketResolved.outcome"),
        "winning_pool": last("winning_pool"),
        "fee": last("fee"),
        "net": last("net"),
        "settled_at": last("MarketResolved.time", "MarketVoided.time"),
        "paid": last("paid_after"),
        "fee_collected": sum_("FeeCollected.amount"),
        "bets": count("BetPlaced"),
        "claims": count("BetClaimed"),
        "dust": sum_("MarketClosed.dust"),
        "closed": count("MarketClosed"),
        "events": count(),
        "seq": max_("seq"),
    },
)

market_pools = fold(
    "market_pools",
    program="bets",
    key=("market", "outcome"),
    doc="One row an outcome that got a bet. Amounts in the token's smallest unit.",
    columns={
        "pool": last("BetPlaced.pool_after"),
        "bets": count("BetPlaced"),
        "claimed": sum_("BetClaimed.payout"),
    },
)

positions = fold(
    "positions",
    program="bets",
    key=("market", "bettor", "outcome"),
    doc="One row a bettor's stake on an outcome. Amounts in the token's smallest unit.",
    columns={
        "stake": last("stake_after"),
        "bets": count("BetPlaced"),
        "payout": sum_("BetClaimed.payout"),
        "claimed": count("BetClaimed"),
        "closed": count("PositionClosed"),
    },
)

bettors = fold(
    "bettors",
    program="bets",
    key="bettor",
    doc="One row a bettor. Sums are in smallest units of whatever tokens they bet.",
    columns={
        "first_at": first("BetPlaced.time"),
        "last_at": last("BetPlaced.time"),
        "bets": count("BetPlaced"),
        "staked": sum_("BetPlaced.amount"),
        "claims": count("BetClaimed"),
        "paid": sum_("BetClaimed.payout"),
    },
)
