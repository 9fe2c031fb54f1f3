"""The accounts of `registry`; records and playlists are on Solana only."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Pda, Program, View

REGISTRY = Program(
    "registry",
    counter=("entityCount", "entities"),
    entities=(
        Entity(
            Account(
                "scopes",
                key=("scope",),
                solana=Pda("Scope"),
                evm=View("getScope"),
                same=("kind", "subject", "admins"),
            ),
            opened="ScopeOpened",
            parts=(
                Account(
                    "roles",
                    key=("scope", "account", "role"),
                    solana=Pda("Grant", (b"grant", "scope", "account", "role")),
                    evm=View("hasRole", "held"),
                    also={"held": "held"},
                    closed="NOT held",
                ),
            ),
        ),
        Entity(
            Account(
                "profiles",
                key=("profile",),
                solana=Pda("Profile", (b"profile", "profile")),
                evm=View("getProfile"),
                same=("metadata", "status", "linked"),
            ),
            opened="ProfileSet",
            parts=(
                Account(
                    "links",
                    key=("profile", "wallet"),
                    solana=Pda("Link", (b"link", "wallet")),
                    evm=View("linkedTo", "profile", ("wallet",)),
                    same=("profile",),
                    # a wallet that was unlinked may be another profile's now
                    where="links > unlinks",
                ),
            ),
        ),
        Entity(
            Account(
                "attestations",
                key=("attestation",),
                solana=Pda("Attestation"),
                evm=View("getAttestation"),
                same=("issuer", "scope", "subject", "kind", "digest", "expires_at", "revoked"),
            ),
            opened="AttestationIssued",
        ),
        Entity(
            Account(
                "records",
                key=("record",),
                solana=Pda("Record"),
                evm=None,
                same=("owner", "kind", "parent", "digest", "wistia", "visibility", "status"),
            ),
            opened="RecordCreated",
        ),
        Entity(
            Account(
                "playlists",
                key=("playlist",),
                solana=Pda("Playlist"),
                evm=None,
                same=("owner", "digest", "entries", "visibility"),
            ),
            opened="PlaylistCreated",
        ),
    ),
)
