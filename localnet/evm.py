"""The EVM side of a local chain: contracts deployed, wallets funded and ready to call them."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import Any

import aiohttp
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3, Web3
from web3.contract import AsyncContract

from deploy import builds
from deploy.evm import (
    PROGRAMS,
    Creation,
    Fees,
    create,
    create_address,
    creation_code,
    gas,
    next_nonce,
)
from indexer.config import Chain
from indexer.errors import Fatal
from indexer.rpc.client import Rpc
from localnet import wallets
from localnet.play import Receipt
from localnet.stories.action import USDC
from localnet.wallets import Cast

# Wei for each unit of gas: far above any base fee of a local chain, so that nothing waits.
_FEE = 20 * 10**9
MAX_UINT256 = 2**256 - 1


@dataclass(frozen=True)
class Deployed:
    """Addresses, EIP-55. Account 0 deploys them in this order, so on a fresh anvil they are the
    same each time. ``token`` is the test USDC, ``goods`` a second one, which is sold for it."""

    bets: str
    token: str
    feeds: str
    contracts: str
    payouts: str
    projects: str
    registry: str
    exchange: str
    goods: str


_BUILDS = {**PROGRAMS, "token": ("TestToken", ""), "goods": ("TestToken", "")}


class Wallet:
    """Signs and sends one account's transactions in the order of its nonces."""

    def __init__(self, web3: AsyncWeb3[Any], account: LocalAccount, chain_id: int) -> None:
        self.web3, self.account, self.chain_id = web3, account, chain_id
        self.nonce: int | None = None
        self.lock = asyncio.Lock()

    async def send(self, call: Any | None = None, gas: int = 1_000_000, **fields: Any) -> HexBytes:
        """Sends a contract ``call`` (or ``fields`` alone); gives the hash when a node has it."""
        async with self.lock:
            if self.nonce is None:
                self.nonce = await self.web3.eth.get_transaction_count(
                    self.account.address, "pending"
                )
            fields |= {
                "chainId": self.chain_id,
                "nonce": self.nonce,
                "gas": gas,
                "maxFeePerGas": _FEE,
                "maxPriorityFeePerGas": 0,
                "value": fields.get("value", 0),
                "type": 2,
            }
            if call is not None:
                fields = await call.build_transaction(fields)
            raw = self.account.sign_transaction(fields).raw_transaction
            sent = await self.web3.eth.send_raw_transaction(raw)
            self.nonce += 1
            return sent


class Receipts:
    """Waits for many transactions with one read a block."""

    def __init__(self, web3: AsyncWeb3[Any], pause: float = 0.05) -> None:
        self.web3, self.pause = web3, pause
        self.waiting: dict[str, asyncio.Future[Receipt]] = {}
        self.seen: dict[str, Receipt] = {}
        self.height: int | None = None
        self.task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Call before the first transaction is sent: receipts are read from here on."""
        if self.height is None:
            self.height = await self.web3.eth.block_number

    async def wait(self, tx: HexBytes, seconds: float = 60) -> Receipt:
        """The receipt of ``tx``, once a block has it. Raises Fatal after ``seconds``."""
        key = tx.to_0x_hex()
        if key in self.seen:
            return self.seen.pop(key)
        future = self.waiting[key] = asyncio.get_running_loop().create_future()
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise Fatal(f"anvil: transaction {key} is in no block after {seconds:.0f} s") from None
        finally:
            self.waiting.pop(key, None)

    async def _poll(self) -> None:
        assert self.height is not None, "begin() comes first"
        try:
            while self.waiting:
                tip = await self.web3.eth.block_number
                while self.height < tip:
                    await self._read(self.height + 1)
                    self.height += 1
                await asyncio.sleep(self.pause)
        except Exception as error:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(error)

    async def _read(self, height: int) -> None:
        answer: Any = await self.web3.provider.make_request(
            "eth_getBlockReceipts",  # pyright: ignore[reportArgumentType]
            [hex(height)],
        )
        for raw in answer["result"]:
            tx = raw["transactionHash"]
            # programs name their entity in an event's first indexed field (SPEC G-5)
            made = next((log["topics"][1] for log in raw["logs"] if len(log["topics"]) > 1), "")
            receipt = Receipt(tx, height, int(raw["status"], 16) == 1, made=made)
            future = self.waiting.get(tx)
            if future is None:
                # The block was faster than the answer to the one who sent it.
                self.seen[tx] = receipt
            elif not future.done():
                future.set_result(receipt)


async def deploy(web3: AsyncWeb3[Any], admin: str) -> Deployed:
    """Deploys the programs and the test tokens from account 0, or finds them where an earlier run
    did. ``admin``: the registry's first, 0x-hex."""
    sender = wallets.deployer()
    names = [field.name for field in fields(Deployed)]
    found = {name: create_address(sender.address, nonce) for nonce, name in enumerate(names)}
    url = str(web3.provider.endpoint_uri)  # pyright: ignore[reportAttributeAccessIssue]
    async with Rpc((url,), name="anvil") as rpc:
        chain = Chain("anvil", "evm", (url,), None, await web3.eth.chain_id, None)
        codes = await rpc.batch([("eth_getCode", [found[name], "latest"]) for name in names])
        creations: list[Creation] = []
        for name, standing in zip(names, codes, strict=True):
            if standing == "0x":
                build, wants = _BUILDS[name]
                code = creation_code(build, admin if wants == "admin" else found.get(wants, ""))
                creations.append(Creation(name, code, await gas(rpc, sender.address, code)))
        if not creations:
            return Deployed(**found)
        nonce = await next_nonce(rpc, "anvil", sender.address)
        for i, one in enumerate(creations):
            if create_address(sender.address, nonce + i) != found[one.name]:
                raise Fatal(
                    f"anvil: {one.name} would not deploy at {found[one.name]}: account 0 has sent "
                    "other transactions before; start a fresh chain"
                )
        await create(rpc, chain, sender, nonce, creations, Fees(_FEE, 0))
    return Deployed(**found)


