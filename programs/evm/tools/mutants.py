#!/usr/bin/env python3
"""Take the contracts' checks away, one at a time, and want a red test for each.

    python programs/evm/tools/mutants.py [--jobs N] [Contract …]

A check is a statement `require(CONDITION, Error()); // RULE`. Each is removed whole; where its
condition is a chain of `&&` or `||`, each part is also taken out of the chain by itself; so is
each `nonReentrant`. A mutant whose tests stay green is a check that nothing shows to be needed.
The tests run once without any mutant before: red ones would kill them all.
Prints a table; exit status 1 when a mutant survives.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

EVM = Path(__file__).resolve().parents[1]
ROOT = EVM.parents[1]
FORGE = EVM / "tools" / "forge"
CHECK = re.compile(
    r"^ *require\((?P<condition>.*?),\s*(?P<error>\w+(?:\.\w+)?)\(\)\s*\);"
    r" // (?P<rule>[A-Z]+-\d+)$",
    re.S | re.M,
)
LOCK = re.compile(r" nonReentrant\b(?=.*\{$)", re.M)


@dataclass(frozen=True)
class Mutant:
    """`source` with the text from `start` to `end` replaced by `text`."""

    source: Path
    line: int
    rule: str
    what: str
    start: int
    end: int
    text: str


def operands(condition: str) -> list[tuple[int, int, str]]:
    """Parts of a chain of one operator at the top level: start, end, and what stands for it."""
    depth, at, cuts = 0, 0, list[tuple[int, str]]()
    while at < len(condition):
        two = condition[at : at + 2]
        if condition[at] in "([":
            depth += 1
        elif condition[at] in ")]":
            depth -= 1
        elif depth == 0 and two in ("&&", "||"):
            cuts.append((at, two))
            at += 1
        at += 1
    if not cuts:
        return []
    neutral = "true" if cuts[0][1] == "&&" else "false"
    starts = [0, *(cut + 2 for cut, _ in cuts)]
    ends = [*(cut for cut, _ in cuts), len(condition)]
    return [(start, end, f" {neutral} ") for start, end in zip(starts, ends, strict=True)]


def mutants(source: Path) -> list[Mutant]:
    """Every mutant of one file, in the order of its lines."""
    text = source.read_text()
    found: list[Mutant] = []
    for match in CHECK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        rule, error = match["rule"], match["error"]
        found.append(Mutant(source, line, rule, error, match.start(), match.end(), ""))
        base = match.start("condition")
        for start, end, neutral in operands(match["condition"]):
            part = " ".join(match["condition"][start:end].split())
            found.append(
                Mutant(source, line, rule, f"{error}: {part}", base + start, base + end, neutral)
            )
    for match in LOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Mutant(source, line, "G-10", "nonReentrant", match.start(), match.end(), ""))
    return found


def red(copy: Path, what: str) -> bool:
    """Whether the tests of `copy`, a copy of the project, fail."""
    env = os.environ | {
        "FOUNDRY_PROFILE": "quick",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
        # Tests find a contract's code when they run: a mutant compiles alone, without them.
        "FOUNDRY_DYNAMIC_TEST_LINKING": "true",
    }
    build = subprocess.run(
        [FORGE, "build", "--quiet"], cwd=copy, env=env, capture_output=True, text=True
    )
    if build.returncode != 0:
        sys.exit(f"{what}: does not compile\n{build.stdout}{build.stderr}")
    # Unit tests first: they say no sooner than the invariants.
    for pattern in ("^test(Fuzz)?_", "^invariant_"):
        tests = [FORGE, "test", "--match-test", pattern, "--fail-fast"]
        if subprocess.run(tests, cwd=copy, env=env, capture_output=True).returncode != 0:
            return True
    return False


def killed(mutant: Mutant, copy: Path) -> bool:
    """Whether the mutant's tests fail in `copy`."""
    target = copy / mutant.source.relative_to(EVM)
    original = mutant.source.read_text()
    target.write_text(original[: mutant.start] + mutant.text + original[mutant.end :])
    try:
        return red(copy, f"{mutant.source.name}:{mutant.line} {mutant.what}")
    finally:
        target.write_text(original)


def copy_of_project(folder: Path, job: int) -> Path:
    """The project two levels below `folder`, and beside it what it imports."""
    copy = folder / str(job) / "programs" / "evm"
    shutil.copytree(EVM, copy, ignore=shutil.ignore_patterns("cache/invariant", "snapshots"))
    for beside in ("node_modules", "benchmarks"):
        (folder / str(job) / beside).symlink_to(ROOT / beside)
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contracts", nargs="*", help="names under src/, default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    sources = sorted((EVM / "src").rglob("*.sol"))
    chosen = [s for s in sources if not args.contracts or s.stem in args.contracts]
    todo = [mutant for source in chosen for mutant in mutants(source)]
    with tempfile.TemporaryDirectory() as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for job in range(args.jobs):
            copy = copy_of_project(Path(folder), job)
            if red(copy, "the sources as they are"):
                sys.exit("the tests are red before any mutant: run `make test` and mend them first")
            free.put(copy)

        def run(mutant: Mutant) -> bool:
            copy = free.get()
            try:
                return killed(mutant, copy)
            finally:
                free.put(copy)

        survivors = 0
        with ThreadPoolExecutor(args.jobs) as pool:
            for mutant, dead in zip(todo, pool.map(run, todo), strict=True):
                survivors += not dead
                verdict = "killed" if dead else "SURVIVES"
                where = f"{mutant.source.name}:{mutant.line}"
                print(f"{verdict:<8}  {mutant.rule:<6} {where:<20} {mutant.what}", flush=True)
    print(f"{len(todo)} mutants, {survivors} survive")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
