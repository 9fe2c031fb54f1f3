"""The rules of payouts, P-1 to P-18: each where it bites and next to where it does not."""

from collections.abc import Sequence

import pytest
from onsvm.bets import DAY
from onsvm.chain import FROZEN, START, SYSTEM, Receipt, Refused, wallet
from onsvm.contracts import ED25519, ed25519_instruction
from onsvm.feeds import Feeds
from onsvm.forge import with_account, with_data
from onsvm.payouts import (
    AID,
    DELAY,
    EXPIRED,
    EXPIRES_AT,
    FUNDING,
    PAGE,
    PUBLISH_BY,
    PUBLISHED,
    REVENUE,
    ROUND,
    VETOED,
    ZERO,
    Leaf,
    Payouts,
)
from onsvm.projects import DONE, PAUSED, Projects
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from trees import Tree, hash_pair, word

U64 = 2**64 - 1
WEEK = 7 * DAY
TEN_YEARS = 3650 * DAY
PERIOD = 366 * DAY
LATEST = PUBLISH_BY + TEN_YEARS  # of a trigger
RECORD = bytes([9]) * 32
WINDOW = {"kind": ROUND, "opens_at": DAY, "closes_at": 2 * DAY, "entry_fee": 5}
TRIGGER = {"comparator": 1, "threshold": 50, "trigger_by": 5 * DAY}
LEAVES: list[Leaf] = [(0, "alice", 100), (1, "bob", 150), (2, "carol", 200)]


def refuses(payouts: Payouts, *instructions: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        payouts.send(*instructions)
    assert refused.value.name == error, refused.value


def events(receipt: Receipt) -> list[tuple[str, dict[str, object]]]:
    return [(event.name, event.fields) for event in receipt.events]


def usd(payouts: Payouts, name: str) -> int:
    chain = payouts.chain
    return chain.balance(chain.token_account(wallet(name).pubkey(), chain.token("usd")))


def held(payouts: Payouts, pool: Pubkey) -> int:
    return payouts.chain.balance(payouts.vault(pool))


def test_the_shortest_way(payouts: Payouts) -> None:
    """P-1, P-5, P-7, P-10, P-11"""
    pool = payouts.next_pool("opener")
    ((name, event),) = events(payouts.send(payouts.open()))
    opener, fiona = wallet("opener").pubkey(), wallet("fiona").pubkey()
    assert name == "PoolOpened"
    assert event == {
        "pool": pool,
        "seq": 1,
        "actor": opener,
        "nonce": 0,
        "operator": wallet("operator").pubkey(),
        "guardian": wallet("guardian").pubkey(),
        "token": payouts.chain.token("usd"),
        "kind": AID,
        "project": ZERO,
        "record": bytes(32),
        "by_height": False,
        "opens_at": 0,
        "closes_at": 0,
        "entry_fee": 0,
        "publish_by": START + PUBLISH_BY,
        "challenge_delay": DELAY,
        "expires_at": START + EXPIRES_AT,
        "feed": ZERO,
        "comparator": 0,
        "threshold": 0,
        "trigger_by": 0,
        "status_after": FUNDING,
        "cid": "bafkreia",
        "title": "Drought",
    }
    state = payouts.read(pool)
    same = set(event) & set(state) - {"seq"}
    assert len(same) > 15
    assert all(state[key] == event[key] for key in same)
    assert (state["creator"], state["rent_payer"], state["status"]) == (opener, opener, FUNDING)
    assert (state["vault"], state["created_at"]) == (payouts.vault(pool), START)
    assert payouts.read(payouts.counter)["pools"] == 1

    payouts.chain.mint(fiona, payouts.chain.token("usd"), 500)
    assert events(payouts.send(payouts.fund("fiona", pool, 500))) == [
        (
            "PoolFunded",
            {
                "pool": pool,
                "seq": 2,
                "actor": fiona,
                "funder": fiona,
                "amount": 500,
                "receipt_after": 500,
                "funded_after": 500,
            },
        )
    ]
    assert held(payouts, pool) == 500

    leaves = [(0, "alice", 100), (1, "bob", 150), (2, "carol", 200)]
    tree = payouts.tree(pool, leaves)
    operator = wallet("operator").pubkey()
    assert events(payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))) == [
        (
            "PoolPublished",
            {
                "pool": pool,
                "seq": 3,
                "actor": operator,
                "root": tree.root,
                "total": 450,
                "leaf_count": 3,
                "manifest": bytes([8]) * 32,
                "claims_open_at": START + DELAY,
                "status_after": PUBLISHED,
                "cid": "bafkreib",
            },
        )
    ]
    payouts.chain.at(DELAY)
    for seq, (leaf, left) in enumerate(zip(leaves, (350, 200, 0), strict=True), 4):
        index, who, amount = leaf
        receipt = payouts.send(payouts.claim("mallory", pool, leaf, tree.proof(index)))
        assert events(receipt) == [
            (
                "PayoutClaimed",
                {
                    "pool": pool,
                    "seq": seq,
                    "actor": wallet("mallory").pubkey(),
                    "account": wallet(who).pubkey(),
                    "index": index,
                    "amount": amount,
                    "unclaimed_after": left,
                },
            )
        ]
        assert usd(payouts, who) == amount
        again = payouts.claim("mallory", pool, leaf, tree.proof(index))
        refuses(payouts, again, error="AlreadyClaimed")
    assert held(payouts, pool) == 50


# ---- open ----


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"operator": ZERO}, "ZeroAddress"),
        ({"kind": 3}, "InvalidInstruction"),
        ({"opens_at": 1}, "InvalidWindow"),
        ({"closes_at": 1}, "InvalidWindow"),
        ({"entry_fee": 1}, "InvalidWindow"),
        ({"by_height": True}, "InvalidWindow"),
        (WINDOW | {"opens_at": 2 * DAY}, "InvalidWindow"),
        (WINDOW | {"opens_at": -2 * DAY, "closes_at": 0}, "InvalidWindow"),
        (WINDOW | {"closes_at": PUBLISH_BY}, "InvalidWindow"),
        (WINDOW | {"publish_by": -(2**63)}, "InvalidWindow"),
        ({"publish_by": 0}, "InvalidDeadlines"),
        ({"publish_by": -(2**63)}, "InvalidDeadlines"),
        ({"publish_by": TEN_YEARS + 1, "expires_at": 2 * TEN_YEARS}, "InvalidDeadlines"),
        ({"challenge_delay": PERIOD + 1, "expires_at": 2 * PERIOD}, "InvalidDeadlines"),
        ({"expires_at": EXPIRES_AT - 1}, "InvalidDeadlines"),
        ({"expires_at": PUBLISH_BY + TEN_YEARS + 1}, "InvalidDeadlines"),
        ({"publish_by": 2**63, "expires_at": 2**63}, "InvalidDeadlines"),
        ({"comparator": 1}, "InvalidTrigger"),
        ({"threshold": 1}, "InvalidTrigger"),
        ({"threshold": -1}, "InvalidTrigger"),
        ({"trigger_by": 1}, "InvalidTrigger"),
        ({"project": Pubkey.from_bytes(bytes([9]) * 32)}, "WrongProject"),
    ],
)
def test_open_refuses(payouts: Payouts, args: dict[str, object], error: str) -> None:
    """P-1 to P-4, G-9"""
    refuses(payouts, payouts.open(**args), error=error)


