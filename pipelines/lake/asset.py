"""The asset `lake`: events and folds for analysts, as Parquet and DuckDB."""

from typing import Any

import dagster as dg

from pipelines import failures
from pipelines.chain_events import chain_events
from pipelines.lake.export import export
from pipelines.project import Project


@dg.asset(
    deps=[chain_events],
    group_name="lake",
    kinds={"duckdb", "parquet"},
    pool="lake",
    description=(
        "chainfold.duckdb over Parquet files of the events, blocks and folds, up to each chain's "
        "highest finalized height without a gap below. Adds only what became final since."
    ),
)
def lake(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    with failures.told(context.retry_number), project.opened() as opened:
        folder = project.lake(opened.config)
        done = export(opened, folder, project.heights_per_range)
    return dg.MaterializeResult(
        metadata={
            "database": dg.MetadataValue.path(str(folder / "chainfold.duckdb")),
            "events": done.events,
            "files written": done.files_written,
            "files removed": done.files_removed,
            **{f"height of {chain}": height for chain, height in done.heights.items()},
        }
    )
