from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from aiohttp import web
from backports import zstd

from indexer.errors import Fatal, Retryable
from indexer.rpc import endpoint as endpoint_module
from indexer.rpc.client import Rpc
from indexer.rpc.errors import Kind, NodeFatal, NodeRetryable

GONE = "http://127.0.0.1:1"


async def test_call_gives_the_result(node: Any) -> None:
    node.answers["add"] = lambda a, b: a + b
    async with Rpc([node.url]) as rpc:
        assert await rpc.call("add", [2, 3]) == 5
    assert node.requests[0][0]["jsonrpc"] == "2.0"
    assert len(node.requests) == 1


async def test_batch_is_one_request_with_results_in_order(node: Any) -> None:
    node.whole = lambda calls: [{"id": c["id"], "result": c["params"][0]} for c in reversed(calls)]
    async with Rpc([node.url]) as rpc:
        assert await rpc.batch([("echo", [i]) for i in range(10)]) == list(range(10))
    assert len(node.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429, 401, 403])
async def test_fails_over_at_once(node: Any, other: Any, response: Any, status: int) -> None:
    node.whole = lambda calls: response(status)
    other.answers["x"] = 7
    async with Rpc([node.url, other.url]) as rpc:
        assert await rpc.call("x") == 7
        assert await rpc.call("x") == 7
    assert len(node.requests) == 1, "a node that is down is left alone for a while"


async def test_fails_over_from_an_unreachable_node(other: Any) -> None:
    other.answers["x"] = 7
    async with Rpc([GONE, other.url]) as rpc:
        assert await rpc.call("x") == 7


async def test_the_preferred_node_is_asked_first(node: Any, other: Any) -> None:
    node.answers["x"] = other.answers["x"] = 7
    async with Rpc([node.url, other.url]) as rpc:
        for _ in range(5):
            await rpc.call("x")
    assert (len(node.requests), len(other.requests)) == (5, 0)


async def test_a_busy_preferred_node_spills_over(node: Any, other: Any) -> None:
    held = asyncio.Event()

    async def hold(calls: Any) -> Any:
        await held.wait()
        return {"id": calls[0]["id"], "result": 1}

    node.whole = hold
    other.answers["x"] = 2
    async with Rpc([node.url, other.url]) as rpc:
        rpc.endpoints[0].concurrency.limit = 2
        slow = [asyncio.create_task(rpc.call("x")) for _ in range(2)]
        while len(node.requests) < 2:
            await asyncio.sleep(0)
        assert await rpc.call("x") == 2
        held.set()
        assert await asyncio.gather(*slow) == [1, 1]


async def test_a_stumble_is_tried_again(node: Any, response: Any) -> None:
    stumbles = iter([response(502, "<html>"), response(200, "not json"), None])
    node.whole = lambda calls: next(stumbles)
    node.answers["x"] = 7
    async with Rpc([node.url]) as rpc:
        assert await rpc.call("x") == 7
    assert len(node.requests) == 3


async def test_gives_up_after_its_attempts(node: Any, response: Any) -> None:
    node.whole = lambda calls: response(503)
    async with Rpc([node.url], attempts=2, name="anvil") as rpc:
        with pytest.raises(NodeRetryable, match=rf"^anvil: {node.url}: x at 9: HTTP 503") as raised:
            await rpc.call("x", height=9)
    assert raised.value.fault.kind is Kind.TRANSIENT
    assert len(node.requests) == 2


async def test_unreachable_says_so() -> None:
    async with Rpc([GONE], attempts=1) as rpc:
        with pytest.raises(Retryable, match=r"http://127\.0\.0\.1:1: x: cannot connect"):
            await rpc.call("x")


async def test_rate_limit_waits_as_told(node: Any, response: Any) -> None:
    answers = iter([response(429, Retry_After="0.3"), None])
    node.whole = lambda calls: next(answers)
    node.answers["x"] = 7
    async with Rpc([node.url]) as rpc:
        begun = asyncio.get_running_loop().time()
        assert await rpc.call("x") == 7
        assert asyncio.get_running_loop().time() - begun >= 0.3
        assert rpc.endpoints[0].concurrency.limit == 2, "and asks less at once"


async def test_rate_limit_carries_the_wait(node: Any, response: Any) -> None:
    node.whole = lambda calls: response(429, Retry_After="7")
    async with Rpc([node.url], attempts=1) as rpc:
        with pytest.raises(Retryable) as raised:
            await rpc.call("x")
    assert raised.value.after == 7


