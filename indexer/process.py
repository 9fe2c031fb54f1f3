"""The process of an indexer: what its libraries do with memory and threads."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from threading import Thread
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
_LARGE = 1 << 20
"""Bytes from which a block of memory is the kernel's again once it is free."""
_KEPT = 32 << 20
"""Bytes that may lie free at the heap's end: given back, they would be cleared for every batch."""


def tune() -> None:
    """Sets what must be set before NumPy and Arrow are imported.

    Batches of megabytes go from thread to thread: with a heap for each thread, and one more for
    Arrow, what one frees the others can't use, and the kernel clears new pages for each batch.
    Large blocks stay out of that heap: among what lives longer they would leave holes that grow
    with the history.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl doesn't
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
            mallopt(_M_MMAP_THRESHOLD, _LARGE)
            mallopt(_M_TRIM_THRESHOLD, _KEPT)
    # Parsed JSON is acyclic: looking for cycles in it only costs.
    gc.set_threshold(1_000_000)
    # Nor is it worth a tenth of a second at the end.
    atexit.register(gc.freeze)


def import_aside(module: str) -> None:
    """Imports ``module`` while this thread imports others.

    Reading the certificates that come with an HTTP client takes 40 ms without Python's lock.
    """

    def work() -> None:
        with suppress(Exception):  # who needs the module will be told
            import_module(module)

    Thread(target=work, name=f"import {module}").start()


def leave_pandas_out() -> None:
    """pyarrow imports pandas at its first array, to know a Series when it sees one: a second and
    60 MB for what the indexer never has."""
    import pyarrow as pa

    class NoPandas:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "pandas":
                raise ModuleNotFoundError(name)

    finder: Any = NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