def test_open_to_the_edges(payouts: Payouts) -> None:
    """P-1 to P-3"""
    payouts.opened(guardian=ZERO)
    payouts.opened(kind=REVENUE, publish_by=1, challenge_delay=0, expires_at=1 + WEEK)
    payouts.opened(
        publish_by=TEN_YEARS,
        challenge_delay=PERIOD,
        expires_at=2 * TEN_YEARS,
    )
    payouts.opened(expires_at=PUBLISH_BY + TEN_YEARS)
    payouts.opened(**WINDOW | {"opens_at": 0, "closes_at": PUBLISH_BY - 1})
    payouts.opened(**WINDOW | {"opens_at": -DAY, "closes_at": 1})
    by_height = payouts.opened(kind=ROUND, by_height=True, opens_at=5, closes_at=U64)
    assert payouts.read(by_height)["closes_at"] == U64
    assert payouts.read(payouts.counter)["pools"] == 7
    assert payouts.read(payouts.creator_counter(wallet("opener").pubkey()))["next_nonce"] == 7


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"comparator": 0}, "InvalidTrigger"),
        ({"comparator": 3}, "InvalidTrigger"),
        ({"trigger_by": 0}, "InvalidTrigger"),
        ({"trigger_by": -(2**63)}, "InvalidTrigger"),
        ({"trigger_by": EXPIRES_AT - WEEK + 1}, "InvalidDeadlines"),
        ({"trigger_by": 2**63}, "InvalidDeadlines"),
        ({"trigger_by": LATEST + 1, "expires_at": LATEST + TEN_YEARS}, "InvalidDeadlines"),
        ({"trigger_by": LATEST, "expires_at": LATEST + TEN_YEARS + 1}, "InvalidDeadlines"),
        ({"trigger_by": 1, "expires_at": PUBLISH_BY + TEN_YEARS + 1}, "InvalidDeadlines"),
        ({"feed": Pubkey.from_bytes(bytes([9]) * 32)}, "WrongFeed"),
        ({}, None),
        ({"comparator": 2, "threshold": -(2**127)}, None),
        ({"trigger_by": EXPIRES_AT - WEEK}, None),
        ({"trigger_by": LATEST, "expires_at": LATEST + TEN_YEARS}, None),
        ({"trigger_by": 1, "expires_at": PUBLISH_BY + TEN_YEARS}, None),
    ],
)
def test_open_with_a_trigger(
    payouts: Payouts, feeds: Feeds, args: dict[str, object], error: str | None
) -> None:
    """P-3, P-4"""
    ix = payouts.open(**{"feed": feeds.opened()} | TRIGGER | args)
    if error:
        refuses(payouts, ix, error=error)
    else:
        payouts.send(ix)


def test_open_text(payouts: Payouts) -> None:
    """P-4, G-6"""
    chain = payouts.chain
    table = [payouts.counter, payouts.interface.event_authority, chain.token("usd"), SYSTEM]
    table.append(payouts.creator_counter(chain.fund("opener").pubkey()))
    with pytest.raises(Refused) as refused:
        payouts.send(payouts.open(title="x" * 601, cid="c" * 100), table=table)
    assert refused.value.name == "TextTooLong"
    payouts.send(payouts.open(title="x" * 600, cid="c" * 100), table=table)


def test_open_in_a_project(payouts: Payouts, projects: Projects) -> None:
    """P-1, Q-5: by its owner, while it is active."""
    project = projects.created("owner")
    refuses(payouts, payouts.open("opener", project=project), error="NotOwner")
    ((_, event),) = events(payouts.send(payouts.open("owner", project=project)))
    assert event["project"] == project
    projects.send(projects.update("owner", project, 0, PAUSED))
    refuses(payouts, payouts.open("owner", project=project), error="WrongStatus")
    refuses(payouts, payouts.open("opener", project=project), error="WrongStatus")
    projects.send(projects.update("owner", project, 0, DONE))
    refuses(payouts, payouts.open("owner", project=project), error="WrongStatus")


def test_open_over_lamports_sent_ahead(payouts: Payouts) -> None:
    """G-12"""
    pool = payouts.next_pool("opener")
    for address in (pool, payouts.vault(pool), payouts.receipt(pool, "fiona")):
        payouts.chain.put(address, SYSTEM, b"", 1)
    assert payouts.funded() == pool


# ---- fund ----


def test_funding_adds_up_until_publication(payouts: Payouts) -> None:
    """P-5, K-2"""
    pool = payouts.opened()
    chain = payouts.chain
    for name in ("fiona", "frank"):
        chain.mint(wallet(name).pubkey(), chain.token("usd"), 100)
    sums = [("fiona", 10, 10, 10), ("frank", 20, 20, 30), ("fiona", 5, 15, 35)]
    for seq, (name, amount, receipt, funded) in enumerate(sums, 2):
        ((_, event),) = events(payouts.send(payouts.fund(name, pool, amount)))
        assert (event["seq"], event["receipt_after"], event["funded_after"]) == (
            seq,
            receipt,
            funded,
        )
    assert held(payouts, pool) == 35
    assert payouts.read(pool)["parts"] == 2
    refuses(payouts, payouts.fund("fiona", pool, 0), error="ZeroAmount")
    chain.at(PUBLISH_BY)
    payouts.send(payouts.fund("frank", pool, 1))
    chain.at(PUBLISH_BY + 1)
    refuses(payouts, payouts.fund("frank", pool, 1), error="TooLate")
    chain.at(PUBLISH_BY)
    payouts.send(payouts.publish("operator", pool, RECORD, 36))
    refuses(payouts, payouts.fund("frank", pool, 1), error="WrongStatus")
    payouts.send(payouts.veto("guardian", pool))
    payouts.send(payouts.fund("frank", pool, 1))
    assert payouts.read(pool)["funded"] == 37


def test_funding_to_the_edge(payouts: Payouts) -> None:
    """P-5, G-1"""
    pool = payouts.funded(U64)
    chain = payouts.chain
    chain.mint(wallet("frank").pubkey(), chain.token("usd"), 1)
    refuses(payouts, payouts.fund("frank", pool, 1), error="Overflow")
    chain.at(PUBLISH_BY + 1)
    payouts.send(payouts.refund("mallory", pool, "fiona"))
    assert usd(payouts, "fiona") == U64


# ---- enter ----


def test_rounds_are_entered_in_their_window(payouts: Payouts) -> None:
    """P-6, P-7, P-15"""
    pool = payouts.opened(**WINDOW)
    chain = payouts.chain
    chain.mint(wallet("alice").pubkey(), chain.token("usd"), 100)
    chain.at(DAY - 1)
    refuses(payouts, payouts.enter("alice", pool, RECORD), error="TooEarly")
    chain.at(DAY)
    alice = wallet("alice").pubkey()
    assert events(payouts.send(payouts.enter("alice", pool, RECORD))) == [
        (
            "RoundEntered",
            {
                "pool": pool,
                "seq": 2,
                "actor": alice,
                "entrant": alice,
                "record": RECORD,
                "fee": 5,
                "funded_after": 5,
            },
        )
    ]
    refuses(payouts, payouts.enter("alice", pool, RECORD), error="AlreadyEntered")
    entry = payouts.read(payouts.entry(pool, "alice", RECORD))
    assert (entry["pool"], entry["entrant"], entry["record"]) == (pool, alice, RECORD)
    payouts.send(payouts.enter("alice", pool, bytes(32)))
    assert payouts.read(payouts.receipt(pool, "alice"))["amount"] == 10
    chain.at(2 * DAY - 1)
    refuses(payouts, payouts.publish("operator", pool, RECORD, 10), error="TooEarly")
    payouts.send(payouts.enter("alice", pool, bytes([1]) * 32))
    chain.at(2 * DAY)
    refuses(payouts, payouts.enter("alice", pool, bytes([2]) * 32), error="TooLate")
    payouts.send(payouts.publish("operator", pool, RECORD, 15))
    chain.at(2 * DAY - 1)
    refuses(payouts, payouts.enter("alice", pool, bytes([2]) * 32), error="WrongStatus")
    chain.at(EXPIRES_AT)
    payouts.send(payouts.refund("mallory", pool, "alice"))
    assert usd(payouts, "alice") == 100


