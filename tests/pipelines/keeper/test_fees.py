"""What a keeper does on an EVM chain when fees rise above what it has offered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any, Literal

import psycopg

Start = Callable[[Literal["anvil", "solana"]], AbstractAsyncContextManager[Any]]


async def owed(at: Any) -> str:
    """A voided market that one is to be paid back by, indexed; nothing gets into a block unasked
    from here on."""
    market = await at.market(("bettor-0", 0, 500))
    await at.later(7_201)
    await at.act("void", "bettor-0", market)
    await at.indexed()
    await at.client.rpc("evm_setAutomine", [False])
    return market


async def dearer(at: Any, price: int) -> None:
    """A block whose base fee is ``price`` wei."""
    await at.client.rpc("anvil_setNextBlockBaseFeePerGas", [hex(price)])
    await at.client.rpc("evm_mine", [])


def aged(at: Any) -> None:
    """What is under way was sent half a minute before."""
    with psycopg.connect(at.url) as connection:
        changed = connection.execute(
            "UPDATE keeper.sent SET sent_at = sent_at - interval '31 s' WHERE outcome IS NULL"
        )
        assert changed.rowcount == 1


async def transaction(at: Any, tx: str) -> dict[str, Any]:
    return await at.client.rpc("eth_getTransactionByHash", [tx])


async def receipt(at: Any, tx: str) -> dict[str, Any] | None:
    return await at.client.rpc("eth_getTransactionReceipt", [tx])


async def test_what_fees_left_behind_is_replaced_under_the_cap_and_lands_once(
    running: Start,
) -> None:
    async with running("anvil") as at:
        market, before = await owed(at), await at.held("bettor-0")
        (would,) = [
            line for line in await at.once("--dry-run", "--only-pay") if line["what"] == "would"
        ]
        cap = 2 * Decimal(would["most"].split()[0])
        kept = await at.keeper("--every", "0.1", "--only-pay", "--max-fee", f"anvil={cap}")
        sent = await kept.told("sent")
        assert (sent["crank"], sent["most"]) == ("bets.claim", would["most"])
        was = await transaction(at, sent["tx"])
        price = int(was["maxFeePerGas"], 16)

        await dearer(at, price * 3 // 2)
        assert await receipt(at, sent["tx"]) is None
        aged(at)
        replaced = await kept.told("replaced")
        now = await transaction(at, replaced["tx"])
        same = ("nonce", "to", "input", "value", "gas", "from")
        assert [now[field] for field in same] == [was[field] for field in same]
        # without the cap it would offer twice the base fee, three times what it did
        assert int(now["maxFeePerGas"], 16) == 2 * price
        assert int(now["maxPriorityFeePerGas"], 16) > int(was["maxPriorityFeePerGas"], 16)
        assert int(now["maxFeePerGas"], 16) * int(now["gas"], 16) <= cap * 10**18

        await at.client.rpc("evm_mine", [])
        ok = await kept.told("ok")
        assert ok["tx"] == replaced["tx"]
        assert await receipt(at, sent["tx"]) is None
        landed = await receipt(at, replaced["tx"])
        assert landed is not None
        assert int(landed["status"], 16) == 1
        await at.until("SELECT claims = 1 FROM markets WHERE market = %s", market)
        assert await at.held("bettor-0") == before + 500
        count = await at.client.rpc("eth_getTransactionCount", [now["from"], "latest"])
        assert int(count, 16) == int(was["nonce"], 16) + 1
        rows = at.rows("SELECT txs, outcome, most <= %s FROM keeper.sent", int(cap * 10**18))
        assert rows == [([sent["tx"], replaced["tx"]], "ok", True)]
        kept.process.terminate()
        assert await kept.ended() == 0


async def test_a_cap_without_room_for_a_higher_fee_leaves_it_as_it_is(running: Start) -> None:
    async with running("anvil") as at:
        await owed(at)
        kept = await at.keeper("--every", "0.1", "--only-pay")
        sent = await kept.told("sent")
        kept.process.terminate()
        assert await kept.ended() == 0
        most = Decimal(sent["most"].split()[0])
        price = int((await transaction(at, sent["tx"]))["maxFeePerGas"], 16)
        await dearer(at, price * 3 // 2)
        # what an earlier process left is looked at at once
        lines = await at.once("--only-pay", "--max-fee", f"anvil={most}")
        assert [line["what"] for line in lines] == ["keeping"]
        assert at.rows("SELECT txs, outcome FROM keeper.sent") == [([sent["tx"]], None)]
        lines = await at.once("--only-pay", "--max-fee", f"anvil={2 * most}")
        assert [line["what"] for line in lines] == ["keeping", "replaced"]
        await at.client.rpc("evm_mine", [])
        lines = await at.once("--only-pay")
        assert [line["what"] for line in lines] == ["keeping", "ok"]
        assert at.rows("SELECT txs[1], outcome FROM keeper.sent") == [(sent["tx"], "ok")]
