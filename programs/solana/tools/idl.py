#!/usr/bin/env python3
"""Writes programs/interfaces/CRATE.idl.json from a program's source: idl.py [CRATE…]

Reads the source's regular forms (`kit::accounts!`, `kit::args!`, `kit::event!`, `kit::state!`
structs, error enums); the rest of the source does not matter to it. The form is Anchor's up to
0.29, which anchorpy reads. tests/programs/solana/test_interface.py holds the result to the built
program.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
INTERFACES = HERE.parent / "interfaces"
PROGRAMS = ("bets", "feeds", "contracts", "projects", "payouts", "registry")

TYPES = {
    "Address": "publicKey", "Text": "string", "Bool": "bool", "U16": "u16", "U32": "u32",
    "U64": "u64", "I64": "i64", "I128": "i128",
}  # fmt: skip
SHARED_STATE = {  # state that other programs read
    "feeds": ("feed/src/feed.rs",),
    "projects": ("project/src/project.rs",),
}
SHARED_ADDRESS = {"payouts": "project/src/lib.rs"}  # named by another crate, in capitals
VECTORS = {"Observations": "Observation", "Proof": "[u8; 32]", "Tags": "Text"}
NAME = r"(\w+)"
DOC = r"((?:\s*///[^\n]*\n)*)"


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def type_of(rust: str) -> Any:
    rust = rust.strip()
    array = re.fullmatch(r"\[(.+); (\d+)\]", rust)
    if array:
        return {"array": [type_of(array[1]), int(array[2])]}
    if rust in VECTORS:
        return {"vec": type_of(VECTORS[rust])}
    plain = TYPES.get(rust, rust)
    return {"defined": plain} if plain[0].isupper() else plain


def docs(comment: str) -> list[str]:
    return [line.strip().removeprefix("///").strip() for line in comment.strip().splitlines()]


def block(source: str, opening: str) -> list[str]:
    """Contents of each `opening … {` up to the brace that closes it."""
    found: list[str] = []
    for match in re.finditer(opening + r"[^{}]*\{", source):
        depth, at = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(source[at], 0)
            at += 1
        found.append(source[match.end() : at - 1])
    return found


def fields(body: str) -> list[dict[str, Any]]:
    """`pub name: Type,` or `name: Type,` lines; the discriminator is not a field."""
    pairs = re.findall(rf"^\s*(?:pub )?{NAME}: (.+),$", body, flags=re.M)
    named = [(name, kind) for name, kind in pairs if name != "discriminator"]
    return [{"name": camel(name), "type": type_of(kind)} for name, kind in named]


def instruction(name: str, source: str) -> dict[str, Any]:
    (listing,) = block(source, r"kit::accounts! ")
    accounts: list[dict[str, Any]] = []
    for comment, account in re.findall(rf"{DOC}\s*{NAME},", listing):
        (flags,) = re.findall(r"^\[(.*?)\]", docs(comment)[0])
        text = [docs(comment)[0].split("]", 1)[1].strip(), *docs(comment)[1:]]
        entry = {
            "name": camel(account),
            "isMut": "writable" in flags,
            "isSigner": "signer" in flags,
        }
        accounts.append(entry | {"docs": text})
    args = block(source, r"kit::args! ")
    (comment,) = re.findall(rf"{DOC}pub fn process\(", source)
    return {
        "name": camel(name),
        "docs": docs(comment),
        "accounts": accounts,
        "args": fields(args[0]) if args else [],
    }


def events(source: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for body in block(source, r"kit::event! "):
        name = re.search(rf"{NAME} \{{", body)
        assert name, body
        listed = [field | {"index": False} for field in fields(body)]
        found.append({"name": name[1], "fields": listed})
    return found


def states(source: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in re.findall(rf"kit::state!\({NAME},", source):
        (body,) = block(source, rf"pub struct {name} ")
        found.append({"name": name, "type": {"kind": "struct", "fields": fields(body)}})
    return found


def types(source: str) -> list[dict[str, Any]]:
    """Structs of accounts and arguments: those marked `/// A type of the interface.`"""
    found: list[dict[str, Any]] = []
    for name in re.findall(rf"/// A type of the interface\.(?:.|\n)*?pub struct {NAME} ", source):
        (body,) = block(source, rf"pub struct {name} ")
        found.append({"name": name, "type": {"kind": "struct", "fields": fields(body)}})
    return found


def expanded(source: str, workspace: Path) -> str:
    """A state file with `kit::counters!` in full."""
    counted = re.search(rf"kit::counters!\({NAME}\)", source)
    if not counted:
        return source
    macro = (workspace / "kit/src/counter.rs").read_text()
    return macro.replace("$entities", counted[1]).replace("$crate", "kit")


def constants(library: str) -> list[dict[str, str]]:
    """Addresses that clients need: those marked `/// A constant of the interface.`"""
    marked = rf'/// A constant of the interface\.[^"]*?const {NAME}: Address[^"]*"(\w+)"'
    return [
        {"name": name, "type": "publicKey", "value": value}
        for name, value in re.findall(marked, library)
    ]


def errors(source: str) -> list[dict[str, Any]]:
    return [
        {"code": int(code), "name": name, "msg": " ".join(docs(comment))}
        for comment, name, code in re.findall(rf"{DOC}\s*{NAME} = (\d+),", source)
    ]


def interface(crate: str, workspace: Path = HERE) -> dict[str, Any]:
    source = workspace / crate / "src"
    library = (source / "lib.rs").read_text()
    if crate in SHARED_STATE:
        library += (workspace / SHARED_STATE[crate][0]).with_name("lib.rs").read_text()
    if crate in SHARED_ADDRESS:
        library += (workspace / SHARED_ADDRESS[crate]).read_text()
    ids = dict(re.findall(rf'const {NAME}: Address = kit::program_id\(\s*"(\w+)"', library))
    address = ids.get(crate.upper()) or ids["ID"]
    names = re.findall(r'^\s*"(\w+)" => instructions::(\w+)::process', library, flags=re.M)
    assert all(name == module for name, module in names)
    order = re.findall(rf"^pub mod {NAME};", (source / "instructions/mod.rs").read_text(), re.M)
    assert sorted(order) == sorted(name for name, _ in names), "an instruction is not routed"
    state_files = sorted((source / "state").glob("*.rs"))
    state_files += [workspace / name for name in SHARED_STATE.get(crate, ())]
    state_sources = [expanded(path.read_text(), workspace) for path in state_files]
    kit_errors = (workspace / "kit/src/error.rs").read_text()
    shown = constants(library)
    return {
        "version": "0.1.0",
        "name": crate,
        **({"constants": shown} if shown else {}),
        "instructions": [
            instruction(name, (source / "instructions" / f"{name}.rs").read_text())
            for name in order
        ],
        "accounts": [state for text in state_sources for state in states(text)],
        "types": [kind for text in state_sources for kind in types(text)],
        "events": events((source / "event.rs").read_text()),
        "errors": errors(kit_errors) + errors((source / "error.rs").read_text()),
        "metadata": {"address": address},
    }


def render(crate: str, workspace: Path = HERE) -> str:
    return json.dumps(interface(crate, workspace), indent=2) + "\n"


if __name__ == "__main__":
    for crate in sys.argv[1:] or PROGRAMS:
        (INTERFACES / f"{crate}.idl.json").write_text(render(crate))
