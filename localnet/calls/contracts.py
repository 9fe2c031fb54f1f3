"""Agreements, as wallets call them on each chain."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import ID as NONE
from web3 import Web3

from localnet import artifacts
from localnet.calls.feeds import first_from
from localnet.evm import EvmWallets
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action
from localnet.svm import SolanaProgram, SolanaWallets

_PARTIES = ("seller", "buyer", "arbiter")
_SIGNABLE = 600  # seconds that a signature holds
_ED25519 = Pubkey.from_string("Ed25519SigVerify111111111111111111111111111")
INSTRUCTIONS = Pubkey.from_string("Sysvar1nstructions1111111111111111111111111")


class EvmContracts:
    def __init__(self, wallets: EvmWallets) -> None:
        self.wallets = wallets
        self.address = wallets.deployed.contracts
        self.contracts = wallets.contract("Contracts", self.address)
        # a signer's next signature holds only when the one before was used
        self.signing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        if action.kind == "propose":
            call = self._propose(action, entity, others)
            receipt = await self.wallets.send(action.actor, call, 900_000)
            entity.id = receipt.made
            entity.notes |= {"terms": action.args["terms"]}
            return receipt
        if action.kind == "sign_by_sig":
            async with self.signing[action.args["signer"]]:
                return await self.wallets.send(
                    action.actor, await self._sign_by_sig(action, entity), 300_000
                )
        if action.kind == "fund":
            await self.wallets.allow(action.actor, self.address)
        call = self._call(action, entity, others)
        return await self.wallets.send(action.actor, call, 300_000)

    def _propose(self, action: Action, entity: Entity, others: Entities) -> Any:
        a, times = action.args, entity.times
        feed = others[a["feed"]].id if a["feed"] else bytes(32)
        return self.contracts.functions.propose(
            (
                *(self.wallets.address(a[party]) for party in _PARTIES),
                self.wallets.deployed.token,
                a["commodity"],
                a["terms"],
                a["quantity"],
                a["price_total"],
                feed,
                a["price_cap"],
                a["price_floor"],
                a["price_mul"],
                a["price_div"],
                a["seller_margin"],
                times["sign_by"],
                times["fund_by"],
                times["deliver_by"],
                entity.spans["accept_within"],
                times["rule_by"],
                a["default_split_bps"],
                a["cid"],
                a["title"],
                a["unit"],
            )
        )

    async def _sign_by_sig(self, action: Action, entity: Entity) -> Any:
        f, signer = self.contracts.functions, self.wallets.wallet(action.args["signer"]).account
        agreement, deadline = Web3.to_bytes(hexstr=entity.id), entity.times["sign_by"] + _SIGNABLE
        domain = {
            "name": "chainfold contracts",
            "version": "1",
            "chainId": self.wallets.chain_id,
            "verifyingContract": self.address,
        }
        fields = ("agreement", "bytes32"), ("terms", "bytes32"), ("nonce", "uint256")
        kinds = [{"name": n, "type": t} for n, t in (*fields, ("deadline", "uint256"))]
        said = {
            "agreement": agreement,
            "terms": entity.notes["terms"],
            "nonce": await f.nonces(signer.address).call(),
            "deadline": deadline,
        }
        signed = signer.sign_typed_data(domain, {"Sign": kinds}, said)
        return f.signBySig(agreement, deadline, signed.signature)

    def _call(self, action: Action, entity: Entity, others: Entities) -> Any:
        a, f = action.args, self.contracts.functions
        id_ = Web3.to_bytes(hexstr=entity.id)
        match action.kind:
            case "sign" | "fund" | "accept" | "settle" | "cancel":
                return f[action.kind](id_)
            case "record_delivery":
                return f.recordDelivery(id_, a["quantity"], a["evidence"])
            case "dispute":
                return f.dispute(id_, a["reason"])
            case "rule":
                return f.rule(id_, a["split_bps"])
            case "fix_price":
                return f.fixPrice(id_, first_from(others[a["feed"]], entity.times["deliver_by"]))
            case "withdraw":
                return f.withdraw(id_, self.wallets.address(a["party"]))
            case other:
                raise ValueError(f"contracts have no {other!r}")


class SolanaContracts:
    def __init__(self, wallets: SolanaWallets) -> None:
        self.wallets = wallets
        self.contracts = SolanaProgram(wallets, artifacts.CONTRACTS_IDL)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        if action.kind == "propose":
            entity.id, receipt = await self.contracts.create(
                b"agreement",
                action.actor,
                lambda address, counters: self._propose(action, entity, others, address, counters),
            )
            entity.notes |= {"terms": action.args["terms"]}
            return receipt
        calls = [self._call(action, entity, others)]
        if action.kind == "sign_by_sig":
            calls.insert(0, self._signature(action, entity))
        return await self.wallets.sender.send(calls, self.wallets.wallet(action.actor))

    def _propose(
        self, action: Action, entity: Entity, others: Entities, address: Pubkey, counters: Any
    ) -> Instruction:
        a, times = action.args, entity.times
        return self.contracts.instruction(
            "propose",
            *(self.wallets.address(a[party]) for party in _PARTIES),
            list(a["commodity"]),
            list(a["terms"]),
            a["quantity"],
            a["price_total"],
            a["price_cap"],
            a["price_floor"],
            a["price_mul"],
            a["price_div"],
            a["seller_margin"],
            times["sign_by"],
            times["fund_by"],
            times["deliver_by"],
            entity.spans["accept_within"],
            times["rule_by"],
            a["default_split_bps"],
            a["cid"],
            a["title"],
            a["unit"],
            proposer=self.wallets.address(action.actor),
            agreement=address,
            vault=self.contracts.vault(address),
            feed=Pubkey.from_string(others[a["feed"]].id) if a["feed"] else NONE,
            **counters,
        )

    def _signature(self, action: Action, entity: Entity) -> Instruction:
        """The ed25519 instruction that goes before sign_by_sig (A-5)."""
        message = (
            b"chainfold contracts sign"
            + bytes(self.contracts.id)
            + bytes(Pubkey.from_string(entity.id))
            + entity.notes["terms"]
            + _deadline(entity).to_bytes(8, "little")
        )
        return ed25519(self.wallets.wallet(action.args["signer"]), message)

    def _call(self, action: Action, entity: Entity, others: Entities) -> Instruction:
        a, call, wallets = action.args, self.contracts.instruction, self.wallets
        me, agreement = wallets.address(action.actor), Pubkey.from_string(entity.id)
        vault = self.contracts.vault(agreement)
        match action.kind:
            case "sign":
                return call("sign", signer=me, agreement=agreement)
            case "sign_by_sig":
                return call(
                    "sign_by_sig",
                    _deadline(entity),
                    actor=me,
                    agreement=agreement,
                    instructions=INSTRUCTIONS,
                )
            case "fund":
                source = wallets.account(action.actor)
                return call("fund", party=me, agreement=agreement, source=source, vault=vault)
            case "record_delivery":
                evidence = list(a["evidence"])
                return call(
                    "record_delivery", a["quantity"], evidence, seller=me, agreement=agreement
                )
            case "accept":
                return call("accept", buyer=me, agreement=agreement)
            case "dispute":
                return call("dispute", list(a["reason"]), party=me, agreement=agreement)
            case "rule":
                return call("rule", a["split_bps"], arbiter=me, agreement=agreement)
            case "fix_price":
                feed = others[a["feed"]]
                round_ = first_from(feed, entity.times["deliver_by"])
                address = Pubkey.from_string(feed.id)
                return call("fix_price", round_, actor=me, agreement=agreement, feed=address)
            case "settle" | "cancel":
                return call(action.kind, actor=me, agreement=agreement)
            case "withdraw":
                party = a["party"]
                return call(
                    "withdraw",
                    wallets.address(party),
                    actor=me,
                    agreement=agreement,
                    vault=vault,
                    destination=wallets.account(party),
                )
            case other:
                raise ValueError(f"contracts have no {other!r}")


def _deadline(entity: Entity) -> int:
    return entity.times["sign_by"] + _SIGNABLE


def ed25519(key: Keypair, message: bytes) -> Instruction:
    """One signature in the plain layout: counts, offsets, key, signature, message."""
    offsets = (48, 0xFFFF, 16, 0xFFFF, 112, len(message), 0xFFFF)
    header = bytes([1, 0]) + b"".join(value.to_bytes(2, "little") for value in offsets)
    signature = bytes(key.sign_message(message))
    return Instruction(_ED25519, header + bytes(key.pubkey()) + signature + message, [])
