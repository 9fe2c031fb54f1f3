"""The story of who is who: scopes and their roles, attestations, profiles and linked wallets."""

from __future__ import annotations

import random
from typing import Any

from localnet.stories.action import Script
from localnet.stories.projects import digest
from localnet.stories.scripted import Scripted
from localnet.wallets import Cast

ADMIN = "creator-0"
"""The first admin of the global scope."""
ADMIN_ROLE, OPERATOR, RESOLVER, ARBITER, KYC_ISSUER, VENDOR = range(6)
VERIFIED, SUSPENDED = 1, 2
_SHARE, _LENGTH = 0.04, 12
_KNOWN = 1  # what an attestation of the story means: its subject is known to the issuer


class Story(Scripted):
    """Creators open scopes, resolvers are the issuers; traders hold roles and have profiles.

    A profile's second wallet is nobody of the cast: it signs, and sends nothing.
    """

    def __init__(self, cast: Cast, rate: float, rng: random.Random) -> None:
        super().__init__(rate, rng, _SHARE, _LENGTH)
        self.cast = cast
        self.opening = 0.0

    def script(self, number: int, now: float) -> Script:
        tell = _scope if number % 2 == 0 else _profile
        return tell(self.cast, self.rng, number // 2, now)


def _scope(cast: Cast, rng: random.Random, number: int, now: float) -> Script:
    script = Script("registry", ("scope", number), now)
    then = script.then
    opener = f"creator-{rng.randrange(cast.creators)}"
    issuer = f"resolver-{rng.randrange(cast.resolvers)}"
    script.open("open_scope", opener, {"expires_at": 7_200.0}, subject=digest(f"project {number}"))
    if rng.random() < 0.3:
        then("grant", "stranger", account="stranger", role=ADMIN_ROLE, error="NotAdmin")
    then("grant", opener, account=issuer, role=KYC_ISSUER)
    holders = rng.sample(cast.traders, min(2, len(cast.traders)))
    for i, holder in enumerate(holders):
        then("grant", opener, account=holder, role=rng.choice((OPERATOR, VENDOR)), beside=i > 0)
    if rng.random() < 0.3:
        then("grant", opener, account=issuer, role=KYC_ISSUER, error="AlreadyGranted")
    if rng.random() < 0.2:
        then("grant", opener, account=issuer, role=VENDOR + 1, error="InvalidRole")
    if rng.random() < 0.5:
        notice = f"Notice {number}"
        then("announce", opener, digest=digest(notice), cid="", title=notice)
    for i, holder in enumerate(holders):
        then("attest", issuer, attestation=i, **_attested(holder))
    if rng.random() < 0.3:
        then("attest", "stranger", attestation=9, **_attested(holders[0]), error="NotIssuer")
    if rng.random() < 0.5:
        if rng.random() < 0.3:
            then("revoke_attestation", "stranger", attestation=0, error="NotIssuer")
        then("revoke_attestation", rng.choice((issuer, opener)), attestation=0)
        if rng.random() < 0.5:
            then("revoke_attestation", issuer, attestation=0, error="AlreadyRevoked")
    if rng.random() < 0.3:
        then("revoke", "stranger", account=issuer, role=KYC_ISSUER, error="NotAdmin")
    if rng.random() < 0.5:
        then("revoke", opener, account=issuer, role=KYC_ISSUER)
        if rng.random() < 0.3:
            then("revoke", opener, account=issuer, role=KYC_ISSUER, error="NotGranted")
    if rng.random() < 0.2:
        then("revoke", opener, account=opener, role=ADMIN_ROLE, error="LastAdmin")
    elif rng.random() < 0.3:
        # the project is handed over
        then("grant", opener, account=issuer, role=ADMIN_ROLE)
        then("revoke", issuer, account=opener, role=ADMIN_ROLE)
    return script


def _profile(cast: Cast, rng: random.Random, number: int, now: float) -> Script:
    script = Script("registry", ("profile", number), now)
    then = script.then
    owner, second = rng.choice(cast.traders), f"second-{number}"
    script.open("set_profile", owner, {"link_by": 7_200.0}, **_said(owner, number))
    if rng.random() < 0.7:
        then("link", owner, wallet=second)
        if rng.random() < 0.3:
            then("link", owner, wallet=second, error="AlreadyLinked")
        if rng.random() < 0.3:
            then("unlink", "stranger", wallet=second, owner=owner, error="NotParty")
        if rng.random() < 0.4:
            then("unlink", owner, wallet=second, owner=owner)
            if rng.random() < 0.3:
                then("unlink", owner, wallet=second, owner=owner, error="NotLinked")
    if rng.random() < 0.3:
        then("set_profile_status", "stranger", profile=owner, status=VERIFIED, error="NotAdmin")
    status = VERIFIED if rng.random() < 0.8 else SUSPENDED
    then("set_profile_status", ADMIN, profile=owner, status=status)
    if rng.random() < 0.4:
        then("set_profile", owner, **_said(owner, number + 1_000))
    return script


def _attested(subject: str) -> dict[str, Any]:
    said = digest(f"{subject} is known")
    return {"subject": subject, "attestation_kind": _KNOWN, "digest": said}


def _said(owner: str, number: int) -> dict[str, Any]:
    return {"metadata": digest(f"{owner} {number}"), "handle": f"{owner}.{number}", "cid": ""}
