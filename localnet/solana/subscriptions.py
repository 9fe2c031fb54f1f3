"""Subscriptions: what each WebSocket connection asked to be told, and telling it.

Each new block is told once per commitment: at `processed` and `confirmed` when it is frozen, at
`finalized` when it gets there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from localnet.solana.base58 import b58
from localnet.solana.chain import Chain, Commitment
from localnet.solana.errors import RpcError, invalid_params
from localnet.solana.ledger import INDEX_BITS, INDEX_MASK, Block
from localnet.solana.methods.accounts import Filter, filters, shown
from localnet.solana.methods.blocks import DETAILS, render
from localnet.solana.methods.call import option
from localnet.solana.params import (
    ENCODINGS,
    TRANSACTION_ENCODINGS,
    Config,
    pubkey,
    signature,
    u64,
    wrong_type,
)
from localnet.solana.record import Record

KINDS = ("account", "block", "logs", "program", "root", "signature", "slot", "slotsUpdates", "vote")


@dataclass(slots=True)
class Subscription:
    id: int
    kind: str
    send: Callable[[bytes], None]
    commitment: Commitment = "finalized"
    key: Pubkey | None = None
    signature: bytes = b""
    form: str = "base64"
    data_slice: tuple[int, int] | None = None
    tests: list[Filter] = field(default_factory=list)
    received: bool = False
    details: str = "full"
    rewards: bool = True
    max_version: int | None = None

    def tell(self, result: Any) -> None:
        self.send(
            orjson.dumps(
                {
                    "jsonrpc": "2.0",
                    "method": f"{self.kind}Notification",
                    "params": {"result": result, "subscription": self.id},
                }
            )
        )


def _context(block: Block, value: Any) -> dict[str, Any]:
    return {"context": {"slot": block.slot}, "value": value}


class Subscriptions:
    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.held: dict[int, Subscription] = {}
        self._ids = itertools.count()
        self._told: dict[str, int] = {
            "head": chain.at("processed").slot,
            "finalized": chain.at("finalized").slot,
        }
        chain.listeners.append(self.on_block)

    # -- subscribing ------------------------------------------------------------------------

    def subscribe(self, kind: str, params: list[Any], send: Callable[[bytes], None]) -> int:
        make = getattr(self, f"_{kind}", None)
        if make is None:
            raise RpcError(-32601, "Method not found")
        subscription = make(params)
        subscription.id = next(self._ids)
        subscription.send = send
        self.held[subscription.id] = subscription
        return subscription.id

    def subscribed(self, number: int) -> None:
        """After the client has its number: tell what is already known."""
        subscription = self.held.get(number)
        if subscription is not None and subscription.kind == "signature":
            self._tell_signature(subscription)

    def unsubscribe(self, kind: str, params: list[Any], mine: set[int]) -> bool:
        number = u64(params[0])
        held = self.held.get(number)
        if number not in mine or held is None or held.kind != kind:
            raise invalid_params("Invalid subscription id.")
        mine.discard(number)
        del self.held[number]
        return True

    def drop(self, numbers: set[int]) -> None:
        for number in numbers:
            self.held.pop(number, None)

    def _account(self, params: list[Any]) -> Subscription:
        key = _pubkey(params[0])
        config = Config(option(params, 1), "RpcAccountInfoConfig")
        return Subscription(
            0,
            "account",
            _nowhere,
            config.commitment(),
            key,
            form=config.choice("encoding", ENCODINGS, "binary"),
            data_slice=config.data_slice(),
        )

    def _program(self, params: list[Any]) -> Subscription:
        key = _pubkey(params[0])
        config = Config(option(params, 1), "RpcProgramAccountsConfig")
        return Subscription(
            0,
            "program",
            _nowhere,
            config.commitment(),
            key,
            form=config.choice("encoding", ENCODINGS, "binary"),
            data_slice=config.data_slice(),
            tests=filters(config.get("filters")),
        )

    def _logs(self, params: list[Any]) -> Subscription:
        which = params[0]
        key = None
        if isinstance(which, dict):
            mentions = which.get("mentions")
            if not isinstance(mentions, list) or len(mentions) != 1:
                raise invalid_params("Invalid Request: Only 1 address supported")
            key = _pubkey(mentions[0])
        elif which not in ("all", "allWithVotes"):
            raise invalid_params(
                f"Invalid params: unknown variant `{which}`, expected one of `all`, "
                "`allWithVotes`, `mentions`."
            )
        config = Config(option(params, 1), "RpcTransactionLogsConfig")
        return Subscription(0, "logs", _nowhere, config.commitment(), key)

    def _signature(self, params: list[Any]) -> Subscription:
        try:
            wanted = bytes(signature(params[0]))
        except RpcError as error:
            raise _refusal(error, "signature") from None
        config = Config(option(params, 1), "RpcSignatureSubscribeConfig")
        return Subscription(
            0,
            "signature",
            _nowhere,
            config.commitment(),
            signature=wanted,
            received=config.flag("enableReceivedNotification"),
        )

    def _slot(self, params: list[Any]) -> Subscription:
        return Subscription(0, "slot", _nowhere, "processed")

    def _slotsUpdates(self, params: list[Any]) -> Subscription:
        return Subscription(0, "slotsUpdates", _nowhere, "processed")

    def _root(self, params: list[Any]) -> Subscription:
        return Subscription(0, "root", _nowhere, "finalized")

    def _block(self, params: list[Any]) -> Subscription:
        which = params[0]
        key = None
        if isinstance(which, dict) and "mentionsAccountOrProgram" in which:
            key = _pubkey(which["mentionsAccountOrProgram"])
        elif which != "all":
            raise wrong_type(which, "enum RpcBlockSubscribeFilter")
        config = Config(option(params, 1), "RpcBlockSubscribeConfig")
        return Subscription(
            0,
            "block",
            _nowhere,
            config.confirmed(),
            key,
            form=config.choice("encoding", TRANSACTION_ENCODINGS, "base64"),
            details=config.choice("transactionDetails", DETAILS, "full"),
            rewards=config.flag("showRewards", True),
            max_version=config.u64("maxSupportedTransactionVersion"),
        )

    # -- telling ----------------------------------------------------------------------------

    def rewind(self, slot: int) -> None:
        """Blocks after `slot` are gone: those that replace them are told again."""
        for level, told in self._told.items():
            self._told[level] = min(told, slot)

    def on_block(self, _: Block) -> None:
        chain = self.chain
        root_before = self._told["finalized"]
        for level, commitment in (("head", "confirmed"), ("finalized", "finalized")):
            top = chain.at(commitment).slot  # type: ignore[arg-type]
            fresh = chain.ledger.slots(self._told[level] + 1, top)
            self._told[level] = max(self._told[level], top)
            if not self.held:
                continue
            for slot in fresh:
                block = chain.ledger.block(slot)
                if block is not None:
                    self._tell(level, block)
        if not self.held:
            return
        root = chain.at("finalized").slot
        head = chain.at("processed")
        later = chain.ledger.slots(head.slot + 1, chain.ledger.head.slot)
        next_slot = later[0] if later else chain.bank.slot
        for subscription in list(self.held.values()):
            if subscription.kind == "slot":
                subscription.tell({"parent": head.slot, "root": root, "slot": next_slot})
            elif subscription.kind == "root" and root > root_before:
                subscription.tell(root)
            elif subscription.kind == "slotsUpdates":
                stamp = chain.working_time * 1_000
                subscription.tell(
                    {
                        "parent": head.slot,
                        "slot": next_slot,
                        "timestamp": stamp,
                        "type": "createdBank",
                    }
                )

    def _tell(self, level: str, block: Block) -> None:
        final = level == "finalized"
        wanted = [one for one in self.held.values() if (one.commitment == "finalized") == final]
        if not wanted:
            return
        written = None
        logs: list[tuple[set[Pubkey], dict[str, Any]]] | None = None
        for one in wanted:
            if one.kind in ("account", "program"):
                if written is None:
                    written = self.chain.bank.written(block.slot)
                self._tell_accounts(one, block, written)
            elif one.kind == "logs":
                if logs is None:
                    logs = self._logs_of(block)
                for mentioned, value in logs:
                    if one.key is None or one.key in mentioned:
                        one.tell(_context(block, value))
            elif one.kind == "signature":
                self._tell_signature(one)
            elif one.kind == "block":
                self._tell_block(one, block)

    def _tell_accounts(self, one: Subscription, block: Block, written: dict[Pubkey, Any]) -> None:
        bank = self.chain.bank
        if one.kind == "account":
            if one.key not in written:
                return
            account = bank.account(one.key, block.slot)
            if account is None:
                one.tell(_context(block, _GONE))
            else:
                one.tell(
                    _context(
                        block, shown(self.chain, account, one.form, one.data_slice, strict=False)
                    )
                )
            return
        for key in written:
            account = bank.account(key, block.slot)
            if account is None or account.owner != one.key:
                continue
            if one.tests:
                data = account.data
                if not all(test(data) for test in one.tests):
                    continue
            value = {
                "account": shown(self.chain, account, one.form, one.data_slice, strict=False),
                "pubkey": str(key),
            }
            one.tell(_context(block, value))

    def _logs_of(self, block: Block) -> list[tuple[set[Pubkey], dict[str, Any]]]:
        rows: list[tuple[set[Pubkey], dict[str, Any]]] = []
        for index, held in enumerate(self.chain.ledger.records(block)):
            meta = orjson.loads(held.meta)
            value = {
                "err": meta["err"],
                "logs": meta["logMessages"],
                "signature": b58(block.signature(index)),
            }
            rows.append((_mentioned(held, meta), value))
        return rows

    def _tell_signature(self, one: Subscription) -> None:
        chain = self.chain
        position = chain.ledger.find(one.signature)
        if position is None:
            return
        block = chain.at(one.commitment)
        if position >> INDEX_BITS > block.slot:
            if one.received:
                one.received = False
                one.tell(_context(chain.at("processed"), "receivedSignature"))
            return
        if one.received:
            one.tell(_context(block, "receivedSignature"))
        held = chain.ledger.block(position >> INDEX_BITS)
        err = held.errors.get(position & INDEX_MASK) if held is not None else None
        self.held.pop(one.id, None)
        one.tell(_context(block, {"err": err}))

    def _tell_block(self, one: Subscription, block: Block) -> None:
        records = self.chain.ledger.records(block)
        shown_block = block
        if one.key is not None:
            chosen = [
                index
                for index, held in enumerate(records)
                if one.key in _mentioned(held, orjson.loads(held.meta))
            ]
            if not chosen:
                return
            records = [records[index] for index in chosen]
            shown_block = Block(
                block.slot,
                block.parent,
                block.height,
                block.hash,
                block.previous,
                block.time,
                block.rewards,
                b"".join(block.signature(index) for index in chosen),
            )
        try:
            body = orjson.Fragment(
                render(shown_block, records, one.form, one.details, one.rewards, one.max_version)
            )
            value = {"block": body, "err": None, "slot": block.slot}
        except RpcError:
            value = {
                "block": None,
                "err": {"UnsupportedTransactionVersion": 0},
                "slot": block.slot,
            }
        one.tell(_context(block, value))


_GONE = {
    "data": ["", "base64"],
    "executable": False,
    "lamports": 0,
    "owner": "11111111111111111111111111111111",
    "rentEpoch": 0,
    "space": 0,
}


def _mentioned(held: Record, meta: dict[str, Any]) -> set[Pubkey]:
    loaded = meta["loadedAddresses"]
    keys = set(VersionedTransaction.from_bytes(held.wire).message.account_keys)
    keys.update(Pubkey.from_string(text) for text in loaded["writable"] + loaded["readonly"])
    return keys


def _pubkey(value: Any) -> Pubkey:
    try:
        return pubkey(value)
    except RpcError as error:
        raise _refusal(error, "pubkey") from None


def _refusal(error: RpcError, what: str) -> RpcError:
    """A key or signature that can't be read, in the words of the subscription service."""
    if not error.message.startswith("Invalid param: "):
        return error
    return invalid_params(f"Invalid Request: Invalid {what} provided")


def _nowhere(_: bytes) -> None:
    """A subscription's way out until it has a connection."""
