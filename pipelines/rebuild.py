"""Rebuilds a database from the chains alone, by the same definitions, in one process."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import click
import dagster as dg

from indexer import config as configuration
from indexer import store
from indexer.config import Config
from indexer.errors import ChainfoldError, Fatal
from indexer.log import database
from indexer.log.database import run
from indexer.sql import quote
from pipelines import compare, ingest
from pipelines.chain_events import RANGES
from pipelines.project import Project
from pipelines.ranges import HeightRange


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), help="chainfold.toml")
@click.option("--database-url", help="The database to rebuild into (the configuration's own).")
@click.option("--schema", help="The schema to rebuild into (the configuration's own).")
@click.option("--fresh", is_flag=True, help="Drop that schema first; never the configuration's.")
@click.option("--range-size", type=click.IntRange(1), help="Heights in a partition.")
@click.option("--lake", "with_lake", is_flag=True, help="Export the lake from it afterwards.")
@click.option("--lake-dir", type=click.Path(path_type=Path), help="Where that lake goes.")
@click.option(
    "--compare", "compared", is_flag=True, help="Hold it against the configuration's own."
)
def main(
    file: Path | None,
    database_url: str | None,
    schema: str | None,
    fresh: bool,
    range_size: int | None,
    with_lake: bool,
    lake_dir: Path | None,
    compared: bool,
) -> None:
    """Materialise every partition of `chain_events` up to the chains' finalized heights.

    Exit code 0 when every asset check passed and, with --compare, every table is equal.
    """
    warnings.simplefilter("ignore", dg.BetaWarning)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    try:
        own = configuration.load(file)
        target = Project(
            config_file=str(own.path),
            database_url=database_url,
            database_schema=schema,
            range_size=range_size,
            lake_dir=str(lake_dir) if lake_dir else None,
        )
        ok = rebuild(own, target, fresh=fresh, with_lake=with_lake, compared=compared)
    except ChainfoldError as error:
        click.echo(f"rebuild: {error}", err=True)
        sys.exit(1)
    sys.exit(0 if ok else 1)


def rebuild(
    own: Config, target: Project, *, fresh: bool = False, with_lake: bool = False, compared: bool
) -> bool:
    """Runs the job over every range; prints what it did. Whether all checks passed.

    ``own`` is the configuration as it is, ``target`` the project with the database to fill.
    """
    into = target.load()
    same = (into.database.url, into.database.schema) == (own.database.url, own.database.schema)
    if same and (fresh or compared):
        raise Fatal(
            "--fresh and --compare need another database than the configuration's own: name one "
            "with --database-url or --schema"
        )
    with _server(own, into):
        if fresh:
            _drop(into)
        with target.opened() as opened:
            heights = ingest.finalized_heights(opened)
            if compared:
                with store.opened(own) as other:
                    heights = _both(heights, compare.covered(other))
            ranges = ingest.ranges_of(opened, heights, target.heights_per_range)
        if not ranges:
            raise Fatal("no chain has a finalized height above its programs' start yet")
        click.echo(
            f"rebuild: {len(ranges)} ranges into schema {into.database.schema} of {_place(into)}, "
            + ", ".join(f"{chain} to {height}" for chain, height in heights.items())
        )
        ok = _materialise(target.model_copy(update={"last_heights": heights}), ranges, with_lake)
        if compared:
            with target.opened() as mine, store.opened(own) as other:
                for finding in compare.equal(mine, other, heights):
                    ok &= finding.ok
                    _say(finding.ok, f"{finding.what}: {finding.detail}")
    return ok


def _both(finalized: dict[str, int], covered: dict[str, int]) -> dict[str, int]:
    """Heights that are final and that the configuration's own database has too."""
    for chain in finalized:
        if covered.get(chain, -1) < 0:
            raise Fatal(
                f"{chain}: the configuration's database has nothing to compare with: run "
                "`chainfold index --once` first"
            )
    return {chain: min(height, covered[chain]) for chain, height in finalized.items()}


def _materialise(target: Project, ranges: list[HeightRange], with_lake: bool) -> bool:
    from pipelines.definitions import defs

    started = monotonic()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(RANGES, [r.key for r in ranges])
        steps: list[tuple[str, dict[str, str]]] = [
            (
                "rebuild",
                {
                    "dagster/asset_partition_range_start": ranges[0].key,
                    "dagster/asset_partition_range_end": ranges[-1].key,
                },
            )
        ]
        if with_lake:
            steps.append(("lake_refresh", {}))
        ok = True
        for job, tags in steps:
            result = defs.resolve_job_def(job).execute_in_process(
                run_config=_run_config(target),
                instance=instance,
                tags=tags,
                raise_on_error=False,
            )
            if not result.success:
                raise Fatal(_why(result))
            for event in result.get_asset_materialization_events()[-1:]:
                told = event.materialization.metadata
                click.echo(
                    f"  {event.asset_key.to_user_string() if event.asset_key else job}: "
                    + ", ".join(f"{name} {value.value}" for name, value in told.items())
                )
            for check in result.get_asset_check_evaluations():
                ok &= check.passed
                if not check.passed:
                    _say(False, f"{check.check_name}: {check.description}")
                    continue
                for name, value in check.metadata.items():
                    _say(True, f"{check.check_name}: {name}: {value.value}")
    click.echo(f"rebuild: done in {monotonic() - started:.1f} s")
    return ok


def _why(result: dg.ExecuteInProcessResult) -> str:
    """The line that the failed step told."""
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return data.user_failure_data.description
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return " ".join(error.message.split(": ", 1)[-1].split())
    return "the run failed: see its log in Dagster"


def _run_config(target: Project) -> dict[str, Any]:
    return {
        "resources": {"project": {"config": target.model_dump(exclude_none=True)}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


@contextmanager
def _server(*configs: Config) -> Generator[None]:
    """Keeps an embedded server up between the steps."""
    embedded = next((c for c in configs if c.database.url is None), None)
    if embedded is None:
        yield
        return
    with database.serve(embedded.database):
        yield


def _drop(into: Config) -> None:
    with (
        database.serve(into.database) as url,
        database.translated(),
        database.connect(url, name="chainfold rebuild") as connection,
    ):
        run(connection, f"DROP SCHEMA IF EXISTS {quote(into.database.schema)} CASCADE")


def _place(into: Config) -> str:
    url = into.database.url
    return database.safe(url) if url else f"the embedded Postgres in {into.database.data_dir}"


def _say(ok: bool, what: str) -> None:
    click.echo(f"  {'ok  ' if ok else 'FAIL'} {what}")


if __name__ == "__main__":
    main()
