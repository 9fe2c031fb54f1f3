"""What every chain's reader can do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from indexer.chains.raw import RawRange, Tip
from indexer.chains.watch import Watch
from indexer.config import Chain
from indexer.errors import Retryable
from indexer.rpc.errors import NodeRetryable

_ATTEMPTS = 5


class Block(NamedTuple):
    """What names a block. ``time`` in unix seconds."""

    hash: str
    time: int


class Reader(Protocol):
    """Reads one chain for one watch.

    Whatever passes (timeouts, limits, lag, a reorg between two answers) is Retryable, after the
    reader's own retries; facts (wrong chain, no code, pruned history) are Fatal.
    """

    watch: Watch
    """Its children grow with what is read, and are reset to what the log holds."""

    async def check(self) -> None:
        """Raises Fatal unless the nodes serve the configured chain and the addresses have code."""
        ...

    async def tip(self) -> Tip:
        """The end of the chain as the furthest node sees it now.

        ``latest`` may be lower than before: the chain lost blocks, or every node that answers
        lags. ``finalized`` never falls.
        """
        ...

    async def fetch(self, first: int, last: int, *, finalized: bool) -> RawRange:
        """All events in ``first..last``, consistent within themselves.

        ``finalized`` promises that the range can't change any more: it brings only the headers
        of blocks with events and of ``last``.
        """
        ...

    def stream(self, first: int, last: int, *, finalized: bool) -> AsyncGenerator[RawRange, None]:
        """``fetch`` over a long range: contiguous, ascending, several requests ahead.

        Ranges are as wide as events and bytes allow. Close it (``aclose``) or exhaust it.
        """
        ...

    async def block(self, height: int) -> Block | None:
        """The block at ``height`` on the nodes' current chain; None where there is none."""
        ...

    async def blocks(self, heights: Sequence[int]) -> list[Block | None]:
        """``block`` for many heights, in their order."""
        ...

    async def final_block(self, height: int) -> Block | None:
        """The block at ``height`` by a node that calls that height final; None: it has none.

        What ``block`` gives may be of a fork that its node hasn't left yet; this may not.
        Retryable where the node that answers doesn't call it final (yet).
        """
        ...

    async def wake(self, timeout: float) -> bool:
        """Waits for news of a block, ``timeout`` seconds at most; whether there was any."""
        ...

    async def aclose(self) -> None: ...


async def settled(once: Callable[[], Awaitable[RawRange]]) -> RawRange:
    """``once`` repeated while its answers contradict one another, a few times.

    What the RPC client has given up on is raised as it is: it has tried already.
    """
    attempt = 0
    while True:
        try:
            return await once()
        except NodeRetryable:
            raise
        except Retryable:
            attempt += 1
            if attempt == _ATTEMPTS:
                raise
            await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))


def unreachable(chain: Chain, error: object, start: str) -> str:
    """The line for a chain none of whose nodes answers."""
    return (
        f"{error}: no node of {chain.name!r} answers; start one (`{start}` runs a local one) or "
        f"correct chains.{chain.name}.rpc"
    )
