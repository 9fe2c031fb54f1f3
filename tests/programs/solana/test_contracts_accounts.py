"""Every account of every instruction of contracts, replaced by one that must not pass (G-11)."""

from collections.abc import Callable

import pytest
from onsvm.bets import DAY
from onsvm.chain import TOKEN, Refused, wallet
from onsvm.contracts import Contracts, ed25519_instruction
from onsvm.feeds import Feeds
from onsvm.forge import clone, off_bump, with_account, with_accounts, with_data, with_flags
from onsvm.interface import Interface, snake
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")
PRICED = {"price_cap": 1500, "price_floor": 500, "price_mul": 10, "price_div": 1}

Built = tuple[list[Instruction], Instruction, Pubkey]  # what comes before, it, its agreement


def step(name: str, by: str, **args: object) -> Callable[[Contracts, Pubkey], Instruction]:
    return lambda contracts, agreement: contracts.step(name, by, agreement, **args)


class Stage:
    """An agreement at the point where each instruction is valid, and a second one beside it."""

    def __init__(self, contracts: Contracts):
        self.contracts = contracts
        self.chain = contracts.chain
        self.other = contracts.delivered()
        self.feeds = Feeds(self.chain)
        self.feed = self.feeds.opened("opener")

    def build(self, name: str) -> Built:
        c = self.contracts
        if name == "propose":
            c.chain.fund("sponsor")
            return [], c.propose("bob", feed=self.feed, **PRICED), self.other
        if name in ("sign", "sign_by_sig"):
            agreement = c.proposed()
            if name == "sign":
                return [], c.step("sign", "bob", agreement), agreement
            deadline = self.chain.now + 10
            before = ed25519_instruction(wallet("bob"), c.signed_message(agreement, deadline))
            return [before], c.sign_by_sig("mallory", agreement, deadline), agreement
        if name == "fund":
            agreement = c.signed()
            c.chain.mint(wallet("bob").pubkey(), c.chain.token("usd"), 1000)
            return [], c.fund("bob", agreement), agreement
        if name == "record_delivery":
            agreement = c.active()
            args = {"quantity": 5, "evidence": bytes(32)}
            return [], c.step(name, "alice", agreement, **args), agreement
        if name == "fix_price":
            agreement = c.delivered(feed=self.feed, **PRICED)
            self.chain.at(10 * DAY)
            self.feeds.send(self.feeds.publish("opener", self.feed, [(100, 10 * DAY)]))
            return [], c.fix_price("mallory", agreement, 1), agreement
        agreement = c.delivered()
        if name == "accept":
            return [], c.step("accept", "bob", agreement), agreement
        if name in ("dispute", "rule"):
            ix = c.step("dispute", "bob", agreement, reason=bytes(32))
            if name == "dispute":
                return [], ix, agreement
            c.send(ix)
            return [], c.step("rule", "carol", agreement, split_bps=1), agreement
        if name == "cancel":
            return [], c.step("cancel", "bob", agreement), agreement
        c.send(c.step("accept", "bob", agreement))
        if name == "settle":
            return [], c.step("settle", "mallory", agreement), agreement
        c.send(c.step("settle", "mallory", agreement))
        withdraw = c.withdraw("mallory", agreement, "alice")
        if name == "withdraw":
            return [], withdraw, agreement
        c.send(withdraw)
        vault = c.vault(agreement)
        self.chain.put_token_account(vault, agreement, self.chain.token("usd"), 3)
        return [], c.close(agreement), agreement

    def send(self, before: list[Instruction], ix: Instruction) -> None:
        self.contracts.send(*before, ix)

    def refuses(self, before: list[Instruction], ix: Instruction, error: str) -> None:
        with pytest.raises(Refused) as refused:
            self.send(before, ix)
        assert refused.value.name == error, refused.value

    def at(self, name: str, account: str) -> int:
        return self.contracts.interface.position(name, account)


@pytest.fixture
def stage(contracts: Contracts) -> Stage:
    return Stage(contracts)


LISTED = {
    name: [snake(account["name"]) for account in entry["accounts"]]
    for name, entry in Interface("contracts").instructions.items()
}
NAMES = list(LISTED)


def having(account: str) -> list[str]:
    return [name for name, accounts in LISTED.items() if account in accounts]


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_is_valid(stage: Stage, name: str) -> None:
    """Each instruction that the other tests spoil succeeds unspoilt (and with more accounts)."""
    before, ix, _ = stage.build(name)
    more = [*ix.accounts, AccountMeta(Pubkey.new_unique(), False, False)]
    stage.send(before, with_accounts(ix, more))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "close"])
