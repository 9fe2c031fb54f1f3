"""A Solana node of ours with all of the programs at their usual addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.deployment import Node, solana_node


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    yield from solana_node("litesvm", tmp_path_factory.mktemp("local"))