def test_rounds_by_height(payouts: Payouts) -> None:
    """P-2, P-6: slots; no fee after publish_by, whatever the height."""
    pool = payouts.opened(kind=ROUND, by_height=True, opens_at=100, closes_at=200)
    chain = payouts.chain
    for slot, error in ((99, "TooEarly"), (100, None), (199, None), (200, "TooLate")):
        chain.at(0, slot)
        ix = payouts.enter("alice", pool, word(slot))
        if error:
            refuses(payouts, ix, error=error)
        else:
            payouts.send(ix)
    assert payouts.chain.data(payouts.receipt(pool, "alice")) is None
    chain.at(PUBLISH_BY, 150)
    payouts.send(payouts.enter("alice", pool, word(1)))
    chain.at(PUBLISH_BY + 1, 150)
    refuses(payouts, payouts.enter("alice", pool, word(2)), error="TooLate")
    chain.at(PUBLISH_BY, 199)
    chain.mint(wallet("fiona").pubkey(), chain.token("usd"), 1)
    payouts.send(payouts.fund("fiona", pool, 1))
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1), error="TooEarly")
    chain.at(PUBLISH_BY, 200)
    payouts.send(payouts.publish("operator", pool, RECORD, 1))


def test_only_rounds_are_entered(payouts: Payouts) -> None:
    """P-6"""
    pool = payouts.opened()
    refuses(payouts, payouts.enter("alice", pool, RECORD), error="NotARound")


# ---- publish and veto ----


def test_publish_refuses(payouts: Payouts) -> None:
    """P-7"""
    pool = payouts.funded(1000)
    chain = payouts.chain
    refuses(payouts, payouts.publish("opener", pool, RECORD, 1000), error="NotOperator")
    refuses(payouts, payouts.publish("operator", pool, bytes(32), 1000), error="InvalidRoot")
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1000, 0), error="InvalidRoot")
    refuses(payouts, payouts.publish("operator", pool, RECORD, 0), error="InsufficientFunds")
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1001), error="InsufficientFunds")
    long = payouts.publish("operator", pool, RECORD, 1000, cid="c" * 701)
    refuses(payouts, long, error="TextTooLong")
    chain.at(PUBLISH_BY + 1)
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1000), error="TooLate")
    chain.at(PUBLISH_BY)
    payouts.send(payouts.publish("operator", pool, RECORD, 1000, cid="c" * 700))
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1000), error="WrongStatus")
    state = payouts.read(pool)
    assert state["claims_open_at"] + WEEK <= state["expires_at"]
    assert (state["root"], state["unclaimed"], state["leaf_count"]) == (RECORD, 1000, 1)


def test_guardian_vetoes_to_the_last_moment(payouts: Payouts) -> None:
    """P-8"""
    pool = payouts.funded(1000)
    chain = payouts.chain
    refuses(payouts, payouts.veto("guardian", pool), error="WrongStatus")
    payouts.send(payouts.publish("operator", pool, RECORD, 1000))
    refuses(payouts, payouts.veto("operator", pool), error="NotGuardian")
    chain.at(DELAY)
    refuses(payouts, payouts.veto("guardian", pool), error="TooLate")
    chain.at(DELAY - 1)
    guardian = wallet("guardian").pubkey()
    fields = {"pool": pool, "seq": 4, "actor": guardian, "status_after": VETOED}
    assert events(payouts.send(payouts.veto("guardian", pool))) == [("PoolVetoed", fields)]
    state = payouts.read(pool)
    assert (state["root"], state["manifest"]) == (bytes(32), bytes(32))
    assert (state["total"], state["unclaimed"], state["leaf_count"]) == (0, 0, 0)
    assert state["claims_open_at"] == 0
    refuses(payouts, payouts.claim("bob", pool, LEAVES[0], []), error="WrongStatus")
    # published anew: the delay begins again
    tree = payouts.tree(pool, LEAVES)
    payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))
    chain.at(2 * DELAY - 2)
    refuses(payouts, payouts.claim("bob", pool, LEAVES[0], tree.proof(0)), error="TooEarly")
    chain.at(2 * DELAY - 1)
    payouts.send(payouts.claim("bob", pool, LEAVES[0], tree.proof(0)))


def test_veto_after_publish_by_refunds(payouts: Payouts) -> None:
    """P-8, P-15: a root seconds before publish_by, vetoed: the funders have it all back."""
    pool = payouts.funded(1000)
    chain = payouts.chain
    chain.at(PUBLISH_BY)
    payouts.send(payouts.publish("operator", pool, RECORD, 1000))
    chain.at(PUBLISH_BY + DELAY - 1)
    refuses(payouts, payouts.refund("bob", pool, "fiona"), error="TooEarly")
    payouts.send(payouts.veto("guardian", pool))
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1000), error="TooLate")
    payouts.send(payouts.refund("bob", pool, "fiona"))
    assert usd(payouts, "fiona") == 1000


STOLEN: Leaf = (0, "operator", 1000)


def test_a_root_that_pays_the_operator_is_vetoed(payouts: Payouts) -> None:
    """P-8, P-10, P-12, P-15: it pays nothing before the guardian can forget it, and nothing after;
    with no other root in time the funders have everything back."""
    pool = payouts.funded(1000)
    chain = payouts.chain
    root = payouts.tree(pool, [STOLEN]).root
    take = [
        payouts.claim("operator", pool, STOLEN, []),
        payouts.allocate("operator", pool, STOLEN, []),
    ]
    payouts.send(payouts.publish("operator", pool, root, 1000))
    chain.at(DELAY - 1)
    for ix in take:
        refuses(payouts, ix, error="TooEarly")
    payouts.send(payouts.veto("guardian", pool))
    for at in (DELAY, PUBLISH_BY, PUBLISH_BY + 1, EXPIRES_AT - 1):
        chain.at(at)
        for ix in take:
            refuses(payouts, ix, error="WrongStatus")
    payouts.send(payouts.refund("mallory", pool, "fiona"))
    assert (usd(payouts, "operator"), usd(payouts, "fiona")) == (0, 1000)


def test_a_right_root_replaces_one_that_pays_the_operator(payouts: Payouts) -> None:
    """P-7, P-8, P-10: of the vetoed one no leaf is left, whatever is open for claims."""
    pool = payouts.funded(1000)
    chain = payouts.chain
    payouts.send(payouts.publish("operator", pool, payouts.tree(pool, [STOLEN]).root, 1000))
    payouts.send(payouts.veto("guardian", pool))
    tree = payouts.tree(pool, LEAVES)
    payouts.send(payouts.publish("operator", pool, tree.root, 450, len(LEAVES)))
    chain.at(DELAY)
    stolen = payouts.claim("operator", pool, STOLEN, [])
    refuses(payouts, stolen, error="InvalidProof")
    for index, leaf in enumerate(LEAVES):
        payouts.send(payouts.claim("mallory", pool, leaf, tree.proof(index)))
    chain.at(EXPIRES_AT)
    refuses(payouts, stolen, error="TooLate")
    payouts.send(payouts.refund("mallory", pool, "fiona"))
    assert (usd(payouts, "operator"), usd(payouts, "fiona")) == (0, 550)
    assert held(payouts, pool) == 0


