"""Every account of every instruction of registry, replaced by one that must not pass (G-11)."""

import pytest
from onsvm.chain import Chain, Refused, program_data, wallet
from onsvm.forge import clone, off_bump, with_account, with_accounts, with_data, with_flags
from onsvm.interface import Interface, snake
from onsvm.registry import ADMIN, DIGEST, KYC_ISSUER, OPERATOR, ZERO, Registry
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")
ALICE = wallet("alice").pubkey()
BOB = wallet("bob").pubkey()


class Stage:
    """A scope of alice's with bob as issuer, a profile with a link, an attestation, a record and
    a playlist; and the same of dave's beside them. `fresh`: nothing, before `initialize`."""

    def __init__(self, chain: Chain, fresh: bool = False):
        self.chain = chain
        self.registry = r = Registry(chain)
        self.mine: dict[str, Pubkey] = {}
        self.other: dict[str, Pubkey] = {}
        if fresh:
            return
        r.initialized()
        for owner, issuer, linked, found in (
            ("alice", "bob", "carol", self.mine),
            ("dave", "root", "mallory", self.other),
        ):
            scope = found["scope"] = r.opened(owner)
            r.granted(scope, issuer, KYC_ISSUER, by=owner)
            found["issuer_grant"] = r.grant(scope, wallet(issuer).pubkey(), KYC_ISSUER)
            found["admin_grant"] = r.grant(scope, wallet(owner).pubkey(), ADMIN)
            r.do("set_profile", owner, metadata=DIGEST, handle="", cid="")
            found["profile"] = r.profile(wallet(owner).pubkey())
            r.do("link", owner, wallet=linked)
            found["link"] = r.link(wallet(linked).pubkey())
            given = {"scope": scope, "subject": "carol", "kind": 1, "digest": DIGEST}
            attestation = r.made(b"attestation", "attest", issuer, expires_at=9, **given)
            found["attestation"] = attestation
            found["record"] = r.made(b"record", "create_record", owner)
            found["playlist"] = r.made(b"playlist", "create_playlist", owner)

    def build(self, name: str) -> Instruction:
        """A valid call of each instruction."""
        mine = self.mine
        scope = mine.get("scope", ZERO)
        given: dict[str, tuple[str, dict[str, object]]] = {
            "initialize": ("deployer", {"admin": "root"}),
            "open_scope": ("alice", {"subject": DIGEST}),
            "grant": ("alice", {"scope": scope, "account": "carol", "role": OPERATOR}),
            "revoke": ("alice", {"scope": scope, "account": "bob", "role": KYC_ISSUER}),
            "announce": ("alice", {"scope": scope, "digest": DIGEST, "cid": "", "title": ""}),
            "set_profile": ("bob", {"metadata": DIGEST, "handle": "", "cid": ""}),
            "link": ("alice", {"wallet": "bob"}),
            "unlink": ("alice", {"wallet": "carol"}),
            "set_profile_status": ("root", {"profile": "alice", "status": 1}),
            "attest": (
                "bob",
                {"scope": scope, "subject": "carol", "kind": 1, "digest": DIGEST, "expires_at": 9},
            ),
            "revoke_attestation": ("alice", {"attestation": mine.get("attestation")}),
            "create_record": ("alice", {"parent": mine.get("record")}),
            "update_record": ("alice", {"record": mine.get("record")}),
            "set_visibility": ("alice", {"record": mine.get("record"), "visibility": 1}),
            "retire": ("alice", {"record": mine.get("record")}),
            "create_playlist": ("alice", {}),
            "update_playlist": ("alice", {"playlist": mine.get("playlist")}),
        }
        by, args = given[name]
        return self.registry.call(name, by, **args)

    def refuses(self, ix: Instruction, error: str) -> None:
        with pytest.raises(Refused) as refused:
            self.registry.send(ix)
        assert refused.value.name == error, refused.value

    def at(self, name: str, account: str) -> int:
        return self.registry.interface.position(name, account)

    def impostors(self, address: Pubkey) -> list[Pubkey]:
        """What looks like the account at `address` and isn't; also accounts of other kinds."""
        data = self.chain.data(address)
        counter = self.chain.data(self.registry.counter)
        assert data is not None
        assert counter is not None
        return [
            clone(self.chain, address, owner=LOADER),
            clone(self.chain, address, data=counter[:8] + data[8:]),
            clone(self.chain, address, data=data + b"\0"),
            clone(self.chain, address, data=data[:-1]),
            self.registry.counter,
            Pubkey.new_unique(),
        ]


