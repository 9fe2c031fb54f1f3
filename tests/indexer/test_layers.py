"""The one direction of flow: who may import whom, held for every module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "indexer/rpc": ["indexer.chains", "indexer.decode", "indexer.log", "indexer.folds"],
    "indexer/chains": ["indexer.decode", "indexer.log", "indexer.folds"],
    "indexer/decode": ["indexer.rpc", "indexer.log", "indexer.folds", "indexer.store"],
    "indexer/log": ["indexer.rpc", "indexer.folds", "indexer.store"],
    "indexer/folds": ["indexer.rpc", "indexer.log", "indexer.store"],
    "indexer": ["api", "pipelines", "localnet"],
    "api": ["pipelines", "localnet", "indexer.chains", "indexer.follow", "indexer.backfill"],
    "pipelines": ["api", "localnet"],
}


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
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name in imports(file)
        if any(name == f or name.startswith(f + ".") for f in forbidden)
    ]
    assert wrong == []
    assert list((ROOT / folder).rglob("*.py")), "the folder moved: mend this test"
