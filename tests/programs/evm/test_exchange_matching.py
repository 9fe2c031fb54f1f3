"""Random orders on the exchange and in the reference matcher: the same events in the same order.

Every call of every example is compared: the error, or the trades, cancellations and balances. CI
sends some 6,000 orders; `make match` sends 100,000 and more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi import decode, encode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onevm.matcher import BUY, TOP, Event, Market, Refused
from onevm.node import ARTIFACTS, Node
from web3 import Web3
from web3.contract import Contract

TRADERS = ["alice", "bob", "carol", "dave"]
BATCH = 40  # calls in a transaction
GAS = 29_000_000  # of anvil's 30,000,000 in a block
LENGTH = 160  # calls of an example, at most
STAKE = 10**6  # of each token and trader: some run dry

Call = tuple[int, str, tuple[int, ...]]


def price(draw: int) -> int:
    """Three of four meet in one place; others cross words of the tree of bits, or its ends."""
    if draw % 4:
        return 97 + draw // 4 % 7
    odd = [draw // 4 % 24 * 256, (1 + draw // 4 % 6) << 16, 1, 2, TOP - 1, TOP, 0, TOP + 1]
    return odd[draw // 96 % len(odd)]


def call(draw: int) -> Call:
    """Of sixteen calls thirteen place, two cancel (how many orders before the latest), one
    withdraws. One number for each: hypothesis takes longer to draw than the chain to trade.
    It is fond of small ones, so they are spread first."""
    draw = draw * 0x9E3779B97F4A7C15 % 2**64 >> 16
    draw, who = divmod(draw, len(TRADERS))
    draw, lots = divmod(draw, 41)
    draw, choice = divmod(draw, 16)
    if choice > 13:
        return who, "cancel", (draw % 12,)
    if choice > 12:
        return who, "withdraw", (draw % 2, 20_000 * lots)
    draw, kind = divmod(draw, 8)
    draw, fills = divmod(draw, 8)
    draw, side = divmod(draw, 2)
    kind = [0, 0, 0, 0, 0, 1, 2, 3][kind]
    fills = [1, 2, 5, 20, 100, 100, 100, draw % 3 * 50][fills]
    return who, "place", (side, price(draw), lots, kind, fills)


calls = st.integers(0, 2**48 - 1).map(call)
markets = st.tuples(st.integers(1, 5), st.integers(1, 7), st.sampled_from([0, 0, 500]))


@dataclass
class Floor:
    """A node with tokens and traders, and how many orders and trades there were."""

    node: Node
    replay: Contract
    base: Contract
    quote: Contract
    names: dict[str, str]
    placed: int = 0
    traded: int = 0

    def run(self, to: str, calls: list[tuple[int, bytes]]) -> list[list[Event] | str]:
        """What each of `calls` came to: its events, or its error's name."""
        results: list[list[Event] | str] = []
        for start in range(0, len(calls), BATCH):
            part = calls[start : start + BATCH]
            stands, data = [who for who, _ in part], [call for _, call in part]
            packed = encode(["address", "uint8[]", "bytes[]"], [to, stands, data])
            logs = self.node.logs("stocker", RUN + packed, self.replay.address, GAS)
            results += self.answers(to.lower(), logs)
        return results

    def answers(self, to: str, logs: list[dict[str, Any]]) -> Iterator[list[Event] | str]:
        events: list[Event] = []
        for log in logs:
            if log["address"] == self.replay.address.lower():
                error = bytes.fromhex(log["data"][2:10])
                yield ERRORS[error] if any(error) else events
                events = []
            elif log["address"] == to and log["topics"][0] in EVENTS:
                events.append(self.event(log))

    def event(self, log: dict[str, Any]) -> Event:
        """As the matcher writes it."""
        name, inputs = EVENTS[log["topics"][0]]
        topics = log["topics"][1:]
        types = [item["type"] for item in inputs if not item["indexed"]]
        data = list(decode(types, bytes.fromhex(log["data"][2:])))
        fields: list[Any] = []
        for item in inputs:
            value = topics.pop(0) if item["indexed"] else data.pop(0)
            if item["type"] == "address":
                value = self.names["0x" + value[-40:]]
            fields.append(value)
        if name == "TradeExecuted":
            fields.pop()
        return name, *fields[2 if name == "BalanceChanged" else 1 :]


def call_data(name: str, *args: Any) -> bytes:
    types, selector = FUNCTIONS[name]
    return selector + encode(types, args)


