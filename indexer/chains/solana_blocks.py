"""What is read of a Solana node's blocks and transactions (encoding ``json``).

Source: the documentation of getBlock and getTransaction. What isn't named here, balances most of
all, is skipped where it is parsed.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct


class Instruction(Struct, gc=False, rename="camel"):
    """An instruction; numbers are indices into the transaction's account keys."""

    program_id_index: int
    accounts: list[int]
    data: str


class Inner(Struct, gc=False):
    """What the outer instruction ``index`` called, in the order it ran."""

    index: int
    instructions: list[Instruction]


class Loaded(Struct, gc=False):
    """Account keys that address lookup tables gave."""

    writable: list[str]
    readonly: list[str]


class Meta(Struct, gc=False, rename="camel"):
    """What a transaction did. ``log_messages`` is JSON: of most logs no line is wanted."""

    err: Any
    log_messages: Raw = Raw(b"null")
    inner_instructions: list[Inner] | None = None
    loaded_addresses: Loaded | None = None


class Message(Struct, gc=False, rename="camel"):
    """What a transaction asks for."""

    account_keys: list[str]
    instructions: list[Instruction]


class Signed(Struct, gc=False):
    """A message and its signatures; the first is the transaction's id."""

    signatures: list[str]
    message: Message


class Transaction(Struct, gc=False):
    """A transaction with its meta: in a block, or with its ``slot`` by itself."""

    transaction: Signed
    meta: Meta | None
    slot: int = -1


class SolanaBlock(Struct, gc=False, rename="camel"):
    """A block in whatever detail it was asked for."""

    blockhash: str
    previous_blockhash: str
    parent_slot: int
    block_time: int | None = None
    transactions: list[Transaction] | None = None
    signatures: list[str] | None = None


SHAPES = {
    "getBlock": msgspec.json.Decoder(SolanaBlock | None).decode,
    "getTransaction": msgspec.json.Decoder(Transaction | None).decode,
}
"""Method → what reads its result."""
