"""State of the `registry` program: who holds which role, profiles, attestations, records."""

from indexer.folds.algebra import count, first, fold, last, max_
from indexer.folds.views import view

scopes = fold(
    "scopes",
    program="registry",
    key="scope",
    doc="One row a scope. kind: 0 Global, 1 Project; subject: the project's id.",
    columns={
        "creator": first("ScopeOpened.actor"),
        "kind": first("ScopeOpened.kind"),
        "subject": first("ScopeOpened.subject"),
        "opened_at": first("ScopeOpened.time"),
        "admins": last("admins_after"),
        "announcements": count("Announced"),
        "seq": max_("seq"),
    },
)

roles = fold(
    "roles",
    program="registry",
    key=("scope", "account", "role"),
    doc="One row a role that an account holds or held. role: 0 admin, 1 operator, 2 resolver, "
    "3 arbiter, 4 kyc_issuer, 5 vendor; held: whether it does, at a height if one is asked for.",
    columns={
        "held": last("held_after"),
        "granted_at": last("RoleGranted.time"),
        "granted_by": last("RoleGranted.actor"),
        "revoked_at": last("RoleRevoked.time"),
        "revoked_by": last("RoleRevoked.actor"),
        "grants": count("RoleGranted"),
        "revocations": count("RoleRevoked"),
    },
)

profiles = fold(
    "profiles",
    program="registry",
    key="profile",
    doc="One row a profile, by its wallet. status: 0 New, 1 Verified, 2 Suspended.",
    columns={
        "handle": last("handle"),
        "metadata": last("metadata"),
        "cid": last("ProfileSet.cid"),
        "status": last("status_after"),
        "linked": last("linked_after"),
        "created_at": first("ProfileSet.time"),
        "updated_at": last("ProfileSet.time"),
        "seq": max_("seq"),
    },
)

links = fold(
    "links",
    program="registry",
    key=("profile", "wallet"),
    doc="One row a wallet that is or was linked to a profile; it is when links > unlinks.",
    columns={
        "links": count("WalletLinked"),
        "unlinks": count("WalletUnlinked"),
        "linked_at": last("WalletLinked.time"),
        "unlinked_at": last("WalletUnlinked.time"),
    },
)

attestations = fold(
    "attestations",
    program="registry",
    key="attestation",
    doc="One row an attestation. It is valid while revoked is 0 and expires_at is to come.",
    columns={
        "issuer": first("AttestationIssued.actor"),
        "scope": first("AttestationIssued.scope"),
        "subject": first("AttestationIssued.subject"),
        "kind": first("AttestationIssued.kind"),
        "digest": first("AttestationIssued.digest"),
        "issued_at": first("AttestationIssued.time"),
        "expires_at": first("AttestationIssued.expires_at"),
        "revoked": count("AttestationRevoked"),
        "revoked_at": first("AttestationRevoked.time"),
        "revoked_by": first("AttestationRevoked.actor"),
        "seq": max_("seq"),
    },
)

records = fold(
    "records",
    program="registry",
    key="record",
    needs="RecordCreated",
    doc="One row a record. kind: 0 Video, 1 Clip, 2 Content, 3 Document, 4 Farm, 5 Commodity; "
    "visibility: 0 Public, 1 Unlisted, 2 Hidden; status: 0 Active, 1 Retired; wistia: sha-256 of "
    "the Wistia id, or 0; tags: a list.",
    columns={
        "owner": first("RecordCreated.actor"),
        "kind": first("RecordCreated.kind"),
        "parent": first("parent"),
        "digest": last("RecordCreated.digest", "RecordUpdated.digest"),
        "wistia": last("wistia"),
        "cid": last("RecordCreated.cid", "RecordUpdated.cid"),
        "title": last("RecordCreated.title", "RecordUpdated.title"),
        "tags": last("tags"),
        "visibility": last("visibility_after"),
        "status": last("status_after"),
        "created_at": first("RecordCreated.time"),
        "updated_at": last("RecordUpdated.time"),
        "retired_at": first("RecordRetired.time"),
        "seq": max_("seq"),
    },
)

tags = view(
    "tags",
    of="records",
    each=("tag", "tags"),
    doc="One row a record and a tag that it has now.",
    columns={
        "owner": "records.owner",
        "kind": "records.kind",
        "visibility": "records.visibility",
        "status": "records.status",
    },
)

playlists = fold(
    "playlists",
    program="registry",
    key="playlist",
    needs="PlaylistCreated",
    doc="One row a playlist: the digest of the document that lists its records in order.",
    columns={
        "owner": first("PlaylistCreated.actor"),
        "digest": last("digest"),
        "entries": last("entries"),
        "visibility": last("visibility_after"),
        "cid": last("cid"),
        "title": last("title"),
        "created_at": first("PlaylistCreated.time"),
        "updated_at": last("PlaylistUpdated.time"),
        "seq": max_("seq"),
    },
)
