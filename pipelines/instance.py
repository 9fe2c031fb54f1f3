"""Dagster's own folder: settings that make it quiet, local and bounded."""

from __future__ import annotations

from pathlib import Path

from indexer.config import Config

_SETTINGS = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
  pools:
    default_limit: 1
run_monitoring:
  enabled: true
retention:
  sensor:
    purge_after_days: 1
  schedule:
    purge_after_days: 30
"""
"""A pool of one keeps the lake at one writer; two runs leave processors to the follower."""


def home(config: Config) -> Path:
    """``.chainfold/dagster`` beside chainfold.toml, made where it is missing.

    A dagster.yaml that is there already is the user's and stays.
    """
    folder = config.path.parent / ".chainfold" / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_SETTINGS, "utf-8")
    return folder


def environment(config: Config) -> dict[str, str]:
    """Variables for a ``dagster`` or ``dagster-webserver`` process that serves ``config``."""
    variables = {
        "DAGSTER_HOME": str(home(config)),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "CHAINFOLD_CONFIG": str(config.path),
        "GRPC_VERBOSITY": "ERROR",  # else each fork of a run is told
        # its successor `dg dev` needs packages that can't be installed beside ours
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded",
    }
    if config.database.url is not None:
        variables["DATABASE_URL"] = config.database.url
    return variables
