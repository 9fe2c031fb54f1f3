"""The chain: the working slot, what is frozen, and what each commitment sees.

Transactions execute on arrival in the working slot, which nobody can read. Freezing it makes a
block of it; `processed` and `confirmed` are the newest block (a single validator confirms its own
votes at once), `finalized` lies `finality` blocks behind. With a lag, all three move back.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from localnet.solana import record
from localnet.solana.bank import (
    LAMPORTS_PER_SIGNATURE,
    NATIVE_MINT,
    SLOT_HASHES,
    SYSTEM,
    Bank,
    Change,
    Outcome,
    blockhash,
)
from localnet.solana.ledger import Block, Entry, Ledger
from localnet.solana.record import Record
from localnet.solana.tokens import TOKEN

Commitment = Literal["processed", "confirmed", "finalized"]

MAX_AGE = 150  # blocks for which a blockhash is good
_FAUCET_LAMPORTS = 1_000_000 * 10**9
_IDENTITY_LAMPORTS = 500 * 10**9
_NATIVE_MINT_DATA = bytes(44) + b"\x09\x01" + bytes(36)


@dataclass(frozen=True)
class Settings:
    """slot_ms: time between slots, 0 for slots only on request. finality: blocks from confirmed to
    finalized. journal_slots: how deep a fork can be dropped. keep_blocks: history kept.
    clock: `real` is the machine's; `slots` counts slot_time_ms a slot from genesis_time, so that
    a history is the same each run. cache_bytes: answers of getBlock kept. upgrade_authority: who
    may upgrade the programs, as they ask the loader's accounts; None for nobody."""

    slot_ms: int = 400
    finality: int = 32
    journal_slots: int = 512
    keep_blocks: int = 500_000
    clock: Literal["real", "slots"] = "real"
    genesis_time: int = 1_700_000_000
    slot_time_ms: int = 400
    cache_bytes: int = 512 * 1024 * 1024
    seed: str = "chainfold"
    upgrade_authority: Pubkey | None = None

    def __post_init__(self) -> None:
        if self.journal_slots < self.finality + 2:
            raise ValueError("journal_slots must exceed finality by two: finalized reads need them")


@dataclass(frozen=True)
class Fork:
    """Blocks that were left, with what they did to accounts; `parent` is the block below them."""

    parent: Block
    blocks: list[tuple[Block, list[Entry]]]
    changes: list[Change]


