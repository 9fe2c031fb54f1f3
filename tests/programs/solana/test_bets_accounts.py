"""Every account of every instruction of bets, replaced by one that must not pass (G-11)."""

from collections.abc import Callable

import pytest
from onsvm.bets import DAY, Bets
from onsvm.chain import ARTIFACTS, SYSTEM, TOKEN, Chain, Refused, wallet
from onsvm.forge import clone, off_bump, with_account, with_accounts, with_data, with_flags
from onsvm.interface import snake
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")
NONCE_0 = bytes(8)


class Stage:
    """A market at the point where each instruction is valid, and a second one beside it."""

    def __init__(self, bets: Bets):
        self.bets = bets
        self.chain = bets.chain
        self.market = bets.opened()
        self.other = bets.opened("mallory")
        bets.placed("alice", self.market, 0, 600)
        bets.placed("bob", self.market, 1, 400)
        bets.placed("alice", self.other, 0, 50)
        self.alice = wallet("alice").pubkey()
        self.position = bets.position(self.market, self.alice, 0)

    def open(self) -> Instruction:
        return self.bets.open("carol")

    def open_first(self) -> Instruction:
        self.chain.put(self.bets.counter, SYSTEM, b"", 0)
        return self.bets.open("carol")

    def place(self) -> Instruction:
        self.chain.mint(self.alice, self.chain.token("usd"), 100)
        return self.bets.place("alice", self.market, 0, 100)

    def place_first(self) -> Instruction:
        self.chain.mint(self.alice, self.chain.token("usd"), 100)
        return self.bets.place("alice", self.market, 1, 100)

    def resolve(self) -> Instruction:
        self.chain.at(DAY)
        return self.bets.resolve("resolver", self.market, 0)

    def void(self) -> Instruction:
        self.chain.at(DAY)
        return self.bets.void("resolver", self.market)

    def claim(self) -> Instruction:
        self.bets.send(self.resolve())
        return self.bets.claim("carol", self.market, "alice", 0)

    def collect_fee(self) -> Instruction:
        self.bets.send(self.resolve())
        return self.bets.collect_fee("carol", self.market)

    def close_position(self) -> Instruction:
        self.bets.send(self.claim())
        return self.bets.close_position("carol", self.market, "alice", 0)

    def close(self) -> Instruction:
        self.bets.send(self.close_position())
        self.bets.send(self.bets.close_position("carol", self.market, "bob", 1))
        self.bets.send(self.bets.collect_fee("carol", self.market))
        self.chain.mint(self.market, self.chain.token("usd"), 0)
        self.chain.put_token_account(
            self.bets.vault(self.market), self.market, self.chain.token("usd"), 5
        )
        return self.bets.close("carol", self.market)

    def build(self, name: str) -> Instruction:
        return getattr(self, name)()


@pytest.fixture
def stage(bets: Bets) -> Stage:
    return Stage(bets)


NAMES = [
    "open", "open_first", "place", "place_first", "resolve", "void", "claim", "collect_fee",
    "close_position", "close",
]  # fmt: skip


def declared(name: str) -> str:
    return name.removesuffix("_first")


