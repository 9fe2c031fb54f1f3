"""The scenarios that both chains play, on anvil."""

from __future__ import annotations

from typing import Any

import pytest
from onevm.node import Node
from onevm.stage import CONTRACTS, Stage, scenarios

ALL = [(program, scenario) for program in CONTRACTS for scenario in scenarios(program)]


@pytest.mark.parametrize(
    ("program", "scenario"), ALL, ids=[f"{program}-{s['name']}" for program, s in ALL]
)
def test_scenario(node: Node, program: str, scenario: dict[str, Any]) -> None:
    Stage(node, program, scenario).play()
