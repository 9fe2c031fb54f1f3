"""A running node: the chain, its servers and its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from aiohttp import web
from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from localnet.solana.chain import Chain, Settings
from localnet.solana.faults import Controls, Faults
from localnet.solana.server import Server
from localnet.solana.subscriptions import Subscriptions


class SolanaNode:
    """A Solana node in this process; `async with SolanaNode(...) as node`.

    rpc_port and ws_port: 0 takes a free one; a ws_port of None is rpc_port + 1. programs: program
    id to its ELF file, there from genesis. upgrade_authority: may upgrade them, nobody by default.
    accounts: accounts there from genesis. slot_ms: time between slots, 0 for slots only on request
    (`produce`, `localnet_produceSlots`). faults: whether the `localnet_*` methods are served.
    Further settings: `localnet.solana.chain.Settings`.

    LiteSVM and everything around it belong to the thread of the event loop: call `process`,
    `produce` and `chain` from there only.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        rpc_port: int = 0,
        ws_port: int | None = None,
        programs: Mapping[str | Pubkey, str | Path] | None = None,
        upgrade_authority: str | Pubkey | None = None,
        accounts: Mapping[str | Pubkey, Account] | None = None,
        faults: bool = False,
        slot_ms: int = 400,
        finality: int = 32,
        clock: Literal["real", "slots"] = "real",
        **settings: Any,
    ) -> None:
        self.host = host
        self.rpc_port = rpc_port
        self.ws_port = ws_port
        self.slot_ms = slot_ms
        self.chain = Chain(
            Settings(
                slot_ms=slot_ms,
                finality=finality,
                clock=clock,
                upgrade_authority=None if upgrade_authority is None else _key(upgrade_authority),
                **settings,
            ),
            {_key(key): Path(path) for key, path in (programs or {}).items()},
            {_key(key): account for key, account in (accounts or {}).items()},
        )
        self.subscriptions = Subscriptions(self.chain)
        self._server = Server(self.chain, self.subscriptions, None)
        self.controls = Controls(
            self.chain, Faults(), self.subscriptions.rewind, self._server.hang_up
        )
        if faults:
            self._server.controls = self.controls
        self._runners: list[web.ServerRunner] = []
        self._ticker: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.rpc_port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.ws_port}"

    async def start(self) -> None:
        """Listen, and let the slots tick. OSError where a port is taken."""
        if self.rpc_port == 0 and self.ws_port is None:
            # Clients derive the WebSocket's port from the other: two neighbours must be free.
            for _ in range(64):
                await self._listen(self._server.http, 0)
                port = self._port(0)
                try:
                    await self._listen(self._server.websocket, port + 1)
                except OSError:
                    await self._runners.pop(0).cleanup()
                    continue
                break
            else:
                raise OSError("no two neighbouring ports are free")
        else:
            await self._listen(self._server.http, self.rpc_port)
            follows = self._port(0) + 1 if self.ws_port is None else self.ws_port
            await self._listen(self._server.websocket, follows)
        self.rpc_port, self.ws_port = self._port(0), self._port(1)
        if self.slot_ms:
            self._ticker = asyncio.create_task(self._tick())

    async def _listen(self, handler: Any, port: int) -> None:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=_GRACE)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, port, backlog=1_024).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runners.append(runner)

    def _port(self, index: int) -> int:
        return self._runners[index].addresses[0][1]

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        step = self.slot_ms / 1_000
        due = loop.time() + step
        while True:
            await asyncio.sleep(max(due - loop.time(), 0))
            # Slots that a long call made late are not made up for: a leader skips them.
            due = max(due + step, loop.time())
            if self.controls.ticking:
                self.chain.produce()

    async def run(self, stopped: asyncio.Event) -> None:
        """Go on until `stopped` is set; raises what ended the slots, if anything did."""
        waiting = asyncio.create_task(stopped.wait())
        tasks = {waiting} if self._ticker is None else {waiting, self._ticker}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._ticker in done:
            await self._ticker

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
            self._ticker = None
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        self.chain.ledger.close()

    async def __aenter__(self) -> SolanaNode:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def process(
        self,
        transactions: Sequence[bytes | VersionedTransaction],
        per_slot: int = 100,
        verify: bool = False,
        age: bool = False,
    ) -> list[Any]:
        """Execute a history at once, `per_slot` transactions a block.

        verify: check signatures. age: require recent blockhashes. Returns each transaction's
        error in its JSON form, None for success.
        """
        return self.chain.process(transactions, per_slot, verify, age)

    def produce(self, count: int = 1, skip: int = 0) -> None:
        """Freeze `count` slots, each followed by `skip` slots without a block."""
        for _ in range(count):
            self.chain.produce(skip)


_GRACE = 0.5  # seconds that an answer on its way has when the node stops


def _key(key: str | Pubkey) -> Pubkey:
    if not isinstance(key, str):
        return key
    try:
        return Pubkey.from_string(key)
    except ValueError as error:
        raise ValueError(f"{key!r} is no address: base58 of 32 bytes is expected") from error