def refuses(stage: Stage, ix: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        stage.bets.send(ix)
    assert refused.value.name == error, refused.value


def having(account: str) -> list[str]:
    """Names of the instructions that list an account."""
    interface = Chain().interfaces["bets"]
    listed = interface.instructions
    return [
        name
        for name in NAMES
        if account in [snake(a["name"]) for a in listed[declared(name)]["accounts"]]
    ]


def swapped(stage: Stage, name: str, account: str, address: Pubkey) -> Instruction:
    ix = stage.build(name)
    return with_account(ix, stage.bets.interface.position(declared(name), account), address)


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_is_valid(stage: Stage, name: str) -> None:
    """Each instruction that the other tests spoil succeeds unspoilt (and with more accounts)."""
    ix = stage.build(name)
    more = with_accounts(ix, [*ix.accounts, AccountMeta(Pubkey.new_unique(), False, False)])
    stage.bets.send(more)


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("open", "creator"),
        ("open", "payer"),
        ("place", "bettor"),
        ("place", "payer"),
        ("resolve", "resolver"),
        ("void", "actor"),
        ("claim", "actor"),
        ("collect_fee", "actor"),
        ("close_position", "actor"),
        ("close", "actor"),
    ],
)
def test_signature_missing(stage: Stage, name: str, account: str) -> None:
    """G-5, G-11: who acts, and who pays, signs."""
    ix = stage.build(name)
    at = stage.bets.interface.position(name, account)
    if account == "payer":
        sponsor = stage.chain.fund("sponsor").pubkey()
        ix = with_account(ix, at, sponsor)
    elif name in ("open", "place"):
        payer = stage.bets.interface.position(name, "payer")
        ix = with_account(ix, payer, stage.chain.fund("sponsor").pubkey())
    refuses(stage, with_flags(ix, at, signer=False), "NotSigner")


@pytest.mark.parametrize("name", NAMES)
def test_missing_account(stage: Stage, name: str) -> None:
    """G-11"""
    ix = stage.build(name)
    refuses(stage, with_accounts(ix, list(ix.accounts)[:-1]), "MissingAccount")


@pytest.mark.parametrize("name", NAMES)
def test_arguments(stage: Stage, name: str) -> None:
    """G-11: arguments too short, too long; no such instruction."""
    ix = stage.build(name)
    data = bytes(ix.data)
    refuses(stage, with_data(ix, data + b"\0"), "InvalidInstruction")
    if len(data) > 8:
        refuses(stage, with_data(ix, data[:-1]), "InvalidInstruction")
    refuses(stage, with_data(ix, data[:7]), "InvalidInstruction")
    refuses(stage, with_data(ix, b"\xff" * 8 + data[8:]), "InvalidInstruction")


@pytest.mark.parametrize("name", NAMES)
def test_event_authority(stage: Stage, name: str) -> None:
    """G-5"""
    ix = swapped(stage, name, "event_authority", Pubkey.new_unique())
    refuses(stage, ix, "WrongEventAuthority")


@pytest.mark.parametrize("name", NAMES)
def test_program(stage: Stage, name: str) -> None:
    """G-5"""
    refuses(stage, swapped(stage, name, "program", TOKEN), "WrongProgram")


@pytest.mark.parametrize("name", having("token_program"))
def test_token_program(stage: Stage, name: str) -> None:
    """G-2"""
    refuses(stage, swapped(stage, name, "token_program", TOKEN_2022), "WrongTokenProgram")


@pytest.mark.parametrize("name", having("system_program"))
def test_system_program(stage: Stage, name: str) -> None:
    """G-11"""
    refuses(stage, swapped(stage, name, "system_program", TOKEN), "WrongSystemProgram")


def test_another_address_runs_the_program(chain: Chain, bets: Bets) -> None:
    """G-11: a copy at another address would have other PDAs."""
    copy = Pubkey.new_unique()
    chain.svm.add_program(copy, (ARTIFACTS / "bets.so").read_bytes())
    ix = bets.open()
    copied = Instruction(copy, bytes(ix.data), list(ix.accounts))
    with pytest.raises(Refused) as refused:
        bets.send(copied)
    assert refused.value.name == f"{copy} 6003"


# ---- events ----


def event_call(bets: Bets, metas: list[AccountMeta]) -> Instruction:
    tag = bytes.fromhex("e445a52e51cb9a1d")
    return Instruction(bets.interface.address, tag + bytes(100), metas)


def test_forged_event(stage: Stage) -> None:
    """G-5: an event counts only with the event authority's signature."""
    bets = stage.bets
    authority = AccountMeta(bets.interface.event_authority, False, False)
    refuses(stage, event_call(bets, [authority]), "WrongEventAuthority")
    mallory = AccountMeta(stage.chain.fund("mallory").pubkey(), True, False)
    refuses(stage, event_call(bets, [mallory]), "WrongEventAuthority")
    refuses(stage, event_call(bets, []), "MissingAccount")
    refuses(stage, event_call(bets, [mallory, authority]), "MissingAccount")


