"""Real nodes: anvil with a contract that emits as many logs as it is told to, and our Solana node
with the bets program."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import threading
import urllib.request
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from solders.account import Account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction

from indexer.config import Chain, websocket_url
from localnet.solana.bank import NATIVE_MINT, SYSTEM
from localnet.solana.node import SolanaNode
from localnet.solana.tokens import TOKEN

ROOT = Path(__file__).resolve().parents[3]
TOPIC = "0x" + "c0ffee" * 10 + "c0fe"
SENDER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
_RUNTIME = bytes.fromhex(
    # for (n = calldata[0:32]; n != 0; n--) log2(data=n, topics=[TOPIC, caller])
    "6000355b8015603b578060005233" + "7f" + TOPIC[2:] + "60206000a2" + "600190036003565b00"
)
EMITTER = "0x" + (bytes.fromhex(f"60{len(_RUNTIME):02x}80600b6000396000f3") + _RUNTIME).hex()


class Anvil:
    """One anvil on a free port, mining only on request."""

    def __init__(self, *options: str) -> None:
        command = [str(ROOT / "node_modules/.bin/anvil"), "--port", "0", "--no-mining", *options]
        self.process = subprocess.Popen(
            [*command, "--block-base-fee-per-gas", "0", "--gas-price", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"Listening on (\S+)", line):
                self.url = f"http://{found[1]}"
                break
        else:
            raise RuntimeError("anvil didn't start")
        # A full pipe would stop the node.
        self._drain = threading.Thread(target=deque, args=(self.process.stdout, 0), daemon=True)
        self._drain.start()

    def call(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.url, body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def mine(self, blocks: int = 1) -> int:
        self.call("anvil_mine", hex(blocks))
        return self.height()

    def height(self) -> int:
        return int(self.call("eth_blockNumber"), 16)

    def deploy(self) -> str:
        """Deploys the emitter; its address."""
        sent = self.call(
            "eth_sendTransaction", {"from": SENDER, "data": EMITTER, "gas": "0x100000"}
        )
        self.mine()
        return self.call("eth_getTransactionReceipt", sent)["contractAddress"].lower()

    def emit(self, address: str, logs: int) -> str:
        """Sends a transaction that emits ``logs`` logs; it waits for ``mine``."""
        transaction = {"from": SENDER, "to": address, "data": f"0x{logs:064x}"}
        return self.call("eth_sendTransaction", {**transaction, "gas": hex(60_000 + 3_000 * logs)})

    def chain(self, **changes: Any) -> Chain:
        values: dict[str, Any] = {
            "name": "anvil",
            "kind": "evm",
            "rpc": (self.url,),
            "ws": websocket_url("evm", self.url),
            "chain_id": 31337,
            "genesis_hash": None,
        }
        return Chain(**(values | changes))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._drain.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    node = Anvil()
    yield node
    node.close()


class Proxy:
    """Passes calls on to ``target``; ``change`` sees each (method, params, reply) and may lie.

    ``change`` returns the reply object to send, with ``result`` or ``error``; ``refuse`` sees
    (method, params) first and may return an error object instead of asking the node.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.change: Callable[[str, list[Any], dict[str, Any]], dict[str, Any]] | None = None
        self.refuse: Callable[[str, list[Any]], dict[str, Any] | None] | None = None
        self.calls: list[tuple[str, list[Any]]] = []
        self.batches = True
        self.url = ""

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/", self._serve)
        self._session = ClientSession()
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        if len(calls) > 1 and not self.batches:
            error = {"code": -32600, "message": "Batch requests are not supported"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})
        replies: list[dict[str, Any]] = []
        for call in calls:
            method, params = call["method"], call["params"]
            self.calls.append((method, params))
            if self.refuse is not None and (said := self.refuse(method, params)) is not None:
                replies.append({"jsonrpc": "2.0", "id": call["id"], "error": said})
                continue
            async with self._session.post(self.target, json=call) as answer:
                reply = await answer.json()
            if self.change is not None:
                reply = self.change(method, params, reply)
            replies.append(reply)
        return web.json_response(replies if isinstance(body, list) else replies[0])


@pytest.fixture(scope="session")
def new_anvil() -> type[Anvil]:
    return Anvil


