"""The EVM side of a local chain: contracts deployed, wallets funded, bets called by wallets."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3, Web3
from web3.contract import AsyncContract

from indexer.errors import Fatal
from localnet import artifacts, wallets
from localnet.play import Receipt
from localnet.scenario import USDC, Action, Terms
from localnet.wallets import Cast

# Wei for each unit of gas: far above any base fee of a local chain, so that nothing waits.
_FEE = 20 * 10**9
_GAS = {
    "open": 600_000,
    "place": 250_000,
    "resolve": 250_000,
    "void": 150_000,
    "claim": 250_000,
    "collect_fee": 200_000,
    "close_position": 150_000,
    "close": 300_000,
}
MAX_UINT256 = 2**256 - 1


@dataclass(frozen=True)
class Deployed:
    """Addresses, EIP-55. Account 0 deploys Bets first and the token second, so on a fresh anvil
    they are the same each time."""

    bets: str
    token: str


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
            receipt = Receipt(tx, height, int(raw["status"], 16) == 1)
            future = self.waiting.get(tx)
            if future is None:
                # The block was faster than the answer to the one who sent it.
                self.seen[tx] = receipt
            elif not future.done():
                future.set_result(receipt)


async def deploy(web3: AsyncWeb3[Any]) -> Deployed:
    """Deploys Bets and the test USDC from account 0, or finds them where an earlier run did."""
    sender = wallets.deployer()
    chain_id = await web3.eth.chain_id
    wallet, receipts = Wallet(web3, sender, chain_id), Receipts(web3)
    await receipts.begin()
    found: dict[str, str] = {}
    for nonce, name in enumerate(("Bets", "TestToken")):
        address = Web3.to_checksum_address(create_address(sender.address, nonce))
        if not await web3.eth.get_code(address):
            build = artifacts.contract(name)
            tx = await wallet.send(gas=8_000_000, data=build.bytecode, to=b"")
            if not (await receipts.wait(tx)).ok or not await web3.eth.get_code(address):
                raise Fatal(
                    f"anvil: {name} did not deploy at {address}: account 0 has sent other "
                    "transactions before; start a fresh chain"
                )
        found[name] = address
    return Deployed(found["Bets"], found["TestToken"])


def create_address(sender: str, nonce: int) -> bytes:
    """Where CREATE puts the contract that ``sender`` makes with ``nonce`` < 128 (EIP-161)."""
    rlp = bytes.fromhex("d694" + sender[2:]) + bytes([nonce or 0x80])
    return bytes(Web3.keccak(rlp)[12:])


class EvmBets:
    """Bets on an EVM chain, called by a cast's wallets through web3.py."""

    def __init__(
        self, web3: AsyncWeb3[Any], chain: str, chain_id: int, deployed: Deployed, cast: Cast
    ) -> None:
        self.web3, self.chain, self.chain_id = web3, chain, chain_id
        self.deployed, self.cast = deployed, cast
        self.bets: AsyncContract = web3.eth.contract(
            address=Web3.to_checksum_address(deployed.bets),
            abi=artifacts.contract("Bets").abi,
        )
        self.token: AsyncContract = web3.eth.contract(
            address=Web3.to_checksum_address(deployed.token),
            abi=artifacts.contract("TestToken").abi,
        )
        self.receipts = Receipts(web3)
        self.nonces: dict[str, int] = {}
        self.opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._wallets: dict[str, Wallet] = {}
        self._now = (0.0, 0)

    def wallet(self, name: str) -> Wallet:
        if name not in self._wallets:
            self._wallets[name] = Wallet(self.web3, self.cast.evm(name), self.chain_id)
        return self._wallets[name]

    def address(self, name: str) -> str:
        return self.wallet(name).account.address

    async def fund(self, dollars: int = 1_000_000) -> None:
        """Gives each actor 100 ether, and the bettors USDC and an allowance for Bets."""
        await self.receipts.begin()
        for name in self.cast:
            # anvil's own way to make ether: no transaction to wait for.
            await self.rpc("anvil_setBalance", [self.address(name), hex(100 * 10**18)])
        bank = Wallet(self.web3, wallets.deployer(), self.chain_id)
        sent: list[HexBytes] = []
        for name in (name for name in self.cast if name.startswith("bettor")):
            mint = self.token.functions.mint(self.address(name), dollars * USDC)
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

    async def open(self, terms: Terms, close_at: int, resolve_by: int) -> tuple[str, Receipt]:
        await self.receipts.begin()
        creator = self.address(terms.creator)
        async with self.opening[creator]:
            if creator not in self.nonces:
                self.nonces[creator] = await self.bets.functions.nonces(creator).call()
            call = self.bets.functions.open(
                (
                    self.address(terms.resolver),
                    self.deployed.token,
                    terms.subject,
                    terms.question,
                    terms.outcomes,
                    close_at,
                    resolve_by,
                    terms.fee_bps,
                    self.address("treasury"),
                    terms.cid,
                    terms.title,
                )
            )
            tx = await self.wallet(terms.creator).send(call, gas=_GAS["open"])
            nonce = self.nonces[creator]
            self.nonces[creator] += 1
        receipt = await self.receipts.wait(tx)
        if not receipt.ok:
            raise Fatal(f"{self.chain}: opening a market was refused, transaction {receipt.tx}")
        return self.market_id(creator, nonce), receipt

    def market_id(self, creator: str, nonce: int) -> str:
        words = (self.chain_id, int(self.deployed.bets, 16), int(creator, 16), nonce)
        return Web3.keccak(b"".join(w.to_bytes(32, "big") for w in words)).to_0x_hex()

    async def call(self, action: Action, market: str) -> Receipt:
        await self.receipts.begin()
        call = self.prepare(action, market)
        tx = await self.wallet(action.actor).send(call, gas=_GAS[action.kind])
        return await self.receipts.wait(tx)

    def prepare(self, action: Action, market: str) -> Any:
        """The contract call of an action."""
        id_, f = bytes.fromhex(market[2:]), self.bets.functions
        match action.kind:
            case "place":
                return f.place(id_, action.outcome, action.amount)
            case "resolve":
                return f.resolve(id_, action.outcome)
            case "void":
                return f.void(id_)
            case "claim":
                return f.claim(id_, self.address(action.bettor), action.outcome)
            case "collect_fee":
                return f.collectFee(id_)
            case "close_position":
                return f.closePosition(id_, self.address(action.bettor), action.outcome)
            case "close":
                return f.close(id_)
            case "open":
                raise ValueError("a market is opened by open()")

    async def close(self) -> None:
        await self.web3.provider.disconnect()


def connect(url: str) -> AsyncWeb3[Any]:
    """A client of an EVM node."""
    return AsyncWeb3(AsyncHTTPProvider(url))
