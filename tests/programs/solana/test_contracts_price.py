"""An agreement has one price, whoever has it fixed and whenever (A-11): random histories of a feed,
and of each call what all that was ever published says of it."""

from collections import Counter

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from onsvm.bets import DAY
from onsvm.chain import Chain, Refused
from onsvm.contracts import Contracts
from onsvm.feeds import Feeds

RING = 64  # observations that a feed remembers
BATCH = 32  # observations in one call
HEARTBEAT = 600  # seconds
DELIVER_BY = 10 * DAY
TOTAL, FLOOR, CAP, MUL, DIV = 1000, 500, 1500, 10, 3
TERMS = {
    "deliver_by": DELIVER_BY,
    "price_total": TOTAL,
    "price_floor": FLOOR,
    "price_cap": CAP,
    "price_mul": MUL,
    "price_div": DIV,
}
CALLERS = ("alice", "bob", "carol", "mallory")  # seller, buyer, arbiter, nobody

Observation = tuple[int, int]  # value, seconds
Call = tuple[str, int, int]  # who, seconds later, rounds away from the one that counts

GAPS = st.integers(1, 2 * HEARTBEAT)
VALUES = st.integers(-5, 500) | st.integers(-(2**127), 2**127 - 1)
FEW = st.lists(st.tuples(VALUES, GAPS), min_size=1, max_size=4)
MANY = st.builds(lambda value, gap: [(value, gap)] * BATCH, VALUES, st.integers(1, 60))
AWAY = st.sampled_from([0, 0, 0, 1, -1, -2, -RING])
CALLS = st.lists(st.tuples(st.sampled_from(CALLERS), st.integers(0, 300), AWAY), max_size=4)
HISTORIES = st.lists(st.tuples(FEW | MANY, CALLS), min_size=1, max_size=6)


def first_due(published: list[Observation]) -> int | None:
    """The round of the first observation since delivery was due."""
    return next((n for n, (_, at) in enumerate(published, 1) if at >= DELIVER_BY), None)


def verdict(published: list[Observation], round_: int) -> int | str:
    """The price by `round_`, or the error, until rule_by."""
    if round_ == 0:
        return "TooEarly"
    if round_ != first_due(published):
        return "NotFirstObservation"
    before = max(round_ - 1, 1)
    if len(published) - before >= RING:
        return "NotFirstObservation"
    value, observed_at = published[round_ - 1]
    if observed_at > DELIVER_BY + HEARTBEAT:
        return TOTAL
    return min(max(value * MUL // DIV, FLOOR), CAP)


class History:
    """A feed, what it published, and an agreement for each caller, all with the same terms."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.contracts, self.feeds = Contracts(self.chain), Feeds(self.chain)
        self.feed = self.feeds.opened(heartbeat=HEARTBEAT)
        self.agreements = {name: self.contracts.active(feed=self.feed, **TERMS) for name in CALLERS}
        self.published: list[Observation] = []
        self.prices: dict[str, int] = {}
        self.now = DELIVER_BY - 2 * HEARTBEAT

    def publish(self, batch: list[tuple[int, int]]) -> None:
        """Values, each with the seconds since the one before."""
        for value, gap in batch:
            self.now += gap
            self.published.append((value, self.now))
        self.chain.at(self.now)
        observations = self.published[-len(batch) :]
        self.feeds.send(self.feeds.publish("opener", self.feed, observations))

    def fix(self, caller: str, wait: int, away: int) -> int | str:
        """The price that the caller fixed, or the error; whichever, it is what is right."""
        self.now += wait
        self.chain.at(self.now)
        round_ = max((first_due(self.published) or len(self.published)) + away, 0)
        right = verdict(self.published, round_)
        if caller in self.prices:
            right = "PriceAlreadyFixed"
        try:
            (event,) = self.contracts.send(
                self.contracts.fix_price(caller, self.agreements[caller], round_)
            ).events
        except Refused as refused:
            got = refused.name
        else:
            got = self.prices[caller] = int(event.fields["price"])
        assert got == right, (caller, round_)
        return got


def test_one_price_for_every_caller_at_every_time() -> None:
    """A-11: until rule_by, which none of these histories reaches."""
    seen: Counter[int | str] = Counter()

    # without shrinking: each history takes a chain of its own, a shorter one many
    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )
    # what chance may leave out: each refusal, a late observation, the floor, the cap
    @example([([(100, 1199), (100, 1200)], [("alice", 0, a) for a in (-RING, 1, 0, 0)])])
    @example([([(0, 1199), (0, 10)], [("alice", 0, 0)])])
    @example([([(500, 1199), (500, 10)], [("alice", 0, 0)])])
    @given(HISTORIES)
    def play(batches: list[tuple[list[tuple[int, int]], list[Call]]]) -> None:
        history = History()
        for batch, calls in batches:
            history.publish(batch)
            seen.update(history.fix(*call) for call in calls)
        seen.update(history.fix(caller, 60, 0) for caller in CALLERS)
        assert len(set(history.prices.values())) <= 1
        for caller, agreement in history.agreements.items():
            state = history.contracts.read(agreement)
            assert state["price"] == history.prices.get(caller, 0)

    play()
    refusals = {"TooEarly", "NotFirstObservation", "PriceAlreadyFixed"}
    assert set(seen) > refusals | {TOTAL, FLOOR, CAP}, seen
