"""An anvil with the bets program on it, driven by its unlocked accounts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from web3 import Web3

from deploy import builds
from localnet import anvil as binary
from localnet import ports


@dataclass
class Anvil:
    """A node whose unlocked accounts open markets and bet on them."""

    url: str
    web3: Web3
    bets: Any
    token: Any
    markets: list[bytes] = field(default_factory=list)

    def rpc(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]

    def send(self, function: Any, account: int = 0) -> Any:
        sender = self.web3.eth.accounts[account]
        hash_ = function.transact({"from": sender, "gas": 1_000_000})
        return self.web3.eth.wait_for_transaction_receipt(hash_)

    def open(self, title: str = "Who wins?") -> bytes:
        account = self.web3.eth.accounts
        now = self.web3.eth.get_block("latest")["timestamp"]
        terms = (
            account[1],
            self.token.address,
            b"\1" * 32,
            b"\2" * 32,
            3,
            now + 86_400,
            now + 2 * 86_400,
            100,
            account[2],
            "cid",
            title,
        )
        receipt = self.send(self.bets.functions.open(terms))
        (event,) = self.bets.events.MarketOpened().process_receipt(receipt)
        self.markets.append(event["args"]["market"])
        return self.markets[-1]

    def bet(self, count: int = 1, *, market: int = -1, amount: int = 100) -> None:
        """``count`` bets, a block each, of growing amounts."""
        for i in range(count):
            place = self.bets.functions.place(self.markets[market], i % 3, amount + i)
            self.send(place, i % 3)

    def mine(self, count: int) -> None:
        self.rpc("anvil_mine", hex(count))

    def snapshot(self) -> str:
        return self.rpc("evm_snapshot")

    def revert(self, snapshot: str) -> None:
        """The chain is again as it was: what came after is orphaned."""
        assert self.rpc("evm_revert", snapshot)


@contextmanager
def running() -> Iterator[Anvil]:
    """A node of its own on a free port, with Bets, a token and three rich accounts."""
    port = ports.free()
    command = [str(binary.binary()), "--port", str(port), "--silent", "--order", "fifo"]
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        web3 = Web3(Web3.HTTPProvider(url))
        for _ in range(600):
            if web3.is_connected():
                break
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError("anvil ended before it answered")
        node = Anvil(url, web3, None, None)
        node.bets = _deploy(web3, "Bets")
        node.token = _deploy(web3, "TestToken")
        for account in range(3):
            owner = web3.eth.accounts[account]
            node.send(node.token.functions.mint(owner, 10**15))
            node.send(node.token.functions.approve(node.bets.address, 2**255), account)
        yield node
    finally:
        process.terminate()
        process.wait()


def _deploy(web3: Web3, name: str) -> Any:
    built = builds.contract(name)
    factory = web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
    hash_ = factory.constructor().transact({"from": web3.eth.accounts[0]})
    address = web3.eth.wait_for_transaction_receipt(hash_)["contractAddress"]
    return web3.eth.contract(address=address, abi=built.abi)