def test_a_root_takes_what_was_published_and_no_more(payouts: Payouts) -> None:
    """P-7, P-8, P-10, P-15: no guardian speaks, and the operator is paid; not what others paid into
    another pool, nor what of this one's money the total leaves out."""
    other = payouts.funded(1000)
    pool = payouts.funded(1000)
    root = payouts.tree(pool, [STOLEN]).root
    much = payouts.publish("operator", pool, root, 1001)
    refuses(payouts, much, error="InsufficientFunds")
    leaves: list[Leaf] = [(0, "operator", 900), (1, "operator", 1)]
    tree = payouts.tree(pool, leaves)
    payouts.send(payouts.publish("operator", pool, tree.root, 900, len(leaves)))
    payouts.chain.at(DELAY)
    payouts.send(payouts.claim("operator", pool, leaves[0], tree.proof(0)))
    more = payouts.claim("operator", pool, leaves[1], tree.proof(1))
    refuses(payouts, more, error="ExceedsTotal")
    payouts.chain.at(EXPIRES_AT)
    payouts.send(payouts.refund("mallory", pool, "fiona"))
    assert (usd(payouts, "operator"), usd(payouts, "fiona")) == (900, 100)
    assert held(payouts, other) == 1000


def test_no_guardian_vetoes_nothing(payouts: Payouts) -> None:
    """P-8: neither without a guardian nor when it is gone is anybody else asked."""
    pool = payouts.funded(1000, guardian=ZERO)
    payouts.send(payouts.publish("operator", pool, RECORD, 1000))
    for name in ("opener", "operator", "fiona"):
        refuses(payouts, payouts.veto(name, pool), error="NotGuardian")


# ---- fire ----


def triggered(payouts: Payouts, feeds: Feeds, **args: object) -> tuple[Pubkey, Pubkey, Tree]:
    """A feed of a heartbeat of an hour, and a pool that is funded and published."""
    feed = feeds.opened()
    pool = payouts.funded(1000, **{"feed": feed} | TRIGGER | args)
    tree = payouts.tree(pool, LEAVES)
    payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))
    return feed, pool, tree


def observe(feeds: Feeds, feed: Pubkey, *observations: tuple[int, int]) -> None:
    feeds.send(feeds.publish("opener", feed, observations))


def test_claims_wait_for_the_trigger(payouts: Payouts, feeds: Feeds) -> None:
    """P-9, P-10"""
    feed, pool, tree = triggered(payouts, feeds)
    chain = payouts.chain
    chain.at(2 * DAY)
    claim = payouts.claim("bob", pool, LEAVES[0], tree.proof(0))
    refuses(payouts, claim, error="NotTriggered")
    observe(feeds, feed, (49, 2 * DAY - 3), (50, 2 * DAY - 2), (60, 2 * DAY - 1))
    refuses(payouts, payouts.fire("bob", pool, 1), error="ConditionNotMet")
    refuses(payouts, payouts.fire("bob", pool, 0), error="ObservationOutOfWindow")
    refuses(payouts, payouts.fire("bob", pool, 4), error="ObservationOutOfWindow")
    fields = {"pool": pool, "seq": 4, "actor": wallet("bob").pubkey(), "round": 2, "value": 50}
    assert events(payouts.send(payouts.fire("bob", pool, 2))) == [("TriggerFired", fields)]
    refuses(payouts, payouts.fire("bob", pool, 3), error="AlreadyFired")
    payouts.send(claim)


def test_trigger_at_most(payouts: Payouts, feeds: Feeds) -> None:
    """P-9"""
    feed, pool, _ = triggered(payouts, feeds, comparator=2, threshold=-5)
    payouts.chain.at(100)
    observe(feeds, feed, (-4, 98), (-5, 99))
    refuses(payouts, payouts.fire("bob", pool, 1), error="ConditionNotMet")
    payouts.send(payouts.fire("bob", pool, 2))


def test_trigger_is_of_its_time(payouts: Payouts, feeds: Feeds) -> None:
    """P-9: after opening, until trigger_by, and not stale."""
    feed, pool, _ = triggered(payouts, feeds)
    chain = payouts.chain
    observe(feeds, feed, (60, 0), (60, 1))
    refuses(payouts, payouts.fire("bob", pool, 1), error="ObservationOutOfWindow")
    chain.at(3601)
    payouts.send(payouts.fire("bob", pool, 2))
    feed, pool, _ = triggered(payouts, feeds)
    chain.at(5 * DAY)
    observe(feeds, feed, (60, 4 * DAY), (60, 5 * DAY), (60, 5 * DAY + 1))
    refuses(payouts, payouts.fire("bob", pool, 1), error="StaleObservation")
    refuses(payouts, payouts.fire("bob", pool, 3), error="ObservationOutOfWindow")
    chain.at(5 * DAY + 1)
    refuses(payouts, payouts.fire("bob", pool, 2), error="TooLate")
    chain.at(5 * DAY)
    payouts.send(payouts.fire("bob", pool, 2))


def test_trigger_goes_stale_with_the_heartbeat(payouts: Payouts, feeds: Feeds) -> None:
    """P-9"""
    feed, pool, _ = triggered(payouts, feeds)
    chain = payouts.chain
    observe(feeds, feed, (60, 10))
    chain.at(10 + 3601)
    refuses(payouts, payouts.fire("bob", pool, 1), error="StaleObservation")
    chain.at(10 + 3600)
    payouts.send(payouts.fire("bob", pool, 1))


def test_trigger_that_never_fires_gives_all_back(payouts: Payouts, feeds: Feeds) -> None:
    """P-9, P-15"""
    _, pool, _ = triggered(payouts, feeds)
    chain = payouts.chain
    chain.at(EXPIRES_AT - 1)
    refuses(payouts, payouts.refund("bob", pool, "fiona"), error="TooEarly")
    chain.at(EXPIRES_AT)
    payouts.send(payouts.refund("bob", pool, "fiona"))
    assert usd(payouts, "fiona") == 1000


def test_trigger_fired_before_publication(payouts: Payouts, feeds: Feeds) -> None:
    """P-9, P-10: what fired stays fired, over a veto too; the delay is waited for all the same."""
    feed = feeds.opened()
    pool = payouts.funded(1000, feed=feed, **TRIGGER)
    chain = payouts.chain
    chain.at(100)
    observe(feeds, feed, (50, 100))
    payouts.send(payouts.fire("bob", pool, 1))
    tree = payouts.tree(pool, LEAVES)
    payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))
    payouts.send(payouts.veto("guardian", pool))
    payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))
    claim = payouts.claim("bob", pool, LEAVES[0], tree.proof(0))
    refuses(payouts, claim, error="TooEarly")
    chain.at(100 + DELAY)
    payouts.send(claim)


def test_fire_without_a_trigger(payouts: Payouts) -> None:
    """P-9"""
    pool = payouts.opened()
    refuses(payouts, payouts.fire("bob", pool, 1), error="NoTrigger")


# ---- claim ----


def test_claims_have_their_time(payouts: Payouts) -> None:
    """P-10"""
    pool = payouts.funded(1000)
    tree = payouts.tree(pool, LEAVES)
    claim = payouts.claim("bob", pool, LEAVES[0], tree.proof(0))
    refuses(payouts, claim, error="WrongStatus")
    payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))
    payouts.chain.at(DELAY - 1)
    refuses(payouts, claim, error="TooEarly")
    payouts.chain.at(EXPIRES_AT)
    refuses(payouts, claim, error="TooLate")
    payouts.chain.at(EXPIRES_AT - 1)
    payouts.send(claim)


