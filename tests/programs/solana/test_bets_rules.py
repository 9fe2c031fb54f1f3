"""The rules of bets, B-1 to B-18, each where it bites and next to where it does not."""

import pytest
from onsvm.bets import DAY, OPEN, RESOLVED, VOIDED, Bets
from onsvm.chain import FROZEN, START, SYSTEM, TOKEN, Receipt, Refused, wallet
from onsvm.forge import with_account
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

U64 = 2**64 - 1
PERIOD = 366 * DAY
ZERO = Pubkey.from_bytes(bytes(32))


def refuses(bets: Bets, ix: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        bets.send(ix)
    assert refused.value.name == error, refused.value


def only_event(receipt: Receipt) -> tuple[str, dict[str, object]]:
    (event,) = receipt.events
    return event.name, event.fields


def settled(bets: Bets, stakes: dict[str, tuple[int, int]], winner: int, **args: int) -> Pubkey:
    """A market resolved for `winner`; stakes: bettor → (outcome, amount)."""
    market = bets.opened(**args)
    for bettor, (outcome, amount) in stakes.items():
        bets.placed(bettor, market, outcome, amount)
    bets.chain.at(bets.read(market)["close_at"] - bets.chain.now + elapsed(bets))
    bets.send(bets.resolve("resolver", market, winner))
    return market


def elapsed(bets: Bets) -> int:
    return bets.chain.now - START


def usd(bets: Bets, name: str) -> int:
    chain = bets.chain
    return chain.balance(chain.token_account(wallet(name).pubkey(), chain.token("usd")))


# ---- open ----


def test_open(bets: Bets) -> None:
    """B-1, G-3, G-4"""
    market = bets.next_market("opener")
    name, event = only_event(bets.send(bets.open(outcome_count=3, fee_bps=250)))
    state = bets.read(market)
    opener = wallet("opener").pubkey()
    now = bets.chain.now
    assert name == "MarketOpened"
    assert event == {
        "market": market,
        "seq": 1,
        "actor": opener,
        "nonce": 0,
        "resolver": wallet("resolver").pubkey(),
        "token": bets.chain.token("usd"),
        "subject": bytes([1]) * 32,
        "question": bytes([2]) * 32,
        "outcome_count": 3,
        "close_at": now + DAY,
        "resolve_by": now + 2 * DAY,
        "fee_bps": 250,
        "fee_recipient": wallet("treasury").pubkey(),
        "status_after": OPEN,
        "cid": "bafkreigh2akiscaildc",
        "title": "Who wins?",
    }
    for field in ("resolver", "token", "subject", "question", "close_at", "resolve_by", "fee_bps"):
        assert state[field] == event[field]
    assert state["creator"] == opener
    assert state["rent_payer"] == opener
    assert state["vault"] == bets.vault(market)
    assert state["seq"] == 1
    assert state["status"] == OPEN
    assert state["outcome"] == 255
    assert state["pools"] == [0] * 16
    assert state["total"] == 0
    assert state["positions"] == 0
    assert bets.read(bets.counter)["markets"] == 1
    assert bets.read(bets.creator_counter(opener))["next_nonce"] == 1


def test_ids_follow_the_creators_counter(bets: Bets) -> None:
    """G-3, G-4: also after a market has been closed."""
    first, second = bets.opened(), bets.opened()
    other = bets.opened("carol")
    assert len({first, second, other}) == 3
    assert bets.read(bets.counter)["markets"] == 3
    bets.chain.at(2 * DAY + 1)
    bets.send(bets.void("dave", first))
    bets.send(bets.close("dave", first))
    assert bets.opened() not in (first, second)
    assert bets.read(bets.counter)["markets"] == 4


def test_vault(bets: Bets) -> None:
    """G-14: owner, mint, nothing else that could move it."""
    market = bets.opened()
    data = bets.chain.data(bets.vault(market)) or b""
    assert data[:32] == bytes(bets.chain.token("usd"))
    assert data[32:64] == bytes(market)
    no_delegate, initialised = bytes(36), b"\1"
    assert data[72:109] == no_delegate + initialised
    no_close_authority = bytes(36)
    assert data[129:165] == no_close_authority


@pytest.mark.parametrize("count", [2, 16])
def test_outcome_count(bets: Bets, count: int) -> None:
    """B-2"""
    bets.opened(outcome_count=count)


@pytest.mark.parametrize("count", [0, 1, 17, 255])
def test_outcome_count_out_of_range(bets: Bets, count: int) -> None:
    """B-2"""
    refuses(bets, bets.open(outcome_count=count), "InvalidOutcomeCount")


def test_fee(bets: Bets) -> None:
    """B-2"""
    bets.opened(fee_bps=0)
    bets.opened(fee_bps=1000)
    refuses(bets, bets.open(fee_bps=1001), "FeeTooHigh")
    refuses(bets, bets.open(fee_bps=65_535), "FeeTooHigh")


def test_close_time(bets: Bets) -> None:
    """B-3, G-9"""
    bets.opened(close_at=1, resolve_by=2)
    bets.opened(close_at=PERIOD, resolve_by=PERIOD + 1)
    for close_at in (0, -1, -(2**62), PERIOD + 1, 2**62):
        ix = bets.open(close_at=close_at, resolve_by=close_at + 1)
        refuses(bets, ix, "InvalidCloseTime")


def test_resolve_time(bets: Bets) -> None:
    """B-4, G-9"""
    bets.opened(close_at=DAY, resolve_by=DAY + 1)
    bets.opened(close_at=DAY, resolve_by=DAY + PERIOD)
    for resolve_by in (DAY, DAY - 1, -(2**62), DAY + PERIOD + 1, 2**63 - 1):
        ix = bets.open(close_at=DAY, resolve_by=resolve_by)
        refuses(bets, ix, "InvalidResolveTime")


def test_zero_addresses(bets: Bets) -> None:
    """B-5"""
    refuses(bets, bets.open(resolver=ZERO), "ZeroAddress")
    refuses(bets, bets.open(fee_recipient=ZERO), "ZeroAddress")


def test_text(bets: Bets) -> None:
    """B-5, G-6: 700 bytes in a transaction with a lookup table."""
    table = [
        bets.counter, bets.interface.event_authority, bets.chain.token("usd"), SYSTEM,
        bets.interface.address,
    ]  # fmt: skip
    receipt = bets.send(bets.open(cid="é" * 30, title="x" * 640), table=table[:4])
    assert only_event(receipt)[1]["title"] == "x" * 640
    ix = bets.open(cid="é" * 30, title="x" * 641)
    with pytest.raises(Refused) as refused:
        bets.send(ix, table=table[:4])
    assert refused.value.name == "TextTooLong"
    bets.opened(cid="", title="")


def test_text_need_not_be_utf8(bets: Bets) -> None:
    """G-6: bytes pass as they are."""
    ix = bets.open(title="abc")
    ix = Instruction(ix.program_id, bytes(ix.data)[:-3] + b"\xff\0\xfe", list(ix.accounts))
    with pytest.raises(UnicodeDecodeError):
        bets.send(ix)


def test_open_paid_by_another(bets: Bets) -> None:
    """G-13"""
    before = bets.chain.lamports(bets.chain.fund("opener").pubkey())
    market = bets.next_market("opener")
    bets.send(bets.open(payer="sponsor"))
    assert bets.read(market)["rent_payer"] == wallet("sponsor").pubkey()
    assert bets.chain.lamports(wallet("opener").pubkey()) == before


@pytest.mark.parametrize("lamports", [1, 1_000_000, 10_000_000])
def test_lamports_sent_ahead(bets: Bets, lamports: int) -> None:
    """G-12: to every address that open and place create; less, and more, than their rent."""
    opener, alice = wallet("opener").pubkey(), wallet("alice").pubkey()
    market = bets.market(opener, 0)
    mallory = bets.chain.fund("mallory").pubkey()
    addresses = [
        bets.counter,
        bets.creator_counter(opener),
        market,
        bets.vault(market),
        bets.position(market, alice, 0),
    ]
    for address in addresses:
        bets.chain.svm.airdrop(address, lamports)
    assert mallory
    assert bets.opened() == market
    bets.placed("alice", market, 0, 5)
    for address in addresses:
        assert bets.chain.lamports(address) >= lamports
    assert bets.chain.balance(bets.vault(market)) == 5
    assert bets.read(market)["total"] == 5


def test_lamports_sent_ahead_are_topped_up_only(bets: Bets) -> None:
    """G-12: the payer pays what is missing."""
    market = bets.opened()
    position = bets.position(market, bets.chain.fund("alice").pubkey(), 0)
    bets.placed("alice", market, 1, 1)
    rent = bets.chain.lamports(bets.position(market, wallet("alice").pubkey(), 1))
    ahead = rent - 7
    bets.chain.svm.airdrop(position, ahead)
    before = bets.chain.lamports(wallet("alice").pubkey())
    bets.placed("alice", market, 0, 1)
    assert bets.chain.lamports(position) == rent
    assert bets.chain.lamports(wallet("alice").pubkey()) == before - 7


# ---- place ----


def test_place(bets: Bets) -> None:
    """B-8: two places of one bettor are one position; others stand beside it."""
    market = bets.opened(outcome_count=3)
    alice, bob = wallet("alice").pubkey(), wallet("bob").pubkey()
    bets.placed("alice", market, 0, 100)
    name, event = only_event(bets.placed("alice", market, 0, 50))
    assert name == "BetPlaced"
    assert event == {
        "market": market,
        "seq": 3,
        "actor": alice,
        "bettor": alice,
        "outcome": 0,
        "amount": 50,
        "stake_after": 150,
        "pool_after": 150,
        "total_after": 150,
    }
    bets.placed("alice", market, 2, 7)
    _, event = only_event(bets.placed("bob", market, 0, 1))
    assert (event["stake_after"], event["pool_after"], event["total_after"]) == (1, 151, 158)
    state = bets.read(market)
    assert state["pools"] == [151, 0, 7] + [0] * 13
    assert state["total"] == 158 == bets.chain.balance(bets.vault(market))
    assert state["positions"] == 3
    position = bets.read(bets.position(market, bob, 0))
    assert position == {
        "market": market,
        "bettor": bob,
        "rent_payer": bob,
        "stake": 1,
        "outcome": 0,
        "claimed": False,
        "bump": position["bump"],
    }


def test_place_until_the_close(bets: Bets) -> None:
    """B-6: now < close_at"""
    market = bets.opened()
    bets.chain.at(DAY - 1)
    bets.placed("alice", market, 0, 1)
    ix = bets.place("alice", market, 0, 1)
    bets.chain.at(DAY)
    refuses(bets, ix, "BettingClosed")


def test_place_only_while_open(bets: Bets) -> None:
    """B-6: a settled market is refused as such, also when its clock is set back."""
    market = settled(bets, {"alice": (0, 1)}, 0)
    refuses(bets, bets.place("alice", market, 0, 1), "MarketNotOpen")
    bets.chain.at(0)
    refuses(bets, bets.place("alice", market, 0, 1), "MarketNotOpen")


def test_place_arguments(bets: Bets) -> None:
    """B-7"""
    market = bets.opened(outcome_count=3)
    bets.chain.mint(wallet("alice").pubkey(), bets.chain.token("usd"), 10)
    for outcome in (3, 16, 255):
        refuses(bets, bets.place("alice", market, outcome, 1), "InvalidOutcome")
    refuses(bets, bets.place("alice", market, 0, 0), "ZeroAmount")
    bets.send(bets.place("alice", market, 2, 10))


def test_place_what_one_does_not_have(bets: Bets) -> None:
    """B-8"""
    market = bets.opened()
    bets.placed("alice", market, 0, 5)
    with pytest.raises(Refused) as refused:
        bets.send(bets.place("alice", market, 0, 1))
    assert refused.value.name.endswith(" 1")  # the token's InsufficientFunds
    assert bets.read(market)["total"] == 5


def test_place_to_the_edge(bets: Bets) -> None:
    """B-8, G-1: a sum past u64 is Overflow; u64 itself is not."""
    market = bets.opened()
    bets.placed("alice", market, 0, U64 - 1)
    bets.placed("bob", market, 1, 1)
    vault = bets.vault(market)
    assert bets.chain.balance(vault) == U64
    for outcome in (0, 1):
        refuses(bets, bets.place("alice", market, outcome, 1), "Overflow")
    bets.chain.at(DAY)
    bets.send(bets.resolve("resolver", market, 0))
    assert bets.read(market)["fee"] == 0
    bets.send(bets.claim("bob", market, "alice", 0))
    assert usd(bets, "alice") == U64


def test_place_paid_by_another(bets: Bets) -> None:
    """G-13: a sponsor pays the position's rent and gets it back."""
    market = bets.opened()
    bets.chain.mint(bets.chain.fund("alice").pubkey(), bets.chain.token("usd"), 5)
    before = bets.chain.lamports(bets.chain.fund("sponsor").pubkey())
    bets.send(bets.place("alice", market, 0, 5, payer="sponsor"))
    assert bets.chain.lamports(wallet("sponsor").pubkey()) < before
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    bets.send(bets.claim("alice", market, "alice", 0))
    _, event = only_event(bets.send(bets.close_position("dave", market, "alice", 0)))
    assert event["rent_payer"] == wallet("sponsor").pubkey()
    assert bets.chain.lamports(wallet("sponsor").pubkey()) == before


# ---- resolve ----


def test_resolve(bets: Bets) -> None:
    """B-10: fee only on what the losers staked, rounded down."""
    market = bets.opened(fee_bps=333)
    bets.placed("alice", market, 0, 1000)
    bets.placed("bob", market, 1, 777)
    bets.chain.at(DAY)
    name, event = only_event(bets.send(bets.resolve("resolver", market, 0)))
    fee = 777 * 333 // 10_000
    assert name == "MarketResolved"
    assert event == {
        "market": market,
        "seq": 4,
        "actor": wallet("resolver").pubkey(),
        "outcome": 0,
        "winning_pool": 1000,
        "fee": fee,
        "net": 1777 - fee,
        "status_after": RESOLVED,
    }
    state = bets.read(market)
    assert [state[k] for k in ("status", "outcome", "winning_pool", "fee", "net", "seq")] == [
        RESOLVED, 0, 1000, fee, 1777 - fee, 4,
    ]  # fmt: skip


def test_resolve_by_the_resolver_only(bets: Bets) -> None:
    """B-9"""
    market = bets.opened()
    bets.chain.at(DAY)
    for name in ("opener", "treasury", "mallory"):
        refuses(bets, bets.resolve(name, market, 0), "NotResolver")


def test_resolve_in_time(bets: Bets) -> None:
    """B-9: close_at ≤ now ≤ resolve_by"""
    market = bets.opened()
    bets.placed("alice", market, 0, 1)
    bets.chain.at(DAY - 1)
    refuses(bets, bets.resolve("resolver", market, 0), "TooEarly")
    bets.chain.at(2 * DAY + 1)
    refuses(bets, bets.resolve("resolver", market, 0), "TooLate")
    bets.chain.at(2 * DAY)
    refuses(bets, bets.resolve("resolver", market, 2), "InvalidOutcome")
    bets.send(bets.resolve("resolver", market, 0))
    refuses(bets, bets.resolve("resolver", market, 1), "MarketNotOpen")


def test_resolve_at_the_close(bets: Bets) -> None:
    """B-9"""
    market = bets.opened()
    bets.placed("alice", market, 0, 1)
    bets.chain.at(DAY)
    bets.send(bets.resolve("resolver", market, 0))


@pytest.mark.parametrize("staked", [0, 5])
def test_resolve_without_winners_voids(bets: Bets, staked: int) -> None:
    """B-11"""
    market = bets.opened()
    if staked:
        bets.placed("alice", market, 0, staked)
    bets.chain.at(DAY)
    name, event = only_event(bets.send(bets.resolve("resolver", market, 1)))
    assert name == "MarketVoided"
    assert event["status_after"] == VOIDED
    state = bets.read(market)
    assert (state["status"], state["fee"], state["net"], state["outcome"]) == (
        VOIDED, 0, staked, 255,
    )  # fmt: skip


# ---- void ----


def test_void_by_the_resolver(bets: Bets) -> None:
    """B-12"""
    market = bets.opened()
    bets.placed("alice", market, 0, 9)
    bets.chain.at(DAY - 1)
    refuses(bets, bets.void("resolver", market), "TooEarly")
    bets.chain.at(DAY)
    name, event = only_event(bets.send(bets.void("resolver", market)))
    assert (name, event["seq"], event["status_after"]) == ("MarketVoided", 3, VOIDED)
    assert bets.read(market)["net"] == 9
    refuses(bets, bets.void("resolver", market), "MarketNotOpen")
    refuses(bets, bets.resolve("resolver", market, 0), "MarketNotOpen")


def test_void_by_anyone(bets: Bets) -> None:
    """B-12, G-9: only after resolve_by."""
    market = bets.opened()
    bets.chain.at(2 * DAY)
    refuses(bets, bets.void("mallory", market), "NotResolver")
    bets.chain.at(2 * DAY + 1)
    _, event = only_event(bets.send(bets.void("mallory", market)))
    assert event["actor"] == wallet("mallory").pubkey()


# ---- claim ----


def test_claim(bets: Bets) -> None:
    """B-13, B-14: called by anyone, paid to the bettor, once."""
    stakes = {"alice": (0, 600), "bob": (0, 400), "carol": (1, 501)}
    market = settled(bets, stakes, 0, fee_bps=100)
    net = 1501 - 5
    alice = wallet("alice").pubkey()
    name, event = only_event(bets.send(bets.claim("mallory", market, "alice", 0)))
    payout = 600 * net // 1000
    assert name == "BetClaimed"
    assert event == {
        "market": market,
        "seq": 6,
        "actor": wallet("mallory").pubkey(),
        "bettor": alice,
        "outcome": 0,
        "stake": 600,
        "payout": payout,
        "paid_after": payout,
    }
    assert usd(bets, "alice") == payout
    assert usd(bets, "mallory") == 0
    refuses(bets, bets.claim("alice", market, "alice", 0), "AlreadyClaimed")
    refuses(bets, bets.claim("carol", market, "carol", 1), "NothingToClaim")
    bets.send(bets.claim("bob", market, "bob", 0))
    assert usd(bets, "bob") == 400 * net // 1000
    assert bets.read(market)["paid"] == payout + 400 * net // 1000


def test_claim_of_a_voided_market(bets: Bets) -> None:
    """B-14: every stake back, whatever the outcome."""
    market = bets.opened(fee_bps=1000)
    bets.placed("alice", market, 0, 70)
    bets.placed("alice", market, 1, 30)
    bets.chain.at(2 * DAY + 1)
    bets.send(bets.void("bob", market))
    for outcome, stake in ((0, 70), (1, 30)):
        _, event = only_event(bets.send(bets.claim("bob", market, "alice", outcome)))
        assert event["payout"] == stake
    refuses(bets, bets.claim("alice", market, "alice", 1), "AlreadyClaimed")
    assert usd(bets, "alice") == 100
    assert bets.chain.balance(bets.vault(market)) == 0


def test_claim_of_an_open_market(bets: Bets) -> None:
    """B-13"""
    market = bets.opened()
    bets.placed("alice", market, 0, 70)
    refuses(bets, bets.claim("alice", market, "alice", 0), "MarketNotSettled")


def test_a_donation_changes_no_payout(bets: Bets) -> None:
    """G-7"""
    market = settled(bets, {"alice": (0, 10), "bob": (1, 10)}, 0, fee_bps=0)
    usd_mint = bets.chain.token("usd")
    bets.chain.put_token_account(bets.vault(market), market, usd_mint, 1_000_000)
    bets.send(bets.claim("alice", market, "alice", 0))
    assert usd(bets, "alice") == 20


# ---- fee ----


def test_collect_fee(bets: Bets) -> None:
    """B-15"""
    market = settled(bets, {"alice": (0, 10), "bob": (1, 1000)}, 0)
    name, event = only_event(bets.send(bets.collect_fee("mallory", market)))
    treasury = wallet("treasury").pubkey()
    assert name == "FeeCollected"
    assert (event["recipient"], event["amount"], event["paid_after"]) == (treasury, 50, 50)
    assert usd(bets, "treasury") == 50
    refuses(bets, bets.collect_fee("mallory", market), "FeeAlreadyCollected")


def test_no_fee(bets: Bets) -> None:
    """B-15: open, voided, and without losers."""
    market = bets.opened()
    bets.placed("alice", market, 0, 10)
    refuses(bets, bets.collect_fee("alice", market), "MarketNotSettled")
    bets.chain.at(DAY)
    bets.send(bets.resolve("resolver", market, 0))
    refuses(bets, bets.collect_fee("alice", market), "NoFee")
    bets.chain.at(0)
    other = bets.opened()
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", other))
    refuses(bets, bets.collect_fee("alice", other), "NoFee")


# ---- closing ----


def test_close_position(bets: Bets) -> None:
    """B-16, G-13: a loser at once, a winner once paid."""
    market = bets.opened()
    bets.placed("bob", market, 1, 1)
    lamports = bets.chain.lamports(bets.chain.fund("alice").pubkey())
    bets.placed("alice", market, 0, 1)
    refuses(bets, bets.close_position("dave", market, "alice", 0), "MarketNotSettled")
    bets.chain.at(DAY)
    bets.send(bets.resolve("resolver", market, 0))
    refuses(bets, bets.close_position("dave", market, "alice", 0), "PositionNotClaimed")
    bets.send(bets.close_position("dave", market, "bob", 1))
    bets.send(bets.claim("dave", market, "alice", 0))
    name, event = only_event(bets.send(bets.close_position("dave", market, "alice", 0)))
    alice = wallet("alice").pubkey()
    assert name == "PositionClosed"
    assert event == {
        "market": market,
        "seq": 7,
        "actor": wallet("dave").pubkey(),
        "bettor": alice,
        "outcome": 0,
        "rent_payer": alice,
    }
    assert bets.chain.data(bets.position(market, alice, 0)) is None
    assert bets.chain.lamports(alice) == lamports
    assert bets.read(market)["positions"] == 0
    refuses(bets, bets.close_position("dave", market, "alice", 0), "WrongPosition")
    refuses(bets, bets.claim("dave", market, "alice", 0), "WrongPosition")


def test_close_position_of_a_voided_market(bets: Bets) -> None:
    """B-16: every position must be paid first."""
    market = bets.opened()
    bets.placed("alice", market, 1, 1)
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    refuses(bets, bets.close_position("dave", market, "alice", 1), "PositionNotClaimed")


def test_close(bets: Bets) -> None:
    """B-17: dust to the fee recipient, rent to the payer, nothing left behind."""
    before = bets.chain.lamports(bets.chain.fund("opener").pubkey())
    bets.opened()  # pays the counters
    market = bets.next_market("opener")
    middle = bets.chain.lamports(wallet("opener").pubkey())
    bets.opened(fee_bps=1000)
    stakes = {"alice": (0, 3), "bob": (0, 4), "carol": (1, 10)}
    for bettor, (outcome, amount) in stakes.items():
        bets.placed(bettor, market, outcome, amount)
    bets.chain.at(DAY)
    refuses(bets, bets.close("dave", market), "MarketNotSettled")
    bets.send(bets.resolve("resolver", market, 0))
    refuses(bets, bets.close("dave", market), "PositionsLeft")
    bets.send(bets.claim("dave", market, "alice", 0))
    bets.send(bets.claim("dave", market, "bob", 0))
    for bettor, (outcome, _) in stakes.items():
        bets.send(bets.close_position("dave", market, bettor, outcome))
    refuses(bets, bets.close("dave", market), "FeeNotCollected")
    bets.send(bets.collect_fee("dave", market))
    dust = 17 - 1 - 3 * 16 // 7 - 4 * 16 // 7
    assert dust == 1
    seq = bets.read(market)["seq"]
    name, event = only_event(bets.send(bets.close("dave", market)))
    assert name == "MarketClosed"
    assert (event["seq"], event["dust"], event["paid_after"]) == (seq + 1, dust, 17)
    assert usd(bets, "treasury") == 1 + dust
    assert bets.chain.data(market) is None
    assert bets.chain.data(bets.vault(market)) is None
    assert bets.chain.lamports(wallet("opener").pubkey()) == middle < before


def test_close_takes_donations_along(bets: Bets) -> None:
    """B-17: a donation does not keep a market open, and is no dust."""
    market = bets.opened()
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    bets.chain.put_token_account(bets.vault(market), market, bets.chain.token("usd"), U64)
    _, event = only_event(bets.send(bets.close("dave", market)))
    assert (event["dust"], event["paid_after"]) == (0, 0)
    assert usd(bets, "treasury") == U64


def test_close_without_dust_needs_no_token_account(bets: Bets) -> None:
    """B-17"""
    market = bets.opened()
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    ix = bets.close("dave", market)
    metas = list(ix.accounts)
    metas[3] = AccountMeta(Pubkey.new_unique(), False, True)
    bets.send(Instruction(ix.program_id, bytes(ix.data), metas))


def test_lamports_left_in_accounts_go_along(bets: Bets) -> None:
    """I-7: lamports that somebody adds go to the rent payer too."""
    market = bets.opened()
    bets.placed("alice", market, 0, 1)
    position = bets.position(market, wallet("alice").pubkey(), 0)
    mallory = bets.chain.fund("mallory").pubkey()
    gift = TransferParams(from_pubkey=mallory, to_pubkey=position, lamports=1234)
    bets.send(transfer(gift))
    held = bets.chain.lamports(position)
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    bets.send(bets.claim("alice", market, "alice", 0))
    before = bets.chain.lamports(wallet("alice").pubkey())
    bets.send(bets.close_position("dave", market, "alice", 0))
    assert bets.chain.lamports(wallet("alice").pubkey()) == before + held


@pytest.mark.parametrize("lamports", [1_000_000, 10_000_000])
def test_revival(bets: Bets, lamports: int) -> None:
    """G-13: lamports sent to a closing account in the same transaction revive an empty one."""
    market = bets.opened()
    bets.placed("alice", market, 0, 7)
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    bets.send(bets.claim("alice", market, "alice", 0))
    mallory = bets.chain.fund("mallory").pubkey()
    position = bets.position(market, wallet("alice").pubkey(), 0)
    revive = TransferParams(from_pubkey=mallory, to_pubkey=position, lamports=lamports)
    close = bets.close_position("mallory", market, "alice", 0)
    claim = bets.claim("mallory", market, "alice", 0)
    with pytest.raises(Refused) as refused:
        bets.send(close, transfer(revive), claim)
    assert refused.value.name == "WrongPosition"
    bets.send(close, transfer(revive))
    account = bets.chain.svm.get_account(position)
    assert account is not None
    assert account.owner == SYSTEM
    assert not account.data


def test_closed_market_is_gone(bets: Bets) -> None:
    """B-18"""
    market = bets.opened()
    bets.chain.at(DAY)
    void, close = bets.void("resolver", market), bets.close("dave", market)
    bets.send(void)
    bets.send(close)
    refuses(bets, void, "WrongMarket")
    refuses(bets, close, "WrongMarket")


def test_a_frozen_bettor_blocks_nobody(bets: Bets) -> None:
    """G-7, G-8"""
    market = settled(bets, {"alice": (0, 10), "bob": (0, 10), "carol": (1, 20)}, 0, fee_bps=1000)
    chain, alice = bets.chain, wallet("alice").pubkey()
    chain.freeze(chain.token_account(alice, chain.token("usd")))
    claim = bets.claim("bob", market, "alice", 0)
    refuses(bets, claim, FROZEN)
    bets.send(bets.claim("bob", market, "bob", 0))
    bets.send(bets.collect_fee("bob", market))
    assert usd(bets, "bob") == 19
    besides = Pubkey.new_unique()
    chain.put_token_account(besides, alice, chain.token("usd"), 0)
    bets.send(with_account(claim, bets.interface.position("claim", "destination"), besides))
    assert chain.balance(besides) == 19


def test_a_frozen_fee_recipient_blocks_nobody(bets: Bets) -> None:
    """G-7, G-8, B-15, B-17: the bettors are paid; fee and dust wait for their recipient."""
    stakes = {"alice": (0, 3), "bob": (0, 4), "carol": (1, 10)}
    market = settled(bets, stakes, 0, fee_bps=1000)
    chain, treasury = bets.chain, wallet("treasury").pubkey()
    account = chain.token_account(treasury, chain.token("usd"))
    chain.freeze(account)
    collect_fee = bets.collect_fee("dave", market)
    refuses(bets, collect_fee, FROZEN)
    for bettor in ("alice", "bob"):
        bets.send(bets.claim("dave", market, bettor, 0))
    for bettor, (outcome, _) in stakes.items():
        bets.send(bets.close_position("dave", market, bettor, outcome))
    assert (usd(bets, "alice"), usd(bets, "bob")) == (3 * 16 // 7, 4 * 16 // 7)
    close = bets.close("dave", market)
    refuses(bets, close, "FeeNotCollected")
    assert not bets.read(market)["fee_collected"]
    besides = Pubkey.new_unique()
    chain.put_token_account(besides, treasury, chain.token("usd"), 0)
    at = bets.interface.position("collect_fee", "destination")
    bets.send(with_account(collect_fee, at, besides))
    assert chain.balance(besides) == 1
    refuses(bets, close, FROZEN)
    assert chain.balance(bets.vault(market)) == 1
    chain.freeze(account, False)
    bets.send(close)
    assert usd(bets, "treasury") == 1
    assert chain.data(market) is None


def test_native_token(bets: Bets) -> None:
    """G-2, B-17: wrapped SOL, whose vault holds lamports beside its rent."""
    native = Pubkey.from_string("So11111111111111111111111111111111111111112")
    bets.chain.put(native, TOKEN, bytes(44) + bytes([9, 1]) + bytes(36))
    market = bets.next_market("opener")
    bets.send(bets.open(token=native))
    state = bets.read(market)
    assert state["token"] == native
    bets.chain.at(DAY)
    bets.send(bets.void("resolver", market))
    bets.send(bets.close("dave", market))
    assert bets.chain.data(bets.vault(market)) is None
