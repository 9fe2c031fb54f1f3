"""One LiteSVM: clock, wallets, tokens, transactions with their events, errors and compute units."""

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.clock import Clock
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.token import ID as TOKEN
from solders.token.associated import get_associated_token_address
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from onsvm.interface import Event, Interface

REPOSITORY = Path(__file__).resolve().parents[4]
# mutants.py puts a changed workspace in place of the repository's
SOLANA = Path(os.environ.get("CHAINFOLD_SOLANA", REPOSITORY / "programs" / "solana"))
ARTIFACTS = SOLANA / "artifacts"
# those that the workspace has built
PROGRAMS = tuple(sorted(path.stem for path in ARTIFACTS.glob("*.so")))

START = 1_750_000_000  # unix seconds of every chain's first block
LAMPORTS = 10**12
LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
RENT_TOKEN_ACCOUNT = 2_039_280
FROZEN = f"{TOKEN} 17"  # the token program's refusal to move tokens of a frozen account
MINT_SIZE, TOKEN_ACCOUNT_SIZE = 82, 165


def program_data(program: Pubkey) -> Pubkey:
    """Where the upgradeable loader keeps a program's code."""
    return Pubkey.find_program_address([bytes(program)], LOADER)[0]


@functools.cache
def wallet(name: str) -> Keypair:
    """The same key for the same name, always."""
    return Keypair.from_seed(hashlib.sha256(name.encode()).digest())


def public(key: Keypair) -> Pubkey:
    """As `key.pubkey()`, which derives it anew each time; it is the key's second half."""
    return Pubkey(bytes(key)[32:])


class Refused(Exception):
    """A transaction that failed. `name`: the program's error, else the runtime's words."""

    def __init__(self, name: str, logs: Sequence[str]):
        super().__init__("\n".join([name, *logs]))
        self.name = name
        self.logs = logs


@dataclass(frozen=True)
class Receipt:
    """A transaction that succeeded. `cost` and `own` are compute units of the first program
    called: all it used, and that less what its calls to others used (with 1,000 each that the
    runtime asks for a call)."""

    events: list[Event]
    logs: Sequence[str]
    cost: int
    own: int


