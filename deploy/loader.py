"""Solana's upgradeable loader: its accounts, byte by byte, and its instructions.

Source: solana-loader-v3-interface, state.rs and instruction.rs (bincode: a u32 for the variant).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.sysvar import CLOCK, RENT

LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
PROGRAM_BYTES = 36
"""Of a program's own account: the variant, and where its code is."""
BUFFER_HEADER = 37
"""Bytes before the code in a buffer: the variant, and who may write."""
DATA_HEADER = 45
"""Bytes before the code of a program: the variant, the slot, and who may upgrade."""
_BUFFER, _PROGRAM, _DATA = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Held:
    """``code`` with who may change it; nobody where ``authority`` is None."""

    authority: Pubkey | None
    code: bytes


def program_data(program: Pubkey) -> Pubkey:
    """Where the loader keeps a program's code, and who may change it."""
    return Pubkey.find_program_address([bytes(program)], LOADER)[0]


def program_account(program: Pubkey) -> bytes:
    """What a program's own account holds."""
    return struct.pack("<I", _PROGRAM) + bytes(program_data(program))


def data_account(elf: bytes, authority: Pubkey | None) -> bytes:
    """What the account at ``program_data`` holds of a program that is there from slot 0."""
    some = authority is not None
    return struct.pack("<IQ?32s", _DATA, 0, some, bytes(authority or SYSTEM)) + elf


def read_data(data: bytes) -> Held | None:
    """A program's code as ``program_data`` has it, filled up with zeros; None where it hasn't."""
    if len(data) < DATA_HEADER or struct.unpack_from("<I", data)[0] != _DATA:
        return None
    authority = Pubkey.from_bytes(data[13:45]) if data[12] else None
    return Held(authority, data[DATA_HEADER:])


def read_buffer(data: bytes) -> Held | None:
    """What a buffer holds so far; None where it is none."""
    if len(data) < BUFFER_HEADER or struct.unpack_from("<I", data)[0] != _BUFFER:
        return None
    authority = Pubkey.from_bytes(data[5:37]) if data[4] else None
    return Held(authority, data[BUFFER_HEADER:])


def initialize_buffer(buffer: Pubkey, authority: Pubkey) -> Instruction:
    """In the transaction that creates ``buffer``: else another may be faster."""
    accounts = [AccountMeta(buffer, False, True), AccountMeta(authority, False, False)]
    return Instruction(LOADER, struct.pack("<I", 0), accounts)


def write(buffer: Pubkey, authority: Pubkey, offset: int, part: bytes) -> Instruction:
    """Puts ``part`` at ``offset`` of the code."""
    accounts = [AccountMeta(buffer, False, True), AccountMeta(authority, True, False)]
    return Instruction(LOADER, struct.pack("<IIQ", 1, offset, len(part)) + part, accounts)


def deploy(
    payer: Pubkey, program: Pubkey, buffer: Pubkey, authority: Pubkey, length: int
) -> Instruction:
    """Makes ``program`` of the buffer's code, with room for ``length`` bytes. The buffer's
    lamports go to ``payer``, who pays for the account of the code."""
    accounts = [
        AccountMeta(payer, True, True),
        AccountMeta(program_data(program), False, True),
        AccountMeta(program, False, True),
        AccountMeta(buffer, False, True),
        AccountMeta(RENT, False, False),
        AccountMeta(CLOCK, False, False),
        AccountMeta(SYSTEM, False, False),
        AccountMeta(authority, True, False),
    ]
    return Instruction(LOADER, struct.pack("<IQ", 2, length), accounts)