async def test_a_node_that_comes_back_is_used_again(node: Any, response: Any) -> None:
    down = True
    node.whole = lambda calls: response(503) if down else None
    node.answers["x"] = 7
    async with Rpc([node.url], attempts=3) as rpc:
        for _ in range(3):
            with pytest.raises(NodeRetryable):
                await rpc.call("x")
        down = False
        async with asyncio.timeout(5):
            assert await rpc.call("x") == 7
        assert rpc.endpoints[0].failures == 0


async def test_learns_the_largest_batch(node: Any, error: Any) -> None:
    def at_most_three(calls: list[Any]) -> Any:
        if len(calls) <= 3:
            return None
        text = "Batch of more than 3 requests are not allowed on free tier"
        return {"id": None, "error": {"code": 31, "message": text}}

    node.whole = at_most_three
    node.answers["echo"] = lambda x: x
    async with Rpc([node.url]) as rpc:
        assert await rpc.batch([("echo", [i]) for i in range(8)]) == list(range(8))
        assert [len(r) for r in node.requests] == [8, 3, 3, 2]
        assert await rpc.batch([("echo", [i]) for i in range(4)]) == list(range(4))
        assert [len(r) for r in node.requests[4:]] == [3, 1]


async def test_a_batch_whose_answer_is_too_large_is_split(node: Any) -> None:
    def at_most_three(calls: list[Any]) -> Any:
        text = "response too large"
        error = {"code": -32003, "message": text}
        return None if len(calls) <= 3 else [{"id": c["id"], "error": error} for c in calls]

    node.whole = at_most_three
    node.answers["echo"] = lambda x: x
    async with Rpc([node.url]) as rpc:
        assert await rpc.batch([("echo", [i]) for i in range(10)]) == list(range(10))
        assert [len(r) for r in node.requests] == [10, 5, 2, 2, 2, 2, 2]
        assert rpc.endpoints[0].batch > 10, "a matter of these answers, not of the node"


async def test_a_node_without_batches_is_asked_singly(node: Any) -> None:
    node.whole = lambda calls: (
        {"id": None, "error": {"code": -32600, "message": "Invalid request"}}
        if len(calls) > 1
        else None
    )
    node.answers["echo"] = lambda x: x
    async with Rpc([node.url]) as rpc:
        assert await rpc.batch([("echo", [i]) for i in range(4)]) == list(range(4))
        assert rpc.endpoints[0].batch == 1


async def test_only_the_failed_calls_of_a_batch_are_repeated(node: Any, error: Any) -> None:
    seen: set[int] = set()

    def moody(x: int) -> Any:
        if x == 2 and x not in seen:
            seen.add(x)
            return error(-32000, "server is busy")
        return x

    node.answers["echo"] = moody
    async with Rpc([node.url]) as rpc:
        assert await rpc.batch([("echo", [i]) for i in range(4)]) == [0, 1, 2, 3]
    assert [len(r) for r in node.requests] == [4, 1]


async def test_together_results_come_from_one_node(node: Any, other: Any, error: Any) -> None:
    node.answers |= {"head": 10, "logs": error(-32000, "server is busy")}
    other.answers |= {"head": 20, "logs": ["of 20"]}
    async with Rpc([node.url, other.url]) as rpc:
        answer = await rpc.ask([("head", []), ("logs", [])], together=True)
    assert answer.results == [20, ["of 20"]]
    assert answer.endpoint is rpc.endpoints[1]


async def test_a_call_left_unanswered_is_asked_again(node: Any) -> None:
    answers = iter([lambda calls: [{"id": calls[0]["id"], "result": 0}], lambda calls: None])
    node.whole = lambda calls: next(answers)(calls)
    node.answers["echo"] = lambda x: x
    async with Rpc([node.url]) as rpc:
        assert await rpc.batch([("echo", [0]), ("echo", [1])]) == [0, 1]


async def test_learns_the_widest_range(node: Any, error: Any) -> None:
    node.answers["logs"] = error(-32602, "query exceeds max block range 500")
    async with Rpc([node.url]) as rpc:
        with pytest.raises(NodeRetryable) as raised:
            await rpc.ask([("logs", [])], width=2000)
        assert raised.value.fault.kind is Kind.WIDE
        assert rpc.width == 500
        with pytest.raises(NodeRetryable):
            await rpc.ask([("logs", [])], width=501)
    assert len(node.requests) == 1, "what is known to be too wide isn't sent"