@pytest.fixture
def stage(chain: Chain, request: pytest.FixtureRequest) -> Stage:
    call = getattr(request.node, "callspec", None)
    first = call is not None and call.params.get("name") == "initialize"
    return Stage(chain, fresh=first)


LISTED = {
    name: [snake(account["name"]) for account in entry["accounts"]]
    for name, entry in Interface("registry").instructions.items()
}
NAMES = list(LISTED)


def having(*accounts: str) -> list[tuple[str, str]]:
    return [(name, account) for account in accounts for name in NAMES if account in LISTED[name]]


def having_made(*accounts: str) -> list[tuple[str, str]]:
    """Of those, the instructions that find the account and don't make it."""
    made = ("open_scope", "initialize", "link", "attest", "create_record", "create_playlist")
    return [(n, a) for n, a in having(*accounts) if n not in made or (n, a) == ("link", "profile")]


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_is_valid(stage: Stage, name: str) -> None:
    """Each instruction that the other tests spoil succeeds unspoilt (and with more accounts)."""
    ix = stage.build(name)
    more = [*ix.accounts, AccountMeta(Pubkey.new_unique(), False, False)]
    stage.registry.send(with_accounts(ix, more))


@pytest.mark.parametrize("name", NAMES)
def test_signature_missing(stage: Stage, name: str) -> None:
    """G-5, G-11"""
    ix = stage.build(name)
    if "payer" in LISTED[name]:
        at = stage.at(name, "payer")
        ix = with_account(ix, at, stage.chain.fund("sponsor").pubkey())
        stage.refuses(with_flags(ix, at, signer=False), "NotSigner")
    stage.refuses(with_flags(ix, 0, signer=False), "NotSigner")
    stage.registry.send(ix)


@pytest.mark.parametrize("name", NAMES)
def test_shape(stage: Stage, name: str) -> None:
    """G-11: accounts missing, arguments too short or too long."""
    ix = stage.build(name)
    data = bytes(ix.data)
    stage.refuses(with_accounts(ix, list(ix.accounts)[:-1]), "MissingAccount")
    stage.refuses(with_data(ix, data + b"\0"), "InvalidInstruction")
    if len(data) > 8:
        stage.refuses(with_data(ix, data[:-1]), "InvalidInstruction")


FIXED = {
    "event_authority": "WrongEventAuthority",
    "program": "WrongProgram",
    "system_program": "WrongSystemProgram",
}


@pytest.mark.parametrize(("name", "account"), having(*FIXED))
def test_fixed_accounts(stage: Stage, name: str, account: str) -> None:
    """G-5, G-11"""
    ix = stage.build(name)
    wrong = with_account(ix, stage.at(name, account), LOADER)
    stage.refuses(wrong, FIXED[account])


STORED = {
    "scope": "WrongScope",
    "profile": "WrongProfile",
    "attestation": "WrongAttestation",
    "record": "WrongRecord",
    "playlist": "WrongPlaylist",
}


@pytest.mark.parametrize(("name", "account"), having_made(*STORED))
def test_impostors(stage: Stage, name: str, account: str) -> None:
    """R-12, G-11"""
    ix = stage.build(name)
    at = stage.at(name, account)
    genuine = ix.accounts[at].pubkey
    if name == "set_profile":  # makes one where there is none
        stage.registry.send(ix)
    for fake in stage.impostors(genuine):
        stage.refuses(with_account(ix, at, fake), STORED[account])


@pytest.mark.parametrize("name", ["grant", "revoke", "announce"])
def test_another_scope(stage: Stage, name: str) -> None:
    """R-3 to R-5: the admin's grant is not for the scope that is named."""
    ix = stage.build(name)
    wrong = with_account(ix, stage.at(name, "scope"), stage.other["scope"])
    stage.refuses(wrong, "NotAdmin")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("grant", "NotAdmin"),
        ("revoke", "NotAdmin"),
        ("announce", "NotAdmin"),
        ("set_profile_status", "NotAdmin"),
        ("attest", "NotIssuer"),
        ("revoke_attestation", "NotIssuer"),
    ],
)
def test_grants_that_prove_nothing(stage: Stage, name: str, error: str) -> None:
    """R-3 to R-5, R-9 to R-11: of another scope, another account, another role; forged."""
    ix = stage.build(name)
    r = stage.registry
    account = "issuer_grant" if name == "attest" else "admin_grant"
    at = stage.at(name, account)
    caller = next(
        n for n in ("alice", "bob", "root") if wallet(n).pubkey() == ix.accounts[0].pubkey
    )
    needed = KYC_ISSUER if name == "attest" else ADMIN
    own = r.global_scope if name == "set_profile_status" else stage.mine["scope"]
    admin = "root" if name == "set_profile_status" else "alice"
    # the caller's, of the same role, in a scope of its own
    elsewhere = r.opened(caller)
    if needed == KYC_ISSUER:
        r.granted(elsewhere, caller, needed, by=caller)
    # the caller's in this scope, of another role; somebody else's of this role
    r.granted(own, caller, OPERATOR, by=admin)
    r.granted(own, "mallory", needed, by=admin)
    fakes = [
        r.grant(elsewhere, wallet(caller).pubkey(), needed),
        r.grant(own, wallet(caller).pubkey(), OPERATOR),
        r.grant(own, wallet("mallory").pubkey(), needed),
        *stage.impostors(ix.accounts[at].pubkey),
    ]
    ix = stage.build(name)  # a scope more took one of the caller's nonces
    for fake in fakes:
        stage.refuses(with_account(ix, at, fake), error)
    r.send(ix)


