"""Nodes that lag, limit or contradict themselves: never an empty or a mixed range."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from indexer.chains import reader as reader_module
from indexer.chains.evm import EvmReader
from indexer.chains.watch import Watch
from indexer.errors import Fatal, Retryable

HEIGHT = 21
ZERO_BLOOM = "0x" + "00" * 256


@pytest.fixture(scope="module")
def story(new_anvil: Any) -> Iterator[tuple[Any, str]]:
    """Blocks 2..21, the even ones with as many logs as their number."""
    anvil = new_anvil("--slots-in-an-epoch", "0")  # each block is final at once
    address = anvil.deploy()
    for height in range(2, HEIGHT + 1):
        if height % 2 == 0:
            anvil.emit(address, height)
        anvil.mine()
    yield anvil, address
    anvil.close()


@pytest.fixture
async def chain(
    story: tuple[Any, str], new_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    """The story, read through a proxy; what a test does to it is undone."""
    monkeypatch.setattr(reader_module, "_ATTEMPTS", 2)
    anvil, address = story
    before = anvil.call("evm_snapshot")
    proxy = new_proxy(anvil.url)
    await proxy.start()
    reader = EvmReader(anvil.chain(rpc=(proxy.url,), ws=None), Watch({address: 0}), attempts=2)
    yield anvil, proxy, reader, address
    await reader.aclose()
    await proxy.stop()
    anvil.call("evm_revert", before)


def every(method: str, change: Any) -> Any:
    """A proxy's ``change`` for the results of one method."""

    def changed(called: str, params: list[Any], reply: dict[str, Any]) -> dict[str, Any]:
        if called != method or "result" not in reply:
            return reply
        return reply | {"result": change(params, copy.deepcopy(reply["result"]))}

    return changed


async def fails(reader: EvmReader, first: int, last: int, finalized: bool, match: str) -> None:
    with pytest.raises(Retryable, match=match):
        await reader.fetch(first, last, finalized=finalized)


@pytest.mark.parametrize("finalized", [True, False])
async def test_a_node_that_does_not_know_the_last_block(chain: Any, finalized: bool) -> None:
    _, _, reader, _ = chain
    await fails(reader, 20, HEIGHT + 1, finalized, f"block {HEIGHT + 1}|at {HEIGHT + 1}")


async def test_logs_that_come_too_late(chain: Any) -> None:
    """A node that has the header but not the logs looks like an empty range."""
    _, proxy, reader, _ = chain
    proxy.change = every("eth_getLogs", lambda params, logs: [])
    await fails(reader, 20, 21, False, "gives 0 logs of block 20, its receipts hold 20")


async def test_another_node_fills_in_for_one_that_lags(chain: Any) -> None:
    anvil, proxy, _, address = chain
    proxy.change = every("eth_getBlockByNumber", lambda params, block: None)
    reader = EvmReader(anvil.chain(rpc=(proxy.url, anvil.url), ws=None), Watch({address: 0}))
    assert len((await reader.fetch(20, 21, finalized=False)).events) == 20
    await reader.aclose()


async def test_tip_is_that_of_the_furthest_node(chain: Any) -> None:
    anvil, proxy, _, address = chain
    old = anvil.call("eth_getBlockByNumber", "0x5", False)
    proxy.change = every("eth_getBlockByNumber", lambda params, block: old)
    reader = EvmReader(anvil.chain(rpc=(proxy.url, anvil.url), ws=None), Watch({address: 0}))
    assert (await reader.tip()).latest == HEIGHT
    proxy.calls.clear()
    await reader.fetch(20, 21, finalized=False)
    assert proxy.calls == [], "the node that lags is left out"
    await reader.aclose()


async def test_blocks_are_not_gone_because_a_node_lags(chain: Any) -> None:
    anvil, proxy, _, address = chain
    old = anvil.call("eth_getBlockByNumber", "0x5", False)
    proxy.change = every(
        "eth_getBlockByNumber", lambda params, block: old if params[0] == "latest" else None
    )
    reader = EvmReader(anvil.chain(rpc=(proxy.url, anvil.url), ws=None), Watch({address: 0}))
    await reader.tip()
    assert None not in await reader.blocks([HEIGHT, HEIGHT - 1])
    await reader.aclose()


async def test_a_dead_node_does_not_hide_the_tip(chain: Any) -> None:
    anvil, _, _, address = chain
    urls = ("http://127.0.0.1:1", anvil.url)
    reader = EvmReader(anvil.chain(rpc=urls, ws=None), Watch({address: 0}))
    await reader.check()
    assert (await reader.tip()).latest == HEIGHT
    await reader.aclose()


