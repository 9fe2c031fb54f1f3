"""Anchor events and instructions in Solana transactions, as nodes list them (encoding ``json``).

Two ways of emitting, both of Anchor's: ``emit_cpi!`` calls the program itself with the event as
instruction data and the ``__event_authority`` PDA as only account; ``emit!`` writes a
``Program data:`` log line. A program that emits nothing still has its instructions, outer and
inner: what it was told to do, in a transaction that succeeded, it did.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import numpy as np
from solders.pubkey import Pubkey

from indexer.chains import base58
from indexer.chains.raw import SolanaEvents
from indexer.chains.solana_blocks import Inner, Meta, Transaction
from indexer.chains.watch import Emits
from indexer.errors import Fatal

TAG = bytes.fromhex("e445a52e51cb9a1d")
"""Anchor's EVENT_IX_TAG_LE: the first 8 bytes of sha256("anchor:event"), reversed."""
LOG_ORDINAL = 64
"""Data log lines count on from here: a transaction runs at most 64 instructions."""
_DISCRIMINATOR = 8
_DATA = "Program data: "
_TRUNCATED = "Log truncated"
_DATA_JSON, _TRUNCATED_JSON = _DATA.encode(), _TRUNCATED.encode()
_ESCAPE = b"\\"
_LINES = msgspec.json.Decoder(list[str] | None)
_ALL_EVENTS = Emits()

_Found = tuple[int, int, str, str, "str | bytes", "list[str] | None"]
"""Height, ordinal, transaction, program, data (base58, or bytes), an instruction's accounts."""


def event_authority(program: str) -> str:
    """The PDA that signs the event instructions of ``program``."""
    address, _ = Pubkey.find_program_address([b"__event_authority"], Pubkey.from_string(program))
    return str(address)


