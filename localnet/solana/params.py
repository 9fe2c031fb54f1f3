"""Parameters of a call, checked the way Agave's deserializer does and refused in its words."""

from __future__ import annotations

import math
from typing import Any

from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from localnet.solana.base58 import unb58
from localnet.solana.errors import RpcError, below_confirmed, invalid_params

ENCODINGS = ("binary", "base58", "base64", "jsonParsed", "base64+zstd")
TRANSACTION_ENCODINGS = ("binary", "base64", "base58", "json", "jsonParsed")
U64 = 2**64 - 1


def described(value: Any) -> str:
    """A JSON value as serde names it in an error."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        if value.is_integer() and abs(value) >= 1e16:
            mantissa = f"{value:e}".split("e")
            return f"floating point `{float(mantissa[0]):g}e+{int(mantissa[1])}`"
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f'string "{value}"'
    return "sequence" if isinstance(value, list) else "map"


def wrong_type(value: Any, expected: str) -> RpcError:
    return invalid_params(f"Invalid params: invalid type: {described(value)}, expected {expected}.")


def u64(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float) and math.isfinite(value):
            raise wrong_type(value, "u64")
        raise wrong_type(value, "u64")
    if value < 0:
        raise invalid_params(f"Invalid params: invalid value: integer `{value}`, expected u64.")
    if value > U64:
        raise invalid_params(
            f"Invalid params: invalid type: {described(float(value))}, expected u64."
        )
    return value


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "a string")
    return value


def _bytes(text: str, size: int) -> bytes:
    try:
        raw = unb58(text)
    except ValueError:
        raise invalid_params("Invalid param: Invalid") from None
    if len(raw) != size:
        raise invalid_params("Invalid param: WrongSize")
    return raw


def pubkey(value: Any) -> Pubkey:
    return Pubkey.from_bytes(_bytes(string(value), 32))


def signature(value: Any) -> Signature:
    return Signature.from_bytes(_bytes(string(value), 64))


def hash_(value: Any) -> Hash:
    try:
        return Hash.from_bytes(_bytes(string(value), 32))
    except RpcError as error:
        raise invalid_params(error.message.removeprefix("Invalid param: ")) from None


def usize(value: Any) -> int:
    try:
        return u64(value)
    except RpcError as error:
        raise invalid_params(error.message.replace("expected u64", "expected usize")) from None


class Config:
    """The object of options at the end of a call's parameters; `name` is its type in Agave."""

    def __init__(self, value: Any, name: str) -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise wrong_type(value, f"struct {name}")
        self.value: dict[str, Any] = value

    def get(self, name: str) -> Any:
        return self.value.get(name)

    def u64(self, name: str) -> int | None:
        value = self.value.get(name)
        return None if value is None else u64(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.value.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise wrong_type(value, "a boolean")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.value.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise wrong_type(value, "a string")
        if value not in choices:
            listed = ", ".join(f"`{choice}`" for choice in choices)
            raise invalid_params(
                f"Invalid params: unknown variant `{value}`, expected one of {listed}."
            )
        return value

    def commitment(self, name: str = "commitment") -> Any:
        value = self.value.get(name)
        return value if value in ("processed", "confirmed", "finalized") else "finalized"

    def confirmed(self) -> Any:
        """The commitment of a call that needs a block: `processed` is refused."""
        commitment = self.commitment()
        if commitment == "processed":
            raise below_confirmed()
        return commitment

    def data_slice(self) -> tuple[int, int] | None:
        value = self.value.get("dataSlice")
        if value is None:
            return None
        if not isinstance(value, dict):
            raise wrong_type(value, "struct UiDataSliceConfig")
        for name in ("offset", "length"):
            if name not in value:
                raise invalid_params(f"Invalid params: missing field `{name}`.")
        return u64(value["offset"]), u64(value["length"])
