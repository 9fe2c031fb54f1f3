"""chainfold.toml: what is wrong is said in one line that names the key and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.config import load
from indexer.errors import Fatal

ROOT = Path(__file__).resolve().parents[2]
GOOD = f"""
[chains.anvil]
kind = "evm"
chain_id = 31337
rpc = ["http://127.0.0.1:8545"]
[chains.solana]
kind = "solana"
rpc = "http://127.0.0.1:8899"
[[programs]]
name = "bets"
chain = "anvil"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
interface = "{ROOT}/programs/interfaces/Bets.abi.json"
"""


def test_a_good_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    file = tmp_path / "chainfold.toml"
    file.write_text(GOOD)
    config = load(file)
    assert config.chains["anvil"].ws == "ws://127.0.0.1:8545"
    assert config.chains["solana"].ws == "ws://127.0.0.1:8900"
    assert config.programs[0].address == "0x5fbdb2315678afecb367f032d93f642f64180aa3"
    assert config.database.url is None
    assert config.database.data_dir == tmp_path / ".chainfold" / "postgres"


def test_database_url_stands_above_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chainfold.toml"
    file.write_text(f'[database]\nurl = "postgresql://a/b"\n{GOOD}')
    assert load(file).database.url == "postgresql://a/b"
    monkeypatch.setenv("DATABASE_URL", "postgresql://c/d")
    assert load(file).database.url == "postgresql://c/d"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("chain_id = 31337", "chainid = 31337", "unknown key 'chainid'; did you mean 'chain_id'?"),
        ("chain_id = 31337\n", "", "chains.anvil.chain_id: is needed"),
        ("chain_id = 31337", 'chain_id = "x"', "chain_id: must be a whole number, not 'x'"),
        ('kind = "evm"', 'kind = "evn"', "chains.anvil.kind: must be 'evm' or 'solana'"),
        ('["http://127.0.0.1:8545"]', '["127.0.0.1:8545"]', "is no http:// or https:// URL"),
        ('["http://127.0.0.1:8545"]', "[]", "must be a list of at least one URL"),
        ('chain = "anvil"', 'chain = "base"', "chain 'base' is not one of ['anvil', 'solana']"),
        ("0x5FbDB2315678afecb367f032d93F642f64180aa3", "0x5F", "must be 0x and 40 hex digits"),
        ("Bets.abi.json", "Nets.abi.json", "interface: no file at"),
        ("[[programs]]", "[programs]", "programs: name at least one program"),
        ("[chains.anvil]", "[chain.anvil]", "unknown key 'chain'; did you mean 'chains'?"),
        ("[chains.anvil]", "[chains.An-vil]", "a chain's name is lower-case"),
        ("[[programs]]", "[[programs", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    file = tmp_path / "chainfold.toml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(Fatal) as error:
        load(file)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"no configuration at .*--config"):
        load(tmp_path / "none.toml")
