"""Orders by transactions that the API built, signed by ordinary keys, at a real exchange."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.built import other, running

from localnet.stories.action import Script

CREATOR, SELLER, BUYER = "creator-0", "bettor-0", "bettor-1"
BUY, SELL = 0, 1
POST_ONLY = 3
LOT, TICK = 1_000_000, 10_000


async def test_from_the_deposit_to_the_money(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("anvil", tmp_path, postgres_url, monkeypatch) as at:
        script = Script("exchange", ("exchange market", 0), 0)
        script.open(
            "open", CREATOR, {}, base="goods", quote="USDC", lot=LOT, tick=TICK, min_notional=0
        )
        market = await at.play(script)
        seller, buyer = at.address(SELLER), at.address(BUYER)
        goods, usdc = at.net.evm.tokens["goods"], at.net.evm.tokens["USDC"]

        put = {"account": seller, "token": goods, "amount": str(10 * LOT)}
        built = await at.done("exchange/deposit", SELLER, **put)
        assert [(c["description"], c["to"]) for c in built["calls"]] == [
            (f"allow the program to take {10 * LOT}", goods),
            (f"deposit {10 * LOT}", at.net.evm.programs[-1].address),
        ]
        put = {"account": buyer, "token": usdc, "amount": "900000000"}
        await at.done("exchange/deposit", BUYER, **put)

        order = {"market": market, "side": SELL, "price": 2_000, "quantity": "6"}
        built = await at.done("exchange/place", SELLER, **order, owner=seller, kind=POST_ONLY)
        assert [c["description"] for c in built["calls"]] == ["sell 6 lots at 2000 ticks"]
        taking = order | {"side": BUY, "price": 2_010, "quantity": "4", "owner": buyer}
        refused = await at.built("exchange/place", **taking, kind=POST_ONLY)
        assert refused["simulation"]["error"]["name"] == "WouldTake"
        await at.done("exchange/place", BUYER, **taking)
        trade = await at.row("trades", f"{market}/1")
        assert (trade["price"], trade["quantity"], trade["worth"]) == (2_000, "4", "80000000")

        of = {"market": market, "order": "1"}
        stranger = await at.built("exchange/cancel", **of, owner=at.address("stranger"))
        assert stranger["simulation"]["error"]["name"] == "NotOwner"
        await at.done("exchange/cancel", SELLER, **of, owner=seller)
        assert (await at.row("orders", f"{market}/1"))["cancelled"] == "2"

        take = {"account": seller, "token": usdc}
        beyond = await at.built("exchange/withdraw", **take, amount="80000001")
        assert beyond["simulation"]["error"]["name"] == "InsufficientBalance"
        await at.done("exchange/withdraw", SELLER, **take, amount="80000000")
        free = (await at.client.get("/v1/balances", params={"account": seller})).json()["data"]
        assert {row["token"]: row["free"] for row in free} == {goods: str(6 * LOT), usdc: "0"}

        unknown = await at.post("exchange/cancel", {**of, "market": other(market), "owner": seller})
        assert unknown.status_code == 404
        mistyped = await at.post("exchange/withdraw", {**take, "token": "0x12", "amount": "1"})
        assert mistyped.status_code == 422
