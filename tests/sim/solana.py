"""The Solana side: a node of the seed's own in this process, whose slots the history makes."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from solders.account import Account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import Transaction, VersionedTransaction

from deploy import builds
from localnet import artifacts
from localnet.solana.bank import SYSTEM
from localnet.solana.node import SolanaNode
from localnet.solana.tokens import TOKEN
from sim.story import BETTORS, CREATORS, OUTCOMES, Action, Market, Story

BETS = "BetsChainfo1d1111111111111111111111111111111"
_ID = Pubkey.from_string(BETS)
GENESIS_TIME = 1_700_000_000


class SolanaChain:
    name = "solana"

    def __init__(self, node: SolanaNode, seed: int, finality: int) -> None:
        self.node, self.finality = node, finality
        self.dice = random.Random(f"solana {seed}")
        self.story = Story(self.dice)
        self.now = GENESIS_TIME
        self.final = self.start = self.sent = 0
        self.creators = [_key(f"creator {i}") for i in range(CREATORS)]
        self.bettors = [_key(f"bettor {i}") for i in range(BETTORS)]
        self.resolver, self.treasury = _key("resolver"), _key("treasury")
        self.by_market: dict[str, Pubkey] = {}

    @property
    def url(self) -> str:
        return self.node.url

    @property
    def ws(self) -> str:
        return self.node.ws_url

    @property
    def height(self) -> int:
        return self.node.chain.ledger.head.slot

    async def block(self, seconds: int) -> None:
        """A slot of the story's next transactions, sometimes slots without a block before it."""
        chain = self.node.chain
        if self.dice.random() < 0.1:
            chain.skip(self.dice.choice([1, 2, 5]))
        self.now += seconds
        chain.set_time(self.now)
        opened: dict[int, int] = {}
        sent = [self._transaction(a, opened) for a in self.story.actions(self.now)]
        before = self.height
        self.node.process(sent, per_slot=1_000)
        if self.height == before:  # nothing, or nothing that pays a fee
            self.node.produce()
        self.final = max(self.final, self._behind(self.finality))

    def _behind(self, blocks: int) -> int:
        return self.node.chain.ledger.behind(blocks).slot

    def deepest(self) -> int:
        """How many blocks may be dropped without one that was ever final."""
        return sum(b.slot > self.final for b in self.node.chain.ledger.chain)

    async def drop(self, depth: int) -> None:
        chain = self.node.chain
        if chain.abandoned is not None and self.dice.random() < 0.2:
            parent = chain.abandoned.parent
            known = chain.ledger.block(parent.slot)
            if known is not None and known.hash == parent.hash and parent.slot >= self.final:
                head = chain.switch_fork()[0].parent
                self.node.subscriptions.rewind(head)
                return
        take = self.dice.choice(["none", "all", "all"])
        chain.drop_fork(depth, take, self.dice.random() < 0.5)  # type: ignore[arg-type]
        self.node.subscriptions.rewind(chain.ledger.head.slot)

    def rewrite_finality(self) -> None:
        self.final = self._behind(self.finality)

    def toml(self, urls: list[str], ws: str, start: int) -> str:
        return (
            f'[chains.solana]\nkind = "solana"\nrpc = {json.dumps(urls)}\n'
            f'ws = "{ws}"\n[[programs]]\nname = "bets"\nchain = "solana"\naddress = "{BETS}"\n'
            f'interface = "{artifacts.BETS_IDL}"\nstart = {start}\n'
        )

    # -- transactions -----------------------------------------------------------------------

    def _transaction(self, a: Action, opened: dict[int, int]) -> VersionedTransaction:
        instruction, payer = self._instruction(a, opened)
        self.sent += 1
        message = Message.new_with_blockhash([instruction], payer, Hash.default())
        name = hashlib.sha512(b"sim %d" % self.sent).digest()
        signed = Transaction.populate(message, [Signature(name)])
        return VersionedTransaction.from_legacy(signed)

    def _instruction(self, a: Action, opened: dict[int, int]) -> tuple[Instruction, Pubkey]:
        if a.kind == "open":
            return self._open(a, opened)
        assert a.market is not None
        market = Pubkey.from_string(a.market.id)
        vault, bettor = _pda(b"vault", bytes(market)), self.bettors[a.by].pubkey()
        position = _pda(b"position", bytes(market), bytes(bettor), bytes([a.outcome]))
        resolver, treasury = self.resolver.pubkey(), self.treasury.pubkey()
        creator = self.by_market[a.market.id]
        # (account, "s" signs, "w" is written) in the interface's order
        match a.kind:
            case "place":
                keys = [(bettor, "s"), (bettor, "sw"), (market, "w"), (position, "w"),
                        (_holding(bettor), "w"), (vault, "w"), (TOKEN, ""),
                        (SYSTEM, "")]  # fmt: skip
                return _call("place", keys, struct.pack("<BQ", a.outcome, a.amount)), bettor
            case "resolve":
                keys = [(resolver, "s"), (market, "w")]
                return _call("resolve", keys, bytes([a.outcome])), resolver
            case "void":
                return _call("void", [(resolver, "s"), (market, "w")]), resolver
            case "claim":
                keys = [(bettor, "s"), (market, "w"), (position, "w"), (vault, "w"),
                        (_holding(bettor), "w"), (TOKEN, "")]  # fmt: skip
                return _call("claim", keys), bettor
            case "close_position":
                keys = [(bettor, "s"), (market, "w"), (position, "w"), (bettor, "w")]
                return _call("close_position", keys), bettor
            case "collect_fee":
                keys = [(resolver, "s"), (market, "w"), (vault, "w"),
                        (_holding(treasury), "w"), (TOKEN, "")]  # fmt: skip
                return _call("collect_fee", keys), resolver
            case "close":
                keys = [(resolver, "s"), (market, "w"), (vault, "w"),
                        (_holding(treasury), "w"), (creator, "w"), (TOKEN, "")]  # fmt: skip
                return _call("close", keys), resolver

    def _open(self, a: Action, opened: dict[int, int]) -> tuple[Instruction, Pubkey]:
        creator = self.creators[a.by].pubkey()
        counter = _pda(b"creator", bytes(creator))
        if a.by not in opened:
            held = self.node.chain.bank.live.get(counter)
            # 8 bytes discriminator, 32 creator, then next_nonce
            opened[a.by] = int.from_bytes(bytes(held.data)[40:48], "little") if held else 0
        market = _pda(b"market", bytes(creator), opened[a.by].to_bytes(8, "little"))
        opened[a.by] += 1
        self.story.markets.append(Market(str(market), a.close_at, a.resolve_by))
        self.by_market[str(market)] = creator
        keys = [
            (creator, "s"), (creator, "sw"), (_pda(b"counter"), "w"), (counter, "w"),
            (market, "w"), (_pda(b"vault", bytes(market)), "w"), (_MINT, ""), (TOKEN, ""),
            (SYSTEM, ""),
        ]  # fmt: skip
        data = bytes(self.resolver.pubkey()) + bytes(self.treasury.pubkey())
        data += b"\1" * 32 + b"\2" * 32
        data += struct.pack("<BqqH", OUTCOMES, a.close_at, a.resolve_by, 100)
        for text in ("cid", a.title):
            data += struct.pack("<I", len(text.encode())) + text.encode()
        return _call("open", keys, data), creator


