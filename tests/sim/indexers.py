"""The shipped command, as many times as the seed runs it, ended in every way there is."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from localnet import child

COMMAND = str(Path(sys.executable).with_name("chainfold"))
# What a start may say when nothing answers at that moment; a supervisor starts it again.
_AWAY = ("can't reach the database", "no node of", "answers; start one", "database: ")


class Failed(Exception):
    """The indexer did what it must not do."""


@dataclass
class Indexers:
    """``config``: the chainfold.toml. ``log``: what they all wrote, one file each, in ``home``."""

    home: Path
    config: Path
    running: list[child.Child] = field(default_factory=list)
    names: itertools.count[int] = field(default_factory=itertools.count)
    starts: int = 0
    kills: int = 0

    async def start(self, *options: str, command: str = "index") -> child.Child:
        self.starts += 1
        started = await child.start(
            f"chainfold {command}",
            [COMMAND, "--config", self.config, command, *options],
            self.home / f"{command}-{next(self.names)}.log",
            env={"PYTHONFAULTHANDLER": "1"} | {k: "" for k in ("DATABASE_URL",) if k in os.environ},
        )
        if command == "index" and not options:
            self.running.append(started)
        return started

    async def run(self, *options: str, command: str = "index", seconds: float = 60) -> child.Child:
        """One that ends by itself."""
        started = await self.start(*options, command=command)
        try:
            await asyncio.wait_for(started.process.wait(), seconds)
        except TimeoutError:
            await started.stop()
            raise Failed(
                f"{started.name} took more than {seconds:.0f} s: {_last(started)}"
            ) from None
        return started

    async def kill(self, one: child.Child) -> None:
        """kill -9."""
        self.kills += 1
        self.running.remove(one)
        if one.running:
            # it may have ended by itself a moment ago
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
        await one.process.wait()

    async def terminate(self, one: child.Child) -> None:
        """SIGTERM; it must end by itself, and well."""
        self.running.remove(one)
        # not process.terminate(), which may take an exit code away from who waits for it
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.process.pid, signal.SIGTERM)
        try:
            code = await asyncio.wait_for(one.process.wait(), 30)
        except TimeoutError:
            os.kill(one.process.pid, signal.SIGABRT)  # it says where each of its threads is
            await one.process.wait()
            raise Failed(
                f"SIGTERM did not end it within 30 s: {one.log.read_text('utf-8', 'replace')}"
            ) from None
        if code not in (0, -signal.SIGTERM) and not _excused(one):
            raise Failed(f"after SIGTERM it ended with {code}: {_last(one)}")

    async def look(self) -> None:
        """Starts again what ended for want of a database or node. Raises Failed for any other."""
        for one in [*self.running]:
            text = one.log.read_text("utf-8", "replace")
            if "Traceback" in text:
                raise Failed(f"a traceback: {text[text.index('Traceback') :]}")
            if not one.running:
                self.running.remove(one)
                if not _excused(one):
                    raise Failed(f"it ended with {one.process.returncode}: {_last(one)}")
                await self.start()
            elif "other chains go on" in text:
                excused = _excused(one)
                await self.kill(one)
                if not excused:
                    raise Failed(f"one chain stopped: {_last(one)}")
                await self.start()

    def told(self, what: str) -> int:
        """How often they told ``what``: reorg, waiting."""
        line = f'"what":"{what}"'
        return sum(
            f.read_text("utf-8", "replace").count(line) for f in self.home.glob("index-*.log")
        )

    async def close(self) -> None:
        for one in self.running:
            await one.stop(0)


def _excused(one: child.Child) -> bool:
    lines = one.log.read_text("utf-8", "replace").splitlines()
    said = [line for line in lines if line.startswith("chainfold: ")]
    return bool(said) and all(any(words in line for words in _AWAY) for line in said)


def _last(one: child.Child) -> str:
    lines = one.log.read_text("utf-8", "replace").strip().splitlines()
    return " | ".join(lines[-4:])[-1200:] or "it said nothing"
