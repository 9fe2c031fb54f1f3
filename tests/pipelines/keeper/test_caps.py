"""What a keeper never does: spend over its caps, pay twice, stop for one failure."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import CliRunner
from eth_abi.abi import encode
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import (
    CloseAccountParams,
    TransferParams,
    close_account,
    create_idempotent_associated_token_account,
    transfer,
)

from deploy import builds
from indexer.cli import main

CHAINS: tuple[Literal["anvil", "solana"], ...] = ("anvil", "solana")
Start = Callable[[Literal["anvil", "solana"]], AbstractAsyncContextManager[Any]]
ROOT = Path(__file__).resolve().parents[3]
# copies what follows it to memory and reverts with it: Error("blocked")
BLOCKED = bytes.fromhex("6064600c60003960646000fd08c379a0") + encode(["string"], ["blocked"])
BETS = (("bettor-0", 0, 500), ("bettor-1", 1, 70), ("bettor-2", 1, 9))


async def voided(at: Any) -> str:
    """A market that three are to be paid back by, indexed."""
    market = await at.market(*BETS)
    await at.later(7_201)
    await at.act("void", "bettor-0", market)
    await at.indexed()
    return market


@pytest.mark.parametrize("chain", CHAINS)
async def test_the_days_cap_outlives_the_process_and_a_dry_run_sends_nothing(
    chain: Literal["anvil", "solana"], running: Start
) -> None:
    async with running(chain) as at:
        await voided(at)
        would = [line for line in await at.once("--dry-run") if line["what"] == "would"]
        assert [line["crank"] for line in would] == ["bets.claim"] * 3
        # what is owed most comes first
        assert [line["about"] for line in would] == [
            f"{at.address(name)} {outcome}" for name, outcome, _ in BETS
        ]
        assert at.rows("SELECT count(*) FROM keeper.sent") == [(0,)]

        # room for one at its most, not for two
        most = float(would[0]["most"].split()[0])
        cap = f"{chain}={most * 1.5:.9f}"
        lines = await at.once("--per-day", cap)
        assert [line["what"] for line in lines] == ["keeping", "sent", "stopped", "ok"]
        assert "of the last 24 hours leave no room under --per-day" in lines[2]["why"]
        ((spent,),) = at.rows("SELECT spent FROM keeper.sent")
        assert spent > 0
        # of gas less is used than the limit: a cap that what was spent leaves no room under
        unit = 10**18 if chain == "anvil" else 10**9
        again = await at.once("--per-day", f"{chain}={float(spent) / unit + most / 2:.9f}")
        assert [line["what"] for line in again] == ["keeping", "stopped"]

        dear = await at.once("--max-fee", f"{chain}={most / 1000:.9f}")
        assert {line["what"] for line in dear} == {"keeping", "failed"}
        assert "over --max-fee" in dear[-1]["why"]
        low = await at.once("--keep", f"{chain}=1000")
        assert [line["what"] for line in low] == ["keeping", "stopped"]
        assert "would go below 1000" in low[1]["why"]
        assert at.rows("SELECT count(*) FROM keeper.sent") == [(1,)]


@pytest.mark.parametrize("chain", CHAINS)
async def test_two_keepers_at_once_pay_nobody_twice(
    chain: Literal["anvil", "solana"], running: Start
) -> None:
    async with running(chain) as at:
        before = [await at.held(name) for name, _, _ in BETS]
        await voided(at)
        two = [await at.keeper("--every", "0.1", actor=actor) for actor in ("stranger", "treasury")]
        for kept in two:
            await kept.told("keeping")
        same = await at.keeper("--once")
        assert await same.ended() == 1
        assert "another keeper sends with" in same.errors
        assert "give this one a key of its own" in same.errors
        at.keepers.remove(same)
        await at.until("SELECT closed = 1 FROM markets")
        for kept in two:
            kept.process.terminate()
            assert await kept.ended() == 0
        assert [await at.held(name) for name, _, _ in BETS] == before
        ok = at.rows(
            "SELECT crank, count(*) FROM keeper.sent WHERE outcome = 'ok' GROUP BY 1 ORDER BY 1"
        )
        assert ok == [("bets.claim", 3), ("bets.close", 1), ("bets.close_position", 3)]
        told = {line["what"] for kept in two for line in kept.lines}
        assert "failed" not in told, "that another was first is no failure"


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_killed_keeper_goes_on(chain: Literal["anvil", "solana"], running: Start) -> None:
    async with running(chain) as at:
        before = [await at.held(name) for name, _, _ in BETS]
        await voided(at)
        if chain == "anvil":
            # what is sent stays in the pool, in no block
            await at.client.rpc("evm_setAutomine", [False])
        kept = await at.keeper("--every", "0.1")
        sent = await kept.told("sent")
        kept.process.send_signal(signal.SIGKILL)
        await kept.process.wait()
        if chain == "anvil":
            # and a node that restarts has forgotten it
            await at.client.rpc("anvil_dropAllTransactions", [])
            await at.client.rpc("evm_setAutomine", [True])
        again = await at.keeper("--every", "0.1")
        await at.until("SELECT closed = 1 FROM markets")
        again.process.terminate()
        assert await again.ended() == 0
        assert [await at.held(name) for name, _, _ in BETS] == before
        rows = at.rows("SELECT txs[1], outcome FROM keeper.sent WHERE crank = 'bets.claim'")
        assert dict(rows)[sent["tx"]] == "ok"
        assert sorted(outcome for _, outcome in rows) == ["ok"] * 3


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_market_that_cannot_be_cranked_blocks_no_other(
    chain: Literal["anvil", "solana"], running: Start
) -> None:
    async with running(chain) as at:
        # the one that most is owed by is the one that can't be paid
        token = await evm_token(at, "bettor-0") if chain == "anvil" else ""
        stuck = await at.market(("bettor-0", 0, 10_000), token=token)
        fine = await at.market(("bettor-1", 0, 5))
        await at.later(7_201)
        await at.act("void", "stranger", stuck)
        await at.act("void", "stranger", fine)
        await at.indexed()
        async with shut(at, "bettor-0", token):
            kept = await at.keeper("--every", "0.1", actor="treasury")
            failed = await kept.told("failed")
            assert failed["entity"] == stuck
            assert failed["error"] == ("Error" if chain == "anvil" else "WrongTokenAccount")
            assert chain == "solana" or failed["why"] == "blocked"
            await at.until("SELECT closed = 1 FROM markets WHERE market = %s", fine)
            assert at.rows("SELECT claims FROM markets WHERE market = %s", stuck) == [(0,)]
        # it is tried again, ever less often
        await at.until("SELECT claims = 1 FROM markets WHERE market = %s", stuck)
        waits = [x["again_in"] for x in kept.lines if x["what"] == "failed"]
        assert waits == sorted(set(waits))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--key", "moon=x"], "--key: no chain 'moon' in chainfold.toml"),
        (["--key", "anvil=x", "--max-fee", "solana=1"], "--max-fee: solana has no --key"),
        (["--key", "anvil=x", "--per-day", "anvil=lots"], "'lots' is no amount of ETH"),
        (["--key", "anvil=x", "--keep", "anvil=-1"], "'-1' is no amount of ETH"),
        (["--key", "solana=x", "--key", "solana=y"], "--key: solana is given twice"),
        (["--key", "solana"], "is not CHAIN=…, such as"),
    ],
)
def test_what_is_misspelt_is_one_line(options: list[str], words: str) -> None:
    config = str(ROOT / "chainfold.toml")
    ran = CliRunner().invoke(main, ["--config", config, "keeper", *options])
    assert ran.exit_code in (1, 2)
    assert words in ran.output


async def evm_token(at: Any, owner: str) -> str:
    """Another token than the others', of which the owner lets Bets take some."""
    web3, built = at.client.web3, builds.contract("TestToken")
    receipt = await at.client.receipts.wait(
        await at.client.wallet(owner).send(gas=3_000_000, data=built.bytecode, to=b"")
    )
    assert receipt.ok
    token = (await web3.eth.get_transaction_receipt(receipt.tx))["contractAddress"]
    call = web3.eth.contract(address=token, abi=built.abi).functions
    for one in (call.mint(at.client.address(owner), 10_000), call.approve(at.bets, 10_000)):
        assert (await at.client.send(owner, one, 100_000)).ok
    return token


@asynccontextmanager
async def shut(at: Any, name: str, token: str) -> AsyncIterator[None]:
    """The actor can't receive the token for as long as the block lasts."""
    if at.chain == "anvil":
        code = await at.client.rpc("eth_getCode", [token, "latest"])
        await at.client.rpc("anvil_setCode", [token, "0x" + BLOCKED.hex()])
        yield
        await at.client.rpc("anvil_setCode", [token, code])
        return
    me, mine = at.client.address(name), at.client.account(name)
    held, other = await at.held(name), at.client.account("treasury")
    mint, owner = at.client.token, at.client.wallet(name)
    move = transfer(TransferParams(TOKEN_PROGRAM_ID, mine, other, me, held))
    end = close_account(CloseAccountParams(TOKEN_PROGRAM_ID, mine, me, me))
    assert (await at.client.sender.send([move, end], owner)).ok
    yield
    again = create_idempotent_associated_token_account(me, me, mint)
    assert (await at.client.sender.send([again], owner)).ok