class EvmWallets:
    """A cast's wallets on an EVM chain, which call its contracts through web3.py."""

    in_turn = False

    def __init__(
        self, web3: AsyncWeb3[Any], chain: str, chain_id: int, deployed: Deployed, cast: Cast
    ) -> None:
        self.web3, self.chain, self.chain_id = web3, chain, chain_id
        self.deployed, self.cast = deployed, cast
        self.token = self.contract("TestToken", deployed.token)
        self.receipts = Receipts(web3)
        self.allowed: set[tuple[str, str, str]] = set()
        self.allowing: defaultdict[tuple[str, str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._wallets: dict[str, Wallet] = {}
        self._now = (0.0, 0)

    def contract(self, build: str, address: str) -> AsyncContract:
        """A contract's calls, by its committed build."""
        return self.web3.eth.contract(
            address=Web3.to_checksum_address(address), abi=builds.contract(build).abi
        )

    def wallet(self, name: str) -> Wallet:
        if name not in self._wallets:
            self._wallets[name] = Wallet(self.web3, self.cast.evm(name), self.chain_id)
        return self._wallets[name]

    def address(self, name: str) -> str:
        return self.wallet(name).account.address

    async def fund(self, dollars: int = 1_000_000) -> None:
        """Gives each actor 100 ether, and the bettors both test tokens and an allowance of USDC for
        Bets."""
        await self.receipts.begin()
        for name in self.cast:
            # anvil's own way to make ether: no transaction to wait for.
            await self.rpc("anvil_setBalance", [self.address(name), hex(100 * 10**18)])
        bank = Wallet(self.web3, wallets.deployer(), self.chain_id)
        sent: list[HexBytes] = []
        for name in (name for name in self.cast if name.startswith("bettor")):
            for token in (self.token, self.contract("TestToken", self.deployed.goods)):
                mint = token.functions.mint(self.address(name), dollars * USDC)
                sent.append(await bank.send(mint, gas=100_000))
            approve = self.token.functions.approve(self.deployed.bets, MAX_UINT256)
            sent.append(await self.wallet(name).send(approve, gas=100_000))
        await self.all_ok(sent)

    async def rpc(self, method: str, params: list[Any]) -> Any:
        """A call that web3.py has no name for. Raises Fatal with the node's own message."""
        answer: Any = await self.web3.provider.make_request(method, params)  # pyright: ignore[reportArgumentType]
        if "error" in answer:
            raise Fatal(f"{self.chain}: {method}: {answer['error'].get('message', answer)}")
        return answer["result"]

    async def all_ok(self, sent: list[HexBytes]) -> None:
        """Waits for transactions that must all succeed."""
        for receipt in await asyncio.gather(*(self.receipts.wait(tx) for tx in sent)):
            if not receipt.ok:
                raise Fatal(f"{self.chain}: transaction {receipt.tx} was refused at funding")

    async def now(self) -> int:
        """The time of the newest block, or of this machine where the chain follows it."""
        at, seen = self._now
        if time.monotonic() - at > 0.2:
            block = await self.web3.eth.get_block("latest")
            seen = block["timestamp"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
            self._now = (time.monotonic(), seen)
        # With a block for each transaction the next block's time is this machine's.
        return max(seen, int(time.time()))

    async def travel(self, to: int) -> None:
        await self.rpc("evm_setTime", [to])
        await self.rpc("evm_mine", [])

    async def allow(self, actor: str, spender: str, token: str = "") -> None:
        """Lets a contract take the actor's USDC, or another ``token``, once and for all."""
        await self.receipts.begin()
        once = actor, spender, token
        async with self.allowing[once]:
            if once not in self.allowed:
                taken = self.contract("TestToken", token) if token else self.token
                approve = taken.functions.approve(spender, MAX_UINT256)
                await self.all_ok([await self.wallet(actor).send(approve, gas=100_000)])
                self.allowed.add(once)

    async def send(self, actor: str, call: Any, gas: int) -> Receipt:
        """Sends a contract's call from the actor's wallet and waits for its receipt."""
        await self.receipts.begin()
        return await self.receipts.wait(await self.wallet(actor).send(call, gas=gas))

    async def close(self) -> None:
        await self.web3.provider.disconnect()


class _Provider(AsyncHTTPProvider):
    """web3's own looks its session up under a lock that it takes in a thread, for each call: on a
    busy machine a call waits for seconds there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.session: aiohttp.ClientSession | None = None

    async def make_request(self, method: Any, params: Any) -> Any:
        if self.session is None:
            self.session = aiohttp.ClientSession()
        raw = self.encode_rpc_request(method, params)
        headers = {"Content-Type": "application/json"}
        async with self.session.post(str(self.endpoint_uri), data=raw, headers=headers) as answer:
            return self.decode_rpc_response(await answer.read())

    async def disconnect(self) -> None:
        if self.session is not None:
            await self.session.close()


def connect(url: str) -> AsyncWeb3[Any]:
    """A client of an EVM node."""
    return AsyncWeb3(_Provider(url))
