"""The Solana side of a local chain: a token minted, wallets funded and ready to call programs."""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import httpx
from anchorpy import Context, Program, Provider
from anchorpy import Wallet as AnchorWallet
from anchorpy_core.idl import Idl
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.providers.async_http import AsyncHTTPProvider
from solana.rpc.types import TxOpts
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import (
    ID as SYSTEM_PROGRAM,
)
from solders.system_program import (
    CreateAccountParams,
    TransferParams,
    create_account,
    transfer,
)
from solders.transaction import Transaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import (
    InitializeMintParams,
    MintToParams,
    create_idempotent_associated_token_account,
    get_associated_token_address,
    initialize_mint,
    mint_to,
)

from deploy import builds
from indexer.errors import Fatal
from localnet import artifacts
from localnet.play import Receipt
from localnet.stories.action import USDC
from localnet.wallets import Cast, keypair

_T = TypeVar("_T")

SOL = 1_000_000_000  # lamports
DECIMALS = 6
_MINT_BYTES = 82
# A blockhash holds for 150 slots, about a minute; a young one is known to every node.
_BLOCKHASH_SECONDS = 5.0


def mint() -> Keypair:
    """The key of the test USDC's mint: the same on every local chain."""
    return keypair(0, "usdc")


def bank() -> Keypair:
    """Pays for set-up and mints the test USDC, on a local chain only."""
    return keypair(0, "bank")