class Chain:
    def __init__(self) -> None:
        self.svm = LiteSVM().with_sigverify(False)
        self.svm.set_clock(Clock(1, START, 0, 0, START))
        self.interfaces = {name: Interface(name) for name in PROGRAMS}
        for name, interface in self.interfaces.items():
            self.deploy(interface.address, (ARTIFACTS / f"{name}.so").read_bytes())
        self.payer = wallet("fees")
        self.svm.airdrop(self.payer.pubkey(), LAMPORTS)
        self.tokens: dict[str, Pubkey] = {}

    def deploy(self, program: Pubkey, elf: bytes) -> None:
        """As the upgradeable loader leaves a program; the wallet `deployer` may upgrade it."""
        code = program_data(program)
        authority = b"\1" + bytes(wallet("deployer").pubkey())
        header = (3).to_bytes(4, "little") + bytes(8) + authority
        self.put(code, LOADER, header + elf)
        pointer = (2).to_bytes(4, "little") + bytes(code)
        self.svm.set_account(program, Account(LAMPORTS, pointer, LOADER, True))

    # ---- clock ----

    @property
    def now(self) -> int:
        return self.svm.get_clock().unix_timestamp

    def at(self, seconds: int, slot: int | None = None) -> None:
        """Sets the clock, counted from the chain's start."""
        clock = self.svm.get_clock()
        clock.unix_timestamp = START + seconds
        clock.slot = clock.slot if slot is None else slot
        self.svm.set_clock(clock)

    # ---- wallets and tokens ----

    def fund(self, name: str) -> Keypair:
        key = wallet(name)
        if not self.svm.get_balance(key.pubkey()):
            self.svm.airdrop(key.pubkey(), LAMPORTS)
        return key

    def lamports(self, address: Pubkey) -> int:
        return self.svm.get_balance(address) or 0

    def data(self, address: Pubkey) -> bytes | None:
        account = self.svm.get_account(address)
        return bytes(account.data) if account and account.lamports else None

    def put(self, address: Pubkey, owner: Pubkey, data: bytes, lamports: int = LAMPORTS) -> None:
        """Writes an account directly, for what no honest instruction would leave behind."""
        self.svm.set_account(address, Account(lamports, data, owner))

    def token(self, symbol: str, decimals: int = 6) -> Pubkey:
        """The mint `symbol`, made when first asked for; the wallet `mint` is its authority."""
        if symbol not in self.tokens:
            mint = wallet(f"token {symbol}").pubkey()
            authority = bytes(wallet("mint").pubkey())
            supply = bytes(8)
            data = b"\x01\0\0\0" + authority + supply + bytes([decimals, 1]) + bytes(36)
            self.put(mint, TOKEN, data)
            self.tokens[symbol] = mint
        return self.tokens[symbol]

    def token_account(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        """The owner's associated token account, made when first asked for."""
        address = get_associated_token_address(owner, mint)
        if self.data(address) is None:
            self.put_token_account(address, owner, mint, 0)
        return address

    def put_token_account(self, at: Pubkey, owner: Pubkey, mint: Pubkey, amount: int) -> None:
        data = bytes(mint) + bytes(owner) + amount.to_bytes(8, "little")
        state = b"\x01"
        padded = data + bytes(36) + state + bytes(TOKEN_ACCOUNT_SIZE - len(data) - 37)
        self.put(at, TOKEN, padded, RENT_TOKEN_ACCOUNT)

    def mint(self, owner: Pubkey, mint: Pubkey, amount: int) -> Pubkey:
        """Gives tokens; the owner's token account."""
        account = self.token_account(owner, mint)
        self.put_token_account(account, owner, mint, self.balance(account) + amount)
        return account

    def freeze(self, token_account: Pubkey, frozen: bool = True) -> None:
        """As the token's issuer may; `frozen=False` thaws it."""
        account = self.svm.get_account(token_account)
        assert account is not None
        data = bytearray(account.data)
        data[108] = 2 if frozen else 1
        self.put(token_account, account.owner, bytes(data), account.lamports)

    def balance(self, token_account: Pubkey) -> int:
        """Tokens; 0 where there is no account."""
        data = self.data(token_account)
        return int.from_bytes(data[64:72], "little") if data else 0

    # ---- transactions ----

    def send(
        self,
        *instructions: Instruction,
        signers: Sequence[Keypair] = (),
        table: Sequence[Pubkey] = (),
    ) -> Receipt:
        """Executes, with `fees` paying; raises Refused. `table`: addresses in a lookup table."""
        payer = public(self.payer)
        known = {public(key): key for key in signers}
        needed = {m.pubkey for i in instructions for m in i.accounts if m.is_signer} - {payer}
        keys = [self.payer, *(known[key] for key in needed & known.keys())]
        tables = [self._lookup_table(table)] if table else []
        self.svm.expire_blockhash()
        message = MessageV0.try_compile(
            payer, list(instructions), tables, self.svm.latest_blockhash()
        )
        result = self.svm.send_transaction(VersionedTransaction(message, keys))
        if isinstance(result, FailedTransactionMetadata):
            raise Refused(self._error_name(result, instructions), result.meta().logs())
        keys_used = [*message.account_keys]
        events: list[Event] = []
        for group in result.inner_instructions():
            for inner in group:
                compiled = inner.instruction()
                if compiled.program_id_index >= len(keys_used):
                    continue
                program = keys_used[compiled.program_id_index]
                for interface in self.interfaces.values():
                    if interface.address == program:
                        event = interface.event(bytes(compiled.data))
                        if event:
                            events.append(event)
        cost, own = compute_units(result.logs())
        return Receipt(events, result.logs(), cost, own)

    def _lookup_table(self, addresses: Sequence[Pubkey]) -> AddressLookupTableAccount:
        key = wallet("lookup table").pubkey()
        program = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
        never = (2**64 - 1).to_bytes(8, "little")
        header = b"\x01\0\0\0" + never + bytes(8) + b"\0" + b"\0" + bytes(32) + bytes(2)
        self.put(key, program, header + b"".join(bytes(a) for a in addresses))
        return AddressLookupTableAccount(key, list(addresses))

    def _error_name(
        self, result: FailedTransactionMetadata, instructions: Sequence[Instruction]
    ) -> str:
        error: Any = result.err()
        index = getattr(error, "index", None)
        reason = getattr(error, "err", None)
        code = getattr(reason, "code", None)
        if index is None or reason is None:
            return type(error).__name__ + f" {error}"
        if code is None:
            return str(reason).removeprefix("InstructionErrorFieldless.")
        # the innermost program that failed names the code
        failed = [m for line in result.meta().logs() if (m := FAILED.match(line))]
        program = failed[0][1] if failed else str(instructions[index].program_id)
        for interface in self.interfaces.values():
            if str(interface.address) == program and code in interface.errors:
                return interface.errors[code]
        return f"{program} {code}"


FAILED = re.compile(r"Program (\w+) failed: custom program error")
INVOKED = re.compile(r"Program (\w+) invoke \[(\d+)\]")
CONSUMED = re.compile(r"Program (\w+) consumed (\d+) of \d+ compute units")
CALL_COST = 1000  # of sol_invoke_signed itself


def compute_units(logs: Sequence[str]) -> tuple[int, int]:
    """Of the first instruction: compute units in all, and without those of the calls it made.

    Native programs (the system program) log no consumption; they cost 150 each.
    """
    depth, cost, others, calls, logged = 0, 0, 0, 0, 0
    for line in logs:
        if match := INVOKED.match(line):
            depth = int(match[2])
            calls += depth == 2
        elif match := CONSUMED.match(line):
            if depth == 1:
                cost = int(match[2])
                break
            if depth == 2:
                others += int(match[2])
                logged += 1
        elif re.match(r"Program \w+ success", line):
            depth -= 1
            if depth == 0:
                break
    native = (calls - logged) * 150
    return cost, cost - others - native - calls * CALL_COST


def meta(address: Pubkey, signer: bool = False, writable: bool = False) -> AccountMeta:
    return AccountMeta(address, signer, writable)


__all__ = ["FROZEN", "SYSTEM", "TOKEN", "Chain", "Receipt", "Refused", "meta", "wallet"]
