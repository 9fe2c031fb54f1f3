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
CONTRACTS_IDL = INTERFACES / "contracts.idl.json"
FEEDS_IDL = INTERFACES / "feeds.idl.json"
PAYOUTS_IDL = INTERFACES / "payouts.idl.json"
PROJECTS_IDL = INTERFACES / "projects.idl.json"
REGISTRY_IDL = INTERFACES / "registry.idl.json"
SOLANA_IDLS = (BETS_IDL, FEEDS_IDL, CONTRACTS_IDL, PAYOUTS_IDL, PROJECTS_IDL, REGISTRY_IDL)
"""Of the programs that a local Solana chain has from its start."""


@dataclass(frozen=True, slots=True)
class Contract:
    """``bytecode``: what creates it, 0x-hex."""

    abi: list[dict[str, Any]]
    bytecode: str


def contract(name: str, folder: Path = ROOT / "programs" / "evm" / "artifacts") -> Contract:
    """The contract ``name`` as built. Raises Fatal when the build isn't there."""
    raw = json.loads(text(folder / f"{name}.json"))
    return Contract(raw["abi"], raw["bytecode"])


def elf(idl: Path) -> Path:
    """The build of the Solana program with the interface ``idl``. Raises Fatal where it isn't."""
    file = ROOT / "programs" / "solana" / "artifacts" / f"{idl.name.split('.')[0]}.so"
    if not file.exists():
        raise Fatal(f"no build at {file}: run `make programs`")
    return file


def text(file: Path) -> str:
    """The text of a committed build."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise Fatal(
            f"no build at {file}: run `make programs`; localnet runs from a checkout"
        ) from None
