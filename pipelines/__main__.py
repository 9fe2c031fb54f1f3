"""Opens Dagster for a configuration: ``python -m pipelines``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from indexer import config as configuration
from indexer.errors import ChainfoldError
from pipelines.instance import environment


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), help="chainfold.toml")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def main(file: Path | None, host: str, port: int) -> None:
    """`dagster dev` with its folder beside chainfold.toml and telemetry off."""
    try:
        variables = environment(configuration.load(file))
    except ChainfoldError as error:
        click.echo(f"pipelines: {error}", err=True)
        sys.exit(1)
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions"]
    os.execve(
        sys.executable,
        [*command, "--host", host, "--port", str(port)],
        {**os.environ, **variables},
    )


if __name__ == "__main__":
    main()
