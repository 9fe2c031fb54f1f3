"""State of the `feeds` program: feeds and their newest observation."""

from indexer.folds.algebra import count, first, fold, last, max_

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
