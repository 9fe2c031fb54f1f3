"""The keeper on a real validator (Agave), where one is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("solana-test-validator") is None,
    reason="needs solana-test-validator on PATH (docs.anza.xyz/cli/install)",
)


async def test_a_market_that_nobody_resolves_pays_everyone_back(
    running: Callable[..., AbstractAsyncContextManager[Any]],
) -> None:
    async with running("solana", "test-validator") as at:
        names = ("bettor-0", "bettor-1")
        before = [await at.held(name) for name in names]
        # time can't be set here: so its deadlines are near
        market = await at.market(
            ("bettor-0", 0, 500), ("bettor-1", 1, 70), close_in=15, resolve_in=16
        )
        keeper = await at.keeper("--every", "0.2")
        await keeper.told("keeping")
        await at.until("SELECT closed = 1 FROM markets WHERE market = %s", market)

        assert [await at.held(name) for name in names] == before
        assert at.rows("SELECT status, claims, paid FROM markets") == [(2, 2, 570)]
        actors = at.rows("SELECT DISTINCT actor FROM bets_bet_claimed")
        assert actors == [(at.address("stranger"),)]
        keeper.process.terminate()
        assert await keeper.ended() == 0
        sent = at.rows(
            "SELECT crank, count(*) FROM keeper.sent WHERE outcome = 'ok' GROUP BY 1 ORDER BY 1"
        )
        assert sent == [
            ("bets.claim", 2), ("bets.close", 1), ("bets.close_position", 2), ("bets.void", 1),
        ]  # fmt: skip
        # what it says that it cost is what left the account
        ((spent,),) = at.rows("SELECT sum(spent) FROM keeper.sent")
        assert spent > 0