async def test_too_wide_for_one_goes_to_the_other(node: Any, other: Any, error: Any) -> None:
    node.answers["logs"] = error(-32602, "query exceeds max block range 500")
    other.answers["logs"] = ["x"]
    async with Rpc([node.url, other.url]) as rpc:
        with pytest.raises(NodeRetryable):
            await rpc.ask([("logs", [])], width=2000)
        assert (await rpc.ask([("logs", [])], width=2000)).results == [["x"]]
        assert rpc.width is None


async def test_too_many_results_is_raised_at_once(node: Any, error: Any) -> None:
    text = "query returned more than 10000 results. Try with this block range [0x10, 0x1f]."
    node.answers["logs"] = error(-32005, text)
    async with Rpc([node.url]) as rpc:
        with pytest.raises(NodeRetryable) as raised:
            await rpc.ask([("logs", [])], width=100)
    assert raised.value.fault.span == (16, 31)
    assert len(node.requests) == 1


async def test_an_unsupported_method_is_asked_elsewhere(node: Any, other: Any) -> None:
    other.answers["receipts"] = [1]
    node.answers["x"] = other.answers["x"] = 7
    async with Rpc([node.url, other.url]) as rpc:
        assert await rpc.call("receipts") == [1]
        assert await rpc.call("receipts") == [1]
        assert await rpc.call("x") == 7
    assert node.methods == ["receipts", "x"]


async def test_unsupported_everywhere_is_fatal(node: Any, other: Any) -> None:
    async with Rpc([node.url, other.url]) as rpc:
        with pytest.raises(NodeFatal) as raised:
            await rpc.call("receipts")
    assert raised.value.fault.kind is Kind.UNSUPPORTED


async def test_facts_are_fatal_at_once(node: Any, other: Any, error: Any) -> None:
    node.answers["call"] = error(3, "execution reverted", "0x08c379a0")
    async with Rpc([node.url, other.url]) as rpc:
        with pytest.raises(NodeFatal) as raised:
            await rpc.call("call")
    assert raised.value.fault.data == "0x08c379a0"
    assert other.requests == []


async def test_a_node_that_lags_is_not_asked(node: Any, other: Any) -> None:
    node.answers["x"] = other.answers["x"] = 7
    async with Rpc([node.url, other.url], attempts=1) as rpc:
        rpc.endpoints[0].saw_head(99)
        rpc.endpoints[1].saw_head(100)
        await rpc.call("x", height=100)
        assert (len(node.requests), len(other.requests)) == (0, 1)
        with pytest.raises(NodeRetryable, match="x at 101: no node has this block yet"):
            await rpc.call("x", height=101)
        await rpc.call("x", height=99)
        assert len(node.requests) == 1


async def test_a_node_that_kept_less_is_not_asked_for_more(node: Any, other: Any) -> None:
    node.answers["x"] = other.answers["x"] = 7
    async with Rpc([node.url, other.url]) as rpc:
        rpc.endpoints[0].floor = 1000
        await rpc.ask([("x", [])], lowest=999)
        assert (len(node.requests), len(other.requests)) == (0, 1)
        rpc.endpoints[1].floor = 500
        with pytest.raises(Fatal, match="begin at 500"):
            await rpc.ask([("x", [])], lowest=499)


async def test_a_silent_node_times_out(node: Any, other: Any) -> None:
    async def silent(calls: Any) -> Any:
        await asyncio.sleep(30)

    node.whole = silent
    other.answers["x"] = 7
    async with Rpc([node.url, other.url], timeout=0.1) as rpc:
        assert await rpc.call("x") == 7
    async with Rpc([node.url], timeout=0.1) as rpc:
        with pytest.raises(NodeRetryable) as raised:
            await rpc.ask([("x", [])], width=10)
    assert raised.value.fault.kind is Kind.TIMEOUT


async def test_a_node_that_hangs_up_is_tried_again(node: Any) -> None:
    async def hang_up(calls: Any) -> Any:
        if len(node.requests) == 1:
            raise ConnectionResetError
        return {"id": calls[0]["id"], "result": 7}

    node.whole = hang_up
    async with Rpc([node.url]) as rpc:
        assert await rpc.call("x") == 7


async def test_an_answer_too_large_is_to_be_split(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "MAX_ANSWER", 1 << 20)
    node.answers["logs"] = "x" * (2 << 20)
    async with Rpc([node.url]) as rpc:
        with pytest.raises(NodeRetryable) as raised:
            await rpc.ask([("logs", [])], width=10)
    assert raised.value.fault.kind is Kind.MANY


