"""Programs onto a Solana cluster, by the upgradeable loader.

The code goes into a buffer first, about a thousand bytes a transaction. The buffer's address
follows from who pays, the program and its code, so that a deployment which was interrupted is
found again and goes on where it was, with nothing kept on this machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.system_program import (
    AllocateParams,
    AllocateWithSeedParams,
    AssignParams,
    CreateAccountParams,
    CreateAccountWithSeedParams,
    TransferParams,
    allocate,
    allocate_with_seed,
    assign,
    create_account,
    create_account_with_seed,
    transfer,
)
from solders.transaction import Transaction

from deploy import loader
from deploy.builds import Build
from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Rpc
from indexer.rpc.errors import NodeFatal

PROGRAMS = ("bets", "feeds", "contracts", "projects", "payouts", "registry")
"""By their names in the configuration; what another program reads comes before it."""
OLD_CODE_ENDS = "B8JJXCy5amZyWG9r7EnUYLwzXSXTxG7GZ1qZ1qggo83g"
"""The feature disable_sbpf_v0_v1_v2_deployment (SIMD-0500). solana-test-validator has all on."""
_OLD_CODE = "sbpf_version required by the executable"
_CONFIRMED = {"commitment": "confirmed"}
_FEE = 5_000
"""Lamports of a signature."""
_PACKET = 1_232
"""Bytes of a transaction at most."""
_AT_ONCE = 16
"""Requests on their way at the same time."""
_STATUSES = 256
"""Signatures that a node tells of in one answer."""
_POLL, _RESEND = 0.4, 4.0
"""Seconds: about a slot; and about ten, after which a transaction is sent again."""
_ROUNDS = 10
"""Times that missing parts are sent, with a blockhash each: about ten minutes."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a node says of an address; one that isn't there has nothing."""

    lamports: int
    owner: Pubkey
    data: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do for a program that isn't there. ``missing``: offsets of the code that the
    buffer doesn't have yet, of ``parts`` in all; ``cost``: lamports, fees included."""

    build: Build
    key: Keypair
    buffer: Pubkey
    seed: str
    buffer_held: int | None
    program_held: int
    missing: tuple[int, ...]
    parts: int
    cost: int

    @property
    def fees(self) -> int:
        """Lamports of ``cost`` that no account keeps."""
        return _FEE * (len(self.missing) + (self.buffer_held is None) + 2)


async def plan(
    rpc: Rpc, chain: str, payer: Pubkey, build: Build, keys: Mapping[Pubkey, Keypair]
) -> Plan | None:
    """None where the very same code is there. Raises Fatal where it can't be deployed."""
    data_address = loader.program_data(build.id)
    seed = hashlib.sha256(bytes(build.id) + build.elf).hexdigest()[:32]
    buffer = Pubkey.create_with_seed(payer, seed, loader.LOADER)
    program, data, begun = await _accounts(rpc, build.id, data_address, buffer)
    if program.data:
        held = loader.read_data(data.data)
        if program.owner != loader.LOADER or held is None:
            raise Fatal(
                f"{chain}: {build.id} is another account already, of {program.owner}: make a key "
                f"for {build.name}, and build it for that ({build.variable})"
            )
        if held.code.rstrip(b"\0") != build.elf.rstrip(b"\0"):
            raise Fatal(
                f"{chain}: {build.name} is deployed at {build.id} already, with other code: build "
                f"for another id ({build.variable}), or let its upgrade authority "
                f"({held.authority or 'nobody'}) upgrade it by `solana program deploy`"
            )
        return None
    if build.id not in keys:
        raise Fatal(
            f"{chain}: no --program-key is for {build.name}'s id {build.id}: name that key's file, "
            f"or make one (solana-keygen new) and build for it: {build.variable}=ADDRESS "
            f"programs/solana/build.py {build.name}"
        )
    step = _step(payer, buffer)
    offsets = range(0, len(build.elf), step)
    missing: Sequence[int] = offsets
    if begun.data:
        missing = _missing(_buffer(chain, payer, build, buffer, begun), build.elf, step)
    sizes = (loader.PROGRAM_BYTES, loader.DATA_HEADER + len(build.elf))
    rents = [await _rent(rpc, size) for size in sizes]
    new = not begun.data
    # the buffer's lamports come back in the moment that the program's are needed
    kept = sum(rents) - begun.lamports - min(program.lamports, rents[0])
    cost = kept + _FEE * (len(missing) + new + 2)
    return Plan(
        build,
        keys[build.id],
        buffer,
        seed,
        None if new else begun.lamports,
        program.lamports,
        tuple(missing),
        len(offsets),
        cost,
    )


