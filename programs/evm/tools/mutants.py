#!/usr/bin/env python3
"""Take the contracts' checks away, one at a time, and want a red test for each.

    python programs/evm/tools/mutants.py [--jobs N] [Contract …]

A check is a statement `require(CONDITION, Error()); // RULE`. Each is taken away whole; where its
condition is a chain of `&&` or `||`, each part is also taken out of the chain by itself; so is
each `nonReentrant`. A mutant whose tests stay green is a check that nothing shows to be needed.

The sources are compiled once: each check asks first whether `block.prevrandao`, which nothing else
reads, is its mutant's number, and then holds without a look at its condition. Only a lock has to
be compiled anew without. The tests run once without any mutant before: red ones would kill them
all. Prints a table; exit status 1 when a mutant survives.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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
    """One thing taken away: what stands from `start` to `end` of `source`.

    `switch` says what stands there while the mutant is off and what while it is on, with `{number}`
    and `{text}`; "" for what is cut out and compiled anew.
    """

    source: Path
    line: int
    rule: str
    what: str
    start: int
    end: int
    switch: str


HOLDS = "(block.prevrandao == {number} || ({text}))"
FAILS = "(block.prevrandao != {number} && ({text}))"


def operands(condition: str) -> list[tuple[int, int, str]]:
    """Parts of a chain of one operator at the top level: start, end, and its switch."""
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
    switch = HOLDS if cuts[0][1] == "&&" else FAILS
    starts = [0, *(cut + 2 for cut, _ in cuts)]
    ends = [*(cut for cut, _ in cuts), len(condition)]
    return [(start, end, switch) for start, end in zip(starts, ends, strict=True)]


def mutants(source: Path) -> list[Mutant]:
    """Every mutant of one file, in the order of its lines."""
    text = source.read_text()
    found: list[Mutant] = []
    for match in CHECK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        rule, error = match["rule"], match["error"]
        base = match.start("condition")
        found.append(Mutant(source, line, rule, error, base, match.end("condition"), HOLDS))
        for start, end, switch in operands(match["condition"]):
            part = " ".join(match["condition"][start:end].split())
            found.append(
                Mutant(source, line, rule, f"{error}: {part}", base + start, base + end, switch)
            )
    for match in LOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Mutant(source, line, "G-10", "nonReentrant", match.start(), match.end(), ""))
    return found


def switched(text: str, numbered: list[tuple[int, Mutant]]) -> str:
    """A source's `text` with the switches of its mutants in it, whole checks around their parts."""
    opened: dict[int, list[str]] = {}
    closed: dict[int, list[str]] = {}
    for number, mutant in numbered:
        before, after = mutant.switch.format(number=number, text="\0").split("\0")
        opened.setdefault(mutant.start, []).append(before)
        closed.setdefault(mutant.end, []).insert(0, after)
    pieces: list[str] = []
    at = 0
    for cut in sorted(opened.keys() | closed.keys()):
        pieces += [text[at:cut], *closed.get(cut, []), *opened.get(cut, [])]
        at = cut
    return "".join([*pieces, text[at:]])


def red(copy: Path, what: str, mutant: int = 0) -> bool:
    """Whether the tests of `copy`, a copy of the project, fail while a mutant is on (0: none)."""
    env = os.environ | {
        "FOUNDRY_PROFILE": "quick",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
    }
    # Unit tests first: they say no no later than the invariants.
    for pattern in ("^test(Fuzz)?_", "^invariant_"):
        options = ["--fail-fast", "--block-prevrandao", f"0x{mutant:064x}"]
        # Switches take room: more than a contract has on a chain.
        options += ["--code-size-limit", str(2**17)]
        # No build before it: `forge test` would compile a second time.
        result = subprocess.run(
            [FORGE, "test", "--match-test", pattern, *options],
            cwd=copy,
            env=env,
            capture_output=True,
            text=True,
        )
        if "Suite result" not in result.stdout:
            sys.exit(f"{what}: no test ran\n{result.stdout}{result.stderr}")
        if result.returncode != 0:
            return True
    return False


def killed(mutant: Mutant, number: int, copy: Path) -> bool:
    """Whether the tests of `copy`, which has all switches, fail without the check."""
    what = f"{mutant.source.name}:{mutant.line} {mutant.what}"
    if mutant.switch:
        return red(copy, what, number)
    target = copy / mutant.source.relative_to(EVM)
    whole = target.read_text()
    original = mutant.source.read_text()
    target.write_text(original[: mutant.start] + original[mutant.end :])
    try:
        return red(copy, what)
    finally:
        target.write_text(whole)


def copy_of_project(folder: Path, todo: list[Mutant]) -> Path:
    """The project two levels below `folder`, all switches in it, and beside it what it imports."""
    copy = folder / "programs" / "evm"
    shutil.copytree(EVM, copy, ignore=shutil.ignore_patterns("out", "cache", "snapshots"))
    for beside in ("node_modules", "benchmarks"):
        (folder / beside).symlink_to(ROOT / beside)
    for source in {mutant.source for mutant in todo}:
        numbered = [
            (number, mutant)
            for number, mutant in enumerate(todo, 1)
            if mutant.source == source and mutant.switch
        ]
        target = copy / source.relative_to(EVM)
        target.write_text(switched(source.read_text(), numbered))
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contracts", nargs="*", help="names under src/, default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    sources = sorted((EVM / "src").rglob("*.sol"))
    chosen = [s for s in sources if not args.contracts or s.stem in args.contracts]
    # What is compiled anew comes last: the others share one compilation, and may run side by side.
    todo = sorted((m for source in chosen for m in mutants(source)), key=lambda m: not m.switch)
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_project(Path(folder), todo)
        if red(copy, "the sources as they are"):
            sys.exit("the tests are red before any mutant: run `make test` and mend them first")

        def run(number: int) -> bool:
            return killed(todo[number - 1], number, copy)

        survivors = 0
        shared = sum(bool(mutant.switch) for mutant in todo)
        with ThreadPoolExecutor(args.jobs) as pool:
            verdicts = itertools.chain(
                pool.map(run, range(1, shared + 1)), map(run, range(shared + 1, len(todo) + 1))
            )
            for mutant, dead in zip(todo, verdicts, strict=True):
                survivors += not dead
                verdict = "killed" if dead else "SURVIVES"
                where = f"{mutant.source.name}:{mutant.line}"
                print(f"{verdict:<8}  {mutant.rule:<6} {where:<20} {mutant.what}", flush=True)
    print(f"{len(todo)} mutants, {survivors} survive")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