# ---- state accounts ----


def impostors(stage: Stage, address: Pubkey, sibling: Pubkey) -> dict[str, Pubkey]:
    """Accounts that look like the state at `address` but for one thing; `sibling` is state of
    another type."""
    program = stage.bets.interface.address
    data = stage.chain.data(address)
    assert data is not None
    other_type = (stage.chain.data(sibling) or b"")[:8] + data[8:]
    return {
        "owner": clone(stage.chain, address, owner=LOADER),
        "discriminator": clone(stage.chain, address, data=other_type),
        "longer": clone(stage.chain, address, owner=program, data=data + b"\0"),
        "shorter": clone(stage.chain, address, owner=program, data=data[:-1]),
        "empty": clone(stage.chain, address, owner=program, data=b""),
        "none": Pubkey.new_unique(),
    }


KINDS = ["owner", "discriminator", "longer", "shorter", "empty", "none"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [n for n in having("market") if not n.startswith("open")])
def test_market_impostor(stage: Stage, name: str, kind: str) -> None:
    """G-11, B-18"""
    ix = stage.build(name)
    fake = impostors(stage, stage.market, stage.bets.counter)[kind]
    at = stage.bets.interface.position(declared(name), "market")
    refuses(stage, with_account(ix, at, fake), "WrongMarket")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", having("position"))
def test_position_impostor(stage: Stage, name: str, kind: str) -> None:
    """G-11"""
    ix = stage.build(name)
    fake = impostors(stage, stage.position, stage.market)[kind]
    at = stage.bets.interface.position(declared(name), "position")
    refuses(stage, with_account(ix, at, fake), "WrongPosition")


@pytest.mark.parametrize("name", having("position"))
def test_position_of_another_market(stage: Stage, name: str) -> None:
    """G-11"""
    other = stage.bets.position(stage.other, stage.alice, 0)
    refuses(stage, swapped(stage, name, "position", other), "WrongPosition")


def test_place_into_another_position(stage: Stage) -> None:
    """B-8: not another bettor's, not another outcome's."""
    bob = stage.bets.position(stage.market, wallet("bob").pubkey(), 1)
    ix = stage.place_first()  # alice on outcome 1
    at = stage.bets.interface.position("place", "position")
    refuses(stage, with_account(ix, at, bob), "WrongPosition")
    refuses(stage, with_account(ix, at, stage.position), "WrongPosition")


@pytest.mark.parametrize("name", having("position"))
def test_market_is_no_position(stage: Stage, name: str) -> None:
    """G-11: one account twice."""
    refuses(stage, swapped(stage, name, "position", stage.market), "WrongPosition")


@pytest.mark.parametrize("name", having("vault"))
def test_vault_of_another_market(stage: Stage, name: str) -> None:
    """G-14"""
    vault = stage.bets.vault(stage.other)
    refuses(stage, swapped(stage, name, "vault", vault), "WrongVault")


@pytest.mark.parametrize("name", [n for n in having("vault") if not n.startswith("open")])
def test_vault_that_the_market_owns_besides(stage: Stage, name: str) -> None:
    """G-14: a token account of the market's that is not its vault."""
    besides = stage.chain.token_account(stage.market, stage.chain.token("usd"))
    refuses(stage, swapped(stage, name, "vault", besides), "WrongVault")


# ---- token accounts ----

PAYING = having("destination")


def receiver(name: str) -> str:
    return "alice" if name == "claim" else "treasury"


@pytest.mark.parametrize("name", PAYING)
def test_destination_of_somebody_else(stage: Stage, name: str) -> None:
    """G-8"""
    stolen = stage.chain.token_account(wallet("mallory").pubkey(), stage.chain.token("usd"))
    refuses(stage, swapped(stage, name, "destination", stolen), "WrongTokenAccount")


