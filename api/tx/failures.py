"""Why a Solana transaction failed, by name: the program's errors, and its callees'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.tx.model import ProgramError

_FAILED = re.compile(r"Program (\w+) failed: custom program error: 0x([0-9a-f]+)")
_TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
_SYSTEM = "11111111111111111111111111111111"
# spl-token 8.0, error.rs, TokenError; solana-system-interface 1.0, error.rs, SystemError
_COMMON: Mapping[str, Mapping[int, tuple[str, str]]] = {
    _TOKEN: {
        0: ("NotRentExempt", "Lamport balance below rent-exempt threshold"),
        1: ("InsufficientFunds", "The token account holds less than the amount"),
        2: ("InvalidMint", "Invalid mint"),
        3: ("MintMismatch", "The token account is of another mint"),
        4: ("OwnerMismatch", "The token account has another owner"),
        9: ("UninitializedState", "The token account is not initialised"),
        14: ("Overflow", "The operation overflowed"),
        17: ("AccountFrozen", "The token account is frozen"),
    },
    _SYSTEM: {
        0: ("AccountAlreadyInUse", "An account with the same address already exists"),
        1: ("ResultWithNegativeLamports", "The payer has not enough SOL"),
    },
}


class Failures:
    """``errors``: the interface's list of {code, name, msg}."""

    def __init__(self, errors: Iterable[Mapping[str, Any]]) -> None:
        self._own = {e["code"]: (e["name"], e.get("msg") or e["name"]) for e in errors}

    @property
    def messages(self) -> dict[str, str]:
        """A sentence for each error's name."""
        return dict(self._own.values())

    def explain(self, program: str, error: Any, logs: Sequence[str]) -> ProgramError:
        """``error``: the node's TransactionError. The first program that failed is the innermost:
        its caller fails with the same number after it."""
        for line in logs:
            found = _FAILED.match(line)
            if found:
                known = self._own if found[1] == program else _COMMON.get(found[1], {})
                name = known.get(int(found[2], 16))
                if name:
                    return ProgramError(name=name[0], message=name[1])
                break
        return self._plain(error)

    def _plain(self, error: Any) -> ProgramError:
        if isinstance(error, dict) and isinstance(error.get("InstructionError"), list):
            inner = error["InstructionError"][1]
            if isinstance(inner, dict) and "Custom" in inner:
                code = inner["Custom"]
                name, message = self._own.get(code, (f"Custom{code}", f"custom error {code}"))
                return ProgramError(name=name, message=message)
            name = inner if isinstance(inner, str) else next(iter(inner))
            return ProgramError(name=name, message=f"the instruction failed: {name}")
        name = error if isinstance(error, str) else next(iter(error), "Unknown")
        return ProgramError(name=str(name), message=f"the transaction failed: {name}")
