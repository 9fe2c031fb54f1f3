"""The rules of contracts, A-1 to A-17: each where it bites and next to where it does not."""

import pytest
from onsvm.bets import DAY
from onsvm.chain import FROZEN, START, SYSTEM, Receipt, Refused, wallet
from onsvm.contracts import (
    ACTIVE,
    CANCELLED,
    DISPUTED,
    PENDING,
    SETTLED,
    SIGNED,
    Contracts,
    ed25519_instruction,
)
from onsvm.feeds import Feeds
from onsvm.forge import with_account
from solders.instruction import Instruction
from solders.pubkey import Pubkey

U64 = 2**64 - 1
PERIOD = 366 * DAY
ZERO = Pubkey.from_bytes(bytes(32))
PRICED = {"price_cap": 1500, "price_floor": 500, "price_mul": 10, "price_div": 1}


def refuses(contracts: Contracts, *instructions: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        contracts.send(*instructions)
    assert refused.value.name == error, refused.value


def events(receipt: Receipt) -> list[tuple[str, dict[str, object]]]:
    return [(event.name, event.fields) for event in receipt.events]


def usd(contracts: Contracts, name: str) -> int:
    chain = contracts.chain
    return chain.balance(chain.token_account(wallet(name).pubkey(), chain.token("usd")))


def owed(contracts: Contracts, agreement: Pubkey) -> tuple[int, int]:
    state = contracts.read(agreement)
    return state["owed_seller"], state["owed_buyer"]


def paid_out(contracts: Contracts, agreement: Pubkey) -> tuple[int, int]:
    """Withdraws for both, by a stranger, and closes; what seller and buyer got. J-1, J-2."""
    state = contracts.read(agreement)
    before = usd(contracts, "alice"), usd(contracts, "bob")
    for party, side in (("alice", "seller"), ("bob", "buyer")):
        if state[f"owed_{side}"]:
            contracts.send(contracts.withdraw("mallory", agreement, party))
    assert contracts.chain.balance(contracts.vault(agreement)) == 0
    assert contracts.read(agreement)["paid"] == state["funded"]
    contracts.send(contracts.close(agreement))
    assert contracts.chain.data(agreement) is None
    got = usd(contracts, "alice") - before[0], usd(contracts, "bob") - before[1]
    assert sum(got) == state["funded"]
    return got


@pytest.fixture
def feed(contracts: Contracts) -> Pubkey:
    feeds = Feeds(contracts.chain)
    return feeds.opened("opener", heartbeat=3600)


def publish(contracts: Contracts, feed: Pubkey, *observations: tuple[int, int]) -> None:
    feeds = Feeds(contracts.chain)
    feeds.send(feeds.publish("opener", feed, observations))


# ---- propose ----


@pytest.mark.parametrize("proposer", ["alice", "bob"])
def test_propose(contracts: Contracts, proposer: str) -> None:
    """A-1"""
    agreement = contracts.next_agreement(proposer)
    ((name, event),) = events(contracts.send(contracts.propose(proposer)))
    key = wallet(proposer).pubkey()
    assert name == "AgreementProposed"
    assert event == {
        "agreement": agreement,
        "seq": 1,
        "actor": key,
        "nonce": 0,
        "seller": wallet("alice").pubkey(),
        "buyer": wallet("bob").pubkey(),
        "arbiter": wallet("carol").pubkey(),
        "token": contracts.chain.token("usd"),
        "commodity": bytes(32),
        "terms": bytes([3]) * 32,
        "quantity": 100,
        "price_total": 1000,
        "feed": ZERO,
        "price_cap": 0,
        "price_floor": 0,
        "price_mul": 0,
        "price_div": 0,
        "seller_margin": 50,
        "sign_by": START + DAY,
        "fund_by": START + 2 * DAY,
        "deliver_by": START + 10 * DAY,
        "accept_within": DAY,
        "rule_by": START + 20 * DAY,
        "default_split_bps": 5000,
        "status_after": PENDING,
        "cid": "bafkreia",
        "title": "Coffee",
        "unit": "kg",
    }
    state = contracts.read(agreement)
    same = set(event) & set(state) - {"seq"}
    assert len(same) > 15
    assert all(state[key] == event[key] for key in same)
    assert (state["proposer"], state["rent_payer"], state["status"]) == (key, key, PENDING)
    assert state["vault"] == contracts.vault(agreement)
    assert contracts.read(contracts.counter)["agreements"] == 1


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"seller": "dave", "buyer": "dave"}, "NotParty"),
        ({"buyer": "alice"}, "InvalidParties"),
        ({"arbiter": "alice"}, "InvalidParties"),
        ({"arbiter": "bob"}, "InvalidParties"),
        ({"arbiter": ZERO}, "InvalidParties"),
        ({"buyer": ZERO}, "InvalidParties"),
        ({"quantity": 0}, "ZeroAmount"),
        ({"price_total": 0}, "ZeroAmount"),
        ({"price_cap": 1}, "InvalidPrice"),
        ({"price_floor": 1}, "InvalidPrice"),
        ({"price_mul": 1}, "InvalidPrice"),
        ({"price_div": 1}, "InvalidPrice"),
        ({"price_total": U64, "seller_margin": 1}, "Overflow"),
        ({"default_split_bps": 10_001}, "InvalidSplit"),
        ({"sign_by": 0}, "InvalidDeadlines"),
        ({"sign_by": 2 * DAY}, "InvalidDeadlines"),
        ({"deliver_by": 2 * DAY}, "InvalidDeadlines"),
        ({"rule_by": 11 * DAY}, "InvalidDeadlines"),
        ({"accept_within": 0}, "InvalidDeadlines"),
        ({"accept_within": PERIOD + 1, "rule_by": 2 * PERIOD}, "InvalidDeadlines"),
        ({"rule_by": 11 * DAY + PERIOD + 1}, "InvalidDeadlines"),
        ({"deliver_by": 2 * DAY + PERIOD + 1, "rule_by": 2 * PERIOD}, "InvalidDeadlines"),
        ({"rule_by": 2**64}, "InvalidDeadlines"),
        ({"deliver_by": 2**64}, "InvalidDeadlines"),
    ],
)
def test_propose_refuses(contracts: Contracts, args: dict[str, object], error: str) -> None:
    """A-1 to A-3, G-9"""
    refuses(contracts, contracts.propose(**args), error=error)


