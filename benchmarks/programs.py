"""What the programs' calls cost, beside what does nearly the same with less.

python benchmarks/programs.py

EVM: gas of whole transactions, measured anew by `forge` (profile gas), beside contracts of
benchmarks/programs/ compiled by the same compiler in the same run. Solana: the compute units of
programs/solana/CU.md, which its test holds to the unit, beside their aim. The last line is JSON:
{"evm": {program: {call: gas}}, "solana": [{"program", "instruction", "case", "all", "own",
"skipped", "rest", "aim"}], "anchors": [{"program", "call", "gas", "anchor", "anchor_gas"}]}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVM = ROOT / "programs" / "evm"
CU = ROOT / "programs" / "solana" / "CU.md"

# The aim for what an instruction uses itself, without its calls.
OWN_CU = 2000
# All of a deposit into the smallest vault that we could write: one transfer, one event.
VAULT_DEPOSIT_CU = 2787

# (program, call) and what stands beside it: (program, call).
ANCHORS = {
    ("Bets", "place, new position"): ("Anchors", "ERC-4626 vault, deposit, new share"),
    ("Bets", "place, same position"): ("Anchors", "ERC-4626 vault, deposit, same share"),
    ("Bets", "claim"): ("Anchors", "ERC-4626 vault, redeem"),
    ("Contracts", "propose"): ("Anchors", "plain escrow, propose"),
    ("Contracts", "sign"): ("Anchors", "plain escrow, sign"),
    ("Contracts", "fund, buyer"): ("Anchors", "plain escrow, fund, buyer"),
    ("Contracts", "fund, seller"): ("Anchors", "plain escrow, fund, seller"),
    ("Contracts", "settle"): ("Anchors", "plain escrow, release"),
    ("Contracts", "withdraw"): ("Anchors", "plain escrow, withdraw"),
    ("Payouts", "claim, 100,000 leaves"): (
        "Payouts",
        "plain merkle distributor, claim, 100,000 leaves",
    ),
}


def evm_gas() -> dict[str, dict[str, int]]:
    """Gas of each call of each program's `test_gas`, by program and call."""
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {
            "FOUNDRY_PROFILE": "gas",
            "FOUNDRY_SNAPSHOTS": folder,
            "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
        }
        run = subprocess.run(
            [EVM / "tools" / "forge", "test"], cwd=EVM, env=env, capture_output=True, text=True
        )
        if run.returncode != 0:
            sys.exit(f"forge could not measure gas:\n{run.stdout[-4000:]}{run.stderr[-4000:]}")
        return {
            file.stem: {call: int(gas) for call, gas in json.loads(file.read_text()).items()}
            for file in sorted(Path(folder).glob("*.json"))
        }


def solana_units() -> list[dict[str, str | int]]:
    """Rows of CU.md's first table; what its columns mean is said there."""
    rows: list[dict[str, str | int]] = []
    for line in CU.read_text().partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells or cells[0] == "program" or cells[0].startswith("-"):
            continue
        program, instruction, case, *units = cells
        everything, own, skipped, rest = (int(cell.replace(",", "")) for cell in units)
        rows.append(
            {
                "program": program,
                "instruction": instruction,
                "case": case,
                "all": everything,
                "own": own,
                "skipped": skipped,
                "rest": rest,
                "aim": OWN_CU,
            }
        )
    return rows


def main() -> None:
    gas = evm_gas()
    beside = [
        {
            "program": program,
            "call": call,
            "gas": gas[program][call],
            "anchor": anchor,
            "anchor_gas": gas[source][anchor],
        }
        for (program, call), (source, anchor) in ANCHORS.items()
    ]
    print("EVM: gas of a transaction (21,000 and calldata included)\n")
    print(f"{'program':<10} {'call':<44} {'gas':>9}  {'beside':>9} {'more':>8}  what stands beside")
    for program, calls in gas.items():
        for call, used in calls.items():
            anchor = ANCHORS.get((program, call))
            line = f"{program:<10} {call:<44} {used:>9,}"
            if anchor is not None:
                other = gas[anchor[0]][anchor[1]]
                line += f"  {other:>9,} {used - other:>+8,}  {anchor[1]}"
            print(line)
    units = solana_units()
    print("\nSolana: compute units (own: without calls to other programs and for the event; rest:")
    print("own without skipped bumps and a proof's hashes; see programs/solana/CU.md)\n")
    print(
        f"{'program':<10} {'instruction':<18} {'case':<28} {'all':>8} {'own':>7} {'rest':>7} "
        f"{'aim':>7}"
    )
    for row in units:
        print(
            f"{row['program']:<10} {row['instruction']:<18} {row['case']:<28} "
            f"{row['all']:>8,} {row['own']:>7,} {row['rest']:>7,} {row['aim']:>7,}"
        )
    print(f"beside: a deposit into the smallest vault uses {VAULT_DEPOSIT_CU:,} in all")
    print(json.dumps({"evm": gas, "solana": units, "anchors": beside}))


if __name__ == "__main__":
    main()
