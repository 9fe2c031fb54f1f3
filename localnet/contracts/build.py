"""Compiles localnet's own contracts: build.py [--check]

Writes NAME.json beside each NAME.sol: {"abi", "bytecode"}, by the same compiler as the programs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOLC = HERE.parents[1] / "programs" / "evm" / "tools" / "solc-js"


def build(source: Path) -> str:
    """The text of the build of ``source``."""
    settings = {
        "optimizer": {"enabled": True, "runs": 200},
        "evmVersion": "cancun",
        "metadata": {"bytecodeHash": "none", "appendCBOR": False},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }
    job = {
        "language": "Solidity",
        "sources": {source.name: {"content": source.read_text("utf-8")}},
        "settings": settings,
    }
    done = subprocess.run(
        [str(SOLC), "--standard-json"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
    if errors:
        sys.exit("".join(errors))
    built = answer["contracts"][source.name][source.stem]
    code = {"abi": built["abi"], "bytecode": "0x" + built["evm"]["bytecode"]["object"]}
    return json.dumps(code, indent=1) + "\n"


def main() -> int:
    stale = 0
    for source in sorted(HERE.glob("*.sol")):
        target = source.with_suffix(".json")
        text = build(source)
        if "--check" not in sys.argv:
            target.write_text(text)
        elif target.read_text("utf-8") != text:
            print(f"{target} is not the build of {source.name}: run {Path(__file__).name}")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