def test_propose_for_a_zero_seller(contracts: Contracts) -> None:
    """A-1"""
    refuses(contracts, contracts.propose("bob", seller=ZERO), error="InvalidParties")


def test_propose_to_the_edges(contracts: Contracts) -> None:
    """A-2, A-3"""
    contracts.proposed(price_total=U64 - 50, default_split_bps=10_000)
    contracts.proposed(sign_by=1, fund_by=2, deliver_by=3, accept_within=1, rule_by=5)
    contracts.proposed(
        sign_by=PERIOD,
        fund_by=2 * PERIOD,
        deliver_by=3 * PERIOD,
        accept_within=PERIOD,
        rule_by=5 * PERIOD,
    )


def test_propose_text(contracts: Contracts) -> None:
    """A-3, G-6"""
    chain = contracts.chain
    table = [contracts.counter, contracts.interface.event_authority, chain.token("usd"), SYSTEM]
    table.append(contracts.creator_counter(chain.fund("alice").pubkey()))
    long = contracts.propose(title="x" * 501, cid="c" * 100, unit="u" * 100)
    with pytest.raises(Refused) as refused:
        contracts.send(long, table=table)
    assert refused.value.name == "TextTooLong"
    contracts.send(contracts.propose(title="x" * 500, cid="c" * 100, unit="u" * 100), table=table)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"price_floor": 0}, "InvalidPrice"),
        ({"price_floor": 1001}, "InvalidPrice"),
        ({"price_cap": 999}, "InvalidPrice"),
        ({"price_mul": 0}, "InvalidPrice"),
        ({"price_div": 0}, "InvalidPrice"),
        ({"feed": Pubkey.from_bytes(bytes([9]) * 32)}, "WrongFeed"),
        ({"price_cap": U64, "seller_margin": 1}, "Overflow"),
    ],
)
def test_propose_with_a_feed(
    contracts: Contracts, feed: Pubkey, args: dict[str, object], error: str
) -> None:
    """A-2"""
    refuses(contracts, contracts.propose(**({"feed": feed} | PRICED | args)), error=error)
    contracts.proposed(feed=feed, **PRICED)


# ---- sign ----


def test_sign(contracts: Contracts) -> None:
    """A-4"""
    agreement = contracts.proposed()
    for name in ("alice", "carol", "mallory"):
        refuses(contracts, contracts.step("sign", name, agreement), error="NotCounterparty")
    contracts.chain.at(DAY)
    ((name, event),) = events(contracts.send(contracts.step("sign", "bob", agreement)))
    bob = wallet("bob").pubkey()
    assert (name, event["signer"], event["status_after"]) == ("AgreementSigned", bob, SIGNED)
    state = contracts.read(agreement)
    assert (state["seller_funded"], state["buyer_funded"]) == (False, False)
    refuses(contracts, contracts.step("sign", "bob", agreement), error="WrongStatus")


def test_sign_too_late(contracts: Contracts) -> None:
    """A-4"""
    agreement = contracts.proposed("bob")
    contracts.chain.at(DAY + 1)
    refuses(contracts, contracts.step("sign", "alice", agreement), error="TooLate")


