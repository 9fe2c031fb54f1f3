"""The Makefile on a machine that lacks something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    for name in ("Makefile", "package-lock.json"):
        shutil.copy(ROOT / name, folder)
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(
        ["make", "--silent", target],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("version", ["v18.20.0", "none"])
def test_an_old_node_or_none_is_named(tmp_path: Path, version: str) -> None:
    old = tmp_path / "node"
    # Stands for the program as the Makefile asks it: too old for the test, and telling its version.
    answer = "exit 127" if version == "none" else f'[ "$1" = --version ] && echo {version}'
    old.write_text(f"#!/bin/sh\n{answer}\n")
    old.chmod(0o755)
    done = make(tmp_path, "node_modules/.ready")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == f"chainfold needs Node 20 or later, this is {version}"
    assert not (tmp_path / "node_modules").exists()


def test_help_names_the_targets(tmp_path: Path) -> None:
    done = make(tmp_path, "help")
    for target in ("demo", "test", "check", "programs", "mutants", "bench", "bench-NAME"):
        assert f"  make {target} " in done.stdout
