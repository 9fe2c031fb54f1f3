"""The folds of the reference programs, under one name for chainfold.toml."""

from indexer.folds.bets import bettors, market_pools, markets, positions
from indexer.folds.contracts import agreements, deliveries
from indexer.folds.feeds import feed_state, feeds, observations
from indexer.folds.payouts import claims, entries, funders, pools, vouchers
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
    "bettors",
    "claims",
    "deliveries",
    "entries",
    "feed_state",
    "feeds",
    "funders",
    "links",
    "market_pools",
    "markets",
    "observations",
    "playlists",
    "pools",
    "positions",
    "profiles",
    "projects",
    "records",
    "roles",
    "scopes",
    "tags",
    "vouchers",
]