@pytest.fixture(scope="session")
def new_proxy() -> type[Proxy]:
    return Proxy


BETS = "BetsChainfo1d1111111111111111111111111111111"
BETS_SO = ROOT / "programs/solana/artifacts/bets.so"
_GENESIS_TIME = 1_700_000_000


class Story:
    """Markets opened on a Solana node of our own: one `MarketOpened` event each."""

    def __init__(self, node: SolanaNode) -> None:
        self.node = node
        self.creator = CREATOR
        self.nonce = 0
        self.now = _GENESIS_TIME

    def opening(self, count: int = 1, *, good: bool = True, recent: Hash | None = None) -> Any:
        """A transaction that opens ``count`` markets, or fails at the last one."""
        me = self.creator.pubkey()
        instructions: list[Instruction] = []
        for i in range(count):
            market = _pda(b"market", bytes(me), self.nonce.to_bytes(8, "little"))
            self.nonce += good
            outcomes = 2 if good or i < count - 1 else 0
            accounts = [
                AccountMeta(me, True, True),
                AccountMeta(me, True, True),
                AccountMeta(_pda(b"counter"), False, True),
                AccountMeta(_pda(b"creator", bytes(me)), False, True),
                AccountMeta(market, False, True),
                AccountMeta(_pda(b"vault", bytes(market)), False, True),
                AccountMeta(NATIVE_MINT, False, False),
                AccountMeta(TOKEN, False, False),
                AccountMeta(SYSTEM, False, False),
                AccountMeta(_pda(b"__event_authority"), False, False),
                AccountMeta(Pubkey.from_string(BETS), False, False),
            ]
            data = hashlib.sha256(b"global:open").digest()[:8]
            data += bytes(me) * 2 + bytes([1]) * 32 + bytes([2]) * 32 + bytes([outcomes])
            data += struct.pack("<qqH", self.now + 10**6, self.now + 2 * 10**6, 100)
            for text in ("cid", f"market {self.nonce}"):
                data += struct.pack("<I", len(text)) + text.encode()
            instructions.append(Instruction(Pubkey.from_string(BETS), data, accounts))
        message = Message(instructions, me)
        recent = recent or self.node.chain.ledger.head.hash
        return VersionedTransaction.from_legacy(Transaction([self.creator], message, recent))

    def transfer(self) -> Any:
        """A transaction that has nothing to do with the program."""
        me = self.creator.pubkey()
        self.lamports = getattr(self, "lamports", 0) + 1
        pay = transfer(TransferParams(from_pubkey=me, to_pubkey=me, lamports=self.lamports))
        recent = self.node.chain.ledger.head.hash
        return VersionedTransaction.from_legacy(
            Transaction([self.creator], Message([pay], me), recent)
        )

    def block(self, *transactions: Any) -> None:
        """One slot with these transactions."""
        for transaction in transactions:
            self.node.chain.submit(transaction, bytes(transaction))
        self.node.produce()

    def skip(self, slots: int) -> None:
        self.node.chain.skip(slots)

    @property
    def head(self) -> int:
        return self.node.chain.ledger.head.slot

    def chain(self, **changes: Any) -> Chain:
        values: dict[str, Any] = {
            "name": "solana",
            "kind": "solana",
            "rpc": (self.node.url,),
            "ws": self.node.ws_url,
            "chain_id": None,
            "genesis_hash": None,
        }
        return Chain(**(values | changes))


def _pda(*seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(list(seeds), Pubkey.from_string(BETS))[0]


CREATOR = Keypair.from_seed(bytes([7]) * 32)


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    """A Solana node with the bets program that makes slots only when told to."""
    funded = Account(10**15, b"", SYSTEM)
    node = SolanaNode(
        programs={BETS: BETS_SO},
        accounts={CREATOR.pubkey(): funded},
        slot_ms=0,
        finality=2,
        clock="slots",
        genesis_time=_GENESIS_TIME,
        faults=True,
    )
    async with node:
        yield Story(node)


@pytest.fixture(scope="session")
def new_story() -> type[Story]:
    return Story


@pytest.fixture(scope="session")
def bets_id() -> str:
    return BETS