def test_revoke_what_is_no_grant_of_this_scope(stage: Stage) -> None:
    """R-4"""
    ix = stage.build("revoke")
    at = stage.at("revoke", "grant")
    fakes = [stage.other["issuer_grant"], *stage.impostors(ix.accounts[at].pubkey)]
    for fake in fakes:
        stage.refuses(with_account(ix, at, fake), "NotGranted")


@pytest.mark.parametrize("name", ["revoke", "unlink"])
def test_rent_payer(stage: Stage, name: str) -> None:
    """R-4, R-8, G-13"""
    ix = stage.build(name)
    thief = stage.chain.fund("mallory").pubkey()
    stage.refuses(with_account(ix, stage.at(name, "rent_payer"), thief), "WrongRentPayer")


def test_unlink_from_another_profile(stage: Stage) -> None:
    """R-8: the profile whose count falls is the one that the link names."""
    ix = stage.build("unlink")
    wrong = with_account(ix, stage.at("unlink", "profile"), stage.other["profile"])
    stage.refuses(wrong, "WrongProfile")
    at = stage.at("unlink", "link")
    for fake in stage.impostors(stage.mine["link"]):
        stage.refuses(with_account(ix, at, fake), "NotLinked")
    stage.refuses(with_account(ix, at, stage.other["link"]), "WrongProfile")


@pytest.mark.parametrize("name", ["set_profile", "link"])
def test_somebody_elses_profile(stage: Stage, name: str) -> None:
    """R-6, R-7"""
    ix = stage.build(name)
    wrong = with_account(ix, stage.at(name, "profile"), stage.other["profile"])
    stage.refuses(wrong, "WrongProfile")


def test_program_data(chain: Chain) -> None:
    """R-1: only the loader's own account for this very program says who may upgrade it."""
    stage = Stage(chain, fresh=True)
    r = stage.registry
    at = stage.at("initialize", "program_data")
    ix = r.call("initialize", "mallory", admin="mallory")
    code = program_data(r.interface.address)
    data = chain.data(code)
    assert data is not None
    mallory = b"\1" + bytes(wallet("mallory").pubkey())
    forged = clone(chain, code, data=data[:12] + mallory + data[45:])
    stage.refuses(with_account(ix, at, forged), "NotUpgradeAuthority")
    genuine = stage.build("initialize")
    other = program_data(chain.interfaces["bets"].address)  # the deployer's, too
    stage.refuses(with_account(genuine, at, other), "NotUpgradeAuthority")
    chain.put(code, chain.svm.get_account(code).owner, data[:44])
    stage.refuses(genuine, "NotUpgradeAuthority")


def test_program_without_program_data(chain: Chain) -> None:
    """R-1: as after a deployment by a loader that knows no upgrades."""
    stage = Stage(chain, fresh=True)
    code = program_data(stage.registry.interface.address)
    chain.put(code, Pubkey.from_bytes(bytes(32)), b"")
    stage.refuses(stage.build("initialize"), "NotUpgradeAuthority")


CREATED = [
    ("initialize", "counter", "WrongCounter"),
    ("initialize", "scope", "WrongScope"),
    ("initialize", "grant", "WrongGrant"),
    ("open_scope", "counter", "WrongCounter"),
    ("open_scope", "creator_counter", "WrongCreatorCounter"),
    ("open_scope", "scope", "WrongScope"),
    ("open_scope", "grant", "WrongGrant"),
    ("grant", "grant", "WrongGrant"),
    ("set_profile", "counter", "WrongCounter"),
    ("set_profile", "profile", "WrongProfile"),
    ("link", "link", "WrongLink"),
    ("attest", "attestation", "WrongAttestation"),
    ("attest", "creator_counter", "WrongCreatorCounter"),
    ("create_record", "record", "WrongRecord"),
    ("create_record", "counter", "WrongCounter"),
    ("create_playlist", "playlist", "WrongPlaylist"),
    ("create_playlist", "creator_counter", "WrongCreatorCounter"),
]


