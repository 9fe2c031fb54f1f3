"""Agreements and pools by transactions that the API built, signed by ordinary keys, on chains."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from support.built import CHAINS, other, running

from localnet.stories.action import Script
from localnet.stories.payouts import REVENUE

SELLER, BUYER, ARBITER, OPERATOR, PAYEE = (
    "bettor-0", "bettor-1", "resolver-0", "creator-0", "bettor-2",
)  # fmt: skip


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
