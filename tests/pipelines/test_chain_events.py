"""`chain_events`: partitions in any order, and twice, give the tables of one pass in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from indexer import store
from indexer.errors import Fatal, Retryable
from indexer.follow import Follower
from pipelines import compare, failures, ingest
from pipelines.chain_events import RANGES, chain_events, finalized_ranges
from pipelines.definitions import defs
from pipelines.project import Project
from pipelines.ranges import HeightRange

Projects = Callable[[], Project]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def all_ranges(project: Project) -> list[HeightRange]:
    with project.opened() as opened:
        finalized = ingest.finalized_heights(opened)
        return ingest.ranges_of(opened, finalized, project.heights_per_range)


def whole_ranges(project: Project) -> list[HeightRange]:
    """Those that are final to their last height."""
    with project.opened() as opened:
        finalized = ingest.finalized_heights(opened)
    return [r for r in all_ranges(project) if r.last <= finalized[r.chain]]


def take(
    instance: dg.DagsterInstance, project: Project, ranges: Sequence[HeightRange]
) -> dg.ExecuteInProcessResult:
    """One run over neighbours."""
    instance.add_dynamic_partitions(RANGES, [r.key for r in ranges])
    return defs.resolve_job_def("rebuild").execute_in_process(
        instance=instance,
        run_config={
            "resources": {"project": {"config": project.model_dump(exclude_none=True)}},
            "loggers": {"console": {"config": {"log_level": "ERROR"}}},
        },
        tags={
            "dagster/asset_partition_range_start": ranges[0].key,
            "dagster/asset_partition_range_end": ranges[-1].key,
        },
        raise_on_error=False,
    )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {c.check_name: c.passed for c in result.get_asset_check_evaluations()}


def follow(project: Project) -> None:
    with project.opened() as opened:
        asyncio.run(Follower(opened, "anvil", lambda _: None, once=True).run())


def unequal(a: Project, b: Project) -> list[str]:
    with a.opened() as mine, b.opened() as other:
        findings = compare.equal(mine, other, compare.covered(mine))
    assert len(findings) > 10
    return [f"{f.what}: {f.detail}" for f in findings if not f.ok]


def rows(project: Project, query: str) -> list[Any]:
    with project.opened() as opened, opened.connect("test") as connection:
        connection.execute(f"SET search_path TO {opened.log.into}")  # type: ignore[arg-type]
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_one_run_over_all_ranges_is_what_the_follower_makes(
    instance: dg.DagsterInstance, project: Projects
) -> None:
    rebuilt, followed = project(), project()
    ranges = all_ranges(rebuilt)
    assert len(ranges) > 5
    result = take(instance, rebuilt, ranges)
    assert result.success
    assert checks(result) == dict.fromkeys(
        ("no_gaps", "seq_without_holes", "folds_equal_oracle"), True
    )
    follow(followed)
    assert unequal(rebuilt, followed) == []
    assert rows(rebuilt, "SELECT count(*) FROM bets_bet_placed") == [(24,)]
    assert rows(rebuilt, "SELECT count(*) FROM markets WHERE status = 2") == [(2,)]
    assert instance.get_materialized_partitions(chain_events.key) == {r.key for r in ranges}


def test_any_order_and_twice_give_the_same_tables(
    instance: dg.DagsterInstance, project: Projects
) -> None:
    in_order, shuffled = project(), project()
    ranges = all_ranges(in_order)
    assert take(instance, in_order, ranges).success
    order = ranges * 2
    random.Random(7).shuffle(order)
    with shuffled.opened() as opened:
        for r in order:
            ingest.take_in(opened, [r])
    assert unequal(shuffled, in_order) == []
    assert unequal(in_order, shuffled) == []


def test_a_range_is_one_partition_of_dagster_too(
    instance: dg.DagsterInstance, project: Projects
) -> None:
    late = project()
    ranges = all_ranges(late)
    result = take(instance, late, ranges[3:4])
    assert result.success
    assert instance.get_materialized_partitions(chain_events.key) == {ranges[3].key}
    assert checks(result)["folds_equal_oracle"]
    # what lies before it is not in: its entities' seq can't begin with 1
    assert not checks(result)["seq_without_holes"]
    assert take(instance, late, ranges).success
    assert unequal(late, late) == []


def test_checks_see_what_is_missing(instance: dg.DagsterInstance, project: Projects) -> None:
    damaged = project()
    ranges = all_ranges(damaged)
    assert take(instance, damaged, ranges).success
    with damaged.opened() as opened, opened.connect("test") as connection:
        connection.execute(f"SET search_path TO {opened.log.into}")  # type: ignore[arg-type]
        connection.execute(
            "DELETE FROM bets_bet_placed WHERE pos = (SELECT min(pos) FROM bets_bet_placed)"
        )
        connection.execute(
            "INSERT INTO coverage SELECT source, int8range(upper(heights) + 5, "
            "upper(heights) + 9) FROM coverage"
        )
    result = take(instance, damaged, ranges)
    assert result.success
    assert checks(result) == dict.fromkeys(
        ("no_gaps", "seq_without_holes", "folds_equal_oracle"), False
    )


def test_the_sensor_adds_final_ranges_and_asks_for_what_is_lacking(
    instance: dg.DagsterInstance, project: Projects
) -> None:
    seen = project()
    whole = whole_ranges(seen)
    tick = sense(instance, seen)
    assert [p.partition_keys for p in tick.dynamic_partitions_requests] == [[r.key for r in whole]]
    (request,) = tick.run_requests
    assert request.tags["dagster/asset_partition_range_start"] == whole[0].key
    assert request.tags["dagster/asset_partition_range_end"] == whole[-1].key
    assert tick.asset_events == []
    assert take(instance, seen, whole).success
    assert isinstance(sense(instance, seen), dg.SkipReason)


def test_the_sensor_marks_what_the_follower_took_in(
    instance: dg.DagsterInstance, project: Projects
) -> None:
    followed = project()
    follow(followed)
    tick = sense(instance, followed)
    assert tick.run_requests == []
    assert [e.partition for e in tick.asset_events] == [r.key for r in whole_ranges(followed)]


def test_the_sensor_waits_for_a_run_that_is_under_way(
    instance: dg.DagsterInstance, project: Projects
) -> None:
    instance.create_run_for_job(
        defs.resolve_job_def("rebuild"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/sensor_name": "finalized_ranges"},
    )
    assert sense(instance, project()).run_requests == []


def sense(instance: dg.DagsterInstance, project: Project) -> Any:
    context = dg.build_sensor_context(instance=instance, resources={"project": project})
    return finalized_ranges(context)


def test_a_wrong_chain_fails_with_one_line_and_no_retry(
    instance: dg.DagsterInstance, project: Projects, config_file: Path
) -> None:
    wrong = project()
    text = config_file.read_text("utf-8").replace("chain_id = 31337", "chain_id = 1")
    config_file.write_text(text, "utf-8")
    result = take(instance, wrong, [HeightRange("anvil", 0, 7)])
    assert not result.success
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "31337" in (told.description or "")
    assert "\n" not in (told.description or "")


def test_what_may_pass_asks_for_a_retry_in_the_time_that_was_told() -> None:
    def limited() -> None:
        with failures.told(retry_number=2):
            raise Retryable("anvil: too many requests", after=3.5)

    with pytest.raises(dg.RetryRequested) as asked:
        limited()
    assert asked.value.seconds_to_wait == 3.5
    assert asked.value.max_retries == failures.ATTEMPTS


def test_an_unknown_chain_is_named(project: Projects) -> None:
    with project().opened() as opened, pytest.raises(Fatal, match="no chain 'sepolia'"):
        ingest.take_in(opened, [HeightRange("sepolia", 0, 9)])


def test_store_of_a_project_is_the_one_named(project: Projects) -> None:
    named = project()
    with named.opened() as opened:
        assert isinstance(opened, store.Store)
        assert opened.url == named.database_url
