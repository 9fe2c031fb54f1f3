"""The folds of the reference programs, under one name for chainfold.toml."""

from indexer.folds.bets import bettors, market_pools, markets, positions
from indexer.folds.contracts import agreements, deliveries, withdrawals
from indexer.folds.exchange import (
    balances,
    book_depth,
    exchange_markets,
    orders,
    price_levels,
    trades,
    trading_days,
)
from indexer.folds.feeds import feed_state, feeds, observations
from indexer.folds.payouts import claims, entries, funders, pools, vendors, vouchers
from indexer.folds.projects import projects
from indexer.folds.registry import (
    attestations,
    links,
    playlists,
    profiles,
    records,
    roles,
    scopes,
    tags,
)

__all__ = [
    "agreements",
    "attestations",
    "balances",
    "bettors",
    "book_depth",
    "claims",
    "deliveries",
    "entries",
    "exchange_markets",
    "feed_state",
    "feeds",
    "funders",
    "links",
    "market_pools",
    "markets",
    "observations",
    "orders",
    "playlists",
    "pools",
    "positions",
    "price_levels",
    "profiles",
    "projects",
    "records",
    "roles",
    "scopes",
    "tags",
    "trades",
    "trading_days",
    "vendors",
    "vouchers",
    "withdrawals",
]
