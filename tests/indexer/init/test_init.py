"""`chainfold init`: what it writes is indexed as it is; what is wrong is one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from support import anvil as anvils
from support.anvil import Anvil
from support.index import index_once

from indexer import config as configuration
from indexer import store
from indexer.cli import main
from indexer.errors import Fatal
from indexer.init import chain
from indexer.verify import verify
from localnet.solana.node import SolanaNode

ROOT = Path(__file__).resolve().parents[3]
ABI = ROOT / "programs" / "interfaces" / "Bets.abi.json"
IDL = ROOT / "programs" / "interfaces" / "bets.idl.json"
OPENZEPPELIN = ROOT / "node_modules/@openzeppelin/contracts/build/contracts"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
BETS = "BetsChainfo1d1111111111111111111111111111111"
ANY = "0x" + "12" * 20


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with anvils.running() as node:
        node.open()
        node.bet(3)
        yield node


def init(folder: Path, *arguments: object) -> list[str]:
    """Runs the command into ``folder``; its lines. Raises what it raises."""
    command = ["init", *map(str, arguments), "--dir", str(folder)]
    done = CliRunner().invoke(main, command, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output.splitlines()


def refused(folder: Path, *arguments: object) -> str:
    with pytest.raises(SystemExit):
        init(folder, *arguments)
    command = ["init", *map(str, arguments), "--dir", str(folder)]
    (line,) = CliRunner().invoke(main, command).output.splitlines()
    assert not (folder / "chainfold.toml").exists()
    return line


def deployed(anvil: Anvil, name: str, *arguments: Any) -> str:
    """A contract of OpenZeppelin's own build."""
    built = json.loads((OPENZEPPELIN / f"{name}.json").read_text())
    factory = anvil.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    sent = factory.constructor(*arguments).transact({"from": anvil.web3.eth.accounts[0]})
    address = anvil.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    assert address is not None
    return address