def test_a_proof_is_of_one_leaf(payouts: Payouts) -> None:
    """P-10, P-11: another index, account or amount; a proof cut, lengthened or turned."""
    pool, tree = payouts.published(LEAVES)
    proof = tree.proof(1)
    assert len(proof) == 2
    wrong: list[tuple[Leaf, Sequence[bytes]]] = [
        ((2, "bob", 150), proof),
        ((1 + 2**32, "bob", 150), proof),
        ((1, "mallory", 150), proof),
        ((1, "bob", 151), proof),
        ((1, "bob", 150), []),
        ((1, "bob", 150), proof[:1]),
        ((1, "bob", 150), proof[::-1]),
        ((1, "bob", 150), [*proof, bytes(32)]),
        ((1, "bob", 150), [*proof, tree.root]),
        ((1, "bob", 150), tree.proof(0)),
    ]
    for leaf, nodes in wrong:
        refuses(payouts, payouts.claim("bob", pool, leaf, nodes), error="InvalidProof")
        refuses(payouts, payouts.allocate("bob", pool, leaf, nodes), error="InvalidProof")
    long = payouts.claim("bob", pool, (1, "bob", 150), [*proof, *[bytes(32)] * 18])
    refuses(payouts, long, error="InvalidProof")
    payouts.send(payouts.claim("bob", pool, (1, "bob", 150), proof))


def test_a_count_of_nodes_that_is_not_there(payouts: Payouts) -> None:
    """P-10, G-11: a proof's length beyond the data, also when multiplied it would wrap."""
    pool, tree = payouts.published(LEAVES)
    ix = payouts.claim("bob", pool, LEAVES[1], tree.proof(1))
    data = bytes(ix.data)
    at = len(data) - 64 - 4
    for count in (1, 3, 2**27, 2**31, 2**32 - 1):
        changed = data[:at] + count.to_bytes(4, "little") + data[at + 4 :]
        refuses(payouts, with_data(ix, changed), error="InvalidInstruction")


def test_inner_node_is_no_leaf(payouts: Payouts) -> None:
    """P-11: a second preimage. A leaf's two hashes have 192 and 32 bytes before them, a node's
    one has 64, so nothing that a claim can say hashes to an inner node."""
    pool = payouts.funded(1000)
    leaves = [*LEAVES, (3, "dave", 50)]
    tree = payouts.tree(pool, leaves)
    node = hash_pair(tree.nodes[3], tree.nodes[4])
    assert node == tree.nodes[1]
    payouts.send(payouts.publish("operator", pool, tree.root, 500, 4))
    payouts.chain.at(DELAY)
    for leaf in leaves:
        forged = payouts.claim("bob", pool, leaf, [tree.nodes[2]])
        refuses(payouts, forged, error="InvalidProof")
    # a root that is a leaf's first hash, or the leaf itself, proves nothing either
    single = payouts.tree(pool, LEAVES[:1])
    assert single.proof(0) == []
    assert single.root not in (tree.nodes[1], tree.nodes[2])


def test_leaves_hold_in_their_pool_only(payouts: Payouts) -> None:
    """P-11: another pool, program, or cluster."""
    _, tree = payouts.published(LEAVES)
    payouts.chain.at(0)
    second, other = payouts.published(LEAVES)
    assert tree.root != other.root
    stolen = payouts.claim("bob", second, LEAVES[0], tree.proof(0))
    refuses(payouts, stolen, error="InvalidProof")
    alice, pool = wallet("alice").pubkey(), second
    encoded = payouts.leaf(pool, 0, alice, 100)
    for part in (0, 32):
        elsewhere = bytearray(encoded)
        elsewhere[part] ^= 1
        payouts.chain.at(0)
        pool = payouts.funded(1000)
        made = bytearray(payouts.leaf(pool, 0, alice, 100))
        made[part] ^= 1
        root = Tree([bytes(made)]).root
        payouts.send(payouts.publish("operator", pool, root, 100))
        payouts.chain.at(DELAY)
        refuses(payouts, payouts.claim("bob", pool, LEAVES[0], []), error="InvalidProof")


def test_a_duplicated_leaf_pays_once(payouts: Payouts) -> None:
    """P-10: a leaf twice in the tree; two leaves of one index."""
    pool, tree = payouts.published([(0, "alice", 100), (0, "alice", 100), (0, "bob", 50)])
    payouts.send(payouts.claim("bob", pool, (0, "alice", 100), tree.proof(0)))
    again = payouts.claim("bob", pool, (0, "alice", 100), tree.proof(1))
    refuses(payouts, again, error="AlreadyClaimed")
    other = payouts.claim("bob", pool, (0, "bob", 50), tree.proof(2))
    refuses(payouts, other, error="AlreadyClaimed")
    refuses(payouts, payouts.allocate("bob", pool, (0, "bob", 50), tree.proof(2)),
            error="AlreadyClaimed")  # fmt: skip


def test_claims_end_at_the_total(payouts: Payouts) -> None:
    """P-10, K-3: the leaves may sum to more than the total; no claim takes more than is left."""
    pool = payouts.funded(1000)
    tree = payouts.tree(pool, LEAVES)
    payouts.send(payouts.publish("operator", pool, tree.root, 260, 3))
    payouts.chain.at(DELAY)
    payouts.send(payouts.claim("bob", pool, LEAVES[0], tree.proof(0)))
    refuses(payouts, payouts.claim("bob", pool, LEAVES[2], tree.proof(2)), error="ExceedsTotal")
    allocate = payouts.allocate("bob", pool, LEAVES[2], tree.proof(2))
    refuses(payouts, allocate, error="ExceedsTotal")
    payouts.send(payouts.claim("bob", pool, LEAVES[1], tree.proof(1)))
    assert payouts.read(pool)["unclaimed"] == 10


def test_pages(payouts: Payouts) -> None:
    """P-10: each index has a bit of its own, to the type's edge; rent is paid once a page."""
    indices = [0, 1, 7, 8, 9, PAGE - 1, PAGE, 2 * PAGE - 1, 2**32 - 1, 2**63, U64 - 1, U64]
    leaves: list[Leaf] = [(index, "alice", n + 1) for n, index in enumerate(indices)]
    leaves.append((2 * PAGE + 3, "alice", 0))
    pool, tree = payouts.published(leaves)
    for n, leaf in enumerate(leaves):
        payouts.send(payouts.claim("bob", pool, leaf, tree.proof(n)))
    for n, leaf in enumerate(leaves):
        again = payouts.claim("bob", pool, leaf, tree.proof(n))
        refuses(payouts, again, error="AlreadyClaimed")
    first = payouts.read(payouts.page(pool, 0))
    bits = int.from_bytes(bytes(first["taken"]), "little")
    assert bits == sum(1 << index for index in indices if index < PAGE)
    assert (first["number"], first["rent_payer"]) == (0, wallet("bob").pubkey())
    assert payouts.read(pool)["parts"] == 1 + 6  # a receipt and six pages
    assert usd(payouts, "alice") == sum(range(1, len(indices) + 1))


def test_a_frozen_account_blocks_nobody_else(payouts: Payouts) -> None:
    """G-7: bob's token account is frozen by its issuer; alice is paid, and so will bob be."""
    pool, tree = payouts.published(LEAVES)
    chain = payouts.chain
    account = chain.token_account(wallet("bob").pubkey(), chain.token("usd"))
    chain.freeze(account)
    claim = payouts.claim("carol", pool, LEAVES[1], tree.proof(1))
    refuses(payouts, claim, error=FROZEN)
    payouts.send(payouts.claim("carol", pool, LEAVES[0], tree.proof(0)))
    chain.freeze(account, False)
    payouts.send(claim)


# ---- vouchers ----


def allocated(payouts: Payouts) -> Pubkey:
    """alice has a voucher of 100; dave is a vendor."""
    pool, tree = payouts.published(LEAVES)
    payouts.send(payouts.allocate("bob", pool, LEAVES[0], tree.proof(0)))
    payouts.send(payouts.set_vendor("operator", pool, "dave"))
    return pool


