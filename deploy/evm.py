"""Programs onto an EVM chain: one plain transaction each, in the order of their nonces."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from deploy import builds
from indexer.config import Chain
from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Rpc
from indexer.rpc.errors import NodeFatal
from indexer.rpc.fees import Fees

PROGRAMS: Mapping[str, tuple[str, str]] = {
    "bets": ("Bets", ""),
    "feeds": ("Feeds", ""),
    "contracts": ("Contracts", "feeds"),
    "payouts": ("Payouts", "feeds"),
    "projects": ("Projects", "payouts"),
    "registry": ("Registry", "admin"),
    "exchange": ("Exchange", ""),
}
"""By their names in the configuration: the build, and whose address its constructor wants: an
earlier program's, or ``admin``, the registry's first. What is wanted comes before who wants it."""
_PATIENCE = 300.0
"""Seconds that a transaction has to get into a block: 25 of mainnet's."""
_POLL = 0.2
_PROBES = 4
"""Addresses that a constructor is tried at: what differs between them is the address's doing. A
byte of a hash is equal in all four once in 2^24."""


@dataclass(frozen=True, slots=True)
class Creation:
    """A contract to be made: ``code`` is 0x-hex with the constructor's argument, ``gas`` its
    limit."""

    name: str
    code: str
    gas: int


@dataclass(frozen=True, slots=True)
class Made:
    """A contract that stands at ``address`` (EIP-55) since block ``height``."""

    name: str
    address: str
    height: int


def creation_code(build: str, argument: str = "") -> str:
    """What creates ``build``, with the address that its constructor wants; 0x-hex."""
    code = builds.contract(build).bytecode
    return code + argument.removeprefix("0x").lower().rjust(64, "0") if argument else code


def create_address(sender: str, nonce: int) -> str:
    """Where CREATE puts the contract that ``sender`` makes with ``nonce``; EIP-55."""
    whole = rlp.encode([bytes.fromhex(sender.removeprefix("0x")), nonce])
    return to_checksum_address(keccak(whole)[12:])


async def next_nonce(rpc: Rpc, chain: str, sender: str) -> int:
    """The sender's next. Raises Retryable where transactions of theirs wait: what is sent now
    would stand behind them, or be the second of its kind."""
    mined, waiting = [
        int(answer, 16)
        for answer in await rpc.batch(
            [("eth_getTransactionCount", [sender, at]) for at in ("latest", "pending")]
        )
    ]
    if waiting > mined:
        raise Retryable(
            f"{chain}: {waiting - mined} transactions of {sender} are in no block yet, from nonce "
            f"{mined} on: wait until they are, or replace them, then try again"
        )
    return mined


async def gas(rpc: Rpc, sender: str, code: str) -> int:
    """The limit for a creation: the node's estimate and a fifth."""
    estimate = await rpc.call("eth_estimateGas", [{"from": sender, "data": code}])
    return int(estimate, 16) * 6 // 5


async def create(
    rpc: Rpc,
    chain: Chain,
    account: LocalAccount,
    nonce: int,
    creations: Sequence[Creation],
    fees: Fees,
    sent: Callable[[str, str, str], None] = lambda name, address, tx: None,
    made: Callable[[Made], None] = lambda made: None,
) -> None:
    """Sends all of them and waits until blocks have them. ``sent`` is told name, address and
    transaction of each, ``made`` those that stand. Raises Fatal where one failed, Retryable where
    one is in no block."""
    txs: list[str] = []
    for i, one in enumerate(creations):
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": chain.chain_id,
            "nonce": nonce + i,
            "data": one.code,
            "value": 0,
            "gas": one.gas,
            "maxFeePerGas": fees.price,
            "maxPriorityFeePerGas": fees.tip,
        }
        signed = account.sign_transaction(fields)
        tx = signed.hash.to_0x_hex()
        try:
            await rpc.call("eth_sendRawTransaction", [signed.raw_transaction.to_0x_hex()])
        except NodeFatal:
            # a retry of ours may have been first: what counts is whether the node has it
            if await rpc.call("eth_getTransactionByHash", [tx]) is None:
                raise
        sent(one.name, create_address(account.address, nonce + i), tx)
        txs.append(tx)
    receipts = await _receipts(rpc, chain.name, txs)
    failed = ""
    for one, receipt in zip(creations, receipts, strict=True):
        if int(receipt["status"], 16) == 1:
            address = to_checksum_address(receipt["contractAddress"])
            made(Made(one.name, address, int(receipt["blockNumber"], 16)))
        else:
            failed = failed or f"the creation of {one.name} failed in {receipt['transactionHash']}"
    if failed:
        raise Fatal(f"{chain.name}: {failed}: look at its trace")


async def _receipts(rpc: Rpc, chain: str, txs: Sequence[str]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    limit = time.monotonic() + _PATIENCE
    while True:
        waiting = [tx for tx in txs if tx not in found]
        if not waiting:
            return [found[tx] for tx in txs]
        answers = await rpc.batch([("eth_getTransactionReceipt", [tx]) for tx in waiting])
        found |= {tx: r for tx, r in zip(waiting, answers, strict=True) if r is not None}
        if time.monotonic() > limit:
            raise Retryable(
                f"{chain}: {waiting[0]} is in no block after {_PATIENCE:.0f} s: wait until it is, "
                "or replace it, before you deploy again"
            )
        await asyncio.sleep(_POLL)


async def same_code(rpc: Rpc, code: str, standing: str) -> bool:
    """Whether ``standing`` (0x-hex) is what the creation ``code`` makes, wherever it is made.

    Immutable variables differ with the contract's own address, which a node's trial of the
    creation can't choose: so it is tried at several, and only what they agree on counts.
    """
    calls = [
        ("eth_call", [{"from": "0x" + secrets.token_hex(20), "data": code}, "latest"])
        for _ in range(_PROBES)
    ]
    trials = [bytes.fromhex(t.removeprefix("0x")) for t in await rpc.batch(calls)]
    there = bytes.fromhex(standing.removeprefix("0x"))
    if any(len(t) != len(there) for t in trials):
        return False
    return all(
        ours[0] == theirs or any(o != ours[0] for o in ours)
        for theirs, *ours in zip(there, *trials, strict=True)
    )
