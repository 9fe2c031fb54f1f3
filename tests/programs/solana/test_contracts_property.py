"""Random actions on contracts, right and wrong, against a model in Python (J-1, J-2, J-4).

The model says of every action, before it is sent, which error or which events it gives, and what
is owed after it. At the end everything is wound up by a stranger, and all money has gone to
seller and buyer.
"""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from onsvm.bets import DAY
from onsvm.chain import START, TOKEN, Chain, Refused
from onsvm.contracts import (
    ACTIVE,
    CANCELLED,
    DISPUTED,
    PENDING,
    SETTLED,
    SIGNED,
    Contracts,
)
from solders.instruction import Instruction
from solders.pubkey import Pubkey

U64 = 2**64 - 1
ACTIONS = 10_000  # in all seeds together
ACTORS = ("alice", "bob", "carol", "mallory")
STEP = 60  # seconds between the deadlines of an agreement
SPLITS = (0, 1, 3333, 10_000)


@dataclass
class Agreement:
    address: Pubkey
    proposer: str
    quantity: int
    price: int
    margin: int
    start: int  # seconds; the deadlines follow in steps
    split: int
    status: int = PENDING
    seq: int = 1
    funded: int = 0
    buyer_funded: bool = False
    seller_funded: bool = False
    delivered: int = 0
    delivered_at: int = 0
    accepted: bool = False
    ruled: bool = False
    seller_cancels: bool = False
    buyer_cancels: bool = False
    owed_seller: int = 0
    owed_buyer: int = 0
    paid: int = 0

    @property
    def sign_by(self) -> int:
        return self.start + STEP

    @property
    def fund_by(self) -> int:
        return self.start + 2 * STEP

    @property
    def deliver_by(self) -> int:
        return self.start + 3 * STEP

    @property
    def rule_by(self) -> int:
        return self.start + 5 * STEP

    def step(self, events: int = 1) -> None:
        """A step forward, which no request to cancel outlives (A-14)."""
        self.seq += events
        self.seller_cancels = self.buyer_cancels = False

    def finished(self, now: int) -> int | None:
        if self.delivered == self.quantity:
            return self.delivered_at
        return self.deliver_by if now > self.deliver_by else None


Expected = tuple[str | None, list[tuple[str, dict[str, Any]]]]


