"""Transactions that the API builds, signed by ordinary keys, on a local chain that is indexed."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from api.app import create_app
from indexer import store
from indexer.config import load
from indexer.follow import Follower
from localnet.network import Localnet
from localnet.play import Player
from localnet.stories.action import Script
from localnet.wallets import Cast

CHAINS: tuple[Literal["anvil", "solana"], ...] = ("anvil", "solana")
CAST = Cast(7, bettors=3, creators=1, resolvers=1)


class Running:
    """One local chain, played on, indexed, and the API over that."""

    def __init__(self, net: Localnet, chain: str, client: httpx.AsyncClient, config: Any) -> None:
        self.net, self.chain, self.client, self.config = net, chain, client, config
        self.side: Any = net.evm if chain == "anvil" else net.solana
        self.player = Player(self.side.client, self.side.calls)

    def address(self, name: str) -> str:
        return str(self.side.client.address(name))

    async def play(self, script: Script) -> str:
        """Plays and indexes it; the entity's id."""
        await self.player.play(script)
        assert [s for s in self.player.sent if not s.expected] == []
        await self.index(self.player.sent[-1].height)
        return self.player.entities[script.key].id

    async def index(self, height: int) -> None:
        with store.opened(self.config) as ready:
            await Follower(ready, self.chain, lambda _: None, until=height).run()

    async def post(self, call: str, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post(f"/v1/tx/{self.chain}/{call}", json=body)

    async def built(self, call: str, **body: Any) -> dict[str, Any]:
        response = await self.post(call, body)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    async def done(self, call: str, *by: str, **body: Any) -> dict[str, Any]:
        """Builds, signs by all of ``by``, sends, waits and indexes; what was built."""
        built = await self.built(call, **body)
        assert built["simulation"]["ok"], built["simulation"]
        if self.chain == "anvil":
            await self.index(await self.send_evm(built, by[0]))
        else:
            await self.index(await self.send_solana(built, *by))
        return built

    async def send_evm(self, built: dict[str, Any], signer: str) -> int:
        client = self.net.evm.client
        height = 0
        for call in built["calls"]:
            gas = int(call["gas"])
            sent = await client.wallet(signer).send(gas=gas, to=call["to"], data=call["data"])
            receipt = await client.receipts.wait(sent)
            assert receipt.ok
            height = receipt.height
        return height

    async def send_solana(self, built: dict[str, Any], *signers: str) -> int:
        client = self.net.solana.client
        unsigned = VersionedTransaction.from_bytes(base64.b64decode(built["transaction"]))
        message = to_bytes_versioned(unsigned.message)
        keys = {str(client.address(name)): client.wallet(name) for name in signers}
        signatures = [keys[address].sign_message(message) for address in built["signers"]]
        signed = VersionedTransaction.populate(unsigned.message, signatures)
        sent = await client.client.send_raw_transaction(bytes(signed))
        receipt = await client.sender.wait(sent.value)
        assert receipt.ok
        return receipt.height

    async def row(self, fold: str, key: str) -> dict[str, Any]:
        response = await self.client.get(f"/v1/{fold}/{self.chain}/{key}")
        return response.json()["data"]


@asynccontextmanager
async def running(
    chain: Literal["anvil", "solana"], home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setenv("DATABASE_URL", url)
    async with Localnet(home, chains=(chain,), slot_ms=50, finality=2, cast=CAST) as net:
        config = load(net.config)
        app = create_app(config, url, rate=0)
        with store.opened(config):
            pass
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                yield Running(net, chain, client, config)


def other(id_: str) -> str:
    """An id that nothing has."""
    return "0x" + "ab" * 32 if id_.startswith("0x") else "1" * 32
