"""Wake-ups over WebSocket: a hint that there is news, never the news itself."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence

import aiohttp
import orjson

from indexer.rpc.reply import Call


class Subscription:
    """Keeps ``subscribe`` calls alive on a node's WebSocket and notes that something came.

    A node without a WebSocket is no error: ``wait`` then returns at its timeout and the caller
    polls. Reconnects with growing pauses, at most 30 s apart.
    """

    def __init__(self, url: str, subscribe: Sequence[Call]) -> None:
        self._url = url
        self._subscribe = subscribe
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        """Set while every subscription stands."""

    async def wait(self, timeout: float) -> bool:
        """True when something was announced since the last ``wait``, False after ``timeout`` s."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        pause = 0.2
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    await self._listen(session)
                    pause = 0.2
                except (aiohttp.ClientError, OSError, TimeoutError):
                    pause = min(30.0, pause * 2)
                finally:
                    self.connected.clear()
                await asyncio.sleep(pause * (0.5 + random.random() / 2))

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(10):
            socket = await session.ws_connect(self._url, heartbeat=20, max_msg_size=1 << 24)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(socket.close)
            for i, (method, params) in enumerate(self._subscribe):
                call = {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
                await socket.send_str(orjson.dumps(call).decode())
            waiting = len(self._subscribe)
            async for message in socket:
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    break
                try:
                    said = orjson.loads(message.data)
                except orjson.JSONDecodeError:
                    break
                if "id" in said:
                    if "error" in said:
                        break
                    waiting -= 1
                    if waiting == 0:
                        # What happened before the subscription stood was not announced.
                        self.connected.set()
                        self._news.set()
                elif "method" in said:
                    self._news.set()
