"""What is built of `bets`."""

from __future__ import annotations

from api.tx.call import Call, Holding, Part, RentPayer, Who
from api.tx.entity import Entity, Kind
from api.tx.model import ClaimBet, OfFees, OfMarket, OfPosition, Place

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


def void(body: OfMarket, market: Entity) -> Call:
    actor = Who("actor", body.actor)
    return Call("void", "void the market", actor, {}, {"actor": actor})


def claim(body: ClaimBet, market: Entity) -> Call:
    actor, bettor = Who("actor", body.actor), Who("bettor", body.bettor)
    given = Who("destination", body.destination) if body.destination else None
    return Call(
        "claim",
        f"pay {body.bettor} for outcome {body.outcome}",
        actor,
        _outcome(bettor, body.outcome, market),
        {
            "actor": actor,
            "position": Part(b"position", (bettor, bytes([body.outcome]))),
            "destination": Holding(bettor, given),
        },
    )


def collect_fee(body: OfFees, market: Entity) -> Call:
    actor = Who("actor", body.actor)
    accounts = {"actor": actor, "destination": _fees(body, market)}
    return Call("collect_fee", "pay the market's fee", actor, {}, accounts)


def close_position(body: OfPosition, market: Entity) -> Call:
    actor, bettor = Who("actor", body.actor), Who("bettor", body.bettor)
    return Call(
        "close_position",
        f"close the position of {body.bettor} on outcome {body.outcome}",
        actor,
        _outcome(bettor, body.outcome, market),
        {
            "actor": actor,
            "position": Part(b"position", (bettor, bytes([body.outcome]))),
            "rent_payer": RentPayer("position"),
        },
    )


def close(body: OfFees, market: Entity) -> Call:
    actor = Who("actor", body.actor)
    accounts = {
        "actor": actor,
        "destination": _fees(body, market),
        "rent_payer": RentPayer("market"),
    }
    return Call("close", "close the market", actor, {}, accounts)


def _fees(body: OfFees, market: Entity) -> Holding:
    given = Who("destination", body.destination) if body.destination else None
    return Holding(Who("fee_recipient", market.opened["fee_recipient"]), given)


def _outcome(bettor: Who, outcome: int, market: Entity) -> dict[str, Who | int]:
    """Solana's position says both by its address."""
    return {} if market.on_solana else {"bettor": bettor, "outcome": outcome}
