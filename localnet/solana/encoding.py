"""Wire encodings: base58 and base64 transactions in, account data out."""

from __future__ import annotations

import base64
import binascii
import string
import struct
from typing import Any

from solders.account import Account
from solders.transaction import VersionedTransaction

from localnet.solana import parsed
from localnet.solana.base58 import b58, unb58
from localnet.solana.errors import INVALID_REQUEST, RpcError, invalid_params

PACKET = 1_232  # largest transaction on the wire, bytes
_TEXT_LIMIT = {"base58": 1_683, "base64": 1_644}  # the same, encoded
_BASE58_LIMIT = 128  # accounts longer than this are not given in base58, bytes
RENT_EXEMPT_EPOCH = 2**64 - 1
_TRANSACTION = "solana_transaction::versioned::VersionedTransaction"
_MESSAGE = "solana_message::versions::VersionedMessage"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wire(text: str, encoding: str, what: str = _TRANSACTION) -> bytes:
    """The bytes of an encoded transaction or message."""
    if len(text) > _TEXT_LIMIT[encoding]:
        raise invalid_params(
            f"{encoding} encoded {what} too large: {len(text)} bytes "
            f"(max: encoded/raw {_TEXT_LIMIT[encoding]}/{PACKET})"
        )
    try:
        raw = base64.b64decode(text, validate=True) if encoding == "base64" else unb58(text)
    except (ValueError, binascii.Error) as error:
        raise invalid_params(
            f"invalid {encoding} encoding: {_decode_error(text, encoding)}"
        ) from error
    if len(raw) > PACKET:
        raise invalid_params(f"decoded {what} too large: {len(raw)} bytes (max: {PACKET} bytes)")
    return raw


def _decode_error(text: str, encoding: str) -> str:
    """The reason in the words of the decoders that Agave uses."""
    if encoding == "base58":
        alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    else:
        alphabet = string.ascii_letters + string.digits + "+/="
    for index, character in enumerate(text):
        if character not in alphabet:
            if encoding == "base58":
                return f"InvalidCharacter {{ character: '{character}', index: {index} }}"
            return f"InvalidByte({index}, {ord(character)})"
    return "InvalidPadding" if encoding == "base64" else "BufferTooSmall"


def transaction(raw: bytes) -> VersionedTransaction:
    try:
        tx = VersionedTransaction.from_bytes(raw)
    except Exception as error:
        raise invalid_params(f"failed to deserialize {_TRANSACTION}: {_missing(raw)}") from error
    if bytes(tx) != raw:
        # Trailing bytes: what would be stored isn't what was signed.
        raise invalid_params(f"failed to deserialize {_TRANSACTION}: trailing bytes")
    return tx


def signed(text: str) -> VersionedTransaction:
    """A well-formed transaction from base64."""
    tx = transaction(wire(text, "base64"))
    sanitize(tx)
    return tx


def sanitize(tx: VersionedTransaction) -> None:
    try:
        tx.sanitize()
    except Exception as error:
        raise invalid_params(
            "invalid transaction: Transaction failed to sanitize accounts offsets correctly"
        ) from error


def _missing(raw: bytes) -> str:
    if not raw or (len(raw) < 1 + 64 * raw[0] and raw[0] < 128):
        return "Attempting to read 64 bytes"
    return "Attempting to read 2 bytes"


def account(
    held: Account,
    encoding: str = "binary",
    data_slice: tuple[int, int] | None = None,
    decimals: int | None = None,
    strict: bool = True,
) -> dict[str, Any]:
    """An account as the RPC gives it.

    decimals: that of a token account's mint. strict: data too long for base58 is an error, as for
    calls; otherwise a text says so in its place, as in notifications.
    """
    data = held.data
    space = len(data)
    owner = str(held.owner)
    shown: Any = None
    if encoding == "jsonParsed":
        shown = parsed.account(held.owner, data, decimals)
        encoding = "base64"
    if shown is None:
        if data_slice is not None:
            data = data[data_slice[0] : data_slice[0] + data_slice[1]]
        shown = _data(data, encoding, strict)
    return {
        "data": shown,
        "executable": held.executable,
        "lamports": held.lamports,
        "owner": owner,
        "rentEpoch": RENT_EXEMPT_EPOCH,
        "space": space,
    }


def _data(data: bytes, encoding: str, strict: bool) -> Any:
    if encoding == "base64":
        return [b64(data), "base64"]
    if encoding == "base64+zstd":
        return [b64(zstd_frame(data)), "base64+zstd"]
    if len(data) <= _BASE58_LIMIT:
        text = b58(data)
    elif strict:
        raise RpcError(
            INVALID_REQUEST,
            "Encoded binary (base 58) data should be less than 128 bytes, "
            "please use Base64 encoding.",
        )
    else:
        text = "error: data too large for bs58 encoding"
    return text if encoding == "binary" else [text, "base58"]


def zstd_frame(data: bytes) -> bytes:
    """A zstandard frame of raw (stored) blocks: any decoder reads it, nothing is compressed.

    RFC 8878: magic, frame header with an 8-byte content size and a single segment, blocks of at
    most 128 KiB whose 3-byte header is last | type << 1 | size << 3.
    """
    frame = bytearray(b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", len(data)))
    limit = 128 * 1024
    starts = range(0, len(data), limit) if data else range(1)
    for start in starts:
        part = data[start : start + limit]
        last = start + limit >= len(data)
        frame += (last | len(part) << 3).to_bytes(3, "little") + part
    return bytes(frame)
