"""CPU and memory of a process and all that it started."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psutil

SAMPLE = 0.1  # seconds between two looks at the memory of a process tree: one takes 2 ms


def cpu_of(root: psutil.Process) -> float:
    """CPU seconds of a process, of its live descendants and of the children that it has reaped."""
    total = 0.0
    for process in _family(root):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _family(root: psutil.Process) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        yield root
        yield from root.children(recursive=True)


class Tree:
    """Samples the memory of a process and its descendants: ``peak_mb`` is the highest sum.

    What wait4 tells isn't that: a process inherits the peak of the one that started it.
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._root = psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Tree:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE):
            size = 0
            for process in _family(self._root):
                with contextlib.suppress(psutil.NoSuchProcess):
                    size += process.memory_info().rss
            self.peak_mb = max(self.peak_mb, size / 2**20)
