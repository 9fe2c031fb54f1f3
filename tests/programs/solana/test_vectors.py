"""The scenarios that both chains share (programs/vectors)."""

import json
from pathlib import Path
from typing import Any

import pytest
from onsvm.scenario import RUNNERS, run

VECTORS = Path(__file__).resolve().parents[3] / "programs" / "vectors"


def scenarios() -> list[Any]:
    found: list[Any] = []
    for path in sorted(VECTORS.glob("*.json")):
        document = json.loads(path.read_text())
        assert document["format"] == 1
        if document["program"] in RUNNERS:
            found += [
                pytest.param(document["program"], scenario, id=scenario["name"])
                for scenario in document["scenarios"]
            ]
    return found


@pytest.mark.parametrize(("program", "scenario"), scenarios())
def test_scenario(program: str, scenario: dict[str, Any]) -> None:
    run(program, scenario)