@dataclass(slots=True)
class Collector:
    """Gathers the events of ``programs`` as columns.

    ``programs`` has for each program id its event authority and the height it starts at; ``emits``
    what else than all its events is wanted of it.

    ``events`` decodes what was gathered; ``where`` begins messages.
    """

    where: str
    programs: Mapping[str, tuple[str, int]]
    emits: Mapping[str, Emits] = field(default_factory=dict[str, Emits])
    _found: list[_Found] = field(default_factory=list["_Found"])

    def block(self, height: int, transactions: Sequence[Transaction]) -> None:
        """Adds a block's events; the index of a transaction is its place in the list."""
        for index, transaction in enumerate(transactions):
            self.transaction(height, index, transaction)

    def transaction(self, height: int, index: int, transaction: Transaction) -> None:
        """Adds the events of one transaction, none if it failed."""
        meta, body = transaction.meta, transaction.transaction
        if meta is None:
            raise Fatal(
                f"{self.where}: slot {height}, {body.signatures[0]}: the node keeps no record "
                "of what the transaction did; use a node with --enable-rpc-transaction-history"
            )
        if meta.err is not None:
            return
        keys = body.message.account_keys
        if (loaded := meta.loaded_addresses) and (loaded.writable or loaded.readonly):
            keys = keys + loaded.writable + loaded.readonly
        for program, (authority, start) in self.programs.items():
            if program in keys and height >= start:
                emits = self.emits.get(program, _ALL_EVENTS)
                if emits.events:
                    self._emitted(height, index, transaction, meta, keys, program, authority)
                if emits.instructions:
                    self._instructed(height, index, transaction, meta, keys, program)

    def _instructed(
        self,
        height: int,
        index: int,
        transaction: Transaction,
        meta: Meta,
        keys: list[str],
        program: str,
    ) -> None:
        signature = transaction.transaction.signatures[0]
        if meta.inner_instructions is None:
            raise Fatal(
                f"{self.where}: slot {height}, {signature}: the node doesn't list inner "
                "instructions; use another URL"
            )
        called = keys.index(program)
        groups = {group.index: group.instructions for group in meta.inner_instructions}
        ordinal = 0
        for k, outer in enumerate(transaction.transaction.message.instructions):
            for instruction in (outer, *groups.get(k, ())):
                if instruction.program_id_index == called:
                    accounts = [keys[i] for i in instruction.accounts]
                    place = index << 10 | ordinal
                    self._found.append(
                        (height, place, signature, program, instruction.data, accounts)
                    )
                ordinal += 1

    def _emitted(
        self,
        height: int,
        index: int,
        transaction: Transaction,
        meta: Meta,
        keys: list[str],
        program: str,
        authority: str,
    ) -> None:
        signature = transaction.transaction.signatures[0]
        inner = meta.inner_instructions
        if inner is None:
            raise Fatal(
                f"{self.where}: slot {height}, {signature}: the node doesn't list inner "
                "instructions, which carry events; use another URL"
            )
        # Whoever sends the transaction chooses its accounts and can fill its log; only the
        # program can call itself with the authority's signature.
        by_cpi = False
        if inner and authority in keys:
            called, only = keys.index(program), [keys.index(authority)]
            before = 0
            for group in sorted(inner, key=_outer_index) if len(inner) > 1 else inner:
                place = group.index + before
                for instruction in group.instructions:
                    place += 1
                    if instruction.program_id_index == called and instruction.accounts == only:
                        by_cpi = True
                        self._found.append((height, index << 10 | place, signature, program,
                                            instruction.data, None))  # fmt: skip
                before += len(group.instructions)
        text = bytes(meta.log_messages)
        if not (
            _DATA_JSON in text or _TRUNCATED_JSON in text or text == b"null" or _ESCAPE in text
        ):
            return
        logs = _LINES.decode(text)
        if logs is None:
            if not by_cpi:
                raise Fatal(
                    f"{self.where}: slot {height}, {signature}: the node keeps no logs, which may "
                    "carry events; use another URL"
                )
            return
        if _TRUNCATED in logs and not by_cpi and _calls(transaction, inner, keys.index(program)):
            raise Fatal(
                f"{self.where}: slot {height}, {signature}: the log of {program} is truncated, so "
                "events may be lost for good; the program should emit by self-CPI (emit_cpi!)"
            )
        self._logged(height, index, signature, program, logs)

    def _logged(
        self, height: int, index: int, signature: str, program: str, logs: list[str]
    ) -> None:
        stack: list[str] = []
        line_index = -1
        for line in logs:
            if line.startswith(_DATA):
                line_index += 1
                if stack and stack[-1] == program and " " not in (text := line[len(_DATA) :]):
                    self._found.append((height, index << 10 | LOG_ORDINAL + line_index, signature,
                                        program, _base64(text), None))  # fmt: skip
            elif line.startswith("Program ") and not line.startswith("Program log: "):
                word = line.split(" ", 3)
                if len(word) < 3:
                    continue
                if word[2] == "invoke":
                    stack.append(word[1])
                elif word[2] in ("success", "failed:", "failed") and stack:
                    stack.pop()

    def __len__(self) -> int:
        """Events gathered, before decoding throws out what is none."""
        return len(self._found)

    def events(self) -> SolanaEvents:
        """The columns, ordered by (height, ordinal)."""
        found = self._found
        decoded = iter(base58.decode([f[4] for f in found if isinstance(f[4], str)]))
        payload = [
            data if isinstance(data, bytes)
            else _payload(next(decoded)) if accounts is None
            else self._instruction(next(decoded), accounts, program)
            for _, _, _, program, data, accounts in found
        ]  # fmt: skip
        keep = [
            i for i, p in enumerate(payload) if p is not None and len(p) >= _DISCRIMINATOR
        ]  # fmt: skip
        height = np.array([f[0] for f in found], np.int64)
        ordinal = np.array([f[1] for f in found], np.int64)
        rows = np.array(keep, np.int64)
        order = rows[np.lexsort((ordinal[rows], height[rows]))]
        picked = order.tolist()
        return SolanaEvents(
            height[order],
            ordinal[order],
            [found[i][2] for i in picked],
            [found[i][3] for i in picked],
            [payload[i] or b"" for i in picked],
        )

    def _instruction(self, data: bytes | None, accounts: list[str], program: str) -> bytes | None:
        """Discriminator in 8 bytes, accounts in 32 each, arguments; None for other instructions.

        An account that is left out is the program's own id, as Anchor has it.
        """
        for begin, count in self.emits[program].instructions:
            if data is not None and data.startswith(begin):
                kept = (accounts + [program] * count)[:count]
                return begin.ljust(8, b"\0") + b"".join(map(_key, kept)) + data[len(begin) :]
        return None


@lru_cache(1 << 16)
def _key(address: str) -> bytes:
    return bytes(Pubkey.from_string(address))


def _calls(transaction: Transaction, inner: list[Inner], program: int) -> bool:
    """Whether any instruction is one of the program at this index of the accounts."""
    called = (i for g in inner for i in g.instructions)
    outer = transaction.transaction.message.instructions
    return any(i.program_id_index == program for i in (*outer, *called))


def _outer_index(group: Inner) -> int:
    return group.index


def _payload(data: bytes | None) -> bytes | None:
    return data[len(TAG) :] if data is not None and data.startswith(TAG) else None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
