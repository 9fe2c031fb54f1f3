"""The linker: what the torture program computes on chain is what Python computes; builds repeat."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from onsvm.chain import ARTIFACTS, PROGRAMS, SOLANA
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction
from solders.transaction_metadata import FailedTransactionMetadata

sys.path.insert(0, str(SOLANA))
sys.path.insert(0, str(SOLANA / "tools"))
import build
import lower_ir

U64 = 2**64 - 1
FAILS = None

needs_toolchain = pytest.mark.skipif(
    not build.has_linker() or build.has_platform_tools(),
    reason="needs Debian's rustc-web, libstd-rust-web-dev-bpf and llvm-22",
)


def compile_to(out: Path, *crates: str, source: Path = SOLANA, target: Path) -> None:
    command = [sys.executable, str(SOLANA / "build.py"), *crates, "--out", str(out)]
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run([*command, "--source", str(source)], env=environment, check=True)


@needs_toolchain
def test_committed_builds_are_the_sources(tmp_path: Path) -> None:
    """Built in another folder, from a copy: the same bytes as artifacts/."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("target", "artifacts", "__pycache__")
    shutil.copytree(SOLANA, source, ignore=ignored)
    compile_to(tmp_path / "out", *PROGRAMS, source=source, target=tmp_path / "target")
    for program in PROGRAMS:
        built = (tmp_path / "out" / f"{program}.so").read_bytes()
        assert built == (ARTIFACTS / f"{program}.so").read_bytes(), f"rebuild {program}: build.py"