async def carry_out(
    rpc: Rpc, chain: str, payer: Keypair, plan: Plan, tell: Callable[[str], None]
) -> int:
    """Deploys it; the slot from which it is there. ``tell`` is told of progress. Raises Retryable
    where it is to be begun again, which goes on there, and Fatal."""
    build, me = plan.build, payer.pubkey()
    if plan.buffer_held is None:
        begin = await _new_buffer(rpc, me, plan)
        await _one(rpc, chain, f"{build.name}'s buffer", begin, [payer])
    elif len(plan.missing) < plan.parts:
        done = plan.parts - len(plan.missing)
        tell(f"{build.name}: goes on after {done} of {plan.parts} parts, in buffer {plan.buffer}")
    step, missing = _step(me, plan.buffer), plan.missing
    for _ in range(_ROUNDS):
        if not missing:
            break
        writes = [[loader.write(plan.buffer, me, at, build.elf[at : at + step])] for at in missing]
        await _send(rpc, chain, writes, [payer], checked=False)
        (held,) = await _accounts(rpc, plan.buffer)
        missing = _missing(_buffer(chain, me, build, plan.buffer, held), build.elf, step)
        tell(f"{build.name}: {plan.parts - len(missing)} of {plan.parts} parts are written")
    if missing:
        raise Retryable(
            f"{chain}: {len(missing)} of {build.name}'s {plan.parts} parts found no block"
        )
    final = [
        *await _new_program(rpc, me, plan),
        loader.deploy(me, build.id, plan.buffer, me, len(build.elf)),
    ]
    try:
        return await _one(rpc, chain, build.name, final, [payer, plan.key])
    except Fatal as error:
        raise Fatal(
            f"{error}; the rent of what is written comes back by "
            f"`solana program close {plan.buffer}`"
        ) from None


async def balance(rpc: Rpc, address: Pubkey) -> int:
    """Lamports."""
    return (await rpc.call("getBalance", [str(address), _CONFIRMED]))["value"]


async def least(rpc: Rpc) -> int:
    """Lamports that must stay in an account which holds nothing else."""
    return await _rent(rpc, 0)


async def _rent(rpc: Rpc, size: int) -> int:
    return await rpc.call("getMinimumBalanceForRentExemption", [size, _CONFIRMED])


async def _accounts(rpc: Rpc, *addresses: Pubkey) -> list[Account]:
    how = _CONFIRMED | {"encoding": "base64"}
    found = await rpc.call("getMultipleAccounts", [[str(a) for a in addresses], how])
    return [
        Account(0, SYSTEM, b"")
        if held is None
        else Account(
            held["lamports"], Pubkey.from_string(held["owner"]), b64decode(held["data"][0])
        )
        for held in found["value"]
    ]


def _step(payer: Pubkey, buffer: Pubkey) -> int:
    """Bytes of code that fit into a transaction."""
    empty = Message([loader.write(buffer, payer, 0, b"")], payer)
    # a signature and its count, and a second byte of the length of an instruction
    return _PACKET - len(bytes(empty)) - 65 - 1


def _buffer(chain: str, payer: Pubkey, build: Build, address: Pubkey, account: Account) -> bytes:
    """The code in a buffer that was begun. Raises Fatal where it can't be gone on with."""
    held = loader.read_buffer(account.data)
    mine = held is not None and account.owner == loader.LOADER and held.authority == payer
    if held is None or not mine or len(held.code) != len(build.elf):
        raise Fatal(
            f"{chain}: {address}, the buffer of {build.name}, is another's or of another size: "
            "deploy with another --key"
        )
    return held.code


def _missing(held: bytes, elf: bytes, step: int) -> list[int]:
    return [at for at in range(0, len(elf), step) if held[at : at + step] != elf[at : at + step]]


async def _new_buffer(rpc: Rpc, payer: Pubkey, plan: Plan) -> list[Instruction]:
    """Also where somebody has sent lamports to its address."""
    space = loader.BUFFER_HEADER + len(plan.build.elf)
    rent = await _rent(rpc, space)
    (there,) = await _accounts(rpc, plan.buffer)
    begin = loader.initialize_buffer(plan.buffer, payer)
    if not there.lamports:
        create = CreateAccountWithSeedParams(
            from_pubkey=payer,
            to_pubkey=plan.buffer,
            base=payer,
            seed=plan.seed,
            lamports=rent,
            space=space,
            owner=loader.LOADER,
        )
        return [create_account_with_seed(create), begin]
    room = AllocateWithSeedParams(
        address=plan.buffer, base=payer, seed=plan.seed, space=space, owner=loader.LOADER
    )
    return [*_topped(payer, plan.buffer, rent - there.lamports), allocate_with_seed(room), begin]


