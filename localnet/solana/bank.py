"""The bank: LiteSVM, a mirror of its accounts, and each slot's account pre-images.

The mirror is what LiteSVM doesn't offer: accounts by owner, and accounts as they were at an
earlier slot. A slot's journal holds each account it changed as it was before the slot; reading at
slot S takes the first pre-image journalled after S, and rolling back puts pre-images back.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson
from solders.account import Account
from solders.clock import Clock
from solders.epoch_schedule import EpochSchedule
from solders.hash import Hash
from solders.litesvm import FeatureSet, LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.rent import Rent
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from deploy import loader
from deploy.loader import LOADER
from localnet.solana import tokens

SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
COMPUTE_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")
# disable_new_loader_v3_deployments (SIMD-0167)
_NO_DEPLOYS = Pubkey.from_string("EmhbpdVtZ2hWRGFWBDjn2i3SJD8Z36z4mpMcZJEnebnP")
LOOKUP_TABLE_HEADER = 56  # bytes before the first address of a lookup table
LAMPORTS_PER_SIGNATURE = 5_000
SLOTS_PER_EPOCH = 432_000
# lamports per byte-year, years, burn percent. With a threshold of one year instead of two at half
# the price, the minimum balance stays 6,960 a byte for programs that ignore the threshold.
RENT = Rent(6_960, 1.0, 50)
SLOT_HASHES = 512  # entries of the SlotHashes sysvar
_DEFAULT_UNITS = 200_000  # compute units per instruction where no limit is set
_BUILTIN_UNITS = 3_000  # the same for a builtin program (SIMD-170)
_BUILTINS = frozenset(
    (
        SYSTEM,
        COMPUTE_BUDGET,
        Pubkey.from_string("Vote111111111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader1111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader2111111111111111111111111111111111"),
        LOADER,
    )
)
_MAX_UNITS = 1_400_000
_PROGRAM_LAMPORTS = 1_141_440  # minimum balance of an upgradeable program's account
_NAMES = 100_000  # token accounts whose names are remembered
_PAGE = 32 * 1024  # loaded account data is charged 8 units per 32 KiB page
_ACCOUNT_OVERHEAD = 64  # bytes that each loaded account counts beside its data


def _lamport_count(account: Account | None) -> int:
    return account.lamports if account is not None else 0


@dataclass(slots=True)
class Message:
    """A transaction's message with its lookup tables resolved."""

    keys: list[Pubkey]
    writable: list[bool]
    loaded_writable: list[Pubkey]
    loaded_readonly: list[Pubkey]
    instructions: list[Any]
    blockhash: Hash
    signatures: int
    error: str | None = None