def seeds(stage: Stage, name: str, account: str) -> list[bytes]:
    r = stage.registry
    if account == "counter":
        return [b"counter"]
    if account == "grant":
        scope, holder, role = {
            "initialize": (r.global_scope, wallet("root").pubkey(), ADMIN),
            "open_scope": (r.next_entity(b"scope", "alice"), ALICE, ADMIN),
            "grant": (stage.mine.get("scope", ZERO), wallet("carol").pubkey(), OPERATOR),
        }[name]
        return [b"grant", bytes(scope), bytes(holder), bytes([role])]
    if name == "initialize":
        return [b"scope", bytes(32), bytes(8)]
    by = BOB if name in ("set_profile", "link", "attest") else ALICE
    if account in ("creator_counter", "profile", "link"):
        return [account.split("_")[0].encode(), bytes(by)]
    data = stage.chain.data(r.creator_counter(by))
    nonce = r.interface.account(data)["next_nonce"] if data else 0
    return [account.encode(), bytes(by), nonce.to_bytes(8, "little")]


@pytest.mark.parametrize(("name", "account", "error"), CREATED)
def test_what_is_created(stage: Stage, name: str, account: str, error: str) -> None:
    """G-3, G-11: canonical bumps only, the next nonce only, nobody else's counter."""
    ix = stage.build(name)
    at = stage.at(name, account)
    listed = seeds(stage, name, account)
    assert stage.registry.interface.pda(*listed) == ix.accounts[at].pubkey
    wrong = [Pubkey.new_unique(), off_bump(stage.registry.interface, *listed)]
    if account in ("scope", "attestation", "record", "playlist") and name != "initialize":
        later = int.from_bytes(listed[-1], "little") + 1
        wrong.append(stage.registry.interface.pda(*listed[:-1], later.to_bytes(8, "little")))
    if account == "counter" and stage.mine:
        wrong = [clone(stage.chain, stage.registry.counter, owner=LOADER), wrong[0]]
        wrong.append(stage.registry.creator_counter(ALICE))
    if account == "creator_counter":
        wrong = [wrong[0], stage.registry.creator_counter(wallet("dave").pubkey())]
        wrong.append(stage.registry.counter)
    for address in wrong:
        stage.refuses(with_account(ix, at, address), error)
    stage.registry.send(ix)


def test_parent(stage: Stage) -> None:
    """R-13"""
    ix = stage.build("create_record")
    at = stage.at("create_record", "parent")
    for fake in (stage.mine["playlist"], *stage.impostors(stage.mine["record"])):
        stage.refuses(with_account(ix, at, fake), "WrongRecord")


def test_lamports_sent_ahead(chain: Chain) -> None:
    """R-1, G-12: nobody stops an account from being made by a gift to its address."""
    registry = Registry(chain)
    for address in (registry.global_scope, registry.counter, registry.profile(BOB)):
        chain.svm.airdrop(address, 1_000_000)
    registry.initialized().do("set_profile", "bob", metadata=DIGEST, handle="", cid="")


def test_a_revoked_grant_does_not_come_back(stage: Stage) -> None:
    """R-4, G-13: an account that got lamports in the transaction of its closing is empty."""
    r = stage.registry
    r.granted(stage.mine["scope"], "carol", ADMIN)
    given = {"scope": stage.mine["scope"], "account": "carol", "role": ADMIN}
    grant = r.grant(stage.mine["scope"], wallet("carol").pubkey(), ADMIN)
    r.do("revoke", "alice", **given)
    stage.chain.svm.airdrop(grant, 10_000_000)
    account = stage.chain.svm.get_account(grant)
    assert account is not None
    assert not account.data
    spoilt = r.call("grant", "carol", scope=stage.mine["scope"], account="carol", role=OPERATOR)
    stage.refuses(spoilt, "NotAdmin")
    r.do("grant", "alice", **given)


@pytest.mark.parametrize("name", NAMES)
def test_writable_accounts_must_be(stage: Stage, name: str) -> None:
    """The interface's `isMut` is needed: without it the runtime refuses."""
    ix = stage.build(name)
    entries = stage.registry.interface.instructions[name]["accounts"]
    keys = [m.pubkey for m in ix.accounts]
    for at, entry in enumerate(entries):
        if entry["isMut"] and keys.count(keys[at]) == 1:
            with pytest.raises(Refused):
                stage.registry.send(with_flags(ix, at, writable=False))
    stage.registry.send(ix)
