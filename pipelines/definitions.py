"""Everything Dagster opens: `dagster dev -m pipelines.definitions`."""

import dagster as dg

from pipelines import checks
from pipelines.chain_events import chain_events, finalized_ranges
from pipelines.lake.asset import lake
from pipelines.project import Project

lake_job = dg.define_asset_job(
    "lake_refresh",
    selection=dg.AssetSelection.assets(lake),
    description="Exports what became final since the last export.",
)
rebuild_job = dg.define_asset_job(
    "rebuild",
    selection=dg.AssetSelection.assets(chain_events),
    description="Takes in a span of ranges: the whole history after tables were dropped.",
)

lake_schedule = dg.ScheduleDefinition(
    name="lake_every_quarter_hour",
    job=lake_job,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

defs = dg.Definitions(
    assets=[chain_events, lake],
    asset_checks=[
        checks.no_gaps,
        checks.seq_without_holes,
        checks.folds_equal_oracle,
        checks.lake_equals_log,
    ],
    jobs=[lake_job, rebuild_job],
    sensors=[finalized_ranges],
    schedules=[lake_schedule],
    resources={"project": Project()},
    executor=dg.in_process_executor,
)
