"""What is built of `payouts`."""

from __future__ import annotations

from api.tx.call import Account, Call, Holding, Part, RentPayer, Who
from api.tx.entity import Entity, Kind
from api.tx.model import Claim, ClosePool, Fire, FundPool, Reclaim, Refund

POOL = Kind("payouts", "payouts_pool_opened", "pool", "pools")
_PAGE = 8_192  # leaves whose claims share an account on Solana (SPEC P-10)


def fund(body: FundPool, pool: Entity) -> Call:
    funder, amount = Who("funder", body.funder), int(body.amount)
    payer = Who("payer", body.payer) if body.payer else funder
    return Call(
        "fund",
        f"fund the pool with {amount}",
        funder,
        {"amount": amount},
        {
            "funder": funder,
            "payer": payer,
            "receipt": Part(b"receipt", (funder,)),
            "source": Holding(funder, Who("source", body.source) if body.source else None),
        },
        payer=payer,
        spends=amount,
        opens={"receipt": "Receipt"},
    )


def claim(body: Claim, pool: Entity) -> Call:
    account = Who("account", body.account)
    actor = Who("actor", body.actor) if body.actor else account
    payer = Who("payer", body.payer) if body.payer else actor
    given = Who("destination", body.destination) if body.destination else None
    page = (body.index // _PAGE).to_bytes(8, "little")
    return Call(
        "claim",
        f"pay {body.amount} to {body.account}",
        actor,
        {
            "index": body.index,
            "account": account,
            "amount": int(body.amount),
            "proof": [bytes.fromhex(node[2:]) for node in body.proof],
        },
        {
            "actor": actor,
            "payer": payer,
            "page": Part(b"page", (page,)),
            "destination": Holding(account, given),
        },
        payer=payer,
        opens={"page": "Page"},
    )


def fire(body: Fire, pool: Entity) -> Call:
    actor = Who("actor", body.actor)
    accounts = {"actor": actor, "feed": Who("feed", pool.opened["feed"])}
    words = f"fire the trigger by observation {body.round}"
    return Call("fire", words, actor, {"round": body.round}, accounts)


def refund(body: Refund, pool: Entity) -> Call:
    actor, funder = Who("actor", body.actor), Who("funder", body.funder)
    given = Who("destination", body.destination) if body.destination else None
    return Call(
        "refund",
        f"pay {body.funder} their part of what is left",
        actor,
        {} if pool.on_solana else {"funder": funder},
        {
            "actor": actor,
            "receipt": Part(b"receipt", (funder,)),
            "destination": Holding(funder, given),
            "rent_payer": RentPayer("receipt"),
        },
    )


def reclaim(body: Reclaim, pool: Entity) -> Call:
    accounts: dict[str, Account] = {
        "part": Who("part", body.part),
        "rent_payer": RentPayer("part"),
    }
    return Call("reclaim", f"close {body.part}", Who("actor", body.actor), {}, accounts)


def close(body: ClosePool, pool: Entity) -> Call:
    given = Who("destination", body.destination) if body.destination else None
    accounts: dict[str, Account] = {
        "destination": Holding(Who("operator", pool.opened["operator"]), given),
        "rent_payer": RentPayer("pool"),
    }
    return Call("close", "close the pool", Who("actor", body.actor), {}, accounts)