def test_no_margin_counts_as_funded(contracts: Contracts) -> None:
    """A-4, A-6"""
    agreement = contracts.signed(seller_margin=0)
    assert contracts.read(agreement)["seller_funded"]
    refuses(contracts, contracts.fund("alice", agreement), error="AlreadyFunded")


def test_sign_by_signature(contracts: Contracts) -> None:
    """A-5: anyone submits; the message is compared whole."""
    agreement, other = contracts.proposed(), contracts.proposed()
    bob = wallet("bob")
    deadline = START + 100
    message = contracts.signed_message(agreement, deadline)
    call = contracts.sign_by_sig("mallory", agreement, deadline)
    good = ed25519_instruction(bob, message)
    for wrong in (
        ed25519_instruction(wallet("mallory"), message),
        ed25519_instruction(bob, message[:-1]),
        ed25519_instruction(bob, message + b"\0"),
        ed25519_instruction(bob, contracts.signed_message(other, deadline)),
        ed25519_instruction(bob, contracts.signed_message(agreement, deadline + 1)),
    ):
        refuses(contracts, wrong, call, error="InvalidSignature")
    refuses(contracts, call, error="InvalidSignature")
    refuses(contracts, call, good, error="InvalidSignature")
    at = contracts.interface.position("sign_by_sig", "instructions")
    refuses(contracts, good, with_account(call, at, SYSTEM), error="InvalidSignature")
    data = bytearray(good.data)
    for offset in (*range(16),):  # the header must be the plain one
        data = bytearray(good.data)
        data[offset] ^= 1
        with pytest.raises(Refused):
            contracts.send(Instruction(good.program_id, bytes(data), []), call)
    contracts.chain.at(101)
    refuses(contracts, good, call, error="SignatureExpired")
    contracts.chain.at(100)
    ((name, event),) = events(contracts.send(good, call))
    assert name == "AgreementSigned"
    assert (event["actor"], event["signer"]) == (wallet("mallory").pubkey(), bob.pubkey())
    refuses(contracts, good, call, error="WrongStatus")


def test_sign_by_signature_too_late(contracts: Contracts) -> None:
    """A-5: the signature outlives the agreement's own deadline and does not help."""
    agreement = contracts.proposed()
    deadline = START + 10 * DAY
    good = ed25519_instruction(wallet("bob"), contracts.signed_message(agreement, deadline))
    contracts.chain.at(DAY + 1)
    call = contracts.sign_by_sig("mallory", agreement, deadline)
    refuses(contracts, good, call, error="TooLate")


# ---- fund ----


def test_fund(contracts: Contracts) -> None:
    """A-6"""
    agreement = contracts.signed()
    mint = contracts.chain.token("usd")
    for name, amount in (("bob", 1000), ("alice", 50), ("mallory", 50)):
        contracts.chain.mint(contracts.chain.fund(name).pubkey(), mint, amount)
    refuses(contracts, contracts.fund("mallory", agreement), error="NotParty")
    ((name, event),) = events(contracts.send(contracts.fund("bob", agreement)))
    assert name == "AgreementFunded"
    assert (event["party"], event["amount"], event["funded_after"]) == (
        wallet("bob").pubkey(), 1000, 1000,
    )  # fmt: skip
    refuses(contracts, contracts.fund("bob", agreement), error="AlreadyFunded")
    contracts.chain.at(2 * DAY + 1)
    refuses(contracts, contracts.fund("alice", agreement), error="TooLate")
    contracts.chain.at(2 * DAY)
    funded, activated = events(contracts.send(contracts.fund("alice", agreement)))
    assert funded[1]["funded_after"] == 1050
    assert activated[0] == "AgreementActivated"
    assert (funded[1]["seq"], activated[1]["seq"], activated[1]["status_after"]) == (4, 5, ACTIVE)
    refuses(contracts, contracts.fund("alice", agreement), error="WrongStatus")
    assert contracts.chain.balance(contracts.vault(agreement)) == 1050


def test_fund_before_signing(contracts: Contracts) -> None:
    """A-6"""
    refuses(contracts, contracts.fund("bob", contracts.proposed()), error="WrongStatus")


# ---- delivery ----


def deliver(contracts: Contracts, agreement: Pubkey, quantity: int, by: str = "alice") -> Receipt:
    return contracts.send(
        contracts.step("record_delivery", by, agreement, quantity=quantity, evidence=bytes(32))
    )


def test_record_delivery(contracts: Contracts) -> None:
    """A-7"""
    agreement = contracts.active()
    ix = contracts.step("record_delivery", "bob", agreement, quantity=1, evidence=bytes(32))
    refuses(contracts, ix, error="NotSeller")
    for quantity, error in ((0, "ZeroAmount"), (101, "TooMuch"), (U64, "TooMuch")):
        ix = contracts.step(
            "record_delivery", "alice", agreement, quantity=quantity, evidence=bytes(32)
        )
        refuses(contracts, ix, error=error)
    ((name, event),) = events(deliver(contracts, agreement, 60))
    assert (name, event["quantity"], event["delivered_after"]) == ("DeliveryRecorded", 60, 60)
    ix = contracts.step("record_delivery", "alice", agreement, quantity=41, evidence=bytes(32))
    refuses(contracts, ix, error="TooMuch")
    contracts.chain.at(10 * DAY)
    deliver(contracts, agreement, 40)
    assert contracts.read(agreement)["delivered_at"] == START + 10 * DAY


