"""Balances of an ERC-20 and owners of an ERC-721, from their Transfer events alone."""

from indexer.folds import count, first, fold, join, last, sum_, view

received = fold(
    "received",
    program="coin",
    key="to",
    columns={"amount": sum_("Transfer.value"), "transfers": count("Transfer")},
)

sent = fold(
    "sent",
    program="coin",
    key="from",
    columns={"amount": sum_("Transfer.value"), "transfers": count("Transfer")},
)

balances = view(
    "balances",
    of="received",
    joins=[join("sent", **{"from": "to"})],
    columns={"balance": "received.amount - coalesce(sent.amount, 0)"},
    where="received.\"to\" <> '0x0000000000000000000000000000000000000000'",
    doc="Balances in the token's smallest unit.",
)

cards = fold(
    "cards",
    program="card",
    key="token_id",
    columns={
        "minted_to": first("Transfer.to"),
        "owner": last("Transfer.to"),
        "moved": count("Transfer"),
        "since": last("Transfer.time"),
    },
)
