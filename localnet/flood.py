"""Long histories of real bets, made fast: what benchmarks index.

`python -m localnet.flood evm --events 200000` and `… solana --events 50000` make a chain whose
blocks hold that many BetPlaced events of the bets program, and serve it until a signal. The first
line on stdout is JSON: {"event": "ready", "rpc", "config", "events", "tip", …}; all of it is final.

EVM: a helper contract places many bets in each transaction. Solana: the node executes ready-made
transactions in its own process, one bet in each, without checking signatures.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import click
from solders.account import Account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import Transaction, VersionedTransaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import get_associated_token_address
from web3 import Web3

from deploy import builds
from deploy.evm import create_address
from indexer.errors import Fatal
from localnet import anvil, artifacts, child, evm, network, svm
from localnet.together import leave, run
from localnet.wallets import Cast, deployer, keypair

MARKETS = 50
OUTCOMES = 4
CROWDS = 64  # contracts that bet in turn, each a bettor of its own
BETTORS = 1_000  # Solana wallets that bet in turn
_GENESIS_TIME = 1_700_000_000
_DAY = 86_400
_ANVIL = ("--no-mining", "--block-base-fee-per-gas", "0", "--gas-price", "0",
          "--gas-limit", "1000000000000", "--disable-code-size-limit")  # fmt: skip


@dataclass(frozen=True)
class History:
    """A chain with ``events`` BetPlaced events, of ``markets`` markets, in blocks up to ``tip``.

    ``rpc``: its URL. ``config``: a chainfold.toml for it. ``seconds``: what it took to make.
    """

    kind: str
    rpc: str
    config: str
    events: int
    markets: int
    tip: int
    seconds: float


@asynccontextmanager
async def history(
    kind: Literal["evm", "solana"], home: Path, events: int, per_block: int = 100
) -> AsyncIterator[History]:
    """A history in a process of its own, there as long as the block; files go to ``home``."""
    log = home / f"flood-{kind}.log"
    command = [sys.executable, "-m", "localnet.flood", kind, "--home", home]
    command += ["--events", events, "--per-block", per_block]
    process = await child.start(f"the flood of {kind}", command, log)

    async def ready() -> bool:
        return log.read_text().startswith('{"event"')

    try:
        await process.ready(ready, 60 + events / 200)
        told = json.loads(log.read_text().splitlines()[0])
        yield History(**{k: v for k, v in told.items() if k != "event"})
    finally:
        await process.stop()


# -- EVM --------------------------------------------------------------------------------------


@asynccontextmanager
async def evm_history(home: Path, events: int, per_block: int) -> AsyncIterator[History]:
    """anvil with the history, as long as the block lasts."""
    began = time.monotonic()
    node = await anvil.start(home / "logs" / "anvil.log", None, None, _ANVIL)
    web3 = evm.connect(node.url)
    try:
        maker = _Maker(web3)
        await maker.deploy()
        await maker.fill(events, per_block)
        # Blocks until the last bet is final: two epochs of anvil's.
        await maker.rpc("anvil_mine", hex(10))
        tip = int(await maker.rpc("eth_blockNumber"), 16)
        config = _write_config(home, "evm", node.url, maker.bets)
        took = time.monotonic() - began
        yield History("evm", node.url, config, events, MARKETS, tip, round(took, 1))
    finally:
        await web3.provider.disconnect()
        await node.process.stop()


class _Maker:
    """Fills an anvil that mines on demand; account 0, whose key anvil holds, pays."""

    def __init__(self, web3: Any) -> None:
        self.web3 = web3
        self.sender = deployer().address
        self.nonce = 0
        self.bets = self.address(0)
        self.token = self.address(1)
        self.crowds = [self.address(2 + i) for i in range(CROWDS)]

    def address(self, nonce: int) -> str:
        return create_address(self.sender, nonce)

    async def rpc(self, method: str, *params: Any) -> Any:
        answer = await self.web3.provider.make_request(method, list(params))
        if "error" in answer:
            raise Fatal(f"anvil: {method}: {answer['error'].get('message', answer)}")
        return answer["result"]

    async def send(self, data: str, to: str | None = None, gas: int = 50_000_000) -> str:
        call = {"from": self.sender, "data": data, "gas": hex(gas), "nonce": hex(self.nonce)}
        self.nonce += 1
        return await self.rpc("eth_sendTransaction", call | ({"to": to} if to else {}))

    async def mine(self, *sent: str) -> None:
        """Mines a block and sees that ``sent`` are in it and succeeded."""
        await self.rpc("evm_mine")
        for tx in sent:
            receipt = await self.rpc("eth_getTransactionReceipt", tx)
            if receipt is None or int(receipt["status"], 16) != 1:
                raise Fatal(f"anvil: the flood's transaction {tx} failed")

    async def deploy(self) -> None:
        crowd = builds.contract("Crowd", Path(__file__).parent / "contracts")
        words = "".join(a[2:].lower().rjust(64, "0") for a in (self.bets, self.token))
        codes = [builds.contract(name).bytecode for name in ("Bets", "TestToken")]
        await self.mine(*[await self.send(code) for code in codes])
        await self.mine(*[await self.send(crowd.bytecode + words) for _ in self.crowds])
        bets = self.web3.eth.contract(address=self.bets, abi=builds.contract("Bets").abi)
        self.crowd = self.web3.eth.contract(address=self.crowds[0], abi=crowd.abi)
        close_at = int(time.time()) + 300 * _DAY
        opened: list[str] = []
        for i in range(MARKETS):
            terms = (
                self.sender, self.token, b"\1" * 32, b"\2" * 32, OUTCOMES,
                close_at, close_at + _DAY, 100, self.sender, "", f"Market {i}",
            )  # fmt: skip
            opened.append(await self.send(bets.encode_abi("open", [terms]), self.bets))
        await self.mine(*opened)
        self.markets = [
            Web3.keccak(
                b"".join(
                    word.to_bytes(32, "big")
                    for word in (anvil.CHAIN_ID, int(self.bets, 16), int(self.sender, 16), nonce)
                )
            )
            for nonce in range(MARKETS)
        ]

    async def fill(self, events: int, per_block: int) -> None:
        """A transaction a block, of another crowd each time; looks at every 50th and the last."""
        for block, done in enumerate(range(0, events, per_block)):
            count = min(per_block, events - done)
            data = self.crowd.encode_abi("bet", [self.markets, OUTCOMES, done, count])
            tx = await self.send(data, self.crowds[block % CROWDS], 200_000 * count + 100_000)
            look = block % 50 == 0 or done + count == events
            await self.mine(*[tx] if look else [])


# -- Solana -----------------------------------------------------------------------------------


@asynccontextmanager
async def solana_history(home: Path, events: int, per_block: int) -> AsyncIterator[History]:
    """Our Solana node with the history, in this process, as long as the block lasts."""
    from localnet.solana import SolanaNode

    began = time.monotonic()
    bettors = [keypair(0, f"flood {i}").pubkey() for i in range(BETTORS)]
    node = SolanaNode(
        programs={svm.program_id(): builds.elf(artifacts.BETS_IDL)},
        accounts=dict(_genesis(bettors)),
        clock="slots",
        slot_ms=0,
        genesis_time=_GENESIS_TIME,
    )
    async with node:
        failed = [e for e in node.process(list(_openings(bettors)), per_slot=per_block) if e]
        bets = _bets(bettors, events)
        while part := list(itertools.islice(bets, 10_000)):
            failed += [e for e in node.process(part, per_slot=per_block) if e]
        if failed:
            raise Fatal(f"solana: {len(failed)} of the flood's transactions failed: {failed[0]}")
        node.produce(40)
        client = svm.connect(node.url)
        tip = (await client.get_slot(svm.Confirmed)).value
        await client.close()
        config = _write_config(home, "solana", node.url, str(svm.program_id()))
        took = time.monotonic() - began
        yield History("solana", node.url, config, events, MARKETS, tip, round(took, 1))


def _genesis(bettors: list[Pubkey]) -> Iterator[tuple[Pubkey, Account]]:
    """Accounts that are there from the start: the mint, and bettors with SOL and USDC."""
    mint = svm.mint().pubkey()
    # COption<Pubkey> mint authority, supply u64, decimals, initialised, COption freeze authority.
    none = bytes(36)
    yield mint, Account(10**9, none + (10**18).to_bytes(8, "little") + b"\6\1" + none,
                        TOKEN_PROGRAM_ID)  # fmt: skip
    for bettor in bettors:
        yield bettor, Account(100 * svm.SOL, b"", SYSTEM_PROGRAM)
        # mint, owner, amount u64, COption delegate, state 1, COption native, delegated u64,
        # COption close authority.
        holding = bytes(mint) + bytes(bettor) + (10**15).to_bytes(8, "little")
        holding += none + b"\1" + bytes(12) + bytes(8) + none
        yield get_associated_token_address(bettor, mint), Account(10**9, holding, TOKEN_PROGRAM_ID)


def _openings(bettors: list[Pubkey]) -> Iterator[VersionedTransaction]:
    """Markets, opened by the first bettor."""
    wallets = svm.SolanaWallets(svm.connect("http://unused"), "solana", Cast(0))
    program = svm.SolanaProgram(wallets, artifacts.BETS_IDL)
    creator, close_at = bettors[0], _GENESIS_TIME + 300 * _DAY
    for nonce in range(MARKETS):
        market = _market(creator, nonce)
        instruction = program.instruction(
            "open", creator, creator, [1] * 32, [2] * 32, OUTCOMES, close_at, close_at + _DAY,
            100, "", f"Market {nonce}", creator=creator, payer=creator, counter=program.counter,
            creator_counter=program.pda(b"creator", bytes(creator)), market=market,
            vault=program.vault(market),
        )  # fmt: skip
        yield _unsigned(instruction, creator, b"open %d" % nonce)


def _bets(bettors: list[Pubkey], events: int) -> Iterator[VersionedTransaction]:
    """Bets: bettors, then markets, then outcomes take turns; amounts are 1 USDC and some."""
    program, mint = svm.program_id(), svm.mint().pubkey()
    place = hashlib.sha256(b"global:place").digest()[:8]
    authority = Pubkey.find_program_address([b"__event_authority"], program)[0]
    markets = [_market(bettors[0], nonce) for nonce in range(MARKETS)]
    vaults = [Pubkey.find_program_address([b"vault", bytes(m)], program)[0] for m in markets]
    sources = [get_associated_token_address(b, mint) for b in bettors]
    for i in range(events):
        b, m = i % BETTORS, (i + i // BETTORS) % MARKETS
        outcome = i // (BETTORS * MARKETS) % OUTCOMES
        bettor, market = bettors[b], markets[m]
        seeds = [b"position", bytes(market), bytes(bettor), bytes([outcome])]
        accounts = [
            AccountMeta(bettor, True, False),
            AccountMeta(bettor, True, True),
            AccountMeta(market, False, True),
            AccountMeta(Pubkey.find_program_address(seeds, program)[0], False, True),
            AccountMeta(sources[b], False, True),
            AccountMeta(vaults[m], False, True),
            AccountMeta(TOKEN_PROGRAM_ID, False, False),
            AccountMeta(SYSTEM_PROGRAM, False, False),
            AccountMeta(authority, False, False),
            AccountMeta(program, False, False),
        ]
        data = place + bytes([outcome]) + (1_000_000 + i % 997).to_bytes(8, "little")
        yield _unsigned(Instruction(program, data, accounts), bettor, b"bet %d" % i)


def _market(creator: Pubkey, nonce: int) -> Pubkey:
    seeds = [b"market", bytes(creator), nonce.to_bytes(8, "little")]
    return Pubkey.find_program_address(seeds, svm.program_id())[0]


def _unsigned(instruction: Instruction, payer: Pubkey, name: bytes) -> VersionedTransaction:
    """A transaction whose signature is only a name: nobody checks it."""
    message = Message.new_with_blockhash([instruction], payer, Hash.default())
    signature = Signature(hashlib.sha512(name).digest())
    return VersionedTransaction.from_legacy(Transaction.populate(message, [signature]))


def _write_config(home: Path, kind: str, url: str, program: str) -> str:
    interface = artifacts.BETS_ABI if kind == "evm" else artifacts.BETS_IDL
    bets = [network.Deployed("bets", program, interface)]
    chain = (
        network.evm_toml("anvil", url, bets)
        if kind == "evm"
        else network.solana_toml("solana", url, bets)
    )
    return str(network.write_toml(home / f"{kind}.toml", home, [chain]))


@click.command()
@click.argument("kind", type=click.Choice(["evm", "solana"]))
@click.option("--events", type=click.IntRange(1), default=50_000, show_default=True)
@click.option("--per-block", type=click.IntRange(1, 2_000), default=100, show_default=True)
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(kind: str, events: int, per_block: int, home: Path) -> None:
    """Make a chain with EVENTS bets and serve it until a signal."""
    home.mkdir(parents=True, exist_ok=True)
    make = evm_history if kind == "evm" else solana_history

    async def serve() -> None:
        async with make(home.resolve(), events, per_block) as made:
            print(json.dumps({"event": "ready", **asdict(made)}), flush=True)
            await asyncio.Event().wait()

    run(serve())
    leave(0)


if __name__ == "__main__":
    main()
