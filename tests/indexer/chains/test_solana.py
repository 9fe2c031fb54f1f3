from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import based58
import numpy as np
import pytest

from indexer.chains import reader as reader_module
from indexer.chains import solana
from indexer.chains.raw import RawRange, SolanaEvents
from indexer.chains.solana import SolanaReader
from indexer.chains.solana_events import TAG
from indexer.chains.watch import Watch
from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Rpc


@pytest.fixture
async def history(story: Any, bets_id: str) -> AsyncIterator[tuple[Any, SolanaReader]]:
    """Slots 1..20 with openings, failures, transfers, empty blocks and skipped slots."""
    for i in range(1, 13):
        transactions = [story.transfer()]
        if i % 2:
            transactions += [story.opening(), story.opening(2)]
        if i % 3 == 0:
            transactions.insert(0, story.opening(good=False))
        story.block(*transactions)
        if i % 4 == 0:
            story.skip(2)
    reader = SolanaReader(story.chain(), Watch({bets_id: 0}))
    yield story, reader
    await reader.aclose()


def same(a: RawRange, b: RawRange) -> None:
    for one, two in ((a.blocks, b.blocks), (a.events, b.events)):
        for name in one.__slots__:
            left, right = getattr(one, name), getattr(two, name)
            assert np.array_equal(left, right), name
    assert (a.chain, a.first, a.last, a.finalized) == (b.chain, b.first, b.last, b.finalized)


async def test_events_of_an_unfinalized_range(history: Any, bets_id: str) -> None:
    story, reader = history
    got = await reader.fetch(1, story.head, finalized=False)
    events = got.events
    assert isinstance(events, SolanaEvents)
    # Slot by slot: transactions before, then an opening and a double one.
    expected: list[tuple[int, int]] = []
    slots = story.node.chain.ledger.slots(1, story.head)
    for i, slot in enumerate(slots, 1):
        if i % 2:
            before = 1 + (i % 3 == 0)
            expected.append((slot, before << 10))
            expected += [(slot, before + 1 << 10)] * 2
    assert list(
        zip(events.height.tolist(), (events.ordinal >> 10 << 10).tolist(), strict=True)
    ) == (expected)
    assert set(events.program) == {bets_id}
    assert len({p[:8] for p in events.payload}) == 1
    assert (np.diff(events.height << 28 | events.ordinal) > 0).all()
    assert got.blocks.height.tolist() == slots
    assert got.blocks.hash == [str(story.node.chain.ledger.block(s).hash) for s in slots]
    assert got.nbytes > 1000


async def test_ordinals_count_all_instructions(history: Any) -> None:
    """Held against a flat walk over the block's JSON."""
    _, reader = history
    got = await reader.fetch(9, 9, finalized=False)
    config = {
        "encoding": "json",
        "rewards": False,
        "maxSupportedTransactionVersion": 1,
        "commitment": "confirmed",
    }
    async with Rpc(reader.chain.rpc) as rpc:
        block = await rpc.call("getBlock", [9, config])
    expected: list[tuple[int, str, bytes]] = []
    for t, transaction in enumerate(block["transactions"]):
        if transaction["meta"]["err"] is not None:
            continue
        inner = {g["index"]: g["instructions"] for g in transaction["meta"]["innerInstructions"]}
        flat: list[Any] = []
        for i, outer in enumerate(transaction["transaction"]["message"]["instructions"]):
            flat += [outer, *inner.get(i, [])]
        for i, instruction in enumerate(flat):
            data = based58.b58decode(instruction["data"].encode()) if instruction["data"] else b""
            if data.startswith(TAG):
                signature = transaction["transaction"]["signatures"][0]
                expected.append((t << 10 | i, signature, data[8:]))
    assert len(expected) == 3
    events = got.events
    assert list(zip(events.ordinal.tolist(), events.tx, events.payload, strict=True)) == expected
    assert len(set(events.tx)) == 2, "two events of one transaction differ by ordinal"


async def test_payload_is_the_event_without_the_tag(history: Any) -> None:
    _, reader = history
    got = await reader.fetch(1, 1, finalized=False)
    assert got.events.payload[0][:8] == hashlib.sha256(b"event:MarketOpened").digest()[:8]
    assert b"market 1" in got.events.payload[0]


async def test_finalized_range_has_headers_of_blocks_with_events_and_the_last(history: Any) -> None:
    story, reader = history
    tip = await reader.tip()
    got = await reader.fetch(1, tip.finalized, finalized=True)
    wanted = sorted({*got.events.height.tolist(), story.node.chain.at("finalized").slot})
    assert got.blocks.height.tolist() == wanted


@pytest.mark.parametrize(
    ("first", "last"), [(0, 12), (1, 12), (1, 1), (2, 2), (3, 6), (5, 6), (5, 7), (6, 12)]
)
async def test_both_ways_give_the_same_range(
    history: Any, bets_id: str, first: int, last: int
) -> None:
    story, _ = history
    assert (await _tip(story, bets_id)).finalized >= 12
    ranges: list[RawRange] = []
    for by_signatures in (False, True):
        reader = SolanaReader(story.chain(), Watch({bets_id: 0}), by_signatures=by_signatures)
        ranges.append(await reader.fetch(first, last, finalized=True))
        await reader.aclose()
    same(*ranges)


async def _tip(story: Any, program: str) -> Any:
    reader = SolanaReader(story.chain(), Watch({program: 0}))
    try:
        return await reader.tip()
    finally:
        await reader.aclose()


