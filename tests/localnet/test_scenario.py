"""The story: the same for the same seed, in order, and within its own rules."""

from collections import Counter, defaultdict
from itertools import islice

import pytest

from localnet.scenario import story
from localnet.stories.action import Key, Step
from localnet.stories.bets import BETS, CLOSED, OPEN, Action
from localnet.wallets import Cast


def part(seed: int, rate: float = 20, count: int = 4_000) -> list[Step]:
    return list(islice(story(Cast(seed), rate), count))


def bets(seed: int, rate: float = 20) -> list[Action]:
    return [a for a in part(seed, rate) if isinstance(a, Action)]


def test_same_seed_same_story() -> None:
    assert part(7) == part(7)


def test_other_seed_other_story() -> None:
    assert part(7) != part(8)


@pytest.mark.parametrize("rate", [0.5, 2, 20, 100])
def test_never_faster_than_its_rate(rate: float) -> None:
    slots = [max(b.at for b in part(7, rate, n)) for n in (10, 100, 1_000)]
    for n, last in zip((10, 100, 1_000), slots, strict=True):
        assert last >= (n - 1) / rate - 20  # settlements carry the time they were due


def test_holds_every_kind_of_bet_and_of_refusal() -> None:
    actions = bets(7)
    kinds = Counter(a.kind for a in actions)
    assert set(kinds) == {
        "open", "place", "resolve", "void", "claim", "collect_fee", "close_position", "close",
    }  # fmt: skip
    assert kinds["place"] > 0.4 * len(actions)
    assert {a.error for a in actions} == {
        "", "InvalidOutcome", "BettingClosed", "NotResolver", "AlreadyClaimed",
    }  # fmt: skip


def test_tells_of_every_program() -> None:
    programs = Counter(a.program for a in part(7))
    assert set(programs) == {
        "bets", "contracts", "exchange", "feeds", "payouts", "projects", "records", "registry",
    }  # fmt: skip
    assert 0.5 < programs["bets"] / programs.total() < 0.75
    assert min(programs["contracts"], programs["payouts"]) > 0.08 * programs.total()


def test_holds_every_kind_of_call_and_refusal() -> None:
    told: defaultdict[str, set[str]] = defaultdict(set)
    errors: defaultdict[str, set[str]] = defaultdict(set)
    for action in part(7, count=12_000):
        told[action.program].add(action.kind)
        errors[action.program].add(action.error)
    assert told["contracts"] == {
        "propose", "sign", "sign_by_sig", "fund", "record_delivery", "accept", "dispute", "rule",
        "fix_price", "settle", "cancel", "withdraw",
    }  # fmt: skip
    assert errors["contracts"] == {
        "", "AlreadyRequested", "NotArbiter", "NotCounterparty", "NotSeller", "NothingOwed",
        "TooEarly", "WrongStatus",
    }  # fmt: skip
    assert told["payouts"] == {
        "open", "fund", "enter", "publish", "veto", "fire", "claim", "allocate", "set_vendor",
        "redeem", "refund",
    }  # fmt: skip
    assert errors["payouts"] == {
        "", "AlreadyClaimed", "AlreadyEntered", "InvalidProof", "InvalidSignature", "NotGuardian",
        "NotOperator", "NotTriggered", "NotVendor", "NothingToRefund", "TooEarly",
    }  # fmt: skip
    assert told["projects"] == {"create", "add_milestone", "complete_milestone", "update"}
    assert told["feeds"] == {"open", "publish"}
    assert told["registry"] == {
        "open_scope", "grant", "revoke", "announce", "attest", "revoke_attestation", "set_profile",
        "link", "unlink", "set_profile_status",
    }  # fmt: skip
    assert errors["registry"] == {
        "", "AlreadyGranted", "AlreadyLinked", "AlreadyRevoked", "InvalidRole", "LastAdmin",
        "NotAdmin", "NotGranted", "NotIssuer", "NotLinked", "NotParty",
    }  # fmt: skip
    assert told["records"] == {
        "create_record", "update_record", "set_visibility", "retire", "create_playlist",
        "update_playlist",
    }  # fmt: skip
    assert errors["records"] == {
        "", "InvalidTags", "InvalidVisibility", "NotOwner", "WrongStatus",
    }  # fmt: skip
    assert told["exchange"] == {"open", "deposit", "withdraw", "place", "cancel"}
    assert errors["exchange"] == {
        "", "BelowMinimum", "InsufficientBalance", "NotFilled", "NotOwner", "OrderNotFound",
        "WouldTake", "ZeroAmount",
    }  # fmt: skip


@pytest.mark.parametrize("rate", [0.5, 20])
def test_an_entity_goes_through_its_phases_in_order(rate: float) -> None:
    phases: dict[Key, int] = {}
    for action in part(7, rate):
        if action.phase == OPEN:
            assert action.key not in phases
        else:
            assert phases[action.key] <= action.phase
        phases[action.key] = action.phase
    assert max(phase for (kind, _), phase in phases.items() if kind == "market") == CLOSED


@pytest.mark.parametrize("rate", [0.5, 2, 20, 100])
def test_what_waits_for_nothing_is_before_the_deadlines(rate: float) -> None:
    """A script's next step is never told later than the deadline that a later one waits for."""
    opened: dict[Key, Step] = {}
    waited: set[Key] = set()
    for action in part(7, rate):
        if action.key[0] not in ("agreement", "pool"):
            continue
        opened.setdefault(action.key, action)
        if action.after:
            waited.add(action.key)
        elif action.key not in waited:
            ends = opened[action.key].deadlines
            assert action.at - opened[action.key].at < min(ends.values())


def test_bets_lie_between_opening_and_close() -> None:
    window: dict[int, tuple[float, float]] = {}
    for action in bets(7):
        if action.terms is not None:
            window[action.market] = action.at, action.at + action.terms.life
        elif action.phase == BETS:
            opened, close = window[action.market]
            assert opened < action.at < close


def test_claims_name_positions_that_were_bet() -> None:
    placed = set()
    for a in bets(7):
        if a.kind == "place":
            placed.add((a.market, a.bettor, a.outcome))
        elif a.kind in ("claim", "close_position"):
            assert (a.market, a.bettor, a.outcome) in placed
