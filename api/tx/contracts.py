"""What is built of `contracts`."""

from __future__ import annotations

from api.problem import Problem
from api.tx.call import Account, Call, Holding, RentPayer, Who
from api.tx.entity import Entity, Kind
from api.tx.model import Accept, CloseAgreement, FixPrice, Fund, OfAgreement, Sign, Withdraw

AGREEMENT = Kind("contracts", "contracts_agreement_proposed", "agreement", "agreements")


def sign(body: Sign, agreement: Entity) -> Call:
    signer = Who("signer", body.signer)
    return Call("sign", "sign the agreement", signer, {}, {"signer": signer})


def fund(body: Fund, agreement: Entity) -> Call:
    """The buyer's escrow is the price, its cap where a feed sets it (SPEC A-6)."""
    party, terms = Who("party", body.party), agreement.opened
    amount = int(terms["price_cap"] or terms["price_total"])
    if _same(body.party, terms["seller"]):
        amount = int(terms["seller_margin"])
    elif not _same(body.party, terms["buyer"]):
        raise Problem(422, f"party: {body.party} is neither the agreement's seller nor its buyer")
    source = Holding(party, Who("source", body.source) if body.source else None)
    return Call(
        "fund", f"put up {amount}", party, {}, {"party": party, "source": source}, spends=amount
    )


def accept(body: Accept, agreement: Entity) -> Call:
    buyer = Who("buyer", body.buyer)
    return Call("accept", "accept what was delivered", buyer, {}, {"buyer": buyer})


def withdraw(body: Withdraw, agreement: Entity) -> Call:
    party = Who("party", body.party)
    actor = Who("actor", body.actor) if body.actor else party
    given = Who("destination", body.destination) if body.destination else None
    accounts = {"actor": actor, "destination": Holding(party, given)}
    return Call("withdraw", f"pay {body.party} what it is owed", actor, {"party": party}, accounts)


def cancel(body: OfAgreement, agreement: Entity) -> Call:
    actor = Who("actor", body.actor)
    return Call("cancel", "cancel the agreement", actor, {}, {"actor": actor})


def fix_price(body: FixPrice, agreement: Entity) -> Call:
    actor = Who("actor", body.actor)
    accounts = {"actor": actor, "feed": Who("feed", agreement.opened["feed"])}
    words = f"fix the price by observation {body.round}" if body.round else "fix the price"
    return Call("fix_price", words, actor, {"round": body.round}, accounts)


def settle(body: OfAgreement, agreement: Entity) -> Call:
    actor = Who("actor", body.actor)
    return Call("settle", "write down what each party is owed", actor, {}, {"actor": actor})


def close(body: CloseAgreement, agreement: Entity) -> Call:
    given = Who("destination", body.destination) if body.destination else None
    accounts: dict[str, Account] = {
        "destination": Holding(Who("buyer", agreement.opened["buyer"]), given),
        "rent_payer": RentPayer("agreement"),
    }
    return Call("close", "close the agreement", Who("actor", body.actor), {}, accounts)


def _same(given: str, stored: str) -> bool:
    """EVM addresses differ by case only; base58 doesn't."""
    return given.lower() == stored if stored.startswith("0x") else given == stored