class Chain:
    def __init__(
        self,
        settings: Settings,
        programs: dict[Pubkey, Path],
        accounts: dict[Pubkey, Account],
    ) -> None:
        self.settings = settings
        self.faucet = _keypair(settings.seed, "faucet")
        self.identity = _keypair(settings.seed, "identity").pubkey()
        self.bank = Bank(settings.journal_slots)
        self.programs = dict(programs)
        for key, path in programs.items():
            try:
                self.bank.add_program(key, path.read_bytes(), settings.upgrade_authority)
            except ValueError as error:
                raise ValueError(f"{path} is no program that runs here: {error}") from error
        for key, account in {
            self.faucet.pubkey(): Account(_FAUCET_LAMPORTS, b"", SYSTEM),
            self.identity: Account(_IDENTITY_LAMPORTS, b"", SYSTEM),
            NATIVE_MINT: Account(10**9, _NATIVE_MINT_DATA, TOKEN),
            **accounts,
        }.items():
            self.bank.genesis(key, account)
        self.time_offset = 0.0
        self.lag = 0
        self.fork = 0
        self.abandoned: Fork | None = None
        self.hidden: set[int] = set()  # slots answered as skipped
        self.serves_orphans = False  # whether dropped blocks are still given
        self.genesis_hash = Hash.from_bytes(
            hashlib.sha256(f"{settings.seed}|genesis".encode()).digest()
        )
        genesis = Block(0, 0, 0, self.genesis_hash, Hash.default(), self._unix_time(0), rewards=[])
        self.ledger = Ledger(genesis, settings.keep_blocks, settings.cache_bytes)
        self.listeners: list[Callable[[Block], None]] = []
        self.working: list[Entry] = []
        self.working_signatures: dict[bytes, Any] = {}
        self._fees = 0
        self._priority: list[int] = []
        self._ages: dict[Hash, int] = {genesis.hash: 0}
        self._begin(1)

    # -- time -------------------------------------------------------------------------------

    def _unix_time(self, slot: int) -> int:
        if self.settings.clock == "slots":
            start = self.settings.genesis_time + slot * self.settings.slot_time_ms / 1000
            return int(start + self.time_offset)
        return int(time.time() + self.time_offset)

    def now(self) -> int:
        """Unix time of the working slot, seconds."""
        return self.working_time

    def set_time(self, unix_time: int) -> None:
        """Move the clock: the working slot and all after it."""
        self.time_offset += unix_time - self._unix_time(self.bank.slot)
        self.working_time = unix_time
        self.bank.set_time(unix_time)

    # -- commitments ------------------------------------------------------------------------

    def at(self, commitment: Commitment) -> Block:
        behind = self.lag + (self.settings.finality if commitment == "finalized" else 0)
        return self.ledger.behind(behind)

    def last_valid_height(self, block: Block) -> int:
        return block.height + MAX_AGE

    def is_recent(self, blockhash: Hash, block: Block) -> bool:
        """Whether a transaction with this blockhash could go in after `block`."""
        height = self._ages.get(blockhash)
        return height is not None and height <= block.height <= height + MAX_AGE

    # -- transactions -----------------------------------------------------------------------

    def submit(self, tx: VersionedTransaction, wire: bytes, verify: bool = True) -> Any:
        """Execute in the working slot; the error in its JSON form, None for success.

        A transaction that pays no fee (expired, known, unsigned, no funds) leaves no trace.
        """
        signature = bytes(tx.signatures[0])
        if self.ledger.find(signature) is not None or signature in self.working_signatures:
            return "AlreadyProcessed"
        if verify and not all(tx.verify_with_results()):
            return "SignatureFailure"
        if not self.is_recent(tx.message.recent_blockhash, self.ledger.head):
            return "BlockhashNotFound"
        return self._run(tx, wire, signature).err

    def _run(self, tx: VersionedTransaction, wire: bytes, signature: bytes) -> Outcome:
        outcome = self.bank.execute(tx)
        if outcome.committed:
            entry = Entry(
                signature,
                Record(wire, record.meta(outcome)),
                outcome.message.keys,
                outcome.err,
                record.memo(outcome),
            )
            self.working.append(entry)
            self.working_signatures[signature] = outcome.err
            base = LAMPORTS_PER_SIGNATURE * outcome.message.signatures
            self._fees += base // 2 + (outcome.fee - base)
            self._priority.append(outcome.fee - base)
        return outcome

    def process(
        self,
        transactions: Sequence[bytes | VersionedTransaction],
        per_slot: int,
        verify: bool = False,
        age: bool = False,
    ) -> list[Any]:
        """Execute at once, a block for every `per_slot`; each one's error, None for success.

        `age` is whether blockhashes must be recent: a long history is signed beforehand.
        """
        errors: list[Any] = []
        for item in transactions:
            wire = item if isinstance(item, bytes) else bytes(item)
            tx = VersionedTransaction.from_bytes(wire) if isinstance(item, bytes) else item
            if verify or age:
                errors.append(self.submit(tx, wire, verify))
            else:
                signature = bytes(tx.signatures[0])
                if self.ledger.find(signature) is not None or signature in self.working_signatures:
                    errors.append("AlreadyProcessed")
                else:
                    errors.append(self._run(tx, wire, signature).err)
            if len(self.working) >= per_slot:
                self.produce()
        if self.working:
            self.produce()
        return errors

    def airdrop(self, key: Pubkey, lamports: int) -> Signature:
        message = Message.new_with_blockhash(
            [
                transfer(
                    TransferParams(
                        from_pubkey=self.faucet.pubkey(), to_pubkey=key, lamports=lamports
                    )
                )
            ],
            self.faucet.pubkey(),
            self.ledger.head.hash,
        )
        tx = VersionedTransaction(message, [self.faucet])
        self.submit(tx, bytes(tx), verify=False)
        return tx.signatures[0]

    # -- slots ------------------------------------------------------------------------------

    def _begin(self, slot: int) -> None:
        self.working_time = self._unix_time(slot)
        recent = self.ledger.chain[-SLOT_HASHES:][::-1]
        self.bank.begin(slot, self.working_time, [(block.slot, block.hash) for block in recent])

    def produce(self, skip: int = 0) -> Block:
        """Freeze the working slot, tell the listeners, open the next after `skip` slots."""
        head = self.ledger.head
        rewards: list[dict[str, Any]] = []
        if self._fees:
            held = self.bank.live[self.identity]
            balance = held.lamports + self._fees
            self.bank.put(self.identity, Account(balance, b"", SYSTEM))
            rewards.append(
                {
                    "commission": None,
                    "lamports": self._fees,
                    "postBalance": balance,
                    "pubkey": str(self.identity),
                    "rewardType": "Fee",
                }
            )
        slot = self.bank.slot
        signatures = b"".join(entry.signature for entry in self.working)
        block = Block(
            slot,
            head.slot,
            head.height + 1,
            blockhash(str(head.hash), slot, self.fork, signatures),
            head.hash,
            self.working_time,
            rewards,
            fees=(min(self._priority, default=0), len(self._priority)),
        )
        self.bank.freeze()
        self.ledger.append(block, self.working)
        self._ages[block.hash] = block.height
        if len(self._ages) > 4 * MAX_AGE:
            floor = block.height - 2 * MAX_AGE
            self._ages = {key: height for key, height in self._ages.items() if height > floor}
        self._clear_working()
        self._begin(slot + 1 + skip)
        for listener in self.listeners:
            listener(block)
        return block

    def _clear_working(self) -> None:
        self.working = []
        self.working_signatures = {}
        self._fees = 0
        self._priority = []

    def skip(self, slots: int) -> None:
        """Leave `slots` slots without a block: the working slot moves on."""
        self.bank.slot += slots
        self.working_time = self._unix_time(self.bank.slot)
        self.bank.set_time(self.working_time)

    def drop_fork(
        self,
        depth: int,
        reinclude: Literal["none", "valid", "all"] = "valid",
        reuse_slots: bool = False,
    ) -> list[Block]:
        """Drop the newest `depth` blocks and go on from the one below on another fork.

        reinclude: which of the dropped transactions execute again in the working slot: none,
        those whose blockhash is still known, or all. reuse_slots: whether the new fork has blocks
        in the dropped slots, or begins after them, as a fork that had been built beside.
        `switch_fork` brings the dropped blocks back.
        """
        if not 0 < depth < len(self.ledger.chain):
            raise ValueError(f"cannot drop {depth} blocks of {len(self.ledger.chain) - 1}")
        target = self.ledger.behind(depth)
        working = [entry.record for entry in self.working]
        next_slot = self.bank.slot
        self.abandoned = self._leave(target)
        self._begin(target.slot + 1 if reuse_slots else next_slot)
        if reinclude != "none":
            records = [one.record for _, entries in self.abandoned.blocks for one in entries]
            for held in records + working:
                tx = VersionedTransaction.from_bytes(held.wire)
                if reinclude == "all" or self.is_recent(tx.message.recent_blockhash, target):
                    self._run(tx, held.wire, bytes(tx.signatures[0]))
        return [block for block, _ in self.abandoned.blocks]

    def switch_fork(self) -> list[Block]:
        """Go back to the fork that was left last: its blocks return, those since then go."""
        fork = self.abandoned
        if fork is None:
            raise ValueError("no fork was dropped")
        parent = self.ledger.block(fork.parent.slot)
        if parent is None or parent.hash != fork.parent.hash:
            raise ValueError(f"slot {fork.parent.slot}, where the fork began, is gone itself")
        next_slot = self.bank.slot
        self.abandoned = self._leave(parent)
        self.bank.redo(fork.changes)
        for block, entries in fork.blocks:
            self.ledger.append(block, entries)
            self._ages[block.hash] = block.height
        self._begin(max(next_slot, self.ledger.head.slot + 1))
        return [block for block, _ in fork.blocks]

    def _leave(self, parent: Block) -> Fork:
        """Undo everything after `parent`."""
        newer = self.ledger.slots(parent.slot + 1, self.ledger.head.slot)
        if newer and newer[0] < self.bank.oldest():
            raise ValueError(
                f"cannot undo slot {newer[0]}: journalled from slot {self.bank.oldest()} on"
            )
        blocks = self.ledger.drop_after(parent.slot)
        changes = self.bank.roll_back(parent.slot)
        self._clear_working()
        self.fork += 1
        self._ages = {key: height for key, height in self._ages.items() if height <= parent.height}
        return Fork(parent, blocks, changes)


def _keypair(seed: str, name: str) -> Keypair:
    return Keypair.from_seed(hashlib.sha256(f"{seed}|{name}".encode()).digest())