def test_record_delivery_refuses(contracts: Contracts) -> None:
    """A-7"""
    agreement = contracts.active()
    ix = contracts.step("record_delivery", "alice", agreement, quantity=1, evidence=bytes(32))
    contracts.chain.at(10 * DAY + 1)
    refuses(contracts, ix, error="TooLate")
    signed = contracts.signed(sign_by=11 * DAY, fund_by=12 * DAY, deliver_by=13 * DAY)
    ix = contracts.step("record_delivery", "alice", signed, quantity=1, evidence=bytes(32))
    refuses(contracts, ix, error="WrongStatus")


def test_accept(contracts: Contracts) -> None:
    """A-8, A-12, A-13, J-3: everything delivered and accepted."""
    agreement = contracts.active()
    accept = contracts.step("accept", "bob", agreement)
    refuses(contracts, contracts.step("accept", "alice", agreement), error="NotBuyer")
    refuses(contracts, accept, error="TooEarly")
    deliver(contracts, agreement, 99)
    refuses(contracts, accept, error="TooEarly")
    deliver(contracts, agreement, 1)
    settle = contracts.step("settle", "mallory", agreement)
    refuses(contracts, settle, error="TooEarly")
    ((name, event),) = events(contracts.send(accept))
    assert (name, event["delivered"]) == ("DeliveryAccepted", 100)
    refuses(contracts, accept, error="AlreadyAccepted")
    ix = contracts.step("dispute", "alice", agreement, reason=bytes(32))
    refuses(contracts, ix, error="AlreadyAccepted")
    ((name, event),) = events(contracts.send(settle))
    assert (name, event["owed_seller"], event["owed_buyer"], event["status_after"]) == (
        "AgreementSettled", 1050, 0, SETTLED,
    )  # fmt: skip
    refuses(contracts, settle, error="WrongStatus")
    refuses(contracts, accept, error="WrongStatus")
    assert paid_out(contracts, agreement) == (1050, 0)


def test_accept_a_part(contracts: Contracts) -> None:
    """A-8, A-13: pro rata, after deliver_by."""
    agreement = contracts.delivered(33)
    contracts.chain.at(10 * DAY)
    refuses(contracts, contracts.step("accept", "bob", agreement), error="TooEarly")
    contracts.chain.at(10 * DAY + 1)
    contracts.send(contracts.step("accept", "bob", agreement))
    contracts.send(contracts.step("settle", "bob", agreement))
    assert paid_out(contracts, agreement) == (330 + 16, 670 + 34)


def test_silence_accepts(contracts: Contracts) -> None:
    """A-12, G-9: nothing heard within accept_within."""
    agreement = contracts.delivered()
    settle = contracts.step("settle", "mallory", agreement)
    contracts.chain.at(DAY)
    refuses(contracts, settle, error="TooEarly")
    contracts.chain.at(DAY + 1)
    contracts.send(settle)
    assert paid_out(contracts, agreement) == (1050, 0)


def test_missed_delivery(contracts: Contracts) -> None:
    """A-12, A-13: price and margin to the buyer, as soon as deliver_by has passed."""
    agreement = contracts.active()
    settle = contracts.step("settle", "mallory", agreement)
    contracts.chain.at(10 * DAY)
    refuses(contracts, settle, error="TooEarly")
    contracts.chain.at(10 * DAY + 1)
    ix = contracts.step("accept", "bob", agreement)
    refuses(contracts, ix, error="NothingDelivered")
    ix = contracts.step("dispute", "bob", agreement, reason=bytes(32))
    refuses(contracts, ix, error="NothingDelivered")
    contracts.send(settle)
    assert paid_out(contracts, agreement) == (0, 1050)


# ---- dispute ----


