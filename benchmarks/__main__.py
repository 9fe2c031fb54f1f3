"""Every benchmark in turn but ``peers``, then one table of their figures.

python benchmarks [NAME …]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ASKED = {"peers"}  # run by name only: npm installs other people's indexers for it


def main(names: list[str]) -> None:
    there = sorted(f.stem for f in HERE.glob("[a-z]*.py"))
    unknown = set(names) - set(there)
    if unknown:
        sys.exit(f"no benchmark {sorted(unknown)[0]!r}: there are {', '.join(there)}")
    found: dict[str, dict[str, Any]] = {}
    failed: list[str] = []
    for name in names or [n for n in there if n not in ASKED]:
        print(f"== {name}", flush=True)
        with subprocess.Popen(
            [sys.executable, HERE / f"{name}.py"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            last = ""
            for line in process.stdout:
                print(line, end="", flush=True)
                last = line
        if process.returncode:
            failed.append(name)
        else:
            found[name] = json.loads(last)
    width = max((len(k) for figures in found.values() for k in figures), default=0)
    print()
    for name, figures in found.items():
        print(name)
        for key, value in figures.items():
            if key != "benchmark" and not isinstance(value, dict | list):
                print(f"  {key:<{width}}  {value}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
