"""The rules of registry, R-1 to R-18: each where it bites and next to where it does not."""

import hashlib
from typing import Any

import pytest
from onsvm.chain import LOADER, START, SYSTEM, Chain, Receipt, Refused, program_data, wallet
from onsvm.forge import with_flags
from onsvm.registry import ADMIN, DIGEST, KYC_ISSUER, OPERATOR, VENDOR, ZERO, Registry
from solders.instruction import Instruction
from solders.pubkey import Pubkey

U64 = 2**64 - 1


def refuses(registry: Registry, ix: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        registry.send(ix)
    assert refused.value.name == error, refused.value


def refused(registry: Registry, error: str, name: str, by: str, **given: Any) -> None:
    refuses(registry, registry.call(name, by, **given), error)


def events(receipt: Receipt) -> list[tuple[str, dict[str, object]]]:
    return [(event.name, event.fields) for event in receipt.events]


def key(name: str) -> Pubkey:
    return wallet(name).pubkey()


def set_authority(chain: Chain, program: Pubkey, authority: bytes) -> None:
    """`authority`: as the loader writes it, 0 or 1 and an address; the old one's bytes stay."""
    code = program_data(program)
    data = chain.data(code)
    assert data is not None
    chain.put(code, LOADER, data[:12] + authority + data[12 + len(authority) :])


# ---- the first admin ----


def test_initialize(chain: Chain) -> None:
    """R-1, K-4"""
    registry = Registry(chain)
    receipt = registry.do("initialize", "deployer", admin="root", payer="sponsor")
    scope = registry.global_scope
    assert events(receipt) == [
        (
            "ScopeOpened",
            {
                "scope": scope,
                "seq": 1,
                "actor": key("deployer"),
                "nonce": 0,
                "kind": 0,
                "subject": bytes(32),
            },
        ),
        (
            "RoleGranted",
            {
                "scope": scope,
                "seq": 2,
                "actor": key("deployer"),
                "account": key("root"),
                "role": ADMIN,
                "held_after": True,
                "admins_after": 1,
            },
        ),
    ]
    state = registry.read(scope)
    assert (state["creator"], state["nonce"], state["kind"]) == (ZERO, 0, 0)
    assert (state["seq"], state["admins"]) == (2, 1)
    assert registry.read(registry.counter)["entities"] == 1
    assert registry.holds(scope, "root", ADMIN)
    assert not registry.holds(scope, "deployer", ADMIN)
    refused(registry, "AlreadyInitialized", "initialize", "deployer", admin="mallory")


def test_nobody_is_faster_than_the_deployer(chain: Chain) -> None:
    """R-1: whoever calls first, only the upgrade authority of this moment is heard."""
    registry = Registry(chain)
    program = registry.interface.address
    refused(registry, "NotUpgradeAuthority", "initialize", "mallory", admin="mallory")
    set_authority(chain, program, b"\0")  # taken away, its address still in the bytes
    refused(registry, "NotUpgradeAuthority", "initialize", "deployer", admin="root")
    set_authority(chain, program, b"\1" + bytes(key("bob")))
    refused(registry, "NotUpgradeAuthority", "initialize", "deployer", admin="root")
    refused(registry, "ZeroAddress", "initialize", "bob", admin=ZERO)
    registry.do("initialize", "bob", admin="root")


# ---- scopes and roles ----


def test_open_scope(registry: Registry) -> None:
    """R-2, G-3, G-4"""
    for nonce in range(2):
        scope = registry.scope(key("alice"), nonce)
        receipt = registry.do("open_scope", "alice", subject=DIGEST)
        opened, granted = events(receipt)
        assert opened == (
            "ScopeOpened",
            {
                "scope": scope,
                "seq": 1,
                "actor": key("alice"),
                "nonce": nonce,
                "kind": 1,
                "subject": DIGEST,
            },
        )
        assert (granted[1]["account"], granted[1]["seq"]) == (key("alice"), 2)
        state = registry.read(scope)
        assert (state["creator"], state["nonce"], state["subject"]) == (
            key("alice"),
            nonce,
            DIGEST,
        )
        assert (state["kind"], state["admins"], state["seq"]) == (1, 1, 2)
    assert registry.read(registry.counter)["entities"] == 3


@pytest.mark.parametrize("role", range(6))
def test_grant_and_revoke(registry: Registry, role: int) -> None:
    """R-3, R-4, G-13, K-1, K-2"""
    scope = registry.opened("alice")
    given = {"scope": scope, "account": "bob", "role": role}
    admins = 2 if role == ADMIN else 1
    common = {"scope": scope, "actor": key("alice"), "account": key("bob"), "role": role}
    receipt = registry.do("grant", "alice", payer="sponsor", **given)
    assert events(receipt) == [
        ("RoleGranted", common | {"seq": 3, "held_after": True, "admins_after": admins})
    ]
    grant = registry.grant(scope, key("bob"), role)
    state = registry.read(grant)
    assert (state["scope"], state["account"], state["role"]) == (scope, key("bob"), role)
    refused(registry, "AlreadyGranted", "grant", "alice", **given)
    rent, had = registry.chain.lamports(grant), registry.chain.lamports(key("sponsor"))
    receipt = registry.do("revoke", "alice", **given)
    assert events(receipt) == [
        ("RoleRevoked", common | {"seq": 4, "held_after": False, "admins_after": 1})
    ]
    assert registry.find(grant) is None
    assert registry.chain.lamports(key("sponsor")) == had + rent
    refused(registry, "NotGranted", "revoke", "alice", **given)
    registry.do("grant", "alice", **given)
    assert registry.read(scope)["seq"] == 5


def test_only_admins_grant_and_only_in_their_scope(registry: Registry) -> None:
    """R-3, R-4, R-5, R-12: not who holds another role, not another scope's admin, not the global
    one."""
    scope, other = registry.opened("alice"), registry.opened("bob")
    for role in range(1, 6):
        registry.granted(scope, "carol", role)
    registry.granted(scope, "dave", VENDOR)
    nowhere = Pubkey.new_unique()
    given = {"account": "mallory", "role": OPERATOR}
    for by in ("bob", "carol", "root", "mallory"):
        refused(registry, "NotAdmin", "grant", by, scope=scope, **given)
        taken = {"account": "dave", "role": VENDOR}
        refused(registry, "NotAdmin", "revoke", by, scope=scope, **taken)
        text = {"digest": DIGEST, "cid": "", "title": ""}
        refused(registry, "NotAdmin", "announce", by, scope=scope, **text)
    for by in ("alice", "bob"):
        refused(registry, "NotAdmin", "grant", by, scope=registry.global_scope, **given)
    refused(registry, "WrongScope", "grant", "alice", scope=nowhere, **given)
    registry.granted(other, "mallory", OPERATOR, by="bob")
    assert not registry.holds(scope, "mallory", OPERATOR)


def test_there_is_no_role_for_who_receives_aid(registry: Registry) -> None:
    """R-3: the roles end with vendor."""
    scope = registry.opened("alice")
    for role in (6, 7, 255):
        given = {"scope": scope, "account": "bob", "role": role}
        refused(registry, "InvalidRole", "grant", "alice", **given)
    refused(registry, "ZeroAddress", "grant", "alice", scope=scope, account=ZERO, role=VENDOR)


def test_the_last_admin_stays(registry: Registry) -> None:
    """R-4, K-1"""
    scope = registry.opened("alice")
    alone = {"scope": scope, "account": "alice", "role": ADMIN}
    refused(registry, "LastAdmin", "revoke", "alice", **alone)
    registry.granted(scope, "bob", ADMIN)
    registry.do("revoke", "alice", **alone)  # of her own accord
    refused(registry, "NotAdmin", "revoke", "alice", scope=scope, account="bob", role=ADMIN)
    refused(registry, "LastAdmin", "revoke", "bob", scope=scope, account="bob", role=ADMIN)
    refused(registry, "NotAdmin", "grant", "alice", **alone)
    registry.granted(scope, "alice", ADMIN, by="bob")
    registry.do("revoke", "alice", scope=scope, account="bob", role=ADMIN)  # of each other


def test_announce(registry: Registry) -> None:
    """R-5, G-6"""
    scope = registry.opened("alice")
    text = {"scope": scope, "digest": DIGEST, "cid": "bafy", "title": "Rain is late"}
    ((name, event),) = events(registry.do("announce", "alice", **text))
    assert name == "Announced"
    assert event == text | {"seq": 3, "actor": key("alice")}
    long = {"scope": scope, "digest": DIGEST, "cid": "c" * 300, "title": "t" * 401}
    refused(registry, "TextTooLong", "announce", "alice", **long)
    registry.do("announce", "alice", **long | {"title": "t" * 400})


# ---- profiles ----


def profiled(registry: Registry, name: str = "alice") -> Pubkey:
    registry.do("set_profile", name, metadata=DIGEST, handle=name, cid="bafy")
    return registry.profile(key(name))


def test_set_profile(registry: Registry) -> None:
    """R-6, G-6, K-4"""
    for seq, handle in enumerate(("alice", "al", "alice"), 1):
        digest = bytes([seq]) * 32
        given = {"metadata": digest, "handle": handle, "cid": "bafy"}
        ((name, event),) = events(registry.do("set_profile", "alice", **given))
        assert name == "ProfileSet"
        assert event == given | {
            "profile": key("alice"),
            "seq": seq,
            "actor": key("alice"),
            "status_after": 0,
        }
        state = registry.read(registry.profile(key("alice")))
        assert (state["wallet"], state["metadata"], state["seq"]) == (key("alice"), digest, seq)
    profiled(registry, "bob")
    assert registry.read(registry.counter)["entities"] == 3  # the global scope and two profiles
    long = {"metadata": DIGEST, "handle": "h" * 300, "cid": "c" * 401}
    refused(registry, "TextTooLong", "set_profile", "alice", **long)
    registry.do("set_profile", "alice", **long | {"cid": "c" * 400})


def test_link_and_unlink(registry: Registry) -> None:
    """R-7, R-8, G-13, K-3"""
    profile = profiled(registry)
    common = {"profile": key("alice"), "wallet": key("bob")}
    receipt = registry.do("link", "alice", wallet="bob", payer="sponsor")
    assert events(receipt) == [
        ("WalletLinked", common | {"seq": 2, "actor": key("alice"), "linked_after": 1})
    ]
    assert registry.read(registry.link(key("bob")))["profile"] == key("alice")
    registry.do("link", "alice", wallet="carol")
    assert registry.read(profile)["linked"] == 2
    profiled(registry, "dave")
    refused(registry, "AlreadyLinked", "link", "dave", wallet="bob")
    refused(registry, "AlreadyLinked", "link", "alice", wallet="bob")
    refused(registry, "NotParty", "unlink", "dave", wallet="bob")
    refused(registry, "NotParty", "unlink", "carol", wallet="bob")
    had = registry.chain.lamports(key("sponsor"))
    rent = registry.chain.lamports(registry.link(key("bob")))
    receipt = registry.do("unlink", "bob", wallet="bob")
    assert events(receipt) == [
        ("WalletUnlinked", common | {"seq": 4, "actor": key("bob"), "linked_after": 1})
    ]
    assert registry.chain.lamports(key("sponsor")) == had + rent
    registry.do("unlink", "alice", wallet="carol")
    assert registry.read(profile)["linked"] == 0
    refused(registry, "NotLinked", "unlink", "alice", wallet="carol")
    registry.do("link", "dave", wallet="bob")


def test_a_link_has_both_signatures(registry: Registry) -> None:
    """R-7"""
    profiled(registry)
    ix = registry.call("link", "alice", wallet="bob", payer="sponsor")
    for account in ("owner", "wallet"):
        at = registry.interface.position("link", account)
        refuses(registry, with_flags(ix, at, signer=False), "NotSigner")
    registry.send(ix)
    refused(registry, "InvalidWallet", "link", "alice", wallet="alice")
    refused(registry, "WrongProfile", "link", "dave", wallet="carol")  # has none


def test_profile_status(registry: Registry) -> None:
    """R-9, R-12"""
    profile = profiled(registry)
    scope = registry.opened("bob")
    registry.granted(registry.global_scope, "carol", OPERATOR, by="root")
    assert registry.holds(scope, "bob", ADMIN)
    for by in ("bob", "carol", "alice"):
        refused(registry, "NotAdmin", "set_profile_status", by, profile="alice", status=1)
    refused(registry, "InvalidStatus", "set_profile_status", "root", profile="alice", status=3)
    refused(registry, "WrongProfile", "set_profile_status", "root", profile="dave", status=1)
    for seq, status in enumerate((2, 1), 2):
        receipt = registry.do("set_profile_status", "root", profile="alice", status=status)
        fields = {"profile": key("alice"), "seq": seq, "actor": key("root")}
        assert events(receipt) == [("ProfileStatusSet", fields | {"status_after": status})]
        assert registry.read(profile)["status"] == status
    given = {"metadata": DIGEST, "handle": "", "cid": ""}
    ((_, event),) = events(registry.do("set_profile", "alice", **given))
    assert event["status_after"] == 1  # what an admin said stays


# ---- attestations ----


def attested(registry: Registry, scope: Pubkey, by: str = "carol") -> Pubkey:
    given = {"scope": scope, "subject": "bob", "kind": 300, "digest": DIGEST, "expires_at": 10}
    return registry.made(b"attestation", "attest", by, **given)


def test_attest(registry: Registry) -> None:
    """R-10"""
    scope = registry.opened("alice")
    registry.granted(scope, "carol", KYC_ISSUER)
    attestation = registry.next_entity(b"attestation", "carol")
    given = {"scope": scope, "subject": "bob", "kind": 300, "digest": DIGEST, "expires_at": 10}
    ((name, event),) = events(registry.do("attest", "carol", **given))
    assert name == "AttestationIssued"
    assert event == given | {
        "attestation": attestation,
        "seq": 1,
        "actor": key("carol"),
        "nonce": 0,
        "subject": key("bob"),
        "expires_at": START + 10,
    }
    state = registry.read(attestation)
    assert {field: state[field] for field in given} == {field: event[field] for field in given}
    assert (state["issuer"], state["revoked"], state["seq"]) == (key("carol"), 0, 1)
    other = registry.opened("dave")
    refused(registry, "NotIssuer", "attest", "carol", **given | {"scope": other})
    refused(registry, "NotIssuer", "attest", "carol", **given | {"scope": registry.global_scope})
    refused(registry, "NotIssuer", "attest", "alice", **given)  # its admin is none
    refused(registry, "ZeroAddress", "attest", "carol", **given | {"subject": ZERO})
    for expires_at in (0, -1):
        late = given | {"expires_at": expires_at}
        refused(registry, "InvalidExpiry", "attest", "carol", **late)
    registry.do("attest", "carol", **given | {"expires_at": 1})
    registry.do("revoke", "alice", scope=scope, account="carol", role=KYC_ISSUER)
    refused(registry, "NotIssuer", "attest", "carol", **given)


def test_revoke_attestation(registry: Registry) -> None:
    """R-11, R-12"""
    scope = registry.opened("alice")
    registry.granted(scope, "carol", KYC_ISSUER)
    registry.granted(scope, "dave", KYC_ISSUER)
    first, second = attested(registry, scope), attested(registry, scope)
    registry.opened("mallory")
    for by in ("bob", "dave", "mallory", "root"):
        refused(registry, "NotIssuer", "revoke_attestation", by, attestation=first)
    registry.do("revoke", "alice", scope=scope, account="carol", role=KYC_ISSUER)
    receipt = registry.do("revoke_attestation", "carol", attestation=first)
    fields = {"attestation": first, "seq": 2, "actor": key("carol")}
    assert events(receipt) == [("AttestationRevoked", fields)]
    assert registry.read(first)["revoked"] == 1
    refused(registry, "AlreadyRevoked", "revoke_attestation", "carol", attestation=first)
    registry.do("revoke_attestation", "alice", attestation=second)
    nothing = Pubkey.new_unique()
    refused(registry, "WrongAttestation", "revoke_attestation", "alice", attestation=nothing)


# ---- records ----


def recorded(registry: Registry, by: str = "alice", **given: Any) -> Pubkey:
    return registry.made(b"record", "create_record", by, **given)


@pytest.mark.parametrize("kind", range(6))
def test_create_record(registry: Registry, kind: int) -> None:
    """R-13, G-3"""
    parent = recorded(registry, "bob")
    record = registry.next_entity(b"record", "alice")
    given = {
        "kind": kind,
        "digest": DIGEST,
        "wistia": bytes([8]) * 32,
        "cid": "bafy",
        "title": "Farm",
        "tags": ["coffee", "x" * 32],
    }
    receipt = registry.do("create_record", "alice", parent=parent, visibility=2, **given)
    ((name, event),) = events(receipt)
    assert name == "RecordCreated"
    common = {"actor": key("alice"), "record": record, "parent": parent}
    assert event == given | common | {
        "seq": 1,
        "nonce": 0,
        "visibility_after": 2,
        "status_after": 0,
    }
    state = registry.read(record)
    for field in ("kind", "digest", "wistia"):
        assert state[field] == given[field]
    assert (state["owner"], state["parent"]) == (key("alice"), parent)
    assert (state["visibility"], state["status"], state["seq"]) == (2, 0, 1)


def test_create_record_refuses(registry: Registry) -> None:
    """R-13"""
    refused(registry, "InvalidKind", "create_record", "alice", kind=6)
    refused(registry, "InvalidVisibility", "create_record", "alice", visibility=3)
    refused(registry, "WrongRecord", "create_record", "alice", parent=Pubkey.new_unique())
    refused(registry, "WrongRecord", "create_record", "alice", parent=registry.global_scope)
    assert registry.read(recorded(registry))["parent"] == SYSTEM


@pytest.mark.parametrize("name", ["create_record", "update_record"])
def test_tags(registry: Registry, name: str) -> None:
    """R-13, R-14, G-6: 16 tags of 32 bytes in one event; cid, title and tags ≤ 700 bytes."""
    given: dict[str, Any] = {"cid": "", "title": ""}
    if name == "update_record":
        given["record"] = recorded(registry)
    many = [f"{n:032}" for n in range(16)]
    ((_, event),) = events(registry.do(name, "alice", tags=many, **given))
    assert event["tags"] == many
    for tags in ([*many, "x"], ["x" * 33], ["a", ""]):
        refused(registry, "InvalidTags", name, "alice", tags=tags, **given)
    over = given | {"title": "t" * 189}  # 16 × 32 + 189 = 701
    refused(registry, "TextTooLong", name, "alice", tags=many, **over)
    long = given | {"title": "t" * 188}
    ((_, event),) = events(registry.do(name, "alice", tags=many, **long))
    assert event["tags"] == many


def test_absurd_counts_of_tags(registry: Registry) -> None:
    """G-11: vectors and strings that say they are longer than the data."""
    ix = registry.call("create_record", "alice", tags=["ab"])
    data = bytes(ix.data)
    for ending in (b"\xff" * 4 + data[-6:], b"\1\0\0\0" + b"\xff" * 4 + b"ab"):
        spoilt = Instruction(ix.program_id, data[:-10] + ending, list(ix.accounts))
        refuses(registry, spoilt, "InvalidInstruction")


def test_records_belong_to_their_owner(registry: Registry) -> None:
    """R-14, R-15, R-16: nobody else, not even an admin; and only until it is retired."""
    record = recorded(registry)
    described = {"digest": bytes(32), "wistia": DIGEST, "cid": "b", "title": "t", "tags": ["c"]}
    for by in ("bob", "root"):
        refused(registry, "NotOwner", "update_record", by, record=record)
        refused(registry, "NotOwner", "set_visibility", by, record=record, visibility=1)
        refused(registry, "NotOwner", "retire", by, record=record)
    common = {"record": record, "actor": key("alice")}
    receipt = registry.do("update_record", "alice", record=record, **described)
    assert events(receipt) == [("RecordUpdated", common | described | {"seq": 2})]
    state = registry.read(record)
    assert (state["digest"], state["wistia"]) == (bytes(32), DIGEST)
    for seq, visibility in enumerate((2, 1, 0), 3):
        receipt = registry.do("set_visibility", "alice", record=record, visibility=visibility)
        wanted = common | {"seq": seq, "visibility_after": visibility}
        assert events(receipt) == [("RecordVisibilitySet", wanted)]
        assert registry.read(record)["visibility"] == visibility
    hide = {"record": record, "visibility": 3}
    refused(registry, "InvalidVisibility", "set_visibility", "alice", **hide)
    receipt = registry.do("retire", "alice", record=record)
    assert events(receipt) == [("RecordRetired", common | {"seq": 6, "status_after": 1})]
    assert registry.read(record)["status"] == 1
    refused(registry, "WrongStatus", "update_record", "alice", record=record)
    refused(registry, "WrongStatus", "set_visibility", "alice", record=record, visibility=1)
    refused(registry, "WrongStatus", "retire", "alice", record=record)
    assert registry.read(recorded(registry, parent=record))["parent"] == record


# ---- playlists ----


def test_a_playlist_of_a_thousand_records_is_a_digest(registry: Registry) -> None:
    """R-17, R-18"""
    records = [recorded(registry, "bob") for _ in range(2)]
    document = "\n".join(str(records[n % 2]) for n in range(1000)).encode()
    digest = hashlib.sha256(document).digest()
    playlist = registry.next_entity(b"playlist", "alice")
    listed = {"digest": digest, "entries": 1000, "cid": "bafy", "title": "Harvest"}
    receipt = registry.do("create_playlist", "alice", visibility=1, **listed)
    common = {"playlist": playlist, "actor": key("alice")}
    wanted = common | listed | {"seq": 1, "nonce": 0, "visibility_after": 1}
    assert events(receipt) == [("PlaylistCreated", wanted)]
    state = registry.read(playlist)
    assert (state["owner"], state["digest"]) == (key("alice"), digest)
    assert (state["entries"], state["visibility"]) == (1000, 1)

    listed |= {"digest": DIGEST, "entries": 2**32 - 1}
    receipt = registry.do("update_playlist", "alice", playlist=playlist, visibility=2, **listed)
    assert events(receipt) == [
        ("PlaylistUpdated", common | listed | {"seq": 2, "visibility_after": 2})
    ]
    state = registry.read(playlist)
    assert (state["digest"], state["entries"]) == (DIGEST, 2**32 - 1)
    assert (state["visibility"], state["seq"]) == (2, 2)


@pytest.mark.parametrize("name", ["create_playlist", "update_playlist"])
def test_playlist_refuses(registry: Registry, name: str) -> None:
    """R-17, R-18, G-6"""
    given: dict[str, Any] = {}
    if name == "update_playlist":
        given["playlist"] = registry.made(b"playlist", "create_playlist", "alice")
        refused(registry, "NotOwner", name, "bob", **given)
    refused(registry, "InvalidVisibility", name, "alice", visibility=3, **given)
    refused(registry, "TextTooLong", name, "alice", cid="c" * 300, title="t" * 401, **given)
    registry.do(name, "alice", cid="c" * 300, title="t" * 400, **given)
