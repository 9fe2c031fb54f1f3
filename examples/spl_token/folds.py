"""Token accounts by what moved: what came in, what went out, and the difference."""

from indexer.folds import count, fold, join, last, max_, sum_, view

incoming = fold(
    "incoming",
    program="token",
    key="destination",
    doc="One row a token account that got tokens. Amounts in the mint's smallest unit.",
    columns={
        "mint": last("TransferChecked.mint", "MintTo.mint"),
        "amount": sum_("Transfer.amount", "TransferChecked.amount", "MintTo.amount"),
        "transfers": count("Transfer", "TransferChecked"),
        "last_at": max_("Transfer.time", "TransferChecked.time", "MintTo.time"),
    },
)

outgoing = fold(
    "outgoing",
    program="token",
    key="source",
    doc="One row a token account that tokens left.",
    columns={
        "amount": sum_("Transfer.amount", "TransferChecked.amount", "Burn.amount"),
        "transfers": count("Transfer", "TransferChecked"),
    },
)

balances = view(
    "balances",
    of="incoming",
    joins=[join("outgoing", source="destination")],
    columns={
        "mint": "incoming.mint",
        "balance": "incoming.amount - coalesce(outgoing.amount, 0)",
    },
    doc="Balances of accounts whose whole history is in.",
)
