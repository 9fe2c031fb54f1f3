#!/usr/bin/env python3
"""Compile the EVM programs and write what other parts read of them.

    python programs/evm/tools/build.py            # write
    python programs/evm/tools/build.py --check    # compare with what is committed

Writes, for every contract of `PROGRAMS`, `programs/interfaces/<Name>.abi.json` (its ABI), and for
every contract of `PROGRAMS` and `TEST_CONTRACTS`, `programs/evm/artifacts/<Name>.json`:
`{"contract", "source", "compiler", "abi", "bytecode"}`, where `bytecode` is the creation code as
0x-hex, without constructor arguments. The same source gives the same bytes on every machine, so
a chain can be filled without a compiler.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

EVM = Path(__file__).resolve().parents[1]
ROOT = EVM.parents[1]
FORGE = EVM / "tools" / "forge"
PROGRAMS = {
    "Bets": "src/Bets.sol",
    "Contracts": "src/Contracts.sol",
    "Exchange": "src/Exchange.sol",
    "FeedAggregator": "src/FeedAggregator.sol",
    "Feeds": "src/Feeds.sol",
    "Payouts": "src/Payouts.sol",
    "Projects": "src/Projects.sol",
    "Registry": "src/Registry.sol",
}
TEST_CONTRACTS = {
    "Replay": "test/Replay.sol",
    "TestToken": "test/tokens/TestToken.sol",
}


def forge(*args: str) -> None:
    """Run forge on the project, as quietly as it can; end with its status when it fails."""
    result = subprocess.run(
        [FORGE, *args], cwd=EVM, env=os.environ | {"FOUNDRY_DISABLE_NIGHTLY_WARNING": "1"}
    )
    if result.returncode != 0:
        sys.exit(result.returncode)


def outputs() -> dict[Path, str]:
    """The generated files and their text, from forge's output in `out/`."""
    files: dict[Path, str] = {}
    for name, source in (PROGRAMS | TEST_CONTRACTS).items():
        built = json.loads((EVM / "out" / Path(source).name / f"{name}.json").read_text())
        artifact = {
            "contract": name,
            "source": source,
            "compiler": built["metadata"]["compiler"]["version"],
            "abi": built["abi"],
            "bytecode": built["bytecode"]["object"],
        }
        files[EVM / "artifacts" / f"{name}.json"] = text(artifact)
        if name in PROGRAMS:
            files[ROOT / "programs" / "interfaces" / f"{name}.abi.json"] = text(built["abi"])
    return files


def text(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def main(argv: list[str]) -> None:
    check = argv == ["--check"]
    if argv and not check:
        sys.exit(__doc__)
    forge("build", "--quiet")
    stale: list[str] = []
    for path, wanted in outputs().items():
        if path.exists() and path.read_text() == wanted:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted)
    verb = "differs from its source" if check else "written"
    print("\n".join(f"{path}: {verb}" for path in stale) or "EVM builds are current")
    if check and stale:
        sys.exit("run `python programs/evm/tools/build.py` and commit what it writes")


if __name__ == "__main__":
    main(sys.argv[1:])
