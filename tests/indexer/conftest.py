"""A chain and a configuration for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import anvil as anvils
from support.anvil import Anvil
from support.index import write_config

from indexer import config as configuration


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with anvils.running() as node:
        yield node


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., configuration.Config]:
    """Writes a chainfold.toml for ``anvil`` and ``url`` and reads it."""

    def write(anvil: Anvil, url: str, **changes: str) -> configuration.Config:
        file = tmp_path / f"chainfold-{len(list(tmp_path.iterdir()))}.toml"
        return configuration.load(write_config(file, anvil, url, **changes))

    return write
