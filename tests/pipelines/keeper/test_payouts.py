"""Pools: a trigger fires, leaves of a known tree are paid, an expired pool pays its funders."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

import pytest
from solders.pubkey import Pubkey

from indexer.errors import Fatal
from localnet.stories.action import Key, Script
from localnet.stories.feeds import PUBLISHER
from localnet.stories.payouts import AID, REVENUE
from pipelines.keeper.trees import load

ROOT = Path(__file__).resolve().parents[3]
EVM = ["uint256", "address", "bytes32", "uint256", "address", "uint256"]
SOLANA = ["bytes32", "bytes32", "bytes32", "uint256", "bytes32", "uint256"]
CLUSTER = "Loca1netChainfo1d11111111111111111111111111"
SCRIPT = """
const { StandardMerkleTree } = require('@openzeppelin/merkle-tree');
const [rows, kinds] = process.argv.slice(1).map((text) => JSON.parse(text));
const tree = StandardMerkleTree.of(rows, kinds);
const proofs = rows.map((_, i) => tree.getProof(i));
console.log(JSON.stringify({ root: tree.root, dump: tree.dump(), proofs }));
"""

CHAINS: tuple[Literal["anvil", "solana"], ...] = ("anvil", "solana")
Start = Callable[[Literal["anvil", "solana"]], AbstractAsyncContextManager[Any]]
FUNDER, OTHER, PAYEE, OPERATOR = "bettor-0", "bettor-1", "bettor-2", "creator-0"
FEED: Key = ("feed", 0)


def pool(number: int, *, kind: int = REVENUE, trigger: bool = False) -> Script:
    """Opened and funded with 700, to be published within an hour."""
    script = Script("payouts", ("pool", number), 0)
    deadlines = {"publish_by": 3_600} | ({"trigger_by": 86_400} if trigger else {})
    script.open(
        "open", OPERATOR, deadlines, {"challenge_delay": 0}, operator=OPERATOR, guardian=None,
        pool_kind=kind, record=bytes(32), entry_fee=0, feed=FEED if trigger else None,
        threshold=10 if trigger else 0, cid="", title="", project=None,
    )  # fmt: skip
    script.then("fund", FUNDER, amount=500)
    script.then("fund", OTHER, amount=200)
    return script


def dump(rows: list[list[str]], kinds: list[str]) -> dict[str, Any]:
    """What OpenZeppelin's own library makes of them, with each leaf's proof."""
    ran = subprocess.run(
        ["node", "-e", SCRIPT, json.dumps(rows), json.dumps(kinds)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


def test_a_dump_of_the_library_is_read_with_its_proofs(tmp_path: Path) -> None:
    payouts, id_ = "0x" + "Ab" * 20, "0x" + "cd" * 32
    rows = [["31337", payouts, id_, str(i), "0x" + f"{i:040x}", str(10 + i)] for i in range(7)]
    made = dump(rows, EVM)
    (tmp_path / "a.json").write_text(json.dumps(made["dump"]))
    (found,) = load(tmp_path).values()
    assert found.nodes[0] == made["root"]
    assert [(leaf.index, leaf.amount, leaf.chain_id) for leaf in found.leaves] == [
        (i, 10 + i, 31337) for i in range(7)
    ]
    assert [found.proof(leaf.place) for leaf in found.leaves] == made["proofs"]


def test_another_file_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": "standard-v1", "leafEncoding": ["uint256"]}')
    with pytest.raises(Fatal, match=r"a\.json: no tree that StandardMerkleTree"):
        load(tmp_path)
    with pytest.raises(Fatal, match="no folder of trees"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_trigger_fires_leaves_are_paid_and_what_expired_is_refunded(
    chain: Literal["anvil", "solana"], running: Start, tmp_path: Path
) -> None:
    async with running(chain) as at:
        feed = Script("feeds", FEED, 0)
        feed.open("open", PUBLISHER, {}, decimals=0, heartbeat=86_400, name="rain", unit="mm")
        await at.play(feed)
        before = {name: await at.held(name) for name in (FUNDER, OTHER, PAYEE)}
        silent = await at.play(pool(0))
        aid = await at.play(pool(1, kind=AID, trigger=True))
        script = pool(2)
        shares = ((PAYEE, 300), (OTHER, 400))
        script.then("publish", OPERATOR, shares=shares)
        open_ = await at.play(script)

        address = next(p.address for p in at.side.programs if p.program == "payouts")
        where = ["31337", address] if chain == "anvil" else [hexed(at, CLUSTER), hexed(at, address)]
        rows = [
            [*where, hexed(at, open_), str(i), hexed(at, at.address(account)), str(amount)]
            for i, (account, amount) in enumerate(shares)
        ]
        folder = tmp_path / "trees"
        folder.mkdir()
        made = dump(rows, EVM if chain == "anvil" else SOLANA)
        (folder / "open.json").write_text(json.dumps(made["dump"]))

        keeper = await at.keeper("--every", "0.2", "--trees", str(folder))
        await keeper.told("keeping")
        await at.until("SELECT claims = 2 FROM pools WHERE pool = %s", open_)
        assert await at.held(PAYEE) == before[PAYEE] + 300

        # the first observation doesn't fulfil the trigger, the second does
        observed = Script("feeds", FEED, 0)
        observed.phase = 0
        observed.then("publish", PUBLISHER, feed=FEED, value=9)
        observed.then("publish", PUBLISHER, feed=FEED, value=10)
        await at.later(60)
        await at.play(observed)
        await at.until("SELECT fired_at IS NOT NULL FROM pools WHERE pool = %s", aid)
        assert at.rows("SELECT fired_value FROM pools WHERE pool = %s", aid) == [(10,)]

        await at.later(3_600)
        for pool_ in (silent, aid):
            await at.until("SELECT refunded = 700 FROM pools WHERE pool = %s", pool_)
        held = {name: await at.held(name) - before[name] for name in (FUNDER, OTHER, PAYEE)}
        assert held == {FUNDER: -500, OTHER: 400 - 200, PAYEE: 300}
        if chain == "solana":
            closed = "SELECT count(*) = 2 FROM keeper.done WHERE crank = 'payouts.close'"
            await at.until(closed)
        keeper.process.terminate()
        assert await keeper.ended() == 0
        assert at.rows("SELECT crank, about FROM keeper.sent WHERE outcome <> 'ok'") == []


@pytest.mark.parametrize("chain", ["solana"])
async def test_pages_of_an_expired_pool_give_their_rent_back(
    chain: Literal["solana"], running: Start
) -> None:
    async with running(chain) as at:
        script = pool(0)
        script.then("publish", OPERATOR, shares=((PAYEE, 300), (OTHER, 400)))
        script.then("claim", PAYEE, index=0, after="challenge_delay")
        id_ = await at.play(script)
        page = Pubkey.find_program_address(
            [b"page", bytes(Pubkey.from_string(id_)), bytes(8)],
            Pubkey.from_string(next(p.address for p in at.side.programs if p.program == "payouts")),
        )[0]
        assert (await at.client.client.get_account_info(page, "confirmed")).value is not None
        await at.indexed()
        ((expires_at,),) = at.rows("SELECT extract(epoch FROM expires_at)::int8 FROM pools")
        await at.later(expires_at - await at.client.now() + 1)
        keeper = await at.keeper("--every", "0.2")
        await keeper.told("keeping")
        await at.until("SELECT count(*) = 1 FROM keeper.done WHERE crank = 'payouts.close'")
        for account in (page, Pubkey.from_string(id_)):
            assert (await at.client.client.get_account_info(account, "confirmed")).value is None
        # the page's rent went to who had paid it, 400 came back to the funders
        assert at.rows("SELECT refunded FROM pools") == [(400,)]


def hexed(at: Any, text: str) -> str:
    return text if at.chain == "anvil" else "0x" + bytes(Pubkey.from_string(text)).hex()
