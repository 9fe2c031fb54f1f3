"""Every account of every instruction of payouts, replaced by one that must not pass (G-11)."""

from dataclasses import dataclass

import pytest
from onsvm.bets import DAY
from onsvm.chain import SYSTEM, TOKEN, Refused, wallet
from onsvm.feeds import Feeds
from onsvm.forge import clone, off_bump, with_account, with_accounts, with_data, with_flags
from onsvm.interface import Interface, snake
from onsvm.payouts import EXPIRES_AT, PAGE, ROUND, Leaf, Payouts
from onsvm.projects import Projects
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")
RECORD = bytes([9]) * 32
LEAVES: list[Leaf] = [(0, "alice", 100), (PAGE, "bob", 50)]
UNTIL = 4 * DAY

Before = list[Instruction]


@dataclass(frozen=True)
class Built:
    before: Before  # what comes before it in the transaction
    ix: Instruction
    pool: Pubkey


class Stage:
    """A pool at the point where each instruction is valid, and a second one beside it that has
    one of every kind of account."""

    def __init__(self, payouts: Payouts):
        self.payouts = payouts
        self.chain = payouts.chain
        self.feeds = Feeds(self.chain)
        self.projects = Projects(self.chain)
        self.feed = self.feeds.opened()
        self.project = self.projects.created("owner")
        self.chain.fund("sponsor")
        self.other = self.full()
        proof = payouts.tree(self.other, LEAVES).proof(1)
        payouts.send(payouts.allocate("mallory", self.other, LEAVES[1], proof))

    def round(self) -> Pubkey:
        """A round whose window is open, with what alice needs to enter."""
        pool = self.payouts.opened(kind=ROUND, opens_at=0, closes_at=DAY, entry_fee=5)
        self.chain.mint(wallet("alice").pubkey(), self.chain.token("usd"), 10)
        return pool

    def full(self) -> Pubkey:
        """A published round with an entry, receipts, a page, a voucher and a vendor."""
        p = self.payouts
        self.chain.at(0)
        pool = self.round()
        p.send(p.enter("alice", pool, RECORD))
        self.chain.mint(wallet("fiona").pubkey(), self.chain.token("usd"), 200)
        p.send(p.fund("fiona", pool, 200))
        tree = p.tree(pool, LEAVES)
        self.chain.at(DAY)
        p.send(p.publish("operator", pool, tree.root, 150, 2))
        self.chain.at(2 * DAY)
        p.send(p.allocate("bob", pool, LEAVES[0], tree.proof(0)))
        p.send(p.set_vendor("operator", pool, "dave"))
        return pool

    def build(self, name: str) -> Built:
        p = self.payouts
        usd = self.chain.token("usd")
        if name == "open":
            self.chain.at(0)
            trigger = {"comparator": 1, "threshold": 5, "trigger_by": DAY}
            ix = p.open("owner", project=self.project, feed=self.feed, **trigger)
            return Built([], ix, self.other)
        if name in ("fund", "enter"):
            self.chain.at(0)
            pool = self.round()
            alice = p.fund("alice", pool, 5) if name == "fund" else p.enter("alice", pool, RECORD)
            return Built([], alice, pool)
        if name in ("publish", "fire"):
            self.chain.at(0)
            trigger = {"feed": self.feed, "comparator": 1, "threshold": 5, "trigger_by": DAY}
            pool = p.funded(**trigger if name == "fire" else {})
            if name == "publish":
                return Built([], p.publish("operator", pool, RECORD, 100), pool)
            self.feeds.send(self.feeds.publish("opener", self.feed, [(5, 1)]))
            return Built([], p.fire("mallory", pool, 1), pool)
        if name == "veto":
            self.chain.at(0)
            pool = p.funded()
            p.send(p.publish("operator", pool, RECORD, 100))
            return Built([], p.veto("guardian", pool), pool)
        pool = self.full()
        tree = p.tree(pool, LEAVES)
        if name in ("claim", "allocate"):
            call = p.claim if name == "claim" else p.allocate
            return Built([], call("mallory", pool, LEAVES[1], tree.proof(1)), pool)
        if name == "set_vendor":
            return Built([], p.set_vendor("operator", pool, "carol"), pool)
        if name == "redeem":
            before = p.signature("alice", pool, "dave", 30, 0, UNTIL)
            return Built([before], p.redeem("mallory", pool, "alice", "dave", 30, UNTIL), pool)
        self.chain.at(EXPIRES_AT)
        if name == "refund":
            return Built([], p.refund("mallory", pool, "fiona"), pool)
        if name == "reclaim":
            return Built([], p.reclaim(pool, p.page(pool, 0)), pool)
        parts = [p.page(pool, 0), p.entry(pool, "alice", RECORD)]
        for part in (*parts, p.vendor(pool, "dave"), p.voucher(pool, "alice")):
            p.send(p.reclaim(pool, part))
        for funder in ("alice", "fiona"):
            p.send(p.refund("mallory", pool, funder))
        self.chain.put_token_account(p.vault(pool), pool, usd, 3)
        return Built([], p.close(pool), pool)

    def send(self, built: Built, ix: Instruction) -> None:
        self.payouts.send(*built.before, ix)

    def refuses(self, built: Built, ix: Instruction, error: str) -> None:
        with pytest.raises(Refused) as refused:
            self.send(built, ix)
        assert refused.value.name == error, refused.value

    def replaced(self, built: Built, name: str, account: str, address: Pubkey, error: str) -> None:
        at = self.payouts.interface.position(name, account)
        self.refuses(built, with_account(built.ix, at, address), error)


