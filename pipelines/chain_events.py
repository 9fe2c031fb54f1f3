"""The asset `chain_events`: what the programs emitted, taken in by ranges of finalized heights."""

import warnings
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from indexer.errors import ChainfoldError
from pipelines import failures, ingest
from pipelines.project import Project
from pipelines.ranges import HeightRange, parse

RANGES = "chain_ranges"
_SPAN = 500
"""Ranges in one run at most: the ledger keeps what a run that fails had taken in."""
_UNDER_WAY = dg.RunsFilter(
    tags={"dagster/sensor_name": "finalized_ranges"},
    statuses=[
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)

ranges = dg.DynamicPartitionsDefinition(name=RANGES)

with warnings.catch_warnings():
    # one run takes in many ranges, since each run has a start-up cost of seconds
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.asset(
        partitions_def=ranges,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="chain",
        kinds={"postgres"},
        pool="chain_events",
        description=(
            "Event tables, block rows and folds of one height range (partition CHAIN:FIRST-LAST). "
            "Any order, any number of times: the coverage ledger takes each height in once."
        ),
    )
    def chain_events(
        context: dg.AssetExecutionContext, project: Project
    ) -> dg.MaterializeResult[Any]:
        with failures.told(context.retry_number), project.opened() as opened:
            wanted = [parse(key) for key in context.partition_keys]
            reports = ingest.take_in(opened, wanted, project.last_heights)
        for report in reports.values():
            context.log.info(
                f"{report.chain}: {report.events} events in {report.heights} new heights, "
                f"{report.seconds:.1f} s"
            )
        return dg.MaterializeResult(
            metadata={
                "new events": sum(r.events for r in reports.values()),
                "new heights": sum(r.heights for r in reports.values()),
                "ranges": len(wanted),
            }
        )


@dg.sensor(
    target=[chain_events],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Adds a partition for each range that became final, marks what the ledger has already "
        "(the follower's work) and asks for runs of what it lacks."
    ),
)
def finalized_ranges(
    context: dg.SensorEvaluationContext, project: Project
) -> dg.SensorResult | dg.SkipReason:
    try:
        with project.opened() as opened:
            finalized = ingest.finalized_heights(opened)
            size = project.heights_per_range
            known = set(context.instance.get_dynamic_partitions(RANGES))
            whole = [
                r for r in ingest.ranges_of(opened, finalized, size) if r.last <= finalized[r.chain]
            ]
            done = set(context.instance.get_materialized_partitions(chain_events.key) or ())
            waiting = [r for r in whole if r.key not in done]
            lacking = ingest.lacking(opened, waiting)
    except ChainfoldError as error:
        return dg.SkipReason(str(error))
    if not waiting:
        return dg.SkipReason("every finalized range is in")
    fresh = [r.key for r in waiting if r.key not in known]
    busy = context.instance.get_runs_count(_UNDER_WAY) > 0
    return dg.SensorResult(
        run_requests=[] if busy else [_request(run) for run in _runs(waiting, lacking)],
        dynamic_partitions_requests=[ranges.build_add_request(fresh)] if fresh else [],
        asset_events=[
            dg.AssetMaterialization(
                chain_events.key, partition=r.key, description="taken in by the follower"
            )
            for r in waiting
            if r not in lacking
        ],
    )


def _runs(order: list[HeightRange], lacking: set[HeightRange]) -> list[list[HeightRange]]:
    """Neighbours in ``order`` that are lacking, as runs of ``_SPAN`` ranges at most."""
    runs: list[list[HeightRange]] = []
    joined = False
    for r in order:
        if r not in lacking:
            joined = False
            continue
        if joined and len(runs[-1]) < _SPAN and runs[-1][-1].chain == r.chain:
            runs[-1].append(r)
        else:
            runs.append([r])
        joined = True
    return runs


def _request(run: list[HeightRange]) -> dg.RunRequest:
    first, last = run[0].key, run[-1].key
    return dg.RunRequest(
        # a span whose run failed is asked for again in the next hour, not in the next tick
        run_key=f"{first}…{last} {datetime.now(UTC):%Y-%m-%dT%H}",
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
    )