def test_signature_missing(stage: Stage, name: str) -> None:
    """G-5, G-11"""
    before, ix, _ = stage.build(name)
    if name == "propose":
        ix = with_account(ix, 1, wallet("sponsor").pubkey())
        stage.refuses(before, with_flags(ix, 1, signer=False), "NotSigner")
    stage.refuses(before, with_flags(ix, 0, signer=False), "NotSigner")


@pytest.mark.parametrize("name", NAMES)
def test_shape(stage: Stage, name: str) -> None:
    """G-11: accounts missing, arguments too short or too long."""
    before, ix, _ = stage.build(name)
    data = bytes(ix.data)
    stage.refuses(before, with_accounts(ix, list(ix.accounts)[:-1]), "MissingAccount")
    stage.refuses(before, with_data(ix, data + b"\0"), "InvalidInstruction")
    if len(data) > 8:
        stage.refuses(before, with_data(ix, data[:-1]), "InvalidInstruction")


FIXED = {
    "event_authority": "WrongEventAuthority",
    "program": "WrongProgram",
    "token_program": "WrongTokenProgram",
    "system_program": "WrongSystemProgram",
}


@pytest.mark.parametrize(
    ("name", "account"), [(name, account) for account in FIXED for name in having(account)]
)
def test_fixed_accounts(stage: Stage, name: str, account: str) -> None:
    """G-2, G-5, G-11"""
    before, ix, _ = stage.build(name)
    wrong = with_account(ix, stage.at(name, account), TOKEN_2022)
    stage.refuses(before, wrong, FIXED[account])


@pytest.mark.parametrize("name", [name for name in having("agreement") if name != "propose"])
def test_agreement_impostor(stage: Stage, name: str) -> None:
    """A-16, G-11"""
    before, ix, agreement = stage.build(name)
    data = stage.chain.data(agreement)
    assert data is not None
    counter = stage.chain.data(stage.contracts.counter) or b""
    for fake in (
        clone(stage.chain, agreement, owner=LOADER),
        clone(stage.chain, agreement, data=counter[:8] + data[8:]),
        clone(stage.chain, agreement, data=data + b"\0"),
        clone(stage.chain, agreement, data=data[:-1]),
        stage.contracts.counter,
        Pubkey.new_unique(),
    ):
        wrong = with_account(ix, stage.at(name, "agreement"), fake)
        stage.refuses(before, wrong, "WrongAgreement")


@pytest.mark.parametrize("name", having("vault"))
def test_vault(stage: Stage, name: str) -> None:
    """G-14: another agreement's; another account of this one's."""
    before, ix, agreement = stage.build(name)
    at = stage.at(name, "vault")
    besides = stage.chain.token_account(agreement, stage.chain.token("usd"))
    for fake in (stage.contracts.vault(stage.other), besides):
        stage.refuses(before, with_account(ix, at, fake), "WrongVault")


@pytest.mark.parametrize("name", having("destination"))
def test_destination(stage: Stage, name: str) -> None:
    """A-15, A-17, G-8"""
    before, ix, _ = stage.build(name)
    at = stage.at(name, "destination")
    usd = stage.chain.token("usd")
    own = ix.accounts[at].pubkey
    data = stage.chain.data(own) or b""
    for fake in (
        stage.chain.token_account(wallet("mallory").pubkey(), usd),
        ix.accounts[stage.at(name, "vault")].pubkey,
        clone(stage.chain, own, owner=LOADER),
        clone(stage.chain, own, data=data.ljust(355, b"\0")),
    ):
        stage.refuses(before, with_account(ix, at, fake), "WrongTokenAccount")
    owner = wallet("alice" if name == "withdraw" else "bob").pubkey()
    euros = stage.chain.token_account(owner, stage.chain.token("eur"))
    stage.refuses(before, with_account(ix, at, euros), f"{TOKEN} 3")


def test_withdraw_to_the_other_party(stage: Stage) -> None:
    """A-15: what the seller is owed goes to no account of the buyer."""
    before, ix, _ = stage.build("withdraw")
    bob = stage.chain.token_account(wallet("bob").pubkey(), stage.chain.token("usd"))
    wrong = with_account(ix, stage.at("withdraw", "destination"), bob)
    stage.refuses(before, wrong, "WrongTokenAccount")


