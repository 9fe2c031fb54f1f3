"""Folders for whole systems."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder outside of pytest's own, which is closed to the user whom Postgres runs as under
    root."""
    with TemporaryDirectory(prefix="chainfold-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
