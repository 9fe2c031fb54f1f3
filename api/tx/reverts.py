"""Why an EVM call reverted, by name: errors of the contract's ABI and those everyone uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector

from api.tx.model import ProgramError

# Error and Panic: Solidity documentation, "Panic via assert and Error via require";
# ERC-20's: EIP-6093; the last two: OpenZeppelin Contracts 5
_COMMON: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Error", (("string", "message"),)),
    ("Panic", (("uint256", "code"),)),
    (
        "ERC20InsufficientBalance",
        (("address", "sender"), ("uint256", "balance"), ("uint256", "needed")),
    ),
    (
        "ERC20InsufficientAllowance",
        (("address", "spender"), ("uint256", "allowance"), ("uint256", "needed")),
    ),
    ("ERC20InvalidSender", (("address", "sender"),)),
    ("ERC20InvalidReceiver", (("address", "receiver"),)),
    ("ERC20InvalidApprover", (("address", "approver"),)),
    ("ERC20InvalidSpender", (("address", "spender"),)),
    ("SafeERC20FailedOperation", (("address", "token"),)),
    ("ReentrancyGuardReentrantCall", ()),
)


class Reverts:
    """``messages``: a sentence for each name that has one."""

    def __init__(self, abi: Iterable[Mapping[str, Any]], messages: Mapping[str, str]) -> None:
        own = [
            (e["name"], tuple((collapse_if_tuple(dict(i)), i["name"]) for i in e["inputs"]))
            for e in abi
            if e["type"] == "error"
        ]
        self._messages = messages
        self._by_selector = {
            function_signature_to_4byte_selector(f"{name}({','.join(t for t, _ in inputs)})"): (
                name,
                inputs,
            )
            for name, inputs in (*_COMMON, *own)
        }

    def explain(self, data: Any, otherwise: str) -> ProgramError:
        """``data``: what the call returned, 0x-hex; ``otherwise``: the node's words."""
        raw = _bytes(data)
        found = self._by_selector.get(raw[:4])
        if found is None:
            return ProgramError(name=None, message=otherwise)
        name, inputs = found
        try:
            values = decode([t for t, _ in inputs], raw[4:], strict=False)
        except (DecodingError, ValueError, OverflowError):
            return ProgramError(name=name, message=otherwise)
        arguments = {n: str(v) for (_, n), v in zip(inputs, values, strict=True)}
        message = arguments["message"] if name == "Error" else self._messages.get(name)
        return ProgramError(name=name, message=message or name, arguments=arguments)


def _bytes(data: Any) -> bytes:
    # geth gives the data itself, some nodes an object that holds it
    if isinstance(data, dict):
        data = data.get("data")
    try:
        return bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""
