"""Reads a Solana chain: whole blocks where a program is busy, its transactions where it is not."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from indexer.chains.raw import Blocks, RawRange, Tip
from indexer.chains.reader import Block, settled, unreachable
from indexer.chains.solana_blocks import SHAPES, SolanaBlock
from indexer.chains.solana_events import Collector, event_authority
from indexer.chains.stream import Width, gathered, in_order
from indexer.chains.watch import Watch
from indexer.config import Chain
from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Answer, Rpc
from indexer.rpc.errors import Kind, NodeFatal, NodeRetryable
from indexer.rpc.reply import Call
from indexer.rpc.subscription import Subscription

_FULL = "full"
_SIGNATURES = "signatures"
_NONE = "none"
_VERSION = 1
"""The highest transaction version that mainnet has; one in a block makes nodes refuse it whole
to clients that don't declare it."""
_PAGE = 1000
"""Signatures of one getSignaturesForAddress: the most that Agave gives."""
_TRANSACTIONS_AT_ONCE = 50
_BATCH_BYTES = 2 << 20
"""Bytes of blocks to ask for in one HTTP request."""
_BATCH_BLOCKS = 32
_PATIENCE = 0.25
"""Seconds that a node has to tell its tip when another has told it."""
_SHORT = 256
"""Slots of a range that is read by blocks without weighing the ways."""
_REQUEST = 20_000
"""A request's own cost, in bytes, when the two ways are weighed."""
_TRANSACTION = 6_000
"""Bytes of a typical transaction with its meta."""
_NO_BLOCK = frozenset({Kind.SKIPPED, Kind.LAG})


class Extent(NamedTuple):
    """The slots of a range that have a block, the next one beyond it (none at the head), bytes.

    The next block's parent proves that the range's list doesn't end too early.
    """

    slots: list[int]
    after: list[int]
    nbytes: int