class Sender:
    """Signs and sends transactions, and waits for many with one read."""

    def __init__(self, client: AsyncClient, chain: str, pause: float = 0.1) -> None:
        self.client, self.chain, self.pause = client, chain, pause
        self.waiting: dict[Signature, asyncio.Future[Receipt]] = {}
        self.poll: asyncio.Task[None] | None = None
        self.sent: set[Signature] = set()
        self.recent: tuple[float, Hash] | None = None
        self.lock = asyncio.Lock()

    async def blockhash(self) -> Hash:
        async with self.lock:
            if self.recent is None or time.monotonic() - self.recent[0] > _BLOCKHASH_SECONDS:
                answer = await self.client.get_latest_blockhash(Confirmed)
                self.recent = time.monotonic(), answer.value.blockhash
            return self.recent[1]

    async def send(self, instructions: Sequence[Instruction], *signers: Keypair) -> Receipt:
        """Sends without preflight, so that a refused transaction is on the chain too."""
        message = Message(list(instructions), signers[0].pubkey())
        signed = Transaction(list(signers), message, await self.blockhash())
        while signed.signatures[0] in self.sent:
            # The same call of the same wallet on the same blockhash is the same transaction.
            await asyncio.sleep(self.pause)
            self.recent = None
            signed = Transaction(list(signers), message, await self.blockhash())
        self.sent.add(signed.signatures[0])
        options = TxOpts(skip_preflight=True, preflight_commitment=Confirmed)
        signature = (await self.client.send_transaction(signed, options)).value
        return await self.wait(signature)

    async def wait(self, tx: Signature, seconds: float = 60) -> Receipt:
        """The receipt of ``tx``, once a block has it. Raises Fatal after ``seconds``."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.waiting[tx] = future
        if self.poll is None or self.poll.done():
            self.poll = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise Fatal(
                f"{self.chain}: transaction {tx} is in no block after {seconds:.0f} s"
            ) from None
        finally:
            self.waiting.pop(tx, None)

    async def _poll(self) -> None:
        try:
            while self.waiting:
                await asyncio.sleep(self.pause)
                asked = list(self.waiting)[:256]
                if not asked:
                    break
                answer = await self.client.get_signature_statuses(asked)
                for tx, status in zip(asked, answer.value, strict=True):
                    future = self.waiting.get(tx)
                    # A level above `processed` is written as such: the block will stay.
                    if status is None or future is None or future.done():
                        continue
                    if str(status.confirmation_status).endswith(("Confirmed", "Finalized")):
                        error = "" if status.err is None else str(status.err)
                        future.set_result(Receipt(str(tx), status.slot, not error, error))
        except Exception as error:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(error)


class SolanaWallets:
    """A cast's wallets on a Solana chain, which call its programs through solana-py."""

    # an opening names its creator's count of them
    in_turn = True

    def __init__(self, client: AsyncClient, chain: str, cast: Cast) -> None:
        self.client, self.chain, self.cast = client, chain, cast
        self.token = mint().pubkey()
        self.sender = Sender(client, chain)
        self.wallet = cache(cast.solana)
        self._clock = (0.0, 0)

    def address(self, name: str) -> Pubkey:
        return self.wallet(name).pubkey()

    def account(self, name: str) -> Pubkey:
        """An actor's token account."""
        return get_associated_token_address(self.address(name), self.token)

    async def fund(self, dollars: int = 1_000_000) -> None:
        """Mints the test USDC; gives each actor 10 SOL, and the bettors and the treasury a token
        account, the bettors with USDC in it."""
        payer = bank()
        names = list(self.cast)
        asked = await self.client.request_airdrop(payer.pubkey(), (len(names) * 10 + 100) * SOL)
        await self.ok(self.sender.wait(asked.value))
        if (await self.client.get_account_info(self.token, Confirmed)).value is None:
            await self.ok(self.sender.send(await self._new_mint(payer.pubkey()), payer, mint()))
        shares = [
            transfer(
                TransferParams(
                    from_pubkey=payer.pubkey(), to_pubkey=self.address(name), lamports=10 * SOL
                )
            )
            for name in names
        ]
        holders = [n for n in names if n.startswith("bettor") or n == "treasury"]
        tokens = [self._new_holder(payer.pubkey(), name, dollars) for name in holders]
        parts = [*_parts(shares, 15), *map(list, map(chain.from_iterable, _parts(tokens, 3)))]
        await asyncio.gather(*(self.ok(self.sender.send(part, payer)) for part in parts))

    async def _new_mint(self, payer: Pubkey) -> list[Instruction]:
        rent = await self.client.get_minimum_balance_for_rent_exemption(_MINT_BYTES)
        return [
            create_account(
                CreateAccountParams(
                    from_pubkey=payer,
                    to_pubkey=self.token,
                    lamports=rent.value,
                    space=_MINT_BYTES,
                    owner=TOKEN_PROGRAM_ID,
                )
            ),
            initialize_mint(
                InitializeMintParams(
                    decimals=DECIMALS,
                    program_id=TOKEN_PROGRAM_ID,
                    mint=self.token,
                    mint_authority=payer,
                )
            ),
        ]

    def _new_holder(self, payer: Pubkey, name: str, dollars: int) -> list[Instruction]:
        new = create_idempotent_associated_token_account(payer, self.address(name), self.token)
        if not name.startswith("bettor"):
            return [new]
        return [
            new,
            mint_to(
                MintToParams(
                    program_id=TOKEN_PROGRAM_ID,
                    mint=self.token,
                    dest=self.account(name),
                    mint_authority=payer,
                    amount=dollars * USDC,
                )
            ),
        ]

    async def ok(self, receipt: Any) -> Receipt:
        """Waits for a transaction that must succeed."""
        got: Receipt = await receipt
        if not got.ok:
            raise Fatal(f"{self.chain}: transaction {got.tx} was refused at funding")
        return got

    async def now(self) -> int:
        """The time of the newest confirmed block."""
        at, seen = self._clock
        if time.monotonic() - at > 0.2:
            slot = (await self.client.get_slot(Confirmed)).value
            seen = (await self.client.get_block_time(slot)).value or seen
            self._clock = (time.monotonic(), seen)
        return seen

    async def travel(self, to: int) -> None:
        await rpc(self.client, "localnet_setTime", [{"unixTime": to}])

    async def close(self) -> None:
        await self.client.close()


