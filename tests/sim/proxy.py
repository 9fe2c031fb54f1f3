"""What stands between the indexer and a node: errors, limits, lag and other forks, by the seed."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from sim.evm import EvmChain, Orphans
from sim.plan import Trouble

_FAULTS = ("http", "html", "rate", "reset", "cut", "empty", "internal", "limit", "timeout", "busy")


@dataclass(frozen=True, slots=True)
class View:
    """An EVM backend that sees no further than ``tip`` and, above ``fork``, the blocks that the
    chain has left."""

    tip: int
    fork: int
    orphans: Orphans


class Proxy:
    """One URL of a node. ``quiet``: it passes everything on as it is."""

    def __init__(
        self, target: str, ws: str, trouble: Trouble, dice: random.Random, evm: EvmChain | None
    ) -> None:
        self.target, self.ws, self.trouble, self.dice = target, ws, trouble, dice
        self.evm = evm
        self.quiet = False
        self.view: View | None = None
        self.counts: Counter[str] = Counter()
        self._sockets: set[web.WebSocketResponse] = set()

    async def start(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/", self._serve)
        app.router.add_get("/", self._bridge)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        port = self.runner.addresses[0][1]
        self.url, self.ws_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/"

    async def stop(self) -> None:
        for socket in [*self._sockets]:
            await socket.close()
        await self.runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        if self.quiet:
            return web.json_response(await self._pass(body))
        trouble, dice = self.trouble, self.dice
        if dice.random() < trouble.slow:
            self.counts["slow"] += 1
            await asyncio.sleep(dice.uniform(0, trouble.slowest))
        if dice.random() < trouble.error:
            fault = dice.choice(_FAULTS)
            self.counts[fault] += 1
            failed = await self._fail(fault, request, body, calls)
            if failed is not None:
                return failed
        if len(calls) > trouble.batch:
            return web.json_response(
                _error(None, -32600, f"batch of more than {trouble.batch} requests not allowed")
            )
        view = self.view if dice.random() < trouble.balanced else None
        if self.evm is None:
            return web.json_response(await self._pass(body))
        if view is not None:
            self.counts["view"] += 1
        replies = [await self._evm(call, view) for call in calls]
        return web.json_response(replies if isinstance(body, list) else replies[0])

    async def _fail(
        self, fault: str, request: web.Request, body: Any, calls: list[Any]
    ) -> web.StreamResponse | None:
        id_ = None if isinstance(body, list) else body.get("id")
        match fault:
            case "http":
                return web.Response(status=self.dice.choice([500, 502, 503, 504]))
            case "html":
                return web.Response(text="<html>Service Unavailable</html>", status=200)
            case "rate":
                wait = self.dice.choice([{}, {"Retry-After": "0"}, {"Retry-After": "1"}])
                return web.Response(status=429, headers=wait)
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "cut":
                whole = json.dumps(await self._pass(body))
                return web.Response(text=whole[: len(whole) // 2], content_type="application/json")
            case "empty":
                return web.Response(text="", content_type="application/json")
            case "internal":
                return web.json_response(_error(id_, -32603, "Internal error"))
            case "limit":
                error = [_error(c["id"], -32005, "rate limit exceeded") for c in calls]
                return web.json_response(error if isinstance(body, list) else error[0])
            case "timeout":
                return web.json_response(_error(id_, -32000, "request timed out"))
            case "busy":
                # one call of the batch fails, the others are answered
                replies = await self._pass(body)
                if isinstance(replies, list):
                    replies[self.dice.randrange(len(replies))] |= {
                        "result": None, "error": {"code": -32000, "message": "node is overloaded"},
                    }  # fmt: skip
                    for reply in replies:
                        if "error" in reply:
                            reply.pop("result", None)
                    return web.json_response(replies)
        return None

    async def _pass(self, body: Any) -> Any:
        async with self.session.post(self.target, json=body) as answer:
            return await answer.json(content_type=None)

    async def _bridge(self, request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse()
        try:
            await near.prepare(request)
            self._sockets.add(near)
            async with self.session.ws_connect(self.ws) as far:

                async def up() -> None:
                    async for message in near:
                        await far.send_str(message.data)

                async def down() -> None:
                    async for message in far:
                        if message.type is not WSMsgType.TEXT:
                            break
                        if not self.quiet and self.dice.random() < self.trouble.hang_up:
                            self.counts["hang up"] += 1
                            break
                        await near.send_str(message.data)

                tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except (aiohttp.ClientError, ConnectionError):
            pass  # whoever was killed doesn't say good-bye
        finally:
            self._sockets.discard(near)
        if not near.prepared:
            return web.Response(status=503)
        await near.close()
        return near

    # -- EVM views --------------------------------------------------------------------------

    async def _evm(self, call: dict[str, Any], view: View | None) -> dict[str, Any]:
        assert self.evm is not None
        method, params = call["method"], call["params"]
        if method == "eth_getLogs":
            return await self._logs(call, view)
        if view is None:
            return await self._pass(call)
        if method == "eth_blockNumber":
            return _result(call, hex(view.tip))
        if method in ("eth_getBlockByNumber", "eth_getBlockReceipts"):
            height = self._height(params[0], view)
            if height > view.tip:
                return _result(call, None)
            if height > view.fork:
                return _result(call, view.orphans[height][method == "eth_getBlockReceipts"])
            return await self._pass({**call, "params": [hex(height), *params[1:]]})
        if method == "eth_getTransactionReceipt":
            for height, (_, receipts) in view.orphans.items():
                for receipt in receipts:
                    if receipt["transactionHash"] == params[0] and height <= view.tip:
                        return _result(call, receipt)
        return await self._pass(call)

    def _height(self, tag: str, view: View) -> int:
        assert self.evm is not None
        if tag == "latest":
            return view.tip
        if tag in ("finalized", "safe"):
            return max(0, view.tip - self.evm.finality)
        return int(tag, 16)

    async def _logs(self, call: dict[str, Any], view: View | None) -> dict[str, Any]:
        query = dict(call["params"][0])
        if "blockHash" in query:
            if view is not None:
                for block, receipts in view.orphans.values():
                    if block["hash"] == query["blockHash"]:
                        return _result(call, _matching(receipts, query))
            return await self._pass(call)
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        trouble = self.trouble
        if last - first + 1 > trouble.widest:
            return _error(
                call["id"], -32602, f"eth_getLogs is limited to a {trouble.widest} block range"
            )
        found: list[Any] = []
        if view is not None and last > view.tip:
            if not trouble.trims:
                return _error(call["id"], -32000, "block range extends beyond current head block")
            last = view.tip
        split = last if view is None else min(last, view.fork)
        if first <= split:
            below = {**query, "fromBlock": hex(first), "toBlock": hex(split)}
            reply = await self._pass({**call, "params": [below]})
            if "error" in reply:
                return reply
            found += reply["result"]
        if view is not None:
            for height in range(max(first, view.fork + 1), last + 1):
                found += _matching(view.orphans[height][1], query)
        if len(found) > trouble.most and last > first:
            return _error(call["id"], -32005, f"query returned more than {trouble.most} results")
        return _result(call, found)


def _matching(receipts: list[dict[str, Any]], query: dict[str, Any]) -> list[Any]:
    addresses = query.get("address", [])
    addresses = [addresses] if isinstance(addresses, str) else addresses
    topics = (query.get("topics") or [None])[0]
    return [
        log
        for receipt in receipts
        for log in receipt["logs"]
        if log["address"] in addresses and (topics is None or log["topics"][0] in topics)
    ]


def _result(call: dict[str, Any], result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call["id"], "result": result}


def _error(id_: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}
