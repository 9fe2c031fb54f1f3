"""The folds of the reference programs, under one name for chainfold.toml."""

from indexer.folds.bets import bettors, market_pools, markets, positions

__all__ = ["bettors", "market_pools", "markets", "positions"]