@pytest.fixture
def stage(payouts: Payouts) -> Stage:
    return Stage(payouts)


LISTED = {
    name: [snake(account["name"]) for account in entry["accounts"]]
    for name, entry in Interface("payouts").instructions.items()
}
NAMES = list(LISTED)


def having(account: str) -> list[str]:
    return [name for name, accounts in LISTED.items() if account in accounts]


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_is_valid(stage: Stage, name: str) -> None:
    """Each instruction that the other tests spoil succeeds unspoilt (and with more accounts)."""
    built = stage.build(name)
    more = [*built.ix.accounts, AccountMeta(Pubkey.new_unique(), False, False)]
    stage.send(built, with_accounts(built.ix, more))


SIGNED = [name for name in NAMES if name not in ("reclaim", "close")]


@pytest.mark.parametrize("name", SIGNED)
def test_signature_missing(stage: Stage, name: str) -> None:
    """G-5, G-11: the caller's; the payer's, who may be another."""
    built = stage.build(name)
    ix = built.ix
    if "payer" in LISTED[name]:
        ix = with_account(ix, 1, wallet("sponsor").pubkey())
        stage.refuses(built, with_flags(ix, 1, signer=False), "NotSigner")
    stage.refuses(built, with_flags(ix, 0, signer=False), "NotSigner")
    stage.send(built, ix)


@pytest.mark.parametrize("name", NAMES)
def test_shape(stage: Stage, name: str) -> None:
    """G-11: accounts missing, arguments too short or too long."""
    built = stage.build(name)
    ix, data = built.ix, bytes(built.ix.data)
    stage.refuses(built, with_accounts(ix, list(ix.accounts)[:-1]), "MissingAccount")
    stage.refuses(built, with_data(ix, data + b"\0"), "InvalidInstruction")
    if len(data) > 8:
        stage.refuses(built, with_data(ix, data[:-1]), "InvalidInstruction")


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
    stage.replaced(stage.build(name), name, account, TOKEN_2022, FIXED[account])


def fakes(stage: Stage, address: Pubkey) -> list[Pubkey]:
    """Copies of a state account with another owner, type or length; and what is nothing."""
    data = stage.chain.data(address)
    assert data is not None
    counter = stage.chain.data(stage.payouts.counter) or b""
    return [
        clone(stage.chain, address, owner=LOADER),
        clone(stage.chain, address, data=counter[:8] + data[8:]),
        clone(stage.chain, address, data=data + b"\0"),
        clone(stage.chain, address, data=data[:-1]),
        stage.payouts.counter,
    ]


@pytest.mark.parametrize("name", [name for name in having("pool") if name != "open"])
def test_pool_impostor(stage: Stage, name: str) -> None:
    """P-16, G-11"""
    built = stage.build(name)
    for fake in (*fakes(stage, built.pool), Pubkey.new_unique()):
        stage.replaced(built, name, "pool", fake, "WrongPool")


