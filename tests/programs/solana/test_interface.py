"""Interface files against the source and the built programs.

That account order, flags, argument and event layouts are the built program's is shown by every
other test here, all of which speak to the programs through these files alone; what they would not
notice is tested here.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from onsvm.chain import ARTIFACTS, PROGRAMS, REPOSITORY, SOLANA
from onsvm.interface import INTERFACES, SELF_CALL, Interface, snake

sys.path.insert(0, str(SOLANA / "tools"))
import idl

SPEC = REPOSITORY / "programs" / "SPEC.md"
LETTERS = {  # of the numbers of a program's rules
    "bets": "B", "contracts": "A", "feeds": "F", "payouts": "P", "projects": "Q", "registry": "R",
}  # fmt: skip
SIZES = {"u8": 1, "bool": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "i128": 16, "publicKey": 32}

programs = pytest.mark.parametrize("program", PROGRAMS)


def discriminator(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:8]


def size(kind: object, types: dict[str, Any]) -> int:
    """Bytes that a type of fixed size takes in an account."""
    if isinstance(kind, dict) and "defined" in kind:
        fields = types[kind["defined"]]["type"]["fields"]
        return sum(size(field["type"], types) for field in fields)
    if isinstance(kind, dict):
        inner, count = kind["array"]
        return size(inner, types) * count
    return SIZES[str(kind)]


@programs
def test_file_is_generated_from_the_source(program: str) -> None:
    assert (INTERFACES / f"{program}.idl.json").read_text() == idl.render(program)


@programs
def test_built_program_has_the_discriminators(program: str) -> None:
    """Each is a constant in the built program: two 32-bit halves in a 64-bit load, or data."""
    code = (ARTIFACTS / f"{program}.so").read_bytes()
    interface = Interface(program)
    names = [f"global:{name}" for name in interface.instructions]
    names += [f"account:{account['name']}" for account in interface.json["accounts"]]
    names += [f"event:{event['name']}" for event in interface.json["events"]]
    for name in names:
        value = discriminator(name)
        low, high = re.escape(value[:4]), re.escape(value[4:])
        found = re.search(b"(?s)" + low + b".{0,12}?" + high, code) or value in code
        assert found, name
    assert discriminator("anchor:event")[::-1] == SELF_CALL


@programs
def test_account_sizes(program: str) -> None:
    """The size that the program asserts of its state is the size of the declared fields."""
    source = SOLANA / program / "src" / "state"
    files = [*source.glob("*.rs"), *(SOLANA / path for path in idl.SHARED_STATE.get(program, ()))]
    text = "".join(idl.expanded(path.read_text(), SOLANA) for path in files)
    asserted = {name: int(n) for name, n in re.findall(r"state!\((\w+), (\d+),", text)}
    declared = json.loads((INTERFACES / f"{program}.idl.json").read_text())
    types = {kind["name"]: kind for kind in declared["types"]}
    for account in declared["accounts"]:
        total = 8 + sum(size(field["type"], types) for field in account["type"]["fields"])
        assert asserted.pop(account["name"]) == total
    assert not asserted


@programs
def test_errors_are_in_the_spec(program: str) -> None:
    """Every error of the program stands in SPEC.md with its code and message."""
    rows = set(re.findall(r"^\| (\d+) \| (\w+) \| (.*?) \|", SPEC.read_text(), flags=re.M))
    for error in Interface(program).json["errors"]:
        assert (str(error["code"]), error["name"], error["msg"]) in rows


@programs
def test_events_are_in_the_spec(program: str) -> None:
    """Every event stands in SPEC.md with its fields in order; programs may share its name."""
    rows = re.findall(r"^\| ([A-Z]\w+) \| (.+) \|$", SPEC.read_text(), flags=re.M)
    listed = [
        (name, [field.split()[0] for field in re.sub(r"\(.*?\)", "", fields).split(",")])
        for name, fields in rows
    ]
    for event in Interface(program).json["events"]:
        assert (event["name"], [snake(field["name"]) for field in event["fields"]]) in listed


@programs
def test_every_rule_has_a_test(program: str) -> None:
    """Every rule that SPEC.md numbers is named by a test."""
    letter = LETTERS[program]
    spec = SPEC.read_text()
    rules = set(re.findall(rf"\*\*({letter}-\d+)", spec))
    for general in re.findall(r"\*\*(G-\d+)", spec):
        rules.add(general)
    here = Path(__file__).parent
    cited: set[str] = set()
    for path in here.glob("test_*.py"):
        text = path.read_text()
        for low, high in re.findall(r"([A-Z]-\d+) to [A-Z]-(\d+)", text):
            prefix, first = low.split("-")
            cited |= {f"{prefix}-{n}" for n in range(int(first), int(high) + 1)}
        cited |= set(re.findall(r"\b[A-Z]-\d+\b", text))
    only_evm = {"G-10", "B-19"}
    assert rules - cited <= only_evm, rules - cited