def test_an_allocation_is_a_claim_that_stays(payouts: Payouts) -> None:
    """P-12, K-3"""
    leaves = [*LEAVES, (3, "alice", 25)]
    pool, tree = payouts.published(leaves)
    bob, alice = wallet("bob").pubkey(), wallet("alice").pubkey()
    assert events(payouts.send(payouts.allocate("bob", pool, LEAVES[0], tree.proof(0)))) == [
        (
            "VoucherAllocated",
            {
                "pool": pool,
                "seq": 4,
                "actor": bob,
                "account": alice,
                "index": 0,
                "amount": 100,
                "voucher_after": 100,
                "unclaimed_after": 375,
            },
        )
    ]
    claim = payouts.claim("bob", pool, LEAVES[0], tree.proof(0))
    refuses(payouts, claim, error="AlreadyClaimed")
    ((_, event),) = events(payouts.send(payouts.allocate("bob", pool, leaves[3], tree.proof(3))))
    assert (event["voucher_after"], event["unclaimed_after"]) == (125, 350)
    state, voucher = payouts.read(pool), payouts.read(payouts.voucher(pool, "alice"))
    assert (state["vouchers"], state["parts"]) == (125, 3)
    assert (voucher["account"], voucher["amount"], voucher["nonce"]) == (alice, 125, 0)
    assert (usd(payouts, "alice"), held(payouts, pool)) == (0, 1000)


def test_the_operator_names_vendors(payouts: Payouts) -> None:
    """P-13"""
    pool = payouts.opened()
    refuses(payouts, payouts.set_vendor("opener", pool, "dave"), error="NotOperator")
    for seq, allowed in ((2, True), (3, False), (4, True)):
        ((name, event),) = events(
            payouts.send(payouts.set_vendor("operator", pool, "dave", allowed))
        )
        assert name == "VendorSet"
        assert event == {
            "pool": pool,
            "seq": seq,
            "actor": wallet("operator").pubkey(),
            "vendor": wallet("dave").pubkey(),
            "allowed": allowed,
        }
        assert payouts.read(payouts.vendor(pool, "dave"))["allowed"] == allowed
    assert payouts.read(pool)["parts"] == 1


def test_a_vendor_is_paid_by_the_beneficiarys_signature(payouts: Payouts) -> None:
    """P-14"""
    pool = allocated(payouts)
    for nonce, (amount, left) in enumerate([(30, 70), (70, 0)]):
        signature = payouts.signature("alice", pool, "dave", amount, nonce, 2 * DAY)
        redeem = payouts.redeem("mallory", pool, "alice", "dave", amount, 2 * DAY)
        ((name, event),) = events(payouts.send(signature, redeem))
        assert name == "VoucherRedeemed"
        assert event == {
            "pool": pool,
            "seq": 6 + nonce,
            "actor": wallet("mallory").pubkey(),
            "account": wallet("alice").pubkey(),
            "vendor": wallet("dave").pubkey(),
            "amount": amount,
            "nonce": nonce,
            "voucher_after": left,
        }
        refuses(payouts, signature, redeem, error="InvalidSignature")
    assert (usd(payouts, "dave"), usd(payouts, "alice")) == (100, 0)
    assert payouts.read(pool)["vouchers"] == 0


def test_vouchers_of_one_account_add_up(payouts: Payouts) -> None:
    """P-12, P-14, K-3: of leaves on two pages, to two vendors, in as many parts as alice signs;
    what is not hers no signature of hers moves, and none moves anything twice."""
    leaves: list[Leaf] = [(0, "alice", 100), (7, "alice", 20), (PAGE, "alice", 3), (1, "bob", 50)]
    pool, tree = payouts.published(leaves)
    for number, leaf in enumerate(leaves):
        payouts.send(payouts.allocate("mallory", pool, leaf, tree.proof(number)))
    vendors = {"dave": "carol", "carol": "dave"}  # each with the other
    for vendor in vendors:
        payouts.send(payouts.set_vendor("operator", pool, vendor))
    until = 2 * DAY
    used: list[tuple[Instruction, Instruction]] = []
    for nonce, (vendor, amount) in enumerate([("dave", 60), ("carol", 50), ("dave", 13)]):
        signature = payouts.signature("alice", pool, vendor, amount, nonce, until)
        changed = [
            payouts.redeem("mallory", pool, "alice", vendors[vendor], amount, until),
            payouts.redeem("mallory", pool, "alice", vendor, amount + 1, until),
            payouts.redeem("mallory", pool, "alice", vendor, amount, until + 1),
            payouts.redeem("mallory", pool, "bob", vendor, amount, until),
        ]
        for redeem in changed:
            refuses(payouts, signature, redeem, error="InvalidSignature")
        redeem = payouts.redeem("mallory", pool, "alice", vendor, amount, until)
        payouts.chain.at(until + 1)
        refuses(payouts, signature, redeem, error="SignatureExpired")
        payouts.chain.at(until)
        payouts.send(signature, redeem)
        used.append((signature, redeem))
        for again in used:
            refuses(payouts, *again, error="InvalidSignature")
    one_more = payouts.signature("alice", pool, "dave", 1, 3, until)
    redeem = payouts.redeem("mallory", pool, "alice", "dave", 1, until)
    refuses(payouts, one_more, redeem, error="ExceedsVoucher")
    assert (usd(payouts, "dave"), usd(payouts, "carol")) == (73, 50)
    assert payouts.read(payouts.voucher(pool, "alice"))["amount"] == 0
    assert payouts.read(payouts.voucher(pool, "bob"))["amount"] == 50
    assert payouts.read(pool)["vouchers"] == 50
    assert held(payouts, pool) == 1000 - 123


def test_a_frozen_vendor_costs_nobody_a_voucher(payouts: Payouts) -> None:
    """G-7, P-14: what is not paid stays in the voucher; another vendor is paid meanwhile."""
    pool = allocated(payouts)
    chain = payouts.chain
    payouts.send(payouts.set_vendor("operator", pool, "carol"))
    account = chain.token_account(wallet("dave").pubkey(), chain.token("usd"))
    chain.freeze(account)
    first = payouts.signature("alice", pool, "dave", 30, 0, 2 * DAY)
    redeem = payouts.redeem("mallory", pool, "alice", "dave", 30, 2 * DAY)
    refuses(payouts, first, redeem, error=FROZEN)
    second = payouts.signature("alice", pool, "carol", 70, 0, 2 * DAY)
    payouts.send(second, payouts.redeem("mallory", pool, "alice", "carol", 70, 2 * DAY))
    assert payouts.read(payouts.voucher(pool, "alice"))["amount"] == 30
    third = payouts.signature("alice", pool, "dave", 30, 1, 2 * DAY)
    refuses(payouts, third, redeem, error=FROZEN)
    chain.freeze(account, False)
    payouts.send(third, redeem)
    assert (usd(payouts, "carol"), usd(payouts, "dave")) == (70, 30)


