from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from indexer.chains.evm import EvmReader
from indexer.chains.raw import EvmLogs
from indexer.chains.watch import Watch
from indexer.errors import Fatal

TOPIC = "0x" + "c0ffee" * 10 + "c0fe"


@pytest.fixture
async def history(anvil: Any) -> AsyncIterator[tuple[Any, str, EvmReader]]:
    """Blocks 2..21, the even ones with as many logs as their number."""
    address = anvil.deploy()
    for height in range(2, 22):
        if height % 2 == 0:
            anvil.emit(address, height)
        anvil.mine()
    reader = EvmReader(anvil.chain(), Watch({address: 0}))
    yield anvil, address, reader
    await reader.aclose()


async def test_finalized_range_has_logs_in_order_and_headers_of_their_blocks(history: Any) -> None:
    anvil, address, reader = history
    anvil.mine(64)
    got = await reader.fetch(3, 9, finalized=True)
    assert (got.chain, got.first, got.last, got.finalized) == ("anvil", 3, 9, True)
    logs = got.events
    assert isinstance(logs, EvmLogs)
    assert logs.height.tolist() == [4] * 4 + [6] * 6 + [8] * 8
    assert logs.log_index.tolist() == [*range(4), *range(6), *range(8)]
    assert [logs.log(i).data for i in range(4)] == [f"0x{n:064x}" for n in (4, 3, 2, 1)]
    assert {logs.log(i).topics[0] for i in range(len(logs))} == {TOPIC}
    assert logs.emitters == (address,)
    assert got.blocks.height.tolist() == [4, 6, 8, 9]
    for i, height in enumerate((4, 6, 8, 9)):
        block = anvil.call("eth_getBlockByNumber", hex(height), False)
        assert got.blocks.hash[i] == block["hash"]
        assert got.blocks.time[i] == int(block["timestamp"], 16)
    assert got.nbytes > 1000


async def test_unfinalized_range_has_every_header(history: Any) -> None:
    _, _, reader = history
    got = await reader.fetch(1, 21, finalized=False)
    assert got.blocks.height.tolist() == list(range(1, 22))
    block = history[0].call("eth_getBlockByNumber", "0x1", False)
    assert (got.blocks.hash[0], got.blocks.parent) == (block["hash"], block["parentHash"])
    assert len(got.events) == sum(range(2, 22, 2))


async def test_empty_range(history: Any) -> None:
    _, _, reader = history
    got = await reader.fetch(5, 5, finalized=False)
    assert len(got.events) == 0
    assert got.blocks.height.tolist() == [5]


async def test_tip_block_and_blocks(history: Any) -> None:
    anvil, _, reader = history
    tip = await reader.tip()
    head = anvil.call("eth_getBlockByNumber", "latest", False)
    assert (tip.latest, tip.hash, tip.time) == (21, head["hash"], int(head["timestamp"], 16))
    assert tip.finalized == 0
    block = await reader.block(21)
    assert block is not None
    assert (block.hash, block.time) == (head["hash"], int(head["timestamp"], 16))
    several = await reader.blocks([20, 22, 19])
    assert several[0] is not None
    assert several[0].hash == head["parentHash"]
    assert several[1] is None


async def test_finalized_follows_the_nodes_tag(history: Any) -> None:
    anvil, _, reader = history
    anvil.mine(100)
    tip = await reader.tip()
    assert tip.latest == 121
    assert tip.finalized == int(
        anvil.call("eth_getBlockByNumber", "finalized", False)["number"], 16
    )
    assert 0 < tip.finalized < 121


async def test_stream_is_contiguous_and_complete(history: Any) -> None:
    anvil, address, _ = history
    anvil.mine(64)
    reader = EvmReader(anvil.chain(), Watch({address: 0}), events=20)
    parts = [part async for part in reader.stream(0, 21, finalized=True)]
    await reader.aclose()
    assert parts[0].first == 0
    assert parts[-1].last == 21
    assert all(b.first == a.last + 1 for a, b in itertools.pairwise(parts))
    heights = np.concatenate([p.events.height for p in parts])
    assert heights.tolist() == [h for h in range(2, 22, 2) for _ in range(h)]


async def test_stream_can_be_left_early(history: Any) -> None:
    _, _, reader = history
    reader._width._next = 1
    before = len(asyncio.all_tasks())
    stream = reader.stream(0, 21, finalized=False)
    assert (await anext(stream)).first == 0
    await stream.aclose()
    assert len(asyncio.all_tasks()) == before


async def test_addresses_start_where_the_watch_says(history: Any) -> None:
    anvil, address, _ = history
    anvil.mine(64)
    reader = EvmReader(anvil.chain(), Watch({address: 8}))
    got = await reader.fetch(0, 10, finalized=True)
    assert sorted(set(got.events.height.tolist())) == [8, 10]
    await reader.aclose()


async def test_topics_limit_the_logs(history: Any) -> None:
    anvil, address, _ = history
    for topics, count in (({TOPIC}, 4), ({"0x" + "11" * 32}, 0)):
        reader = EvmReader(anvil.chain(), Watch({address: 0}, frozenset(topics)))
        assert len((await reader.fetch(3, 5, finalized=False)).events) == count
        await reader.aclose()


async def test_wake_on_a_new_head(history: Any) -> None:
    anvil, _, reader = history
    assert await reader.wake(10)  # The subscription stands: there may be news from before.
    waiting = asyncio.create_task(reader.wake(30))
    await asyncio.to_thread(anvil.mine)
    assert await waiting
    assert not await reader.wake(0.01)


async def test_a_reorg_shows_in_the_blocks(history: Any) -> None:
    anvil, _, reader = history
    before = await reader.blocks(range(15, 22))
    anvil.call("evm_setAutomine", False)
    anvil.call("anvil_reorg", 2, [])
    after = await reader.blocks(range(15, 22))
    assert before[:5] == after[:5]
    assert all(a != b for a, b in zip(before[5:], after[5:], strict=True))
    got = await reader.fetch(20, 21, finalized=False)
    assert got.blocks.hash == [b.hash for b in after[5:] if b is not None]
    assert len(got.events) == 0


async def test_check_names_both_chain_ids(history: Any) -> None:
    anvil, address, reader = history
    await reader.check()
    other = EvmReader(anvil.chain(chain_id=1), Watch({address: 0}))
    with pytest.raises(Fatal, match=r"serves chain id 31337, but chains\.anvil\.chain_id is 1"):
        await other.check()
    await other.aclose()


async def test_check_wants_code_at_the_address(anvil: Any) -> None:
    reader = EvmReader(anvil.chain(), Watch({"0x" + "ab" * 20: 0}))
    with pytest.raises(Fatal, match=f"no contract at 0x{'ab' * 20}"):
        await reader.check()
    await reader.aclose()


async def test_check_names_the_unreachable_url(anvil: Any) -> None:
    chain = anvil.chain(rpc=("http://127.0.0.1:1/v2/0123456789abcdef0123456789abcdef",))
    reader = EvmReader(chain, Watch({"0x" + "ab" * 20: 0}))
    with pytest.raises(Fatal, match=r"http://127\.0\.0\.1:1/v2/…: .*cannot connect") as error:
        await reader.check()
    assert "chainfold localnet" in str(error.value)
    await reader.aclose()
