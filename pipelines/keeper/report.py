"""How the keeper tells what it does: a line each, JSON where no person looks on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from pipelines.keeper.run import Report


def reporter(out: TextIO) -> Report:
    """A function to report to."""

    def lines(what: str, about: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        _write(out, orjson.dumps({"at": at, "what": what, **about}).decode())

    def words(what: str, about: Mapping[str, Any]) -> None:
        rest = dict(about)
        head = [str(rest.pop(k)) for k in ("chain", "crank", "entity", "about") if k in rest]
        told = ", ".join(f"{k} {v}" for k, v in rest.items() if v not in (None, ""))
        _write(
            out, f"{datetime.now():%H:%M:%S} {what:8} {' '.join(head)}{': ' if told else ''}{told}"
        )

    return words if out.isatty() else lines


def _write(out: TextIO, line: str) -> None:
    out.write(line + "\n")
    out.flush()
