"""Random actions on registry, right and wrong, against a model in Python (K-1 to K-4).

The model says of every action, before it is sent, which error or which event it gives. At the end
what the chain stores is what the model holds, and so is what the events alone, in order, say of
who holds which role.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from onsvm.chain import Chain, Refused, wallet
from onsvm.registry import ADMIN, DIGEST, KYC_ISSUER, Registry
from solders.pubkey import Pubkey

ACTIONS = 10_000  # in one run
ACTORS = ("root", "alice", "bob", "carol", "dave", "mallory")
KEYS = {name: wallet(name).pubkey() for name in ACTORS}
SCOPES, MADE = 5, 40  # more of them would each be met less often
ROLES = (ADMIN, ADMIN, ADMIN, KYC_ISSUER, KYC_ISSUER, 1, 5)
FAR = 10**9


@dataclass
class Attestation:
    issuer: str
    scope: Pubkey
    revoked: bool = False


@dataclass
class Record:
    owner: str
    visibility: int
    retired: bool = False


class Model:
    """What the chain should hold, and the actions that change it."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.registry = Registry(Chain()).initialized()
        scope = self.registry.global_scope
        self.scopes = [scope]
        self.grants = {(scope, "root", ADMIN)}
        self.statuses: dict[str, int] = {}  # of profiles
        self.links: dict[str, str] = {}  # wallet → profile
        self.attestations: dict[Pubkey, Attestation] = {}
        self.records: dict[Pubkey, Record] = {}
        self.seqs: Counter[Pubkey] = Counter({scope: 2})
        self.said = {(scope, KEYS["root"], ADMIN): True}  # of roles, by the events alone
        self.seen: Counter[str] = Counter()
        self.actions = 0

    def admins(self, scope: Pubkey) -> int:
        return sum(s == scope and role == ADMIN for s, _, role in self.grants)

    def linked(self, profile: str) -> int:
        return sum(owner == profile for owner in self.links.values())

    def is_admin(self, scope: Pubkey, name: str) -> bool:
        return (scope, name, ADMIN) in self.grants

    def send(
        self,
        name: str,
        by: str,
        error: str | None,
        entity: Pubkey,
        effect: Callable[[], object],
        **given: Any,
    ) -> None:
        """Does it, wants `error` or success, and of the events that they continue `entity`'s."""
        self.actions += 1
        ix = self.registry.call(name, by, **given)
        if error is not None:
            with pytest.raises(Refused) as refused:
                self.registry.send(ix)
            assert refused.value.name == error, f"{name} by {by} {given}: {refused.value}"
            self.seen[error] += 1
            return
        receipt = self.registry.send(ix)
        effect()
        assert receipt.events
        for event in receipt.events:
            self.seen[event.name] += 1
            self.seqs[entity] += 1
            fields = event.fields
            assert next(iter(fields.values())) == entity
            assert (fields["seq"], fields["actor"]) == (self.seqs[entity], KEYS[by])
            if "role" in fields:
                self.said[entity, fields["account"], fields["role"]] = fields["held_after"]
                assert fields["admins_after"] == self.admins(entity)

    # ---- actions ----

    def open_scope(self) -> None:
        by = self.random.choice(ACTORS)
        if len(self.scopes) == SCOPES:
            return
        scope = self.registry.next_entity(b"scope", by)

        def effect() -> None:
            self.scopes.append(scope)
            self.grants.add((scope, by, ADMIN))

        self.send("open_scope", by, None, scope, effect, subject=DIGEST)

    def grant(self) -> None:
        by, account = self.random.choice(ACTORS), self.random.choice(ACTORS)
        scope, role = self.random.choice(self.scopes), self.random.choice((*ROLES, 6, 200))
        error = None
        if not self.is_admin(scope, by):
            error = "NotAdmin"
        elif role > 5:
            error = "InvalidRole"
        elif (scope, account, role) in self.grants:
            error = "AlreadyGranted"
        given = {"scope": scope, "account": account, "role": role}
        grant = (scope, account, role)
        self.send("grant", by, error, scope, lambda: self.grants.add(grant), **given)

    def revoke(self) -> None:
        by, account = self.random.choice(ACTORS), self.random.choice(ACTORS)
        scope, role = self.random.choice(self.scopes), self.random.choice(ROLES)
        grant = (scope, account, role)
        error = None
        if not self.is_admin(scope, by):
            error = "NotAdmin"
        elif grant not in self.grants:
            error = "NotGranted"
        elif role == ADMIN and self.admins(scope) == 1:
            error = "LastAdmin"
        given = {"scope": scope, "account": account, "role": role}
        self.send("revoke", by, error, scope, lambda: self.grants.remove(grant), **given)

    def set_profile(self) -> None:
        by = self.random.choice(ACTORS[:4])
        given = {"metadata": DIGEST, "handle": by, "cid": ""}
        status = self.statuses.get(by, 0)
        effect = lambda: self.statuses.update({by: status})  # noqa: E731
        self.send("set_profile", by, None, KEYS[by], effect, **given)

    def link(self) -> None:
        by, linked = self.random.choice(ACTORS), self.random.choice(ACTORS)
        error = None
        if by not in self.statuses:
            error = "WrongProfile"
        elif by == linked:
            error = "InvalidWallet"
        elif linked in self.links:
            error = "AlreadyLinked"
        effect = lambda: self.links.update({linked: by})  # noqa: E731
        self.send("link", by, error, KEYS[by], effect, wallet=linked)

    def unlink(self) -> None:
        by, linked = self.random.choice(ACTORS), self.random.choice(ACTORS)
        owner = self.links.get(linked)
        error = None
        if owner is None:
            error = "NotLinked"
        elif by not in (owner, linked):
            error = "NotParty"
        entity = KEYS[owner or by]
        self.send("unlink", by, error, entity, lambda: self.links.pop(linked), wallet=linked)

    def set_profile_status(self) -> None:
        by, profile = self.random.choice(ACTORS), self.random.choice(ACTORS)
        status = self.random.choice((0, 1, 2, 3))
        error = None
        if profile not in self.statuses:
            error = "WrongProfile"
        elif not self.is_admin(self.registry.global_scope, by):
            error = "NotAdmin"
        elif status > 2:
            error = "InvalidStatus"
        given = {"profile": profile, "status": status}
        effect = lambda: self.statuses.update({profile: status})  # noqa: E731
        self.send("set_profile_status", by, error, KEYS[profile], effect, **given)

    def attest(self) -> None:
        by, scope = self.random.choice(ACTORS), self.random.choice(self.scopes)
        expires_at = self.random.choice((FAR, FAR, -1))
        if len(self.attestations) == MADE:
            expires_at = -1
        error = None
        if (scope, by, KYC_ISSUER) not in self.grants:
            error = "NotIssuer"
        elif expires_at < 0:
            error = "InvalidExpiry"
        attestation = self.registry.next_entity(b"attestation", by)
        given = {"scope": scope, "subject": "alice", "kind": 1, "digest": DIGEST}
        effect = lambda: self.attestations.update({attestation: Attestation(by, scope)})  # noqa: E731
        self.send("attest", by, error, attestation, effect, expires_at=expires_at, **given)

    def revoke_attestation(self) -> None:
        by = self.random.choice(ACTORS)
        if not self.attestations:
            return
        address = self.random.choice(list(self.attestations))
        attestation = self.attestations[address]
        error = None
        if by != attestation.issuer and not self.is_admin(attestation.scope, by):
            error = "NotIssuer"
        elif attestation.revoked:
            error = "AlreadyRevoked"
        effect = lambda: setattr(attestation, "revoked", True)  # noqa: E731
        self.send("revoke_attestation", by, error, address, effect, attestation=address)

    def create_record(self) -> None:
        by, visibility = self.random.choice(ACTORS), self.random.choice((0, 1, 2, 3))
        if len(self.records) == MADE:
            visibility = 3
        record = self.registry.next_entity(b"record", by)
        error = "InvalidVisibility" if visibility > 2 else None
        effect = lambda: self.records.update({record: Record(by, visibility)})  # noqa: E731
        self.send("create_record", by, error, record, effect, visibility=visibility)

    def touch_record(self) -> None:
        by = self.random.choice(ACTORS)
        if not self.records:
            return
        address = self.random.choice(list(self.records))
        record = self.records[address]
        name = self.random.choice(("update_record", "set_visibility", "set_visibility", "retire"))
        error = None
        if by != record.owner:
            error = "NotOwner"
        elif record.retired:
            error = "WrongStatus"
        given: dict[str, Any] = {"record": address}
        if name == "set_visibility":
            given["visibility"] = self.random.choice((0, 1, 2))

        def effect() -> None:
            record.visibility = given.get("visibility", record.visibility)
            record.retired = name == "retire"

        self.send(name, by, error, address, effect, **given)

    # ---- invariants ----

    def check_scopes(self) -> None:
        """K-1: admins are counted, and there is one."""
        for scope in self.scopes:
            state = self.registry.read(scope)
            assert state["admins"] == self.admins(scope) >= 1
            assert state["seq"] == self.seqs[scope]

    def check(self) -> None:
        """K-1 to K-4: stored = model = what the events say."""
        self.check_scopes()
        held = {grant for grant, holds in self.said.items() if holds}
        assert held == {(scope, KEYS[name], role) for scope, name, role in self.grants}
        for scope in self.scopes:
            for name in ACTORS:
                for role in range(6):
                    wanted = (scope, name, role) in self.grants
                    assert self.registry.holds(scope, name, role) == wanted
        for name in ACTORS:
            profile = self.registry.find(self.registry.profile(KEYS[name]))
            assert (profile is not None) == (name in self.statuses)
            if profile is not None:
                shown = (profile["status"], profile["linked"], profile["seq"])
                assert shown == (self.statuses[name], self.linked(name), self.seqs[KEYS[name]])
            link = self.registry.find(self.registry.link(KEYS[name]))
            assert (link and link["profile"]) == KEYS.get(self.links.get(name, ""))
        for address, attestation in self.attestations.items():
            state = self.registry.read(address)
            assert (state["revoked"], state["seq"]) == (attestation.revoked, self.seqs[address])
        for address, record in self.records.items():
            state = self.registry.read(address)
            assert (state["status"], state["visibility"]) == (record.retired, record.visibility)
            assert state["seq"] == self.seqs[address]
        made = (self.scopes, self.statuses, self.attestations, self.records)
        counter = self.registry.read(self.registry.counter)
        assert counter["entities"] == sum(len(kind) for kind in made)


