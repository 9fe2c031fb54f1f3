"""POST /v1/tx/{chain}/bets/place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import progress
from api.catalog import Catalog
from api.problem import Problem, responses
from api.rest.answer import answer
from api.service import service
from api.tx import evm, market
from api.tx.model import Place, TransactionAnswer
from indexer.decode.schema import Binding

if TYPE_CHECKING:
    from api.tx.solana import Program


def add(router: APIRouter, catalog: Catalog) -> None:
    """Adds the builders of `bets`, where the configuration names a program of that name."""
    opened = catalog.events.get(market.OPENED)
    bindings = [b for b in catalog.declared.bindings if b.program == market.PROGRAM]
    if opened is None or opened.field("token") is None:
        return
    chains = catalog.config.chains
    solana = _parsed([b for b in bindings if chains[b.chain].kind == "solana"])
    # the names are the same on both chains, and an IDL has a sentence for each
    messages = {k: v for p in solana.values() for k, v in p.failures.messages.items()}

    async def place(request: Request, chain: str, bet: Place) -> Response:
        there = {b.address: b for b in bindings if b.chain == chain}
        if not there:
            names = ", ".join(dict.fromkeys(b.chain for b in bindings))
            raise Problem(404, f"no program {market.PROGRAM!r} on {chain!r}; it is on {names}")
        running = service(request)
        program = next((solana.get(b.interface.path) for b in there.values()), None)
        id_ = program.market_id(bet.market) if program else evm.market_id(bet.market)
        async with running.snapshot() as snapshot:
            found = await market.read(snapshot, there, chain, id_)
            known = await progress.of(snapshot, [opened], [chain])
        rpc = running.rpc(chain)
        program = solana.get(found.program.interface.path)
        if program is not None:
            built = await program.place(rpc, found, bet)
        else:
            built = await evm.place(rpc, chains[chain], found, bet, messages)
        return answer(request, built.model_dump(), known)

    router.add_api_route(
        "/tx/{chain}/bets/place",
        place,
        methods=["POST"],
        summary="An unsigned transaction that places a bet",
        description=(
            "Built from the program's interface and indexed state, simulated on the newest block. "
            "EVM: calls to send in order, an approval first where the allowance is short. Solana: "
            "a versioned transaction in base64. The client's wallet signs and sends."
        ),
        response_model=TransactionAnswer,
        responses=responses(404, 413, 422, 429, 502, 503),
        operation_id="build_bets_place",
        tags=["transactions"],
    )


def _parsed(bindings: list[Binding]) -> dict[object, Program]:
    """Solana programs by their interface's path; their libraries are loaded only where needed."""
    if not bindings:
        return {}
    from api.tx.solana import Program

    return {b.interface.path: Program(b.interface) for b in bindings}
