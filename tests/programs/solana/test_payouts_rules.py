"""The rules of payouts, P-1 to P-18: each where it bites and next to where it does not."""

import pytest
from onsvm.chain import START, Receipt, Refused, wallet
from onsvm.payouts import AID, DELAY, EXPIRES_AT, FUNDING, PUBLISH_BY, PUBLISHED, ZERO, Payouts
from solders.instruction import Instruction
from solders.pubkey import Pubkey


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