@needs_toolchain
def test_program_id_at_build_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHAINFOLD_BETS_ID puts another id in place of the default."""
    other = Pubkey.new_unique()
    monkeypatch.setenv("CHAINFOLD_BETS_ID", str(other))
    compile_to(tmp_path, "bets", target=SOLANA / "target" / "other-id")
    assert (tmp_path / "bets.so").read_bytes() != (ARTIFACTS / "bets.so").read_bytes()


# ---- torture ----


class Torture:
    def __init__(self, program: Path):
        self.svm = LiteSVM().with_sigverify(False)
        self.payer = Keypair.from_seed(bytes([7]) * 32)
        self.svm.airdrop(self.payer.pubkey(), 10**12)
        self.address = Pubkey.new_unique()
        self.svm.add_program(self.address, program.read_bytes())

    def run(self, opcode: int, *words: int) -> int | None:
        """The result; FAILS when the program did."""
        x, y, z = (*words, 0, 0, 0)[:3]
        data = bytes([opcode]) + b"".join((w & U64).to_bytes(8, "little") for w in (x, y, z))
        self.svm.expire_blockhash()
        budget = set_compute_unit_limit(1_400_000)
        instructions = [budget, Instruction(self.address, data, [])]
        message = Message(instructions, self.payer.pubkey())
        hash_ = self.svm.latest_blockhash()
        result = self.svm.send_transaction(Transaction([self.payer], message, hash_))
        if isinstance(result, FailedTransactionMetadata):
            return FAILS
        # return data loses its trailing zeros
        return int.from_bytes(result.return_data().data, "little")


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    if not build.has_linker() or build.has_platform_tools():
        pytest.skip("needs Debian's rustc-web, libstd-rust-web-dev-bpf and llvm-22")
    out = tmp_path_factory.mktemp("torture")
    compile_to(out, "torture", target=SOLANA / "target")
    return Torture(out / "torture.so")


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def truncated(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def text(x: int, y: int) -> int:
    first = list(bytes([10]) + x.to_bytes(8, "little"))[:3]
    return sum(f"x={x} y={y:#x} {first}".encode())


def bytes_of(opcode: int, x: int, y: int) -> bytes:
    return bytes([opcode]) + x.to_bytes(8, "little") + y.to_bytes(8, "little") + bytes(8)


def squares(x: int) -> int | None:
    values = sorted(i * i % 17 for i in range(x))
    return sum(values) + values[x // 2] if x else FAILS


def slots(x: int) -> int:
    last = {i * 7 % 13: i for i in range(x)}
    return sum(key * value for key, value in last.items())


def dispatched(x: int, y: int) -> int | None:
    value = x + y if y % 2 == 0 else x * y
    return value if value <= U64 else FAILS


TWO_WORDS = {
    0: lambda x, y: (x * y & U64) ^ (x // (y | 1)),
    2: lambda x, y: 1007 if y == 0 else x % y,
    3: lambda x, y: x ^ (y * 3 & U64) ^ (x * 5 & U64) ^ (y - 7 & U64),
    4: lambda x, y: x * y >> 64,
    5: lambda x, y: ((x << 64 | y) // 1_000_003) & U64,
    6: lambda x, y: FAILS if y == 0 else truncated(signed(x), signed(y)) & U64,
    7: lambda x, y: (signed(signed(x, 32) * signed(y, 32), 32) >> 3) & U64,
    8: dispatched,
    10: text,
    15: lambda x, y: (signed(x) * signed(y) >> 32) & U64,
}
ONE_WORD = {
    1: lambda x: x if x <= 25 else FAILS,
    9: lambda x: squares(x % 40),
    11: lambda x: slots(x % 40),
    12: lambda x: bytes_of(12, x, 0)[x] if x < 25 else FAILS,
    17: lambda x: sum(x.to_bytes(8, "little")) * x if x < 40 else FAILS,
}


def words() -> list[int]:
    """Edges and random numbers of all sizes."""
    choose = random.Random(5)
    edges = [0, 1, 2, 3, 25, 26, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, U64]
    return edges + [choose.getrandbits(choose.choice((8, 16, 32, 33, 63, 64))) for _ in range(11)]


@pytest.mark.parametrize("opcode", TWO_WORDS)
def test_two_words(torture: Torture, opcode: int) -> None:
    for x in words():
        for y in words():
            assert torture.run(opcode, x, y) == TWO_WORDS[opcode](x, y), (opcode, hex(x), hex(y))


@pytest.mark.parametrize("opcode", ONE_WORD)
def test_one_word(torture: Torture, opcode: int) -> None:
    for x in words():
        given = x % 40 if opcode in (9, 11, 17) else x
        wanted = ONE_WORD[opcode](given)
        assert torture.run(opcode, given) == wanted, (opcode, hex(x))


def test_compare_bytes(torture: Torture) -> None:
    """Slices of known and unknown length, equal and not."""
    for length in (*range(24), 25, 26):
        data = bytes_of(16, length, 0)
        wanted = FAILS if length >= 25 else int(data[:length] == data[1 : length + 1])
        assert torture.run(16, length) == wanted, length


def triples() -> Iterator[tuple[int, int, int]]:
    """For a × b / c and (a << 64 | b) / c; with the divisors at which a quotient digit's first
    guess is too large."""
    choose = random.Random(11)
    edges = [0, 1, 2, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**63 + 1, U64 - 1, U64]
    for a in edges:
        for b in edges:
            for c in edges:
                yield a, b, c
    for _ in range(1500):
        a, b, c = (choose.getrandbits(choose.randint(1, 64)) for _ in range(3))
        yield a, b, c
        yield a, c, max(a, 1)  # (a·c)/a = c
        yield a, b, (a * b >> 64) + choose.randint(0, 1) & U64


def test_mul_div(torture: Torture) -> None:
    """G-1: floor(a × b / c), refused when it does not fit or c is 0."""
    for a, b, c in triples():
        fits = c != 0 and a * b // c <= U64
        assert torture.run(13, a, b, c) == (a * b // c if fits else FAILS), (a, b, c)


def test_wide_division(torture: Torture) -> None:
    for a, b, c in list(triples())[:2000]:
        wanted = (a << 64 | b) // c & U64 if c else FAILS
        assert torture.run(14, a, b, c) == wanted, (a, b, c)


# ---- what it refuses ----


def test_recursion_with_many_arguments_is_left_for_llc_to_refuse() -> None:
    ir = (
        "define internal i64 @f(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f) #0 {\n}\n"
        "attributes #0 = { alwaysinline nounwind }\n"
    )
    assert lower_ir.inline_unpassable(ir) == (ir, 0)


def test_signed_wide_division_is_refused() -> None:
    with pytest.raises(SystemExit, match="signed 128-bit division"):
        lower_ir.lower(" %r = sdiv i128 %a, %b\n")