def _key(name: str) -> Keypair:
    return Keypair.from_seed(hashlib.sha256(f"sim {name}".encode()).digest())


_MINT = _key("mint").pubkey()


def _holding(owner: Pubkey) -> Pubkey:
    return _key(f"holding of {owner}").pubkey()


def _pda(*seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(list(seeds), _ID)[0]


def _call(name: str, keys: list[tuple[Pubkey, str]], data: bytes = b"") -> Instruction:
    accounts = [AccountMeta(k, "s" in how, "w" in how) for k, how in keys]
    accounts += [
        AccountMeta(_pda(b"__event_authority"), False, False),
        AccountMeta(_ID, False, False),
    ]
    return Instruction(_ID, hashlib.sha256(f"global:{name}".encode()).digest()[:8] + data, accounts)


def _genesis(made: SolanaChain) -> dict[Pubkey, Account]:
    none = bytes(36)
    mint = none + (10**18).to_bytes(8, "little") + b"\6\1" + none
    found = {_MINT: Account(10**9, mint, TOKEN)}
    holders = [k.pubkey() for k in (*made.bettors, made.treasury)]
    for owner in [*holders, *(k.pubkey() for k in made.creators), made.resolver.pubkey()]:
        found[owner] = Account(10**14, b"", SYSTEM)
    for owner in holders:
        # mint, owner, amount u64, COption delegate, state 1, COption native, delegated u64,
        # COption close authority
        data = bytes(_MINT) + bytes(owner) + (10**15).to_bytes(8, "little")
        data += none + b"\1" + bytes(12) + bytes(8) + none
        found[_holding(owner)] = Account(10**9, data, TOKEN)
    return found


@asynccontextmanager
async def chain(seed: int, finality: int) -> AsyncIterator[SolanaChain]:
    node = SolanaNode(
        programs={BETS: builds.elf(artifacts.BETS_IDL)},
        clock="slots",
        slot_ms=0,
        finality=finality,
        genesis_time=GENESIS_TIME,
    )
    made = SolanaChain(node, seed, finality)
    for key, account in _genesis(made).items():
        node.chain.bank.genesis(key, account)
    async with node:
        yield made