WEIGHTS = {
    "open_scope": 2, "grant": 30, "revoke": 25, "set_profile": 3, "link": 8, "unlink": 8,
    "set_profile_status": 4, "attest": 8, "revoke_attestation": 3, "create_record": 2,
    "touch_record": 7,
}  # fmt: skip

EXPECTED = {
    "ScopeOpened", "RoleGranted", "RoleRevoked", "ProfileSet", "WalletLinked", "WalletUnlinked",
    "ProfileStatusSet", "AttestationIssued", "AttestationRevoked", "RecordCreated",
    "RecordUpdated", "RecordVisibilitySet", "RecordRetired", "NotAdmin", "InvalidRole",
    "AlreadyGranted", "NotGranted", "LastAdmin", "WrongProfile", "InvalidWallet", "AlreadyLinked",
    "NotLinked", "NotParty", "InvalidStatus", "NotIssuer", "InvalidExpiry", "AlreadyRevoked",
    "InvalidVisibility", "NotOwner", "WrongStatus",
}  # fmt: skip


def test_random_actions() -> None:
    """R-2 to R-16, K-1 to K-4"""
    model = Model(1)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    while model.actions < ACTIONS:
        getattr(model, model.random.choices(names, weights)[0])()
        if model.actions % 20 == 0:
            model.check_scopes()
    model.check()
    assert set(model.seen) >= EXPECTED, EXPECTED - set(model.seen)
