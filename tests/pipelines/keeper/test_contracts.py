"""Agreements that time has decided: settled and paid out by nobody's doing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest

from localnet.stories.action import Key, Script
from localnet.stories.feeds import PUBLISHER

CHAINS: tuple[Literal["anvil", "solana"], ...] = ("anvil", "solana")
Start = Callable[[Literal["anvil", "solana"]], AbstractAsyncContextManager[Any]]
SELLER, BUYER, ARBITER = "bettor-0", "bettor-1", "resolver-0"
FEED: Key = ("feed", 0)


def agreed(number: int, feed: Key | None = None) -> Script:
    """Proposed by the seller and signed; the deadlines are hours away."""
    script = Script("contracts", ("agreement", number), 0)
    priced = feed is not None
    script.open(
        "propose", SELLER,
        {"sign_by": 600, "fund_by": 1_200, "deliver_by": 3_600, "rule_by": 9_000},
        {"accept_within": 600}, seller=SELLER, buyer=BUYER, arbiter=ARBITER, commodity=bytes(32),
        terms=b"\3" * 32, quantity=10, price_total=1_000, feed=feed, price_cap=2_000 * priced,
        price_floor=500 * priced, price_mul=1 * priced, price_div=1 * priced, seller_margin=50,
        default_split_bps=5_000, cid="", title="Coffee", unit="kg",
    )  # fmt: skip
    script.then("sign", BUYER)
    return script


def funded(number: int, feed: Key | None = None) -> Script:
    script = agreed(number, feed)
    script.then("fund", BUYER)
    script.then("fund", SELLER)
    return script


@pytest.mark.parametrize("chain", CHAINS)
async def test_missed_unanswered_disputed_and_unfunded_agreements_end(
    chain: Literal["anvil", "solana"], running: Start
) -> None:
    async with running(chain) as at:
        before = {name: await at.held(name) for name in (SELLER, BUYER)}
        missed = await at.play(funded(0))
        script = funded(1)
        script.then("record_delivery", SELLER, quantity=10, evidence=bytes(32))
        unanswered = await at.play(script)
        script = funded(2)
        script.then("record_delivery", SELLER, quantity=10, evidence=bytes(32))
        script.then("dispute", BUYER, reason=bytes(32))
        silent = await at.play(script)
        script = agreed(3)
        script.then("fund", BUYER)
        unfunded = await at.play(script)
        feed = Script("feeds", FEED, 0)
        feed.open("open", PUBLISHER, {}, decimals=0, heartbeat=86_400, name="coffee", unit="USDC")
        await at.play(feed)
        script = funded(4, FEED)
        script.then("record_delivery", SELLER, quantity=10, evidence=bytes(32))
        priced = await at.play(script)

        keeper = await at.keeper("--every", "0.2")
        await keeper.told("keeping")
        await at.indexed()
        # nothing is due yet; from here on only the keeper acts on agreements
        assert at.rows("SELECT count(*) FROM keeper.sent") == [(0,)]
        await at.later(3_601)
        observed = Script("feeds", FEED, 0)
        observed.phase = 0
        observed.then("publish", PUBLISHER, feed=FEED, value=1_234)
        await at.play(observed)
        await at.until("SELECT price = 1234 FROM agreements WHERE agreement = %s", priced)
        await at.later(5_400)
        await at.until(
            "SELECT count(*) = 5 FROM agreements "
            "WHERE status >= 4 AND paid = owed_seller + owed_buyer"
        )

        owed = {
            row[0]: row[1:]
            for row in at.rows("SELECT agreement, status, owed_seller, owed_buyer FROM agreements")
        }
        assert owed == {
            missed: (4, 0, 1_050),
            unanswered: (4, 1_050, 0),
            silent: (4, 525, 525),
            unfunded: (5, 0, 1_000),
            priced: (4, 1_284, 766),
        }
        got = {name: await at.held(name) - before[name] for name in (SELLER, BUYER)}
        assert got == {
            SELLER: 1_050 + 525 + 1_284 - 4 * 50, BUYER: 1_050 + 525 + 1_000 + 766 - 6_000,
        }  # fmt: skip
        if chain == "solana":
            # what is paid out is closed: the rent is back with those who paid it
            await at.until("SELECT count(*) = 5 FROM keeper.done WHERE crank = 'contracts.close'")
        assert at.rows("SELECT count(*) FROM keeper.sent WHERE outcome <> 'ok'") == [(0,)]