@pytest.mark.parametrize("name", PAYING)
def test_destination_is_the_vault(stage: Stage, name: str) -> None:
    """G-8: paying the vault to itself."""
    vault = stage.bets.vault(stage.market)
    refuses(stage, swapped(stage, name, "destination", vault), "WrongTokenAccount")


@pytest.mark.parametrize("name", PAYING)
def test_destination_of_another_program(stage: Stage, name: str) -> None:
    """G-8: bytes of a token account that the token program does not own."""
    owner = wallet(receiver(name)).pubkey()
    real = stage.chain.token_account(owner, stage.chain.token("usd"))
    fake = clone(stage.chain, real, owner=LOADER)
    refuses(stage, swapped(stage, name, "destination", fake), "WrongTokenAccount")


@pytest.mark.parametrize("name", PAYING)
@pytest.mark.parametrize("size", [355, 82, 32, 0])
def test_destination_of_another_size(stage: Stage, name: str, size: int) -> None:
    """G-8: a multisig or a mint whose bytes name the receiver."""
    owner = wallet(receiver(name)).pubkey()
    real = stage.chain.token_account(owner, stage.chain.token("usd"))
    data = (stage.chain.data(real) or b"").ljust(355, b"\0")[:size]
    fake = clone(stage.chain, real, data=data)
    refuses(stage, swapped(stage, name, "destination", fake), "WrongTokenAccount")


@pytest.mark.parametrize("name", PAYING)
def test_destination_of_another_mint(stage: Stage, name: str) -> None:
    """G-8: the token program compares mints."""
    owner = wallet(receiver(name)).pubkey()
    other = stage.chain.token_account(owner, stage.chain.token("eur"))
    refuses(stage, swapped(stage, name, "destination", other), f"{TOKEN} 3")


def test_any_account_of_the_bettor(stage: Stage) -> None:
    """G-8: the associated account or any other that the bettor owns."""
    ix = stage.claim()
    besides = Pubkey.new_unique()
    stage.chain.put_token_account(besides, stage.alice, stage.chain.token("usd"), 0)
    at = stage.bets.interface.position("claim", "destination")
    stage.bets.send(with_account(ix, at, besides))
    assert stage.chain.balance(besides) == 980


def test_source_of_somebody_else(stage: Stage) -> None:
    """B-8: the token program wants the owner's signature."""
    bob = stage.chain.mint(wallet("bob").pubkey(), stage.chain.token("usd"), 100)
    refuses(stage, swapped(stage, "place", "source", bob), f"{TOKEN} 4")


def test_source_is_the_vault(stage: Stage) -> None:
    """B-8: the market's own money is no stake."""
    vault = stage.bets.vault(stage.market)
    refuses(stage, swapped(stage, "place", "source", vault), f"{TOKEN} 4")


# ---- rent payers ----


@pytest.mark.parametrize("name", having("rent_payer"))
def test_rent_payer(stage: Stage, name: str) -> None:
    """G-13"""
    thief = stage.chain.fund("mallory").pubkey()
    refuses(stage, swapped(stage, name, "rent_payer", thief), "WrongRentPayer")


# ---- what open creates ----


def open_seeds(stage: Stage, account: str) -> list[bytes]:
    carol = bytes(wallet("carol").pubkey())
    market = bytes(stage.bets.market(wallet("carol").pubkey(), 0))
    return {
        "counter": [b"counter"],
        "creator_counter": [b"creator", carol],
        "market": [b"market", carol, NONCE_0],
        "vault": [b"vault", market],
    }[account]


CREATED = {
    "counter": "WrongCounter",
    "creator_counter": "WrongCreatorCounter",
    "market": "WrongMarket",
    "vault": "WrongVault",
}


