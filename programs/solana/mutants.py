#!/usr/bin/env python3
"""Removes each check of the Solana programs in turn and wants a red test: mutants.py [CRATE…]

A check is `check!(condition, error)` or a call of a function named `check_…`. Each one gives a
mutant: a copy of the workspace in which the condition always holds, built, on which the tests of
the crate run until the first failure. Prints a table; exit code 1 when a mutant survives, 3
without the toolchain (see build.py).

--only TEXT tries the mutants whose file, line and check hold TEXT.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import build

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1] / "tests" / "programs" / "solana"
CHECK = re.compile(r"\bcheck!\(")
CHECK_CALL = re.compile(r"^[ \t]*(?:\w+::)*check_\w+\(", flags=re.M)
NO_TESTS = 5  # pytest's exit code when it was given nothing to run
# not checks of an instruction: the macro itself
SKIPPED = {"kit/src/check.rs"}


@dataclass(frozen=True)
class Mutant:
    path: str  # in the workspace
    line: int
    text: str  # of the check, on one line
    source: str  # the file with the check disabled


def closing(text: str, start: int) -> int:
    """Index after the parenthesis that closes the one before `start`."""
    depth, at = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def mutants_of(path: Path) -> Iterator[Mutant]:
    source = path.read_text()
    name = str(path.relative_to(HERE))
    for match in CHECK.finditer(source):
        end = closing(source, match.end())
        changed = source[: match.end()] + "true || " + source[match.end() :]
        yield mutant(name, source, match.start(), end, changed)
    for match in CHECK_CALL.finditer(source):
        end = closing(source, match.end())
        if not source[end:].startswith("?;"):
            continue
        start = match.end() - len(match[0].lstrip())
        changed = source[:start] + "let _ = || " + source[start:end] + source[end + 1 :]
        yield mutant(name, source, start, end, changed)


def mutant(name: str, source: str, start: int, end: int, changed: str) -> Mutant:
    text = " ".join(source[start:end].split())
    return Mutant(name, source.count("\n", 0, start) + 1, text, changed)


def tests_of(path: str) -> list[str]:
    """The tests that may notice, the quickest first."""
    crates = build.PROGRAMS if path.startswith("kit/") else (path.split("/")[0],)
    files: list[Path] = []
    for kind in ("accounts", "rules", "property"):
        files += [TESTS / f"test_{crate}_{kind}.py" for crate in crates]
    chosen = [str(file) for file in files if file.exists()]
    if path == "kit/src/int.rs":
        chosen.append(f"{TESTS / 'test_linker.py'}::test_mul_div")
    return chosen


def tests_in_turn(path: str) -> list[list[str]]:
    """What pytest is asked to run: first the tests that name the instruction, then all."""
    parts = Path(path).parts
    if "instructions" not in parts:
        return [tests_of(path)]
    return [[*tests_of(path), "-k", Path(path).stem], tests_of(path)]


def killer(candidate: Mutant, workspace: Path) -> str | None:
    """Builds the mutant in `workspace` and tests it; the test that notices."""
    target = workspace / candidate.path
    original = target.read_text()
    target.write_text(candidate.source)
    try:
        crates = build.PROGRAMS if candidate.path.startswith("kit/") else ()
        for crate in crates or (candidate.path.split("/")[0],):
            environment = dict(os.environ)
            build.build_with_linker(crate, workspace, workspace / "artifacts", environment)
        command = [sys.executable, "-m", "pytest", "-p", "no:pytest_anchorpy", "-x", "-q"]
        for chosen in tests_in_turn(candidate.path):
            done = subprocess.run(
                [*command, "--import-mode=importlib", *chosen],
                env=os.environ | {"CHAINFOLD_SOLANA": str(workspace)},
                cwd=HERE.parents[1],
                capture_output=True,
                text=True,
            )
            if done.returncode not in (0, 1, NO_TESTS):
                raise SystemExit(done.stdout + done.stderr)
            if done.returncode == 1:
                found = re.search(r"^(?:FAILED|ERROR) \S*?(test_\w+\.py::\S+)", done.stdout, re.M)
                return found[1] if found else "?"
        return None
    finally:
        target.write_text(original)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crates", nargs="*", default=["kit", *build.PROGRAMS], metavar="CRATE")
    parser.add_argument("--only", default="", help="see above")
    options = parser.parse_args()
    if not build.has_linker():
        print(build.MISSING)
        return build.NO_TOOLCHAIN
    files = [path for crate in options.crates for path in sorted((HERE / crate).rglob("*.rs"))]
    candidates = [
        candidate
        for path in files
        if str(path.relative_to(HERE)) not in SKIPPED
        for candidate in mutants_of(path)
        if options.only in f"{candidate.path}:{candidate.line} {candidate.text}"
    ]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "solana"
        ignored = shutil.ignore_patterns("target", "__pycache__")
        shutil.copytree(HERE, workspace, ignore=ignored)
        for number, candidate in enumerate(candidates, 1):
            begin = time.monotonic()
            test = killer(candidate, workspace)
            survivors += test is None
            verdict = "killed" if test else "SURVIVES"
            seconds = time.monotonic() - begin
            where = f"{candidate.path}:{candidate.line}"
            print(f"{number:3}/{len(candidates)} {verdict:8} {seconds:5.1f} s  {where:45}", end=" ")
            print(f"{candidate.text}  by {test}" if test else candidate.text, flush=True)
            # a mutant's artifacts must not stand in for the next one's
            for program in build.PROGRAMS:
                shutil.copyfile(
                    HERE / "artifacts" / f"{program}.so", workspace / "artifacts" / f"{program}.so"
                )
    print(f"{len(candidates)} checks, {survivors} without a test")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