def test_redeem_refuses(payouts: Payouts) -> None:
    """P-14: another signer, vendor, amount, expiry, nonce, pool; no signature; too much; late."""
    pool = allocated(payouts)
    until = 2 * DAY
    payouts.send(payouts.set_vendor("operator", pool, "carol"))
    good = payouts.signature("alice", pool, "dave", 30, 0, until)
    redeem = payouts.redeem("mallory", pool, "alice", "dave", 30, until)
    unlisted = payouts.redeem("mallory", pool, "alice", "frank", 30, until)
    refuses(payouts, good, unlisted, error="NotVendor")
    other_vendor = payouts.redeem("mallory", pool, "alice", "carol", 30, until)
    refuses(payouts, good, other_vendor, error="InvalidSignature")
    more = payouts.redeem("mallory", pool, "alice", "dave", 31, until)
    refuses(payouts, good, more, error="InvalidSignature")
    longer = payouts.redeem("mallory", pool, "alice", "dave", 30, until + 1)
    refuses(payouts, good, longer, error="InvalidSignature")
    refuses(payouts, redeem, error="InvalidSignature")
    refuses(payouts, good, good, redeem, good, redeem, error="InvalidSignature")
    for signature in (
        payouts.signature("mallory", pool, "dave", 30, 0, until),
        payouts.signature("alice", pool, "dave", 30, 1, until),
        payouts.signature("alice", payouts.opened(), "dave", 30, 0, until),
    ):
        refuses(payouts, signature, redeem, error="InvalidSignature")
    nothing = payouts.redeem("mallory", pool, "alice", "dave", 0, until)
    zero = payouts.signature("alice", pool, "dave", 0, 0, until)
    refuses(payouts, zero, nothing, error="ZeroAmount")
    much = payouts.signature("alice", pool, "dave", 101, 0, until)
    too_much = payouts.redeem("mallory", pool, "alice", "dave", 101, until)
    refuses(payouts, much, too_much, error="ExceedsVoucher")
    payouts.send(payouts.set_vendor("operator", pool, "dave", False))
    refuses(payouts, good, redeem, error="NotVendor")
    payouts.send(payouts.set_vendor("operator", pool, "dave"))
    payouts.chain.at(until + 1)
    refuses(payouts, good, redeem, error="SignatureExpired")
    payouts.chain.at(until)
    payouts.send(good, redeem)


def test_a_signature_is_for_one_cluster_and_program(payouts: Payouts) -> None:
    """P-14: every byte of what is signed counts, and no more are."""
    pool = allocated(payouts)
    redeem = payouts.redeem("mallory", pool, "alice", "dave", 30, 2 * DAY)
    message = payouts.signed_message(pool, "dave", 30, 0, START + 2 * DAY)
    assert len(message) == 176
    wrong = [message[:-1], message + b"\0", b""]
    for at in (0, 23, 24, 55, 56, 87, 88, 119, 120, 151, 152, 159, 160, 167, 168, 175):
        changed = bytearray(message)
        changed[at] ^= 1
        wrong.append(bytes(changed))
    for each in wrong:
        signature = ed25519_instruction(wallet("alice"), each)
        refuses(payouts, signature, redeem, error="InvalidSignature")
    payouts.send(ed25519_instruction(wallet("alice"), message), redeem)


def test_the_ed25519_instruction_holds_all_it_verifies(payouts: Payouts) -> None:
    """P-14: mallory's signatures, with alice's key or the right message beside what is verified."""
    pool = allocated(payouts)
    redeem = payouts.redeem("mallory", pool, "alice", "dave", 30, 2 * DAY)
    message = payouts.signed_message(pool, "dave", 30, 0, START + 2 * DAY)
    alice, mallory = wallet("alice"), wallet("mallory")
    of_mallory = ed25519_instruction(mallory, message)
    of_alice = ed25519_instruction(alice, bytes(len(message)))
    right = bytes(alice.pubkey()) + bytes(of_mallory.data[48:])
    here, first = 0xFFFF, 0
    forged = [  # what stands first; the indices of signature, key, message; the rest of the data
        (of_mallory, (first, first, first), right),
        (of_mallory, (here, first, here), right),
        (of_alice, (first, here, first), right),
        (of_alice, (here, here, first), bytes(of_alice.data[16:112]) + message),
    ]
    for before, (signature, key, text), rest in forged:
        offsets = (48, signature, 16, key, 112, len(message), text)
        data = b"\x01\0" + b"".join(value.to_bytes(2, "little") for value in offsets) + rest
        assert data[16:48] == bytes(alice.pubkey())
        assert data[112:] == message
        refuses(payouts, before, Instruction(ED25519, data, []), redeem, error="InvalidSignature")
    good = payouts.signature("alice", pool, "dave", 30, 0, 2 * DAY)
    for at in range(16):
        data = bytearray(good.data)
        data[at] ^= 1
        with pytest.raises(Refused):
            payouts.send(with_data(good, bytes(data)), redeem)
    refuses(payouts, redeem, good, error="InvalidSignature")
    two = b"\x02\0" + bytes(good.data[2:16]) * 2 + bytes(good.data[16:])
    with pytest.raises(Refused):
        payouts.send(with_data(good, two), redeem)
    at = payouts.interface.position("redeem", "instructions")
    refuses(payouts, good, with_account(redeem, at, SYSTEM), error="InvalidSignature")
    payouts.send(good, redeem)


def test_redemption_ends_with_the_pool(payouts: Payouts) -> None:
    """P-14, P-15: what is allocated and not redeemed goes back to the funders."""
    pool = allocated(payouts)
    until = EXPIRES_AT + DAY
    signature = payouts.signature("alice", pool, "dave", 30, 0, until)
    redeem = payouts.redeem("mallory", pool, "alice", "dave", 30, until)
    payouts.chain.at(EXPIRES_AT)
    refuses(payouts, signature, redeem, error="TooLate")
    payouts.chain.at(EXPIRES_AT - 1)
    payouts.send(signature, redeem)
    payouts.chain.at(EXPIRES_AT)
    payouts.send(payouts.refund("bob", pool, "fiona"))
    signature = payouts.signature("alice", pool, "dave", 30, 1, until)
    refuses(payouts, signature, redeem, error="WrongStatus")
    assert usd(payouts, "fiona") == 970


# ---- refund, reclaim, close ----


def test_what_is_left_goes_back_pro_rata(payouts: Payouts) -> None:
    """P-15, K-4: floor; the last takes the dust, whoever it is."""
    pool = payouts.opened()
    chain = payouts.chain
    shares = {"fiona": 100, "frank": 333, "carol": 567}
    for name, amount in shares.items():
        chain.mint(wallet(name).pubkey(), chain.token("usd"), amount)
        payouts.send(payouts.fund(name, pool, amount))
    tree = payouts.tree(pool, [(0, "alice", 100), (1, "bob", 101), (2, "dave", 3)])
    payouts.send(payouts.publish("operator", pool, tree.root, 204, 3))
    chain.at(DELAY)
    payouts.send(payouts.claim("bob", pool, (0, "alice", 100), tree.proof(0)))
    payouts.send(payouts.allocate("bob", pool, (2, "dave", 3), tree.proof(2)))
    chain.at(EXPIRES_AT - 1)
    refuses(payouts, payouts.refund("bob", pool, "fiona"), error="TooEarly")
    chain.at(EXPIRES_AT)
    left, got = 900, {"fiona": 90, "carol": 510, "frank": 300}  # 299.7 and the dust
    for seq, name in enumerate(got, 9):
        lamports = chain.lamports(wallet(name).pubkey())
        ((event_name, event),) = events(payouts.send(payouts.refund("mallory", pool, name)))
        assert event_name == "FunderRefunded"
        assert event == {
            "pool": pool,
            "seq": seq - 1,
            "actor": wallet("mallory").pubkey(),
            "funder": wallet(name).pubkey(),
            "amount": got[name],
            "status_after": EXPIRED,
        }
        assert chain.lamports(wallet(name).pubkey()) > lamports  # the receipt's rent
        refuses(payouts, payouts.refund("mallory", pool, name), error="NothingToRefund")
        assert usd(payouts, name) == got[name]
    state = payouts.read(pool)
    assert (state["left"], state["refunded"], state["receipts"]) == (left, left, 0)
    assert held(payouts, pool) == 0


