"""From every state of a program that holds money there is a way out by time: anyone can call it,
and it pays whom the money belongs to (G-7 to G-9).

Each test has an entity in every state that the program's source names. Then everybody falls
silent but mallory, to whom nothing belongs.
"""

import re
from collections.abc import Iterable

import pytest
from onsvm.bets import DAY, Bets
from onsvm.chain import SOLANA, Chain, Refused, wallet
from onsvm.contracts import Contracts
from onsvm.feeds import Feeds
from onsvm.payouts import DELAY, EXPIRES_AT, PUBLISH_BY, Leaf, Payouts
from solders.instruction import Instruction
from solders.pubkey import Pubkey


def statuses(program: str, entity: str) -> set[tuple[str, int]]:
    """Name and number of each state, from the program's source."""
    source = (SOLANA / program / "src" / "state" / f"{entity}.rs").read_text()
    (body,) = re.findall(r"pub enum Status \{(.*?)\}", source, flags=re.S)
    return {(name, int(number)) for name, number in re.findall(r"(\w+) = (\d+)", body)}


def refuses(sender: Bets | Contracts | Payouts, ix: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        sender.send(ix)
    assert refused.value.name == error, refused.value


def balances(chain: Chain, names: Iterable[str]) -> dict[str, int]:
    usd = chain.token("usd")
    return {name: chain.balance(chain.token_account(wallet(name).pubkey(), usd)) for name in names}


def gained(chain: Chain, before: dict[str, int]) -> dict[str, int]:
    """Who got how much since, of those who got any."""
    after = balances(chain, before)
    return {name: after[name] - had for name, had in before.items() if after[name] != had}


# ---- bets ----

STAKES = {"alice": (0, 61), "bob": (0, 40), "carol": (1, 100)}


def staked(bets: Bets) -> Pubkey:
    market = bets.opened(fee_bps=500)
    for bettor, (outcome, amount) in STAKES.items():
        bets.placed(bettor, market, outcome, amount)
    return market


def pay_market(bets: Bets, market: Pubkey) -> None:
    """Of a market that is settled: all that it owes, then its end."""
    winner = bets.read(market)["outcome"]
    for bettor, (outcome, _) in STAKES.items():
        if winner in (outcome, 255):
            bets.send(bets.claim("mallory", market, bettor, outcome))
        bets.send(bets.close_position("mallory", market, bettor, outcome))
    if bets.read(market)["fee"]:
        bets.send(bets.collect_fee("mallory", market))
    bets.send(bets.close("mallory", market))


def test_bets(bets: Bets) -> None:
    """G-7 to G-9, B-12 to B-17: until resolve_by it is the resolver's, then anyone's."""
    stakes = {bettor: amount for bettor, (_, amount) in STAKES.items()}
    # a fee of 5 on what carol lost, and a unit that rounding left
    won = {"alice": 61 * 196 // 101, "bob": 40 * 196 // 101, "treasury": 5 + 1}
    due = {"Open": stakes, "Resolved": won, "Voided": stakes}
    markets = {state: staked(bets) for state in due}
    bets.chain.at(DAY)
    bets.send(bets.resolve("resolver", markets["Resolved"], 0))
    bets.send(bets.void("resolver", markets["Voided"]))
    stored = {(state, bets.read(market)["status"]) for state, market in markets.items()}
    assert stored == statuses("bets", "market")

    void = bets.void("mallory", markets["Open"])
    bets.chain.at(2 * DAY)
    refuses(bets, void, "NotResolver")
    bets.chain.at(2 * DAY + 1)
    bets.send(void)
    for state, market in markets.items():
        before = balances(bets.chain, (*STAKES, "treasury", "opener", "resolver", "mallory"))
        pay_market(bets, market)
        assert gained(bets.chain, before) == due[state], state
        assert sum(due[state].values()) == sum(stakes.values())
        assert bets.chain.data(market) is bets.chain.data(bets.vault(market)) is None


# ---- contracts ----

PRICED = {"price_cap": 1500, "price_floor": 500, "price_mul": 10, "price_div": 1}


def half_funded(contracts: Contracts, party: str, amount: int) -> Pubkey:
    agreement = contracts.signed()
    contracts.chain.mint(wallet(party).pubkey(), contracts.chain.token("usd"), amount)
    contracts.send(contracts.fund(party, agreement))
    return agreement


def disputed(contracts: Contracts, agreement: Pubkey) -> Pubkey:
    contracts.send(contracts.step("dispute", "bob", agreement, reason=bytes(32)))
    return agreement


def settled(contracts: Contracts) -> Pubkey:
    agreement = contracts.delivered()
    contracts.send(contracts.step("accept", "bob", agreement))
    contracts.send(contracts.step("settle", "bob", agreement))
    return agreement


def cancelled(contracts: Contracts) -> Pubkey:
    agreement = contracts.active()
    for party in ("alice", "bob"):
        contracts.send(contracts.step("cancel", party, agreement))
    return agreement


def test_contracts(contracts: Contracts) -> None:
    """G-7 to G-9, A-11 to A-15, A-17: at the latest after rule_by; the feed is silent, too."""
    feed = Feeds(contracts.chain).opened()
    priced = {"feed": feed} | PRICED
    step = contracts.step
    # state, agreement, what alice and bob are due, when it is not yet anyone's to end (seconds)
    made: list[tuple[str, Pubkey, dict[str, int], int]] = [
        ("PendingSignature", contracts.proposed(), {}, DAY),
        ("Signed", half_funded(contracts, "alice", 50), {"alice": 50}, 2 * DAY),
        ("Signed", half_funded(contracts, "bob", 1000), {"bob": 1000}, 2 * DAY),
        ("Active", contracts.active(), {"bob": 1050}, 10 * DAY),
        ("Active", contracts.active(**priced), {"bob": 1550}, 10 * DAY),
        ("Active", contracts.delivered(40), {"alice": 420, "bob": 630}, 11 * DAY),
        ("Active", contracts.delivered(40, **priced), {"alice": 420, "bob": 1130}, 20 * DAY),
        ("Disputed", disputed(contracts, contracts.delivered()),
         {"alice": 525, "bob": 525}, 20 * DAY),
        ("Disputed", disputed(contracts, contracts.delivered(**priced)),
         {"alice": 525, "bob": 1025}, 20 * DAY),
        ("Settled", settled(contracts), {"alice": 1050}, 0),
        ("Cancelled", cancelled(contracts), {"alice": 50, "bob": 1000}, 0),
    ]  # fmt: skip
    stored = {(state, contracts.read(agreement)["status"]) for state, agreement, _, _ in made}
    assert stored == statuses("contracts", "agreement")

    for state, agreement, due, latest in made:
        if state in ("PendingSignature", "Signed"):
            end, error = [step("cancel", "mallory", agreement)], "NotParty"
        elif state in ("Active", "Disputed"):
            end, error = [step("settle", "mallory", agreement)], "TooEarly"
        else:
            end, error = [], ""
        terms = contracts.read(agreement)
        if latest == 20 * DAY and terms["price_cap"]:
            end.insert(0, contracts.fix_price("mallory", agreement, 0))
        contracts.chain.at(latest)
        if end:
            refuses(contracts, end[0], error)
        contracts.chain.at(latest + 1)
        for ix in end:
            contracts.send(ix)
        before = balances(contracts.chain, ("alice", "bob", "carol", "mallory"))
        for party in due:
            contracts.send(contracts.withdraw("mallory", agreement, party))
        assert gained(contracts.chain, before) == due, state
        assert sum(due.values()) == terms["funded"]
        contracts.send(contracts.close(agreement))
        vault = contracts.vault(agreement)
        assert contracts.chain.data(agreement) is contracts.chain.data(vault) is None


# ---- payouts ----

LEAVES: list[Leaf] = [(0, "alice", 100), (1, "bob", 150), (2, "carol", 200)]
TRIGGER = {"comparator": 1, "threshold": 50, "trigger_by": 5 * DAY}


def funded(payouts: Payouts, **args: object) -> Pubkey:
    pool = payouts.opened(**args)
    for funder, amount in (("fiona", 600), ("frank", 400)):
        payouts.chain.mint(wallet(funder).pubkey(), payouts.chain.token("usd"), amount)
        payouts.send(payouts.fund(funder, pool, amount))
    return pool


def published(payouts: Payouts, **args: object) -> Pubkey:
    pool = funded(payouts, **args)
    root = payouts.tree(pool, LEAVES).root
    payouts.send(payouts.publish("operator", pool, root, 450, len(LEAVES)))
    return pool


def vetoed(payouts: Payouts) -> Pubkey:
    pool = published(payouts)
    payouts.send(payouts.veto("guardian", pool))
    return pool


def close_pool(payouts: Payouts, pool: Pubkey) -> None:
    """Of a pool whose funders have been refunded: the rent of all that is left of it."""
    parts = (payouts.page(pool, 0), payouts.voucher(pool, "carol"), payouts.vendor(pool, "dave"))
    for part in parts:
        if payouts.chain.data(part) is not None:
            payouts.send(payouts.reclaim(pool, part))
    payouts.send(payouts.close(pool))


def test_payouts(payouts: Payouts) -> None:
    """G-7 to G-9, P-10, P-12, P-15, P-17, P-18: after publish_by where nothing stands published,
    else until expires_at to whom the root names, and from then on to the funders."""
    chain = payouts.chain
    feed = Feeds(chain).opened()
    whole = {"fiona": 600, "frank": 400}
    # state, pool, what the funders are due, when it is not yet anyone's to end (seconds)
    expired = funded(payouts)
    made: list[tuple[str, Pubkey, dict[str, int], int]] = [
        ("Expired", expired, {"fiona": 600}, 0),
        ("Funding", funded(payouts), whole, PUBLISH_BY),
        ("Vetoed", vetoed(payouts), whole, PUBLISH_BY),
        ("Published", published(payouts, feed=feed, **TRIGGER), whole, EXPIRES_AT - 1),
        ("Published", published(payouts), {"fiona": 540, "frank": 360}, EXPIRES_AT - 1),
    ]
    # of the last, alice is paid in time, carol has a voucher that she doesn't redeem, bob nothing
    _, pool, _, _ = made[-1]
    tree = payouts.tree(pool, LEAVES)
    chain.at(DELAY)
    before = balances(chain, ("alice", "bob", "carol", "operator", "mallory"))
    payouts.send(payouts.claim("mallory", pool, LEAVES[0], tree.proof(0)))
    payouts.send(payouts.allocate("mallory", pool, LEAVES[2], tree.proof(2)))
    payouts.send(payouts.set_vendor("operator", pool, "dave"))
    assert gained(chain, before) == {"alice": 100}
    chain.at(PUBLISH_BY + 1)
    payouts.send(payouts.refund("mallory", expired, "frank"))
    stored = {(state, payouts.read(pool)["status"]) for state, pool, _, _ in made}
    assert stored == statuses("payouts", "pool")

    for state, pool, due, latest in made:
        if latest:
            chain.at(latest)
            refuses(payouts, payouts.refund("mallory", pool, "fiona"), "TooEarly")
            chain.at(latest + 1)
        before = balances(chain, ("fiona", "frank", "operator", "guardian", "opener", "mallory"))
        for funder in due:
            payouts.send(payouts.refund("mallory", pool, funder))
        assert gained(chain, before) == due, state
        close_pool(payouts, pool)
        assert chain.data(pool) is chain.data(payouts.vault(pool)) is None