class Model:
    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.chain = Chain()
        self.contracts = Contracts(self.chain)
        self.usd = self.chain.token("usd")
        self.keys = {name: self.chain.fund(name).pubkey() for name in ACTORS}
        self.accounts = {
            name: self.chain.token_account(key, self.usd) for name, key in self.keys.items()
        }
        self.balances = {"alice": U64 // 2, "bob": U64 // 2, "carol": 0, "mallory": 0}
        for name, amount in self.balances.items():
            self.chain.mint(self.keys[name], self.usd, amount)
        self.agreements: list[Agreement] = []
        self.now = 0
        self.seen: Counter[str] = Counter()  # errors and events

    def send(self, ix: Instruction, error: str | None, *events: tuple[str, dict[str, Any]]) -> bool:
        """Sends; compares with what was expected, fields that are given. Was it accepted?"""
        try:
            receipt = self.contracts.send(ix)
        except Refused as refused:
            if refused.name != error:
                raise AssertionError(f"{refused.name}, expected {error}") from refused
            self.seen[error] += 1
            return False
        assert error is None, f"accepted, expected {error}"
        assert [event.name for event in receipt.events] == [name for name, _ in events]
        for event, (_, fields) in zip(receipt.events, events, strict=True):
            shown = {key: event.fields[key] for key in fields}
            assert shown == fields, event.name
            self.seen[event.name] += 1
        return True

    def amount(self) -> int:
        bits = self.random.choice((1, 4, 10, 32, 60))
        return self.random.getrandbits(bits)

    def pick(self) -> Agreement | None:
        return self.random.choice(self.agreements[-3:]) if self.agreements else None

    def actor(self, likely: str) -> str:
        return likely if self.random.random() < 0.8 else self.random.choice(ACTORS)

    # ---- actions ----

    def propose(self) -> None:
        by = self.random.choice(("alice", "bob"))
        address = self.contracts.next_agreement(by)
        quantity, price, margin = self.amount(), self.amount(), self.amount()
        split = self.random.choice((*SPLITS, 10_001))
        error = None
        if quantity == 0 or price == 0:
            error = "ZeroAmount"
        elif split > 10_000:
            error = "InvalidSplit"
        ix = self.contracts.propose(
            by,
            quantity=quantity,
            price_total=price,
            seller_margin=margin,
            default_split_bps=split,
            sign_by=self.now + STEP,
            fund_by=self.now + 2 * STEP,
            deliver_by=self.now + 3 * STEP,
            accept_within=STEP,
            rule_by=self.now + 5 * STEP,
            cid="",
            title="",
            unit="",
        )
        agreement = Agreement(address, by, quantity, price, margin, self.now, split)
        if self.send(ix, error, ("AgreementProposed", {"agreement": address, "seq": 1})):
            self.agreements.append(agreement)

    def sign(self) -> None:
        agreement = self.pick()
        if agreement is None:
            return
        counterparty = "bob" if agreement.proposer == "alice" else "alice"
        by = self.actor(counterparty)
        error = None
        if by != counterparty:
            error = "NotCounterparty"
        elif agreement.status != PENDING:
            error = "WrongStatus"
        elif self.now > agreement.sign_by:
            error = "TooLate"
        ix = self.contracts.step("sign", by, agreement.address)
        if self.send(ix, error, ("AgreementSigned", {"seq": agreement.seq + 1})):
            agreement.status = SIGNED
            agreement.seller_funded = agreement.margin == 0
            agreement.seq += 1

    def fund(self) -> None:
        agreement = self.pick()
        if agreement is None:
            return
        by = self.actor(self.random.choice(("alice", "bob")))
        share = agreement.price if by == "bob" else agreement.margin
        done = agreement.buyer_funded if by == "bob" else agreement.seller_funded
        error = None
        if by not in ("alice", "bob"):
            error = "NotParty"
        elif agreement.status != SIGNED:
            error = "WrongStatus"
        elif done:
            error = "AlreadyFunded"
        elif self.now > agreement.fund_by:
            error = "TooLate"
        elif share > self.balances[by]:
            error = f"{TOKEN} 1"
        ix = self.contracts.fund(by, agreement.address)
        after = agreement.funded + share
        expected: list[tuple[str, dict[str, Any]]] = [
            ("AgreementFunded", {"seq": agreement.seq + 1, "amount": share, "funded_after": after})
        ]
        other = agreement.seller_funded if by == "bob" else agreement.buyer_funded
        if other:
            expected.append(("AgreementActivated", {"seq": agreement.seq + 2}))
        if self.send(ix, error, *expected):
            agreement.funded = after
            agreement.step(len(expected))
            self.balances[by] -= share
            if by == "bob":
                agreement.buyer_funded = True
            else:
                agreement.seller_funded = True
            if other:
                agreement.status = ACTIVE

    def deliver(self) -> None:
        agreement = self.pick()
        if agreement is None:
            return
        by = self.actor("alice")
        rest = agreement.quantity - agreement.delivered
        quantity = self.random.choice((0, 1, rest, rest, rest // 2, rest + 1, U64))
        error = None
        if by != "alice":
            error = "NotSeller"
        elif agreement.status != ACTIVE:
            error = "WrongStatus"
        elif self.now > agreement.deliver_by:
            error = "TooLate"
        elif quantity == 0:
            error = "ZeroAmount"
        elif quantity > rest:
            error = "TooMuch"
        ix = self.contracts.step(
            "record_delivery", by, agreement.address, quantity=quantity, evidence=bytes(32)
        )
        fields = {"seq": agreement.seq + 1, "delivered_after": agreement.delivered + quantity}
        if self.send(ix, error, ("DeliveryRecorded", fields)):
            agreement.delivered += quantity
            agreement.delivered_at = self.now
            agreement.step()

    def accept(self) -> None:
        agreement = self.pick()
        if agreement is None:
            return
        by = self.actor("bob")
        error = None
        if by != "bob":
            error = "NotBuyer"
        elif agreement.status != ACTIVE:
            error = "WrongStatus"
        elif agreement.finished(self.now) is None:
            error = "TooEarly"
        elif agreement.delivered == 0:
            error = "NothingDelivered"
        elif agreement.accepted:
            error = "AlreadyAccepted"
        ix = self.contracts.step("accept", by, agreement.address)
        if self.send(ix, error, ("DeliveryAccepted", {"seq": agreement.seq + 1})):
            agreement.accepted = True
            agreement.step()

    def dispute(self) -> None:
        agreement = self.pick()
        if agreement is None:
            return
        by = self.actor("bob")
        finished = agreement.finished(self.now)
        error = None
        if by not in ("alice", "bob"):
            error = "NotParty"
        elif agreement.status != ACTIVE:
            error = "WrongStatus"
        elif finished is None:
            error = "TooEarly"
        elif agreement.delivered == 0:
            error = "NothingDelivered"
        elif agreement.accepted:
            error = "AlreadyAccepted"
        elif self.now > finished + STEP:
            error = "TooLate"
        ix = self.contracts.step("dispute", by, agreement.address, reason=bytes(32))
        if self.send(ix, error, ("DisputeOpened", {"seq": agreement.seq + 1})):
            agreement.status = DISPUTED
            agreement.step()

    def rule(self) -> None:
        agreement = self.pick()
        if agreement is None:
            return
        by = self.actor("carol")
        split = self.random.choice((*SPLITS, 10_001))
        error = None
        if by != "carol":
            error = "NotArbiter"
        elif agreement.status != DISPUTED:
            error = "WrongStatus"
        elif split > 10_000:
            error = "InvalidSplit"
        elif agreement.ruled:
            error = "AlreadyRuled"
        elif self.now > agreement.rule_by:
            error = "TooLate"
        ix = self.contracts.step("rule", by, agreement.address, split_bps=split)
        if self.send(ix, error, ("DisputeRuled", {"seq": agreement.seq + 1, "split_bps": split})):
            agreement.ruled = True
            agreement.split = split
            agreement.step()

    def settle(self) -> None:
        agreement = self.pick()
        if agreement is not None:
            self.settle_one(agreement)

    def settle_one(self, agreement: Agreement) -> None:
        finished = agreement.finished(self.now)
        error = None
        if agreement.status == ACTIVE:
            nothing = agreement.delivered == 0 and self.now > agreement.deliver_by
            answered = finished is not None and self.now > finished + STEP
            if not (nothing or agreement.accepted or answered):
                error = "TooEarly"
        elif agreement.status == DISPUTED:
            if not agreement.ruled and self.now <= agreement.rule_by:
                error = "TooEarly"
        else:
            error = "WrongStatus"
        earned = agreement.price * agreement.delivered // agreement.quantity
        earned += agreement.margin * agreement.delivered // agreement.quantity
        if agreement.status == DISPUTED:
            earned = earned * agreement.split // 10_000
        rest = agreement.funded - earned
        ix = self.contracts.step("settle", self.random.choice(ACTORS), agreement.address)
        fields = {"seq": agreement.seq + 1, "owed_seller": earned, "owed_buyer": rest}
        if self.send(ix, error, ("AgreementSettled", fields)):
            agreement.status = SETTLED
            agreement.owed_seller, agreement.owed_buyer = earned, rest
            agreement.seq += 1

    def cancel(self) -> None:
        agreement = self.pick()
        if agreement is not None:
            self.cancel_one(agreement, self.random.choice(ACTORS))

    def cancel_one(self, agreement: Agreement, by: str) -> None:
        overdue = (agreement.status == PENDING and self.now > agreement.sign_by) or (
            agreement.status == SIGNED and self.now > agreement.fund_by
        )
        party = by in ("alice", "bob")
        asked = agreement.seller_cancels if by == "alice" else agreement.buyer_cancels
        at_once = overdue or agreement.status == PENDING
        error = None
        if not overdue and not party:
            error = "NotParty"
        elif agreement.status >= SETTLED:
            error = "WrongStatus"
        elif not at_once and asked:
            error = "AlreadyRequested"
        expected: list[tuple[str, dict[str, Any]]] = []
        if not at_once:
            expected.append(("CancelRequested", {"seq": agreement.seq + 1}))
        other = agreement.buyer_cancels if by == "alice" else agreement.seller_cancels
        seller = agreement.margin if agreement.seller_funded else 0
        buyer = agreement.funded - seller
        if at_once or other:
            seq = agreement.seq + len(expected) + 1
            fields = {"seq": seq, "owed_seller": seller, "owed_buyer": buyer}
            expected.append(("AgreementCancelled", fields))
        ix = self.contracts.step("cancel", by, agreement.address)
        if self.send(ix, error, *expected):
            agreement.seq += len(expected)
            if at_once or other:
                agreement.status = CANCELLED
                agreement.owed_seller, agreement.owed_buyer = seller, buyer
            elif by == "alice":
                agreement.seller_cancels = True
            else:
                agreement.buyer_cancels = True

    def withdraw(self) -> None:
        agreement = self.pick()
        if agreement is not None:
            self.withdraw_one(agreement, self.actor(self.random.choice(("alice", "bob"))))

    def withdraw_one(self, agreement: Agreement, party: str) -> None:
        amount = {"alice": agreement.owed_seller, "bob": agreement.owed_buyer}.get(party, 0)
        error = None
        if party not in ("alice", "bob"):
            error = "NotParty"
        elif amount == 0:
            error = "NothingOwed"
        by = self.random.choice(ACTORS)
        ix = self.contracts.withdraw(by, agreement.address, party)
        fields = {"seq": agreement.seq + 1, "amount": amount, "paid_after": agreement.paid + amount}
        if self.send(ix, error, ("Withdrawn", fields)):
            agreement.paid += amount
            agreement.seq += 1
            self.balances[party] += amount
            if party == "alice":
                agreement.owed_seller = 0
            else:
                agreement.owed_buyer = 0

    def wait(self) -> None:
        self.now += self.random.choice((1, 1, STEP // 2, STEP))
        self.chain.at(self.now)

    # ---- invariants ----

    def check(self, agreement: Agreement) -> None:
        held = self.chain.balance(self.contracts.vault(agreement.address))
        assert held == agreement.funded - agreement.paid  # J-2
        state = self.contracts.read(agreement.address)
        assert state["seq"] == agreement.seq  # J-4
        owed = state["owed_seller"] + state["owed_buyer"]
        ended = state["status"] >= SETTLED
        assert owed == (held if ended else 0)  # J-1
        assert (state["status"], state["delivered"]) == (agreement.status, agreement.delivered)

    def wind_up(self) -> None:
        self.now += 10 * DAY
        self.chain.at(self.now)
        for agreement in self.agreements:
            if agreement.status in (PENDING, SIGNED):
                self.cancel_one(agreement, "mallory")
            elif agreement.status in (ACTIVE, DISPUTED):
                self.settle_one(agreement)
            for party, amount in (("alice", agreement.owed_seller), ("bob", agreement.owed_buyer)):
                if amount:
                    self.withdraw_one(agreement, party)
            self.check(agreement)
            assert self.send(self.contracts.close(agreement.address), None)
        for name, account in self.accounts.items():
            assert self.chain.balance(account) == self.balances[name]
        assert sum(self.balances.values()) == 2 * (U64 // 2)
        assert self.balances["carol"] == self.balances["mallory"] == 0


WEIGHTS = {
    "propose": 3, "sign": 9, "fund": 14, "deliver": 14, "accept": 4, "dispute": 5, "rule": 5,
    "settle": 8, "cancel": 2, "withdraw": 8, "wait": 4,
}  # fmt: skip

EXPECTED = {
    "AgreementProposed", "AgreementSigned", "AgreementFunded", "AgreementActivated",
    "DeliveryRecorded", "DeliveryAccepted", "DisputeOpened", "DisputeRuled", "AgreementSettled",
    "CancelRequested", "AgreementCancelled", "Withdrawn", "ZeroAmount", "InvalidSplit",
    "NotCounterparty", "WrongStatus", "TooLate", "NotParty", "AlreadyFunded", "NotSeller",
    "TooMuch", "NotBuyer", "TooEarly", "NotArbiter", "NothingOwed",
}  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_random_actions(seed: int) -> None:
    """A-1 to A-17, J-1 to J-4"""
    model = Model(seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    number = 0
    while sum(model.seen.values()) < ACTIONS // 2:
        getattr(model, model.random.choices(names, weights)[0])()
        number += 1
        if number % 25 == 0:
            for agreement in model.agreements[-8:]:
                model.check(agreement)
    model.wind_up()
    assert set(model.seen) >= EXPECTED, EXPECTED - set(model.seen)
    count = model.contracts.read(model.contracts.counter)["agreements"]
    assert count == len(model.agreements)
    assert model.chain.now > START
