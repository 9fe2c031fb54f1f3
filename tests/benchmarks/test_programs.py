"""benchmarks/programs.py reads the table that programs/solana/CU.md holds."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_instruction_of_the_table_is_there() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import programs
    finally:
        sys.path.remove(str(BENCHMARKS))
        del sys.modules["programs"]
    units = programs.solana_units()
    assert {u["program"] for u in units} == {
        "bets", "contracts", "feeds", "payouts", "projects", "registry",
    }  # fmt: skip
    assert ("payouts", "claim", "17 nodes") in {
        (u["program"], u["instruction"], u["case"]) for u in units
    }
    assert all(0 < int(u["rest"]) <= int(u["own"]) <= int(u["all"]) for u in units)
