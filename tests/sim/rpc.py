"""JSON-RPC over HTTP, and no more: the simulation's own, so that it shares nothing with what it
tests."""

from __future__ import annotations

from typing import Any

import aiohttp


class Rpc:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session

    async def __call__(self, method: str, *params: Any) -> Any:
        return (await self.each([(method, list(params))]))[0]

    async def each(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        """The results of one batch, in its order."""
        if not calls:
            return []
        body = [
            {"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)
        ]
        async with self.session.post(self.url, json=body) as response:
            answers = await response.json(content_type=None)
        results: dict[int, Any] = {}
        for answer in answers:
            if "error" in answer:
                raise RuntimeError(f"{calls[answer['id']][0]}: {answer['error']}")
            results[answer["id"]] = answer["result"]
        return [results[i] for i in range(len(calls))]
