"""Scopes, roles, profiles and attestations, as wallets call them on each chain."""

from __future__ import annotations

from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from web3 import Web3

from deploy.loader import program_data
from localnet import artifacts
from localnet.evm import EvmWallets
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action
from localnet.stories.registry import ADMIN_ROLE, KYC_ISSUER
from localnet.svm import SolanaProgram, SolanaWallets, bank

_SIGNABLE = 600  # seconds that a signature holds


class EvmRegistry:
    def __init__(self, wallets: EvmWallets) -> None:
        self.wallets = wallets
        self.address = wallets.deployed.registry
        self.registry = wallets.contract("Registry", self.address)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        call = await self._call(action, entity)
        receipt = await self.wallets.send(action.actor, call, 400_000)
        if action.kind == "open_scope":
            entity.id = receipt.made
        elif action.kind == "set_profile":
            entity.id = self.wallets.address(action.actor)
        elif action.kind == "attest":
            _attested(entity)[action.args["attestation"]] = receipt.made
        return receipt

    async def _call(self, action: Action, entity: Entity) -> Any:
        a, f, address = action.args, self.registry.functions, self.wallets.address
        match action.kind:
            case "open_scope":
                return f.openScope(a["subject"])
            case "grant" | "revoke":
                scope = Web3.to_bytes(hexstr=entity.id)
                return f[action.kind](scope, address(a["account"]), a["role"])
            case "announce":
                scope = Web3.to_bytes(hexstr=entity.id)
                return f.announce(scope, a["digest"], a["cid"], a["title"])
            case "attest":
                scope = Web3.to_bytes(hexstr=entity.id)
                said = address(a["subject"]), a["attestation_kind"], a["digest"]
                return f.attest(scope, *said, entity.times["expires_at"])
            case "revoke_attestation":
                attestation = _attested(entity)[a["attestation"]]
                return f.revokeAttestation(Web3.to_bytes(hexstr=attestation))
            case "set_profile":
                return f.setProfile(a["metadata"], a["handle"], a["cid"])
            case "set_profile_status":
                return f.setProfileStatus(address(a["profile"]), a["status"])
            case "link":
                return await self._link(action.actor, a["wallet"])
            case "unlink":
                return f.unlink(address(a["wallet"]))
            case other:
                raise ValueError(f"a registry has no {other!r}")

    async def _link(self, owner: str, name: str) -> Any:
        f, wallet = self.registry.functions, self.wallets.wallet(name).account
        deadline = await self.wallets.now() + _SIGNABLE
        domain = {
            "name": "chainfold registry",
            "version": "1",
            "chainId": self.wallets.chain_id,
            "verifyingContract": self.address,
        }
        kinds = {
            "profile": "address", "wallet": "address", "nonce": "uint256", "deadline": "uint256",
        }  # fmt: skip
        said = {
            "profile": self.wallets.address(owner),
            "wallet": wallet.address,
            "nonce": await f.nonces(wallet.address).call(),
            "deadline": deadline,
        }
        types = {"Link": [{"name": n, "type": t} for n, t in kinds.items()]}
        signed = wallet.sign_typed_data(domain, types, said)
        return f.link(wallet.address, deadline, signed.signature)


