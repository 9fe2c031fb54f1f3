"""Random actions on bets, right and wrong, against a model in Python (I-1 to I-7).

The model says of every action, before it is sent, which error or which events it gives; amounts
reach u64's edge, each market has a token of its own whose whole supply is u64's maximum. At the
end everything is wound up by anyone, and everybody has all tokens and all lamports back.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from onsvm.bets import DAY, OPEN, RESOLVED, VOIDED, Bets
from onsvm.chain import START, SYSTEM, TOKEN, Chain, Refused
from solders.instruction import Instruction
from solders.pubkey import Pubkey

U64 = 2**64 - 1
PERIOD = 366 * DAY
ACTIONS = 10_000
BETTORS = ("alice", "bob", "carol", "dave")
ACTORS = (*BETTORS, "opener", "resolver", "mallory")


@dataclass
class Position:
    stake: int = 0
    claimed: bool = False
    payer: str = ""


@dataclass
class Market:
    number: int
    address: Pubkey
    token: Pubkey
    outcomes: int
    close_at: int
    resolve_by: int
    fee_bps: int
    status: int = OPEN
    outcome: int = 255
    pools: list[int] = field(default_factory=lambda: [0] * 16)
    total: int = 0
    winning_pool: int = 0
    fee: int = 0
    net: int = 0
    paid: int = 0
    fee_collected: bool = False
    donated: int = 0
    seq: int = 1
    closed: bool = False
    positions: dict[tuple[str, int], Position] = field(default_factory=dict)

    def pays(self, outcome: int) -> bool:
        return self.status == VOIDED or outcome == self.outcome


Fields = dict[str, Any]


class Model:
    """The chain's side is `bets`; the rest is what SPEC.md says it must be."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.chain = Chain()
        self.bets = Bets(self.chain)
        self.keys = {name: self.chain.fund(name).pubkey() for name in (*ACTORS, "treasury")}
        self.markets: list[Market] = []
        self.balances: Counter[tuple[str, int]] = Counter()
        self.now = 0
        self.seen: Counter[str] = Counter()  # errors and events
        self.accounts: dict[tuple[str, int], Pubkey] = {}

    # ---- sending ----

    def call(self, name: str, accounts: dict[str, Pubkey], **args: Any) -> Instruction:
        interface = self.bets.interface
        listed = {entry["name"] for entry in interface.instructions[name]["accounts"]}
        endings = {
            "token_program": ("tokenProgram", TOKEN),
            "system_program": ("systemProgram", SYSTEM),
            "event_authority": ("eventAuthority", interface.event_authority),
            "program": ("program", interface.address),
        }
        ending = {key: value for key, (camel, value) in endings.items() if camel in listed}
        return interface.instruction(name, accounts | ending, args)

    def expect(self, ix: Instruction, error: str | None, *events: tuple[str, Fields]) -> bool:
        """Sends; compares with what was expected. Was it accepted?"""
        try:
            receipt = self.bets.send(ix)
        except Refused as refused:
            if refused.name != error:
                raise AssertionError(f"{refused.name}, expected {error}") from refused
            self.seen[error] += 1
            return False
        assert error is None, f"accepted, expected {error}"
        assert [(e.name, e.fields) for e in receipt.events] == list(events)
        self.seen.update(name for name, _ in events)
        return True

    def event(self, market: Market, actor: str) -> Fields:
        seq = market.seq + 1
        return {"market": market.address, "seq": seq, "actor": self.keys[actor]}

    # ---- choices ----

    def amount(self) -> int:
        pick = self.random.random()
        if pick < 0.05:
            return 0
        if pick < 0.5:
            return self.random.randint(1, 1000)
        if pick < 0.8:
            return self.random.getrandbits(self.random.randint(1, 64))
        return U64 - self.random.randint(0, 3)

    def market(self) -> Market | None:
        alive = [m for m in self.markets if not m.closed][-10:]
        if self.markets and self.random.random() < 0.02:
            return self.random.choice(self.markets)
        return self.random.choice(alive) if alive else None

    def outcome(self, market: Market) -> int:
        pick = self.random.random()
        return market.outcomes if pick < 0.05 else int(pick**3 * market.outcomes)

    def key(self, market: Market) -> tuple[str, int]:
        if market.positions and self.random.random() < 0.9:
            return self.random.choice(list(market.positions))
        return self.random.choice(BETTORS), self.random.randrange(market.outcomes)

    # ---- actions ----

    def open(self) -> None:
        pick = self.random
        number = len(self.markets)
        outcomes = pick.choice((2, 2, 2, 2, 3, 5, 16, pick.choice((1, 17))))
        fee_bps = pick.choice((0, 1, 250, 1000, 1000, 1001))
        wrong = pick.random() < 0.2
        close_in = pick.choice((0, PERIOD + 1) if wrong else (60, DAY, PERIOD))
        wrong = pick.random() < 0.2
        resolve_in = pick.choice((0, PERIOD + 1) if wrong else (60, DAY, PERIOD))
        error = None
        if not 2 <= outcomes <= 16:
            error = "InvalidOutcomeCount"
        elif fee_bps > 1000:
            error = "FeeTooHigh"
        elif not 0 < close_in <= PERIOD:
            error = "InvalidCloseTime"
        elif not 0 < resolve_in <= PERIOD:
            error = "InvalidResolveTime"
        address = self.bets.market(self.keys["opener"], number)
        token = self.chain.token(f"token {number}")
        close_at, resolve_by = self.now + close_in, self.now + close_in + resolve_in
        ix = self.call(
            "open",
            {
                "creator": self.keys["opener"],
                "payer": self.keys["opener"],
                "counter": self.bets.counter,
                "creator_counter": self.bets.creator_counter(self.keys["opener"]),
                "market": address,
                "vault": self.bets.vault(address),
                "token": token,
            },
            resolver=self.keys["resolver"],
            fee_recipient=self.keys["treasury"],
            subject=[7] * 32,
            question=[8] * 32,
            outcome_count=outcomes,
            close_at=START + close_at,
            resolve_by=START + resolve_by,
            fee_bps=fee_bps,
            cid="",
            title="",
        )
        market = Market(number, address, token, outcomes, close_at, resolve_by, fee_bps)
        fields = {
            "market": address,
            "seq": 1,
            "actor": self.keys["opener"],
            "nonce": number,
            "resolver": self.keys["resolver"],
            "token": token,
            "subject": bytes([7]) * 32,
            "question": bytes([8]) * 32,
            "outcome_count": outcomes,
            "close_at": START + close_at,
            "resolve_by": START + resolve_by,
            "fee_bps": fee_bps,
            "fee_recipient": self.keys["treasury"],
            "status_after": OPEN,
            "cid": "",
            "title": "",
        }
        if self.expect(ix, error, ("MarketOpened", fields)):
            self.markets.append(market)
            self.share_out(market)

    def share_out(self, market: Market) -> None:
        """The whole supply, u64's maximum, to the bettors."""
        sizes = (64, 64, 64, 10, 1)
        cuts = sorted(
            self.random.getrandbits(self.random.choice(sizes)) for _ in range(len(BETTORS) - 1)
        )
        for name, low, high in zip(BETTORS, [0, *cuts], [*cuts, U64], strict=True):
            at = self.chain.mint(self.keys[name], market.token, high - low)
            self.accounts[name, market.number] = at
            self.balances[name, market.number] = high - low
        treasury = self.chain.token_account(self.keys["treasury"], market.token)
        self.accounts["treasury", market.number] = treasury

    def place(self) -> None:
        market = self.market()
        if market is None:
            return
        bettor = self.random.choice(BETTORS)
        outcome = self.outcome(market)
        amount = self.amount()
        held = self.balances[bettor, market.number]
        if self.random.random() < 0.5:
            amount = min(amount, held)
        position = market.positions.get((bettor, outcome))
        error = None
        if market.closed:
            error = "WrongMarket"
        elif market.status != OPEN:
            error = "MarketNotOpen"
        elif self.now >= market.close_at:
            error = "BettingClosed"
        elif outcome >= market.outcomes:
            error = "InvalidOutcome"
        elif amount == 0:
            error = "ZeroAmount"
        elif market.total + amount > U64:
            error = "Overflow"
        elif amount > held:
            error = f"{TOKEN} 1"
        payer = self.random.choice((bettor, "mallory"))
        ix = self.call(
            "place",
            {
                "bettor": self.keys[bettor],
                "payer": self.keys[payer],
                "market": market.address,
                "position": self.bets.position(market.address, self.keys[bettor], outcome),
                "source": self.accounts[bettor, market.number],
                "vault": self.bets.vault(market.address),
            },
            outcome=outcome,
            amount=amount,
        )
        after = {
            "stake_after": (position.stake if position else 0) + amount,
            "pool_after": market.pools[outcome] + amount if outcome < 16 else 0,
            "total_after": market.total + amount,
        }
        fields = self.event(market, bettor)
        fields |= {"bettor": self.keys[bettor], "outcome": outcome, "amount": amount} | after
        if self.expect(ix, error, ("BetPlaced", fields)):
            if position is None:
                position = market.positions[bettor, outcome] = Position(payer=payer)
            position.stake += amount
            market.pools[outcome] += amount
            market.total += amount
            market.seq += 1
            self.balances[bettor, market.number] -= amount

    def resolve(self) -> None:
        market = self.market()
        if market is None:
            return
        actor = self.random.choice(("resolver",) * 5 + ("mallory",))
        outcome = self.outcome(market)
        error = None
        if market.closed:
            error = "WrongMarket"
        elif actor != "resolver":
            error = "NotResolver"
        elif market.status != OPEN:
            error = "MarketNotOpen"
        elif self.now < market.close_at:
            error = "TooEarly"
        elif self.now > market.resolve_by:
            error = "TooLate"
        elif outcome >= market.outcomes:
            error = "InvalidOutcome"
        accounts = {"resolver": self.keys[actor], "market": market.address}
        ix = self.call("resolve", accounts, outcome=outcome)
        pool = market.pools[outcome] if outcome < 16 else 0
        fields = self.event(market, actor)
        if pool == 0:
            if self.expect(ix, error, ("MarketVoided", fields | {"status_after": VOIDED})):
                self.voided(market)
            return
        fee = (market.total - pool) * market.fee_bps // 10_000
        net = market.total - fee
        fields |= {"outcome": outcome, "winning_pool": pool, "fee": fee, "net": net}
        if self.expect(ix, error, ("MarketResolved", fields | {"status_after": RESOLVED})):
            market.status, market.outcome, market.winning_pool = RESOLVED, outcome, pool
            market.fee, market.net = fee, net
            market.seq += 1

    def voided(self, market: Market) -> None:
        market.status, market.net = VOIDED, market.total
        market.seq += 1

    def void(self) -> None:
        market = self.market()
        if market is None:
            return
        actor = self.random.choice(ACTORS)
        error = None
        if market.closed:
            error = "WrongMarket"
        elif market.status != OPEN:
            error = "MarketNotOpen"
        elif self.now < market.close_at:
            error = "TooEarly"
        elif actor != "resolver" and self.now <= market.resolve_by:
            error = "NotResolver"
        ix = self.call("void", {"actor": self.keys[actor], "market": market.address})
        fields = self.event(market, actor) | {"status_after": VOIDED}
        if self.expect(ix, error, ("MarketVoided", fields)):
            self.voided(market)

    def claim(self) -> None:
        market = self.market()
        if market is not None:
            self.claim_one(market, *self.key(market))

    def claim_one(self, market: Market, bettor: str, outcome: int) -> None:
        position = market.positions.get((bettor, outcome))
        actor = self.random.choice(ACTORS)
        error = None
        if market.closed:
            error = "WrongMarket"
        elif position is None:
            error = "WrongPosition"
        elif market.status == OPEN:
            error = "MarketNotSettled"
        elif not market.pays(outcome):
            error = "NothingToClaim"
        elif position.claimed:
            error = "AlreadyClaimed"
        ix = self.call(
            "claim",
            {
                "actor": self.keys[actor],
                "market": market.address,
                "position": self.bets.position(market.address, self.keys[bettor], outcome),
                "vault": self.bets.vault(market.address),
                "destination": self.accounts[bettor, market.number],
            },
        )
        stake = position.stake if position else 0
        payout = stake
        if market.status == RESOLVED:
            payout = stake * market.net // market.winning_pool
        fields = self.event(market, actor) | {
            "bettor": self.keys[bettor],
            "outcome": outcome,
            "stake": stake,
            "payout": payout,
            "paid_after": market.paid + payout,
        }
        if self.expect(ix, error, ("BetClaimed", fields)):
            assert position is not None
            assert payout >= stake  # I-4
            position.claimed = True
            market.paid += payout
            market.seq += 1
            self.balances[bettor, market.number] += payout

    def collect_fee(self) -> None:
        market = self.market()
        if market is not None:
            self.collect(market)

    def collect(self, market: Market) -> None:
        actor = self.random.choice(ACTORS)
        error = None
        if market.closed:
            error = "WrongMarket"
        elif market.status == OPEN:
            error = "MarketNotSettled"
        elif market.fee == 0:
            error = "NoFee"
        elif market.fee_collected:
            error = "FeeAlreadyCollected"
        ix = self.call(
            "collect_fee",
            {
                "actor": self.keys[actor],
                "market": market.address,
                "vault": self.bets.vault(market.address),
                "destination": self.accounts["treasury", market.number],
            },
        )
        fields = self.event(market, actor) | {
            "recipient": self.keys["treasury"],
            "amount": market.fee,
            "paid_after": market.paid + market.fee,
        }
        if self.expect(ix, error, ("FeeCollected", fields)):
            market.fee_collected = True
            market.paid += market.fee
            market.seq += 1
            self.balances["treasury", market.number] += market.fee

    def close_position(self) -> None:
        market = self.market()
        if market is not None:
            self.close_one(market, *self.key(market))

    def close_one(self, market: Market, bettor: str, outcome: int) -> None:
        position = market.positions.get((bettor, outcome))
        actor = self.random.choice(ACTORS)
        error = None
        if market.closed:
            error = "WrongMarket"
        elif position is None:
            error = "WrongPosition"
        elif market.status == OPEN:
            error = "MarketNotSettled"
        elif market.pays(outcome) and not position.claimed:
            error = "PositionNotClaimed"
        payer = self.keys[position.payer if position else bettor]
        ix = self.call(
            "close_position",
            {
                "actor": self.keys[actor],
                "market": market.address,
                "position": self.bets.position(market.address, self.keys[bettor], outcome),
                "rent_payer": payer,
            },
        )
        fields = self.event(market, actor)
        fields |= {"bettor": self.keys[bettor], "outcome": outcome, "rent_payer": payer}
        if self.expect(ix, error, ("PositionClosed", fields)):
            del market.positions[bettor, outcome]
            market.seq += 1

    def close(self) -> None:
        market = self.market()
        if market is not None:
            self.close_market(market)

    def close_market(self, market: Market) -> None:
        actor = self.random.choice(ACTORS)
        error = None
        if market.closed:
            error = "WrongMarket"
        elif market.status == OPEN:
            error = "MarketNotSettled"
        elif market.positions:
            error = "PositionsLeft"
        elif market.fee and not market.fee_collected:
            error = "FeeNotCollected"
        ix = self.call(
            "close",
            {
                "actor": self.keys[actor],
                "market": market.address,
                "vault": self.bets.vault(market.address),
                "destination": self.accounts["treasury", market.number],
                "rent_payer": self.keys["opener"],
            },
        )
        dust = market.total - market.paid
        fields = self.event(market, actor) | {"dust": dust, "paid_after": market.total}
        if self.expect(ix, error, ("MarketClosed", fields)):
            market.closed = True
            market.paid = market.total  # I-3
            market.seq += 1
            self.balances["treasury", market.number] += dust + market.donated
            market.donated = 0

    def donate(self) -> None:
        market = self.market()
        if market is None or market.closed:
            return
        bettor = self.random.choice(BETTORS)
        amount = min(self.amount(), self.balances[bettor, market.number])
        vault = self.bets.vault(market.address)
        source = self.accounts[bettor, market.number]
        for account, owner, change in (
            (source, self.keys[bettor], -amount),
            (vault, market.address, amount),
        ):
            held = self.chain.balance(account)
            self.chain.put_token_account(account, owner, market.token, held + change)
        market.donated += amount
        self.balances[bettor, market.number] -= amount

    def wait(self) -> None:
        """A second, or to the edge of some market's deadline."""
        edges = [t for m in self.markets[-15:] if not m.closed for t in (m.close_at, m.resolve_by)]
        later = [t + d for t in edges for d in (-1, 0, 1) if t + d > self.now]
        near = sorted(later)[:6]
        self.now = self.random.choice(near) if near else self.now + 1
        self.chain.at(self.now)

    # ---- invariants ----

    def check(self, market: Market) -> None:
        held = self.chain.balance(self.bets.vault(market.address))
        assert held == market.total - market.paid + market.donated  # I-1
        outside = sum(
            self.chain.balance(self.accounts[name, market.number])
            for name in (*BETTORS, "treasury")
        )
        assert held + outside == U64  # I-6
        for name in (*BETTORS, "treasury"):
            account = self.accounts[name, market.number]
            assert self.chain.balance(account) == self.balances[name, market.number]
        if market.closed:
            assert self.chain.data(market.address) is None
            return
        state = self.bets.read(market.address)
        assert sum(state["pools"]) == state["total"] == market.total  # I-2
        assert state["pools"] == market.pools
        assert state["paid"] == market.paid <= market.total  # I-3
        if state["status"] == OPEN:
            assert state["paid"] == 0  # I-4
        assert state["seq"] == market.seq  # I-5
        assert state["positions"] == len(market.positions)
        owed = sum(p.stake for p in market.positions.values() if not p.claimed)
        if market.status == RESOLVED:
            owed = sum(
                p.stake * market.net // market.winning_pool
                for (_, outcome), p in market.positions.items()
                if outcome == market.outcome and not p.claimed
            ) + (0 if market.fee_collected else market.fee)
        assert owed <= held  # G-7

    def wind_up(self) -> None:
        """After the last deadline anyone ends everything (G-9)."""
        self.now += 3 * PERIOD
        self.chain.at(self.now)
        for market in self.markets:
            if market.closed:
                continue
            if market.status == OPEN:
                ix = self.call("void", {"actor": self.keys["mallory"], "market": market.address})
                fields = self.event(market, "mallory") | {"status_after": VOIDED}
                assert self.expect(ix, None, ("MarketVoided", fields))
                self.voided(market)
            for (bettor, outcome), position in list(market.positions.items()):
                if market.pays(outcome) and not position.claimed:
                    self.claim_one(market, bettor, outcome)
                self.close_one(market, bettor, outcome)
            if market.fee and not market.fee_collected:
                self.collect(market)
            self.close_market(market)
            assert market.closed
            self.check(market)


