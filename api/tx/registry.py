"""What is built of `registry`."""

from __future__ import annotations

from collections.abc import Mapping

from api.tx.call import Account, Call, Next, Part, RentPayer, Value, Who
from api.tx.entity import Entity, Kind
from api.tx.model import (
    Attest,
    CreateRecord,
    Grant,
    Link,
    Record,
    Revoke,
    RevokeAttestation,
    SetProfile,
    SetVisibility,
    UpdateRecord,
)

SCOPE = Kind("registry", "registry_scope_opened", "scope", "scopes", paid=False)
ATTESTATION = Kind(
    "registry", "registry_attestation_issued", "attestation", "attestations", paid=False
)
RECORD = Kind("registry", "registry_record_created", "record", "records", paid=False)
PROFILE = Kind("registry", "registry_profile_set", "", "profiles", paid=False)
NEW_RECORD = Kind("registry", "registry_record_created", "", "records", paid=False)
_ADMIN, _KYC_ISSUER = b"\0", b"\4"
_NONE = "1" * 32
"""Solana's zero address."""


def set_profile(body: SetProfile, _: Entity) -> Call:
    wallet = Who("wallet", body.wallet)
    payer = _payer(body.payer, wallet)
    return Call(
        "set_profile",
        f"set the profile of {body.wallet}",
        wallet,
        {"metadata": _bytes(body.metadata), "handle": body.handle, "cid": body.cid},
        {"wallet": wallet, "payer": payer, "profile": Part(b"profile", (wallet,), alone=True)},
        payer=payer,
        opens={"profile": "Profile"},
    )


def link(body: Link, _: Entity) -> Call:
    """Both sign: on Solana the transaction, on EVM the wallet signs EIP-712 (SPEC R-7)."""
    profile, wallet = Who("profile", body.profile), Who("wallet", body.wallet)
    payer = _payer(body.payer, profile)
    return Call(
        "link",
        f"link {body.wallet} to the profile of {body.profile}",
        profile,
        {
            "wallet": wallet,
            "deadline": body.deadline or 0,
            "signature": _bytes(body.signature or "0x"),
        },
        {
            "owner": profile,
            "wallet": wallet,
            "payer": payer,
            "profile": Part(b"profile", (profile,), alone=True),
            "link": Part(b"link", (wallet,), alone=True),
        },
        payer=payer,
        opens={"link": "Link"},
    )


def grant(body: Grant, scope: Entity) -> Call:
    admin, account = Who("admin", body.admin), Who("account", body.account)
    payer = _payer(body.payer, admin)
    return Call(
        "grant",
        f"give {body.account} role {body.role}",
        admin,
        {"account": account, "role": body.role},
        {
            "admin": admin,
            "payer": payer,
            "admin_grant": Part(b"grant", (admin, _ADMIN)),
            "grant": Part(b"grant", (account, bytes([body.role]))),
        },
        payer=payer,
        opens={"grant": "Grant"},
    )


def revoke(body: Revoke, scope: Entity) -> Call:
    admin, account = Who("admin", body.admin), Who("account", body.account)
    return Call(
        "revoke",
        f"take role {body.role} from {body.account}",
        admin,
        {"account": account, "role": body.role},
        {
            "admin": admin,
            "admin_grant": Part(b"grant", (admin, _ADMIN)),
            "grant": Part(b"grant", (account, bytes([body.role]))),
            "rent_payer": RentPayer("grant"),
        },
    )


def attest(body: Attest, scope: Entity) -> Call:
    issuer = Who("issuer", body.issuer)
    payer = _payer(body.payer, issuer)
    return Call(
        "attest",
        f"attest {body.digest} of {body.subject}",
        issuer,
        {
            "subject": Who("subject", body.subject),
            "kind": body.kind,
            "digest": _bytes(body.digest),
            "expires_at": int(body.expires_at.timestamp()),
        },
        {
            "issuer": issuer,
            "issuer_grant": Part(b"grant", (issuer, _KYC_ISSUER)),
            **_made(b"attestation", issuer, payer),
        },
        payer=payer,
        opens={"attestation": "Attestation", "creator_counter": "CreatorCounter"},
    )


def revoke_attestation(body: RevokeAttestation, attestation: Entity) -> Call:
    actor, scope = Who("actor", body.actor), Who("scope", attestation.opened["scope"])
    return Call(
        "revoke_attestation",
        "revoke the attestation",
        actor,
        {},
        {"actor": actor, "admin_grant": Part(b"grant", (scope, actor, _ADMIN), alone=True)},
    )


def create_record(body: CreateRecord, _: Entity) -> Call:
    owner = Who("owner", body.owner)
    payer = _payer(body.payer, owner)
    return Call(
        "create_record",
        f"record {body.title!r}",
        owner,
        {"kind": body.kind, "visibility": body.visibility, **_described(body)},
        {
            "owner": owner,
            "parent": Who("parent", body.parent or _NONE),
            **_made(b"record", owner, payer),
        },
        payer=payer,
        opens={"record": "Record", "creator_counter": "CreatorCounter"},
    )


def update_record(body: UpdateRecord, record: Entity) -> Call:
    owner = Who("owner", body.owner)
    values = _described(body)
    return Call(
        "update_record", f"update the record {body.title!r}", owner, values, {"owner": owner}
    )


def set_visibility(body: SetVisibility, record: Entity) -> Call:
    owner = Who("owner", body.owner)
    values = {"visibility": body.visibility}
    words = f"make the record {('public', 'unlisted', 'hidden')[body.visibility]}"
    return Call("set_visibility", words, owner, values, {"owner": owner})


def _described(body: Record) -> Mapping[str, Value]:
    return {
        "digest": _bytes(body.digest),
        "wistia": _bytes(body.wistia),
        "cid": body.cid,
        "title": body.title,
        "tags": body.tags,
    }


def _made(kind: bytes, creator: Who, payer: Who) -> Mapping[str, Account]:
    """What the creator makes next, and what counts it (SPEC G-3)."""
    return {
        "payer": payer,
        kind.decode(): Next(kind, creator),
        "creator_counter": Part(b"creator", (creator,), alone=True),
    }


def _payer(given: str | None, otherwise: Who) -> Who:
    return Who("payer", given) if given else otherwise


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
