"""`chainfold verify` on real chains: it holds for what was indexed, and names what was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sim import solana
from support.anvil import Anvil
from support.index import index_once

from indexer import config as configuration
from indexer import store
from indexer.cli import main
from indexer.decode.interface import snake
from indexer.errors import Fatal
from indexer.verify import Finding
from indexer.verify.accounts import Program
from indexer.verify.programs import PROGRAMS
from indexer.verify.proof import prove

Configure = Callable[..., configuration.Config]


def proven(config: configuration.Config, **how: object) -> list[Finding]:
    with store.opened(config) as opened:
        return prove(opened, **how)  # type: ignore[arg-type]


def failed(config: configuration.Config, **how: object) -> str:
    return "\n".join(f"{f.what}: {f.detail}" for f in proven(config, **how) if not f.ok)


def indexed(anvil: Anvil, configure: Configure, url: str) -> configuration.Config:
    anvil.open()
    anvil.bet(5)
    anvil.mine(70)
    config = configure(anvil, url)
    index_once(config)
    return config


def test_what_was_indexed_is_proven_by_another_node(
    anvil: Anvil, postgres_url: str, configure: Configure
) -> None:
    config = indexed(anvil, configure, postgres_url)
    anvil.bet(2)  # above what is final, and not indexed: no difference
    found = proven(config, urls=[anvil.url + "/"])
    assert [f for f in found if not f.ok and "read anew" in f.what] == []
    index_once(config)
    found = proven(config, urls=[anvil.url + "/"])
    assert [f for f in found if not f.ok] == []
    (events,) = [f for f in found if "read anew" in f.what]
    assert events.detail.startswith("6 events in ")
    (accounts,) = [f for f in found if "accounts of bets" in f.what]
    assert accounts.detail == "1 markets, 3 positions, 0 differ"


def test_a_voided_market_owes_all_its_stakes(
    anvil: Anvil, postgres_url: str, configure: Configure
) -> None:
    """No event tells its ``net``, which the contract has."""
    market = anvil.open()
    anvil.bet(2)
    anvil.send(anvil.bets.functions.void(market), 1)  # by the resolver
    anvil.mine(70)
    config = configure(anvil, postgres_url)
    index_once(config)
    assert failed(config) == ""


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (
            "UPDATE chainfold.bets_bet_placed SET amount = amount + 1 WHERE seq = 3",
            "bets_bet_placed",
        ),
        ("DELETE FROM chainfold.bets_bet_placed WHERE seq = 3", "bets_bet_placed at heights"),
        (
            "INSERT INTO chainfold.bets_market_voided SELECT chain, pos + 1, tx, address, time, "
            "market, seq + 90, actor, 2 FROM chainfold.bets_bet_placed WHERE seq = 2",
            "bets_market_voided at heights",
        ),
        (
            "UPDATE chainfold.block SET hash = '0x00' WHERE height = "
            "(SELECT min(pos >> 28) FROM chainfold.bets_bet_placed)",
            "blocks at heights",
        ),
    ],
)
def test_a_changed_event_is_named(
    anvil: Anvil, postgres_url: str, configure: Configure, damage: str, names: str
) -> None:
    config = indexed(anvil, configure, postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(damage)  # type: ignore[arg-type]
    assert names in failed(config)
    assert names in failed(config, first=0)
    # the proofs of another range don't see it
    assert names not in failed(config, first=15)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE chainfold.markets SET total = total + 1", "total is 510 on the chain, 511"),
        ("UPDATE chainfold.positions SET stake = 1 WHERE outcome = 2", "stake is"),
        ("UPDATE chainfold.market_pools SET pool = 1 WHERE outcome = 2", "pools[2] is"),
        ("UPDATE chainfold.markets SET seq = 2", "seq 6 on the chain, 2 in the folds"),
        ("DELETE FROM chainfold.markets", "counts 1, 0 rows"),
    ],
)
def test_a_fold_that_the_chain_contradicts_is_named(
    anvil: Anvil,
    postgres_url: str,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    says: str,
) -> None:
    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.5)
    config = indexed(anvil, configure, postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(damage)  # type: ignore[arg-type]
    assert says in failed(config)


def test_what_isnt_final_or_isnt_there_is_refused(
    anvil: Anvil, postgres_url: str, configure: Configure
) -> None:
    config = indexed(anvil, configure, postgres_url)
    with pytest.raises(Fatal, match="isn't both in and final"):
        proven(config, last=70)
    with pytest.raises(Fatal, match="no chain 'moon'"):
        proven(config, chains=["moon"])


def test_the_command_ends_with_1_where_something_differs(
    anvil: Anvil, postgres_url: str, configure: Configure
) -> None:
    config = indexed(anvil, configure, postgres_url)
    told = CliRunner().invoke(main, ["-c", str(config.path), "verify", "--rpc", anvil.url])
    assert told.exit_code == 0
    assert "ok   anvil: accounts of bets = folds: 1 markets" in told.output
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM chainfold.bets_bet_placed WHERE seq = 3")
    told = CliRunner().invoke(main, ["-c", str(config.path), "verify", "--chain", "anvil"])
    assert told.exit_code == 1
    assert "FAIL anvil: bets_bet_placed at heights" in told.output


async def test_solana_accounts_and_events_are_proven(postgres_url: str, tmp_path: Path) -> None:
    import asyncio

    async with solana.chain(seed=5, finality=8) as chain:
        for i in range(60):
            await chain.block(600 if i == 40 else 10)
        file = tmp_path / "chainfold.toml"
        file.write_text(
            f'[database]\nurl = "{postgres_url}"\n'
            + chain.toml([chain.url], chain.ws, 0)
            + '[folds]\nmodules = ["indexer.folds.bets"]\n'
        )
        config = configuration.load(file)
        await asyncio.to_thread(index_once, config)
        found = await asyncio.to_thread(proven, config)
        assert [f for f in found if not f.ok] == []
        (accounts,) = [f for f in found if "accounts of bets" in f.what]
        assert int(accounts.detail.split()[0]) > 2
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE chainfold.positions SET stake = stake + 1 WHERE closed = 0")
        assert "stake is" in await asyncio.to_thread(failed, config)


INTERFACES = Path(__file__).resolve().parents[2] / "programs" / "interfaces"


def on_evm(program: str) -> dict[str, set[str]]:
    """View function → the fields of what it answers."""
    file = INTERFACES / f"{program.title()}.abi.json"
    views = [e for e in json.loads(file.read_text()) if e["type"] == "function" and e["outputs"]]
    return {
        e["name"]: {snake(c["name"]) for c in e["outputs"][0].get("components", [])} for e in views
    }


def on_solana(program: str) -> dict[str, set[str]]:
    """Account → its fields."""
    file = INTERFACES / f"{program}.idl.json"
    accounts = json.loads(file.read_text())["accounts"] if file.exists() else []
    return {a["name"]: {snake(f["name"]) for f in a["type"]["fields"]} for a in accounts}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_what_a_page_declares_is_in_the_interfaces(program: Program) -> None:
    views, accounts = on_evm(program.name), on_solana(program.name)
    assert program.counter[0] in views
    assert not accounts or program.counter[1] in accounts["Counter"]
    for entity in program.entities:
        for account in (entity.account, *entity.parts):
            evm, solana = account.evm, account.solana
            there = views[evm.name] | {evm.field} if evm else set()
            there |= accounts[solana.name] if solana else set()
            assert {*account.same, *account.also} <= there
        for listed in entity.lists:
            solana, evm = entity.account.solana, entity.account.evm
            assert solana
            assert evm
            assert listed.name in accounts[solana.name] | views[evm.name]
