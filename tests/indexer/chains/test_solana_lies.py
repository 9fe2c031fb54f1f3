"""Solana nodes that lag, limit or contradict themselves, read both ways."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from indexer.chains import reader as reader_module
from indexer.chains.solana import SolanaReader
from indexer.chains.watch import Watch
from indexer.errors import Fatal, Retryable

LAST = 12


@pytest.fixture
async def chain(
    story: Any, new_proxy: Any, bets_id: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    """Slots 1..14, the odd ones with two events, 5 and 6 skipped, read through a proxy."""
    monkeypatch.setattr(reader_module, "_ATTEMPTS", 2)
    for slot in range(1, 15):
        if slot == 5:
            story.skip(2)
        if slot not in (5, 6):
            story.block(story.transfer(), *([story.opening(2)] if slot % 2 else []))
    proxy = new_proxy(story.node.url)
    await proxy.start()
    watch = Watch({bets_id: 0})
    chain = story.chain(rpc=(proxy.url,), ws=None)
    readers = [SolanaReader(chain, watch, attempts=2, by_signatures=s) for s in (False, True)]
    yield story, proxy, *readers
    for reader in readers:
        await reader.aclose()
    await proxy.stop()


def every(method: str, change: Any) -> Any:
    def changed(called: str, params: list[Any], reply: dict[str, Any]) -> dict[str, Any]:
        if called != method or "result" not in reply:
            return reply
        return reply | {"result": change(params, copy.deepcopy(reply["result"]))}

    return changed


def refusing(method: str, code: int, message: str, *, when: Any = lambda params: True) -> Any:
    return lambda called, params: (
        {"code": code, "message": message} if called == method and when(params) else None
    )


async def fails(reader: SolanaReader, match: str, *, finalized: bool = True) -> None:
    with pytest.raises(Retryable, match=match):
        await reader.fetch(1, LAST, finalized=finalized)


async def whole(reader: SolanaReader, *, finalized: bool = True) -> None:
    got = await reader.fetch(1, LAST, finalized=finalized)
    assert got.events.height.tolist() == [1, 1, 3, 3, 7, 7, 9, 9, 11, 11]


async def test_the_story_is_whole_both_ways(chain: Any) -> None:
    _, _, dense, sparse = chain
    await whole(dense)
    await whole(dense, finalized=False)
    await whole(sparse)


@pytest.mark.parametrize("way", [0, 1])
async def test_a_node_that_is_behind_the_range(chain: Any, way: int) -> None:
    _, proxy, *readers = chain
    proxy.change = every("getSlot", lambda params, slot: 7)
    await fails(readers[way], "is at slot 7, before|no node has this block")


async def test_blocks_left_out_of_the_list(chain: Any) -> None:
    _, proxy, dense, _ = chain
    for missing, text in ((3, "slot 4 doesn't follow from 2"), (1, "slot 2 doesn't|leaves out")):
        proxy.change = every("getBlocks", lambda p, slots, m=missing: [s for s in slots if s != m])
        await fails(dense, text)


@pytest.mark.parametrize("finalized", [True, False])
async def test_a_list_that_ends_early(chain: Any, finalized: bool) -> None:
    """The last slots may have been skipped; the next block's parent tells."""
    _, proxy, dense, _ = chain
    proxy.change = every("getBlocks", lambda p, slots: [s for s in slots if s not in (11, LAST)])
    text = "lists no block after 12" if finalized else "slot 13 doesn't follow from 10"
    await fails(dense, text, finalized=finalized)
    proxy.change = every("getBlocksWithLimit", lambda p, slots: [])
    await fails(dense, "is at slot 14 but lists no block after 12", finalized=False)


async def test_an_empty_list_is_not_an_empty_range(chain: Any) -> None:
    _, proxy, dense, _ = chain
    proxy.change = every("getBlocks", lambda p, slots: [])
    await fails(dense, "lists no block after 12")
    await fails(dense, "leaves out slot 12", finalized=False)


async def test_a_range_of_skipped_slots_is_empty(chain: Any) -> None:
    _, _, dense, sparse = chain
    for reader in (dense, sparse):
        got = await reader.fetch(5, 6, finalized=True)
        assert (len(got.blocks), len(got.events)) == (0, 0)


async def test_a_block_of_another_fork(chain: Any) -> None:
    _, proxy, dense, _ = chain
    proxy.change = every("getBlock", lambda p, b: b | ({"blockhash": "Fork1"} if p[0] == 4 else {}))
    await fails(dense, "slot 7 doesn't follow from 4")
    await fails(dense, "slot 7 doesn't follow from 4", finalized=False)


async def test_a_block_given_as_null(chain: Any) -> None:
    _, proxy, dense, _ = chain
    proxy.change = every("getBlock", lambda p, b: None)
    await fails(dense, "gives a block as null")


async def test_a_block_skipped_since_it_was_listed(chain: Any) -> None:
    _, proxy, dense, sparse = chain
    text = "Slot 7 was skipped, or missing due to ledger jump to recent snapshot"
    proxy.refuse = refusing("getBlock", -32007, text, when=lambda params: params[0] == 7)
    await fails(dense, "it was listed a moment ago")
    await fails(sparse, "it was listed a moment ago")


async def test_a_block_not_available_yet_comes_later(chain: Any) -> None:
    _, proxy, dense, _ = chain
    left = 1

    def refuse(method: str, params: list[Any]) -> dict[str, Any] | None:
        nonlocal left
        if method == "getBlock" and params[0] == 9 and left:
            left -= 1
            return {"code": -32014, "message": "Block status not yet available for slot 9"}
        return None

    proxy.refuse = refuse
    await fails(dense, "not yet available|no node has")
    dense.rpc.endpoints[0].saw_head(LAST)
    await whole(dense)


