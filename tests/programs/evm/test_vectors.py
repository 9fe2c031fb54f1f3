"""The scenarios that both chains play, on anvil."""

from __future__ import annotations

from typing import Any

import pytest
from onevm.node import Node
from onevm.stage import CONTRACTS, VECTORS, Stage, scenarios

PROGRAMS = sorted(path.stem for path in VECTORS.glob("*.json"))
ALL = [(program, scenario) for program in PROGRAMS for scenario in scenarios(program)]


def test_every_program_is_known() -> None:
    assert set(PROGRAMS) <= set(CONTRACTS)


@pytest.mark.parametrize(
    ("program", "scenario"), ALL, ids=[f"{program}-{s['name']}" for program, s in ALL]
)
def test_scenario(node: Node, program: str, scenario: dict[str, Any]) -> None:
    Stage(node, program, scenario).play()
