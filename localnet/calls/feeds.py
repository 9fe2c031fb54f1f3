"""Feeds, as wallets call them on each chain."""

from __future__ import annotations

import asyncio
from typing import Any

from construct import Container
from solders.pubkey import Pubkey
from web3 import Web3

from localnet import artifacts
from localnet.evm import EvmWallets
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action
from localnet.svm import SolanaProgram, SolanaWallets


class _Rounds:
    """What was published to a feed, in its order: its observations' numbers are theirs here."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made: list[tuple[int, int]] = []

    @staticmethod
    def of(feed: Entity) -> _Rounds:
        return feed.notes.setdefault("rounds", _Rounds())

    def next_at(self, now: int) -> int:
        return max(now, self.made[-1][0] + 1) if self.made else now


def first_from(feed: Entity, time: int) -> int:
    """Number of the feed's first observation at ``time`` (unix seconds) or later; 0 for none."""
    made = _Rounds.of(feed).made
    return next((i for i, (at, _) in enumerate(made, 1) if at >= time), 0)


def last_above(feed: Entity, threshold: int) -> int:
    """Number of the newest observation of at least ``threshold``; 0 for none."""
    made = _Rounds.of(feed).made
    return next((i for i, (_, v) in reversed([*enumerate(made, 1)]) if v >= threshold), 0)


class EvmFeeds:
    def __init__(self, wallets: EvmWallets) -> None:
        self.wallets = wallets
        self.feeds = wallets.contract("Feeds", wallets.deployed.feeds)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        a, f, wallets = action.args, self.feeds.functions, self.wallets
        if action.kind == "open":
            call = f.open(a["decimals"], a["heartbeat"], a["name"], a["unit"])
            receipt = await wallets.send(action.actor, call, 300_000)
            entity.id = receipt.made
            return receipt
        feed = others[a["feed"]] if "feed" in a else entity
        rounds = _Rounds.of(feed)
        async with rounds.lock:
            seen = rounds.next_at(await wallets.now()), a["value"]
            call = f.publish(Web3.to_bytes(hexstr=feed.id), [(seen[1], seen[0])])
            receipt = await wallets.send(action.actor, call, 200_000)
            if receipt.ok:
                rounds.made.append(seen)
        return receipt


class SolanaFeeds:
    def __init__(self, wallets: SolanaWallets) -> None:
        self.wallets = wallets
        self.feeds = SolanaProgram(wallets, artifacts.FEEDS_IDL)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        a, call, wallets = action.args, self.feeds.instruction, self.wallets
        publisher = wallets.address(action.actor)
        if action.kind == "open":
            terms = a["decimals"], a["heartbeat"], a["name"], a["unit"]
            entity.id, receipt = await self.feeds.create(
                b"feed",
                action.actor,
                lambda feed, counters: call(
                    "open", *terms, publisher=publisher, feed=feed, **counters
                ),
            )
            return receipt
        feed = others[a["feed"]] if "feed" in a else entity
        rounds = _Rounds.of(feed)
        async with rounds.lock:
            seen = rounds.next_at(await wallets.now()), a["value"]
            # the coder reads an IDL's own types by the names in the IDL or by Python's
            both: Any = Container(value=seen[1], observedAt=seen[0], observed_at=seen[0])
            address = Pubkey.from_string(feed.id)
            instruction = call("publish", [both], publisher=publisher, feed=address)
            receipt = await wallets.sender.send([instruction], wallets.wallet(action.actor))
            if receipt.ok:
                rounds.made.append(seen)
        return receipt
