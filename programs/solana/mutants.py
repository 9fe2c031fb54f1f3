#!/usr/bin/env python3
"""Removes each check of the Solana programs in turn and wants a red test: mutants.py [CRATE…]

A check is `check!(condition, error)` or a call of a function named `check_…`. The programs are
built once, with every check behind a switch of its own; a mutant is those builds with one switch
thrown, which is a number written into them. The tests of its crate run on it until the first
failure, which must be green without the mutant. A check of kit is there for all programs.

Prints a table; exit code 1 when a mutant survives, 3 without the toolchain (see build.py).

--only TEXT tries the mutants whose file, line and check hold TEXT.
"""

import argparse
import functools
import inspect
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import build
import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TESTS = REPOSITORY / "tests" / "programs" / "solana"
CHECK = re.compile(r"\bcheck!\(")
CHECK_CALL = re.compile(r"^[ \t]*(?:\w+::)*check_\w+\(", flags=re.M)
WORD = re.compile(r"[a-z]+")
# not checks of an instruction: the macro itself
SKIPPED = {"kit/src/check.rs"}

# The switch: a word of which the lower two bytes number the mutant, 0 for none. It is read from
# memory, whatever the compiler knows.
SWITCH = b"mutant"
LIBRARY = "kit/src/lib.rs"
SWITCHED = """
extern crate self as kit;

#[inline(always)]
pub fn is_mutant(number: u64) -> bool {
    static MUTANT: u64 = WORD;
    unsafe { core::ptr::read_volatile(&MUTANT) & 0xffff == number }
}
"""


@dataclass(frozen=True)
class Mutant:
    number: int
    path: str  # in the workspace
    line: int
    text: str  # of the check, on one line

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.text}"


