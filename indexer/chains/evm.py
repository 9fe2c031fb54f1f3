"""Reads an EVM chain: logs by range, and by batch those headers that logs don't replace; each is
checked against the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from indexer.chains import bloom
from indexer.chains.evm_json import NO_LOGS, SHAPES, Header, from_receipts
from indexer.chains.evm_logs import announcing, blocks_said, ordered
from indexer.chains.raw import Blocks, EvmLogs, RawRange, Tip
from indexer.chains.reader import Block, settled, unreachable
from indexer.chains.stream import Width, gathered, in_order
from indexer.chains.watch import Child, Log, Watch
from indexer.config import Chain
from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Rpc
from indexer.rpc.errors import Kind, NodeFatal, NodeRetryable
from indexer.rpc.reply import Call
from indexer.rpc.subscription import Subscription

FINAL_DEPTH = 64
"""Blocks behind the head that count as final where nodes know no ``finalized`` tag: two epochs
of Ethereum's."""
_NOTHING_FINAL = 1 << 62
"""The depth of a young chain, whose nodes don't find their finalized block."""
_UNKNOWN = frozenset({Kind.LAG})
_PATIENCE = 0.25
"""Seconds that a node has to tell its tip when another has told it."""
_HEADERS_AT_ONCE = 250
_ADDRESSES_AT_ONCE = 1000
"""Addresses of one eth_getLogs; of more, the children of a busy factory, several are asked."""
_UNFINAL_WIDTH = 128
"""Blocks of one request where every header is wanted."""


class _Logs(NamedTuple):
    """A range's logs; the header of its last block; bytes.

    Of a final range the logs and the header each come with the word of their node that the range
    is final; of another the header comes with the logs.

    ``starts``: the addresses asked for and the height that each starts at. ``children``: those
    that are known at its end.
    """

    logs: EvmLogs
    end: Header
    nbytes: int
    starts: dict[str, int]
    children: dict[str, Child]