@pytest.mark.parametrize(("account", "error"), CREATED.items())
def test_open_at_another_bump(stage: Stage, account: str, error: str) -> None:
    """G-11: canonical bumps only."""
    address = off_bump(stage.bets.interface, *open_seeds(stage, account))
    refuses(stage, swapped(stage, "open_first", account, address), error)


@pytest.mark.parametrize(("account", "error"), CREATED.items())
def test_open_at_another_address(stage: Stage, account: str, error: str) -> None:
    """G-11"""
    refuses(stage, swapped(stage, "open_first", account, Pubkey.new_unique()), error)


def test_open_with_another_nonce(stage: Stage) -> None:
    """G-3: a creator's next market only."""
    ahead = stage.bets.market(wallet("carol").pubkey(), 1)
    refuses(stage, swapped(stage, "open", "market", ahead), "WrongMarket")


@pytest.mark.parametrize("kind", ["owner", "discriminator", "longer", "shorter", "empty"])
def test_counter_impostor(stage: Stage, kind: str) -> None:
    """G-4, G-11"""
    fake = impostors(stage, stage.bets.counter, stage.market)[kind]
    refuses(stage, swapped(stage, "open", "counter", fake), "WrongCounter")


@pytest.mark.parametrize("kind", ["owner", "discriminator", "longer", "shorter", "empty"])
def test_creator_counter_impostor(stage: Stage, kind: str) -> None:
    """G-3, G-11"""
    stage.bets.opened("carol")
    own = stage.bets.creator_counter(wallet("carol").pubkey())
    fake = impostors(stage, own, stage.market)[kind]
    refuses(stage, swapped(stage, "open", "creator_counter", fake), "WrongCreatorCounter")


def test_creator_counter_of_somebody_else(stage: Stage) -> None:
    """G-3"""
    other = stage.bets.creator_counter(wallet("mallory").pubkey())
    refuses(stage, swapped(stage, "open", "creator_counter", other), "WrongCreatorCounter")


def mint_impostor(change: str) -> Callable[[Stage], Pubkey]:
    def make(stage: Stage) -> Pubkey:
        mint = stage.chain.token("usd")
        data = stage.chain.data(mint)
        assert data is not None
        if change == "owner":
            return clone(stage.chain, mint, owner=TOKEN_2022)
        if change == "uninitialised":
            return clone(stage.chain, mint, data=data[:45] + b"\0" + data[46:])
        if change == "token account":
            return stage.chain.token_account(stage.alice, mint)
        if change == "longer":
            return clone(stage.chain, mint, data=data + b"\1")
        return clone(stage.chain, mint, data=b"")

    return make


@pytest.mark.parametrize("change", ["owner", "uninitialised", "token account", "longer", "empty"])
def test_open_in_what_is_no_mint(stage: Stage, change: str) -> None:
    """B-5, G-2"""
    fake = mint_impostor(change)(stage)
    refuses(stage, swapped(stage, "open", "token", fake), "InvalidToken")


def test_place_at_another_bump(stage: Stage) -> None:
    """G-11"""
    seeds = (b"position", bytes(stage.market), bytes(stage.alice), b"\1")
    address = off_bump(stage.bets.interface, *seeds)
    refuses(stage, swapped(stage, "place_first", "position", address), "WrongPosition")


# ---- flags ----


@pytest.mark.parametrize("name", NAMES)
def test_writable_accounts_must_be(stage: Stage, name: str) -> None:
    """The interface's `isMut` is needed: without it the runtime refuses."""
    ix = stage.build(name)
    entries = stage.bets.interface.instructions[declared(name)]["accounts"]
    keys = [m.pubkey for m in ix.accounts]
    unused = {"place": {"payer"}, "open": set[str]()}.get(name, set[str]())
    for at, entry in enumerate(entries):
        writable = entry["isMut"] and keys.count(keys[at]) == 1
        if writable and entry["name"] not in unused:
            with pytest.raises(Refused):
                stage.bets.send(with_flags(ix, at, writable=False))
    stage.bets.send(ix)