def test_a_frozen_funder_blocks_nobody_else(payouts: Payouts) -> None:
    """G-7, G-8, P-15, P-18: frank is refunded; what is fiona's, the rest, waits for her, or goes to
    another account of hers, and until then the pool stays."""
    pool = payouts.opened()
    chain = payouts.chain
    for name, amount in (("fiona", 600), ("frank", 400)):
        chain.mint(wallet(name).pubkey(), chain.token("usd"), amount)
        payouts.send(payouts.fund(name, pool, amount))
    tree = payouts.tree(pool, LEAVES[:1])
    payouts.send(payouts.publish("operator", pool, tree.root, 100))
    chain.at(DELAY)
    payouts.send(payouts.claim("mallory", pool, LEAVES[0], tree.proof(0)))
    chain.at(EXPIRES_AT)
    fiona = wallet("fiona").pubkey()
    account = chain.token_account(fiona, chain.token("usd"))
    chain.freeze(account)
    refund = payouts.refund("mallory", pool, "fiona")
    refuses(payouts, refund, error=FROZEN)
    payouts.send(payouts.refund("mallory", pool, "frank"))
    assert usd(payouts, "frank") == 360
    refuses(payouts, refund, error=FROZEN)
    payouts.send(payouts.reclaim(pool, payouts.page(pool, 0)))
    refuses(payouts, payouts.close(pool), error="PartsLeft")
    assert payouts.read(payouts.receipt(pool, "fiona"))["amount"] == 600
    assert held(payouts, pool) == 540
    besides = Pubkey.new_unique()
    chain.put_token_account(besides, fiona, chain.token("usd"), 0)
    at = payouts.interface.position("refund", "destination")
    payouts.send(with_account(refund, at, besides))
    assert (chain.balance(besides), chain.balance(account)) == (540, 0)
    payouts.send(payouts.close(pool))


def test_unpublished_money_goes_back(payouts: Payouts) -> None:
    """P-15"""
    pool = payouts.funded(1000)
    payouts.chain.at(PUBLISH_BY)
    refuses(payouts, payouts.refund("bob", pool, "fiona"), error="TooEarly")
    payouts.chain.at(PUBLISH_BY + 1)
    refuses(payouts, payouts.refund("bob", pool, "frank"), error="NothingToRefund")
    payouts.send(payouts.refund("bob", pool, "fiona"))
    assert usd(payouts, "fiona") == 1000
    payouts.chain.at(0)
    # not even with the clock turned back is an expired pool anything else
    refuses(payouts, payouts.fund("fiona", pool, 1), error="WrongStatus")
    refuses(payouts, payouts.publish("operator", pool, RECORD, 1), error="WrongStatus")


def test_a_refund_of_nothing_needs_no_token_account(payouts: Payouts) -> None:
    """P-15: all was claimed; the receipt is closed and its rent given back."""
    pool, tree = payouts.published([(0, "alice", 1000)])
    payouts.send(payouts.claim("bob", pool, (0, "alice", 1000), tree.proof(0)))
    payouts.chain.at(EXPIRES_AT)
    ix = payouts.refund("bob", pool, "fiona")
    at = payouts.interface.position("refund", "destination")
    ((_, event),) = events(payouts.send(with_account(ix, at, Pubkey.new_unique())))
    assert event["amount"] == 0
    assert payouts.chain.data(payouts.receipt(pool, "fiona")) is None


def test_everything_is_given_back_in_the_end(payouts: Payouts) -> None:
    """P-17, P-18, G-12, G-13: every account's rent, to the last lamport, to who paid it."""
    chain = payouts.chain
    chain.mint(wallet("fiona").pubkey(), chain.token("usd"), 1000)
    for name in ("opener", "operator", "fiona", "bob", "mallory", "alice"):
        chain.fund(name)
    payouts.opened()  # makes the counters, which stay
    before = {n: chain.lamports(wallet(n).pubkey()) for n in ("opener", "operator", "fiona", "bob")}
    pool = payouts.opened(kind=ROUND, opens_at=0, closes_at=DAY, entry_fee=0)
    payouts.send(payouts.fund("fiona", pool, 1000))
    payouts.send(payouts.enter("bob", pool, RECORD))
    payouts.send(payouts.set_vendor("operator", pool, "dave"))
    tree = payouts.tree(pool, LEAVES)
    chain.at(DAY)
    payouts.send(payouts.publish("operator", pool, tree.root, 450, 3))
    chain.at(2 * DAY)
    payouts.send(payouts.claim("bob", pool, LEAVES[0], tree.proof(0)))
    payouts.send(payouts.allocate("bob", pool, LEAVES[1], tree.proof(1)))
    parts = [
        payouts.page(pool, 0),
        payouts.entry(pool, "bob", RECORD),
        payouts.vendor(pool, "dave"),
        payouts.voucher(pool, "bob"),
    ]
    chain.at(EXPIRES_AT - 1)
    for part in parts:
        refuses(payouts, payouts.reclaim(pool, part), error="TooEarly")
    refuses(payouts, payouts.close(pool), error="TooEarly")
    chain.at(EXPIRES_AT)
    for part in parts:
        refuses(payouts, payouts.close(pool), error="PartsLeft")
        reclaim = payouts.reclaim(pool, part)
        payouts.send(reclaim)
        assert chain.data(part) is None
        refuses(payouts, reclaim, error="WrongPart")
    refuses(payouts, payouts.close(pool), error="PartsLeft")
    payouts.send(payouts.refund("mallory", pool, "fiona"))
    vault = payouts.vault(pool)
    chain.put_token_account(vault, pool, chain.token("usd"), 7)  # a donation
    payouts.send(payouts.close(pool))
    assert chain.data(pool) is None
    assert chain.data(vault) is None
    assert usd(payouts, "operator") == 7
    after = {name: chain.lamports(wallet(name).pubkey()) for name in before}
    assert after == before
    # the id is not used again
    assert payouts.next_pool("opener") != pool


def test_an_ended_pool_lets_nothing_be_done_twice(payouts: Payouts) -> None:
    """P-17: a page or an entry that is gone does not open a leaf or a record again."""
    pool = payouts.opened(kind=ROUND, by_height=True, opens_at=0, closes_at=U64)
    chain = payouts.chain
    payouts.send(payouts.enter("bob", pool, RECORD))
    chain.at(PUBLISH_BY + 1)
    payouts.send(payouts.reclaim(pool, payouts.entry(pool, "bob", RECORD)))
    refuses(payouts, payouts.enter("bob", pool, RECORD), error="TooLate")
    payouts.send(payouts.close(pool))
    chain.at(0)
    pool, tree = payouts.published(LEAVES)
    claim = payouts.claim("bob", pool, LEAVES[0], tree.proof(0))
    payouts.send(claim)
    chain.at(EXPIRES_AT)
    payouts.send(payouts.reclaim(pool, payouts.page(pool, 0)))
    refuses(payouts, claim, error="TooLate")
    payouts.send(payouts.refund("bob", pool, "fiona"))
    refuses(payouts, claim, error="WrongStatus")


def test_a_pool_that_nobody_funded_is_closed(payouts: Payouts) -> None:
    """P-18"""
    pool = payouts.opened()
    payouts.chain.at(PUBLISH_BY)
    refuses(payouts, payouts.close(pool), error="TooEarly")
    payouts.chain.at(PUBLISH_BY + 1)
    payouts.send(payouts.close(pool))
    assert payouts.chain.data(pool) is None


def test_no_pool(payouts: Payouts) -> None:
    """P-16"""
    pool = payouts.opened()
    ix = payouts.fund("fiona", pool, 1)
    at = payouts.interface.position("fund", "pool")
    refuses(payouts, with_account(ix, at, Pubkey.new_unique()), error="WrongPool")