class EvmReader:
    """A ``Reader`` over JSON-RPC.

    ``events`` and ``max_bytes`` bound what ``stream`` asks for at once and holds; ``budget`` is
    requests per second and node.
    """

    def __init__(
        self,
        chain: Chain,
        watch: Watch,
        *,
        events: int = 10_000,
        max_bytes: int = 16 << 20,
        budget: float | None = None,
        attempts: int = 6,
        timeout: float = 30.0,
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
        self._news = Subscription(chain.ws, [("eth_subscribe", ["newHeads"])]) if chain.ws else None
        self._blooms = True
        self._log_times = True
        self._missing: set[str] = set()
        self._finalized_tag = True
        self._finalized = 0
        self._latest = 0
        self._max_bytes = max_bytes
        self._width = Width(events=events, nbytes=max_bytes // 4, start=16, cap=1 << 17)

    async def aclose(self) -> None:
        if self._news is not None:
            await self._news.aclose()
        await self.rpc.aclose()

    async def check(self) -> None:
        answers = await self.rpc.ask_each([("eth_chainId", [])])
        reached = False
        for endpoint, answer in answers:
            if isinstance(answer, Exception):
                continue
            reached = True
            got = _int(answer[0])
            if got != self.chain.chain_id:
                raise Fatal(
                    f"{self.chain.name}: {endpoint.label} serves chain id {got}, but "
                    f"chains.{self.chain.name}.chain_id is {self.chain.chain_id}: "
                    "correct one of the two"
                )
        if not reached:
            raise Fatal(unreachable(self.chain, answers[0][1], "chainfold localnet"))
        for address in sorted(self.watch.addresses):
            code = await self.rpc.call("eth_getCode", [address, "latest"])
            if code in ("0x", "0x0", None):
                raise Fatal(
                    f"{self.chain.name}: no contract at {address} on chain id "
                    f"{self.chain.chain_id}: correct the program's address, or deploy it first"
                )

    async def tip(self) -> Tip:
        return await self._tip(None if self._finalized_tag else FINAL_DEPTH)

    async def _tip(self, depth: int | None) -> Tip:
        """The tip; final is what nodes tag so, or with ``depth`` what lies that deep."""
        tags = ["latest", "finalized"] if depth is None else ["latest"]
        calls = [("eth_getBlockByNumber", [tag, False]) for tag in tags]
        answers = await self.rpc.ask_each(calls, patience=_PATIENCE)
        best: Header | None = None
        finalized = 0
        failure: Exception | None = None
        for endpoint, answer in answers:
            if isinstance(answer, Exception):
                failure = failure or answer
                continue
            latest, final = answer[0], answer[1] if len(answer) > 1 else None
            if latest is None:
                continue
            height = _int(latest.number)
            endpoint.saw_head(height)
            if best is None or height > _int(best.number):
                best = latest
            if final is not None:
                finalized = max(finalized, _int(final.number))
        if best is None:
            kind = failure.fault.kind if isinstance(failure, NodeRetryable | NodeFatal) else None
            if depth is None and kind is Kind.LAG:
                return await self._tip(_NOTHING_FINAL)
            if depth is None and kind in (Kind.INVALID, Kind.UNSUPPORTED):
                tip = await self._tip(FINAL_DEPTH)
                self._finalized_tag = False
                return tip
            raise failure or Retryable(f"{self.chain.name}: no node knows its latest block")
        latest = _int(best.number)
        if depth is not None:
            finalized = max(0, latest - depth)
        self._latest = latest
        self._finalized = max(self._finalized, min(finalized, latest))
        return Tip(latest, best.hash, self._finalized, _int(best.timestamp))

    async def block(self, height: int) -> Block | None:
        return (await self.blocks([height]))[0]

    async def blocks(self, heights: Sequence[int]) -> list[Block | None]:
        # A node behind the tip would pass off blocks that it hasn't got as blocks that are gone.
        at = min(max(heights, default=0), self._latest)
        headers, _ = await self._headers(heights, at=at)
        return [None if h is None else _block(h) for h in headers]

    async def final_block(self, height: int) -> Block | None:
        return _block(await self._final_header(height))

    async def _final_header(self, height: int) -> Header:
        """The header at ``height`` of a node that calls it final."""
        header, _, node = await self._final(height, ("eth_getBlockByNumber", [hex(height), False]))
        if header is None:
            raise Retryable(f"{node} calls block {height} final, but doesn't have it")
        return header

    async def _final(self, height: int, call: Call, *, width: int = 0) -> tuple[Any, int, str]:
        """``call``'s result by a node that calls ``height`` final, its bytes, and which node.

        What one node calls final another may not even have yet: it may still be on a fork that
        was orphaned.
        """
        tag, depth = ("finalized", 0) if self._finalized_tag else ("latest", FINAL_DEPTH)
        calls = [("eth_getBlockByNumber", [tag if height else "0x0", False]), call]
        answer = await self.rpc.ask(calls, height=height, width=width, together=True)
        end, result = answer.results
        node = f"{self.chain.name}: {answer.endpoint.label}"
        if end is None or (height and _int(end.number) - depth < height):
            raise Retryable(f"{node} doesn't call block {height} final yet")
        return result, answer.nbytes, node

    async def wake(self, timeout: float) -> bool:
        if self._news is None:
            await asyncio.sleep(timeout)
            return False
        return await self._news.wait(timeout)

    async def fetch(self, first: int, last: int, *, finalized: bool) -> RawRange:
        if not 0 <= first <= last:
            raise ValueError(f"no range: {first}..{last}")
        once = self._fetch_finalized if finalized else self._fetch_unfinalized
        return await settled(lambda: once(first, last))

    def stream(self, first: int, last: int, *, finalized: bool) -> AsyncGenerator[RawRange, None]:
        async def fetch(a: int, b: int) -> RawRange:
            return await self.fetch(a, b, finalized=finalized)

        def cap() -> int | None:
            limits = [self.rpc.width, None if finalized else _UNFINAL_WIDTH]
            return min((w for w in limits if w is not None), default=None)

        ranges = in_order(
            fetch,
            first,
            last,
            self._width,
            cap=cap,
            ahead=lambda: self.rpc.in_flight_limit,
            max_bytes=self._max_bytes,
        )
        return self._with_children(ranges) if self.watch.announcements else ranges

    async def _with_children(
        self, ranges: AsyncGenerator[RawRange, None]
    ) -> AsyncGenerator[RawRange, None]:
        """``ranges``, each with the children that the ranges before it announced.

        Those were not known yet when a range was fetched ahead: such a one is fetched again.
        """
        try:
            async for raw in ranges:
                known = self.watch.children
                if any(c.height <= raw.last and raw.children.get(a) != c for a, c in known.items()):
                    raw = await self.fetch(raw.first, raw.last, finalized=raw.finalized)
                self.watch.learn(raw.children)
                yield raw
        finally:
            await ranges.aclose()

    async def _fetch_finalized(self, first: int, last: int) -> RawRange:
        where = self._where(first, last)
        got = await self._logs(first, last, finalized=True)
        said = blocks_said(got.logs, first, last, where)
        end = _block(got.end)
        heights = sorted({*said, last})
        timed = self._timed(said, end)
        asked = heights[: 1 if timed else -1] if heights[0] < last else []
        headers, size = await self._headers(asked, at=last)
        known = self._present([*headers, got.end], [*asked, last], where)
        self._agree(said, known, where)
        if timed:
            self._agree_on_time(said, known, where)
            blocks = {**said, last: end}
        else:
            blocks = {_int(h.number): _block(h) for h in known}
        return self._range(first, last, blocks, got, size, finalized=True)

    def _timed(self, said: Mapping[int, Block], end: Block) -> bool:
        """Whether logs tell the times of their blocks, and such as blocks in a row have."""
        times = [said[height].time for height in sorted(said)]
        likely = all(a <= b for a, b in pairwise([0, *times, end.time]))
        return self._log_times and likely

    def _agree_on_time(
        self, said: Mapping[int, Block], headers: Sequence[Header], where: str
    ) -> None:
        for header in headers:
            height, time = _int(header.number), _int(header.timestamp)
            if height in said and said[height].time != time:
                self._log_times = False
                raise Retryable(
                    f"{where}: logs and header of block {height} tell two times: headers count"
                )

    async def _fetch_unfinalized(self, first: int, last: int) -> RawRange:
        where = self._where(first, last)
        heights = list(range(first, last + 1))
        got = await self._logs(first, last, finalized=False)
        headers, size = await self._headers(heights[:-1], at=last)
        known = self._present([*headers, got.end], heights, where)
        for before, after in pairwise(known):
            if after.parent_hash != before.hash:
                at = _int(after.number)
                raise Retryable(f"{where}: block {at} doesn't follow from {at - 1} (a reorg?)")
        said = blocks_said(got.logs, first, last, where)
        self._agree(said, known, where)
        await self._cross_check(got, said, known, where)
        blocks = {_int(h.number): _block(h) for h in known}
        parent = known[0].parent_hash
        return self._range(first, last, blocks, got, size, finalized=False, parent=parent)

    def _range(
        self,
        first: int,
        last: int,
        blocks: Mapping[int, Block],
        got: _Logs,
        nbytes: int,
        *,
        finalized: bool,
        parent: str = "",
    ) -> RawRange:
        events = ordered(got.logs, got.starts, self._where(first, last))
        return RawRange(
            self.chain.name,
            first,
            last,
            _blocks(blocks, parent),
            events,
            finalized,
            nbytes=got.nbytes + nbytes,
            children=got.children,
        )

    async def _logs(self, first: int, last: int, *, finalized: bool) -> _Logs:
        """The logs of ``first..last``: of the watch, then of the children that they announce.

        Every answer comes with a header from the same node that proves that the node knew the
        whole range: that of ``last``, or of a final range, one that is final and not below.
        """
        children = dict(self.watch.children)
        topics = {a.topic for a in self.watch.announcements}
        asked: set[str] = set()
        parts: list[EvmLogs] = []
        said: list[Log] = []
        end = await self._final_header(last) if finalized else None
        size = 0
        while True:
            starts = {**self.watch.addresses, **{a: c.height for a, c in children.items()}}
            fresh = sorted(a for a, s in starts.items() if s <= last and a not in asked)
            if end is not None and not fresh:
                break
            asked.update(fresh)
            queries = [
                fresh[i : i + _ADDRESSES_AT_ONCE] for i in range(0, len(fresh), _ADDRESSES_AT_ONCE)
            ]
            for logs, last_block, nbytes in await gathered(
                self._logs_of(first, last, query, finalized) for query in queries or [[]]
            ):
                if last_block is not None:
                    if end is not None and last_block.hash != end.hash:
                        where = self._where(first, last)
                        raise Retryable(f"{where}: two answers name two blocks {last} (a reorg?)")
                    end = last_block
                size += nbytes
                parts.append(logs)
                if topics:
                    said += announcing(logs, topics)
            if topics:
                children = self.watch.family(said)
        known = {a: c for a, c in children.items() if c.height <= last}
        return _Logs(
            EvmLogs.joined(parts or [NO_LOGS]), end, size, {a: starts[a] for a in asked}, known
        )

    async def _logs_of(
        self, first: int, last: int, addresses: list[str], finalized: bool
    ) -> tuple[EvmLogs, Header | None, int]:
        """The logs of ``addresses`` in ``first..last`` and the answers' bytes; the header of
        ``last`` from the same node, None of a final range."""
        if not addresses:  # to a node no address means every address
            header, nbytes = await self._headers([last], at=last)
            return NO_LOGS, self._present(header, [last], self._where(last, last))[0], nbytes
        query: dict[str, Any] = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": addresses,
        }
        if self.watch.topics is not None:
            query["topics"] = [sorted(self.watch.topics)]
        width = last - first + 1
        cap = self.rpc.width
        try:
            if cap is not None and width > cap:
                return await self._split(first, last, cap, addresses, finalized)
            return await self._with_end(last, ("eth_getLogs", [query]), finalized, width=width)
        except NodeRetryable as error:
            fault = error.fault
            if fault.kind not in (Kind.WIDE, Kind.MANY, Kind.TIMEOUT):
                raise
            if width == 1:
                return await self._logs_by_receipts(last, addresses, finalized, error)
            half = (width + 1) // 2
            if fault.span and fault.span[0] == first and first <= fault.span[1] < last:
                half = fault.span[1] - first + 1
            elif fault.kind is Kind.WIDE:
                half = min(self.rpc.width or half, width - 1)
            return await self._split(first, last, half, addresses, finalized)

    async def _with_end(
        self, last: int, call: Call, finalized: bool, *, width: int = 0
    ) -> tuple[Any, Header | None, int]:
        """``call``'s result, the header of ``last`` from the same node (None where that node
        calls it final), the answers' bytes."""
        end: Header | None = None
        if finalized:
            result, nbytes, node = await self._final(last, call, width=width)
        else:
            calls = [("eth_getBlockByNumber", [hex(last), False]), call]
            answer = await self.rpc.ask(calls, height=last, width=width, together=True)
            end, result = answer.results
            nbytes, node = answer.nbytes, f"{self.chain.name}: {answer.endpoint.label}"
            if end is None or result is None:
                answer.endpoint.lags(last)
        if result is None or (end is None and not finalized):
            raise Retryable(f"{node} doesn't know block {last} (yet)")
        return result, end, nbytes

    async def _split(
        self, first: int, last: int, width: int, addresses: list[str], finalized: bool
    ) -> tuple[EvmLogs, Header | None, int]:
        parts = [
            await self._logs_of(a, min(last, a + width - 1), addresses, finalized)
            for a in range(first, last + 1, width)
        ]
        logs, ends, sizes = zip(*parts, strict=True)
        return EvmLogs.joined(logs), ends[-1], sum(sizes)

    async def _logs_by_receipts(
        self, height: int, addresses: list[str], finalized: bool, cause: NodeRetryable
    ) -> tuple[EvmLogs, Header | None, int]:
        """A single block's logs where eth_getLogs refuses even that."""
        call: Call = ("eth_getBlockReceipts", [hex(height)])
        try:
            receipts, end, nbytes = await self._with_end(height, call, finalized)
        except NodeFatal:
            raise Fatal(
                f"{cause}: block {height} alone is too much for this node; "
                f"add another URL to chains.{self.chain.name}.rpc"
            ) from cause
        return from_receipts(receipts, set(addresses), self.watch.topics), end, nbytes

    async def _headers(
        self, heights: Sequence[int], *, at: int | None = None
    ) -> tuple[list[Header | None], int]:
        """Headers at ``heights`` in order, None where a node has none, and the answers' bytes."""
        parts = [
            [("eth_getBlockByNumber", [hex(h), False]) for h in heights[i : i + _HEADERS_AT_ONCE]]
            for i in range(0, len(heights), _HEADERS_AT_ONCE)
        ]
        try:
            answers = await gathered(
                self.rpc.ask(part, height=at, at_once=_UNKNOWN) for part in parts
            )
        except NodeRetryable as error:
            if error.fault.kind is Kind.LAG and len(heights) == 1:
                return [None], 0
            raise
        return [h for a in answers for h in a.results], sum(a.nbytes for a in answers)

    def _present(
        self, headers: Sequence[Header | None], heights: list[int], where: str
    ) -> list[Header]:
        """``headers`` where all are there and are those asked for; Retryable otherwise."""
        known: list[Header] = []
        for height, header in zip(heights, headers, strict=True):
            if header is None:
                raise Retryable(f"{where}: a node doesn't know block {height} (yet)")
            if _int(header.number) != height:
                raise Retryable(f"{where}: a node answers block {height} with another")
            known.append(header)
        return known

    def _agree(self, said: Mapping[int, Block], headers: Sequence[Header], where: str) -> None:
        for header in headers:
            height = _int(header.number)
            if height in said and said[height].hash != header.hash:
                raise Retryable(f"{where}: logs and header of block {height} differ (a reorg?)")

    async def _cross_check(
        self, got: _Logs, said: Mapping[int, Block], headers: Sequence[Header], where: str
    ) -> None:
        """Holds each block's logs against its bloom, and what doesn't fit against its receipts.

        A bloom can prove that a block has none of our logs, never that it has some; a block
        without logs whose bloom says "perhaps" is what a node looks like that answers too early.
        """
        doubtful: list[Header] = []
        ours = bloom.Filter(got.starts, self.watch.topics)
        for header in headers:
            has = _int(header.number) in said
            bits = header.logs_bloom
            perhaps = not self._blooms or not bits or ours.possible(int(bits, 16))
            if has != perhaps and not (has and not self._blooms):
                doubtful.append(header)
        if not doubtful:
            return
        addresses = sorted(got.starts)
        proofs = await gathered(self._proof(h, addresses) for h in doubtful)
        contradicted = False
        for header, proof in zip(doubtful, proofs, strict=True):
            height = _int(header.number)
            given = got.logs.log_index[got.logs.height == height]
            if set(proof.log_index.tolist()) != set(given.tolist()):
                raise Retryable(
                    f"{where}: eth_getLogs gives {len(given)} logs of block {height}, its "
                    f"receipts hold {len(proof)}: the node lags"
                )
            contradicted |= len(given) > 0
        if contradicted:
            # Receipts bear out logs that the bloom rules out: this chain doesn't fill blooms in.
            self._blooms = False

    async def _proof(self, header: Header, addresses: list[str]) -> EvmLogs:
        """Our logs of one block from its receipts, or where a node has none, by its hash."""
        height = _int(header.number)
        if "eth_getBlockReceipts" not in self._missing:
            try:
                receipts = await self.rpc.call(
                    "eth_getBlockReceipts", [header.number], height=height
                )
            except NodeFatal as error:
                if error.fault.kind not in (Kind.UNSUPPORTED, Kind.INVALID):
                    raise
                self._missing.add("eth_getBlockReceipts")
            else:
                if receipts is None or any(r.block_hash != header.hash for r in receipts):
                    raise Retryable(
                        f"{self._where(height, height)}: its receipts are of another block"
                    )
                return from_receipts(receipts, set(addresses), self.watch.topics)
        query: dict[str, Any] = {"blockHash": header.hash, "address": addresses}
        if self.watch.topics is not None:
            query["topics"] = [sorted(self.watch.topics)]
        return await self.rpc.call("eth_getLogs", [query], height=height)

    def _where(self, first: int, last: int) -> str:
        span = f"{first}..{last}" if first != last else f"{last}"
        return f"{self.chain.name}: blocks {span}"


def _block(header: Header) -> Block:
    return Block(header.hash, _int(header.timestamp))


def _blocks(blocks: Mapping[int, Block], parent: str) -> Blocks:
    heights = sorted(blocks)
    return Blocks(
        np.array(heights, np.int64),
        [blocks[h].hash for h in heights],
        np.array([blocks[h].time for h in heights], np.int64),
        parent,
    )


def _int(value: str) -> int:
    return int(value, 16)
