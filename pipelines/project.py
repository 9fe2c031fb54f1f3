"""The resource that every asset asks: which configuration, where the lake lies."""

import dataclasses
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field

from indexer import config, store
from indexer.config import Config
from indexer.errors import Fatal
from indexer.store import Store

RANGE_SIZE = 10_000
"""Heights in a partition: a day and a half of an EVM chain's 12 s blocks, an hour of slots."""


class Project(dg.ConfigurableResource[None]):
    """One chainfold.toml as the pipelines see it.

    What is left empty comes from the environment (``CHAINFOLD_CONFIG``, ``DATABASE_URL``,
    ``CHAINFOLD_RANGE_SIZE``, ``CHAINFOLD_LAKE``), else from chainfold.toml beside which the lake
    then lies, in ``.chainfold/lake``.
    """

    config_file: str | None = Field(default=None, description="chainfold.toml to work with")
    database_url: str | None = Field(default=None, description="stands above the file's own")
    database_schema: str | None = Field(default=None, description="stands above the file's own")
    range_size: int | None = Field(
        default=None, description="heights in a partition and in a Parquet file", gt=0
    )
    last_heights: dict[str, int] = Field(
        default_factory=dict, description="take in no height above these, by chain"
    )
    lake_dir: str | None = Field(default=None, description="where Parquet and DuckDB files go")

    def load(self) -> Config:
        """Reads the configuration; raises Fatal with the key and the mend."""
        loaded = config.load(self.config_file)
        database = loaded.database
        if self.database_url is not None:
            database = dataclasses.replace(database, url=self.database_url)
        if self.database_schema is not None:
            database = dataclasses.replace(database, schema=self.database_schema)
        return dataclasses.replace(loaded, database=database)

    @contextmanager
    def opened(self) -> Generator[Store]:
        """The store, ready to read and write."""
        with store.opened(self.load()) as opened:
            yield opened

    @property
    def heights_per_range(self) -> int:
        """Of a partition, and of a full Parquet file."""
        named = os.environ.get("CHAINFOLD_RANGE_SIZE") or str(RANGE_SIZE)
        if self.range_size is None and (not named.isdecimal() or int(named) == 0):
            raise Fatal(f"CHAINFOLD_RANGE_SIZE is {named!r}: give it a number of heights above 0")
        return self.range_size or int(named)

    def lake(self, loaded: Config) -> Path:
        """The lake's folder."""
        named = self.lake_dir or os.environ.get("CHAINFOLD_LAKE")
        return Path(named).resolve() if named else loaded.path.parent / ".chainfold" / "lake"