async def test_long_streams_are_the_same_both_ways(
    story: Any, bets_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solana, "_PAGE", 7)
    for i in range(120):
        story.block(*([story.opening(1 + i % 3)] if i % 5 == 0 else []))
        if i % 11 == 0:
            story.skip(3)
    last = (await _tip(story, bets_id)).finalized
    found: list[SolanaEvents] = []
    for by_signatures in (False, True):
        reader = SolanaReader(
            story.chain(), Watch({bets_id: 0}), events=5, by_signatures=by_signatures
        )
        reader._dense._next = reader._sparse._next = 9
        parts = [part async for part in reader.stream(0, last, finalized=True)]
        await reader.aclose()
        assert (parts[0].first, parts[-1].last) == (0, last)
        assert all(b.first == a.last + 1 for a, b in pairwise(parts))
        assert len(parts) > 3
        found.append([p.events for p in parts])
    for name in ("height", "ordinal", "tx", "payload"):
        left, right = ([x for e in events for x in getattr(e, name)] for events in found)
        assert left == right, name
    assert sum(map(len, found[0])) == 48


async def test_a_sparse_program_is_read_by_signatures(story: Any, bets_id: str) -> None:
    for i in range(400):
        story.block(*(story.transfer() for _ in range(3)), *([story.opening()] if i == 7 else []))
    last = (await _tip(story, bets_id)).finalized
    reader = SolanaReader(story.chain(), Watch({bets_id: 0}))
    assert await reader._is_sparse(0, last)
    assert not await reader._is_sparse(0, 100), "a short range is read by blocks"
    await reader.aclose()


async def test_a_busy_program_is_read_by_blocks(story: Any, bets_id: str) -> None:
    for _ in range(300):
        story.block(story.opening())
    reader = SolanaReader(story.chain(), Watch({bets_id: 0}))
    assert not await reader._is_sparse(0, (await reader.tip()).finalized)
    await reader.aclose()


async def test_tip_and_blocks(history: Any) -> None:
    story, reader = history
    tip = await reader.tip()
    head = story.node.chain.ledger.head
    assert (tip.latest, tip.hash, tip.time) == (head.slot, str(head.hash), head.time)
    assert tip.finalized == story.node.chain.at("finalized").slot
    found = await reader.blocks([4, 5, 7, head.slot + 9])
    assert found[0] is not None
    assert found[1] is None, "skipped"
    assert found[2] is not None
    assert found[3] is None, "not there yet"


async def test_a_start_leaves_out_what_was_before(history: Any, bets_id: str) -> None:
    story, _ = history
    reader = SolanaReader(story.chain(), Watch({bets_id: 3}))
    got = await reader.fetch(0, 4, finalized=False)
    assert set(got.events.height.tolist()) == {3}
    await reader.aclose()


@pytest.mark.parametrize("finalized", [True, False])
async def test_a_node_behind_the_range_is_retryable(history: Any, finalized: bool) -> None:
    story, reader = history
    with pytest.raises(Retryable, match=r"is at slot \d+, before|no node has this"):
        await reader.fetch(1, story.head + 1, finalized=finalized)


async def test_a_dropped_fork_shows_in_the_blocks(history: Any) -> None:
    story, reader = history
    old = await reader.fetch(1, story.head, finalized=False)
    head = story.head
    story.node.chain.drop_fork(2, "none", True)
    story.nonce -= 3
    for _ in range(3):
        story.block(story.opening())
    new = await reader.blocks(old.blocks.height.tolist())
    assert [b and b.hash for b in new[:-2]] == old.blocks.hash[:-2]
    assert all((b and b.hash) != h for b, h in zip(new[-2:], old.blocks.hash[-2:], strict=True))
    assert (await reader.fetch(head, story.head, finalized=False)).events.height.size


async def test_a_hole_in_a_nodes_ledger_is_noticed(
    history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_ATTEMPTS", 2)
    story, reader = history
    story.node.chain.hidden = {3}
    with pytest.raises(Retryable, match=r"it was listed a moment ago|doesn't follow"):
        await reader.fetch(1, 8, finalized=True)


async def test_pruned_history_is_fatal_with_advice(story: Any, bets_id: str) -> None:
    story.node.chain.ledger.keep_blocks = 10
    for _ in range(40):
        story.block()
    reader = SolanaReader(story.chain(), Watch({bets_id: 0}))
    floor = story.node.chain.ledger.first.slot
    if floor == 0:
        pytest.skip("this node keeps everything")
    for by_signatures in (False, True):
        reader._by_signatures = by_signatures
        with pytest.raises(Fatal, match=f"begin at slot {floor}.*archive node"):
            await reader.fetch(1, floor + 3, finalized=True)
    await reader.aclose()


async def test_wake_on_a_new_slot(history: Any) -> None:
    story, reader = history
    assert await reader.wake(10)
    while await reader.wake(0.05):
        pass
    waiting = asyncio.create_task(reader.wake(30))
    await asyncio.sleep(0)
    story.block()
    assert await waiting


async def test_check(history: Any, bets_id: str) -> None:
    story, reader = history
    await reader.check()
    genesis = str(story.node.chain.genesis_hash)
    for chain, program, text in (
        (story.chain(genesis_hash="11111"), bets_id, f"{genesis}, but .*genesis_hash is 11111"),
        (story.chain(), str(story.creator.pubkey()), "no executable program at"),
        (story.chain(), "SysvarC1ock11111111111111111111111111111112", "no account at"),
        (story.chain(rpc=("http://127.0.0.1:1",)), bets_id, "cannot connect.*chainfold localnet"),
    ):
        other = SolanaReader(chain, Watch({program: 0}), attempts=1)
        with pytest.raises(Fatal, match=text):
            await other.check()
        await other.aclose()
