"""Markets that nobody looks after: people are paid without lifting a finger."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest

CHAINS: tuple[Literal["anvil", "solana"], ...] = ("anvil", "solana")
Start = Callable[[Literal["anvil", "solana"]], AbstractAsyncContextManager[Any]]


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_market_that_nobody_resolves_pays_everyone_back(
    chain: Literal["anvil", "solana"], running: Start
) -> None:
    async with running(chain) as at:
        names = ("bettor-0", "bettor-1", "bettor-2")
        before = [await at.held(name) for name in names]
        market = await at.market(("bettor-0", 0, 500), ("bettor-1", 1, 70), ("bettor-2", 1, 9))
        keeper = await at.keeper("--every", "0.2")
        await keeper.told("keeping")
        await at.later(7_201)
        await at.until("SELECT closed = 1 FROM markets WHERE market = %s", market)

        assert [await at.held(name) for name in names] == before
        assert at.rows("SELECT status, claims, paid FROM markets") == [(2, 3, 579)]
        actors = at.rows("SELECT DISTINCT actor FROM bets_bet_claimed")
        assert actors == [(at.address("stranger"),)]
        keeper.process.terminate()
        assert await keeper.ended() == 0
        # each crank once: void, three claims, three positions, the market
        sent = at.rows("SELECT crank, outcome, count(*) FROM keeper.sent GROUP BY 1, 2 ORDER BY 1")
        assert sent == [
            ("bets.claim", "ok", 3), ("bets.close", "ok", 1), ("bets.close_position", "ok", 3),
            ("bets.void", "ok", 1),
        ]  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
async def test_winners_and_the_fee_are_paid(
    chain: Literal["anvil", "solana"], running: Start
) -> None:
    async with running(chain) as at:
        market = await at.market(("bettor-0", 0, 1_000), ("bettor-1", 1, 1_000), fee_bps=1_000)
        won, fees = await at.held("bettor-0"), await at.held("treasury")
        await at.later(3_601)
        await at.act("resolve", "resolver-0", market, outcome=0)
        await at.indexed()
        lines = await at.once("--only-pay")
        paid = {line["crank"]: line for line in lines if line["what"] == "ok"}
        assert set(paid) == {"bets.claim", "bets.collect_fee"}
        assert await at.held("bettor-0") == won + 1_900
        assert await at.held("treasury") == fees + 100
        await at.indexed()
        assert [line["what"] for line in await at.once("--only-pay")] == ["keeping"]
