"""Several coroutines as one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Coroutine
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")


async def together(*work: Awaitable[Any]) -> list[Any]:
    """The results of all. The first failure cancels the others, waits for them, and is raised as
    it is (a TaskGroup would wrap it, and an error of one line would become a page)."""
    tasks = [asyncio.ensure_future(w) for w in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(main: Coroutine[Any, Any, _T]) -> _T | None:
    """Runs ``main``; SIGINT and SIGTERM cancel it, so that it ends what it started. None then."""

    async def guarded() -> _T | None:
        task = asyncio.ensure_future(main)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    return asyncio.run(guarded())


def leave(code: int) -> NoReturn:
    """Ends the process at once, after all that it started was ended.

    A cancelled web3 call leaves a thread behind that waits for a lock nobody will give it
    (``web3._utils.async_caching.async_lock``); Python would wait for that thread for ever.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
