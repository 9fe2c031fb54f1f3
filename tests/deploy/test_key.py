"""Files that hold keys: what is read of them, and what is refused without showing it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account
from solders.keypair import Keypair

from deploy import key
from indexer.errors import Fatal

SECRET = "11" * 32


def put(file: Path, text: str) -> Path:
    file.touch(0o600)
    file.write_text(text)
    return file


def encrypted(password: str) -> str:
    """As `cast wallet` writes it, but quick to open."""
    return json.dumps(Account.encrypt("0x" + SECRET, password, kdf="pbkdf2", iterations=2))


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = put(tmp_path / "key", "0x" + SECRET)
    file.chmod(0o644)
    with pytest.raises(Fatal, match=r"may be read by others \(mode 644\): chmod 600 it"):
        key.evm(file)
    file.chmod(0o600)
    assert key.evm(file).address == Account.from_key("0x" + SECRET).address


def test_digits_that_are_no_key_are_not_shown(tmp_path: Path) -> None:
    file = put(tmp_path / "key", "0x" + "ff" * 32)
    with pytest.raises(Fatal, match="no key of secp256k1") as error:
        key.evm(file)
    assert "ffff" not in str(error.value)


def test_a_key_pair_as_solana_keygen_writes_it(tmp_path: Path) -> None:
    made = Keypair()
    file = put(tmp_path / "id.json", json.dumps(list(bytes(made))))
    assert key.solana(file) == made
    put(file, encrypted("x"))
    with pytest.raises(Fatal, match="solana-keygen"):
        key.solana(file)


def test_a_keystore_opens_with_its_password_only(tmp_path: Path) -> None:
    store = key.Keystore(put(tmp_path / "store.json", encrypted("right")))
    assert store.unlock("right").address == Account.from_key("0x" + SECRET).address
    with pytest.raises(Fatal, match="the password doesn't open it"):
        store.unlock("wrong")


@pytest.mark.parametrize("text", ["0x" + SECRET, "[1, 2]", "{}", '{"version": 3}', "no JSON"])
def test_what_is_no_keystore_is_refused_unseen(tmp_path: Path, text: str) -> None:
    with pytest.raises(Fatal, match="no encrypted keystore: `cast wallet import") as error:
        key.Keystore(put(tmp_path / "key", text))
    assert SECRET not in str(error.value)


def test_a_file_that_is_not_there_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="correct --key"):
        key.evm(tmp_path / "none")
    with pytest.raises(Fatal, match="correct --program-key"):
        key.solana(tmp_path / "none", "--program-key")