async def test_finalized_never_falls(chain: Any) -> None:
    anvil, proxy, reader, _ = chain
    anvil.mine(100)
    before = (await reader.tip()).finalized
    first = anvil.call("eth_getBlockByNumber", "0x1", False)
    proxy.change = every(
        "eth_getBlockByNumber", lambda params, block: first if params[0] == "finalized" else block
    )
    assert (await reader.tip()).finalized == before > 1


async def test_chains_without_the_finalized_tag(chain: Any) -> None:
    anvil, proxy, reader, _ = chain
    proxy.refuse = lambda method, params: (
        {"code": -32602, "message": "invalid argument 0: hex string without 0x prefix"}
        if "finalized" in params
        else None
    )
    anvil.mine(100)
    tip = await reader.tip()
    assert (tip.latest, tip.finalized) == (HEIGHT + 100, HEIGHT + 100 - 64)


async def test_a_chain_that_has_nothing_final_yet(chain: Any) -> None:
    anvil, proxy, reader, _ = chain
    proxy.refuse = lambda method, params: (
        {"code": -32000, "message": "finalized block not found"} if "finalized" in params else None
    )
    anvil.mine(100)
    tip = await reader.tip()
    assert (tip.latest, tip.finalized) == (HEIGHT + 100, 0)
    proxy.refuse = None
    assert (await reader.tip()).finalized > 0, "the tag is asked for again"


async def test_a_refused_key_does_not_change_what_is_final(chain: Any) -> None:
    anvil, proxy, reader, _ = chain
    anvil.mine(100)
    proxy.refuse = lambda method, params: {"code": -32002, "message": "invalid project id"}
    with pytest.raises(Fatal, match="invalid project id"):
        await reader.tip()
    proxy.refuse = None
    reader.rpc.endpoints[0].answered()
    tag = int(anvil.call("eth_getBlockByNumber", "finalized", False)["number"], 16)
    assert (await reader.tip()).finalized == tag


@pytest.mark.parametrize("finalized", [True, False])
async def test_logs_of_another_fork(chain: Any, finalized: bool) -> None:
    _, proxy, reader, _ = chain

    def other(params: Any, logs: Any) -> Any:
        return [log | {"blockHash": "0x" + "ee" * 32} for log in logs]

    proxy.change = every("eth_getLogs", other)
    await fails(reader, 19, 21, finalized, "logs and header of block 20 differ")


async def test_a_node_that_does_not_call_the_range_final(chain: Any) -> None:
    """It has the heights, but perhaps as a fork that others know to be orphaned."""
    anvil, proxy, reader, _ = chain
    behind = anvil.call("eth_getBlockByNumber", hex(20), False)
    proxy.change = every(
        "eth_getBlockByNumber", lambda params, block: behind if params[0] == "finalized" else block
    )
    await fails(reader, 17, 21, True, "doesn't call block 21 final yet")
    assert len((await reader.fetch(17, 20, finalized=True)).events) == 38


async def test_two_forks_in_one_answer(chain: Any) -> None:
    _, proxy, reader, _ = chain

    def mixed(params: Any, logs: Any) -> Any:
        return [logs[0] | {"blockHash": "0x" + "ee" * 32}, *logs[1:]]

    proxy.change = every("eth_getLogs", mixed)
    await fails(reader, 19, 21, True, "two blocks 20")


