"""A reorg of 64 blocks with 100,000 bets in them, in a small log and in a large one.

python benchmarks/reorg.py [--small 100000] [--large 2000000] [--runs 3]

``*_s``: seconds until events, folds, ledger and changes are without the orphans, committed.
``growth``: large over small, medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from _made import Made, made

from indexer.log.undo import undo

DEPTH = 64
ORPHANS = 100_000
MARKETS = range(50)


def main(small: int, large: int, runs: int) -> None:
    figures = {
        name: round(_measure(rows, runs), 3) for name, rows in (("small", small), ("large", large))
    }
    print(
        json.dumps(
            {
                "benchmark": "reorg",
                "depth": DEPTH,
                "orphans": ORPHANS,
                "small_rows": small,
                "large_rows": large,
                "small_s": figures["small"],
                "large_s": figures["large"],
                "growth": round(figures["large"] / figures["small"], 3),
            }
        )
    )


def _measure(rows: int, runs: int) -> float:
    with made() as chain:
        chain.finalized(rows // 500, 500, MARKETS)
        chain.head()
        before = _state(chain)
        seconds: list[float] = []
        for _ in range(runs):
            ancestor = chain.height
            chain.live(DEPTH, ORPHANS // DEPTH + 1, MARKETS)
            started = time.perf_counter()
            undo(chain.connection, chain.store.log, chain.store.unmerges, "made", ancestor)
            seconds.append(time.perf_counter() - started)
            chain.height = ancestor
            assert _state(chain) == before
        print(f"{rows} rows: {[round(s, 2) for s in seconds]} s")
        return statistics.median(seconds)


def _state(chain: Made) -> object:
    """The folds' sums: what an undo that took too little or too much would change."""
    return chain.connection.execute(
        "SELECT (SELECT sum(bets) FROM chainfold.markets), (SELECT sum(total) FROM "
        "chainfold.markets), (SELECT sum(stake * bets) FROM chainfold.positions), "
        "(SELECT sum(staked) FROM chainfold.bettors), (SELECT max(height) FROM chainfold.block)"
    ).fetchone()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="reorg")
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    main(options.small, options.large, options.runs)
