"""The queries of docs/pipelines.md answer on a real lake."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from pipelines import ingest
from pipelines.lake.export import export
from pipelines.project import Project
from pipelines.ranges import HeightRange

DOCS = Path(__file__).resolve().parents[2] / "docs" / "pipelines.md"


def test_every_query_answers(project: Callable[[], Project]) -> None:
    p = project()
    with p.opened() as opened:
        ingest.take_in(opened, [HeightRange("anvil", 0, ingest.finalized_heights(opened)["anvil"])])
        export(opened, Path(str(p.lake_dir)), p.heights_per_range)
    queries = re.findall(r"```sql\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert len(queries) == 4
    with duckdb.connect(f"{p.lake_dir}/chainfold.duckdb", read_only=True) as lake:
        weeks, right, odds, past = (lake.execute(q).fetchall() for q in queries)
    assert sum(week[2] for week in weeks) == 24
    assert {row[0] for row in right} == {"anvil"}
    assert len(right) == 2
    assert len(odds) == 4
    assert past
    table = pq.read_table(f"{p.lake_dir}/events/bets_bet_placed")
    assert table.num_rows == 24
    assert set(table.column("chain").to_pylist()) == {"anvil"}
