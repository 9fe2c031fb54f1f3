"""State tables, declared: each column is a commutative monoid over the events' positions.

>>> from indexer.folds import fold, first, last, sum_, count
>>> markets = fold("markets", program="bets", key="market", columns={
...     "creator": first("MarketOpened.actor"), "total": last("total_after"),
...     "bets": count("BetPlaced"), "volume": sum_("BetPlaced.amount")})
"""

from indexer.folds.algebra import (
    Aggregate,
    Digest,
    Fold,
    count,
    digest,
    first,
    fold,
    last,
    max_,
    min_,
    sum_,
)
from indexer.folds.views import Join, View, join, view

__all__ = [
    "Aggregate",
    "Digest",
    "Fold",
    "Join",
    "View",
    "count",
    "digest",
    "first",
    "fold",
    "join",
    "last",
    "max_",
    "min_",
    "sum_",
    "view",
]
