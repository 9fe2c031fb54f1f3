"""benchmarks/peers.py: its command line and its figures. The comparison itself is run by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest


@pytest.fixture
def peers(benchmark_named: Any) -> Any:
    return benchmark_named("peers")


def test_figures_are_chainfolds_over_each_peers(peers: Any) -> None:
    run = peers.Run
    figures = peers.summary(
        100_000,
        {
            # The median of seconds, the highest memory.
            "chainfold": [run(4.0, 2.0, 1.0, 100.0), run(5.0, 4.0, 3.0, 150.0), run(90, 9, 9, 90)],
            "with_folds": [run(6.25, 5.0, 2.0, 140.0)],
            "subsquid": [run(25.0, 20.0, 5.0, 120.0)],
            "ponder": [run(125.0, 100.0, 8.0, 600.0)],
        },
    )
    assert figures["chainfold"] == {
        "seconds": 5.0,
        "events_per_s": 20_000,
        "events_per_cpu_s": 25_000,
        "postgres_cpu_s": 3.0,
        "peak_rss_mb": 150.0,
    }
    assert figures["ponder"]["events_per_s"] == 800
    assert (figures["times_subsquid"], figures["times_ponder"]) == (5.0, 25.0)
    assert figures["times_subsquid_with_folds"] == 4.0
    assert figures["rss_times_leanest"] == 1.25


def test_options_are_defaults_of_the_documented_comparison(peers: Any) -> None:
    options = peers.parser().parse_args([])
    assert (options.events, options.per_block, options.runs) == (200_000, 20, 1)
    assert set(options.peers) == {"ponder", "subsquid"}
    with pytest.raises(SystemExit):
        peers.parser().parse_args(["--peers", "nobody"])


def test_memory_and_cpu_are_of_the_whole_process_tree(peers: Any) -> None:
    child = "b = bytearray(120 << 20); print(1, flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        tree = peers.Tree(process.pid)
        with tree:
            while tree.peak_mb == 0.0:
                assert process.poll() is None
        process.stdin.write(b"\n")
    assert tree.peak_mb > 120