def test_source_of_somebody_else(stage: Stage) -> None:
    """A-6: the token program wants the owner's signature."""
    before, ix, _ = stage.build("fund")
    usd = stage.chain.token("usd")
    alice = stage.chain.mint(wallet("alice").pubkey(), usd, 1000)
    wrong = with_account(ix, stage.at("fund", "source"), alice)
    stage.refuses(before, wrong, f"{TOKEN} 4")


def test_rent_payer(stage: Stage) -> None:
    """A-17, G-13"""
    before, ix, _ = stage.build("close")
    thief = stage.chain.fund("mallory").pubkey()
    wrong = with_account(ix, stage.at("close", "rent_payer"), thief)
    stage.refuses(before, wrong, "WrongRentPayer")


def test_feed(stage: Stage) -> None:
    """A-2, A-11: not another feed, not what looks like one."""
    before, ix, _ = stage.build("fix_price")
    at = stage.at("fix_price", "feed")
    other = stage.feeds.opened("opener")
    stage.feeds.send(stage.feeds.publish("opener", other, [(150, 10 * DAY)]))
    stage.refuses(before, with_account(ix, at, other), "WrongFeed")
    _, propose, _ = stage.build("propose")
    at = stage.at("propose", "feed")
    data = stage.chain.data(stage.feed)
    counter = stage.chain.data(stage.feeds.counter) or b""
    assert data is not None
    for fake in (
        clone(stage.chain, stage.feed, owner=stage.contracts.interface.address),
        clone(stage.chain, stage.feed, data=counter[:8] + data[8:]),
        clone(stage.chain, stage.feed, data=data[:-1]),
    ):
        stage.refuses([], with_account(propose, at, fake), "WrongFeed")


BOB = wallet("bob").pubkey()
CREATED = {
    "counter": ("WrongCounter", [b"counter"]),
    "creator_counter": ("WrongCreatorCounter", [b"creator", bytes(BOB)]),
    "agreement": ("WrongAgreement", [b"agreement", bytes(BOB), bytes(8)]),
    "vault": ("WrongVault", None),
}


@pytest.mark.parametrize("account", CREATED)
def test_what_propose_creates(stage: Stage, account: str) -> None:
    """G-3, G-11: canonical bumps only, nobody else's counter."""
    _, ix, _ = stage.build("propose")
    error, seeds = CREATED[account]
    interface = stage.contracts.interface
    if seeds is None:
        seeds = [b"vault", bytes(stage.contracts.agreement(BOB, 0))]
    wrong = [Pubkey.new_unique()]
    if account != "counter":
        wrong.append(off_bump(interface, *seeds))
    if account == "creator_counter":
        wrong.append(stage.contracts.creator_counter(wallet("alice").pubkey()))
        wrong.append(stage.contracts.counter)
    if account == "counter":
        wrong.append(stage.contracts.creator_counter(wallet("alice").pubkey()))
        wrong.append(clone(stage.chain, stage.contracts.counter, owner=LOADER))
    if account == "agreement":
        wrong.append(stage.contracts.agreement(BOB, 1))
    for address in wrong:
        stage.refuses([], with_account(ix, stage.at("propose", account), address), error)


@pytest.mark.parametrize("kind", ["owner", "uninitialised", "token account"])
def test_propose_in_what_is_no_mint(stage: Stage, kind: str) -> None:
    """A-3, G-2"""
    _, ix, _ = stage.build("propose")
    mint = stage.chain.token("usd")
    data = stage.chain.data(mint) or b""
    fake = {
        "owner": lambda: clone(stage.chain, mint, owner=TOKEN_2022),
        "uninitialised": lambda: clone(stage.chain, mint, data=data[:45] + b"\0" + data[46:]),
        "token account": lambda: stage.chain.token_account(BOB, mint),
    }[kind]()
    stage.refuses([], with_account(ix, stage.at("propose", "token"), fake), "InvalidToken")


@pytest.mark.parametrize("name", NAMES)
def test_writable_accounts_must_be(stage: Stage, name: str) -> None:
    """The interface's `isMut` is needed: without it the runtime refuses."""
    before, ix, _ = stage.build(name)
    entries = stage.contracts.interface.instructions[name]["accounts"]
    keys = [m.pubkey for m in ix.accounts]
    for at, entry in enumerate(entries):
        if entry["isMut"] and keys.count(keys[at]) == 1:
            with pytest.raises(Refused):
                stage.send(before, with_flags(ix, at, writable=False))
    stage.send(before, ix)
