"""The exchange, as wallets call it on an EVM chain."""

from __future__ import annotations

from typing import Any

from web3 import Web3

from localnet.evm import EvmWallets
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action

# An order of a story makes a dozen trades at most.
_GAS = 2_000_000


class EvmExchange:
    def __init__(self, wallets: EvmWallets) -> None:
        self.wallets = wallets
        self.address = wallets.deployed.exchange
        self.exchange = wallets.contract("Exchange", self.address)
        self.tokens = {"goods": wallets.deployed.goods, "USDC": wallets.deployed.token}

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        if action.kind == "deposit":
            token = self.tokens[action.args["token"]]
            await self.wallets.allow(action.actor, self.address, token)
        receipt = await self.wallets.send(action.actor, self._call(action, entity), _GAS)
        if action.kind == "open":
            entity.id = receipt.made
        return receipt

    def _call(self, action: Action, entity: Entity) -> Any:
        a, f = action.args, self.exchange.functions
        market = Web3.to_bytes(hexstr=entity.id)
        match action.kind:
            case "open":
                pair = self.tokens[a["base"]], self.tokens[a["quote"]]
                return f.open(*pair, a["lot"], a["tick"], a["min_notional"])
            case "deposit" | "withdraw":
                return f[action.kind](self.tokens[a["token"]], a["amount"])
            case "place":
                limit = a["side"], a["price"], a["quantity"]
                return f.place(market, *limit, a["order_kind"], a["max_fills"])
            case "cancel":
                return f.cancel(market, a["order"])
            case other:
                raise ValueError(f"an exchange has no {other!r}")
