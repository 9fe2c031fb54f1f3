"""The folds of the reference programs, under one name for chainfold.toml."""

from indexer.folds.bets import bettors, market_pools, markets, positions
from indexer.folds.contracts import agreements, deliveries
from indexer.folds.feeds import feeds
from indexer.folds.payouts import claims, entries, funders, pools, vouchers
from indexer.folds.projects import projects

__all__ = [
    "agreements",
    "bettors",
    "claims",
    "deliveries",
    "entries",
    "feeds",
    "funders",
    "market_pools",
    "markets",
    "pools",
    "positions",
    "projects",
    "vouchers",
]
