"""Roles, profiles, attestations and records by transactions that the API built, on chains."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from support.built import CHAINS, Running, other, running

from localnet.stories.action import Script

ADMIN, ISSUER, PERSON, SECOND = "creator-0", "resolver-0", "bettor-0", "bettor-1"
KYC_ISSUER, DIGEST = 4, "0x" + "07" * 32
LATER = "2099-01-01T00:00:00Z"


def link_signature(at: Running, profile: str, wallet: str, deadline: int) -> str:
    """By which ``wallet`` agrees, EIP-712 (SPEC R-7)."""
    kinds = {
        "profile": "address", "wallet": "address", "nonce": "uint256", "deadline": "uint256",
    }  # fmt: skip
    contract = next(p.address for p in at.net.evm.programs if p.program == "registry")
    account = at.net.evm.client.wallet(wallet).account
    signed = account.sign_typed_data(
        {
            "name": "chainfold registry",
            "version": "1",
            "chainId": 31_337,
            "verifyingContract": contract,
        },
        {"Link": [{"name": n, "type": t} for n, t in kinds.items()]},
        {
            "profile": at.address(profile),
            "wallet": at.address(wallet),
            "nonce": 0,
            "deadline": deadline,
        },
    )
    return signed.signature.to_0x_hex()


@pytest.mark.parametrize("chain", CHAINS)
async def test_roles_profiles_and_attestations(
    chain: Literal["anvil", "solana"],
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(chain, tmp_path, postgres_url, monkeypatch) as at:
        script = Script("registry", ("scope", 0), 0)
        script.open("open_scope", ADMIN, {"expires_at": 600}, subject=bytes(32))
        scope = await at.play(script)
        admin, issuer, person, second = map(at.address, (ADMIN, ISSUER, PERSON, SECOND))

        said = {"wallet": person, "metadata": DIGEST, "handle": "ada"}
        built = await at.done("registry/set_profile", PERSON, **said)
        assert chain == "anvil" or int(built["rent"]) > 0
        assert (await at.row("profiles", person))["handle"] == "ada"

        both: dict[str, Any] = {"profile": person, "wallet": second}
        if chain == "anvil":
            lacking = await at.post("registry/link", both)
            assert (lacking.status_code, lacking.json()["detail"]) == (
                422, "deadline: is needed on anvil, an EVM chain",
            )  # fmt: skip
            deadline = 2**40
            both["deadline"] = deadline
            wrong = link_signature(at, PERSON, ISSUER, deadline)
            refused = await at.built("registry/link", **both, signature=wrong)
            assert refused["simulation"]["error"]["name"] == "InvalidSignature"
            both["signature"] = link_signature(at, PERSON, SECOND, deadline)
        else:
            refused = await at.post("registry/link", both | {"deadline": 1})
            assert "is for EVM chains" in refused.json()["detail"]
        built = await at.done("registry/link", PERSON, SECOND, **both)
        assert chain == "anvil" or built["signers"] == [person, second]
        assert (await at.row("links", f"{person}/{second}"))["links"] == 1

        attest = {
            "scope": scope, "issuer": issuer, "subject": person, "kind": 1, "digest": DIGEST,
            "expires_at": LATER,
        }  # fmt: skip
        early = await at.built("registry/attest", **attest)
        assert early["simulation"]["error"]["name"] == "NotIssuer"
        role = {"scope": scope, "admin": admin, "account": issuer, "role": KYC_ISSUER}
        await at.done("registry/grant", ADMIN, **role)
        assert (await at.row("roles", f"{scope}/{issuer}/{KYC_ISSUER}"))["held"] is True
        # the second is numbered after the first
        for _ in range(2):
            await at.done("registry/attest", ISSUER, **attest)
        issued = (await at.client.get("/v1/attestations", params={"scope": scope})).json()["data"]
        assert [(a["digest"], a["expires_at"]) for a in issued] == [(DIGEST, LATER)] * 2

        of = {"attestation": issued[0]["attestation"]}
        mine = await at.built("registry/revoke_attestation", **of, actor=person)
        assert mine["simulation"]["error"]["name"] == "NotIssuer"
        await at.done("registry/revoke_attestation", ADMIN, **of, actor=admin)
        assert (await at.row("attestations", of["attestation"]))["revoked"] == 1

        await at.done("registry/revoke", ADMIN, **role)
        assert (await at.row("roles", f"{scope}/{issuer}/{KYC_ISSUER}"))["held"] is False
        if chain == "anvil":
            again = await at.built("registry/revoke", **role)
            assert again["simulation"]["error"]["name"] == "NotGranted"
        else:  # the account that says who gets its rent back went with the role
            gone = await at.post("registry/revoke", role)
            assert (gone.status_code, "is closed, or never was" in gone.text) == (404, True)
        unknown = await at.post("registry/grant", role | {"scope": other(scope)})
        assert unknown.status_code == 404


async def test_records(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("solana", tmp_path, postgres_url, monkeypatch) as at:
        owner = at.address(PERSON)
        made = {"owner": owner, "kind": 0, "digest": DIGEST, "title": "Harvest"}
        built = await at.done("registry/create_record", PERSON, **made, tags=["coffee"])
        assert int(built["rent"]) > 0
        (video,) = (await at.client.get("/v1/records", params={"owner": owner})).json()["data"]
        assert (video["title"], video["tags"], video["parent"]) == ("Harvest", ["coffee"], "1" * 32)

        clip = made | {"kind": 1, "parent": video["record"], "title": "Roasting"}
        await at.done("registry/create_record", PERSON, **clip)
        found = await at.client.get("/v1/records", params={"parent": video["record"]})
        assert [row["title"] for row in found.json()["data"]] == ["Roasting"]

        of = {"record": video["record"], "owner": owner}
        stranger = {**of, "owner": at.address(SECOND), "visibility": 2}
        refused = await at.built("registry/set_visibility", **stranger)
        assert refused["simulation"]["error"]["name"] == "NotOwner"
        await at.done("registry/set_visibility", PERSON, **of, visibility=2)
        anew = {"digest": DIGEST, "title": "Harvest 2", "tags": ["washed", "Kenya"]}
        await at.done("registry/update_record", PERSON, **of, **anew)
        row = await at.row("records", video["record"])
        assert (row["visibility"], row["title"], row["tags"]) == (2, "Harvest 2", anew["tags"])
        many = await at.post("registry/update_record", of | anew | {"tags": ["x"] * 17})
        assert many.status_code == 422
