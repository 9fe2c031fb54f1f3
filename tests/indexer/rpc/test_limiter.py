from __future__ import annotations

import pytest

from indexer.rpc.limiter import Budget, Concurrency


def waits(budget: Budget, now: float, calls: int) -> list[float]:
    return [round(budget.book(now), 3) for _ in range(calls)]


def test_no_budget_never_waits() -> None:
    assert waits(Budget(), 100.0, 1000) == [0.0] * 1000


def test_budget_spreads_calls_over_the_second() -> None:
    assert waits(Budget(10), 100.0, 5) == [0.0, 0.0, 0.1, 0.2, 0.3]


def test_unused_budget_is_not_saved_up() -> None:
    budget = Budget(10)
    budget.book(100.0)
    assert waits(budget, 200.0, 3) == [0.0, 0.0, 0.1]


def test_a_batch_costs_its_calls() -> None:
    budget = Budget(10)
    assert budget.book(100.0, calls=20) == 0.0
    assert budget.book(100.0) == pytest.approx(1.9)


def test_a_rate_limit_is_learnt_and_forgotten() -> None:
    budget = Budget()
    for i in range(50):
        budget.book(100.0 + i / 50)
    budget.exceeded(101.0)
    assert budget.rate(101.0) == pytest.approx(40, abs=1)
    budget.exceeded(101.1)
    assert budget.rate(101.1) == pytest.approx(40, abs=1), "one burst counts once"
    assert budget.rate(111.0) == pytest.approx(40 * 1.05**10, rel=0.05)
    budget.rate(500.0)
    assert budget.rate(500.0) is None


def test_the_ceiling_stays_above_what_is_learnt() -> None:
    budget = Budget(10)
    waits(budget, 100.0, 10)
    budget.exceeded(100.0)
    assert (budget.rate(100.0) or 0) < 10
    assert budget.rate(399.0) == 10


def test_a_limit_that_others_used_up_teaches_no_rate() -> None:
    budget = Budget()
    budget.book(100.0)
    budget.exceeded(100.0)
    assert budget.rate(100.0) is None


def test_concurrency_grows_while_latency_holds() -> None:
    bound = Concurrency(start=4, high=32)
    bound.in_flight = 100
    for _ in range(300):
        bound.took("x", 0.05)
    assert bound.limit == 32


def test_concurrency_shrinks_when_requests_queue() -> None:
    bound = Concurrency(start=16, high=32)
    bound.in_flight = 100
    bound.took("x", 0.01)
    for _ in range(20):
        bound.took("x", 0.2)
    assert bound.limit < 12


def test_latency_of_an_idle_node_teaches_nothing() -> None:
    bound = Concurrency(start=4)
    bound.in_flight = 1
    for _ in range(300):
        bound.took("x", 0.05)
    assert bound.limit == 4


def test_overload_halves_but_never_stops() -> None:
    bound = Concurrency(start=4)
    for _ in range(10):
        bound.overloaded()
    assert bound.limit == 1
    assert bound.free
