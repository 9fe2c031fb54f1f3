"""SPL token accounts and mints as bytes, and amounts as the RPC shows them.

Layouts: https://github.com/solana-program/token/blob/main/interface/src/state.rs
"""

from __future__ import annotations

from typing import Any, NamedTuple

from solders.pubkey import Pubkey

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
PROGRAMS = frozenset((TOKEN, TOKEN_2022))

ACCOUNT_SIZE = 165
MINT_SIZE = 82
# With Token-2022 extensions the byte after the base account tells mint from account.
_KIND = 165
_KIND_MINT = 1
_KIND_ACCOUNT = 2


class TokenAccount(NamedTuple):
    mint: bytes
    owner: bytes
    amount: int
    delegate: bytes | None
    state: int
    native_reserve: int | None
    delegated_amount: int
    close_authority: bytes | None


class Mint(NamedTuple):
    authority: bytes | None
    supply: int
    decimals: int
    initialized: bool
    freeze_authority: bytes | None


def _option(data: bytes, at: int) -> bytes | None:
    return data[at + 4 : at + 36] if data[at] else None


def is_account(data: bytes) -> bool:
    """Whether `data` is an initialised token account."""
    size = len(data)
    if size != ACCOUNT_SIZE and not (size > _KIND and data[_KIND] == _KIND_ACCOUNT):
        return False
    return data[108] != 0


def account(data: bytes) -> TokenAccount | None:
    """The token account in `data`, or None if it is none or not initialised."""
    if not is_account(data):
        return None
    return TokenAccount(
        data[0:32],
        data[32:64],
        int.from_bytes(data[64:72], "little"),
        _option(data, 72),
        data[108],
        int.from_bytes(data[113:121], "little") if data[109] else None,
        int.from_bytes(data[121:129], "little"),
        _option(data, 129),
    )


def mint(data: bytes) -> Mint | None:
    """The mint in `data`, or None if it is none or not initialised."""
    if len(data) != MINT_SIZE and not (len(data) > _KIND and data[_KIND] == _KIND_MINT):
        return None
    if not data[45]:
        return None
    return Mint(
        _option(data, 0),
        int.from_bytes(data[36:44], "little"),
        data[44],
        True,
        _option(data, 46),
    )


def ui_amount(amount: int, decimals: int) -> dict[str, Any]:
    """`amount` base units as `uiTokenAmount`."""
    text = str(amount)
    if decimals:
        text = text.rjust(decimals + 1, "0")
        text = f"{text[:-decimals]}.{text[-decimals:]}".rstrip("0").rstrip(".")
    return {
        "amount": str(amount),
        "decimals": decimals,
        "uiAmount": amount / 10**decimals,
        "uiAmountString": text,
    }
