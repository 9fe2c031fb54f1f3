"""The key that the keeper signs with: in a file that only its owner may read."""

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


def evm(file: Path) -> LocalAccount:
    """64 hex digits. Raises Fatal, and never shows what the file holds."""
    text = _read(file)
    if not _EVM.fullmatch(text):
        raise Fatal(f"{file}: an EVM key is 64 hex digits and nothing else")
    try:
        return Account.from_key(text)
    except Exception:
        # its own message may hold the key
        raise Fatal(f"{file}: the digits are no key of secp256k1: make a new one") from None


def solana(file: Path) -> Keypair:
    """What `solana-keygen` writes: 64 numbers in JSON. Raises Fatal, and never shows them."""
    try:
        return Keypair.from_bytes(bytes(orjson.loads(_read(file))))
    except (ValueError, TypeError):
        raise Fatal(f"{file}: no key pair as `solana-keygen new` writes it") from None


def _read(file: Path) -> str:
    try:
        with file.open() as opened:
            # of the open file, so that it can't be another one than the one that is read
            mode = os.fstat(opened.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise Fatal(
                    f"{file} may be read by others (mode {mode:03o}): chmod 600 it, and if it was "
                    "so for long, make a new key"
                )
            return opened.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise Fatal(f"can't read the key {file} ({why}): correct --key") from None
