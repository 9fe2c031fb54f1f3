"""Faults on request, over the wire as the simulation orders them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from solders.keypair import Keypair
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from localnet.solana import SolanaNode

SOL = 10**9
CONFIRMED = {"commitment": "confirmed"}


class Caller:
    """JSON-RPC over HTTP to a node."""

    def __init__(self, node: SolanaNode) -> None:
        self.node = node
        self.http = httpx.AsyncClient(timeout=10)

    async def post(self, method: str, *params: Any) -> httpx.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return await self.http.post(self.node.url, json=body)

    async def __call__(self, method: str, *params: Any) -> Any:
        answer = (await self.post(method, *params)).json()
        return answer["result"] if "result" in answer else answer["error"]


@pytest_asyncio.fixture
async def rpc(node: SolanaNode) -> AsyncIterator[Caller]:
    caller = Caller(node)
    yield caller
    await caller.http.aclose()


async def test_fault_methods_are_served_only_on_request() -> None:
    async with SolanaNode(slot_ms=0) as plain:
        caller = Caller(plain)
        assert (await caller("localnet_state"))["code"] == -32601
        await caller.http.aclose()


async def test_slots_come_on_request(rpc: Caller) -> None:
    assert await rpc("localnet_produceSlots", {"count": 3}) == [1, 2, 3]
    assert await rpc("localnet_produceSlots", {"count": 2, "skip": 1}) == [4, 6]
    assert await rpc("localnet_skipSlots", {"count": 5}) == 13
    assert await rpc("localnet_produceSlots", {}) == [13]
    assert await rpc("getBlocks", 0, CONFIRMED) == [0, 1, 2, 3, 4, 6, 13]
    state = await rpc("localnet_state")
    assert (state["head"], state["workingSlot"]) == (13, 14)


async def test_time_is_set_and_advanced(rpc: Caller) -> None:
    await rpc("localnet_setTime", {"unixTime": 2_000_000_000})
    assert await rpc("localnet_advanceTime", {"seconds": 60}) == 2_000_000_060
    slot = (await rpc("localnet_produceSlots", {}))[0]
    assert await rpc("getBlockTime", slot) == 2_000_000_060


async def test_a_lagging_node_knows_no_newer_block(rpc: Caller) -> None:
    await rpc("localnet_produceSlots", {"count": 10})
    key = str(Keypair().pubkey())
    signature = await rpc("requestAirdrop", key, SOL)
    await rpc("localnet_produceSlots", {"count": 2})
    assert await rpc("localnet_setLag", {"blocks": 5}) == 7
    assert await rpc("getSlot", CONFIRMED) == 7
    assert (await rpc("getBalance", key, CONFIRMED))["value"] == 0
    assert await rpc("getTransaction", signature, CONFIRMED) is None
    assert (await rpc("getSignatureStatuses", [signature]))["value"] == [None]
    assert await rpc("getSignaturesForAddress", key, CONFIRMED) == []
    assert (await rpc("getBlock", 11, CONFIRMED))["code"] == -32004
    await rpc("localnet_setLag", {"blocks": 0})
    assert (await rpc("getBalance", key, CONFIRMED))["value"] == SOL
    await rpc("localnet_produceSlots", {"count": 200})
    await rpc("localnet_setLag", {"blocks": 150})
    assert (await rpc("getHealth"))["code"] == -32005


async def test_some_answers_lag(rpc: Caller) -> None:
    await rpc("localnet_produceSlots", {"count": 10})
    await rpc("localnet_setFaults", {"seed": 3, "lagRate": 0.5, "lagBlocks": 4})
    seen = {await rpc("getSlot", CONFIRMED) for _ in range(30)}
    assert seen == {10, 6}


async def test_errors_come_at_their_rate_and_from_their_seed(rpc: Caller) -> None:
    rule = {"seed": 7, "errorRate": 0.3, "errorCode": -32005, "errorMessage": "behind"}

    async def run() -> list[bool]:
        await rpc("localnet_setFaults", rule)
        return [isinstance(await rpc("getSlot"), dict) for _ in range(60)]

    first = await run()
    assert first == await run()
    assert 6 <= sum(first) <= 30
    counts = await rpc("localnet_clearFaults")
    assert counts == {"error": sum(first)}
    assert isinstance(await rpc("getSlot"), int)


async def test_a_method_has_its_own_rule(rpc: Caller) -> None:
    await rpc("localnet_setFaults", {"methods": {"getBlock": {"errorRate": 1}}})
    assert (await rpc("getBlock", 0, CONFIRMED)) == {"code": -32603, "message": "Internal error"}
    assert await rpc("getSlot") == 0


async def test_rate_limits_are_http_429(rpc: Caller) -> None:
    await rpc("localnet_setFaults", {"rateLimitRate": 1})
    answer = await rpc.post("getSlot")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"


async def test_connections_are_cut(rpc: Caller) -> None:
    await rpc("localnet_setFaults", {"methods": {"getSlot": {"disconnectRate": 1}}})
    with pytest.raises(httpx.TransportError):
        await rpc("getSlot")
    assert await rpc("getHealth") == "ok"


async def test_answers_are_slow(rpc: Caller) -> None:
    await rpc("localnet_setFaults", {"methods": {"getSlot": {"delayMs": 30_000}}})
    rpc.http.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        await rpc("getSlot")
    assert await rpc("getHealth") == "ok"


async def test_a_misspelt_fault_is_refused(rpc: Caller) -> None:
    refused = await rpc("localnet_setFaults", {"errorsRate": 1})
    assert refused["code"] == -32602
    assert "errorRate" in refused["message"]


async def test_a_fork_is_dropped_and_comes_back(rpc: Caller) -> None:
    await rpc("localnet_produceSlots", {"count": 3})
    key = str(Keypair().pubkey())
    signature = await rpc("requestAirdrop", key, SOL)
    await rpc("localnet_produceSlots", {"count": 2})
    old = {slot: (await rpc("getBlock", slot, CONFIRMED))["blockhash"] for slot in (4, 5)}

    dropped = await rpc("localnet_dropFork", {"depth": 2, "reinclude": "none"})
    assert [row["blockhash"] for row in dropped["dropped"]] == list(old.values())
    assert await rpc("getSlot", CONFIRMED) == 3
    assert (await rpc("getBalance", key, CONFIRMED))["value"] == 0
    assert await rpc("getTransaction", signature, CONFIRMED) is None
    await rpc("localnet_produceSlots", {})
    assert await rpc("getBlocks", 0, CONFIRMED) == [0, 1, 2, 3, 6]
    assert (await rpc("getBlock", 4, CONFIRMED))["code"] == -32007
    assert (await rpc("getBlock", 6, CONFIRMED))["parentSlot"] == 3

    await rpc("localnet_setFaults", {"orphans": True})
    assert (await rpc("getBlock", 4, CONFIRMED))["blockhash"] == old[4]
    await rpc("localnet_clearFaults")

    assert (await rpc("localnet_switchFork"))["head"] == 5
    assert (await rpc("getBlock", 5, CONFIRMED))["blockhash"] == old[5]
    assert (await rpc("getBalance", key, CONFIRMED))["value"] == SOL
    assert await rpc("localnet_produceSlots", {}) == [7]


async def test_the_same_slots_come_with_other_hashes(rpc: Caller) -> None:
    await rpc("localnet_produceSlots", {"count": 5})
    old = (await rpc("getBlock", 5, CONFIRMED))["blockhash"]
    await rpc("localnet_dropFork", {"depth": 2, "reuseSlots": True})
    assert await rpc("localnet_produceSlots", {"count": 2}) == [4, 5]
    new = await rpc("getBlock", 5, CONFIRMED)
    assert new["blockhash"] != old
    assert (await rpc("localnet_dropFork", {"depth": 99}))["code"] == -32602


async def test_blocks_go_missing_and_come_back(rpc: Caller) -> None:
    await rpc("localnet_produceSlots", {"count": 3})
    await rpc("localnet_setFaults", {"missingSlots": [2]})
    assert (await rpc("getBlock", 2, CONFIRMED))["code"] == -32007
    await rpc("localnet_clearFaults")
    assert (await rpc("getBlock", 2, CONFIRMED))["parentSlot"] == 1


async def test_accounts_are_set(rpc: Caller) -> None:
    key = str(Keypair().pubkey())
    await rpc("localnet_setAccount", {"pubkey": key, "lamports": 5 * SOL, "data": "AQID"})
    await rpc("localnet_produceSlots", {})
    held = await rpc("getAccountInfo", key, {**CONFIRMED, "encoding": "base64"})
    assert held["value"]["data"] == ["AQID", "base64"]
    await rpc("localnet_dropFork", {"depth": 1})
    assert (await rpc("getAccountInfo", key, CONFIRMED))["value"] is None


async def _ask(ws: ClientConnection, method: str, *params: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    await ws.send(json.dumps(body))
    assert "result" in json.loads(await ws.recv())


async def test_listeners_are_told_of_both_forks(node: SolanaNode, rpc: Caller) -> None:
    """The slots of a new fork are told again, and nothing is told twice without a fork."""
    async with connect(node.ws_url) as ws:
        await _ask(ws, "blockSubscribe", "all", {**CONFIRMED, "transactionDetails": "none"})
        await rpc("localnet_produceSlots", {"count": 3})
        await rpc("localnet_dropFork", {"depth": 1, "reuseSlots": True})
        await rpc("localnet_produceSlots", {"count": 1})
        told = [json.loads(await ws.recv())["params"]["result"]["value"] for _ in range(4)]
    assert [row["slot"] for row in told] == [1, 2, 3, 3]
    assert told[2]["block"]["blockhash"] != told[3]["block"]["blockhash"]


async def test_an_account_too_long_for_its_encoding_is_still_told(
    node: SolanaNode, rpc: Caller
) -> None:
    key = str(Keypair().pubkey())
    async with connect(node.ws_url) as ws:
        await _ask(ws, "accountSubscribe", key, CONFIRMED)
        data = "A" * 400
        await rpc("localnet_setAccount", {"pubkey": key, "lamports": 5 * SOL, "data": data})
        await rpc("localnet_produceSlots", {})
        told = json.loads(await ws.recv())["params"]["result"]["value"]
    assert told["data"] == "error: data too large for bs58 encoding"


async def test_a_lagging_node_tells_late(node: SolanaNode, rpc: Caller) -> None:
    async with connect(node.ws_url) as ws:
        await rpc("localnet_setLag", {"blocks": 2})
        await _ask(ws, "blockSubscribe", "all", {**CONFIRMED, "transactionDetails": "none"})
        await rpc("localnet_produceSlots", {"count": 3})
        await rpc("localnet_setLag", {"blocks": 0})
        await rpc("localnet_produceSlots", {})
        told = [json.loads(await ws.recv())["params"]["result"]["value"] for _ in range(4)]
    assert [row["slot"] for row in told] == [1, 2, 3, 4]


async def test_sockets_are_hung_up(node: SolanaNode, rpc: Caller) -> None:
    async with connect(node.ws_url) as ws:
        await _ask(ws, "slotSubscribe")
        assert await rpc("localnet_hangUp") == 1
        with pytest.raises(ConnectionClosed):
            await ws.recv()
    assert node.subscriptions.held == {}


async def test_a_history_larger_than_a_request_may_be(rpc: Caller) -> None:
    await rpc("localnet_produceSlots", {})
    texts = ["A" * 1_000] * 100
    refused = await rpc.post("getMultipleAccounts", texts)
    assert refused.status_code == 413
    answer = await rpc.post("localnet_process", {"transactions": texts})
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == -32602