class SolanaProgram:
    """One of our programs, called by a cast's wallets by its IDL."""

    def __init__(self, wallets: SolanaWallets, idl: Path) -> None:
        parsed = Idl.from_json(builds.text(idl))
        self.wallets, self.id = wallets, program_id(idl)
        provider = Provider(wallets.client, AnchorWallet(bank()))
        self.program = Program(parsed, self.id, provider)
        self.counter = self.pda(b"counter")
        self.common = {
            "token": wallets.token,
            "token_program": TOKEN_PROGRAM_ID,
            "system_program": SYSTEM_PROGRAM,
            "event_authority": self.pda(b"__event_authority"),
            "program": self.id,
        }
        # anchorpy reads an IDL's names as Python's
        self.accounts = {
            _snake(i.name): [_snake(a.name) for a in i.accounts] for i in parsed.instructions
        }
        self.nonces: dict[str, int] = {}
        self.creating: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def pda(self, *seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), self.id)[0]

    def vault(self, entity: Pubkey) -> Pubkey:
        """The token account that holds an entity's money."""
        return self.pda(b"vault", bytes(entity))

    def instruction(self, name: str, *args: Any, **accounts: Pubkey) -> Instruction:
        """``accounts``: those that no other instruction has in common with this one."""
        given = self.common | accounts
        wanted = {a: given[a] for a in self.accounts[name]}
        return self.program.instruction[name](*args, ctx=Context(accounts=wanted))

    def decode(self, data: bytes) -> Any:
        """An account of the program by its fields."""
        return self.program.coder.accounts.decode(data)

    async def create(
        self, seed: bytes, actor: str, make: Callable[[Pubkey, Mapping[str, Pubkey]], Instruction]
    ) -> tuple[str, Receipt]:
        """Sends what makes an entity; gives its address, "" where that was refused. ``make`` is
        told the address and the accounts that count it."""
        signer = self.wallets.wallet(actor)
        me = signer.pubkey()
        async with self.creating[actor]:
            # Each creation names its creator's nonce, so the next waits for this one's receipt.
            if actor not in self.nonces:
                self.nonces[actor] = await self._next_nonce(me)
            nonce = self.nonces[actor].to_bytes(8, "little")
            entity = self.pda(seed, bytes(me), nonce)
            counters = {
                "payer": me,
                "counter": self.counter,
                "creator_counter": self.pda(b"creator", bytes(me)),
            }
            receipt = await self.wallets.sender.send([make(entity, counters)], signer)
            if not receipt.ok:
                return "", receipt
            self.nonces[actor] += 1
        return str(entity), receipt

    async def _next_nonce(self, creator: Pubkey) -> int:
        counter = self.pda(b"creator", bytes(creator))
        found = await self.wallets.client.get_account_info(counter, Confirmed)
        if found.value is None:
            return 0
        return self.decode(found.value.data).next_nonce


@cache
def program_id(idl: Path = artifacts.BETS_IDL) -> Pubkey:
    """The program's id, as its interface has it."""
    metadata: Any = Idl.from_json(builds.text(idl)).metadata
    return Pubkey.from_string(metadata["address"])


class _Provider(AsyncHTTPProvider):
    """solana-py 0.36 hands httpx a ``proxy``, which 0.25, the version subgrounds wants, refuses."""

    def __init__(self, url: str, timeout: float) -> None:
        super(AsyncHTTPProvider, self).__init__(url, None)
        self.session = httpx.AsyncClient(timeout=timeout)


class _Client(AsyncClient):
    def __init__(self, url: str, timeout: float) -> None:
        super(AsyncClient, self).__init__(Confirmed)
        self._provider = _Provider(url, timeout)


def connect(url: str, timeout: float = 30) -> AsyncClient:
    """A client of a Solana node; ``timeout`` in seconds."""
    return _Client(url, timeout)


async def rpc(client: AsyncClient, method: str, params: list[Any]) -> Any:
    """A call that solana-py has no name for. Raises Fatal with the node's own message."""
    provider: Any = client._provider  # pyright: ignore[reportPrivateUsage]
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = (await provider.session.post(provider.endpoint_uri, json=body)).json()
    if "error" in answer:
        raise Fatal(f"solana: {method}: {answer['error'].get('message', answer)}")
    return answer["result"]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _parts(items: list[_T], size: int) -> list[list[_T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