@dataclass(slots=True)
class Outcome:
    """What executing a transaction did. `committed` is False where no fee was charged."""

    message: Message
    err: Any
    logs: list[str]
    inner: list[Any]
    units: int
    return_data: tuple[str, bytes] | None
    fee: int
    committed: bool
    loaded_size: int
    cost: int
    pre_balances: list[int]
    post_balances: list[int]
    pre_tokens: list[dict[str, Any]]
    post_tokens: list[dict[str, Any]]
    accounts: dict[Pubkey, Account] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What a slot did to accounts: each as it was before and after."""

    slot: int
    before: dict[Pubkey, Account | None]
    after: dict[Pubkey, Account | None]


class Bank:
    """Accounts and execution. Not safe to share between threads: its owner's thread only."""

    def __init__(self, journal_slots: int) -> None:
        svm = LiteSVM().with_builtins(_features()).with_spl_programs()
        svm = svm.with_blockhash_check(False).with_transaction_history(0)
        # Signatures are verified before execution, once, by the caller.
        svm = svm.with_sigverify(False)
        svm.set_rent(RENT)
        svm.set_epoch_schedule(EpochSchedule(SLOTS_PER_EPOCH))
        self.svm = svm
        for key in tokens.PROGRAMS:
            self._price_program(key)
        self.slot = 0
        self.journal_slots = journal_slots
        self.live: dict[Pubkey, Account] = {}
        self.by_owner: dict[Pubkey, dict[Pubkey, None]] = {}
        self.journal: deque[tuple[int, dict[Pubkey, Account | None]]] = deque()
        self.writes: dict[Pubkey, Account | None] = {}
        self._decimals: dict[Pubkey, int] = {}
        self._token_names: dict[bytes, tuple[str, str, int]] = {}
        self._sizes: dict[Pubkey, int] = {}

    # -- accounts ---------------------------------------------------------------------------

    def account(self, key: Pubkey, slot: int | None = None) -> Account | None:
        """The account at the end of `slot`, or now, with the working slot's changes, if None."""
        if slot is not None:
            for at, before in self.journal:
                if at > slot and key in before:
                    return before[key]
            if key in self.writes:
                return self.writes[key]
        found = self.live.get(key)
        if found is None:
            found = self.svm.get_account(key)
        return found if found is not None and found.lamports else None

    def written(self, slot: int) -> dict[Pubkey, Account | None]:
        """The accounts that `slot` changed, as they were before it."""
        for at, before in reversed(self.journal):
            if at == slot:
                return before
        return {}

    def oldest(self) -> int:
        """The oldest slot whose changes can be undone."""
        return self.journal[0][0] if self.journal else self.slot

    def owned(self, owner: Pubkey, slot: int | None) -> list[tuple[Pubkey, Account]]:
        """Accounts of a program at the end of `slot`, by address."""
        keys = dict(self.by_owner.get(owner, {}))
        if slot is not None:
            for at, before in self.journal:
                if at > slot:
                    keys.update(dict.fromkeys(before))
            keys.update(dict.fromkeys(self.writes))
        found = ((key, self.account(key, slot)) for key in keys)
        return sorted(
            ((key, held) for key, held in found if held is not None and held.owner == owner),
            key=lambda item: bytes(item[0]),
        )

    def put(self, key: Pubkey, account: Account | None) -> None:
        """Set an account in the working slot."""
        before = self.live.get(key)
        self.svm.set_account(key, account if account is not None else Account(0, b"", SYSTEM))
        self._note(key, before, account)

    def genesis(self, key: Pubkey, account: Account) -> None:
        """Set an account before the first slot."""
        self.put(key, account)
        self.writes.clear()

    def add_program(self, key: Pubkey, elf: bytes, authority: Pubkey | None) -> None:
        """Add a program before the first slot, as the upgradeable loader leaves it: its account
        leads to the account of its code, which says who may upgrade it. ValueError where it can't
        be loaded."""
        if not elf.startswith(b"\x7fELF"):
            raise ValueError("not an ELF file")
        held = loader.data_account(elf, authority)
        pointer = loader.program_account(key)
        rent = self.svm.minimum_balance_for_rent_exemption(len(held))
        try:
            self.put(loader.program_data(key), Account(rent, held, LOADER))
            self.put(key, Account(_PROGRAM_LAMPORTS, pointer, LOADER, True))
        except BaseException as error:
            # solders does not export LiteSVMError; a panic is no Exception.
            if type(error).__name__ in ("LiteSVMError", "PanicException"):
                raise ValueError(str(error)) from None
            raise
        self._sizes[key] = len(pointer) + len(held) + _ACCOUNT_OVERHEAD
        self.writes.clear()

    def _price_program(self, key: Pubkey) -> Account:
        """Give a program the balance it has on a real chain, where its bytes lie elsewhere."""
        held = self.svm.get_account(key)
        assert held is not None
        priced = _with_lamports(held, _PROGRAM_LAMPORTS)
        self.svm.set_account(key, priced)
        return priced

    def _note(self, key: Pubkey, before: Account | None, after: Account | None) -> None:
        if key not in self.writes:
            self.writes[key] = before
        self._index(key, before, after)

    def _index(self, key: Pubkey, before: Account | None, after: Account | None) -> None:
        owner = before.owner if before is not None else None
        if after is None or not after.lamports:
            self.live.pop(key, None)
            if owner is not None:
                self.by_owner[owner].pop(key, None)
            return
        self.live[key] = after
        now = after.owner
        if owner != now:
            if owner is not None:
                self.by_owner[owner].pop(key, None)
            self.by_owner.setdefault(now, {})[key] = None

    # -- slots ------------------------------------------------------------------------------

    def begin(self, slot: int, unix_time: int, hashes: list[tuple[int, Hash]]) -> None:
        """Open `slot`: `hashes` are the latest (slot, blockhash) pairs, newest first."""
        self.slot = slot
        self.set_time(unix_time)
        self.svm.set_slot_hashes(hashes)

    def set_time(self, unix_time: int) -> None:
        epoch = self.slot // SLOTS_PER_EPOCH
        self.svm.set_clock(Clock(self.slot, unix_time, epoch, epoch + 1, unix_time))

    def freeze(self) -> dict[Pubkey, Account | None]:
        """Close the working slot: its pre-images join the journal."""
        writes, self.writes = self.writes, {}
        self.journal.append((self.slot, writes))
        while len(self.journal) > self.journal_slots:
            self.journal.popleft()
        return writes

    def roll_back(self, slot: int) -> list[Change]:
        """Put every account back as it was at the end of `slot`; what was undone, oldest first."""
        self._restore(self.writes)
        self.writes = {}
        # The other fork may make other mints and programs at the same addresses.
        self._decimals.clear()
        self._token_names.clear()
        self._sizes.clear()
        undone: list[Change] = []
        while self.journal and self.journal[-1][0] > slot:
            at, before = self.journal.pop()
            undone.append(Change(at, before, {key: self.live.get(key) for key in before}))
            self._restore(before)
        return undone[::-1]

    def redo(self, changes: list[Change]) -> None:
        """Make undone slots' changes again; the working slot must have changed nothing."""
        for change in changes:
            self._restore(change.after)
            self.journal.append((change.slot, change.before))

    def _restore(self, before: dict[Pubkey, Account | None]) -> None:
        for key, account in before.items():
            self.svm.set_account(key, account if account is not None else Account(0, b"", SYSTEM))
            self._index(key, self.live.get(key), account)

    # -- execution --------------------------------------------------------------------------

    def message(self, tx: VersionedTransaction) -> Message:
        raw = tx.message
        keys = list(raw.account_keys)
        header = raw.header
        signed = header.num_required_signatures
        last_signed = signed - header.num_readonly_signed_accounts
        last_unsigned = len(keys) - header.num_readonly_unsigned_accounts
        writable = [i < last_signed or signed <= i < last_unsigned for i in range(len(keys))]
        loaded_writable: list[Pubkey] = []
        loaded_readonly: list[Pubkey] = []
        error = None
        if isinstance(raw, MessageV0):
            for lookup in raw.address_table_lookups:
                table = self.account(lookup.account_key)
                if table is None:
                    error = "AddressLookupTableNotFound"
                    break
                data = table.data[LOOKUP_TABLE_HEADER:]
                for indexes, loaded in (
                    (lookup.writable_indexes, loaded_writable),
                    (lookup.readonly_indexes, loaded_readonly),
                ):
                    for index in bytes(indexes):
                        address = data[index * 32 : index * 32 + 32]
                        if len(address) < 32:
                            error = "InvalidAddressLookupTableIndex"
                            break
                        loaded.append(Pubkey.from_bytes(address))
            keys += loaded_writable + loaded_readonly
            writable += [True] * len(loaded_writable) + [False] * len(loaded_readonly)
        return Message(
            keys,
            writable,
            loaded_writable,
            loaded_readonly,
            raw.instructions,
            raw.recent_blockhash,
            signed,
            error,
        )

    def execute(self, tx: VersionedTransaction) -> Outcome:
        """Execute in the working slot. Signatures, age and duplicates are the caller's to check."""
        message = self.message(tx)
        fee, priority = self._fee(message)
        pre = self._snapshot(message)
        has_tokens = not tokens.PROGRAMS.isdisjoint(message.keys)
        pre_tokens = self._token_balances(message, pre) if has_tokens else []
        payer = message.keys[0]
        funds = self.live.get(payer)
        if priority:
            # LiteSVM charges the base fee alone.
            if funds is None or funds.lamports < fee:
                err = "AccountNotFound" if funds is None else "InsufficientFundsForFee"
                return self._refused(message, err, fee, pre)
            self.svm.set_account(payer, _with_lamports(funds, funds.lamports - priority))
        result = self.svm.send_transaction(tx)
        failed = isinstance(result, FailedTransactionMetadata)
        err = orjson.loads(result.to_json())["err"] if failed else None
        if failed and self._lamports(payer) == _lamport_count(funds) - priority:
            if funds is not None:
                self.svm.set_account(payer, funds)
            return self._refused(message, err, fee, pre)
        post = self._after(message, pre)
        if not failed:
            poor = _below_rent(message, pre, post)
            if poor is not None:
                # LiteSVM leaves this check out.
                assert funds is not None
                self._undo(message, pre)
                charged = _with_lamports(funds, funds.lamports - fee)
                self.svm.set_account(payer, charged)
                post = [charged, *pre[1:]]
                err = {"InsufficientFundsForRent": {"account_index": poor}}
        for key, writable, after in zip(message.keys, message.writable, post, strict=True):
            if writable:
                held = self.live.get(key)
                now = None if isinstance(after, int) else after
                if now != held:
                    self._note(key, held, now)
        return self._outcome(
            message,
            err,
            result.meta() if failed else result,
            fee,
            pre,
            post,
            pre_tokens,
            self._token_balances(message, post) if has_tokens else [],
        )

    def _after(self, message: Message, pre: list[Account | int]) -> list[Account | int]:
        """The accounts as LiteSVM has them now; lamports of what isn't mirrored."""
        post: list[Account | int] = []
        for key, writable, before in zip(message.keys, message.writable, pre, strict=True):
            if not writable:
                post.append(before)
                continue
            after = self.svm.get_account(key)
            if after is None or not after.lamports:
                post.append(0)
            else:
                post.append(after if key in self.live or not after.executable else after.lamports)
        return post

    def _undo(self, message: Message, pre: list[Account | int]) -> None:
        for key, writable, before in zip(message.keys, message.writable, pre, strict=True):
            if writable and isinstance(before, Account):
                self.svm.set_account(key, before)
            elif writable and not before:
                self.svm.set_account(key, Account(0, b"", SYSTEM))

    def simulate(self, tx: VersionedTransaction, slot: int) -> Outcome:
        """Execute on the state at the end of `slot` and keep nothing."""
        message = self.message(tx)
        fee, _ = self._fee(message)
        pre: list[Account | int] = []
        replaced: list[tuple[Pubkey, Account | None]] = []
        for key in message.keys:
            then, now = self.account(key, slot), self.account(key)
            pre.append(then if then is not None else 0)
            if then != now:
                replaced.append((key, now))
                self.svm.set_account(key, then if then is not None else Account(0, b"", SYSTEM))
        try:
            result = self.svm.simulate_transaction(tx)
        finally:
            for key, now in replaced:
                self.svm.set_account(key, now if now is not None else Account(0, b"", SYSTEM))
        failed = isinstance(result, FailedTransactionMetadata)
        meta = result.meta()
        err = orjson.loads(result.to_json())["err"] if failed else None
        if failed and not _ran(err):
            return self._refused(message, err, fee, pre)
        accounts: dict[Pubkey, Account] = {} if failed else dict(result.post_accounts())
        post: list[Account | int] = []
        for key, held in zip(message.keys, pre, strict=True):
            after = accounts.get(key, held)
            # one without lamports is no account any more
            post.append(0 if isinstance(after, Account) and not after.lamports else after)
        if not failed:
            poor = _below_rent(message, pre, post)
            if poor is not None:
                err = {"InsufficientFundsForRent": {"account_index": poor}}
        if err is not None:
            accounts = {}
            post = list(pre)
            if isinstance(pre[0], Account):
                post[0] = _with_lamports(pre[0], pre[0].lamports - fee)
        has_tokens = not tokens.PROGRAMS.isdisjoint(message.keys)
        outcome = self._outcome(
            message,
            err,
            meta,
            fee,
            pre,
            post,
            self._token_balances(message, pre) if has_tokens else [],
            self._token_balances(message, post) if has_tokens else [],
        )
        outcome.accounts = accounts
        return outcome

    def refused(self, tx: VersionedTransaction, err: str, slot: int) -> Outcome:
        """What a transaction refused before execution shows: its accounts' balances at `slot`."""
        message = self.message(tx)
        pre = [self.account(key, slot) or 0 for key in message.keys]
        return self._refused(message, err, self.fee(message), pre)

    def fee(self, message: Message) -> int:
        return self._fee(message)[0]

    def _outcome(
        self,
        message: Message,
        err: Any,
        meta: Any,
        fee: int,
        pre: list[Account | int],
        post: list[Account | int],
        pre_tokens: list[dict[str, Any]],
        post_tokens: list[dict[str, Any]],
    ) -> Outcome:
        returned = meta.return_data()
        data = bytes(returned.data)
        units = meta.compute_units_consumed()
        size = self._loaded_size(message, pre)
        return Outcome(
            message,
            err,
            meta.logs(),
            meta.inner_instructions(),
            units,
            (str(returned.program_id), data) if data else None,
            fee,
            True,
            size,
            _cost(message, units, size),
            [held if isinstance(held, int) else held.lamports for held in pre],
            [held if isinstance(held, int) else held.lamports for held in post],
            pre_tokens,
            post_tokens,
        )

    def _refused(self, message: Message, err: Any, fee: int, pre: list[Account | int]) -> Outcome:
        balances = [held if isinstance(held, int) else held.lamports for held in pre]
        held = (
            [] if tokens.PROGRAMS.isdisjoint(message.keys) else self._token_balances(message, pre)
        )
        return Outcome(
            message, err, [], [], 0, None, fee, False, 0, 0, balances, balances, held, held
        )

    def _snapshot(self, message: Message) -> list[Account | int]:
        return [
            held if (held := self.live.get(key)) is not None else self._lamports(key)
            for key in message.keys
        ]

    def _lamports(self, key: Pubkey) -> int:
        return self.svm.get_balance(key) or 0

    def _token_balances(
        self, message: Message, accounts: list[Account | int]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for index, held in enumerate(accounts):
            if isinstance(held, int):
                continue
            owner = held.owner
            if owner not in tokens.PROGRAMS:
                continue
            data = held.data
            if not tokens.is_account(data):
                continue
            names = self._token_names.get(data[:64])
            if names is None:
                names = self._name_token(data)
            mint, holder, decimals = names
            amount = int.from_bytes(data[64:72], "little")
            found.append(
                {
                    "accountIndex": index,
                    "mint": mint,
                    "owner": holder,
                    "programId": str(owner),
                    "uiTokenAmount": tokens.ui_amount(amount, decimals),
                }
            )
        return found

    def _name_token(self, data: bytes) -> tuple[str, str, int]:
        """Mint, owner and decimals of a token account, remembered by its first 64 bytes."""
        mint = Pubkey.from_bytes(data[:32])
        names = str(mint), str(Pubkey.from_bytes(data[32:64])), self.decimals(mint)
        if len(self._token_names) >= _NAMES:
            self._token_names.clear()
        self._token_names[data[:64]] = names
        return names

    def decimals(self, mint: Pubkey) -> int:
        known = self._decimals.get(mint)
        if known is None:
            held = self.account(mint)
            parsed = tokens.mint(held.data) if held is not None else None
            if parsed is None:
                return 0
            known = self._decimals[mint] = parsed.decimals
        return known

    def _loaded_size(self, message: Message, accounts: list[Account | int]) -> int:
        total = 0
        for key, held in zip(message.keys, accounts, strict=True):
            if isinstance(held, int):
                if not held:
                    continue
                size = self._sizes.get(key)
                if size is None:
                    stored = self.svm.get_account(key)
                    size = self._sizes[key] = len(stored.data) if stored is not None else 0
                total += size + _ACCOUNT_OVERHEAD
            else:
                size = self._sizes.get(key) if held.executable else None
                if size is None:
                    size = len(held.data)
                    if held.executable:
                        self._sizes[key] = size
                total += size + _ACCOUNT_OVERHEAD
        return total

    def _fee(self, message: Message) -> tuple[int, int]:
        """Total fee and the priority part of it, lamports."""
        base = LAMPORTS_PER_SIGNATURE * message.signatures
        keys = message.keys
        if COMPUTE_BUDGET not in keys:
            return base, 0
        price = 0
        limit = None
        default = 0
        for instruction in message.instructions:
            program = keys[instruction.program_id_index]
            default += _BUILTIN_UNITS if program in _BUILTINS else _DEFAULT_UNITS
            if program != COMPUTE_BUDGET:
                continue
            data = bytes(instruction.data)
            if len(data) >= 9 and data[0] == 3:
                price = int.from_bytes(data[1:9], "little")
            elif len(data) >= 5 and data[0] == 2:
                limit = int.from_bytes(data[1:5], "little")
        units = min(limit if limit is not None else default, _MAX_UNITS)
        priority = -(-price * units // 1_000_000)
        return base + priority, priority


def _features() -> FeatureSet:
    """Every feature but the one that no cluster has: the upgradeable loader goes on deploying."""
    features = FeatureSet.all_enabled()
    active = {feature: slot for feature, slot in features.active.items() if feature != _NO_DEPLOYS}
    return FeatureSet(active, features.inactive | {_NO_DEPLOYS})


def _ran(err: Any) -> bool:
    """Whether a transaction with this error was executed, and so pays."""
    return isinstance(err, dict) and "InstructionError" in err


def _below_rent(
    message: Message, pre: list[Account | int], post: list[Account | int]
) -> int | None:
    """The first account left below its minimum balance that wasn't just as poor before."""
    for index, after in enumerate(post):
        if isinstance(after, int) or not message.writable[index]:
            continue
        size = len(after.data)
        if after.lamports >= RENT.minimum_balance(size):
            continue
        before = pre[index]
        if (
            isinstance(before, Account)
            and before.lamports < RENT.minimum_balance(len(before.data))
            and len(before.data) == size
            and after.lamports <= before.lamports
        ):
            continue
        return index
    return None


def _with_lamports(account: Account, lamports: int) -> Account:
    return Account(lamports, account.data, account.owner, account.executable, account.rent_epoch)


def _cost(message: Message, units: int, loaded_size: int) -> int:
    """Agave's cost model: signatures, write locks, instruction bytes, compute, loaded data."""
    data = sum(len(instruction.data) for instruction in message.instructions)
    pages = -(-loaded_size // _PAGE)
    return 720 * message.signatures + 300 * sum(message.writable) + data // 4 + units + 8 * pages


def blockhash(parent: str, slot: int, fork: int, signatures: bytes) -> Hash:
    """A block's hash: of its parent, slot and signatures; `fork` sets forks apart."""
    return Hash.from_bytes(
        hashlib.sha256(b"%b|%d|%d|%b" % (parent.encode(), slot, fork, signatures)).digest()
    )
