"""Pools, as wallets call them on an EVM chain."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from web3 import Web3

from localnet.calls.feeds import last_above
from localnet.evm import EvmWallets
from localnet.merkle import Tree, leaf
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action
from localnet.stories.payouts import Shares
from localnet.stories.projects import digest

_NONE = "0x" + "00" * 20
WEEK = 7 * 86_400  # seconds that claims must be open for (P-3)
MARGIN = 86_400
AT_LEAST = 1  # the trigger's comparator: value ≥ threshold
SIGNABLE = 600  # seconds that a signature holds


class EvmPayouts:
    def __init__(self, wallets: EvmWallets) -> None:
        self.wallets = wallets
        # a beneficiary's next signature holds only when the one before was used (P-14)
        self.signing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        wallets = self.wallets
        if action.kind == "open":
            project = action.args["project"]
            # a project's pools are in a contract of its own
            address = others[project].notes["payouts"] if project else wallets.deployed.payouts
            entity.notes["contract"] = wallets.contract("Payouts", address)
            terms = self._terms(action, entity, others)
            call = entity.notes["contract"].functions.open(terms)
            receipt = await wallets.send(action.actor, call, 700_000)
            entity.id = receipt.made
            return receipt
        if action.kind in ("fund", "enter"):
            await wallets.allow(action.actor, entity.notes["contract"].address)
        if action.kind == "redeem":
            async with self.signing[action.args["account"]]:
                call = await self._redeem(action, entity)
                return await wallets.send(action.actor, call, 300_000)
        return await wallets.send(action.actor, self._call(action, entity, others), 400_000)

    def _terms(self, action: Action, entity: Entity, others: Entities) -> tuple[Any, ...]:
        a, times, delay = action.args, entity.times, entity.spans["challenge_delay"]
        trigger_by = times.get("trigger_by", 0)
        ends = max(times["publish_by"] + delay, trigger_by)
        return (
            self.wallets.address(a["operator"]),
            self.wallets.address(a["guardian"]) if a["guardian"] else _NONE,
            self.wallets.deployed.token,
            a["pool_kind"],
            a["record"],
            False,
            1 if "closes_at" in times else 0,
            times.get("closes_at", 0),
            a["entry_fee"],
            times["publish_by"],
            delay,
            ends + WEEK + MARGIN,
            others[a["feed"]].id if a["feed"] else bytes(32),
            AT_LEAST if a["feed"] else 0,
            a["threshold"],
            trigger_by,
            a["cid"],
            a["title"],
        )

    def _tree(self, contract: str, pool: str, shares: Shares) -> Tree:
        return Tree.of(
            [
                leaf(
                    self.wallets.chain_id.to_bytes(32, "big"),
                    bytes.fromhex(contract[2:].rjust(64, "0")),
                    bytes.fromhex(pool[2:]),
                    index.to_bytes(32, "big"),
                    bytes.fromhex(self.wallets.address(account)[2:].rjust(64, "0")),
                    amount.to_bytes(32, "big"),
                )
                for index, (account, amount) in enumerate(shares)
            ]
        )

    def _call(self, action: Action, entity: Entity, others: Entities) -> Any:
        a, id_ = action.args, Web3.to_bytes(hexstr=entity.id)
        contract = entity.notes["contract"]
        f = contract.functions
        match action.kind:
            case "fund":
                return f.fund(id_, a["amount"])
            case "enter":
                return f.enter(id_, a["record"])
            case "publish":
                shares: Shares = a["shares"]
                tree = self._tree(contract.address, entity.id, shares)
                entity.notes |= {"shares": shares, "tree": tree}
                total = sum(amount for _, amount in shares)
                return f.publish(id_, tree.root, total, len(shares), digest(str(shares)), "")
            case "veto":
                return f.veto(id_)
            case "fire":
                return f.fire(id_, last_above(others[a["feed"]], a["threshold"]))
            case "claim" | "allocate":
                index = a["index"]
                account, amount = entity.notes["shares"][index]
                proof = entity.notes["tree"].proof(index)
                to, amount = self.wallets.address(account), amount + a.get("more", 0)
                return f[action.kind](id_, index, to, amount, proof)
            case "set_vendor":
                return f.setVendor(id_, self.wallets.address(a["vendor"]), a["allowed"])
            case "refund":
                return f.refund(id_, self.wallets.address(a["funder"]))
            case other:
                raise ValueError(f"payouts have no {other!r}")

    async def _redeem(self, action: Action, entity: Entity) -> Any:
        """``again``: with the signature that was used before."""
        a, f = action.args, entity.notes["contract"].functions
        account, vendor = self.wallets.wallet(a["account"]).account, a["vendor"]
        used = entity.notes.setdefault("redeemed", {})
        if not a.get("again"):
            used[account.address] = await self._signature(entity, account, vendor, a["amount"])
        expiry, signature = used[account.address]
        return f.redeem(
            Web3.to_bytes(hexstr=entity.id),
            account.address,
            self.wallets.address(vendor),
            a["amount"],
            expiry,
            signature,
        )

    async def _signature(
        self, entity: Entity, account: Any, vendor: str, amount: int
    ) -> tuple[int, bytes]:
        contract = entity.notes["contract"]
        domain = {
            "name": "chainfold payouts",
            "version": "1",
            "chainId": self.wallets.chain_id,
            "verifyingContract": contract.address,
        }
        kinds = {
            "pool": "bytes32", "account": "address", "vendor": "address",
            "amount": "uint256", "nonce": "uint256", "expiry": "uint256",
        }  # fmt: skip
        expiry = await self.wallets.now() + SIGNABLE
        said = {
            "pool": Web3.to_bytes(hexstr=entity.id),
            "account": account.address,
            "vendor": self.wallets.address(vendor),
            "amount": amount,
            "nonce": await contract.functions.redemptions(account.address).call(),
            "expiry": expiry,
        }
        types = {"Redeem": [{"name": n, "type": t} for n, t in kinds.items()]}
        return expiry, account.sign_typed_data(domain, types, said).signature
