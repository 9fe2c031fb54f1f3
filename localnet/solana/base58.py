"""Base58 with Bitcoin's alphabet, as Solana writes keys, signatures and data."""

from __future__ import annotations

import based58


def b58(data: bytes) -> str:
    return based58.b58encode(data).decode()


def unb58(text: str) -> bytes:
    """Bytes of a base58 text; ValueError where a character is none of the alphabet's."""
    try:
        return based58.b58decode(text.encode())
    except Exception as error:
        raise ValueError(str(error)) from error