@pytest.mark.parametrize(
    ("encoding", "squeeze"), [("gzip", gzip.compress), ("zstd", zstd.compress)]
)
async def test_compressed_answers(
    node: Any, monkeypatch: pytest.MonkeyPatch, encoding: str, squeeze: Callable[[bytes], bytes]
) -> None:
    def squeezed(calls: Any) -> web.Response:
        body = squeeze(orjson.dumps({"id": calls[0]["id"], "result": "y" * 1000}))
        return web.Response(body=body, headers={"Content-Encoding": encoding})

    node.whole = squeezed
    monkeypatch.setattr(endpoint_module, "is_local", lambda url: False)
    async with Rpc([node.url]) as rpc:
        answer = await rpc.ask([("x", [])])
    assert answer.results == ["y" * 1000]
    assert answer.nbytes > 1000, "what counts is what memory holds"
    assert encoding in node.headers[0]["Accept-Encoding"]


async def test_cancelled_requests_give_their_place_back(node: Any) -> None:
    async def silent(calls: Any) -> Any:
        await asyncio.sleep(30)

    node.whole = silent
    async with Rpc([node.url]) as rpc:
        tasks = [asyncio.create_task(rpc.call("x")) for _ in range(10)]
        while len(node.requests) < 4:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert rpc.endpoints[0].concurrency.in_flight == 0


async def test_errors_hide_keys(node: Any) -> None:
    key = "0123456789abcdef0123456789abcdef"
    async with Rpc([f"{node.url}/v2/{key}?api-key={key}"]) as rpc:
        with pytest.raises(NodeFatal) as raised:
            await rpc.call("nope")
    assert key not in str(raised.value)
    assert f"{node.url}/v2/…?api-key=…: nope" in str(raised.value)


async def test_each_node_is_asked_for_cross_checks(node: Any, other: Any, error: Any) -> None:
    node.answers["head"] = 10
    other.answers["head"] = error(-32000, "server is busy")
    async with Rpc([node.url, other.url, GONE]) as rpc:
        (a, first), (b, second), (_, third) = await rpc.ask_each([("head", [])])
        assert (a, first) == (rpc.endpoints[0], [10])
        assert b is rpc.endpoints[1]
        assert isinstance(second, NodeRetryable)
        assert isinstance(third, NodeRetryable)


async def test_a_node_that_hangs_holds_up_no_cross_check(node: Any, other: Any) -> None:
    async def silent(calls: Any) -> Any:
        await asyncio.sleep(30)

    node.whole = silent
    other.answers["head"] = 10
    async with Rpc([node.url, other.url]) as rpc:
        async with asyncio.timeout(5):
            first = await rpc.ask_each([("head", [])], patience=0.05)
            second = await rpc.ask_each([("head", [])], patience=0.05)
        assert first == second == [(rpc.endpoints[1], [10])]
        assert len(node.requests) == 1, "it is down for the second"
        assert rpc.endpoints[0].concurrency.in_flight == 0


async def test_all_down_is_told_as_errors() -> None:
    async with Rpc([GONE, GONE]) as rpc:
        for _ in range(2):
            answers = await rpc.ask_each([("head", [])], patience=0.05)
            assert [type(a) for _, a in answers] == [NodeRetryable] * 2


class Point(msgspec.Struct):
    x: int
    y: int


POINT = msgspec.json.Decoder(Point).decode


async def test_results_are_read_into_their_shapes_and_the_rest_is_skipped(node: Any) -> None:
    node.answers |= {"point": {"x": 1, "z": "skipped", "y": 2}, "other": {"x": 1}}
    async with Rpc([node.url], shapes={"point": POINT}) as rpc:
        assert await rpc.batch([("point", []), ("other", [])]) == [Point(1, 2), {"x": 1}]


async def test_a_result_of_another_shape_is_asked_for_elsewhere(node: Any, other: Any) -> None:
    node.answers["point"] = {"x": 1}
    other.answers["point"] = {"x": 1, "y": 2}
    async with Rpc([node.url, other.url], shapes={"point": POINT}) as rpc:
        assert await rpc.call("point") == Point(1, 2)
    async with Rpc([node.url], shapes={"point": POINT}, attempts=1) as rpc:
        with pytest.raises(NodeRetryable, match="missing required field `y`"):
            await rpc.call("point")
