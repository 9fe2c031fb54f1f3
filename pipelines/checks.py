"""Asset checks: the proofs of `chainfold verify`, on the assets that they hold for."""

import dagster as dg

from indexer import verify
from indexer.status import status
from pipelines import failures
from pipelines.chain_events import chain_events
from pipelines.lake import proof
from pipelines.lake.asset import lake
from pipelines.project import Project


@dg.asset_check(
    asset=chain_events,
    description="Every source is covered from its start to its highest height without a gap.",
)
def no_gaps(context: dg.AssetCheckExecutionContext, project: Project) -> dg.AssetCheckResult:
    with (
        failures.told(context.retry_number),
        project.opened() as opened,
        opened.connect("check") as connection,
    ):
        sources = status(connection, opened.log.into).sources
    return _result(
        [
            verify.Finding(
                f"{s.program} {s.address} on {s.chain}",
                not s.gaps,
                f"{s.start}-{s.highest}"
                + "".join(f", lacks {first}-{last}" for first, last in s.gaps),
            )
            for s in sources
        ]
    )


@dg.asset_check(
    asset=chain_events,
    description="Every entity's events are numbered 1, 2, 3, … without a hole.",
)
def seq_without_holes(
    context: dg.AssetCheckExecutionContext, project: Project
) -> dg.AssetCheckResult:
    with (
        failures.told(context.retry_number),
        project.opened() as opened,
        opened.connect("check") as connection,
    ):
        programs = sorted({b.program for b in opened.schema.bindings})
        findings = [verify.seq_has_no_hole(opened, connection, p) for p in programs]
    return _result(findings)


@dg.asset_check(
    asset=chain_events,
    description="Every fold's table equals GROUP BY over all its events, EXCEPT both ways.",
)
def folds_equal_oracle(
    context: dg.AssetCheckExecutionContext, project: Project
) -> dg.AssetCheckResult:
    with (
        failures.told(context.retry_number),
        project.opened() as opened,
        opened.connect("check") as connection,
    ):
        findings = [verify.fold_is_oracle(opened, connection, f) for f in opened.folds]
    return _result(findings)


@dg.asset_check(
    asset=lake,
    description=(
        "In the lake every fold equals GROUP BY over the lake's events, and its event tables have "
        "as many rows as Postgres at the same height."
    ),
)
def lake_equals_log(
    context: dg.AssetCheckExecutionContext, project: Project
) -> dg.AssetCheckResult:
    with failures.told(context.retry_number), project.opened() as opened:
        findings = proof.prove(opened, project.lake(opened.config))
    return _result(findings)


def _result(findings: list[verify.Finding]) -> dg.AssetCheckResult:
    bad = [f for f in findings if not f.ok]
    return dg.AssetCheckResult(
        passed=not bad,
        description="; ".join(f"{f.what}: {f.detail}" for f in bad) or None,
        metadata={f.what: f.detail for f in findings},
    )
