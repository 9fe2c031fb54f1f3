"""The story: the same for the same seed, in order, and within its own rules."""

from collections import Counter
from itertools import islice

import pytest

from localnet.scenario import BETS, CLOSED, OPEN, Action, story
from localnet.wallets import Cast


def part(seed: int, rate: float = 20, count: int = 4_000) -> list[Action]:
    return list(islice(story(Cast(seed), rate), count))


def test_same_seed_same_story() -> None:
    assert part(7) == part(7)


def test_other_seed_other_story() -> None:
    assert part(7) != part(8)


@pytest.mark.parametrize("rate", [2, 20, 100])
def test_never_faster_than_its_rate(rate: float) -> None:
    times = [a.at for a in part(7, rate, 1_000)]
    slots = [max(b.at for b in part(7, rate, n)) for n in (10, 100, 1_000)]
    assert len(times) == 1_000
    for n, last in zip((10, 100, 1_000), slots, strict=True):
        assert last >= (n - 1) / rate - 20  # settlements carry the time they were due


def test_holds_every_kind_of_action_and_of_refusal() -> None:
    actions = part(7)
    kinds = Counter(a.kind for a in actions)
    assert set(kinds) == {
        "open", "place", "resolve", "void", "claim", "collect_fee", "close_position", "close",
    }  # fmt: skip
    assert kinds["place"] > 0.4 * len(actions)
    assert {a.error for a in actions} == {
        "", "InvalidOutcome", "BettingClosed", "NotResolver", "AlreadyClaimed",
    }  # fmt: skip


def test_a_market_goes_through_its_phases_in_order() -> None:
    phases: dict[int, int] = {}
    for action in part(7):
        if action.phase == OPEN:
            assert action.market not in phases
        else:
            assert phases[action.market] <= action.phase <= CLOSED
        phases[action.market] = action.phase


def test_bets_lie_between_opening_and_close() -> None:
    window: dict[int, tuple[float, float]] = {}
    for action in part(7):
        if action.terms is not None:
            window[action.market] = action.at, action.at + action.terms.life
        elif action.phase == BETS:
            opened, close = window[action.market]
            assert opened < action.at < close


def test_claims_name_positions_that_were_bet() -> None:
    bets = set()
    for a in part(7):
        if a.kind == "place":
            bets.add((a.market, a.bettor, a.outcome))
        elif a.kind in ("claim", "close_position"):
            assert (a.market, a.bettor, a.outcome) in bets
