"""Contracts of the tests, compiled by the compiler of the programs."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@cache
def compiled(source: Path) -> dict[str, Any]:
    """Every contract of ``source`` by name: its ``abi`` and ``bytecode`` (0x-hex)."""
    settings = {
        "evmVersion": "cancun",
        "remappings": [f"@openzeppelin/={ROOT}/node_modules/@openzeppelin/"],
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }
    job = {
        "language": "Solidity",
        "sources": {source.name: {"content": source.read_text("utf-8")}},
        "settings": settings,
    }
    done = subprocess.run(
        [ROOT / "programs/evm/tools/solc-js", "--standard-json"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
    assert not errors, errors
    return {
        name: {"abi": c["abi"], "bytecode": "0x" + c["evm"]["bytecode"]["object"]}
        for name, c in answer["contracts"][source.name].items()
    }