@pytest.mark.parametrize("way", [0, 1])
async def test_cleaned_up_slots_are_fatal(chain: Any, way: int) -> None:
    _, proxy, *readers = chain
    proxy.change = every("getFirstAvailableBlock", lambda params, slot: 5)
    with pytest.raises(Fatal, match=r"slot 1 is cleaned up .* begin at slot 5: add the URL"):
        await readers[way].fetch(1, LAST, finalized=True)
    await readers[way].fetch(5, LAST, finalized=True)


async def test_another_node_has_the_archive(chain: Any, bets_id: str) -> None:
    story, proxy, *_ = chain
    proxy.change = every("getFirstAvailableBlock", lambda params, slot: 5)
    urls = (proxy.url, story.node.url)
    for by_signatures in (False, True):
        reader = SolanaReader(
            story.chain(rpc=urls, ws=None), Watch({bets_id: 0}), by_signatures=by_signatures
        )
        await whole(reader)
        await reader.aclose()


async def test_an_index_that_names_what_its_block_does_not_hold(chain: Any) -> None:
    _, proxy, _, sparse = chain
    proxy.change = every("getBlock", lambda p, b: b | {"signatures": b["signatures"][:1]})
    await fails(sparse, r"block \d+ doesn't list")


async def test_pages_shorter_than_asked_for(chain: Any) -> None:
    """Some nodes give fewer signatures at once than Agave's thousand."""
    _, proxy, _, sparse = chain
    proxy.change = every("getSignaturesForAddress", lambda p, page: page[:2])
    await whole(sparse)


async def test_a_node_that_does_not_know_where_to_go_on(chain: Any) -> None:
    _, proxy, _, sparse = chain

    def change(method: str, params: list[Any], reply: dict[str, Any]) -> dict[str, Any]:
        if method == "getSignaturesForAddress":
            page = [] if "before" in params[1] else reply["result"][:2]
            return reply | {"result": page}
        if method == "getSignatureStatuses":
            return reply | {"result": {"context": {"slot": 14}, "value": [None]}}
        return reply

    proxy.change = change
    await fails(sparse, "doesn't know .*, which another node listed")


async def test_signatures_out_of_order(chain: Any) -> None:
    _, proxy, _, sparse = chain
    proxy.change = every("getSignaturesForAddress", lambda p, page: page[::-1])
    await fails(sparse, "out of order")


async def test_a_transaction_that_moved(chain: Any) -> None:
    _, proxy, _, sparse = chain
    proxy.change = every("getTransaction", lambda p, t: t | {"slot": 13})
    await fails(sparse, "is in slot 13 now")


async def test_a_transaction_that_the_node_does_not_know_yet(chain: Any) -> None:
    _, proxy, _, sparse = chain
    proxy.change = every("getTransaction", lambda p, t: None)
    await fails(sparse, "doesn't know")


@pytest.mark.parametrize("way", [0, 1])
async def test_a_node_that_refuses_batches(
    story: Any, chain: Any, way: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, proxy, *readers = chain
    proxy.batches = False
    await whole(readers[way])
    assert readers[way].rpc.endpoints[0].batch == 1


@pytest.mark.parametrize("way", [0, 1])
async def test_a_node_that_limits_rates(chain: Any, way: int) -> None:
    _, proxy, *readers = chain
    seen: set[str] = set()

    def refuse(method: str, params: list[Any]) -> dict[str, Any] | None:
        if method in seen:
            return None
        seen.add(method)
        return {"code": 429, "message": "Too many requests for a specific RPC call"}

    proxy.refuse = refuse
    await whole(readers[way])


async def test_a_transaction_version_of_the_future_is_fatal(chain: Any) -> None:
    _, proxy, dense, _ = chain
    text = "Transaction version (2) is not supported by the requesting client."
    proxy.refuse = refusing("getBlock", -32015, text)
    with pytest.raises(Fatal, match=r"version .2. is not supported"):
        await dense.fetch(1, LAST, finalized=True)


async def test_a_node_without_history_is_fatal(chain: Any) -> None:
    _, proxy, dense, _ = chain
    text = "Transaction history is not available from this node"
    proxy.refuse = refusing("getBlock", -32011, text)
    with pytest.raises(Fatal, match="archive node"):
        await dense.fetch(1, LAST, finalized=True)


async def test_tip_is_that_of_the_furthest_node_and_finalized_never_falls(
    chain: Any, bets_id: str
) -> None:
    story, proxy, *_ = chain
    proxy.change = every("getSlot", lambda params, slot: 3)
    urls = (proxy.url, "http://127.0.0.1:1", story.node.url)
    reader = SolanaReader(story.chain(rpc=urls, ws=None), Watch({bets_id: 0}))
    tip = await reader.tip()
    assert (tip.latest, tip.finalized) == (14, 12)
    story.node.chain.lag = 5
    later = await reader.tip()
    assert (later.latest, later.finalized) == (9, 12)
    await reader.aclose()


async def test_many_at_once_give_the_same(chain: Any) -> None:
    _, _, dense, sparse = chain
    parts = await asyncio.gather(
        *(reader.fetch(1, LAST, finalized=True) for reader in (dense, sparse) for _ in range(8))
    )
    for part in parts:
        assert part.events.payload == parts[0].events.payload
        assert np.array_equal(part.events.ordinal, parts[0].events.ordinal)
        assert part.blocks.hash == parts[0].blocks.hash
