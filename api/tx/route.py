"""POST /v1/tx/{chain}/{program}/{call}: one route for each call that is built here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api import progress
from api.catalog import Catalog, Table
from api.problem import Problem, responses
from api.rest.answer import answer
from api.service import service
from api.tx import bets, contracts, entity, evm, exchange, payouts, registry
from api.tx.call import EVM_ONLY, SOLANA_ONLY, Call
from api.tx.entity import Entity, Kind
from api.tx.model import (
    Accept,
    Attest,
    CancelOrder,
    Claim,
    ClaimBet,
    CloseAgreement,
    ClosePool,
    CreateRecord,
    Deposit,
    Fire,
    FixPrice,
    Fund,
    FundPool,
    Grant,
    Link,
    OfAgreement,
    OfFees,
    OfMarket,
    OfPosition,
    Place,
    PlaceOrder,
    Reclaim,
    Refund,
    Revoke,
    RevokeAttestation,
    SetProfile,
    SetVisibility,
    Sign,
    TakeOut,
    TransactionAnswer,
    UpdateRecord,
    Withdraw,
)
from indexer.decode.schema import Binding

if TYPE_CHECKING:
    from api.tx.solana import Program


@dataclass(frozen=True, slots=True)
class Builder:
    """``call`` makes of a body and the entity that it names what both chains build."""

    kind: Kind
    name: str
    body: type[BaseModel]
    call: Callable[[Any, Entity], Call]
    summary: str


BUILDERS = (
    Builder(bets.MARKET, "place", Place, bets.place, "places a bet"),
    Builder(bets.MARKET, "void", OfMarket, bets.void, "voids a market"),
    Builder(bets.MARKET, "claim", ClaimBet, bets.claim, "pays a bettor"),
    Builder(bets.MARKET, "collect_fee", OfFees, bets.collect_fee, "pays a market's fee"),
    Builder(bets.MARKET, "close_position", OfPosition, bets.close_position, "closes a position"),
    Builder(bets.MARKET, "close", OfFees, bets.close, "closes a market"),
    Builder(contracts.AGREEMENT, "sign", Sign, contracts.sign, "signs an agreement"),
    Builder(contracts.AGREEMENT, "fund", Fund, contracts.fund, "puts up a party's part"),
    Builder(contracts.AGREEMENT, "accept", Accept, contracts.accept, "accepts a delivery"),
    Builder(contracts.AGREEMENT, "withdraw", Withdraw, contracts.withdraw, "pays a party"),
    Builder(contracts.AGREEMENT, "cancel", OfAgreement, contracts.cancel, "cancels an agreement"),
    Builder(contracts.AGREEMENT, "fix_price", FixPrice, contracts.fix_price, "fixes a price"),
    Builder(contracts.AGREEMENT, "settle", OfAgreement, contracts.settle, "settles an agreement"),
    Builder(contracts.AGREEMENT, "close", CloseAgreement, contracts.close, "closes an agreement"),
    Builder(payouts.POOL, "fund", FundPool, payouts.fund, "funds a pool"),
    Builder(payouts.POOL, "claim", Claim, payouts.claim, "pays what a pool's tree says"),
    Builder(payouts.POOL, "fire", Fire, payouts.fire, "fires a pool's trigger"),
    Builder(payouts.POOL, "refund", Refund, payouts.refund, "pays a funder back"),
    Builder(payouts.POOL, "reclaim", Reclaim, payouts.reclaim, "closes a part of a pool"),
    Builder(payouts.POOL, "close", ClosePool, payouts.close, "closes a pool"),
    Builder(exchange.BALANCE, "deposit", Deposit, exchange.deposit, "puts money in the exchange"),
    Builder(exchange.BALANCE, "withdraw", TakeOut, exchange.withdraw, "takes free money out"),
    Builder(exchange.MARKET, "place", PlaceOrder, exchange.place, "places an order"),
    Builder(exchange.MARKET, "cancel", CancelOrder, exchange.cancel, "cancels an order"),
    Builder(registry.PROFILE, "set_profile", SetProfile, registry.set_profile, "sets a profile"),
    Builder(registry.PROFILE, "link", Link, registry.link, "links a wallet to a profile"),
    Builder(registry.SCOPE, "grant", Grant, registry.grant, "gives a role"),
    Builder(registry.SCOPE, "revoke", Revoke, registry.revoke, "takes a role away"),
    Builder(registry.SCOPE, "attest", Attest, registry.attest, "issues an attestation"),
    Builder(
        registry.ATTESTATION, "revoke_attestation", RevokeAttestation, registry.revoke_attestation,
        "takes an attestation back",
    ),
    Builder(
        registry.NEW_RECORD, "create_record", CreateRecord, registry.create_record, "makes a record"
    ),
    Builder(registry.RECORD, "update_record", UpdateRecord, registry.update_record, "updates one"),
    Builder(
        registry.RECORD, "set_visibility", SetVisibility, registry.set_visibility,
        "sets who is to see a record",
    ),
)  # fmt: skip


def add(router: APIRouter, catalog: Catalog) -> None:
    """Adds the builders of each program that the configuration names."""
    for builder in BUILDERS:
        opened = catalog.events.get(builder.kind.opened)
        if opened is not None and (not builder.kind.paid or opened.field("token") is not None):
            _add(router, catalog, builder, opened)


def _add(router: APIRouter, catalog: Catalog, builder: Builder, opened: Table) -> None:
    kind = builder.kind
    bindings = [b for b in catalog.declared.bindings if b.program == kind.program]
    chains = catalog.config.chains
    solana = _parsed([b for b in bindings if chains[b.chain].kind == "solana"])
    # the names are the same on both chains, and an IDL has a sentence for each
    messages = {k: v for p in solana.values() for k, v in p.failures.messages.items()}

    async def build(request: Request, chain: str, body: Any) -> Response:
        there = {b.address: b for b in bindings if b.chain == chain}
        if not there:
            names = ", ".join(dict.fromkeys(b.chain for b in bindings))
            raise Problem(404, f"no program {kind.program!r} on {chain!r}; it is on {names}")
        running = service(request)
        program = next((solana.get(b.interface.path) for b in there.values()), None)
        _fits(body, chain, chains[chain].kind)
        async with running.snapshot() as snapshot:
            if kind.key:
                key = getattr(body, kind.key)
                id_ = program.entity_id(kind.key, key) if program else evm.entity_id(kind.key, key)
                found = await entity.read(snapshot, kind, there, chain, id_)
            else:
                found = entity.none(kind, there, getattr(body, "token", ""))
            known = await progress.of(snapshot, [opened], [chain])
        rpc, call = running.rpc(chain), builder.call(body, found)
        program = solana.get(found.program.interface.path)
        if program is not None:
            built = await program.build(rpc, found, call)
        else:
            built = await evm.build(rpc, chains[chain], found, call, messages)
        return answer(request, built.model_dump(), known)

    # what FastAPI reads the body's form from
    build.__annotations__ |= {"request": Request, "chain": str, "body": builder.body}
    router.add_api_route(
        f"/tx/{{chain}}/{kind.program}/{builder.name}",
        build,
        methods=["POST"],
        summary=f"An unsigned transaction that {builder.summary}",
        description=(
            "Built from the program's interface and indexed state, simulated on the newest block. "
            "EVM: calls to send in order, an approval first where the allowance is short. Solana: "
            "a versioned transaction in base64. The client's wallet signs and sends."
        ),
        response_model=TransactionAnswer,
        responses=responses(404, 413, 422, 429, 502, 503),
        operation_id=f"build_{kind.program}_{builder.name}",
        tags=["transactions"],
    )


def _fits(body: BaseModel, chain: str, kind: str) -> None:
    """Raises Problem 422 for a field that the chain's kind doesn't know, or lacks."""
    for name in SOLANA_ONLY:
        if kind == "evm" and getattr(body, name, None) is not None:
            raise Problem(422, f"{name}: is for Solana; leave it out on {chain}")
    for name in EVM_ONLY:
        if kind != "evm" and getattr(body, name, None) is not None:
            raise Problem(422, f"{name}: is for EVM chains; leave it out on {chain}")
        if kind == "evm" and getattr(body, name, "") is None:
            raise Problem(422, f"{name}: is needed on {chain}, an EVM chain")


def _parsed(bindings: list[Binding]) -> dict[object, Program]:
    """Solana programs by their interface's path; their libraries are loaded only where needed."""
    if not bindings:
        return {}
    from api.tx.solana import Program

    return {b.interface.path: Program(b.interface) for b in bindings}
