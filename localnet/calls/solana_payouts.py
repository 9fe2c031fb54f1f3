"""Pools, as wallets call them on a Solana chain."""

from __future__ import annotations

import json
from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as NONE

from deploy import builds
from localnet import artifacts
from localnet.calls.contracts import INSTRUCTIONS, ed25519
from localnet.calls.feeds import last_above
from localnet.calls.payouts import AT_LEAST, MARGIN, SIGNABLE, WEEK
from localnet.merkle import Tree, leaf
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action
from localnet.stories.payouts import Shares
from localnet.stories.projects import digest
from localnet.svm import SolanaProgram, SolanaWallets

_PAGE = 8_192  # leaves whose claims share an account


class SolanaPayouts:
    def __init__(self, wallets: SolanaWallets) -> None:
        self.wallets = wallets
        self.payouts = SolanaProgram(wallets, artifacts.PAYOUTS_IDL)
        idl = json.loads(builds.text(artifacts.PAYOUTS_IDL))
        cluster = next(c["value"] for c in idl["constants"] if c["name"] == "CLUSTER")
        self.cluster = Pubkey.from_string(cluster)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        if action.kind == "open":
            entity.id, receipt = await self.payouts.create(
                b"pool",
                action.actor,
                lambda pool, counters: self._open(action, entity, others, pool, counters),
            )
            return receipt
        pool = Pubkey.from_string(entity.id)
        signer = self.wallets.wallet(action.actor)
        if action.kind == "redeem":
            return await self.wallets.sender.send(await self._redeem(action, entity, pool), signer)
        call = self._call(action, entity, others, pool)
        return await self.wallets.sender.send([call], signer)

    def part(self, kind: bytes, pool: Pubkey, name: str, *more: bytes) -> Pubkey:
        """A pool's account about an actor."""
        return self.payouts.pda(kind, bytes(pool), bytes(self.wallets.address(name)), *more)

    def _open(
        self, action: Action, entity: Entity, others: Entities, pool: Pubkey, counters: Any
    ) -> Instruction:
        a, times, delay = action.args, entity.times, entity.spans["challenge_delay"]
        trigger_by = times.get("trigger_by", 0)
        return self.payouts.instruction(
            "open",
            self.wallets.address(a["operator"]),
            self.wallets.address(a["guardian"]) if a["guardian"] else NONE,
            a["pool_kind"],
            list(a["record"]),
            False,
            1 if "closes_at" in times else 0,
            times.get("closes_at", 0),
            a["entry_fee"],
            times["publish_by"],
            delay,
            max(times["publish_by"] + delay, trigger_by) + WEEK + MARGIN,
            AT_LEAST if a["feed"] else 0,
            a["threshold"],
            trigger_by,
            a["cid"],
            a["title"],
            creator=self.wallets.address(action.actor),
            pool=pool,
            vault=self.payouts.vault(pool),
            project=Pubkey.from_string(others[a["project"]].id) if a["project"] else NONE,
            feed=Pubkey.from_string(others[a["feed"]].id) if a["feed"] else NONE,
            **counters,
        )

    def _tree(self, pool: Pubkey, shares: Shares) -> Tree:
        program = bytes(self.payouts.id)
        return Tree.of(
            [
                leaf(
                    bytes(self.cluster),
                    program,
                    bytes(pool),
                    index.to_bytes(32, "big"),
                    bytes(self.wallets.address(account)),
                    amount.to_bytes(32, "big"),
                )
                for index, (account, amount) in enumerate(shares)
            ]
        )

    def _call(self, action: Action, entity: Entity, others: Entities, pool: Pubkey) -> Instruction:
        a, call, wallets = action.args, self.payouts.instruction, self.wallets
        actor, me = action.actor, wallets.address(action.actor)
        vault = self.payouts.vault(pool)
        match action.kind:
            case "fund" | "enter":
                paid = {"source": wallets.account(actor), "vault": vault, "payer": me}
                paid |= {"receipt": self.part(b"receipt", pool, actor), "pool": pool}
                if action.kind == "fund":
                    return call("fund", a["amount"], funder=me, **paid)
                entry = self.part(b"entry", pool, actor, a["record"])
                return call("enter", list(a["record"]), entrant=me, entry=entry, **paid)
            case "publish":
                shares: Shares = a["shares"]
                tree = self._tree(pool, shares)
                entity.notes |= {"shares": shares, "tree": tree}
                total = sum(amount for _, amount in shares)
                said = list(tree.root), total, len(shares), list(digest(str(shares))), ""
                return call("publish", *said, operator=me, pool=pool)
            case "veto":
                return call("veto", guardian=me, pool=pool)
            case "fire":
                feed = others[a["feed"]]
                round_ = last_above(feed, a["threshold"])
                return call("fire", round_, actor=me, pool=pool, feed=Pubkey.from_string(feed.id))
            case "claim" | "allocate":
                return self._take(action, entity, pool, vault)
            case "set_vendor":
                return call(
                    "set_vendor",
                    wallets.address(a["vendor"]),
                    a["allowed"],
                    operator=me,
                    payer=me,
                    pool=pool,
                    vendor_account=self.part(b"vendor", pool, a["vendor"]),
                )
            case "refund":
                funder = a["funder"]
                return call(
                    "refund",
                    actor=me,
                    pool=pool,
                    receipt=self.part(b"receipt", pool, funder),
                    vault=vault,
                    destination=wallets.account(funder),
                    rent_payer=wallets.address(funder),
                )
            case other:
                raise ValueError(f"payouts have no {other!r}")

    def _take(self, action: Action, entity: Entity, pool: Pubkey, vault: Pubkey) -> Instruction:
        index, me = action.args["index"], self.wallets.address(action.actor)
        account, amount = entity.notes["shares"][index]
        proof = [list(node) for node in entity.notes["tree"].proof(index)]
        to, amount = self.wallets.address(account), amount + action.args.get("more", 0)
        page = self.payouts.pda(b"page", bytes(pool), (index // _PAGE).to_bytes(8, "little"))
        accounts = {"actor": me, "payer": me, "pool": pool, "page": page}
        if action.kind == "claim":
            accounts |= {"vault": vault, "destination": self.wallets.account(account)}
        else:
            accounts |= {"voucher": self.part(b"voucher", pool, account)}
        return self.payouts.instruction(action.kind, index, to, amount, proof, **accounts)

    async def _redeem(self, action: Action, entity: Entity, pool: Pubkey) -> list[Instruction]:
        """The beneficiary's signature and what uses it (P-14); ``again``: what was used before."""
        a, wallets = action.args, self.wallets
        account, vendor, amount = a["account"], a["vendor"], a["amount"]
        used = entity.notes.setdefault("redeemed", {})
        if not a.get("again"):
            voucher = self.part(b"voucher", pool, account)
            found = await wallets.client.get_account_info(voucher)
            state = self.payouts.decode(found.value.data) if found.value else None
            numbers = amount, state.nonce if state else 0, await wallets.now() + SIGNABLE
            message = b"chainfold payouts redeem" + b"".join(
                bytes(part)
                for part in (self.cluster, self.payouts.id, pool, wallets.address(vendor))
            )
            message += b"".join(n.to_bytes(8, "little") for n in numbers)
            used[account] = numbers[2], ed25519(wallets.wallet(account), message)
        expiry, signature = used[account]
        call = self.payouts.instruction(
            "redeem",
            amount,
            expiry,
            actor=wallets.address(action.actor),
            pool=pool,
            voucher=self.part(b"voucher", pool, account),
            vendor_account=self.part(b"vendor", pool, vendor),
            vault=self.payouts.vault(pool),
            destination=wallets.account(vendor),
            instructions=INSTRUCTIONS,
        )
        return [signature, call]