@pytest.mark.parametrize("name", having("vault"))
def test_vault(stage: Stage, name: str) -> None:
    """G-14: another pool's; another token account of this one's."""
    built = stage.build(name)
    besides = stage.chain.token_account(built.pool, stage.chain.token("usd"))
    for fake in (stage.payouts.vault(stage.other), besides):
        stage.replaced(built, name, "vault", fake, "WrongVault")


OWNERS = {"claim": "bob", "redeem": "dave", "refund": "fiona", "close": "operator"}


@pytest.mark.parametrize("name", having("destination"))
def test_destination(stage: Stage, name: str) -> None:
    """P-10, P-14, P-15, P-18, G-8"""
    built = stage.build(name)
    at = stage.payouts.interface.position(name, "destination")
    usd = stage.chain.token("usd")
    own = built.ix.accounts[at].pubkey
    data = stage.chain.data(own) or b""
    for fake in (
        stage.chain.token_account(wallet("mallory").pubkey(), usd),
        stage.payouts.vault(built.pool),
        clone(stage.chain, own, owner=LOADER),
        clone(stage.chain, own, data=data.ljust(355, b"\0")),
    ):
        stage.replaced(built, name, "destination", fake, "WrongTokenAccount")
    euros = stage.chain.token_account(wallet(OWNERS[name]).pubkey(), stage.chain.token("eur"))
    stage.replaced(built, name, "destination", euros, f"{TOKEN} 3")


@pytest.mark.parametrize("name", having("source"))
def test_source_of_somebody_else(stage: Stage, name: str) -> None:
    """P-5, P-6: the token program wants the owner's signature."""
    built = stage.build(name)
    bob = stage.chain.mint(wallet("bob").pubkey(), stage.chain.token("usd"), 1000)
    stage.replaced(built, name, "source", bob, f"{TOKEN} 4")


@pytest.mark.parametrize("name", having("rent_payer"))
def test_rent_payer(stage: Stage, name: str) -> None:
    """P-17, P-18, G-13"""
    thief = stage.chain.fund("mallory").pubkey()
    stage.replaced(stage.build(name), name, "rent_payer", thief, "WrongRentPayer")


# what a pool's accounts are: the instruction, the account, its error, and its seeds
ALICE, BOB, CAROL = (bytes(wallet(name).pubkey()) for name in ("alice", "bob", "carol"))
PARTS = [
    ("fund", "receipt", "WrongReceipt", [b"receipt", ALICE]),
    ("enter", "receipt", "WrongReceipt", [b"receipt", ALICE]),
    ("enter", "entry", "WrongEntry", [b"entry", ALICE, RECORD]),
    ("claim", "page", "WrongPage", [b"page", (1).to_bytes(8, "little")]),
    ("allocate", "page", "WrongPage", [b"page", (1).to_bytes(8, "little")]),
    ("allocate", "voucher", "WrongVoucher", [b"voucher", BOB]),
    ("set_vendor", "vendor_account", "WrongVendor", [b"vendor", CAROL]),
]


@pytest.mark.parametrize(("name", "account", "error", "seeds"), PARTS)
def test_what_is_created(
    stage: Stage, name: str, account: str, error: str, seeds: list[bytes]
) -> None:
    """G-3, G-11: at the canonical bump only, and of this pool."""
    built = stage.build(name)
    interface = stage.payouts.interface
    kind, *keys = seeds
    other_pool = interface.pda(kind, bytes(Pubkey.new_unique()), *keys)
    other_key = interface.pda(kind, bytes(built.pool), CAROL if keys[0] != CAROL else ALICE)
    for address in (
        off_bump(interface, kind, bytes(built.pool), *keys),
        other_pool,
        other_key,
        Pubkey.new_unique(),
    ):
        stage.replaced(built, name, account, address, error)


EXISTING = [
    ("fund", "receipt", "WrongReceipt", "fund"),
    ("enter", "receipt", "WrongReceipt", "fund"),
    ("claim", "page", "WrongPage", "claim"),
    ("allocate", "page", "WrongPage", "claim"),
    ("allocate", "voucher", "WrongVoucher", "allocate"),
    ("set_vendor", "vendor_account", "WrongVendor", "set_vendor"),
]


