"""Bets built by the API, signed by ordinary keys, taken by real chains."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from eth_account import Account
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from api.app import create_app
from indexer import store
from indexer.config import load
from indexer.follow import Follower
from localnet.network import Localnet
from localnet.stories.bets import Terms

TERMS = Terms(
    creator="creator-0",
    resolver="resolver-0",
    outcomes=3,
    life=600,
    window=600,
    fee_bps=100,
    subject=bytes([1] * 32),
    question=bytes([2] * 32),
    cid="cid",
    title="title",
)


class Running:
    """One local chain with a market in it, indexed, and the API over that."""

    def __init__(self, net: Localnet, client: httpx.AsyncClient, market: str, index: Any) -> None:
        self.net, self.client, self.market, self.index = net, client, market, index

    async def built(self, chain: str, **body: Any) -> dict[str, Any]:
        response = await self.client.post(f"/v1/tx/{chain}/bets/place", json=body)
        assert response.status_code == 200, response.text
        assert response.json()["chains"][chain]["complete"]
        return response.json()["data"]

    async def refused(self, chain: str, status: int, **body: Any) -> str:
        response = await self.client.post(f"/v1/tx/{chain}/bets/place", json=body)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        return response.json()["detail"]


@asynccontextmanager
async def running(
    chain: Literal["anvil", "solana"], home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setenv("DATABASE_URL", url)
    async with Localnet(home, chains=(chain,), slot_ms=50, finality=2) as net:
        side = net.evm if chain == "anvil" else net.solana
        now = await side.client.now()
        market, receipt = await side.client.open(TERMS, now + 600, now + 1200)
        config = load(net.config)

        async def index(height: int) -> None:
            with store.opened(config) as ready:
                await Follower(ready, chain, lambda _: None, until=height).run()

        await index(receipt.height)
        app = create_app(config, url, rate=0)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                yield Running(net, client, market, index)


async def test_evm_bet_of_a_new_wallet(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("anvil", tmp_path, postgres_url, monkeypatch) as at:
        client, wallet = at.net.evm.client, Account.from_key(secrets.token_bytes(32))
        await client.rpc("anvil_setBalance", [wallet.address, hex(10**18)])
        bet = {"market": at.market, "outcome": 1, "amount": "250", "bettor": wallet.address}

        poor = await at.built("anvil", **bet)
        assert not poor["simulation"]["ok"]
        assert poor["simulation"]["error"] == {
            "name": "ERC20InsufficientBalance",
            "message": "ERC20InsufficientBalance",
            "arguments": {"sender": wallet.address.lower(), "balance": "0", "needed": "250"},
        }

        mint = client.token.functions.mint(wallet.address, 1000)
        await client.all_ok([await client.wallet("bettor-0").send(mint)])
        built = await at.built("anvil", **bet)
        assert built["simulation"] == {"ok": True, "error": None, "logs": []}
        assert [c["to"] for c in built["calls"]] == [at.net.evm.token, at.net.evm.bets]
        assert (built["kind"], built["chain_id"]) == ("evm", 31337)
        assert built["sender"] == wallet.address
        for nonce, call in enumerate(built["calls"]):
            receipt = await send(client, wallet, nonce, built, call)
            assert receipt.ok
        await at.index(receipt.height)
        path = f"/v1/positions/anvil/{at.market}/{wallet.address}/1"
        assert (await at.client.get(path)).json()["data"]["stake"] == "250"

        await client.rpc("evm_increaseTime", [601])
        await client.rpc("evm_mine", [])
        late = await at.built("anvil", **bet)
        assert late["simulation"]["error"] == {
            "name": "BettingClosed",
            "message": "BettingClosed",
            "arguments": {},
        }
        assert [c["gas"] is not None for c in late["calls"]] == [True, False]


async def send(client: Any, wallet: Any, nonce: int, built: Any, call: Any) -> Any:
    signed = wallet.sign_transaction(
        {
            "type": 2,
            "chainId": built["chain_id"],
            "nonce": nonce,
            "to": call["to"],
            "data": call["data"],
            "value": int(call["value"]),
            "gas": int(call["gas"]),
            "maxFeePerGas": int(built["fees"]["max_fee_per_gas"]),
            "maxPriorityFeePerGas": int(built["fees"]["max_priority_fee_per_gas"]),
        }
    )
    return await client.receipts.wait(
        await client.web3.eth.send_raw_transaction(signed.raw_transaction)
    )


async def test_evm_bet_with_an_allowance_is_one_call(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("anvil", tmp_path, postgres_url, monkeypatch) as at:
        bettor = at.net.evm.client.wallet("bettor-0").account
        bet = {"market": at.market, "outcome": 0, "amount": "7", "bettor": bettor.address}
        built = await at.built("anvil", **bet)
        assert [c["to"] for c in built["calls"]] == [at.net.evm.bets]
        wrong = await at.built("anvil", **bet | {"outcome": 3})
        assert wrong["simulation"]["error"]["name"] == "InvalidOutcome"
        assert wrong["calls"][0]["gas"] is None

        # mixed case is a checksum; one case is none
        swapped = bettor.address.swapcase().replace("0X", "0x")
        assert "checksum" in await at.refused("anvil", 422, **bet | {"bettor": swapped})
        await at.built("anvil", **bet | {"bettor": bettor.address.lower()})
        too_much = await at.refused("anvil", 422, **bet | {"amount": str(2**120)})
        assert too_much.startswith("place: ")
        assert "no market" in await at.refused("anvil", 404, **bet | {"market": "0x" + "ab" * 32})
        assert "64 hex digits" in await at.refused("anvil", 422, **bet | {"market": "0x" * 20})
        assert "for Solana" in await at.refused("anvil", 422, **bet | {"payer": bettor.address})
        assert "amount" in await at.refused("anvil", 422, **bet | {"amount": "1.5"})
        assert "amount" in await at.refused("anvil", 422, **bet | {"amount": 5})
        assert "outcome" in await at.refused("anvil", 422, **bet | {"outcome": 256})
        assert "stake" in await at.refused("anvil", 422, **bet | {"stake": "1"})
        assert "it is on anvil" in await at.refused("base", 404, **bet)


async def test_evm_node_that_is_away_is_503(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("anvil", tmp_path, postgres_url, monkeypatch) as at:
        bettor = at.net.evm.client.wallet("bettor-0").account.address
        await at.net.__aexit__(None, None, None)
        bet = {"market": at.market, "outcome": 0, "amount": "7", "bettor": bettor}
        assert "cannot connect" in await at.refused("anvil", 503, **bet)


async def test_solana_bet(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("solana", tmp_path, postgres_url, monkeypatch) as at:
        client = at.net.solana.client
        bettor = client.wallet("bettor-0")
        bet = {
            "market": at.market,
            "outcome": 2,
            "amount": "250",
            "bettor": str(bettor.pubkey()),
        }
        built = await at.built("solana", **bet)
        assert built["simulation"]["ok"], built["simulation"]
        assert built["signers"] == [str(bettor.pubkey())]
        assert int(built["fee"]) == 5000
        assert int(built["rent"]) > 0
        unsigned = VersionedTransaction.from_bytes(base64.b64decode(built["transaction"]))
        assert str(unsigned.message.recent_blockhash) == built["blockhash"]
        signed = VersionedTransaction(unsigned.message, [bettor])
        sent = await client.client.send_raw_transaction(bytes(signed))
        receipt = await client.sender.wait(sent.value)
        assert receipt.ok
        await at.index(receipt.height)
        path = f"/v1/positions/solana/{at.market}/{bettor.pubkey()}/2"
        assert (await at.client.get(path)).json()["data"]["stake"] == "250"

        again = await at.built("solana", **bet)
        assert again["rent"] == "0"
        wrong = await at.built("solana", **bet | {"outcome": 3})
        assert wrong["simulation"]["error"] == {
            "name": "InvalidOutcome",
            "message": "The market has no such outcome",
            "arguments": {},
        }
        assert wrong["simulation"]["logs"]
        greedy = await at.built("solana", **bet | {"amount": str(2**63)})
        assert greedy["simulation"]["error"]["name"] == "InsufficientFunds"

        # a payer besides the bettor signs first
        payer = client.wallet("bettor-1")
        paid = await at.built("solana", **bet | {"payer": str(payer.pubkey())})
        assert paid["signers"] == [str(payer.pubkey()), str(bettor.pubkey())]
        unsigned = VersionedTransaction.from_bytes(base64.b64decode(paid["transaction"]))
        message = to_bytes_versioned(unsigned.message)
        both = VersionedTransaction.populate(
            unsigned.message, [k.sign_message(message) for k in (payer, bettor)]
        )
        sent = await client.client.send_raw_transaction(bytes(both))
        assert (await client.sender.wait(sent.value)).ok

        stranger = Keypair()
        none = await at.built("solana", **bet | {"bettor": str(stranger.pubkey())})
        assert not none["simulation"]["ok"]
        assert "over 64 bits" in await at.refused("solana", 422, **bet | {"amount": str(2**64)})
        key = "1" * 40
        assert "public key" in await at.refused("solana", 422, **bet | {"market": key})
        unknown = str(stranger.pubkey())
        assert "no market" in await at.refused("solana", 404, **bet | {"market": unknown})


def test_no_key_that_signs_is_in_reach() -> None:
    """Nothing of the API imports what makes or loads a secret key."""
    for file in (Path(__file__).resolve().parents[3] / "api").rglob("*.py"):
        text = file.read_text()
        for word in ("eth_account", "Keypair", "keypair", "private", "mnemonic", "localnet"):
            assert word not in text, f"{file}: {word}"
