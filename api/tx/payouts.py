"""What is built of `payouts`."""

from __future__ import annotations

from api.tx.call import Call, Holding, Part, Who
from api.tx.entity import Entity, Kind
from api.tx.model import Claim, FundPool

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