def test_dispute(contracts: Contracts) -> None:
    """A-9, A-10, A-13: the arbiter splits what was delivered, not the rest."""
    agreement = contracts.delivered(80)
    dispute = contracts.step("dispute", "bob", agreement, reason=bytes([5]) * 32)
    refuses(contracts, dispute, error="TooEarly")
    contracts.chain.at(10 * DAY + 1)
    ix = contracts.step("dispute", "mallory", agreement, reason=bytes(32))
    refuses(contracts, ix, error="NotParty")
    ix = contracts.step("rule", "carol", agreement, split_bps=1)
    refuses(contracts, ix, error="WrongStatus")
    ((name, event),) = events(contracts.send(dispute))
    assert (name, event["reason"], event["status_after"]) == (
        "DisputeOpened", bytes([5]) * 32, DISPUTED,
    )  # fmt: skip
    refuses(contracts, dispute, error="WrongStatus")
    settle = contracts.step("settle", "mallory", agreement)
    refuses(contracts, settle, error="TooEarly")
    for name in ("alice", "bob", "mallory"):
        ix = contracts.step("rule", name, agreement, split_bps=10_000)
        refuses(contracts, ix, error="NotArbiter")
    ix = contracts.step("rule", "carol", agreement, split_bps=10_001)
    refuses(contracts, ix, error="InvalidSplit")
    ((name, event),) = events(
        contracts.send(contracts.step("rule", "carol", agreement, split_bps=2500))
    )
    assert (name, event["split_bps"]) == ("DisputeRuled", 2500)
    ix = contracts.step("rule", "carol", agreement, split_bps=1)
    refuses(contracts, ix, error="AlreadyRuled")
    contracts.send(settle)
    seller = (800 + 40) * 2500 // 10_000
    assert owed(contracts, agreement) == (seller, 1050 - seller)
    assert paid_out(contracts, agreement) == (seller, 1050 - seller)


def test_dispute_in_time(contracts: Contracts) -> None:
    """A-9: until answer_by."""
    agreement = contracts.delivered()
    contracts.chain.at(DAY + 1)
    ix = contracts.step("dispute", "bob", agreement, reason=bytes(32))
    refuses(contracts, ix, error="TooLate")
    contracts.chain.at(DAY)
    contracts.send(ix)


def test_no_ruling_in_time(contracts: Contracts) -> None:
    """A-10, A-12, A-13: the agreed split, by anyone after rule_by."""
    agreement = contracts.delivered(default_split_bps=9000)
    contracts.send(contracts.step("dispute", "alice", agreement, reason=bytes(32)))
    settle = contracts.step("settle", "mallory", agreement)
    contracts.chain.at(20 * DAY)
    refuses(contracts, settle, error="TooEarly")
    contracts.chain.at(20 * DAY + 1)
    ix = contracts.step("rule", "carol", agreement, split_bps=1)
    refuses(contracts, ix, error="TooLate")
    contracts.send(settle)
    assert paid_out(contracts, agreement) == (945, 105)


def test_rule_until_the_deadline(contracts: Contracts) -> None:
    """A-10"""
    agreement = contracts.delivered()
    contracts.send(contracts.step("dispute", "alice", agreement, reason=bytes(32)))
    contracts.chain.at(20 * DAY)
    contracts.send(contracts.step("rule", "carol", agreement, split_bps=10_000))
    contracts.send(contracts.step("settle", "carol", agreement))
    assert owed(contracts, agreement) == (1050, 0)


# ---- price ----


@pytest.mark.parametrize(
    ("value", "price"),
    [(100, 1000), (149, 1490), (151, 1500), (49, 500), (0, 500), (-1, 500), (2**127 - 1, 1500)],
)
def test_fix_price(contracts: Contracts, feed: Pubkey, value: int, price: int) -> None:
    """A-11: scaled, between floor and cap."""
    agreement = contracts.delivered(feed=feed, **PRICED)
    contracts.chain.at(10 * DAY + 5)
    publish(contracts, feed, (7, 10 * DAY - 1), (value, 10 * DAY), (1, 10 * DAY + 5))
    contracts.send(contracts.step("accept", "bob", agreement))
    settle = contracts.step("settle", "mallory", agreement)
    refuses(contracts, settle, error="PriceNotFixed")
    for round_ in (1, 3, 4, U64):
        refuses(
            contracts, contracts.fix_price("bob", agreement, round_), error="NotFirstObservation"
        )
    refuses(contracts, contracts.fix_price("bob", agreement, 0), error="TooEarly")
    ((name, event),) = events(contracts.send(contracts.fix_price("mallory", agreement, 2)))
    assert (name, event["round"], event["price"]) == ("PriceFixed", 2, price)
    refuses(contracts, contracts.fix_price("bob", agreement, 2), error="PriceAlreadyFixed")
    contracts.send(settle)
    assert paid_out(contracts, agreement) == (price + 50, 1500 - price)


