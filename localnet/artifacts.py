"""The committed builds of the programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.errors import Fatal

ROOT = Path(__file__).parents[1]
INTERFACES = ROOT / "programs" / "interfaces"
BETS_ABI = INTERFACES / "Bets.abi.json"
BETS_IDL = INTERFACES / "bets.idl.json"
BETS_SO = ROOT / "programs" / "solana" / "artifacts" / "bets.so"


@dataclass(frozen=True, slots=True)
class Contract:
    """``bytecode``: what creates it, 0x-hex."""

    abi: list[dict[str, Any]]
    bytecode: str


def contract(name: str, folder: Path = ROOT / "programs" / "evm" / "artifacts") -> Contract:
    """The contract ``name`` as built. Raises Fatal when the build isn't there."""
    raw = json.loads(text(folder / f"{name}.json"))
    return Contract(raw["abi"], raw["bytecode"])


def text(file: Path) -> str:
    """The text of a committed build."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise Fatal(
            f"no build at {file}: run `make programs`; localnet runs from a checkout"
        ) from None
