"""The files of a new project: chainfold.toml, the interface, a page of folds."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from indexer import config as configuration
from indexer.decode.interface import Interface, load, snake
from indexer.decode.schema import schema
from indexer.errors import Fatal
from indexer.folds import bind
from indexer.init import chain, folds
from indexer.init.chain import Found

FOLDS = "folds.py"
_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_LOCAL = {
    "evm": ("http://127.0.0.1:8545", Found("anvil", 31337, None, 0)),
    "solana": ("http://127.0.0.1:8899", Found("solana", None, None, 0)),
}
"""A local chain, where no node is named."""
_PROXY_EVENTS = frozenset({"Upgraded", "AdminChanged", "BeaconUpgraded", "Initialized"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to write: a program at ``address`` with the events of ``interface``."""

    address: str
    kind: configuration.Kind
    interface: Path
    rpc: str | None = None
    name: str | None = None
    chain: str | None = None
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The project as written; ``notes`` are what its owner should know."""

    config: configuration.Config
    events: int
    folds: int
    notes: tuple[str, ...]


def write(wanted: Wanted, folder: Path, *, force: bool = False) -> Made:
    """Writes the project into ``folder`` and reads it back as `chainfold index` would.

    Raises Fatal, before anything is written, where the address, the interface or the node is
    wrong or a file is in the way.
    """
    address = _address(wanted)
    interface = load(wanted.interface, wanted.kind)
    name = wanted.name or _program_name(interface)
    if not _NAME.fullmatch(name):
        raise Fatal(f"--name: {name!r} must be lower-case letters, digits and _, 31 at most")
    if wanted.chain is not None and not _NAME.fullmatch(wanted.chain):
        raise Fatal(f"--chain: {wanted.chain!r} must be lower-case letters, digits and _")
    targets = [folder / "chainfold.toml", folder / FOLDS]
    for target in targets:
        if target.exists() and not force:
            raise Fatal(f"{target} is there already: --force writes over it")
    url, found = _look(wanted, address)
    notes = _notes(address, interface, found)
    if wanted.chain is not None:
        found = replace(found, name=wanted.chain)
    if wanted.start is not None:
        found = replace(found, start=wanted.start, note=None)
    if found.note:
        notes.append(found.note)
    if wanted.rpc is None:
        notes.append(f"no --rpc: the configuration names a local node, {url}")
    folder.mkdir(parents=True, exist_ok=True)
    relative = _within(wanted.interface, folder)
    targets[0].write_text(_toml(wanted.kind, name, address, relative, url, found), "utf-8")
    targets[1].write_text(folds.module(name, interface), "utf-8")
    config = configuration.load(targets[0])
    bound = bind.load(config, schema(config))
    return Made(config, len(interface.events), len(bound), tuple(notes))


def _address(wanted: Wanted) -> str:
    evm = wanted.kind == "evm"
    if not (_EVM_ADDRESS if evm else _BASE58).fullmatch(wanted.address):
        form = "0x and 40 hex digits" if evm else "a base58 program id"
        option = "--abi" if evm else "--idl"
        raise Fatal(f"{wanted.address!r} is no address: with {option} it must be {form}")
    return wanted.address


def _program_name(interface: Interface) -> str:
    """The IDL's name, else the file's: ``Bets.abi.json`` → ``bets``."""
    document = interface.document
    given = ""
    if interface.kind == "solana":
        given = document.get("name") or (document.get("metadata") or {}).get("name") or ""
    words = snake(str(given) or interface.path.name.split(".")[0])
    name = re.sub(r"[^a-z0-9_]+", "_", words).strip("_")[:31]
    return name if _NAME.fullmatch(name) else "program"


def _look(wanted: Wanted, address: str) -> tuple[str, Found]:
    if wanted.rpc is None:
        return _LOCAL[wanted.kind]
    ask = chain.evm if wanted.kind == "evm" else chain.solana
    return wanted.rpc, asyncio.run(ask(wanted.rpc, address))


def _notes(address: str, interface: Interface, found: Found) -> list[str]:
    notes: list[str] = []
    if found.proxy is not None:
        kind, implementation = found.proxy.kind, found.proxy.implementation
        if all(event.name in _PROXY_EVENTS for event in interface.events):
            raise Fatal(
                f"{address} is an {kind} and {interface.path.name} is the proxy's own ABI: give "
                f"--abi of the implementation, {implementation}"
            )
        notes.append(
            f"{address} is an {kind}: events come from it, in the ABI of its implementation, now "
            f"{implementation}; --abi must be that contract's"
        )
    if interface.kind == "solana":
        document = interface.document
        said = document.get("address") or (document.get("metadata") or {}).get("address")
        if said and said != address:
            notes.append(f"the IDL is of {said}: it is taken to describe {address} too")
    return notes


def _within(interface: Path, folder: Path) -> str:
    """The interface's path from ``folder``; one from elsewhere is copied in beside the rest."""
    file, base = interface.resolve(), folder.resolve()
    if file.is_relative_to(base):
        return file.relative_to(base).as_posix()
    shutil.copyfile(file, base / file.name)
    return file.name


def _toml(
    kind: configuration.Kind, name: str, address: str, interface: str, url: str, found: Found
) -> str:
    lines = [
        "[database]",
        "# Absent: DATABASE_URL, else a Postgres of its own under .chainfold/postgres.",
        '# url = "postgresql://user:password@host/database"',
        "",
        f"[chains.{found.name}]",
        f'kind = "{kind}"',
    ]
    if found.chain_id is not None:
        lines.append(f"chain_id = {found.chain_id}")
    lines += [
        "# Several URLs share the work and stand in for one another.",
        f"rpc = [{json.dumps(url)}]",
    ]
    if found.genesis_hash is not None:
        lines.append(f'genesis_hash = "{found.genesis_hash}"')
    lines += [
        "",
        "[[programs]]",
        f'name = "{name}"',
        f'chain = "{found.name}"',
        f'address = "{address}"',
        f"interface = {json.dumps(interface)}",
        f"start = {found.start}",
        "",
        "[folds]",
        f'modules = ["{FOLDS}"]',
        "",
    ]
    return "\n".join(lines)