def elsewhere(stage: Stage, account: str, pool: Pubkey) -> list[Pubkey]:
    """Accounts of the same type: of the same key in the other pool, and of another in this."""
    p = stage.payouts
    if account == "receipt":
        stage.chain.mint(wallet("frank").pubkey(), stage.chain.token("usd"), 1)
        p.send(p.fund("frank", pool, 1))
        return [p.receipt(stage.other, "alice"), p.receipt(pool, "frank")]
    if account == "page":
        return [p.page(stage.other, PAGE), p.page(pool, 0)]
    if account == "voucher":
        return [p.voucher(stage.other, "bob"), p.voucher(pool, "alice")]
    p.send(p.set_vendor("operator", stage.other, "carol"))
    return [p.vendor(stage.other, "carol"), p.vendor(pool, "dave")]


@pytest.mark.parametrize(("name", "account", "error", "_"), EXISTING)
def test_what_exists(stage: Stage, name: str, account: str, error: str, _: str) -> None:
    """G-11: not of another pool, not of another key, not what only looks like it."""
    built = stage.build(name)
    others = elsewhere(stage, account, built.pool)
    for fake in (*others, *(f for f in fakes(stage, others[1]) if owned(stage, f))):
        stage.replaced(built, name, account, fake, error)


def owned(stage: Stage, address: Pubkey) -> bool:
    account = stage.chain.svm.get_account(address)
    return account is not None and account.owner == stage.payouts.interface.address


def test_entry_of_another_is_no_way_in(stage: Stage) -> None:
    """P-6: an account that exists is refused, whosever it is."""
    built = stage.build("enter")
    entry = stage.payouts.entry(stage.other, "alice", RECORD)
    stage.replaced(built, "enter", "entry", entry, "AlreadyEntered")


def test_free_entry_looks_at_no_receipt(stage: Stage) -> None:
    """P-6"""
    p = stage.payouts
    stage.chain.at(0)
    pool = p.opened(kind=ROUND, opens_at=0, closes_at=DAY, entry_fee=0)
    ix = p.enter("alice", pool, RECORD)
    at = p.interface.position("enter", "receipt")
    p.send(with_account(ix, at, p.receipt(stage.other, "alice")))


def test_redeem_takes_its_own_accounts(stage: Stage) -> None:
    """P-14: vouchers and vendors of this pool; the vendor's token account."""
    built = stage.build("redeem")
    p = stage.payouts
    for fake in (p.voucher(stage.other, "alice"), *fakes(stage, p.voucher(built.pool, "alice"))):
        stage.replaced(built, "redeem", "voucher", fake, "WrongVoucher")
    for fake in (
        p.vendor(stage.other, "dave"),
        p.vendor(built.pool, "carol"),
        *fakes(stage, p.vendor(built.pool, "dave")),
    ):
        stage.replaced(built, "redeem", "vendor_account", fake, "NotVendor")
    alice = stage.chain.token_account(wallet("alice").pubkey(), stage.chain.token("usd"))
    stage.replaced(built, "redeem", "destination", alice, "WrongTokenAccount")
    stage.replaced(built, "redeem", "instructions", SYSTEM, "InvalidSignature")


def test_refund_takes_a_receipt_of_its_pool(stage: Stage) -> None:
    """P-15"""
    built = stage.build("refund")
    p = stage.payouts
    wrong, _, *rest = fakes(stage, p.receipt(built.pool, "fiona"))
    stage.replaced(built, "refund", "receipt", wrong, "NothingToRefund")
    for fake in (p.receipt(stage.other, "fiona"), *rest):
        stage.replaced(built, "refund", "receipt", fake, "WrongReceipt")
    for fake in (p.page(built.pool, 0), p.voucher(built.pool, "alice"), built.pool):
        stage.replaced(built, "refund", "receipt", fake, "WrongReceipt")


def test_reclaim_takes_parts_of_its_pool(stage: Stage) -> None:
    """P-17: no receipt, no pool, no counter, nothing of another pool or program."""
    built = stage.build("reclaim")
    p = stage.payouts
    page = p.page(built.pool, 0)
    data = stage.chain.data(page)
    assert data is not None
    for fake in (
        p.receipt(built.pool, "fiona"),
        p.page(stage.other, 0),
        p.vendor(stage.other, "dave"),
        p.counter,
        p.creator_counter(wallet("opener").pubkey()),
        clone(stage.chain, page, owner=LOADER),
        clone(stage.chain, page, data=data[:72]),
        clone(stage.chain, page, data=data[:40]),
        clone(stage.chain, page, data=bytes(8) + data[8:]),
        Pubkey.new_unique(),
    ):
        stage.replaced(built, "reclaim", "part", fake, "WrongPart")
    # the pool itself, as a part of itself
    ix = with_account(built.ix, 1, built.pool)
    stage.refuses(built, ix, "WrongPart")


