"""The accounts of `feeds`."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Listed, Pda, Program, View

_KEPT = (
    "SELECT o.* FROM {observations} AS o JOIN {feeds} AS f USING (chain, feed) "
    "WHERE o.round > f.round - 64"
)
"""The last 64 of each feed, which is what the chains keep (F-3)."""

FEEDS = Program(
    "feeds",
    counter=("feedCount", "feeds"),
    entities=(
        Entity(
            Account(
                "feeds",
                key=("feed",),
                solana=Pda("Feed"),
                evm=View("getFeed"),
                same=("publisher", "decimals", "heartbeat"),
                also={"count": "round", "last_at": "observed_at"},
            ),
            opened="FeedOpened",
            parts=(
                Account(
                    "observations",
                    key=("feed", "round"),
                    of=_KEPT,
                    solana=None,
                    evm=View("getObservation"),
                    same=("value", "observed_at"),
                ),
            ),
            lists=(
                Listed(
                    "ring",
                    _KEPT,
                    at="mod(round - 1, 64)",
                    values={"value": "value", "observed_at": "observed_at"},
                ),
            ),
        ),
    ),
)
