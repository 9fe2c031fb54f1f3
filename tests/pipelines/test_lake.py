"""The lake holds what Postgres holds, at the highest final height without a gap."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from psycopg import Connection

from indexer.errors import Fatal, Retryable
from indexer.fingerprint import declarations
from indexer.folds import compile
from indexer.log import declared
from indexer.sql import quote
from indexer.store import Store
from pipelines import ingest
from pipelines.lake import catalog, files, proof
from pipelines.lake.export import Summary, export
from pipelines.project import Project
from pipelines.ranges import HeightRange

Projects = Callable[[], Project]
EVENTS = "bets_bet_placed"


def take_in(opened: Store, last: int | None = None) -> int:
    """Finalized heights up to ``last`` (None: all); the height that was reached."""
    height = min(ingest.finalized_heights(opened)["anvil"], 1 << 40 if last is None else last)
    ingest.take_in(opened, [HeightRange("anvil", 0, height)])
    return height


def refresh(project: Project, opened: Store) -> Summary:
    return export(opened, project.lake(opened.config), project.heights_per_range)


def database(project: Project) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(f"{project.lake_dir}/chainfold.duckdb", read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def postgres(opened: Store, query: str) -> list[tuple[Any, ...]]:
    connection: Connection[Any]
    with opened.connect("test") as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(f"SET search_path TO {opened.log.into}")  # type: ignore[arg-type]
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def same_as_postgres(project: Project, opened: Store, height: int | None = None) -> int:
    """Holds every event table, and every fold at ``height``, to Postgres; the rows compared."""
    compared = 0
    limit = (height + 1) << 28 if height is not None else 1 << 62
    with database(project) as lake:
        for table in opened.schema.tables.values():
            columns = ", ".join(["chain", *(quote(c.name) for c in table.all_columns)])
            mine = lake.execute(f"SELECT {columns} FROM {table.name} ORDER BY chain, pos")
            other = f"SELECT {columns} FROM {table.name} WHERE pos < {limit} "
            found = mine.fetchall()
            assert found == postgres(opened, other + "ORDER BY chain, pos"), table.name
            compared += len(found)
        for fold in opened.folds:
            columns = ", ".join(["chain", *(quote(c.name) for c in fold.public)])
            keys = ", ".join(["chain", *(quote(c.name) for c in fold.key)])
            events = compile.Source("", f"pos < {limit}")
            oracle = compile.partial(fold, events, "postgres")
            found = lake.execute(f"SELECT {columns} FROM {fold.name}").fetchall()
            other = postgres(opened, f"SELECT {columns} FROM ({oracle}) AS o ORDER BY {keys}")
            assert sorted(found) == sorted(other), fold.name
            compared += len(found)
    return compared


def test_events_and_folds_equal_postgres(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        height = take_in(opened)
        done = refresh(p, opened)
        assert done.heights == {"anvil": height}
        assert done.events == postgres(opened, "SELECT sum(_n) FROM markets")[0][0]
        assert same_as_postgres(p, opened) > 50
        assert [f for f in proof.prove(opened, Path(str(p.lake_dir))) if not f.ok] == []
        # the incremental tables too, not only what the oracle makes of the events
        with database(p) as lake:
            bets = lake.execute("SELECT chain, bettor, staked FROM bettors").fetchall()
        assert sorted(bets) == sorted(postgres(opened, "SELECT chain, bettor, staked FROM bettors"))


def test_types_are_those_of_the_design(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened)
        refresh(p, opened)
    with database(p) as lake:
        described = lake.execute(f"DESCRIBE {EVENTS}").fetchall()
        folded = lake.execute("DESCRIBE bettors").fetchall()
    types = {row[0]: row[1] for row in described}
    assert types["amount"] == "DECIMAL(38,0)"
    assert types["seq"] == "DECIMAL(20,0)"
    assert types["pos"] == "BIGINT"
    assert types["time"] == "TIMESTAMP WITH TIME ZONE"
    assert types["market"] == "VARCHAR"
    assert {row[0]: row[1] for row in folded}["staked"] == "DECIMAL(38,0)"


def test_export_adds_only_what_became_final(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        last = take_in(opened, 30)
        assert refresh(p, opened).heights == {"anvil": 30}
        same_as_postgres(p, opened)
        folder = Path(str(p.lake_dir))
        first_files = {f: f.stat().st_mtime_ns for f in folder.rglob("events/*/*/*.parquet")}
        again = refresh(p, opened)
        assert (again.files_written, again.files_removed) == (0, 0)
        last = take_in(opened)
        done = refresh(p, opened)
        assert done.heights == {"anvil": last}
        assert done.files_written > 0
        same_as_postgres(p, opened)
        assert [f for f in proof.prove(opened, folder) if not f.ok] == []
        # whole ranges of before (0-7, 8-15, 16-23) were not written again
        full = {f: t for f, t in first_files.items() if int(f.stem.split("-")[1]) < 24}
        assert full
        assert {f: f.stat().st_mtime_ns for f in full} == full


def test_heights_one_by_one_end_where_one_export_does(project: Projects) -> None:
    p, whole = project(), project()
    with p.opened() as opened, whole.opened() as other:
        height = take_in(other)
        refresh(whole, other)
        for last in [*range(13, 61, 16), height]:
            take_in(opened, last)
            refresh(p, opened)
            same_as_postgres(p, opened)
        with database(p) as lake, database(whole) as expected:
            for name in [*opened.schema.tables, *(f.name for f in opened.folds)]:
                query = f"SELECT * FROM {name}"
                mine, theirs = lake.execute(query).fetchall(), expected.execute(query).fetchall()
                assert sorted(mine, key=repr) == sorted(theirs, key=repr), name


def test_folds_at_any_past_height(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened)
        refresh(p, opened)
        for height in (0, 20, 33, 50):
            for fold in opened.folds:
                columns = ", ".join(["chain", *(quote(c.name) for c in fold.public)])
                events = compile.Source("", f"pos < {(height + 1) << 28}")
                oracle = compile.partial(fold, events, "postgres")
                with database(p) as lake:
                    query = f"SELECT {columns} FROM {fold.name}_at('anvil', {height})"
                    found = lake.execute(query).fetchall()
                assert sorted(found) == sorted(
                    postgres(opened, f"SELECT {columns} FROM ({oracle}) AS o")
                )


def test_nothing_unfinal_and_nothing_above_a_gap(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        assert refresh(p, opened).heights == {}
        with database(p) as lake:
            assert lake.execute(f"SELECT count(*) FROM {EVENTS}").fetchall() == [(0,)]
            assert lake.execute("SELECT * FROM markets").fetchall() == []
        ingest.take_in(opened, [HeightRange("anvil", 40, 47), HeightRange("anvil", 0, 31)])
        assert refresh(p, opened).heights == {"anvil": 31}
        same_as_postgres(p, opened, 31)
        with opened.connect("test") as connection:
            connection.execute(f"SET search_path TO {opened.log.into}")  # type: ignore[arg-type]
            connection.execute(
                "INSERT INTO head (chain, height, hash, time, finalized, latest, "
                "live_from) VALUES ('anvil', 31, '', now(), 33, 90, 0)"
            )
        take_in(opened)
        assert refresh(p, opened).heights == {"anvil": 33}
        same_as_postgres(p, opened, 33)


def test_an_open_reader_keeps_its_lake_through_one_export(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened, 30)
        refresh(p, opened)
        with database(p) as reader:
            take_in(opened, 60)
            refresh(p, opened)
            before = reader.execute(f"SELECT count(*), max(pos) >> 28 FROM {EVENTS}").fetchall()
            assert before[0][1] <= 30
        same_as_postgres(p, opened)


def test_another_history_is_exported_anew(project: Projects) -> None:
    p, other = project(), project()
    with p.opened() as opened:
        take_in(opened)
        refresh(p, opened)
    with other.opened() as opened:
        take_in(opened)
        with opened.connect("test") as connection:
            connection.execute(f"SET search_path TO {opened.log.into}")  # type: ignore[arg-type]
            connection.execute("UPDATE block SET hash = 'another' || height")
            connection.execute("UPDATE bets_bet_placed SET tx = 'another' || pos")
        done = export(opened, Path(str(p.lake_dir)), p.heights_per_range)
        assert done.files_written > 0
        same_as_postgres(p, opened)


def test_an_event_that_is_read_in_another_way_is_exported_anew(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened)
        assert refresh(p, opened).files_written > 0
        assert refresh(p, opened).files_written == 0
        # with the same columns of the same types, from the same source
        (binding,) = opened.schema.bindings
        changed = tuple(replace(e, selector="0x" + "11" * 32) for e in binding.interface.events)
        interface = replace(binding.interface, events=changed)
        schema = replace(opened.schema, bindings=(binding._replace(interface=interface),))
        with opened.connect("test") as connection:  # what a migration ends with
            into, now = opened.log.into, declarations(schema, opened.folds)
            declared.forget(connection, into, declared.stored(connection, into))
            declared.store(connection, into, now.values())
        assert refresh(p, replace(opened, schema=schema)).files_written > 0


def test_a_lake_whose_tables_are_of_another_declaration_is_refused(project: Projects) -> None:
    p = project()
    with p.opened() as opened, opened.connect("test") as connection:
        take_in(opened)
        connection.execute(f"SET search_path TO {opened.log.into}")  # type: ignore[arg-type]
        connection.execute("UPDATE declaration SET fingerprint = 'x' WHERE name = 'markets'")
    with (
        pytest.raises(Fatal, match=r"fold markets changed .*: run `chainfold migrate`$"),
        p.opened(),
    ):
        pass


def test_a_lake_ahead_of_its_database_follows_it_back(project: Projects) -> None:
    p, behind = project(), project()
    with p.opened() as opened:
        take_in(opened)
        refresh(p, opened)
    with behind.opened() as opened:
        take_in(opened, 30)
        assert export(opened, Path(str(p.lake_dir)), 8).heights == {"anvil": 30}
        same_as_postgres(p, opened)


def test_a_failed_export_leaves_the_lake_as_it_was(
    project: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened, 30)
        refresh(p, opened)
        take_in(opened)
        folder = Path(str(p.lake_dir))
        before = catalog.read(folder)

        class Full(pq.ParquetWriter):
            def write_table(self, *_: Any, **__: Any) -> None:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as full:
            full.setattr(pq, "ParquetWriter", Full)
            with pytest.raises(Fatal, match="no space left on its disk"):
                refresh(p, opened)
        assert catalog.read(folder) == before
        assert not list(folder.rglob("*.new"))
        same_as_postgres(p, opened, 30)
        refresh(p, opened)
        same_as_postgres(p, opened)


def test_what_a_killed_export_left_does_no_harm(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened, 30)
        refresh(p, opened)
        folder = Path(str(p.lake_dir))
        left = [".chainfold.duckdb.new", ".chainfold.duckdb.new.wal"]
        left += [f"events/{EVENTS}/chain=anvil/.{n}.parquet.new" for n in range(3)]
        for name in left:
            (folder / name).write_bytes(b"half of a file")
        take_in(opened)
        refresh(p, opened)
        same_as_postgres(p, opened)
        assert not [name for name in left if (folder / name).exists()]


def test_only_one_writer(project: Projects) -> None:
    p = project()
    with (
        p.opened() as opened,
        files.only_writer(Path(str(p.lake_dir))),
        pytest.raises(Retryable, match="another export"),
    ):
        refresh(p, opened)


def test_a_database_open_for_writing_is_waited_for(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        refresh(p, opened)
        hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); "
        with subprocess.Popen(
            [sys.executable, "-c", hold + "input()", f"{p.lake_dir}/chainfold.duckdb"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            with pytest.raises(Retryable, match="read-only"):
                refresh(p, opened)
            writer.communicate("\n")
        refresh(p, opened)


def test_a_broken_database_file_is_named(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        folder = Path(str(p.lake_dir))
        folder.mkdir(parents=True)
        (folder / files.DATABASE).write_text("no database", "utf-8")
        with pytest.raises(Fatal, match="delete it to export anew"):
            refresh(p, opened)


def test_the_proof_sees_a_changed_lake(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened)
        refresh(p, opened)
        (victim,) = sorted(Path(str(p.lake_dir)).glob(f"events/{EVENTS}/*/*.parquet"))[:1]
        table = pq.read_table(victim)
        pq.write_table(table.slice(1), victim)
        bad = {f.what for f in proof.prove(opened, Path(str(p.lake_dir))) if not f.ok}
        assert "fold bettors = GROUP BY of the events" in bad


def test_plain_duckdb_opens_it_in_another_process(project: Projects) -> None:
    p = project()
    with p.opened() as opened:
        take_in(opened)
        refresh(p, opened)
    script = (
        "import duckdb, sys; "
        "c = duckdb.connect(sys.argv[1], read_only=True); "
        "print(c.execute('SELECT count(*) FROM markets').fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"{p.lake_dir}/chainfold.duckdb"],
        capture_output=True,
        text=True,
        cwd="/",
        check=True,
    )
    assert done.stdout == "6\n"