def indexed(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> configuration.Config:
    """The project as written, indexed to the tip; its tables prove themselves."""
    monkeypatch.setenv("DATABASE_URL", url)
    config = configuration.load(folder / "chainfold.toml")
    index_once(config)
    with store.opened(config) as opened, opened.connect("test") as connection:
        assert [f for f in verify(opened, connection) if not f.ok] == []
    return config


def test_what_it_writes_is_indexed_as_it_is(
    anvil: Anvil, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = init(tmp_path, anvil.bets.address, "--abi", ABI, "--rpc", anvil.url)
    assert lines[-1].endswith("&& chainfold index")
    config = indexed(tmp_path, postgres_url, monkeypatch)
    (program,) = config.programs
    assert (program.name, program.chain, program.start) == ("bets", "anvil", 1)
    assert config.chains["anvil"].chain_id == 31337
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute(
            "SELECT market, events, amount::text, amount_sum::text "
            "FROM chainfold.bets_bet_placed_by_market"
        ).fetchall()
    market = "0x" + anvil.markets[0].hex()
    assert found == [(market, 3, "102", str(100 + 101 + 102))]


@pytest.mark.parametrize("kind", ["ERC1967Proxy", "BeaconProxy"])
def test_a_proxy_is_told_and_indexed_through(
    anvil: Anvil,
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    behind = anvil.bets.address
    if kind == "BeaconProxy":
        behind = deployed(anvil, "UpgradeableBeacon", behind, anvil.web3.eth.accounts[0])
    # OpenZeppelin's proxies insist on a first call through them
    address = deployed(anvil, kind, behind, anvil.bets.encode_abi("marketCount"))
    own = OPENZEPPELIN / f"{kind}.json"
    line = refused(tmp_path, address, "--abi", own, "--rpc", anvil.url)
    assert "is the proxy's own ABI" in line
    assert anvil.bets.address.lower() in line
    lines = init(tmp_path, address, "--abi", ABI, "--rpc", anvil.url)
    assert f"note: {address} is an EIP-1967 proxy" in lines[0]
    assert anvil.bets.address.lower() in lines[0]
    through = anvil.web3.eth.contract(address=address, abi=anvil.bets.abi)  # type: ignore[call-overload]
    plain, anvil.bets = anvil.bets, through
    try:
        market = anvil.open("behind a proxy")
    finally:
        anvil.bets = plain
    indexed(tmp_path, postgres_url, monkeypatch)
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute(
            "SELECT market, title, address FROM chainfold.bets_market_opened"
        ).fetchall()
    assert found == [("0x" + market.hex(), "behind a proxy", address.lower())]


def test_a_clone_is_told(anvil: Anvil, tmp_path: Path) -> None:
    code = f"363d3d373d3d3d363d73{anvil.bets.address[2:].lower()}5af43d82803e903d91602b57fd5bf3"
    anvil.rpc("anvil_setCode", ANY, "0x" + code)
    found = asyncio.run(chain.evm(anvil.url, ANY))
    anvil.rpc("anvil_setCode", ANY, "0x")
    assert found.proxy == chain.Proxy("EIP-1167 clone", anvil.bets.address.lower())


async def test_a_solana_program(tmp_path: Path) -> None:
    async with SolanaNode(slot_ms=20) as node:
        url = f"http://127.0.0.1:{node.rpc_port}"
        lines = await asyncio.to_thread(init, tmp_path, TOKEN, "--idl", IDL, "--rpc", url)
    assert "the IDL is of " in lines[0]
    config = configuration.load(tmp_path / "chainfold.toml")
    assert config.chains["solana"].genesis_hash
    assert config.programs[0].name == "bets"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([ANY], "give one of --abi (EVM) and --idl (Solana)"),
        ([ANY, "--abi", ABI, "--idl", IDL], "give one of --abi"),
        (["0x12", "--abi", ABI], "with --abi it must be 0x and 40 hex digits"),
        ([ANY, "--idl", IDL], "with --idl it must be a base58 program id"),
        ([ANY, "--abi", IDL], "no ABI in it"),
        ([BETS, "--idl", ABI], "no Anchor IDL in it"),
        ([ANY, "--abi", ABI, "--name", "My Bets"], "--name: 'My Bets' must be"),
        ([ANY, "--abi", ABI, "--chain", "Base"], "--chain: 'Base' must be"),
        ([ANY, "--abi", ABI, "--rpc", "http://127.0.0.1:1"], "is http://127.0.0.1:1 the right"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[object], says: str) -> None:
    assert says in refused(tmp_path, *arguments)


def test_an_address_without_code(anvil: Anvil, tmp_path: Path) -> None:
    line = refused(tmp_path, "0x" + "34" * 20, "--abi", ABI, "--rpc", anvil.url)
    assert "no contract at 0x3434" in line


def test_nothing_is_written_over(tmp_path: Path) -> None:
    init(tmp_path, ANY, "--abi", ABI)
    text = (tmp_path / "folds.py").read_text()
    (tmp_path / "folds.py").write_text(text + "# mine\n")
    done = CliRunner().invoke(main, ["init", ANY, "--abi", str(ABI), "--dir", str(tmp_path)])
    assert "is there already: --force writes over it" in done.output
    assert (tmp_path / "folds.py").read_text().endswith("# mine\n")
    init(tmp_path, ANY, "--abi", ABI, "--force")
    assert (tmp_path / "folds.py").read_text() == text


def test_a_fold_module_that_is_wrong_is_named(tmp_path: Path) -> None:
    init(tmp_path, ANY, "--abi", ABI)
    from indexer.decode.schema import schema
    from indexer.folds import bind

    config = configuration.load(tmp_path / "chainfold.toml")
    for text, says in (("x = (", "SyntaxError"), ("import nothing_such", "nothing_such")):
        (tmp_path / "folds.py").write_text(text)
        with pytest.raises(Fatal, match=rf"folds.modules: folds.py: .*{says}"):
            bind.load(config, schema(config))
    (tmp_path / "folds.py").unlink()
    with pytest.raises(Fatal, match="no file at"):
        bind.load(config, schema(config))
