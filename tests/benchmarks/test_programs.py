"""benchmarks/programs.py reads the table that programs/solana/CU.md holds."""

from __future__ import annotations

from typing import Any


def test_every_instruction_of_the_table_is_there(benchmark_named: Any) -> None:
    programs = benchmark_named("programs")
    units = programs.solana_units()
    assert {u["program"] for u in units} == {
        "bets", "contracts", "feeds", "payouts", "projects", "registry",
    }  # fmt: skip
    assert ("payouts", "claim", "17 nodes") in {
        (u["program"], u["instruction"], u["case"]) for u in units
    }
    assert all(0 < int(u["rest"]) <= int(u["own"]) <= int(u["all"]) for u in units)
