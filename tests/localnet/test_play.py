"""Calls by wallets: what each sends is a transaction of its own, with the chain's own verdict."""

from pathlib import Path

from localnet.network import Localnet
from localnet.stories.bets import BETS, Action, Terms
from localnet.wallets import Cast

TERMS = Terms("creator-0", "resolver-0", 2, 0, 0, 0, bytes(32), bytes(32), "", "Who wins?")


async def test_the_same_bet_twice_is_two_transactions(tmp_path: Path) -> None:
    bet = Action(0, "place", 0, BETS, "bettor-0", "bettor-0", 1, 5_000_000)
    async with Localnet(tmp_path, cast=Cast(7, bettors=1), slot_ms=100) as net:
        for client in (net.evm.client, net.solana.client):
            close_at = await client.now() + 3_600
            market, _ = await client.open(TERMS, close_at, close_at + 3_600)
            first = await client.call(bet, market)
            second = await client.call(bet, market)
            assert first.ok
            assert second.ok
            assert first.tx != second.tx