def signature(entry: Any) -> str:
    return f"{entry['name']}({','.join(item['type'] for item in entry['inputs'])})"


ABI: list[Any] = json.loads((ARTIFACTS / "Exchange.json").read_text())["abi"]
FUNCTIONS = {
    entry["name"]: (
        [item["type"] for item in entry["inputs"]],
        bytes(Web3.keccak(text=signature(entry))[:4]),
    )
    for entry in ABI
    if entry["type"] == "function"
}
EVENTS = {
    Web3.keccak(text=signature(entry)).to_0x_hex(): (entry["name"], entry["inputs"])
    for entry in ABI
    if entry["type"] == "event"
}
ERRORS = {
    bytes(Web3.keccak(text=signature(entry))[:4]): entry["name"]
    for entry in ABI
    if entry["type"] == "error"
}
RUN = bytes(Web3.keccak(text="run(address,uint8[],bytes[])")[:4])
APPROVE = bytes(Web3.keccak(text="approve(address,uint256)")[:4])


@pytest.fixture(scope="module")
def floor(node: Node) -> Floor:
    replay = node.deploy("Replay", len(TRADERS))
    base, quote = node.deploy("TestToken"), node.deploy("TestToken")
    stands = [replay.functions.stands(i).call() for i in range(len(TRADERS))]
    names = {
        address.lower(): name
        for address, name in zip(
            [*stands, base.address, quote.address], [*TRADERS, "base", "quote"], strict=True
        )
    }
    for token in (base, quote):
        for stand in stands:
            node.send("stocker", token, "mint", stand, 2**120)
    return Floor(node, replay, base, quote, names)


def compare(floor: Floor, terms: tuple[int, int, int], calls: list[Call]) -> None:
    """Plays `calls` in a market of an exchange of its own and in the matcher."""
    exchange = floor.node.deploy("Exchange").address
    tokens = {"base": floor.base.address, "quote": floor.quote.address}
    approve = APPROVE + encode(["address", "uint256"], [exchange, 2**256 - 1])
    for address in tokens.values():
        floor.run(address, [(by, approve) for by in range(len(TRADERS))])
    opened = floor.node.mine("stocker", call_data("open", *tokens.values(), *terms), exchange)
    market = bytes(opened["logs"][0]["topics"][1])

    model = Market(*terms)
    sent: list[tuple[int, bytes]] = []
    expected: list[list[Event] | str] = []

    def play(by: int, name: str, args: list[Any], chain: list[Any]) -> None:
        sent.append((by, call_data(name, *chain)))
        model.events = []
        try:
            getattr(model, name)(TRADERS[by], *args)
            expected.append(model.events)
        except Refused as refused:
            expected.append(str(refused))

    for by in range(len(TRADERS)):
        for token, address in tokens.items():
            play(by, "deposit", [token, STAKE], [address, STAKE])
    for by, name, args in calls:
        if name == "place":
            play(by, name, [*args], [market, *args])
            floor.placed += 1
        elif name == "cancel":
            number = max(model.orders - args[0], 0)
            play(by, name, [number], [market, number])
        else:
            token = ["base", "quote"][args[0]]
            play(by, name, [token, args[1]], [tokens[token], args[1]])
    assert floor.run(exchange, sent) == expected
    floor.traded += model.trades


def explore(floor: Floor, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(terms=markets, actions=st.lists(calls, min_size=LENGTH - 10, max_size=LENGTH))
    def examine(terms: tuple[int, int, int], actions: list[Call]) -> None:
        compare(floor, terms, actions)

    examine()


@pytest.mark.timeout(300)
def test_trades_are_the_reference_matchers(floor: Floor) -> None:
    """X-5 to X-12, order by order."""
    explore(floor, 45)
    assert floor.placed >= 5_000
    assert floor.traded >= 1_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_trades_are_the_reference_matchers_over_100_000_orders(floor: Floor) -> None:
    before = floor.placed
    explore(floor, 850)
    assert floor.placed - before >= 100_000


def test_orders_deep_in_a_level_keep_their_turn(floor: Floor) -> None:
    """X-7, X-12: 300 orders at one price, every third cancelled, the rest taken."""
    rest: list[Call] = [(i % 3, "place", (1, 100, 1 + i % 7, 3, 1)) for i in range(300)]
    gone: list[Call] = [((299 - i) % 3, "cancel", (i,)) for i in range(0, 300, 3)]
    take: list[Call] = [(3, "place", (BUY, 101, 60, 1, 100)) for _ in range(14)]
    compare(floor, (1, 1, 0), rest + gone + take)