class SolanaReader:
    """A ``Reader`` over JSON-RPC.

    ``events`` and ``max_bytes`` bound what ``stream`` asks for at once and holds; ``budget`` is
    requests per second and node. ``by_signatures`` forces one way of reading finalized ranges;
    None weighs them.
    """

    def __init__(
        self,
        chain: Chain,
        watch: Watch,
        *,
        events: int = 10_000,
        max_bytes: int = 32 << 20,
        budget: float | None = None,
        attempts: int = 6,
        timeout: float = 30.0,
        by_signatures: bool | None = None,
    ) -> None:
        self.chain = chain
        self.watch = watch
        self.rpc = Rpc(
            chain.rpc,
            name=chain.name,
            shapes=SHAPES,
            budget=budget,
            attempts=attempts,
            timeout=timeout,
        )
        calls: list[Call] = [("slotSubscribe", []), ("rootSubscribe", [])]
        self._news = Subscription(chain.ws, calls) if chain.ws else None
        self._authorities = {p: event_authority(p) for p in watch.addresses}
        self._by_signatures = by_signatures
        self._finalized = 0
        self._latest = 0
        self._max_bytes = max_bytes
        self._block_bytes = 0.0
        self._dense = Width(events=events, nbytes=max_bytes // 4, start=64, cap=8192)
        self._sparse = Width(events=events, nbytes=max_bytes // 4, start=4096, cap=1 << 22)
        self._anchors: dict[str, list[tuple[int, str]]] = {p: [] for p in watch.addresses}

    async def aclose(self) -> None:
        if self._news is not None:
            await self._news.aclose()
        await self.rpc.aclose()

    async def check(self) -> None:
        answers = await self.rpc.ask_each([("getGenesisHash", [])])
        wanted = self.chain.genesis_hash
        reached = False
        for endpoint, answer in answers:
            if isinstance(answer, Exception):
                continue
            reached = True
            if wanted is not None and answer[0] != wanted:
                raise Fatal(
                    f"{self.chain.name}: {endpoint.label} serves the chain of genesis hash "
                    f"{answer[0]}, but chains.{self.chain.name}.genesis_hash is {wanted}: "
                    "correct one of the two"
                )
        if not reached:
            raise Fatal(unreachable(self.chain, answers[0][1], "chainfold localnet"))
        config = {
            "encoding": "base64",
            "commitment": "confirmed",
            "dataSlice": {"offset": 0, "length": 0},
        }
        for program in sorted(self.watch.addresses):
            account = (await self.rpc.call("getAccountInfo", [program, config]))["value"]
            if account is None or not account["executable"]:
                what = "no account" if account is None else "no executable program"
                raise Fatal(
                    f"{self.chain.name}: {what} at {program}: correct the program's address, or "
                    "deploy it first"
                )

    async def tip(self) -> Tip:
        calls: list[Call] = [
            ("getSlot", [{"commitment": "confirmed"}]),
            ("getSlot", [{"commitment": "finalized"}]),
        ]
        best, finalized = -1, 0
        failure: Exception | None = None
        for endpoint, answer in await self.rpc.ask_each(calls, patience=_PATIENCE):
            if isinstance(answer, Exception):
                failure = failure or answer
                continue
            endpoint.saw_head(answer[0])
            best, finalized = max(best, answer[0]), max(finalized, answer[1])
        if best < 0:
            raise failure or Retryable(f"{self.chain.name}: no node answers")
        self._latest = best
        self._finalized = max(self._finalized, min(finalized, best))
        block = await self.block(best)
        if block is None:
            raise Retryable(f"{self.chain.name}: slot {best} is confirmed but has no block yet")
        return Tip(best, block.hash, self._finalized, block.time)

    async def block(self, height: int) -> Block | None:
        return (await self.blocks([height]))[0]

    async def blocks(self, heights: Sequence[int]) -> list[Block | None]:
        return await gathered(self._block(h) for h in heights)

    async def final_block(self, height: int) -> Block | None:
        calls: list[Call] = [
            ("getSlot", [_commitment(True)]),
            ("getBlock", [height, _config(_NONE, True)]),
        ]
        try:
            answer = await self.rpc.ask(calls, height=height, together=True, at_once=_NO_BLOCK)
        except NodeFatal as error:
            if error.fault.kind is Kind.SKIPPED:
                return None
            raise
        final, header = answer.results
        if final < height:
            raise Retryable(
                f"{self.chain.name}: {answer.endpoint.label} doesn't call slot {height} final yet"
            )
        return self._placed(height, header)

    async def wake(self, timeout: float) -> bool:
        if self._news is None:
            await asyncio.sleep(timeout)
            return False
        return await self._news.wait(timeout)

    async def fetch(self, first: int, last: int, *, finalized: bool) -> RawRange:
        if not 0 <= first <= last:
            raise ValueError(f"no range: {first}..{last}")
        if finalized and await self._is_sparse(first, last):
            return await settled(lambda: self._fetch_sparse(first, last))
        return await settled(lambda: self._fetch_dense(first, last, finalized))

    async def stream(
        self, first: int, last: int, *, finalized: bool
    ) -> AsyncGenerator[RawRange, None]:
        if finalized and await self._is_sparse(first, last):
            for program in self.watch.active(last):
                await self._walk_back(program, first, last)
            ranges = in_order(
                lambda a, b: settled(lambda: self._fetch_sparse(a, b)),
                first,
                last,
                self._sparse,
                cap=lambda: None,
                ahead=lambda: 2,
                max_bytes=self._max_bytes,
            )
        else:
            ranges = in_order(
                lambda a, b: settled(lambda: self._fetch_dense(a, b, finalized)),
                first,
                last,
                self._dense,
                cap=lambda: None,
                ahead=lambda: self.rpc.in_flight_limit,
                max_bytes=self._max_bytes,
            )
        try:
            async for part in ranges:
                yield part
        finally:
            await ranges.aclose()

    # Whole blocks

    async def _fetch_dense(self, first: int, last: int, finalized: bool) -> RawRange:
        where = self._where(first, last)
        extent = await self._extent(first, last, finalized)
        slots = extent.slots
        collector = self._collector(where, last)

        async def read(part: list[int]) -> Answer:
            answer = await self._get_blocks(part, _FULL, finalized)
            for slot, block in zip(part, answer.results, strict=True):
                collector.block(slot, block.transactions or ())
                block.transactions = None
            seen = answer.nbytes / len(part)
            # Larger blocks count at once: asking for too many costs more than for too few.
            self._block_bytes = max(seen, self._block_bytes + (seen - self._block_bytes) / 10)
            return answer

        at_once = self._at_once()
        jobs = [read(slots[i : i + at_once]) for i in range(0, len(slots), at_once)]
        jobs += [self._get_blocks([slot], _NONE, finalized) for slot in extent.after]
        answers = await gathered(jobs)
        headers: list[SolanaBlock] = [h for answer in answers for h in answer.results]
        nbytes = extent.nbytes + sum(answer.nbytes for answer in answers)
        self._chained([*slots, *extent.after], headers, first, where)
        headers = headers[: len(slots)]
        events = collector.events()
        parent = headers[0].previous_blockhash if headers and not finalized else ""
        if finalized:
            wanted = set(events.height.tolist()) | set(slots[-1:])
            rows = [i for i, slot in enumerate(slots) if slot in wanted]
            slots, headers = [slots[i] for i in rows], [headers[i] for i in rows]
        return RawRange(
            self.chain.name, first, last, self._rows(slots, headers, where, parent), events,
            finalized,
            nbytes=nbytes,
        )  # fmt: skip

    def _at_once(self) -> int:
        if not self._block_bytes:
            return 4
        return max(1, min(_BATCH_BLOCKS, int(_BATCH_BYTES / self._block_bytes)))

    async def _extent(
        self, first: int, last: int, finalized: bool, *, lowest: int | None = None
    ) -> Extent:
        """Which slots of ``first..last`` have a block, from a node that has seen them all.

        ``lowest`` (default ``first``) is the first slot that the node must still keep.
        """
        lowest = first if lowest is None else lowest
        commitment = _commitment(finalized)
        calls: list[Call] = [
            ("getFirstAvailableBlock", []),
            ("getSlot", [commitment]),
            ("getBlocks", [first, last, commitment]),
            ("getBlocksWithLimit", [last + 1, 1, commitment]),
        ]
        while True:
            try:
                answer = await self.rpc.ask(calls, height=last, lowest=lowest, together=True)
            except NodeFatal as error:
                if error.fault.kind is Kind.PRUNED:
                    raise self._pruned(lowest) from error
                raise
            floor, head, slots, after = answer.results
            node = f"{self.chain.name}: {answer.endpoint.label}"
            if head < last:
                answer.endpoint.lags(last)
                raise Retryable(f"{node} is at slot {head}, before {last}")
            # Slot 0 is the genesis and holds no transactions: a ledger that starts at 1 is whole.
            if floor > max(lowest, 1):
                answer.endpoint.floor = floor
                if all(e.floor > lowest for e in self.rpc.endpoints):
                    raise self._pruned(lowest)
                continue
            # The node's head has a block, so the list ends with it or another block follows.
            if not after and (not slots or slots[-1] != head):
                raise Retryable(f"{node} is at slot {head} but lists no block after {last}")
            return Extent(slots, after, answer.nbytes)

    async def _get_blocks(self, slots: Sequence[int], detail: str, finalized: bool) -> Answer:
        config = _config(detail, finalized)
        try:
            answer = await self.rpc.ask(
                [("getBlock", [slot, config]) for slot in slots],
                height=max(slots),
                lowest=min(slots),
            )
        except NodeFatal as error:
            if error.fault.kind is Kind.SKIPPED:
                raise Retryable(f"{error}: it was listed a moment ago (a fork?)") from error
            if error.fault.kind is Kind.PRUNED:
                raise self._pruned(min(slots)) from error
            raise
        if None in answer.results:
            raise Retryable(f"{self.chain.name}: {answer.endpoint.label} gives a block as null")
        return answer

    def _chained(self, slots: list[int], blocks: list[SolanaBlock], first: int, where: str) -> None:
        """Retryable unless each block names the one before it as its parent."""
        if blocks and blocks[0].parent_slot >= max(first, 1):
            raise Retryable(f"{where}: the node leaves out slot {blocks[0].parent_slot}")
        pairs = zip(pairwise(slots), pairwise(blocks), strict=True)
        for (before, after), (parent, child) in pairs:
            if child.parent_slot != before or child.previous_blockhash != parent.blockhash:
                raise Retryable(f"{where}: slot {after} doesn't follow from {before} (a fork?)")

    # Transactions by address

    async def _is_sparse(self, first: int, last: int) -> bool:
        """Whether reading the programs' own transactions costs less than reading all blocks."""
        if self._by_signatures is not None:
            return self._by_signatures
        if last - first < _SHORT:
            return False
        span = last - first + 1
        pages = await gathered([self._page(p, last, None) for p in self._authorities])
        relevant = 0.0
        for page in pages:
            if len(page) == _PAGE and page[-1]["slot"] >= first:
                # The newest page stands for all: what counts is whether the program is busy.
                relevant += _PAGE / (page[0]["slot"] - page[-1]["slot"] + 1)
            else:
                relevant += sum(first <= entry["slot"] <= last for entry in page) / span
        if not self._block_bytes:
            slots = (await self._extent(max(first, last - _SHORT), last, True)).slots
            if not slots:
                return True
            answer = await self._get_blocks(slots[:1], _FULL, True)
            self._block_bytes = float(answer.nbytes)
        signature_list = 100 * self._block_bytes / _TRANSACTION
        by_signatures = relevant * (_TRANSACTION + 2 * _REQUEST + signature_list)
        by_blocks = self._block_bytes + _REQUEST / self._at_once()
        return by_signatures < by_blocks / 2

    async def _fetch_sparse(self, first: int, last: int) -> RawRange:
        where = self._where(first, last)
        # Nodes list what they kept without a word on what they cleaned up.
        end, nbytes = await self._last_block(first, last)
        wanted: dict[str, int] = {}
        for program in self.watch.active(last):
            async for entry in self._signatures(program, first, last):
                if entry["err"] is None:
                    wanted[entry["signature"]] = entry["slot"]
        slots = sorted(set(wanted.values()))
        details = [s for s in slots if s != end]
        parts = [details[i : i + 16] for i in range(0, len(details), 16)]
        jobs = [self._get_blocks(part, _SIGNATURES, True) for part in parts]
        if end is not None:
            jobs.append(self._get_blocks([end], _SIGNATURES, True))
        headers: list[SolanaBlock] = []
        for answer in await gathered(jobs):
            headers += answer.results
            nbytes += answer.nbytes
        slots = details if end is None else sorted({*details, end})
        place = {
            signature: (slot, index)
            for slot, header in zip(slots, headers, strict=True)
            for index, signature in enumerate(header.signatures or ())
            if signature in wanted
        }
        for signature, slot in wanted.items():
            if place.get(signature, (-1, 0))[0] != slot:
                raise Retryable(f"{where}: block {slot} doesn't list {signature} (a lagging node?)")
        collector = self._collector(where, last)
        signatures = list(wanted)

        async def read(part: list[str]) -> int:
            config = {
                "encoding": "json",
                "maxSupportedTransactionVersion": _VERSION,
                **_commitment(True),
            }
            calls: list[Call] = [("getTransaction", [s, config]) for s in part]
            answer = await self.rpc.ask(calls, height=last, lowest=first)
            for signature, transaction in zip(part, answer.results, strict=True):
                if transaction is None:
                    raise Retryable(f"{where}: {answer.endpoint.label} doesn't know {signature}")
                slot, index = place[signature]
                if transaction.slot != slot:
                    raise Retryable(f"{where}: {signature} is in slot {transaction.slot} now")
                collector.transaction(slot, index, transaction)
            return answer.nbytes

        jobs_read = [
            read(signatures[i : i + _TRANSACTIONS_AT_ONCE])
            for i in range(0, len(signatures), _TRANSACTIONS_AT_ONCE)
        ]
        nbytes += sum(await gathered(jobs_read))
        events = collector.events()
        kept = set(events.height.tolist()) | ({end} if end is not None else set())
        rows = [i for i, slot in enumerate(slots) if slot in kept]
        blocks = self._rows([slots[i] for i in rows], [headers[i] for i in rows], where)
        return RawRange(self.chain.name, first, last, blocks, events, True, nbytes=nbytes)

    async def _signatures(
        self, program: str, first: int, last: int
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """Entries of getSignaturesForAddress in ``first..last``, newest first.

        The node pages backwards only. What each page ended with is kept, so that a later range
        begins near its end instead of at the chain's.
        """
        anchors = self._anchors[program]
        # An anchor above the range's end hides nothing of the range.
        i = bisect_right(anchors, (last, "\uffff"))
        before = anchors[i][1] if i < len(anchors) else None
        while True:
            page = await self._page(program, last, before)
            for entry in page:
                if first <= entry["slot"] <= last:
                    yield entry
            if not page or page[-1]["slot"] < first:
                return
            before = self._anchor(program, page)

    async def _walk_back(self, program: str, first: int, last: int) -> None:
        """Sets anchors from the newest signature, or the lowest anchor, down to ``first``."""
        anchors = self._anchors[program]
        before = anchors[0][1] if anchors else None
        while not anchors or anchors[0][0] >= first:
            page = await self._page(program, last, before)
            if not page:
                return
            before = self._anchor(program, page)

    def _anchor(self, program: str, page: Sequence[Mapping[str, Any]]) -> str:
        anchors = self._anchors[program]
        anchor: tuple[int, str] = (page[-1]["slot"], page[-1]["signature"])
        i = bisect_right(anchors, anchor)
        if i == 0 or anchors[i - 1] != anchor:
            anchors.insert(i, anchor)
        return anchor[1]

    async def _page(self, program: str, last: int, before: str | None) -> list[Mapping[str, Any]]:
        config: dict[str, Any] = {"limit": _PAGE, **_commitment(True)}
        if before is not None:
            config["before"] = before
        calls: list[Call] = [
            ("getSlot", [_commitment(True)]),
            ("getSignaturesForAddress", [program, config]),
        ]
        if before is not None:
            # A node that doesn't know ``before`` says so by an empty page, as if history ended.
            history = {"searchTransactionHistory": True}
            calls.append(("getSignatureStatuses", [[before], history]))
        answer = await self.rpc.ask(calls, height=last, together=True)
        head, page, *known = answer.results
        node = f"{self.chain.name}: {answer.endpoint.label}"
        if head < last:
            answer.endpoint.lags(last)
            raise Retryable(f"{node} is at slot {head}, before {last}")
        if known and known[0]["value"][0] is None:
            raise Retryable(f"{node} doesn't know {before}, which another node listed")
        if any(newer["slot"] < older["slot"] for newer, older in pairwise(page)):
            raise Retryable(f"{node} lists the signatures of {program} out of order")
        return page

    async def _last_block(self, first: int, last: int) -> tuple[int | None, int]:
        """The last slot of the range that has a block, None where all were skipped; and bytes."""
        extent = await self._extent(last, last, True, lowest=first)
        end, nbytes = last, extent.nbytes
        for slot in extent.after:
            answer = await self._get_blocks([slot], _NONE, True)
            end, nbytes = answer.results[0].parent_slot, nbytes + answer.nbytes
        if extent.slots and end != last:
            raise Retryable(f"{self._where(first, last)}: no block follows from slot {last}")
        return (end if end >= first else None), nbytes

    # Both

    async def _block(self, height: int) -> Block | None:
        call = ("getBlock", [height, _config(_NONE, False)])
        try:
            # A node behind the tip would pass off a block that it hasn't got as one that is gone.
            at = min(height, self._latest)
            answer = await self.rpc.ask([call], height=at, at_once=_NO_BLOCK)
        except (NodeRetryable, NodeFatal) as error:
            if error.fault.kind in _NO_BLOCK:
                return None
            raise
        return self._placed(height, answer.results[0])

    def _placed(self, height: int, header: SolanaBlock | None) -> Block | None:
        if header is None:
            return None
        time = self._time(height, header, self._where(height, height))
        return Block(header.blockhash, time)

    def _rows(
        self, slots: list[int], headers: list[SolanaBlock], where: str, parent: str = ""
    ) -> Blocks:
        times = [self._time(s, h, where) for s, h in zip(slots, headers, strict=True)]
        hashes = [h.blockhash for h in headers]
        return Blocks(np.array(slots, np.int64), hashes, np.array(times, np.int64), parent)

    def _time(self, slot: int, header: SolanaBlock, where: str) -> int:
        time = header.block_time
        if time is None:
            raise Retryable(f"{where}: the node has no time for slot {slot} (yet)")
        return time

    def _collector(self, where: str, last: int) -> Collector:
        programs = {
            p: (self._authorities[p], self.watch.addresses[p]) for p in self.watch.active(last)
        }
        return Collector(where, programs, self.watch.emits)

    def _pruned(self, slot: int) -> Fatal:
        floor = min(e.floor for e in self.rpc.endpoints)
        begin = f"; they begin at slot {floor}" if floor else ""
        return Fatal(
            f"{self.chain.name}: slot {slot} is cleaned up on every node of "
            f"chains.{self.chain.name}.rpc{begin}: add the URL of an archive node, or start the "
            "programs later"
        )

    def _where(self, first: int, last: int) -> str:
        span = f"slots {first}..{last}" if first != last else f"slot {last}"
        return f"{self.chain.name}: {span}"


def _commitment(finalized: bool) -> dict[str, str]:
    return {"commitment": "finalized" if finalized else "confirmed"}


def _config(detail: str, finalized: bool) -> dict[str, Any]:
    return {
        "encoding": "json",
        "transactionDetails": detail,
        "maxSupportedTransactionVersion": _VERSION,
        "rewards": False,
        **_commitment(finalized),
    }
