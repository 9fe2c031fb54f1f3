"""A key that signs, read from a file that only its owner may read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import orjson
from eth_account import Account
from eth_account.signers.local import LocalAccount
from solders.keypair import Keypair

from indexer.errors import Fatal

_EVM = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_LARGEST = 4096
"""Bytes of a key's file; a keystore has about 500."""


def evm(file: Path) -> LocalAccount:
    """64 hex digits. Raises Fatal, and never shows what the file holds."""
    text = read(file)
    if not _EVM.fullmatch(text):
        raise Fatal(f"{file}: an EVM key is 64 hex digits and nothing else")
    try:
        return Account.from_key(text)
    except Exception:
        # its own message may hold the key
        raise Fatal(f"{file}: the digits are no key of secp256k1: make a new one") from None


def solana(file: Path, option: str = "--key") -> Keypair:
    """What `solana-keygen` writes: 64 numbers in JSON. Raises Fatal, and never shows them."""
    try:
        return Keypair.from_bytes(bytes(orjson.loads(read(file, option))))
    except (ValueError, TypeError):
        raise Fatal(f"{file}: no key pair as `solana-keygen new` writes it") from None


class Keystore:
    """An encrypted key as geth and `cast wallet` write it (Web3 Secret Storage, version 3).

    Raises Fatal where ``file`` is none.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            held = orjson.loads(read(file))
            if held["version"] != 3 or "crypto" not in {str(k).lower() for k in held}:
                raise ValueError
        except (ValueError, TypeError, KeyError):
            raise Fatal(
                f"{file}: no encrypted keystore: `cast wallet import NAME --interactive` makes one "
                "of a key"
            ) from None
        self._held = held

    def unlock(self, password: str) -> LocalAccount:
        """Raises Fatal where the password isn't its own."""
        try:
            return Account.from_key(Account.decrypt(self._held, password))
        except Exception:
            # a message of theirs may hold what was decrypted
            raise Fatal(
                f"{self.file}: the password doesn't open it, or the keystore is damaged: try again"
            ) from None


def read(file: Path, option: str = "--key") -> str:
    """The text of a secret file, without white space around it. Raises Fatal, also where others
    may read it; ``option`` named it."""
    try:
        with file.open() as opened:
            # of the open file, so that it can't be another one than the one that is read
            mode = os.fstat(opened.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise Fatal(
                    f"{file} may be read by others (mode {mode:03o}): chmod 600 it, and if it was "
                    "so for long, make a new key"
                )
            return opened.read(_LARGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise Fatal(f"can't read the key {file} ({why}): correct {option}") from None
