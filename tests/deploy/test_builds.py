"""The record beside a build: what build.py writes, and what is taken of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from solders.pubkey import Pubkey
from support.deployment import ROOT, built_for

from deploy import builds, solana
from indexer.errors import Fatal

BUILD = ROOT / "programs" / "solana" / "build.py"
# stands for a cargo with Solana's tools
CARGO = """#!/bin/sh
if [ "$2" = --version ]; then
  printf 'solana-cargo-build-sbf 2.1.0\\nplatform-tools v1.43\\n'
  exit 0
fi
while [ $# -gt 0 ]; do
  if [ "$1" = --sbf-out-dir ]; then printf 'built for %s' "$CHAINFOLD_BETS_ID" > "$2/bets.so"; fi
  shift
done
"""


@pytest.mark.parametrize("name", solana.PROGRAMS)
def test_the_committed_builds_have_their_records(name: str) -> None:
    build = builds.program(name)
    interface = json.loads((builds.INTERFACES / f"{name}.idl.json").read_text())
    assert str(build.id) == interface["metadata"]["address"]
    assert build.tool == "sbf-ld"
    assert bytes(build.id) in build.elf


def test_what_cargo_build_sbf_made_is_on_record(tmp_path: Path) -> None:
    cargo = tmp_path / "bin" / "cargo"
    cargo.parent.mkdir()
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    out, address = tmp_path / "out", str(Pubkey.new_unique())
    out.mkdir()
    subprocess.run(
        [sys.executable, BUILD, "bets", "--out", out],
        env=os.environ | {"PATH": f"{cargo.parent}:/usr/bin:/bin", "CHAINFOLD_BETS_ID": address},
        check=True,
    )
    build = builds.program("bets", out)
    assert build.tool == "cargo build-sbf (solana-cargo-build-sbf 2.1.0, platform-tools v1.43)"
    assert build.tool.startswith(builds.PLATFORM_TOOLS)
    assert str(build.id) == address
    assert set(build.constants) == {"CHAINFOLD_BETS_ID"}


def test_a_record_tells_of_the_programs_that_are_read() -> None:
    used = {name: set(builds.program(name).constants) for name in solana.PROGRAMS}
    ids = {name: f"CHAINFOLD_{name.upper()}_ID" for name in solana.PROGRAMS}
    assert used["registry"] == {ids["registry"]}
    assert used["contracts"] == {ids["contracts"], ids["feeds"]}
    assert used["projects"] == {ids["projects"], ids["payouts"]}
    assert used["payouts"] == {ids["payouts"], ids["projects"], ids["feeds"], "CHAINFOLD_CLUSTER"}


def test_a_build_without_its_record_or_changed_since_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"no build at .*bets.so: run programs/solana/build.py bets"):
        builds.program("bets", tmp_path)
    built_for(tmp_path, "bets")
    assert builds.program("bets", tmp_path).name == "bets"
    file, record = tmp_path / "bets.so", tmp_path / "bets.build.json"
    kept = record.read_text()
    record.unlink()
    with pytest.raises(Fatal, match=r"has no record of its build \(bets.build.json\)"):
        builds.program("bets", tmp_path)
    for wrong in ("", "{}", "[]", kept.replace("CHAINFOLD_BETS_ID", "CHAINFOLD_BEST_ID")):
        record.write_text(wrong)
        with pytest.raises(Fatal, match="no record of a build"):
            builds.program("bets", tmp_path)
    record.write_text(kept)
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(Fatal, match=r"is not the file that bets\.build\.json tells of"):
        builds.program("bets", tmp_path)