def test_feed(stage: Stage) -> None:
    """P-4, P-9: not another feed, not what looks like one."""
    built = stage.build("fire")
    other = stage.feeds.opened("opener")
    stage.feeds.send(stage.feeds.publish("opener", other, [(5, 1)]))
    stage.replaced(built, "fire", "feed", other, "WrongFeed")
    opening = stage.build("open")
    data = stage.chain.data(stage.feed)
    counter = stage.chain.data(stage.feeds.counter) or b""
    assert data is not None
    for fake in (
        clone(stage.chain, stage.feed, owner=stage.payouts.interface.address),
        clone(stage.chain, stage.feed, data=counter[:8] + data[8:]),
        clone(stage.chain, stage.feed, data=data[:-1]),
    ):
        stage.replaced(opening, "open", "feed", fake, "WrongFeed")


def test_project(stage: Stage) -> None:
    """P-1, Q-5: not what looks like a project."""
    built = stage.build("open")
    data = stage.chain.data(stage.project)
    counter = stage.chain.data(stage.projects.counter) or b""
    assert data is not None
    for fake in (
        clone(stage.chain, stage.project, owner=stage.payouts.interface.address),
        clone(stage.chain, stage.project, data=counter[:8] + data[8:]),
        clone(stage.chain, stage.project, data=data[:-1]),
        stage.projects.counter,
    ):
        stage.replaced(built, "open", "project", fake, "WrongProject")


OWNER = wallet("owner").pubkey()
CREATED = {
    "counter": ("WrongCounter", [b"counter"]),
    "creator_counter": ("WrongCreatorCounter", [b"creator", bytes(OWNER)]),
    "pool": ("WrongPool", [b"pool", bytes(OWNER), bytes(8)]),
    "vault": ("WrongVault", None),
}


@pytest.mark.parametrize("account", CREATED)
def test_what_open_creates(stage: Stage, account: str) -> None:
    """G-3, G-11: canonical bumps only, nobody else's counter."""
    built = stage.build("open")
    error, seeds = CREATED[account]
    p = stage.payouts
    opener = p.creator_counter(wallet("opener").pubkey())
    if seeds is None:
        seeds = [b"vault", bytes(p.pool(OWNER, 0))]
    wrong = [Pubkey.new_unique()]
    if account != "counter":
        wrong.append(off_bump(p.interface, *seeds))
    if account == "creator_counter":
        wrong += [opener, p.counter]
    if account == "counter":
        wrong += [opener, clone(stage.chain, p.counter, owner=LOADER)]
    if account == "pool":
        wrong.append(p.pool(OWNER, 1))
    for address in wrong:
        stage.replaced(built, "open", account, address, error)


@pytest.mark.parametrize("kind", ["owner", "uninitialised", "token account"])
def test_open_in_what_is_no_mint(stage: Stage, kind: str) -> None:
    """P-4, G-2"""
    built = stage.build("open")
    mint = stage.chain.token("usd")
    data = stage.chain.data(mint) or b""
    fake = {
        "owner": lambda: clone(stage.chain, mint, owner=TOKEN_2022),
        "uninitialised": lambda: clone(stage.chain, mint, data=data[:45] + b"\0" + data[46:]),
        "token account": lambda: stage.chain.token_account(OWNER, mint),
    }[kind]()
    stage.replaced(built, "open", "token", fake, "InvalidToken")


@pytest.mark.parametrize("name", NAMES)
def test_writable_accounts_must_be(stage: Stage, name: str) -> None:
    """The interface's `isMut` is needed: without it the runtime refuses."""
    built = stage.build(name)
    entries = stage.payouts.interface.instructions[name]["accounts"]
    keys = [m.pubkey for m in built.ix.accounts]
    for at, entry in enumerate(entries):
        if entry["isMut"] and keys.count(keys[at]) == 1:
            with pytest.raises(Refused):
                stage.send(built, with_flags(built.ix, at, writable=False))
    stage.send(built, built.ix)
