"""Agreements and pools by transactions that the API built, signed by ordinary keys, on chains."""

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
from localnet.stories.payouts import REVENUE
from localnet.wallets import Cast

SELLER, BUYER, ARBITER, OPERATOR, PAYEE = (
    "bettor-0", "bettor-1", "resolver-0", "creator-0", "bettor-2",
)  # fmt: skip
CHAINS: tuple[Literal["anvil", "solana"], ...] = ("anvil", "solana")


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

    async def done(self, call: str, by: str, **body: Any) -> dict[str, Any]:
        """Builds, signs, sends, waits and indexes; what was built."""
        built = await self.built(call, **body)
        assert built["simulation"]["ok"], built["simulation"]
        send = self.send_evm if self.chain == "anvil" else self.send_solana
        await self.index(await send(built, by))
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

    async def send_solana(self, built: dict[str, Any], signer: str) -> int:
        client = self.net.solana.client
        unsigned = VersionedTransaction.from_bytes(base64.b64decode(built["transaction"]))
        message = to_bytes_versioned(unsigned.message)
        signature = client.wallet(signer).sign_message(message)
        signed = VersionedTransaction.populate(unsigned.message, [signature])
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
    cast = Cast(7, bettors=3, creators=1, resolvers=1)
    async with Localnet(home, chains=(chain,), slot_ms=50, finality=2, cast=cast) as net:
        config = load(net.config)
        app = create_app(config, url, rate=0)
        with store.opened(config):
            pass
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                yield Running(net, chain, client, config)


def proposed() -> Script:
    script = Script("contracts", ("agreement", 0), 0)
    script.open(
        "propose", SELLER,
        {"sign_by": 600, "fund_by": 1_200, "deliver_by": 1_800, "rule_by": 3_000},
        {"accept_within": 600}, seller=SELLER, buyer=BUYER, arbiter=ARBITER, commodity=bytes(32),
        terms=b"\3" * 32, quantity=10, price_total=1_000, feed=None, price_cap=0, price_floor=0,
        price_mul=0, price_div=0, seller_margin=50, default_split_bps=5_000, cid="", title="Coffee",
        unit="kg",
    )  # fmt: skip
    return script


@pytest.mark.parametrize("chain", CHAINS)
async def test_an_agreement_from_its_signature_to_the_money(
    chain: Literal["anvil", "solana"],
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(chain, tmp_path, postgres_url, monkeypatch) as at:
        id_ = await at.play(proposed())
        seller, buyer = at.address(SELLER), at.address(BUYER)

        wrong = await at.built("contracts/sign", agreement=id_, signer=seller)
        assert wrong["simulation"]["error"]["name"] == "NotCounterparty"
        await at.done("contracts/sign", BUYER, agreement=id_, signer=buyer)
        assert (await at.row("agreements", id_))["status"] == 1

        built = await at.done("contracts/fund", BUYER, agreement=id_, party=buyer)
        if chain == "anvil":
            assert [c["description"] for c in built["calls"]] == [
                "allow the program to take 1000", "put up 1000",
            ]  # fmt: skip
        else:
            assert built["rent"] == "0"
        await at.done("contracts/fund", SELLER, agreement=id_, party=seller)
        assert (await at.row("agreements", id_))["funded"] == "1050"

        stranger = await at.post(
            "contracts/fund", {"agreement": id_, "party": at.address("stranger")}
        )
        assert stranger.status_code == 422
        assert "neither the agreement's seller nor its buyer" in stranger.json()["detail"]
        early = await at.built("contracts/accept", agreement=id_, buyer=buyer)
        assert early["simulation"]["error"]["name"] == "TooEarly"
        nothing = await at.built("contracts/withdraw", agreement=id_, party=seller)
        assert nothing["simulation"]["error"]["name"] == "NothingOwed"

        rest = Script("contracts", ("agreement", 0), 0)
        rest.phase = 0
        rest.then("record_delivery", SELLER, quantity=10, evidence=bytes(32))
        await at.play(rest)
        await at.done("contracts/accept", BUYER, agreement=id_, buyer=buyer)
        # anyone may send these; the party is paid
        sender = at.address(ARBITER)
        await at.done("contracts/settle", ARBITER, agreement=id_, actor=sender)
        await at.done("contracts/withdraw", ARBITER, agreement=id_, party=seller, actor=sender)
        row = await at.row("agreements", id_)
        assert (row["paid"], row["owed_seller"], row["accepted_at"] is None) == (
            "1050", "1050", False,
        )  # fmt: skip

        assert (await at.row("withdrawals", f"{id_}/{seller}"))["paid"] == "1050"
        if chain == "solana":
            await at.done("contracts/close", ARBITER, agreement=id_, actor=sender)
            gone = await at.post("contracts/close", {"agreement": id_, "actor": sender})
            assert gone.status_code == 404
            assert "is closed, or never was" in gone.json()["detail"]

        unknown = await at.post("contracts/accept", {"agreement": other(id_), "buyer": buyer})
        assert unknown.status_code == 404
        assert f"/v1/agreements?chain={chain} lists them" in unknown.json()["detail"]


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_pool_is_funded_and_claimed(
    chain: Literal["anvil", "solana"],
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(chain, tmp_path, postgres_url, monkeypatch) as at:
        project = Script("projects", ("project", 0), 0)
        project.open(
            "create", OPERATOR, {"due_at": 600}, project_kind=0, organisation=bytes(32), budget=1,
            cid="", title="Wells",
        )  # fmt: skip
        await at.play(project)
        script = Script("payouts", ("pool", 0), 0)
        script.open(
            "open", OPERATOR, {"publish_by": 600}, {"challenge_delay": 0}, operator=OPERATOR,
            guardian=None, pool_kind=REVENUE, record=bytes(32), entry_fee=0, feed=None, threshold=0,
            cid="", title="", project=project.key,
        )  # fmt: skip
        id_ = await at.play(script)

        fund = {"pool": id_, "amount": "700", "funder": at.address(SELLER)}
        built = await at.done("payouts/fund", SELLER, **fund)
        if chain == "anvil":
            contract = at.player.entities["project", 0].notes["payouts"]
            assert [c["to"] for c in built["calls"]] == [at.net.evm.token, contract]
            refused = await at.post("payouts/fund", fund | {"source": fund["funder"]})
            assert "is for Solana" in refused.json()["detail"]
        else:
            assert int(built["rent"]) > 0
        assert (await at.row("pools", id_))["funded"] == "700"

        publishing = Script("payouts", ("pool", 0), 0)
        publishing.phase = 0
        shares = ((PAYEE, 300), (BUYER, 400))
        publishing.then("publish", OPERATOR, shares=shares)
        await at.play(publishing)
        proof = at.player.entities["pool", 0].notes["tree"].proof(0)
        claim = {
            "pool": id_,
            "index": 0,
            "account": at.address(PAYEE),
            "amount": "300",
            "proof": ["0x" + node.hex() for node in proof],
        }
        false = await at.built("payouts/claim", **claim | {"amount": "301"})
        assert false["simulation"]["error"]["name"] == "InvalidProof"
        await at.done("payouts/claim", PAYEE, **claim)
        row = await at.row("pools", id_)
        assert (row["claims"], row["claimed"], row["unclaimed"]) == (1, "300", "400")
        again = await at.built("payouts/claim", **claim)
        assert again["simulation"]["error"]["name"] == "AlreadyClaimed"
        assert (await at.post("payouts/claim", claim | {"proof": ["0x12"]})).status_code == 422


def other(id_: str) -> str:
    """An id that nothing has."""
    return "0x" + "ab" * 32 if id_.startswith("0x") else "1" * 32
