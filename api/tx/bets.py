"""What is built of `bets`."""

from __future__ import annotations

from api.tx.call import Call, Holding, Part, Who
from api.tx.entity import Entity, Kind
from api.tx.model import Place

MARKET = Kind("bets", "bets_market_opened", "market", "markets")


def place(bet: Place, market: Entity) -> Call:
    """The accounts follow from the market, the bettor and the outcome (programs/SPEC.md,
    "Accounts on Solana")."""
    bettor, amount = Who("bettor", bet.bettor), int(bet.amount)
    payer = Who("payer", bet.payer) if bet.payer else bettor
    return Call(
        "place",
        f"bet {amount} on outcome {bet.outcome}",
        bettor,
        {"outcome": bet.outcome, "amount": amount},
        {
            "bettor": bettor,
            "payer": payer,
            "position": Part(b"position", (bettor, bytes([bet.outcome]))),
            "source": Holding(bettor, Who("source", bet.source) if bet.source else None),
        },
        payer=payer,
        spends=amount,
        opens={"position": "Position"},
    )
