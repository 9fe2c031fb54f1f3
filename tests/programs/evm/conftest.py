"""Programs on anvil. Shared classes live in the package `onevm` beside this file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from onevm.node import Node


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A real anvil, mining a block for each transaction."""
    with Node() as node:
        yield node
