"""Random actions on payouts, right and wrong, against a model in Python (K-1 to K-5).

The model says of every action, before it is sent, which error or which event it gives, and what
is left after it. At the end everything is wound up by a stranger: all money has gone to whom it
belongs, and all rent is back where it came from.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from onsvm.bets import DAY
from onsvm.chain import START, TOKEN, Chain, Refused
from onsvm.feeds import Feeds
from onsvm.payouts import (
    AID,
    EXPIRED,
    FUNDING,
    PAGE,
    PUBLISHED,
    ROUND,
    VETOED,
    Leaf,
    Payouts,
)
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from trees import Tree

U64 = 2**64 - 1
ACTIONS = 10_000  # in all seeds together
ACTORS = ("operator", "guardian", "alice", "bob", "carol", "mallory")
PEOPLE = ("alice", "bob", "carol", "mallory")
STEP = 60  # seconds between a pool's deadlines
HEARTBEAT = 90
RECORDS = [bytes([n]) * 32 for n in range(2)]
INDICES = (0, 1, 7, 8, PAGE - 1, PAGE, 5 * PAGE + 3, U64)


@dataclass
class Pool:
    address: Pubkey
    start: int  # seconds; the deadlines follow in steps
    kind: int
    fee: int
    threshold: int | None  # at least this much must be observed
    leaves: list[Leaf]
    tree: Tree
    status: int = FUNDING
    seq: int = 1
    fired: bool = False
    claims_open_at: int = 0
    funded: int = 0
    total: int = 0
    unclaimed: int = 0
    allocated: int = 0  # of total, ever
    redeemed: int = 0
    left: int = 0
    refunded: int = 0
    receipts: dict[str, int] = field(default_factory=dict[str, int])
    vouchers: dict[str, int] = field(default_factory=dict[str, int])
    nonces: Counter[str] = field(default_factory=Counter[str])
    vendors: dict[str, bool] = field(default_factory=dict[str, bool])
    entries: set[tuple[str, bytes]] = field(default_factory=set[tuple[str, bytes]])
    taken: set[int] = field(default_factory=set[int])
    parts: set[Pubkey] = field(default_factory=set[Pubkey])  # but receipts
    closed: bool = False

    @property
    def opens_at(self) -> int:
        return self.start + STEP // 2

    @property
    def closes_at(self) -> int:
        return self.start + STEP

    @property
    def publish_by(self) -> int:
        return self.start + 4 * STEP

    @property
    def trigger_by(self) -> int:
        return self.start + 5 * STEP

    @property
    def expires_at(self) -> int:
        return self.start + 6 * STEP + 7 * DAY

    @property
    def held(self) -> int:
        claimed = self.total - self.unclaimed - self.allocated
        return self.funded - claimed - self.redeemed - self.refunded

    def ended(self, now: int) -> bool:
        unpublished = self.status in (FUNDING, VETOED) and now > self.publish_by
        return self.status == EXPIRED or now >= self.expires_at or unpublished


Event = tuple[str, dict[str, Any]]


class Model:
    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.chain = Chain()
        self.payouts = Payouts(self.chain)
        self.feeds = Feeds(self.chain)
        self.feed = self.feeds.opened(heartbeat=HEARTBEAT)
        self.observed: list[tuple[int, int]] = []  # value, seconds
        self.usd = self.chain.token("usd")
        self.keys = {name: self.chain.fund(name).pubkey() for name in ("opener", *ACTORS)}
        self.accounts = {
            name: self.chain.token_account(key, self.usd) for name, key in self.keys.items()
        }
        self.balances = dict.fromkeys(self.keys, 0)
        for name in PEOPLE:
            self.balances[name] = U64 // 4
            self.chain.mint(self.keys[name], self.usd, U64 // 4)
        self.payouts.opened()  # makes the counters, whose rent stays
        self.lamports = self.wealth()
        self.pools: list[Pool] = []
        self.now = 0
        self.seen: Counter[str] = Counter()  # errors and events

    def wealth(self) -> dict[str, int]:
        return {name: self.chain.lamports(key) for name, key in self.keys.items()}

    def send(self, error: str | None, event: Event | None, *instructions: Instruction) -> bool:
        """Sends; compares with what was expected, fields that are given. Was it accepted?"""
        try:
            receipt = self.payouts.send(*instructions)
        except Refused as refused:
            if refused.name != error:
                raise AssertionError(f"{refused.name}, expected {error}") from refused
            self.seen[error] += 1
            return False
        assert error is None, f"accepted, expected {error}"
        if event is None:
            assert not receipt.events
            return True
        (emitted,) = receipt.events
        name, fields = event
        assert emitted.name == name
        assert {key: emitted.fields[key] for key in fields} == fields, name
        self.seen[name] += 1
        return True

    def said(self, pool: Pool, name: str, **fields: Any) -> Event:
        return name, {"pool": pool.address, "seq": pool.seq + 1} | fields

    def amount(self) -> int:
        return self.random.getrandbits(self.random.choice((1, 4, 10, 32, 60)))

    def act(self) -> None:
        """One action, on one of the latest pools; mostly one that fits how it stands."""
        living = [pool for pool in self.pools[-9:] if not pool.closed]
        running = [pool for pool in living if not pool.ended(self.now)]
        if len(running) < 2 or self.random.random() < 0.01:
            return self.open()
        pool = self.random.choice(running if self.random.random() < 0.8 else living)
        names: tuple[str, ...] = ACTS
        if self.random.random() < 0.7:
            names = FITTING[self.stage(pool)]
        getattr(self, self.random.choice(names))(pool)

    def actor(self, likely: str) -> str:
        return likely if self.random.random() < 0.9 else self.random.choice(ACTORS)

    def stage(self, pool: Pool) -> str:
        if pool.ended(self.now):
            return "ended"
        if pool.status != PUBLISHED:
            return "funding"
        untriggered = pool.threshold is not None and not pool.fired
        return "waiting" if untriggered or self.now < pool.claims_open_at else "published"

    # ---- actions ----

    def open(self) -> None:
        by = self.random.choice(("opener", "opener", "alice"))
        address = self.payouts.next_pool(by)
        kind = self.random.choice((ROUND, ROUND, AID))
        fee = self.amount() >> 30 if kind == ROUND else 0
        threshold = self.random.choice((None, 0))
        indices = self.random.sample(INDICES, 4)
        leaves = [(index, self.random.choice(PEOPLE), self.amount()) for index in indices]
        leaves.append((indices[0], "mallory", 5))  # an index twice
        args: dict[str, Any] = {"kind": kind, "entry_fee": fee, "challenge_delay": STEP}
        pool = Pool(address, self.now, kind, fee, threshold, leaves, Tree([b""]))
        pool.tree = self.payouts.tree(address, leaves)
        if kind == ROUND:
            args |= {"opens_at": pool.opens_at, "closes_at": pool.closes_at}
        if threshold is not None:
            trigger = {"comparator": 1, "threshold": threshold, "trigger_by": pool.trigger_by}
            args |= {"feed": self.feed} | trigger
        error = None
        if self.random.random() < 0.1:
            args["publish_by"], error = self.now, "InvalidDeadlines"
        args = {"publish_by": pool.publish_by, "expires_at": pool.expires_at} | args
        if error and kind == ROUND:
            error = "InvalidWindow"  # which ends before publish_by
        ix = self.payouts.open(by, cid="", title="", **args)
        if self.send(error, ("PoolOpened", {"pool": address, "seq": 1}), ix):
            self.pools.append(pool)

    def fund(self, pool: Pool) -> None:
        by, amount = self.random.choice(PEOPLE), self.amount()
        error = None
        if pool.status not in (FUNDING, VETOED):
            error = "WrongStatus"
        elif self.now > pool.publish_by:
            error = "TooLate"
        elif amount == 0:
            error = "ZeroAmount"
        elif amount > self.balances[by]:
            error = f"{TOKEN} 1"
        receipt = pool.receipts.get(by, 0) + amount
        sums = {"receipt_after": receipt, "funded_after": pool.funded + amount}
        event = self.said(pool, "PoolFunded", amount=amount, **sums)
        if self.send(error, event, self.payouts.fund(by, pool.address, amount)):
            self.paid_in(pool, by, amount)

    def paid_in(self, pool: Pool, by: str, amount: int) -> None:
        pool.seq += 1
        pool.funded += amount
        self.balances[by] -= amount
        if amount:
            pool.receipts[by] = pool.receipts.get(by, 0) + amount

    def enter(self, pool: Pool) -> None:
        by, record = self.random.choice(PEOPLE), self.random.choice(RECORDS)
        error = None
        if pool.kind != ROUND:
            error = "NotARound"
        elif pool.status != FUNDING:
            error = "WrongStatus"
        elif self.now < pool.opens_at:
            error = "TooEarly"
        elif self.now >= pool.closes_at:
            error = "TooLate"
        elif (by, record) in pool.entries:
            error = "AlreadyEntered"
        event = self.said(pool, "RoundEntered", fee=pool.fee, funded_after=pool.funded + pool.fee)
        if self.send(error, event, self.payouts.enter(by, pool.address, record)):
            pool.entries.add((by, record))
            pool.parts.add(self.payouts.entry(pool.address, by, record))
            self.paid_in(pool, by, pool.fee)

    def publish(self, pool: Pool) -> None:
        by = self.actor("operator")
        whole = sum(amount for _, _, amount in pool.leaves[:4])
        total = self.random.choice((0, whole, min(whole, pool.funded), pool.funded, pool.funded))
        error = None
        if by != "operator":
            error = "NotOperator"
        elif pool.status not in (FUNDING, VETOED):
            error = "WrongStatus"
        elif pool.kind == ROUND and self.now < pool.closes_at:
            error = "TooEarly"
        elif self.now > pool.publish_by:
            error = "TooLate"
        elif not 0 < total <= pool.funded:
            error = "InsufficientFunds"
        opens = START + self.now + STEP
        event = self.said(pool, "PoolPublished", total=total, claims_open_at=opens)
        ix = self.payouts.publish(by, pool.address, pool.tree.root, total, 5, cid="")
        if self.send(error, event, ix):
            pool.seq += 1
            pool.status, pool.claims_open_at = PUBLISHED, self.now + STEP
            pool.total = pool.unclaimed = total

    def veto(self, pool: Pool) -> None:
        by = self.actor("guardian")
        error = None
        if by != "guardian":
            error = "NotGuardian"
        elif pool.status != PUBLISHED:
            error = "WrongStatus"
        elif self.now >= pool.claims_open_at:
            error = "TooLate"
        event = self.said(pool, "PoolVetoed", status_after=VETOED)
        if self.send(error, event, self.payouts.veto(by, pool.address)):
            pool.seq += 1
            pool.status, pool.total, pool.unclaimed = VETOED, 0, 0

    def observe(self, _: Pool) -> None:
        if not self.observed or self.observed[-1][1] < self.now:
            self.observed.append((self.random.choice((-1, 0, 5)), self.now))
            self.feeds.send(self.feeds.publish("opener", self.feed, self.observed[-1:]))

    def fire(self, pool: Pool) -> None:
        number = len(self.observed) - self.random.choice((0, 0, 1, 64, -1))
        held = 0 < number <= len(self.observed) and len(self.observed) - number < 64
        value, at = self.observed[number - 1] if held else (0, -1)
        error = None
        if pool.threshold is None:
            error = "NoTrigger"
        elif pool.fired:
            error = "AlreadyFired"
        elif self.now > pool.trigger_by:
            error = "TooLate"
        elif not pool.start < at <= pool.trigger_by:
            error = "ObservationOutOfWindow"
        elif self.now > at + HEARTBEAT:
            error = "StaleObservation"
        elif value < pool.threshold:
            error = "ConditionNotMet"
        event = self.said(pool, "TriggerFired", round=number, value=value)
        ix = self.payouts.fire(self.random.choice(ACTORS), pool.address, max(number, 0))
        if self.send(error, event, ix):
            pool.seq += 1
            pool.fired = True

    def refusal(self, pool: Pool, leaf: Leaf, proven: bool) -> str | None:
        """Of a claim or an allocation."""
        if pool.status != PUBLISHED:
            return "WrongStatus"
        if pool.threshold is not None and not pool.fired:
            return "NotTriggered"
        if self.now < pool.claims_open_at:
            return "TooEarly"
        if self.now >= pool.expires_at:
            return "TooLate"
        if leaf[0] in pool.taken:
            return "AlreadyClaimed"
        if not proven:
            return "InvalidProof"
        return "ExceedsTotal" if leaf[2] > pool.unclaimed else None

    def take(self, pool: Pool, allocate: bool) -> None:
        number = self.random.randrange(5)
        leaf, proof = pool.leaves[number], pool.tree.proof(number)
        proven = self.random.random() < 0.9
        if not proven:
            index, who, amount = leaf
            leaf = self.random.choice([(index, who, amount + 1), (index ^ 2, who, amount)])
        error = self.refusal(pool, leaf, proven)
        index, who, amount = leaf
        after = {"index": index, "amount": amount, "unclaimed_after": pool.unclaimed - amount}
        by = self.random.choice(ACTORS)
        if allocate:
            voucher = pool.vouchers.get(who, 0) + amount
            event = self.said(pool, "VoucherAllocated", voucher_after=voucher, **after)
            ix = self.payouts.allocate(by, pool.address, leaf, proof)
        else:
            event = self.said(pool, "PayoutClaimed", **after)
            ix = self.payouts.claim(by, pool.address, leaf, proof)
        if self.send(error, event, ix):
            pool.seq += 1
            pool.taken.add(index)
            pool.parts.add(self.payouts.page(pool.address, index))
            pool.unclaimed -= amount
            if allocate:
                pool.allocated += amount
                pool.vouchers[who] = pool.vouchers.get(who, 0) + amount
                pool.parts.add(self.payouts.voucher(pool.address, who))
            else:
                self.balances[who] += amount

    def claim(self, pool: Pool) -> None:
        self.take(pool, allocate=False)

    def allocate(self, pool: Pool) -> None:
        self.take(pool, allocate=True)

    def set_vendor(self, pool: Pool) -> None:
        by, vendor = self.actor("operator"), self.random.choice(PEOPLE)
        allowed = self.random.random() < 0.8
        event = self.said(pool, "VendorSet", allowed=allowed)
        error = None if by == "operator" else "NotOperator"
        if self.send(error, event, self.payouts.set_vendor(by, pool.address, vendor, allowed)):
            pool.seq += 1
            pool.vendors[vendor] = allowed
            pool.parts.add(self.payouts.vendor(pool.address, vendor))

    def redeem(self, pool: Pool) -> None:
        if not pool.vouchers:
            return
        account, vendor = self.random.choice(list(pool.vouchers)), self.random.choice(PEOPLE)
        voucher, nonce = pool.vouchers[account], pool.nonces[account]
        amount = self.random.choice((0, 1, voucher, voucher // 2, voucher + 1))
        signed = self.random.choice((nonce, nonce, nonce, nonce + 1))
        expiry = self.now + self.random.choice((-1, 0, DAY, DAY))
        error = None
        if self.payouts.voucher(pool.address, account) not in pool.parts:
            error = "WrongVoucher"
        elif not pool.vendors.get(vendor):
            error = "NotVendor"
        elif pool.status != PUBLISHED:
            error = "WrongStatus"
        elif self.now >= pool.expires_at:
            error = "TooLate"
        elif self.now > expiry:
            error = "SignatureExpired"
        elif amount == 0:
            error = "ZeroAmount"
        elif signed != nonce:
            error = "InvalidSignature"
        elif amount > voucher:
            error = "ExceedsVoucher"
        fields = {"amount": amount, "nonce": nonce, "voucher_after": voucher - amount}
        event = self.said(pool, "VoucherRedeemed", **fields)
        signature = self.payouts.signature(account, pool.address, vendor, amount, signed, expiry)
        by = self.random.choice(ACTORS)
        ix = self.payouts.redeem(by, pool.address, account, vendor, amount, expiry)
        if self.send(error, event, signature, ix):
            pool.seq += 1
            pool.vouchers[account] -= amount
            pool.nonces[account] += 1
            pool.redeemed += amount
            self.balances[vendor] += amount

    def refund(self, pool: Pool) -> None:
        self.refund_one(pool, self.random.choice(PEOPLE))

    def refund_one(self, pool: Pool, funder: str) -> None:
        receipt = pool.receipts.get(funder, 0)
        error = None
        if not pool.ended(self.now):
            error = "TooEarly"
        elif receipt == 0:
            error = "NothingToRefund"
        left = pool.left if pool.status == EXPIRED else pool.held
        last = receipt == sum(pool.receipts.values())
        amount = left - pool.refunded if last else left * receipt // max(pool.funded, 1)
        event = self.said(pool, "FunderRefunded", amount=amount, status_after=EXPIRED)
        by = self.random.choice(ACTORS)
        if self.send(error, event, self.payouts.refund(by, pool.address, funder)):
            pool.seq += 1
            pool.status, pool.left = EXPIRED, left
            pool.refunded += amount
            self.balances[funder] += amount
            del pool.receipts[funder]
            if not pool.receipts:
                assert pool.refunded == left  # K-4

    def reclaim(self, pool: Pool) -> None:
        if pool.parts:
            self.reclaim_one(pool, self.random.choice(sorted(pool.parts, key=str)))

    def reclaim_one(self, pool: Pool, part: Pubkey) -> None:
        error = None if pool.ended(self.now) else "TooEarly"
        if self.send(error, None, self.payouts.reclaim(pool.address, part)):
            pool.parts.remove(part)
            for vendor in PEOPLE:
                if part == self.payouts.vendor(pool.address, vendor):
                    del pool.vendors[vendor]

    def close(self, pool: Pool) -> None:
        error = None
        if not pool.ended(self.now):
            error = "TooEarly"
        elif pool.parts or pool.receipts:
            error = "PartsLeft"
        if self.send(error, None, self.payouts.close(pool.address)):
            pool.closed = True

    def wait(self, _: Pool) -> None:
        self.now += self.random.choice((1, 2, 3, 5, 10, 10, 20, 20, STEP // 2, STEP, 7 * DAY))
        self.chain.at(self.now)

    # ---- invariants ----

    def check(self, pool: Pool) -> None:
        if pool.closed:
            assert self.chain.data(pool.address) is None
            return
        held = self.chain.balance(self.payouts.vault(pool.address))
        assert held == pool.held  # K-1
        state = self.payouts.read(pool.address)
        assert state["seq"] == pool.seq  # K-5
        assert state["funded"] == pool.funded
        if state["status"] != EXPIRED:
            assert sum(pool.receipts.values()) == pool.funded  # K-2
        assert state["unclaimed"] == pool.unclaimed  # K-3
        assert state["vouchers"] == pool.allocated - pool.redeemed == sum(pool.vouchers.values())
        assert state["status"] == pool.status
        assert state["parts"] == len(pool.parts) + len(pool.receipts)

    def wind_up(self) -> None:
        self.now += 30 * DAY
        self.chain.at(self.now)
        for pool in self.pools:
            if pool.closed:
                continue
            for funder in list(pool.receipts):
                self.refund_one(pool, funder)
            for part in list(pool.parts):
                self.reclaim_one(pool, part)
            self.check(pool)
            self.close(pool)
            assert pool.closed
        for name, account in self.accounts.items():
            assert self.chain.balance(account) == self.balances[name]
        assert sum(self.balances.values()) == 4 * (U64 // 4)
        after = self.wealth()
        stays = self.chain.lamports(self.payouts.creator_counter(self.keys["alice"]))
        assert after.pop("alice") == self.lamports.pop("alice") - stays
        assert after == self.lamports


ACTS = (
    "fund", "enter", "publish", "veto", "observe", "fire", "claim", "allocate", "set_vendor",
    "redeem", "refund", "reclaim", "close", "wait",
)  # fmt: skip
FITTING = {
    "funding": ("fund", "fund", "enter", "enter", "enter", "publish", "wait"),
    "waiting": ("observe", "fire", "set_vendor", "set_vendor", "veto", "wait", "wait"),
    "published": ("claim", "allocate", "set_vendor", "redeem", "redeem", "redeem", "redeem"),
    "ended": ("refund", "refund", "reclaim", "reclaim", "close"),
}

EXPECTED = {
    "PoolOpened", "PoolFunded", "RoundEntered", "PoolPublished", "PoolVetoed", "TriggerFired",
    "PayoutClaimed", "VoucherAllocated", "VendorSet", "VoucherRedeemed", "FunderRefunded",
    "InvalidWindow", "InvalidDeadlines", "WrongStatus", "TooLate", "ZeroAmount", "NotARound",
    "TooEarly", "AlreadyEntered", "NotOperator", "InsufficientFunds", "NotGuardian", "NoTrigger",
    "AlreadyFired", "ObservationOutOfWindow", "StaleObservation", "ConditionNotMet",
    "NotTriggered", "AlreadyClaimed", "InvalidProof", "ExceedsTotal", "NotVendor",
    "SignatureExpired", "InvalidSignature", "ExceedsVoucher", "NothingToRefund", "PartsLeft",
}  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_random_actions(seed: int) -> None:
    """P-1 to P-18, K-1 to K-5"""
    model = Model(seed)
    number = 0
    while sum(model.seen.values()) < ACTIONS // 2:
        model.act()
        number += 1
        if number % 25 == 0:
            for pool in model.pools[-8:]:
                model.check(pool)
    model.wind_up()
    assert set(model.seen) >= EXPECTED, EXPECTED - set(model.seen)
    count = model.payouts.read(model.payouts.counter)["pools"]
    assert count == len(model.pools) + 1
