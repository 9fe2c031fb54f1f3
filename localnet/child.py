"""A program that runs beside this one, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import Fatal

_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A running program of ours: its output goes to ``log``."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def ready(self, probe: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Waits until ``probe`` answers True. Raises Fatal when the program ends or is too slow."""
        limit = time.monotonic() + seconds
        while True:
            if not self.running:
                raise Fatal(
                    f"{self.name} ended at start: {self.last_words()} (whole log: {self.log})"
                )
            with contextlib.suppress(Exception):
                if await probe():
                    return
            if time.monotonic() > limit:
                raise Fatal(
                    f"{self.name} did not answer within {seconds:.0f} s: {self.last_words()} "
                    f"(whole log: {self.log})"
                )
            await asyncio.sleep(0.05)

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else "it said nothing"

    async def stop(self, seconds: float = 10) -> None:
        """Asks it to end, and all that it started; after ``seconds`` ends them."""
        for sign, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sign)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.process.wait(), patience)
                break
        # What its own children still do, they do without their parent.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


async def start(
    name: str,
    command: Sequence[object],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Child:
    """Starts ``command`` in a process group of its own, which a Ctrl-C in our terminal spares: we
    end it, in our order. Should we be killed outright, the kernel ends it (Linux)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    return Child(name, process, log)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    assert _libc is not None
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
