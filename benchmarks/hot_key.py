"""A batch on a market with a million bets against the same batch on a fresh market.

python benchmarks/hot_key.py [--events 1000000] [--batch 5000] [--runs 21]

``ratio``: seconds of the write on the hot market over seconds on a fresh one, the median of pairs
whose order takes turns, for a batch (folded outside Postgres) and for a single block of ten bets
(``ratio_head``, folded inside it).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from _made import Made, made


def main(events: int, size: int, runs: int) -> None:
    with made() as chain:
        chain.finalized(events // 1000, 1000, range(1))
        found = chain.connection.execute("SELECT bets FROM chainfold.markets").fetchone()
        assert found == (events,)
        chain.head()
        print(f"one market has {events} bets")
        fresh = iter(range(1, 10_000))
        figures: dict[str, float] = {}
        for name, per_block in (("", size), ("_head", 10)):
            turns: list[tuple[float, float]] = []
            for turn in range(runs):
                market = next(fresh)
                order = (market, 0) if turn % 2 else (0, market)
                took = {each: _write(chain, per_block, each) for each in order}
                turns.append((took[0], took[market]))
            figures |= {
                f"hot{name}_ms": round(statistics.median(h for h, _ in turns) * 1000, 2),
                f"fresh{name}_ms": round(statistics.median(c for _, c in turns) * 1000, 2),
                f"ratio{name}": round(statistics.median(h / c for h, c in turns), 3),
            }
    print(json.dumps({"benchmark": "hot_key", "events": events, "batch": size} | figures))


def _write(chain: Made, per_block: int, market: int) -> float:
    started = time.perf_counter()
    chain.live(1, per_block, range(market, market + 1))
    return time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="hot_key")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=21)
    options = parser.parse_args()
    main(options.events, options.batch, options.runs)