WEIGHTS = {
    "open": 3, "place": 30, "resolve": 10, "void": 2, "claim": 16, "collect_fee": 5,
    "close_position": 12, "close": 8, "donate": 2, "wait": 4,
}  # fmt: skip

EXPECTED = {
    "MarketOpened", "BetPlaced", "MarketResolved", "MarketVoided", "BetClaimed", "FeeCollected",
    "PositionClosed", "MarketClosed", "InvalidOutcomeCount", "FeeTooHigh", "InvalidCloseTime",
    "InvalidResolveTime", "MarketNotOpen", "BettingClosed", "InvalidOutcome", "ZeroAmount",
    "Overflow", "NotResolver", "TooEarly", "TooLate", "MarketNotSettled", "NothingToClaim",
    "AlreadyClaimed", "NoFee", "FeeAlreadyCollected", "PositionNotClaimed", "PositionsLeft",
    "WrongMarket", "WrongPosition",
}  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_random_actions(seed: int) -> None:
    """I-1 to I-7, B-1 to B-18, over ACTIONS actions in the seeds together."""
    model = Model(seed)
    lamports = {name: model.chain.lamports(key) for name, key in model.keys.items()}
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    number = 0
    while sum(model.seen.values()) < ACTIONS // 2:
        getattr(model, model.random.choices(names, weights)[0])()
        number += 1
        if number % 25 == 0:
            for market in model.markets[-30:]:
                model.check(market)
    model.wind_up()
    assert set(model.seen) >= EXPECTED, EXPECTED - set(model.seen)
    counters = (model.bets.counter, model.bets.creator_counter(model.keys["opener"]))
    kept = sum(model.chain.lamports(address) for address in counters)
    for name, key in model.keys.items():  # I-7
        missing = lamports[name] - model.chain.lamports(key)
        assert missing == (kept if name == "opener" else 0), name
    assert model.bets.read(model.bets.counter)["markets"] == len(model.markets)  # I-5
