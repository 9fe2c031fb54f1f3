"""A chain and a configuration for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import anvil as anvils
from support.anvil import Anvil

from indexer import config as configuration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with anvils.running() as node:
        yield node


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., configuration.Config]:
    """Writes a chainfold.toml for ``anvil`` and ``url`` and reads it."""

    def write(anvil: Anvil, url: str, **changes: str) -> configuration.Config:
        values = {"rpc": anvil.url, "address": anvil.bets.address, "chain_id": "31337"} | changes
        file = tmp_path / f"chainfold-{len(list(tmp_path.iterdir()))}.toml"
        file.write_text(
            f"""
[database]
url = "{url}"
[chains.anvil]
kind = "evm"
chain_id = {values["chain_id"]}
rpc = ["{values["rpc"]}"]
[[programs]]
name = "bets"
chain = "anvil"
address = "{values["address"]}"
interface = "{ROOT}/programs/interfaces/Bets.abi.json"
[folds]
modules = ["indexer.folds.reference"]
"""
        )
        return configuration.load(file)

    return write
