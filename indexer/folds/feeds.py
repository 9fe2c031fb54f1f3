"""State of the `feeds` program: feeds, their observations, and which of them are stale."""

from indexer.folds.algebra import count, first, fold, last, max_
from indexer.folds.views import view

feeds = fold(
    "feeds",
    program="feeds",
    key="feed",
    doc="One row a feed. value: an integer with `decimals` digits behind the point; heartbeat: "
    "seconds within which a new observation is due.",
    columns={
        "publisher": first("FeedOpened.actor"),
        "name": first("name"),
        "unit": first("unit"),
        "decimals": first("decimals"),
        "heartbeat": first("heartbeat"),
        "opened_at": first("FeedOpened.time"),
        "round": last("round"),
        "value": last("value"),
        "observed_at": last("observed_at"),
        "observations": count("ObservationPublished"),
        "seq": max_("seq"),
    },
)

observations = fold(
    "observations",
    program="feeds",
    key=("feed", "round"),
    doc="One row an observation. round: 1, 2, 3…; value: as the feed's.",
    columns={
        "value": first("value"),
        "observed_at": first("observed_at"),
        "published_at": first("ObservationPublished.time"),
    },
)

feed_state = view(
    "feed_state",
    of="feeds",
    doc="Whether a feed has no observation, or none within its heartbeat of the chain's newest "
    "block (F-4).",
    columns={
        "value": "feeds.value",
        "observed_at": "feeds.observed_at",
        "stale": "feeds.observations = 0 "
        "OR head.time > feeds.observed_at + feeds.heartbeat * INTERVAL '1 second'",
    },
)
