"""The one direction of flow: who may import whom, held for every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.config import load
from indexer.errors import Fatal

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "indexer/rpc": ["indexer.chains", "indexer.decode", "indexer.log", "indexer.folds"],
    "indexer/chains": ["indexer.decode", "indexer.log", "indexer.folds"],
    "indexer/decode": ["indexer.rpc", "indexer.log", "indexer.folds", "indexer.store"],
    "indexer/log": ["indexer.rpc", "indexer.folds", "indexer.store"],
    "indexer/folds": ["indexer.rpc", "indexer.log", "indexer.store"],
    "indexer": ["api", "pipelines", "localnet", "deploy"],
    "api": [
        "pipelines", "localnet", "deploy", "indexer.chains", "indexer.follow",
        "indexer.backfill",
    ],
    "pipelines": ["api", "localnet", "deploy", "pipelines.keeper"],
    "pipelines/keeper": ["localnet", "dagster"],
    "deploy": [
        "api", "pipelines", "localnet", "indexer.chains", "indexer.decode", "indexer.log",
        "indexer.folds", "indexer.store",
    ],
}  # fmt: skip
APART = {"pipelines": "pipelines/keeper"}
"""The keeper builds what the API builds; nothing else of pipelines does, or knows the keeper."""


def imports(file: Path) -> set[str]:
    """Modules that ``file`` names, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize(("folder", "forbidden"), FORBIDDEN.items())
def test_no_arrow_goes_back(folder: str, forbidden: list[str]) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files(folder)
        for name in imports(file)
        if any(name == f or name.startswith(f + ".") for f in forbidden)
    ]
    assert wrong == []
    assert files(folder), "the folder moved: mend this test"


def files(folder: str) -> list[Path]:
    apart = APART.get(folder)
    return [
        file
        for file in sorted((ROOT / folder).rglob("*.py"))
        if apart is None or not file.is_relative_to(ROOT / apart)
    ]


def test_the_keeper_takes_builders_and_keys_and_nothing_else() -> None:
    named = {n for f in files("pipelines/keeper") for n in imports(f)}
    taken = {n for n in named if n.split(".")[0] in ("api", "deploy")} - {"deploy"}
    assert "deploy.key" in taken
    wanted = ("api.tx", "api.problem", "deploy.key")
    assert {n for n in taken if not n.startswith(wanted)} == set()


def test_the_api_cannot_reach_what_reads_keys() -> None:
    """Once everything of it is loaded, none of the code that reads or uses a key is."""
    wrong = "m.split('.')[0] == 'deploy' or m.startswith('pipelines.keeper')"
    script = f"import sys, api.app, api.cli; print([m for m in sys.modules if {wrong}])"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "[]"


def test_the_configuration_that_the_api_reads_has_no_place_for_a_key(tmp_path: Path) -> None:
    file = tmp_path / "chainfold.toml"
    file.write_text((ROOT / "chainfold.toml").read_text() + '\n[keeper]\nkey = "a.key"\n')
    with pytest.raises(Fatal, match="unknown key 'keeper'"):
        load(file)
