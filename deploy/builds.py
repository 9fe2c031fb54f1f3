"""The builds of the programs, and what is on record about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey

from indexer.errors import Fatal

ROOT = Path(__file__).parents[1]
INTERFACES = ROOT / "programs" / "interfaces"
EVM = ROOT / "programs" / "evm" / "artifacts"
SOLANA = ROOT / "programs" / "solana" / "artifacts"
PLATFORM_TOOLS = "cargo build-sbf"
"""What a record names as the tool where Solana's own built."""


@dataclass(frozen=True, slots=True)
class Contract:
    """``bytecode``: what creates it, 0x-hex."""

    abi: list[dict[str, Any]]
    bytecode: str


@dataclass(frozen=True, slots=True)
class Build:
    """A Solana program as built. ``tool``: what linked it; ``constants``: the addresses that were
    built in, base58, by the variables that set them."""

    name: str
    file: Path
    elf: bytes
    tool: str
    constants: Mapping[str, str]

    @property
    def variable(self) -> str:
        """What sets its address when it is built."""
        return f"CHAINFOLD_{self.name.upper()}_ID"

    @property
    def id(self) -> Pubkey:
        """The address that it runs at, and at no other."""
        return Pubkey.from_string(self.constants[self.variable])


def contract(name: str, folder: Path = EVM) -> Contract:
    """The contract ``name`` as built. Raises Fatal when the build isn't there."""
    raw = json.loads(text(folder / f"{name}.json"))
    return Contract(raw["abi"], raw["bytecode"])


def program(name: str, folder: Path = SOLANA) -> Build:
    """The Solana program ``name`` as built, with the record that programs/solana/build.py wrote
    beside it. Raises Fatal where one is missing, or isn't the other's."""
    file, record = folder / f"{name}.so", folder / f"{name}.build.json"
    if not file.exists():
        raise Fatal(f"no build at {file}: run programs/solana/build.py {name}")
    if not record.exists():
        raise Fatal(
            f"{file} has no record of its build ({record.name}): build it with "
            f"programs/solana/build.py {name}"
        )
    elf = file.read_bytes()
    try:
        held = json.loads(record.read_bytes())
        build = Build(name, file, elf, held["tool"], held["constants"])
        known = held["sha256"]
        # an address that can't be read must not show later
        assert build.id
    except (ValueError, KeyError, TypeError) as error:
        raise Fatal(f"{record}: no record of a build ({error!r}): run build.py again") from None
    if hashlib.sha256(elf).hexdigest() != known:
        raise Fatal(
            f"{file} is not the file that {record.name} tells of: build it again with "
            f"programs/solana/build.py {name}"
        )
    return build


def elf(idl: Path) -> Path:
    """The build of the Solana program with the interface ``idl``. Raises Fatal where it isn't."""
    file = SOLANA / f"{idl.name.split('.')[0]}.so"
    if not file.exists():
        raise Fatal(f"no build at {file}: run `make programs`")
    return file


def text(file: Path) -> str:
    """The text of a committed build."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise Fatal(
            f"no build at {file}: run `make programs`; the builds are in a checkout only"
        ) from None