def closing(text: str, start: int) -> int:
    """Index after the parenthesis that closes the one before `start`."""
    depth, at = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def checks_of(source: str) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each check, in order, and whether it is a call of a `check_…`."""
    found: list[tuple[int, int, bool]] = []
    for match in CHECK.finditer(source):
        found.append((match.start(), closing(source, match.end()), False))
    for match in CHECK_CALL.finditer(source):
        end = closing(source, match.end())
        if source[end:].startswith("?;"):
            found.append((match.end() - len(match[0].lstrip()), end, True))
    yield from sorted(found)


def with_switches(path: Path, name: str, first: int) -> tuple[str, list[Mutant]]:
    """The source of `path` with a switch at each check, numbered from `first`; its mutants."""
    source, switched, end, mutants = path.read_text(), "", 0, list[Mutant]()
    for start, stop, is_call in checks_of(source):
        number = first + len(mutants)
        text = source[start:stop]
        line = source.count("\n", 0, start) + 1
        mutants.append(Mutant(number, name, line, " ".join(text.split())))
        switched += source[end:start]
        if is_call:
            switched += f"if !::kit::is_mutant({number}) {{ {text}?; }}"
            end = stop + len("?;")
        else:
            switched += text.replace("check!(", f"check!(::kit::is_mutant({number}) || ", 1)
            end = stop
    return switched + source[end:], mutants


def prepare(workspace: Path) -> list[Mutant]:
    """Copies the programs into `workspace` and builds them, a switch at each check; all mutants."""
    shutil.copytree(HERE, workspace, ignore=shutil.ignore_patterns("target", "__pycache__"))
    mutants: list[Mutant] = []
    for crate in ("kit", *build.PROGRAMS):
        for path in sorted((workspace / crate).rglob("*.rs")):
            name = str(path.relative_to(workspace))
            if name in SKIPPED:
                continue
            source, found = with_switches(path, name, 1 + len(mutants))
            mutants += found
            path.write_text(source)
    library = workspace / LIBRARY
    library.write_text(library.read_text() + SWITCHED.replace("WORD", str(word(0))))
    for program in build.PROGRAMS:
        build.build_with_linker(program, workspace, workspace / "artifacts", dict(os.environ))
    return mutants


def word(number: int) -> int:
    return int.from_bytes(SWITCH, "little") << 16 | number


def throw(before: int, number: int, workspace: Path) -> None:
    """Makes the workspace's builds the mutant `number`, which were the mutant `before`; also its
    source, from which a test builds arithmetic by itself."""
    for program in build.PROGRAMS:
        path = workspace / "artifacts" / f"{program}.so"
        code, switch = path.read_bytes(), word(before).to_bytes(8, "little")
        assert code.count(switch) == 1, f"{program}: one switch expected"
        path.write_bytes(code.replace(switch, word(number).to_bytes(8, "little")))
    library = workspace / LIBRARY
    library.write_text(library.read_text().replace(str(word(before)), str(word(number))))


def test_files(crates: list[str]) -> list[str]:
    """The tests that may notice mutants of `crates`, the quickest first."""
    files: list[Path] = []
    for kind in ("accounts", "rules", "property"):
        for program in build.PROGRAMS:
            if program in crates or "kit" in crates:
                files.append(TESTS / f"test_{program}_{kind}.py")
    chosen = [str(file) for file in files if file.exists()]
    if "kit" in crates:
        # arithmetic that no instruction takes to its edge
        chosen.append(f"{TESTS / 'test_linker.py'}::test_mul_div")
    return chosen


class Loop:
    """A pytest plugin that runs the tests of each mutant instead of each test once. Every mutant
    has a fork of this process, which has imported and collected what the tests need."""

    def __init__(self, mutants: list[Mutant], workspace: Path):
        self.mutants = mutants
        self.workspace = workspace
        self.thrown = 0
        self.green: set[str] = set()  # tests that are known to pass without a mutant
        self.survivors = 0
        self.failed = False  # in a fork: the test at hand

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for count, mutant in enumerate(self.mutants, 1):
            begin = time.monotonic()
            items = in_turn(mutant, session.items)
            killer = self.first_failure(mutant.number, items)
            if killer and killer.nodeid not in self.green:
                if self.first_failure(0, [killer]):
                    raise SystemExit(f"{killer.nodeid} is red without a mutant")
                self.green.add(killer.nodeid)
            self.survivors += killer is None
            verdict = "killed" if killer else "SURVIVES"
            seconds = time.monotonic() - begin
            where = f"{mutant.path}:{mutant.line}"
            by = f"  by {killer.nodeid.rpartition('/')[2]}" if killer else ""
            line = f"{count:3}/{len(self.mutants)} {verdict:8} {seconds:5.1f} s  {where:45}"
            print(f"{line} {mutant.text}{by}", flush=True)
        return True

    def first_failure(self, number: int, items: list[pytest.Item]) -> pytest.Item | None:
        """Runs `items` on the mutant of that number in a fork, until one fails."""
        throw(self.thrown, number, self.workspace)
        self.thrown = number
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            for index, (item, following) in enumerate(zip(items, [*items[1:], None], strict=True)):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    os.write(writer, str(index).encode())
                    break
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            index = pipe.read()
        if status := os.waitpid(child, 0)[1]:
            raise SystemExit(f"the tests of mutant {number} ended with status {status}")
        return items[int(index)] if index else None


def in_turn(mutant: Mutant, items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests that may notice `mutant`, the likeliest first: of its instruction, with the words
    of the check in their names, with its error in their text."""
    crate, *_, file = Path(mutant.path).parts
    error = mutant.text.rpartition("::")[2].removesuffix(")")
    words = set(WORD.findall(snake(mutant.text)))

    def likelihood(item: pytest.Item) -> int:
        name = item.name.removeprefix("test_")
        found = len(words & set(WORD.findall(snake(name))))
        found += 3 * (Path(file).stem in name)
        return found + 2 * (error in item.name or error in text_of(item))

    mine = [item for item in items if crate == "kit" or item.path.stem.startswith(f"test_{crate}_")]
    return sorted(mine, key=likelihood, reverse=True)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@functools.cache
def text_of(item: pytest.Item) -> str:
    return inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crates", nargs="*", default=["kit", *build.PROGRAMS], metavar="CRATE")
    parser.add_argument("--only", default="", help="see above")
    options = parser.parse_args()
    if not build.has_linker():
        print(build.MISSING)
        return build.NO_TOOLCHAIN
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "solana"
        mutants = [
            mutant
            for mutant in prepare(workspace)
            if mutant.path.split("/")[0] in options.crates and options.only in str(mutant)
        ]
        # the tests read it when they are imported
        os.environ["CHAINFOLD_SOLANA"] = str(workspace)
        os.chdir(REPOSITORY)
        loop = Loop(mutants, workspace)
        crates = sorted({mutant.path.split("/")[0] for mutant in mutants})
        arguments = ["-s", "-p", "no:cacheprovider", "--import-mode=importlib"]
        code = pytest.main([*arguments, *test_files(crates)], plugins=[loop])
        if code != pytest.ExitCode.OK:
            raise SystemExit(f"pytest ended with {code!r}")
    print(f"{len(mutants)} checks, {loop.survivors} without a test")
    return 1 if loop.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