async def _new_program(rpc: Rpc, payer: Pubkey, plan: Plan) -> list[Instruction]:
    """Its own account; also where somebody has sent lamports to its address."""
    rent, at = await _rent(rpc, loader.PROGRAM_BYTES), plan.build.id
    if not plan.program_held:
        create = CreateAccountParams(
            from_pubkey=payer,
            to_pubkey=at,
            lamports=rent,
            space=loader.PROGRAM_BYTES,
            owner=loader.LOADER,
        )
        return [create_account(create)]
    return [
        *_topped(payer, at, rent - plan.program_held),
        allocate(AllocateParams(pubkey=at, space=loader.PROGRAM_BYTES)),
        assign(AssignParams(pubkey=at, owner=loader.LOADER)),
    ]


def _topped(payer: Pubkey, to: Pubkey, lamports: int) -> list[Instruction]:
    if lamports <= 0:
        return []
    return [transfer(TransferParams(from_pubkey=payer, to_pubkey=to, lamports=lamports))]


async def _one(
    rpc: Rpc, chain: str, what: str, transaction: Sequence[Instruction], keys: Sequence[Keypair]
) -> int:
    (slot,) = await _send(rpc, chain, [transaction], keys, checked=True)
    if slot is None:
        raise Retryable(f"{chain}: the transaction that makes {what} found no block")
    return slot


async def _send(
    rpc: Rpc,
    chain: str,
    transactions: Sequence[Sequence[Instruction]],
    keys: Sequence[Keypair],
    *,
    checked: bool,
) -> list[int | None]:
    """The slot of each once it is confirmed; None where no block can have it any more.

    ``checked``: the node simulates before it takes it. Raises Fatal where one fails.
    """
    latest = (await rpc.call("getLatestBlockhash", [_CONFIRMED]))["value"]
    blockhash, last = Hash.from_string(latest["blockhash"]), latest["lastValidBlockHeight"]
    signed = [
        Transaction(list(keys), Message(list(t), keys[0].pubkey()), blockhash) for t in transactions
    ]
    raw = {str(tx.signatures[0]): b64encode(bytes(tx)).decode() for tx in signed}
    slots: dict[str, int] = {}
    places = asyncio.Semaphore(_AT_ONCE)

    async def send(tx: str, skip: bool) -> None:
        how = {"encoding": "base64", "preflightCommitment": "confirmed", "skipPreflight": skip}
        async with places:
            try:
                await rpc.call("sendTransaction", [raw[tx], how])
            except NodeFatal as error:
                # a retry of ours may have been first
                if not skip and not await _told(rpc, chain, [tx]):
                    raise Fatal(f"{chain}: refused: {_reason(error)}") from None

    again = 0.0
    while True:
        waiting = [tx for tx in raw if tx not in slots]
        if not waiting:
            break
        if time.monotonic() >= again:
            skip = again > 0 or not checked
            await asyncio.gather(*(send(tx, skip) for tx in waiting))
            again = time.monotonic() + _RESEND
        height = await rpc.call("getBlockHeight", [_CONFIRMED])
        for i in range(0, len(waiting), _STATUSES):
            slots |= await _told(rpc, chain, waiting[i : i + _STATUSES])
        # asked before the statuses: what is too late now can't come in between
        if height > last:
            break
        await asyncio.sleep(_POLL)
    return [slots.get(tx) for tx in raw]


async def _told(rpc: Rpc, chain: str, txs: Sequence[str]) -> dict[str, int]:
    """The slots of those that are confirmed. Raises Fatal where one failed."""
    found = (await rpc.call("getSignatureStatuses", [list(txs)]))["value"]
    slots: dict[str, int] = {}
    for tx, status in zip(txs, found, strict=True):
        if status is None or status.get("confirmationStatus") == "processed":
            continue
        if status["err"] is not None:
            raise Fatal(f"{chain}: transaction {tx} failed ({status['err']}): look at its logs")
        slots[tx] = status["slot"]
    return slots


def _reason(error: NodeFatal) -> str:
    """What the programs said before they failed, where the node tells."""
    data: Any = error.fault.data
    logs = data.get("logs") if isinstance(data, dict) else None
    said = [line for line in logs or [] if "invoke [" not in line and " success" not in line]
    if any(_OLD_CODE in line for line in said):
        return (
            "this cluster takes no code of this SBPF version any more (SIMD-0500): build with "
            "`cargo build-sbf --arch v3`, or start a local validator with --deactivate-feature "
            f"{OLD_CODE_ENDS}"
        )
    return "; ".join([error.fault.message, *said[-3:]])
