"""The SPL token program on a local Solana chain: transfers, outer and inner, held to its accounts.

.venv/bin/python -m examples.spl_token.run
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import (
    BurnParams,
    TransferCheckedParams,
    TransferParams,
    burn,
    transfer,
    transfer_checked,
)

from deploy import builds
from examples import project
from localnet import artifacts, svm
from localnet.calls.bets import SolanaBets
from localnet.solana.node import SolanaNode
from localnet.stories.bets import Action, Terms
from localnet.wallets import Cast

HERE = Path(__file__).parent


async def play(bets: SolanaBets) -> dict[str, int]:
    """Moves tokens by all four instructions, and by calls of another program; the balances."""
    await bets.fund(dollars=1000)
    me, you, them = (f"bettor-{i}" for i in range(3))
    for amount in (5, 7):
        params = TransferParams(
            TOKEN_PROGRAM_ID, bets.account(me), bets.account(you), bets.address(me), amount
        )
        await bets.ok(bets.sender.send([transfer(params)], bets.wallet(me)))
    checked = TransferCheckedParams(
        TOKEN_PROGRAM_ID, bets.account(you), bets.token, bets.account(them), bets.address(you),
        amount=11, decimals=svm.DECIMALS,
    )  # fmt: skip
    burned = BurnParams(TOKEN_PROGRAM_ID, bets.account(you), bets.token, bets.address(you), 13)
    both = [transfer_checked(checked), burn(burned)]
    await bets.ok(bets.sender.send(both, bets.wallet(you)))
    too_much = TransferParams(
        TOKEN_PROGRAM_ID, bets.account(me), bets.account(you), bets.address(me), 1 << 60
    )
    refused = await bets.sender.send([transfer(too_much)], bets.wallet(me))
    assert not refused.ok
    # bets takes a stake by calling the token program: an inner instruction
    terms = Terms(
        "creator-0", "resolver-0", 2, 60, 60, 0, b"\1" * 32, b"\2" * 32, "cid", "who wins?"
    )
    now = await bets.now()
    market, opened = await bets.open(terms, now + 60, now + 120)
    assert opened.ok
    for who, amount in ((me, 100), (them, 200), (me, 300)):
        stake = Action(0, "place", 0, 1, who, bettor=who, outcome=1, amount=amount)
        await bets.ok(bets.call(stake, market))
    holders = [bets.account(name) for name in (me, you, them)]
    balances: dict[str, int] = {}
    for account in (*holders, bets.vault(Pubkey.from_string(market))):
        held = await bets.client.get_token_account_balance(account, Confirmed)
        balances[str(account)] = int(held.value.amount)
    return balances


async def main() -> int:
    programs = {str(svm.program_id()): builds.elf(artifacts.BETS_IDL)}
    with TemporaryDirectory(prefix="chainfold-example-") as folder:
        async with SolanaNode(programs=programs, slot_ms=200, finality=4) as node:
            url = f"http://127.0.0.1:{node.rpc_port}"
            bets = SolanaBets(svm.connect(url), "solana", Cast(7, bettors=3, creators=1))
            try:
                balances = await play(bets)
            finally:
                await bets.close()
            return await asyncio.to_thread(run, Path(folder) / "project", url, balances)


def run(folder: Path, url: str, held: dict[str, int]) -> int:
    """Indexes into ``folder``; 0 where the tables say what the accounts hold."""
    toml = project.copied(HERE, folder, rpc=("http://127.0.0.1:8899", url))
    project.chainfold(toml, "index", "--once")
    project.chainfold(toml, "verify")
    with project.tables(toml) as tables:
        found = tables.execute(
            "SELECT b.destination, b.balance, i.transfers, coalesce(o.transfers, 0) "
            "FROM balances b JOIN incoming i USING (chain, destination) "
            "LEFT JOIN outgoing o ON o.chain = b.chain AND o.source = b.destination ORDER BY 1"
        ).fetchall()
    project.show("token accounts", ("account", "balance", "in", "out"), found)
    balances = {account: int(balance) for account, balance, _, _ in found}
    wrong = {a for a in held if held[a] != balances.get(a)}
    print(f"\n{len(held)} accounts, {len(wrong)} other than on chain")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