class SolanaRegistry:
    def __init__(self, wallets: SolanaWallets) -> None:
        self.wallets = wallets
        self.registry = SolanaProgram(wallets, artifacts.REGISTRY_IDL)
        self.global_scope = self.registry.pda(b"scope", bytes(32), bytes(8))

    async def initialize(self, admin: str) -> None:
        """Makes ``admin`` the first one of the global scope, as who may upgrade the program."""
        authority, wallet = bank(), self.wallets.address(admin)
        call = self.registry.instruction(
            "initialize",
            wallet,
            authority=authority.pubkey(),
            payer=authority.pubkey(),
            counter=self.registry.counter,
            scope=self.global_scope,
            grant=self._grant(self.global_scope, wallet, ADMIN_ROLE),
            program_data=program_data(self.registry.id),
        )
        await self.wallets.ok(self.wallets.sender.send([call], authority))

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        a, wallets, actor = action.args, self.wallets, action.actor
        me, signer = wallets.address(actor), wallets.wallet(actor)
        match action.kind:
            case "open_scope":
                entity.id, receipt = await self.registry.create(
                    b"scope",
                    actor,
                    lambda scope, counters: self.registry.instruction(
                        "open_scope",
                        list(a["subject"]),
                        creator=me,
                        scope=scope,
                        grant=self._grant(scope, me, ADMIN_ROLE),
                        **counters,
                    ),
                )
                _payers(entity)[me, ADMIN_ROLE] = me
                return receipt
            case "attest":
                return await self._attest(action, entity, me)
            case "link":
                call = self._call(action, entity, me)
                return await wallets.sender.send([call], signer, wallets.wallet(a["wallet"]))
            case other:
                receipt = await wallets.sender.send([self._call(action, entity, me)], signer)
                if other == "set_profile":
                    entity.id = str(me)
                elif other == "grant" and receipt.ok:
                    _payers(entity)[wallets.address(a["account"]), a["role"]] = me
                return receipt

    async def _attest(self, action: Action, entity: Entity, issuer: Pubkey) -> Receipt:
        a, scope = action.args, Pubkey.from_string(entity.id)
        made, receipt = await self.registry.create(
            b"attestation",
            action.actor,
            lambda attestation, counters: self.registry.instruction(
                "attest",
                scope,
                self.wallets.address(a["subject"]),
                a["attestation_kind"],
                list(a["digest"]),
                entity.times["expires_at"],
                issuer=issuer,
                attestation=attestation,
                issuer_grant=self._grant(scope, issuer, KYC_ISSUER),
                **counters,
            ),
        )
        _attested(entity)[a["attestation"]] = made
        return receipt

    def _call(self, action: Action, entity: Entity, me: Pubkey) -> Instruction:
        a, call, address = action.args, self.registry.instruction, self.wallets.address
        match action.kind:
            case "grant" | "revoke":
                scope, role = Pubkey.from_string(entity.id), a["role"]
                account = address(a["account"])
                accounts = {"admin": me, "payer": me, "scope": scope}
                accounts |= {
                    "admin_grant": self._grant(scope, me, ADMIN_ROLE),
                    "grant": self._grant(scope, account, role),
                    "rent_payer": _payers(entity).get((account, role), me),
                }
                said = (account, role) if action.kind == "grant" else ()
                return call(action.kind, *said, **accounts)
            case "announce":
                scope = Pubkey.from_string(entity.id)
                grant = self._grant(scope, me, ADMIN_ROLE)
                said = list(a["digest"]), a["cid"], a["title"]
                return call("announce", *said, admin=me, scope=scope, admin_grant=grant)
            case "revoke_attestation":
                attestation = Pubkey.from_string(_attested(entity)[a["attestation"]])
                grant = self._grant(Pubkey.from_string(entity.id), me, ADMIN_ROLE)
                return call(
                    "revoke_attestation", actor=me, attestation=attestation, admin_grant=grant
                )
            case "set_profile":
                said = list(a["metadata"]), a["handle"], a["cid"]
                accounts = {"payer": me, "counter": self.registry.counter}
                return call("set_profile", *said, wallet=me, profile=self._profile(me), **accounts)
            case "set_profile_status":
                grant = self._grant(self.global_scope, me, ADMIN_ROLE)
                profile = self._profile(address(a["profile"]))
                return call(
                    "set_profile_status", a["status"], admin=me, admin_grant=grant, profile=profile
                )
            case "link":
                wallet = address(a["wallet"])
                accounts = {"profile": self._profile(me), "link": self._link(wallet)}
                return call("link", owner=me, wallet=wallet, payer=me, **accounts)
            case "unlink":
                owner = address(a["owner"])
                accounts = {"profile": self._profile(owner), "rent_payer": owner}
                return call("unlink", actor=me, link=self._link(address(a["wallet"])), **accounts)
            case other:
                raise ValueError(f"a registry has no {other!r}")

    def _grant(self, scope: Pubkey, account: Pubkey, role: int) -> Pubkey:
        return self.registry.pda(b"grant", bytes(scope), bytes(account), bytes([role]))

    def _profile(self, owner: Pubkey) -> Pubkey:
        return self.registry.pda(b"profile", bytes(owner))

    def _link(self, wallet: Pubkey) -> Pubkey:
        return self.registry.pda(b"link", bytes(wallet))


def _attested(scope: Entity) -> dict[int, str]:
    """The attestations of a scope's story, by their numbers in it."""
    return scope.notes.setdefault("attestations", {})


def _payers(scope: Entity) -> dict[tuple[Pubkey, int], Pubkey]:
    """Who paid the rent of a scope's grants, by account and role."""
    return scope.notes.setdefault("payers", {})
