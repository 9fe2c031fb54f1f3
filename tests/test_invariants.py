"""INVARIANTS.md: each promise is numbered, says how much it binds, and names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMISES = [
    line
    for line in (ROOT / "INVARIANTS.md").read_text("utf-8").splitlines()
    if re.match(r"\d+\. ", line)
]
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_promises_are_numbered_from_one() -> None:
    numbers = [int(line.split(".")[0]) for line in PROMISES]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


@pytest.mark.parametrize("promise", PROMISES, ids=lambda p: p.split(".")[0])
def test_a_promise_binds_and_its_tests_exist(promise: str) -> None:
    assert re.search(r"\b(MUST|SHOULD|MAY)\b", promise)
    named = _TEST.findall(promise)
    assert named, "it names no test"
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        tests = {
            n.name
            for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name.startswith("test_")
        }
        assert tests, f"{file} has no test"
        assert not name or name in tests, f"{file} has no {name}"