def _told(*changes: str | None) -> Any:
    """Logs whose blocks' times are ``changes``, by turns; None: they don't tell."""

    def changed(params: Any, logs: Any) -> Any:
        for log in logs:
            time = changes[int(log["blockNumber"], 16) // 2 % len(changes)]
            log.pop("blockTimestamp")
            if time is not None:
                log["blockTimestamp"] = time
        return logs

    return changed


async def test_logs_that_tell_the_time_spare_headers(chain: Any) -> None:
    _, proxy, reader, _ = chain
    told = await reader.fetch(0, 21, finalized=True)
    assert proxy.methods.count("eth_getBlockByNumber") <= 4
    proxy.change = every("eth_getLogs", _told(None))
    proxy.calls.clear()
    untold = await reader.fetch(0, 21, finalized=True)
    assert proxy.methods.count("eth_getBlockByNumber") >= len(untold.blocks) == 11
    assert told.blocks.hash == untold.blocks.hash
    assert told.blocks.time.tolist() == untold.blocks.time.tolist()


@pytest.mark.parametrize(
    "times",
    [
        ("0x1",),  # of all blocks, so that they never fall
        ("0xffffffff",),
        ("0x7fffffffffffffff",),
        ("0x1", None),
        ("0x2", "0x1"),
        ("soon",),
    ],
)
async def test_headers_count_where_logs_tell_another_time(chain: Any, times: Any) -> None:
    _, proxy, reader, _ = chain
    straight = await reader.fetch(0, 21, finalized=True)
    proxy.change = every("eth_getLogs", _told(*times))
    got = await reader.fetch(0, 21, finalized=True)
    assert got.blocks.time.tolist() == straight.blocks.time.tolist()
    assert got.blocks.hash == straight.blocks.hash


async def test_headers_that_do_not_chain(chain: Any) -> None:
    _, proxy, reader, _ = chain

    def forked(params: Any, block: Any) -> Any:
        return block | {"parentHash": "0x" + "ee" * 32} if block["number"] == hex(19) else block

    proxy.change = every("eth_getBlockByNumber", forked)
    await fails(reader, 17, 21, False, "block 19 doesn't follow from 18")


async def test_a_header_of_another_height(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.change = every("eth_getBlockByNumber", lambda params, block: block | {"number": "0x3"})
    await fails(reader, 17, 21, False, "with another")


async def test_logs_outside_of_the_range(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.change = every(
        "eth_getLogs", lambda params, logs: [log | {"blockNumber": "0x2"} for log in logs]
    )
    await fails(reader, 17, 21, True, "block 2 is outside")


async def test_logs_of_other_contracts(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.change = every(
        "eth_getLogs", lambda params, logs: [log | {"address": "0x" + "aa" * 20} for log in logs]
    )
    await fails(reader, 17, 21, True, "not asked for")


async def test_removed_logs(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.change = every(
        "eth_getLogs", lambda params, logs: [log | {"removed": True} for log in logs]
    )
    await fails(reader, 17, 21, True, "removed logs")


async def test_a_log_listed_twice(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.change = every("eth_getLogs", lambda params, logs: [*logs, logs[0]])
    await fails(reader, 17, 21, True, "lists a log twice")


async def test_unordered_logs_and_checksummed_addresses(chain: Any) -> None:
    _, proxy, reader, address = chain
    straight = await reader.fetch(0, 21, finalized=True)

    def shuffled(params: Any, logs: Any) -> Any:
        return [log | {"address": "0x" + address[2:].upper()} for log in reversed(logs)]

    proxy.change = every("eth_getLogs", shuffled)
    got = await reader.fetch(0, 21, finalized=True)
    assert got.events.height.tolist() == straight.events.height.tolist()
    assert got.events.log_index.tolist() == straight.events.log_index.tolist()
    for row in range(len(straight.events)):
        assert got.events.log(row) == straight.events.log(row)
        assert got.events.tx_hash(row) == straight.events.tx_hash(row)
    assert got.events.emitters == (address,)


async def test_a_chain_that_fills_in_no_blooms(chain: Any) -> None:
    _, proxy, reader, _ = chain
    lost = False

    def change(method: str, params: list[Any], reply: dict[str, Any]) -> dict[str, Any]:
        if method == "eth_getBlockByNumber":
            return reply | {"result": reply["result"] | {"logsBloom": ZERO_BLOOM}}
        return reply | {"result": []} if method == "eth_getLogs" and lost else reply

    proxy.change = change
    assert len((await reader.fetch(20, 21, finalized=False)).events) == 20
    lost = True
    await fails(reader, 20, 21, False, "gives 0 logs of block 20")


async def test_logs_that_bloom_and_receipts_rule_out(chain: Any) -> None:
    _, proxy, reader, _ = chain

    def change(method: str, params: list[Any], reply: dict[str, Any]) -> dict[str, Any]:
        if method == "eth_getBlockByNumber":
            return reply | {"result": reply["result"] | {"logsBloom": ZERO_BLOOM}}
        return reply | {"result": []} if method == "eth_getBlockReceipts" else reply

    proxy.change = change
    await fails(reader, 20, 21, False, "gives 20 logs of block 20, its receipts hold 0")


async def test_receipts_of_another_fork(chain: Any) -> None:
    _, proxy, reader, _ = chain

    def change(method: str, params: list[Any], reply: dict[str, Any]) -> dict[str, Any]:
        if method == "eth_getBlockReceipts":
            found = [r | {"blockHash": "0x" + "ee" * 32} for r in reply["result"]]
            return reply | {"result": found}
        return reply | {"result": []} if method == "eth_getLogs" else reply

    proxy.change = change
    await fails(reader, 20, 20, False, "receipts are of another block")


async def test_without_receipts_the_block_is_asked_by_hash(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.refuse = lambda method, params: (
        {"code": -32601, "message": "Method not found"}
        if method == "eth_getBlockReceipts"
        else None
    )
    proxy.change = every(
        "eth_getLogs", lambda params, logs: logs if "blockHash" in params[0] else []
    )
    await fails(reader, 20, 21, False, "gives 0 logs of block 20, its receipts hold 20")


async def test_a_false_positive_of_the_bloom_is_an_empty_block(chain: Any) -> None:
    _, proxy, reader, _ = chain
    full = "0x" + "ff" * 256
    proxy.change = every("eth_getBlockByNumber", lambda params, block: block | {"logsBloom": full})
    assert len((await reader.fetch(21, 21, finalized=False)).events) == 0
    assert "eth_getBlockReceipts" in proxy.methods


def span(params: list[Any]) -> int:
    return int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1


LIMITS: dict[str, Any] = {
    "a widest range": lambda a, b, n: (
        f"query exceeds max block range {4}" if b - a + 1 > 4 else None
    ),
    "a widest range, unnamed": lambda a, b, n: "block range is too wide" if b - a + 1 > 3 else None,
    "a most of results with a range": lambda a, b, n: (
        f"query returned more than 30 results. Try with this block range [{a:#x}, {a:#x}]."
        if n > 30
        else None
    ),
    "a most of results": lambda a, b, n: "query returned more than 30 results" if n > 30 else None,
    "a useless range": lambda a, b, n: (
        f"query exceeds max results 30, retry with the range {a}-{b}" if n > 30 else None
    ),
}


@pytest.mark.parametrize("finalized", [True, False])
@pytest.mark.parametrize("limit", LIMITS, ids=lambda name: name.replace(" ", "-"))
async def test_limits_of_providers(chain: Any, limit: str, finalized: bool) -> None:
    _, proxy, reader, _ = chain

    def refuse(method: str, params: list[Any]) -> dict[str, Any] | None:
        if method != "eth_getLogs":
            return None
        a, b = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        text = LIMITS[limit](a, b, sum(h for h in range(a, b + 1) if h % 2 == 0))
        return text and {"code": -32602, "message": text}

    proxy.refuse = refuse
    got = await reader.fetch(2, 21, finalized=finalized)
    assert got.events.height.tolist() == [h for h in range(2, 22, 2) for _ in range(h)]


async def test_a_learnt_width_is_kept_to(chain: Any) -> None:
    _, proxy, reader, _ = chain

    def refuse(method: str, params: list[Any]) -> dict[str, Any] | None:
        if method == "eth_getLogs" and span(params) > 4:
            return {"code": -32602, "message": "exceed maximum block range: 4"}
        return None

    proxy.refuse = refuse
    parts = [part async for part in reader.stream(0, 21, finalized=True)]
    assert sum(len(p.events) for p in parts) == sum(range(2, 22, 2))
    refused = [p for m, p in proxy.calls if m == "eth_getLogs" and span(p) > 4]
    assert len(refused) <= 2, "what was under way at the first answer, then never again"


async def test_a_single_block_too_large_comes_from_receipts(chain: Any) -> None:
    _, proxy, reader, _ = chain

    def refuse(method: str, params: list[Any]) -> dict[str, Any] | None:
        if method == "eth_getLogs":
            return {"code": -32602, "message": "query returns too many logs, narrow your filter: 9"}
        return None

    proxy.refuse = refuse
    got = await reader.fetch(19, 21, finalized=True)
    assert got.events.height.tolist() == [20] * 20


async def test_a_single_block_too_large_and_no_receipts(chain: Any) -> None:
    _, proxy, reader, _ = chain
    proxy.refuse = lambda method, params: {
        "eth_getLogs": {"code": -32602, "message": "query returned more than 9 results"},
        "eth_getBlockReceipts": {"code": -32601, "message": "Method not found"},
    }.get(method)
    with pytest.raises(Fatal, match="block 20 alone is too much"):
        await reader.fetch(20, 20, finalized=True)


async def test_a_stopped_node_is_retryable_and_named(chain: Any) -> None:
    _, proxy, reader, _ = chain
    await proxy.stop()
    await fails(reader, 1, 2, True, f"anvil: {proxy.url}: .*: cannot connect")
    await proxy.start()
