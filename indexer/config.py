"""chainfold.toml: which chains, which programs, which database."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from indexer.errors import Fatal

Kind = Literal["evm", "solana"]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")


@dataclass(frozen=True, slots=True)
class Database:
    """``url`` is None for the embedded server, which keeps its files in ``data_dir``."""

    url: str | None
    schema: str
    data_dir: Path


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain and the nodes that answer for it, the preferred one first."""

    name: str
    kind: Kind
    rpc: tuple[str, ...]
    ws: str | None
    chain_id: int | None
    genesis_hash: str | None


@dataclass(frozen=True, slots=True)
class Factory:
    """Where a program's addresses come from: ``field`` of ``event`` of another program."""

    program: str
    event: str
    field: str

    def __str__(self) -> str:
        return f"{self.program}.{self.event}.{self.field}"


@dataclass(frozen=True, slots=True)
class Program:
    """A contract or program to index from height ``start``. Equal names share tables.

    With a ``factory`` it stands for every contract that the factory announces, each from its own
    block on, and ``address`` names the announcement. ``instructions`` of a Solana program are
    taken in as its events are.
    """

    name: str
    chain: str
    address: str
    interface: Path
    start: int
    factory: Factory | None = None
    instructions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of chainfold.toml, checked."""

    path: Path
    database: Database
    chains: Mapping[str, Chain]
    programs: tuple[Program, ...]
    fold_modules: tuple[str, ...]

    def programs_on(self, chain: str) -> tuple[Program, ...]:
        return tuple(p for p in self.programs if p.chain == chain)


def load(path: Path | str | None = None, *, deployed: bool = True) -> Config:
    """Reads and checks ``path``, else ``$CHAINFOLD_CONFIG``, else ./chainfold.toml.

    ``$DATABASE_URL`` stands above ``[database] url``. Without ``deployed`` it may name no program
    yet. Raises Fatal with the key and the mend.
    """
    file = Path(path or os.environ.get("CHAINFOLD_CONFIG") or "chainfold.toml").resolve()
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise Fatal(
            f"no configuration at {file}: run in a folder with a chainfold.toml, or name one "
            "with --config"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Fatal(f"{file}: not valid TOML: {error}") from None
    return _Reader(file).config(raw, deployed)


class _Reader:
    def __init__(self, file: Path) -> None:
        self.file = file

    def fail(self, where: str, what: str) -> Fatal:
        return Fatal(f"{self.file.name}: {where}: {what}")

    def keys(self, where: str, table: Any, known: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise self.fail(where, "must be a table")
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                raise self.fail(where, f"unknown key {key!r}; {hint}")
        return table

    def value(self, where: str, table: dict[str, Any], key: str, kind: type, default: Any) -> Any:
        value = table.get(key, default)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise self.fail(f"{where}.{key}", f"must be {_ENGLISH[kind]}, not {value!r}")
        return value

    def config(self, raw: dict[str, Any], deployed: bool) -> Config:
        top = self.keys("top level", raw, ("database", "chains", "programs", "folds"))
        chains = {
            name: self.chain(name, table)
            for name, table in self.keys(
                "chains", top.get("chains", {}), tuple(top.get("chains", {}))
            ).items()
        }
        if not chains:
            raise self.fail("chains", "name at least one chain, as [chains.NAME]")
        entries = top.get("programs", [])
        if not isinstance(entries, list) or (deployed and not entries):
            raise self.fail("programs", "name at least one program, as [[programs]]")
        programs = tuple(self.program(i, p, chains) for i, p in enumerate(entries))
        programs = self.families(programs)
        seen: set[tuple[str, str]] = set()
        for p in programs:
            if (p.chain, p.address) in seen:
                raise self.fail(f"programs {p.name!r}", f"{p.address} on {p.chain} is named twice")
            seen.add((p.chain, p.address))
        folds = self.keys("folds", top.get("folds", {}), ("modules",))
        modules = folds.get("modules", [])
        if not isinstance(modules, list) or not all(isinstance(m, str) for m in modules):
            raise self.fail("folds.modules", "must be a list of Python module names")
        return Config(
            self.file, self.database(top.get("database", {})), chains, programs, tuple(modules)
        )

    def database(self, table: Any) -> Database:
        table = self.keys("database", table, ("url", "schema", "data_dir"))
        url = os.environ.get("DATABASE_URL") or self.value("database", table, "url", str, None)
        if url is not None and urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise self.fail("database.url", f"must begin with postgresql://, not {url!r}")
        schema = self.value("database", table, "schema", str, "chainfold")
        if not _NAME.fullmatch(schema):
            raise self.fail("database.schema", f"{schema!r} must be lower-case letters, digits, _")
        data_dir = self.value("database", table, "data_dir", str, ".chainfold/postgres")
        return Database(url, schema, (self.file.parent / data_dir).resolve())

    def chain(self, name: str, table: Any) -> Chain:
        where = f"chains.{name}"
        if not _NAME.fullmatch(name):
            raise self.fail(where, "a chain's name is lower-case letters, digits and _")
        table = self.keys(where, table, ("kind", "rpc", "ws", "chain_id", "genesis_hash"))
        kind = table.get("kind")
        if kind not in ("evm", "solana"):
            raise self.fail(f"{where}.kind", f"must be 'evm' or 'solana', not {kind!r}")
        rpc = table.get("rpc")
        urls = [rpc] if isinstance(rpc, str) else rpc
        if not isinstance(urls, list) or not urls:
            raise self.fail(f"{where}.rpc", "must be a list of at least one URL")
        for url in urls:
            if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
                raise self.fail(f"{where}.rpc", f"{url!r} is no http:// or https:// URL")
        chain_id = self.value(where, table, "chain_id", int, None)
        if kind == "evm" and chain_id is None:
            raise self.fail(f"{where}.chain_id", "is needed, so that a wrong node is noticed")
        ws = self.value(where, table, "ws", str, None)
        return Chain(
            name,
            kind,
            tuple(urls),
            ws or websocket_url(kind, urls[0]),
            chain_id,
            self.value(where, table, "genesis_hash", str, None),
        )

    def program(self, i: int, table: Any, chains: Mapping[str, Chain]) -> Program:
        where = f"programs[{i}]"
        known = ("name", "chain", "address", "interface", "start", "instructions")
        table = self.keys(where, table, known)
        for key in ("name", "chain", "address", "interface"):
            if key not in table:
                raise self.fail(where, f"{key!r} is missing")
        name = self.value(where, table, "name", str, None)
        where = f"programs {name!r}"
        if not _NAME.fullmatch(name):
            raise self.fail(where, "a program's name is lower-case letters, digits and _")
        chain = chains.get(table["chain"])
        if chain is None:
            raise self.fail(where, f"chain {table['chain']!r} is not one of {sorted(chains)}")
        interface = (self.file.parent / self.value(where, table, "interface", str, None)).resolve()
        if not interface.is_file():
            raise self.fail(f"{where}.interface", f"no file at {interface}")
        factory = None
        if isinstance(table["address"], dict):
            factory = self.factory(f"{where}.address", table["address"], chain)
        start = self.value(where, table, "start", int, -1 if factory else 0)
        if start < 0 and "start" in table:
            raise self.fail(f"{where}.start", "must not be negative")
        if factory is not None:
            return Program(name, chain.name, str(factory), interface, start, factory)
        address = self.value(where, table, "address", str, None)
        pattern = _EVM_ADDRESS if chain.kind == "evm" else _BASE58
        if not pattern.fullmatch(address):
            form = "0x and 40 hex digits" if chain.kind == "evm" else "a base58 public key"
            raise self.fail(f"{where}.address", f"{address!r} must be {form}")
        lower = address.lower() if chain.kind == "evm" else address
        instructions = self.instructions(where, table, chain)
        return Program(name, chain.name, lower, interface, start, None, instructions)

    def instructions(self, where: str, table: dict[str, Any], chain: Chain) -> tuple[str, ...]:
        names = table.get("instructions", [])
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise self.fail(f"{where}.instructions", "must be a list of the IDL's instructions")
        if names and chain.kind != "solana":
            raise self.fail(f"{where}.instructions", "are of Solana programs only")
        return tuple(names)

    def factory(self, where: str, table: Any, chain: Chain) -> Factory:
        keys = ("program", "event", "field")
        table = self.keys(where, table, keys)
        for key in keys:
            if not isinstance(table.get(key), str):
                raise self.fail(where, f"{key!r} is missing: {{ program, event, field }}")
        if chain.kind != "evm":
            raise self.fail(where, "only EVM contracts are found by a factory's events")
        return Factory(table["program"], table["event"], table["field"])

    def families(self, programs: tuple[Program, ...]) -> tuple[Program, ...]:
        """Children start with their factory where they name no start of their own."""
        by_name: dict[tuple[str, str], list[Program]] = {}
        for p in programs:
            by_name.setdefault((p.chain, p.name), []).append(p)

        def start(p: Program, below: tuple[str, ...]) -> int:
            if p.factory is None:
                return p.start
            where = f"programs {p.name!r}.address"
            parents = by_name.get((p.chain, p.factory.program))
            if parents is None:
                raise self.fail(where, f"{p.chain} has no program {p.factory.program!r}")
            if p.factory.program in (*below, p.name):
                raise self.fail(where, f"{p.factory.program!r} would be its own factory")
            least = min(start(parent, (*below, p.name)) for parent in parents)
            return max(p.start, least)

        return tuple(replace(p, start=start(p, ())) for p in programs)


_ENGLISH = {str: "a string", int: "a whole number"}


def websocket_url(kind: Kind, rpc: str) -> str:
    """The subscription URL a node of ``kind`` serves beside ``rpc``: Solana's is one port on."""
    parts = urlsplit(rpc)
    scheme = "wss" if parts.scheme == "https" else "ws"
    netloc = parts.netloc
    if kind == "solana" and parts.port is not None:
        netloc = f"{netloc[: netloc.rindex(':')]}:{parts.port + 1}"
    return urlunsplit((scheme, netloc, parts.path, parts.query, ""))
