"""Bets, as wallets call them on each chain."""

from __future__ import annotations

from typing import Any

from solana.rpc.async_api import AsyncClient
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from web3 import AsyncWeb3

from localnet import artifacts
from localnet.evm import Deployed, EvmWallets
from localnet.play import Entities, Entity, Receipt
from localnet.stories.bets import Action, Terms
from localnet.svm import SolanaProgram, SolanaWallets
from localnet.wallets import Cast

_GAS = {
    "open": 600_000,
    "place": 250_000,
    "resolve": 250_000,
    "void": 150_000,
    "claim": 250_000,
    "collect_fee": 200_000,
    "close_position": 150_000,
    "close": 300_000,
}


class EvmBets(EvmWallets):
    """A cast's wallets on an EVM chain, with what they call of Bets."""

    def __init__(
        self, web3: AsyncWeb3[Any], chain: str, chain_id: int, deployed: Deployed, cast: Cast
    ) -> None:
        super().__init__(web3, chain, chain_id, deployed, cast)
        self.bets = self.contract("Bets", deployed.bets)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        if action.terms is None:
            return await self.call(action, entity.id)
        times = entity.times["close_at"], entity.times["resolve_by"]
        entity.id, receipt = await self.open(action.terms, *times)
        return receipt

    async def open(self, terms: Terms, close_at: int, resolve_by: int) -> tuple[str, Receipt]:
        """Opens a market; gives its id, "" where that was refused."""
        call = self.bets.functions.open(
            (
                self.address(terms.resolver),
                self.deployed.token,
                terms.subject,
                terms.question,
                terms.outcomes,
                close_at,
                resolve_by,
                terms.fee_bps,
                self.address("treasury"),
                terms.cid,
                terms.title,
            )
        )
        receipt = await self.send(terms.creator, call, _GAS["open"])
        return receipt.made, receipt

    async def call(self, action: Action, market: str) -> Receipt:
        """Sends an action on a market."""
        return await self.send(action.actor, self.prepare(action, market), _GAS[action.kind])

    def prepare(self, action: Action, market: str) -> Any:
        """The contract call of an action."""
        id_, f = bytes.fromhex(market[2:]), self.bets.functions
        match action.kind:
            case "place":
                return f.place(id_, action.outcome, action.amount)
            case "resolve":
                return f.resolve(id_, action.outcome)
            case "void":
                return f.void(id_)
            case "claim":
                return f.claim(id_, self.address(action.bettor), action.outcome)
            case "collect_fee":
                return f.collectFee(id_)
            case "close_position":
                return f.closePosition(id_, self.address(action.bettor), action.outcome)
            case "close":
                return f.close(id_)
            case "open":
                raise ValueError("a market is opened by open()")


class SolanaBets(SolanaWallets):
    """A cast's wallets on a Solana chain, with what they call of bets."""

    def __init__(self, client: AsyncClient, chain: str, cast: Cast) -> None:
        super().__init__(client, chain, cast)
        self.bets = SolanaProgram(self, artifacts.BETS_IDL)
        self.vault = self.bets.vault
        self.creators: dict[str, Pubkey] = {}

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        if action.terms is None:
            return await self.call(action, entity.id)
        times = entity.times["close_at"], entity.times["resolve_by"]
        entity.id, receipt = await self.open(action.terms, *times)
        return receipt

    async def open(self, terms: Terms, close_at: int, resolve_by: int) -> tuple[str, Receipt]:
        """Opens a market; gives its address, "" where that was refused."""
        creator = self.address(terms.creator)
        market, receipt = await self.bets.create(
            b"market",
            terms.creator,
            lambda market, counters: self.bets.instruction(
                "open",
                self.address(terms.resolver),
                self.address("treasury"),
                list(terms.subject),
                list(terms.question),
                terms.outcomes,
                close_at,
                resolve_by,
                terms.fee_bps,
                terms.cid,
                terms.title,
                creator=creator,
                market=market,
                vault=self.vault(market),
                **counters,
            ),
        )
        self.creators[market] = creator
        return market, receipt

    async def call(self, action: Action, market: str) -> Receipt:
        """Sends an action on a market."""
        instruction = self.prepare(action, Pubkey.from_string(market))
        return await self.sender.send([instruction], self.wallet(action.actor))

    def prepare(self, action: Action, market: Pubkey) -> Instruction:
        """The instruction of an action."""
        actor, call, vault = self.address(action.actor), self.bets.instruction, self.vault(market)
        match action.kind:
            case "place":
                return call(
                    "place",
                    action.outcome,
                    action.amount,
                    bettor=actor,
                    payer=actor,
                    market=market,
                    position=self.position(market, action),
                    source=self.account(action.actor),
                    vault=vault,
                )
            case "resolve":
                return call("resolve", action.outcome, resolver=actor, market=market)
            case "void":
                return call("void", actor=actor, market=market)
            case "claim":
                return call(
                    "claim",
                    actor=actor,
                    market=market,
                    position=self.position(market, action),
                    vault=vault,
                    destination=self.account(action.bettor),
                )
            case "collect_fee":
                destination = self.account("treasury")
                return call(
                    "collect_fee", actor=actor, market=market, vault=vault, destination=destination
                )
            case "close_position":
                return call(
                    "close_position",
                    actor=actor,
                    market=market,
                    position=self.position(market, action),
                    rent_payer=self.address(action.bettor),
                )
            case "close":
                return call(
                    "close",
                    actor=actor,
                    market=market,
                    vault=vault,
                    destination=self.account("treasury"),
                    rent_payer=self.creators[str(market)],
                )
            case "open":
                raise ValueError("a market is opened by open()")

    def position(self, market: Pubkey, action: Action) -> Pubkey:
        bettor = self.address(action.bettor)
        return self.bets.pda(b"position", bytes(market), bytes(bettor), bytes([action.outcome]))