@pytest.mark.parametrize(
    ("value", "mul", "div"),
    [(2**64, 1, 2**64 - 1), (2**100, 3, 2**63 + 5), (2**127 - 1, U64, U64), (10**20, 7, 10**18)],
)
def test_wide_prices(contracts: Contracts, feed: Pubkey, value: int, mul: int, div: int) -> None:
    """A-11, G-1: floor(value × mul / div) over 191 bits."""
    limits = {"price_cap": U64 - 50, "price_floor": 1, "price_mul": mul, "price_div": div}
    agreement = contracts.delivered(feed=feed, **limits)
    contracts.chain.at(10 * DAY)
    publish(contracts, feed, (value, 10 * DAY))
    ((_, event),) = events(contracts.send(contracts.fix_price("bob", agreement, 1)))
    assert event["price"] == min(max(value * mul // div, 1), U64 - 50)


def test_price_of_the_first_observation_of_all(contracts: Contracts, feed: Pubkey) -> None:
    """A-11: round 1 has none before it; at the window's edge."""
    agreement = contracts.delivered(feed=feed, **PRICED)
    contracts.chain.at(10 * DAY + 3600)
    publish(contracts, feed, (120, 10 * DAY + 3600))
    ((_, event),) = events(contracts.send(contracts.fix_price("bob", agreement, 1)))
    assert event["price"] == 1200


def test_price_beyond_the_window(contracts: Contracts, feed: Pubkey) -> None:
    """A-11: an observation that came too late gives price_total; a stale feed releases nothing."""
    agreement = contracts.delivered(feed=feed, **PRICED)
    contracts.chain.at(10 * DAY + 3601)
    publish(contracts, feed, (120, 10 * DAY + 3601))
    ((_, event),) = events(contracts.send(contracts.fix_price("bob", agreement, 1)))
    assert event["price"] == 1000


def test_price_that_the_ring_has_lost(contracts: Contracts, feed: Pubkey) -> None:
    """A-11, F-3: what is gone proves nothing; price_total after rule_by."""
    agreement = contracts.delivered(feed=feed, **PRICED)
    contracts.chain.at(10 * DAY + 100)
    publish(contracts, feed, (7, 10 * DAY - 1))
    for start in range(0, 96, 32):
        publish(contracts, feed, *((9, 10 * DAY + start + n) for n in range(32)))
    for round_ in (1, 2, 34):
        refuses(
            contracts, contracts.fix_price("bob", agreement, round_), error="NotFirstObservation"
        )
    contracts.chain.at(20 * DAY)
    refuses(contracts, contracts.fix_price("bob", agreement, 0), error="TooEarly")
    contracts.chain.at(20 * DAY + 1)
    ((_, event),) = events(contracts.send(contracts.fix_price("bob", agreement, 0)))
    assert (event["round"], event["price"]) == (0, 1000)
    contracts.send(contracts.step("settle", "bob", agreement))


def test_no_feed(contracts: Contracts) -> None:
    """A-11"""
    refuses(contracts, contracts.fix_price("bob", contracts.delivered(), 1), error="NoFeed")


def test_fix_price_status(contracts: Contracts, feed: Pubkey) -> None:
    """A-11: not before Active; also while Disputed."""
    signed = contracts.signed(feed=feed, **PRICED)
    refuses(contracts, contracts.fix_price("bob", signed, 1), error="WrongStatus")
    agreement = contracts.delivered(feed=feed, **PRICED)
    contracts.send(contracts.step("dispute", "bob", agreement, reason=bytes(32)))
    contracts.send(contracts.step("rule", "carol", agreement, split_bps=5000))
    refuses(contracts, contracts.step("settle", "bob", agreement), error="PriceNotFixed")
    contracts.chain.at(10 * DAY)
    publish(contracts, feed, (60, 10 * DAY))
    contracts.send(contracts.fix_price("bob", agreement, 1))
    contracts.send(contracts.step("settle", "bob", agreement))
    assert paid_out(contracts, agreement) == (325, 1225)


def test_nothing_delivered_needs_no_price(contracts: Contracts, feed: Pubkey) -> None:
    """A-12"""
    agreement = contracts.active(feed=feed, **PRICED)
    contracts.chain.at(10 * DAY + 1)
    contracts.send(contracts.step("settle", "bob", agreement))
    assert paid_out(contracts, agreement) == (0, 1550)


# ---- cancel ----


def test_cancel_pending(contracts: Contracts) -> None:
    """A-14: either party; anyone after sign_by."""
    for name in ("alice", "bob"):
        agreement = contracts.proposed()
        ((event, fields),) = events(contracts.send(contracts.step("cancel", name, agreement)))
        assert (event, fields["status_after"]) == ("AgreementCancelled", CANCELLED)
        refuses(contracts, contracts.step("cancel", name, agreement), error="WrongStatus")
        refuses(contracts, contracts.step("sign", "bob", agreement), error="WrongStatus")
    agreement = contracts.proposed()
    cancel = contracts.step("cancel", "mallory", agreement)
    contracts.chain.at(DAY)
    refuses(contracts, cancel, error="NotParty")
    contracts.chain.at(DAY + 1)
    contracts.send(cancel)
    refuses(contracts, cancel, error="NotParty")


@pytest.mark.parametrize("funder", ["alice", "bob"])
def test_cancel_unfunded(contracts: Contracts, funder: str) -> None:
    """A-14: anyone after fund_by; who funded gets it back."""
    agreement = contracts.signed()
    amount = {"alice": 50, "bob": 1000}[funder]
    contracts.chain.mint(wallet(funder).pubkey(), contracts.chain.token("usd"), amount)
    contracts.send(contracts.fund(funder, agreement))
    cancel = contracts.step("cancel", "mallory", agreement)
    contracts.chain.at(2 * DAY)
    refuses(contracts, cancel, error="NotParty")
    contracts.chain.at(2 * DAY + 1)
    contracts.send(cancel)
    assert paid_out(contracts, agreement) == ((50, 0) if funder == "alice" else (0, 1000))


def test_cancel_by_both(contracts: Contracts) -> None:
    """A-14: Signed, Active, Disputed."""
    signed, active = contracts.signed(), contracts.active()
    disputed = contracts.delivered()
    contracts.send(contracts.step("dispute", "bob", disputed, reason=bytes(32)))
    for agreement, wanted in ((signed, (0, 0)), (active, (50, 1000)), (disputed, (50, 1000))):
        refuses(contracts, contracts.step("cancel", "carol", agreement), error="NotParty")
        first = events(contracts.send(contracts.step("cancel", "bob", agreement)))
        assert [name for name, _ in first] == ["CancelRequested"]
        refuses(contracts, contracts.step("cancel", "bob", agreement), error="AlreadyRequested")
        both = events(contracts.send(contracts.step("cancel", "alice", agreement)))
        assert [name for name, _ in both] == ["CancelRequested", "AgreementCancelled"]
        assert both[1][1]["seq"] == contracts.read(agreement)["seq"]
        assert owed(contracts, agreement) == wanted
        assert paid_out(contracts, agreement) == wanted


def ready(contracts: Contracts, feed: Pubkey, step: str) -> tuple[Pubkey, Instruction]:
    """An agreement, and the step that is next."""
    if step.startswith("fund"):
        agreement = contracts.signed()
        mint = contracts.chain.token("usd")
        for name, amount in (("bob", 1000), ("alice", 50)):
            contracts.chain.mint(contracts.chain.fund(name).pubkey(), mint, amount)
        if step == "fund, activate":
            contracts.send(contracts.fund("bob", agreement))
            return agreement, contracts.fund("alice", agreement)
        return agreement, contracts.fund("bob", agreement)
    if step == "record_delivery":
        agreement = contracts.active()
        return agreement, contracts.step(step, "alice", agreement, quantity=100, evidence=bytes(32))
    if step == "accept":
        agreement = contracts.delivered()
        return agreement, contracts.step(step, "bob", agreement)
    if step == "fix_price":
        agreement = contracts.delivered(feed=feed, **PRICED)
        contracts.chain.at(10 * DAY)
        publish(contracts, feed, (100, 10 * DAY))
        return agreement, contracts.fix_price("mallory", agreement, 1)
    agreement = contracts.delivered()
    dispute = contracts.step("dispute", "bob", agreement, reason=bytes(32))
    if step == "dispute":
        return agreement, dispute
    contracts.send(dispute)
    return agreement, contracts.step("rule", "carol", agreement, split_bps=10_000)


@pytest.mark.parametrize(("first", "other"), [("alice", "bob"), ("bob", "alice")])
@pytest.mark.parametrize(
    "step",
    ["fund", "fund, activate", "record_delivery", "accept", "dispute", "rule", "fix_price"],
)
def test_a_request_ends_with_the_next_step(
    contracts: Contracts, feed: Pubkey, step: str, first: str, other: str
) -> None:
    """A-14: what was asked before the step is not agreed to after it, and may be asked anew."""
    agreement, ix = ready(contracts, feed, step)
    contracts.send(contracts.step("cancel", first, agreement))
    contracts.send(ix)
    status = contracts.read(agreement)["status"]
    alone = events(contracts.send(contracts.step("cancel", other, agreement)))
    assert [name for name, _ in alone] == ["CancelRequested"]
    assert contracts.read(agreement)["status"] == status
    both = events(contracts.send(contracts.step("cancel", first, agreement)))
    assert [name for name, _ in both] == ["CancelRequested", "AgreementCancelled"]


def test_cancel_settled(contracts: Contracts) -> None:
    """A-14"""
    agreement = contracts.delivered()
    contracts.send(contracts.step("accept", "bob", agreement))
    contracts.send(contracts.step("settle", "bob", agreement))
    refuses(contracts, contracts.step("cancel", "bob", agreement), error="WrongStatus")


# ---- withdraw, close ----


def test_withdraw(contracts: Contracts) -> None:
    """A-15, J-1"""
    agreement = contracts.delivered(40)
    refuses(contracts, contracts.withdraw("bob", agreement, "bob"), error="NothingOwed")
    contracts.chain.at(12 * DAY)
    contracts.send(contracts.step("settle", "bob", agreement))
    refuses(contracts, contracts.withdraw("mallory", agreement, "mallory"), error="NotParty")
    ((name, event),) = events(contracts.send(contracts.withdraw("mallory", agreement, "alice")))
    assert (name, event["party"], event["amount"], event["paid_after"]) == (
        "Withdrawn", wallet("alice").pubkey(), 420, 420,
    )  # fmt: skip
    refuses(contracts, contracts.withdraw("bob", agreement, "alice"), error="NothingOwed")
    refuses(contracts, contracts.close(agreement), error="MoneyLeft")
    ((_, event),) = events(contracts.send(contracts.withdraw("bob", agreement, "bob")))
    assert (event["amount"], event["paid_after"]) == (630, 1050)
    assert contracts.read(agreement)["seq"] == event["seq"] == 9  # J-4


@pytest.mark.parametrize(("frozen", "other"), [("alice", "bob"), ("bob", "alice")])
def test_a_frozen_party_blocks_nobody_else(contracts: Contracts, frozen: str, other: str) -> None:
    """G-7, G-8, A-15, A-17: what it is owed waits, or goes to another account of its own."""
    agreement = contracts.delivered(40)
    chain = contracts.chain
    chain.at(12 * DAY)
    contracts.send(contracts.step("settle", "mallory", agreement))
    due = {"alice": 420, "bob": 630}
    account = chain.token_account(wallet(frozen).pubkey(), chain.token("usd"))
    chain.freeze(account)
    withdraw = contracts.withdraw("mallory", agreement, frozen)
    refuses(contracts, withdraw, error=FROZEN)
    contracts.send(contracts.withdraw("mallory", agreement, other))
    assert usd(contracts, other) == due[other]
    refuses(contracts, withdraw, error=FROZEN)
    refuses(contracts, contracts.close(agreement), error="MoneyLeft")
    assert sum(owed(contracts, agreement)) == chain.balance(contracts.vault(agreement))
    besides = Pubkey.new_unique()
    chain.put_token_account(besides, wallet(frozen).pubkey(), chain.token("usd"), 0)
    at = contracts.interface.position("withdraw", "destination")
    contracts.send(with_account(withdraw, at, besides))
    assert (chain.balance(besides), chain.balance(account)) == (due[frozen], 0)
    contracts.send(contracts.close(agreement))


def test_close(contracts: Contracts) -> None:
    """A-17, G-13"""
    contracts.proposed()
    before = contracts.chain.lamports(wallet("alice").pubkey())
    agreement = contracts.active()
    refuses(contracts, contracts.close(agreement), error="WrongStatus")
    contracts.chain.at(10 * DAY + 1)
    contracts.send(contracts.step("settle", "bob", agreement))
    refuses(contracts, contracts.close(agreement), error="MoneyLeft")
    contracts.send(contracts.withdraw("bob", agreement, "bob"))
    mint = contracts.chain.token("usd")
    contracts.chain.put_token_account(contracts.vault(agreement), agreement, mint, 77)
    held = usd(contracts, "bob")
    contracts.send(contracts.close(agreement))
    assert usd(contracts, "bob") == held + 77
    assert contracts.chain.lamports(wallet("alice").pubkey()) == before
    assert contracts.chain.data(contracts.vault(agreement)) is None


def test_seller_owed_keeps_it_open(contracts: Contracts) -> None:
    """A-17"""
    agreement = contracts.delivered()
    contracts.send(contracts.step("accept", "bob", agreement))
    contracts.send(contracts.step("settle", "bob", agreement))
    refuses(contracts, contracts.close(agreement), error="MoneyLeft")


def test_lamports_sent_ahead(contracts: Contracts) -> None:
    """G-12"""
    agreement = contracts.next_agreement("alice")
    for address in (agreement, contracts.vault(agreement)):
        contracts.chain.svm.airdrop(address, 1_500_000)
    assert contracts.proposed() == agreement


def test_edge_of_u64(contracts: Contracts) -> None:
    """A-13, G-1: price × delivered in 128 bits."""
    limits = {"price_total": U64 - 2**60, "seller_margin": 2**60, "quantity": U64}
    agreement = contracts.active(**limits)
    deliver(contracts, agreement, U64 - 1)
    contracts.chain.at(12 * DAY)
    contracts.send(contracts.step("settle", "bob", agreement))
    earned = (U64 - 2**60) * (U64 - 1) // U64 + 2**60 * (U64 - 1) // U64
    assert owed(contracts, agreement) == (earned, U64 - earned)


def test_agreement_is_gone(contracts: Contracts) -> None:
    """A-16"""
    agreement = contracts.proposed()
    cancel = contracts.step("cancel", "bob", agreement)
    contracts.send(cancel)
    contracts.send(contracts.close(agreement))
    refuses(contracts, cancel, error="WrongAgreement")
