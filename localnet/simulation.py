"""`chainfold-sim`: the seeded fault simulation of a checkout, ``tests/sim``."""

from __future__ import annotations

import sys

from deploy.builds import ROOT
from indexer.errors import Fatal


def main() -> None:
    """Plays seeds; see ``chainfold-sim --help``."""
    tests = ROOT / "tests"
    if not (tests / "sim" / "cli.py").exists():
        raise Fatal(f"no simulation in {tests}: it is a checkout's, and no part of a package")
    sys.path.insert(0, str(tests))
    from sim.cli import main as play

    play()


if __name__ == "__main__":
    main()
