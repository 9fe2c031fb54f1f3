"""One relocatable BPF object of LLVM, made a program that Solana loads: ELF, SBPF v0.

https://github.com/anza-xyz/sbpf (elf.rs) says what the loader accepts: one image whose virtual
addresses are file offsets above 2^32, `.text` and read-only data in it, internal calls relative,
system calls by relocation (R_BPF_64_32, type 10) against a dynamic symbol.
"""

import struct
from dataclasses import dataclass, field
from typing import NoReturn

EM_BPF = 247
VIRTUAL_BASE = 0x1_0000_0000
ENTRY = "entrypoint"
INSTRUCTION = "<BBhi"  # opcode, registers, offset, immediate
INSTRUCTION_SIZE = 8
WIDE_LOAD = 0x18  # lddw: two slots
CALL_REGISTER = 0x8D
CALL = 0x85
# solana-compiler-builtins calls these by the murmur3 hash of their names, as SBPF v3 would
SYSTEM_CALLS = {
    0x5FDCDE31: "sol_memcmp_",
    0x717CC4A3: "sol_memcpy_",
    0x434371F8: "sol_memmove_",
    0x3770FB22: "sol_memset_",
}

ELF_HEADER, PROGRAM_HEADER = 64, 56
SHF_ALLOC, SHF_EXECINSTR = 2, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_DYNAMIC = 1, 2, 3, 4, 6
SHT_NOBITS, SHT_REL, SHT_DYNSYM = 8, 9, 11
R_BPF_64_64, R_BPF_64_ABS64, R_BPF_64_32 = 1, 2, 10


def refuse(reason: str) -> NoReturn:
    raise SystemExit(f"sbf-ld: {reason}")


def aligned(value: int, to: int) -> int:
    return (value + to - 1) // to * to


def c_string(data: bytes, at: int) -> str:
    return data[at : data.index(0, at)].decode()


# ---- input -------------------------------------------------------------------------------------


@dataclass
class Section:
    name: str
    kind: int
    flags: int
    link: int
    info: int
    alignment: int
    data: bytes
    relocations: list[tuple[int, int, int]] = field(default_factory=list)  # offset, type, symbol
    address: int | None = None


@dataclass(frozen=True)
class Symbol:
    name: str
    section: int  # 0: undefined
    value: int


def read_object(elf: bytes) -> tuple[list[Section], list[Symbol]]:
    if elf[:6] != b"\x7fELF\x02\x01":
        refuse("not a little-endian ELF64")
    kind, machine = struct.unpack_from("<HH", elf, 16)
    if (kind, machine) != (1, EM_BPF):
        refuse(f"want a relocatable BPF object, got type {kind}, machine {machine}")
    (start,) = struct.unpack_from("<Q", elf, 40)
    count, names_index = struct.unpack_from("<HH", elf, 60)
    sections: list[Section] = []
    name_offsets: list[int] = []
    for index in range(count):
        name, kind, flags, _, offset, size, link, info, alignment, _ = struct.unpack_from(
            "<IIQQQQIIQQ", elf, start + 64 * index
        )
        data = bytes(size) if kind == SHT_NOBITS else elf[offset : offset + size]
        sections.append(Section("", kind, flags, link, info, alignment, data))
        name_offsets.append(name)
    for section, name in zip(sections, name_offsets, strict=True):
        section.name = c_string(sections[names_index].data, name)
    symbols: list[Symbol] = []
    for section in sections:
        if section.kind == SHT_SYMTAB:
            strings = sections[section.link].data
            for name, _, _, home, value, _ in struct.iter_unpack("<IBBHQQ", section.data):
                symbols.append(Symbol(c_string(strings, name), home, value))
        elif section.kind == SHT_REL:
            for offset, info in struct.iter_unpack("<QQ", section.data):
                entry = (offset, info & 0xFFFFFFFF, info >> 32)
                sections[section.info].relocations.append(entry)
        elif section.kind == SHT_RELA:
            refuse("relocations with addends are not expected")
    return sections, symbols


# ---- code --------------------------------------------------------------------------------------


def unsupported(opcode: int, offset: int) -> str | None:
    """What is wrong with an instruction that SBPF v0 lacks, or means otherwise than LLVM."""
    kind = opcode & 7
    if kind == 4 and opcode not in (0xD4, 0xDC):
        return "32-bit arithmetic (LLVM zero-extends, SBPF sign-extends: build for cpu v2)"
    if kind == 6:
        return "a 32-bit jump"
    if kind == 3 and opcode & 0xE0 == 0xC0:
        return "atomic"
    if kind == 1 and opcode & 0xE0 == 0x80:
        return "a sign-extending load"
    if kind == 7 and (opcode == 0xD7 or (opcode & 0xF0 in (0x30, 0x90, 0xB0) and offset)):
        return "arithmetic of cpu v4"
    return None


def adapt_code(code: bytearray) -> None:
    """Refuses what SBPF v0 lacks; moves an indirect call's register to where SBPF reads it."""
    at = 0
    while at < len(code):
        opcode, registers, offset, _ = struct.unpack_from(INSTRUCTION, code, at)
        reason = unsupported(opcode, offset)
        if reason:
            refuse(f".text+{at:#x}: instruction {opcode:#04x} is {reason}")
        if opcode == CALL_REGISTER:
            struct.pack_into(INSTRUCTION, code, at, opcode, 0, offset, registers & 15)
        at += 2 * INSTRUCTION_SIZE if opcode == WIDE_LOAD else INSTRUCTION_SIZE


# ---- layout ------------------------------------------------------------------------------------


class Image:
    """Text, then read-only data, at VIRTUAL_BASE + headers."""

    def __init__(self, sections: list[Section], headers: int):
        self.sections = sections
        loaded = [s for s in sections if s.flags & SHF_ALLOC and s.data]
        for section in loaded:
            writable = section.name.startswith((".bss", ".data"))
            if writable and not section.name.startswith(".data.rel.ro"):
                refuse(f"writable section {section.name}: programs have no mutable statics")
        self.loaded = [s for s in loaded if s.flags & SHF_EXECINSTR]
        self.base = VIRTUAL_BASE + headers
        self.data = bytearray()
        self._place(self.loaded)
        self.text_size = len(self.data)
        constants = [s for s in loaded if not s.flags & SHF_EXECINSTR]
        self._place(constants)
        self.loaded += constants
        text = self.data[: self.text_size]
        adapt_code(text)
        self.data[: self.text_size] = text

    def _place(self, sections: list[Section]) -> None:
        for section in sections:
            self.data += bytes(aligned(len(self.data), max(section.alignment, 8)) - len(self.data))
            section.address = self.base + len(self.data)
            self.data += section.data
        self.data += bytes(aligned(len(self.data), 8) - len(self.data))

    def address(self, symbol: Symbol) -> int:
        section = self.sections[symbol.section]
        if not symbol.section or section.address is None:
            refuse(f"{symbol.name or section.name} is referred to and not defined")
        return section.address + symbol.value

    def relocate(self, symbols: list[Symbol]) -> list[tuple[int, str]]:
        """Resolves what is internal; the system calls that remain: (address, name)."""
        calls: list[tuple[int, str]] = []
        for section in self.loaded:
            assert section.address is not None
            for offset, kind, index in section.relocations:
                at = section.address - self.base + offset
                symbol = symbols[index]
                if kind == R_BPF_64_32 and not symbol.section:
                    opcode = self.data[at]
                    struct.pack_into(INSTRUCTION, self.data, at, opcode, 0x10, 0, -1)
                    name = "abort" if symbol.name == "__bpf_trap" else symbol.name
                    calls.append((self.base + at - VIRTUAL_BASE, name))
                elif kind == R_BPF_64_32:
                    opcode, _, _, immediate = struct.unpack_from(INSTRUCTION, self.data, at)
                    target = self.address(symbol) + (immediate + 1) * INSTRUCTION_SIZE
                    distance = (target - self.base - at) // INSTRUCTION_SIZE - 1
                    struct.pack_into(INSTRUCTION, self.data, at, opcode, 0x10, 0, distance)
                elif kind == R_BPF_64_64:
                    (addend,) = struct.unpack_from("<I", self.data, at + 4)
                    target = self.address(symbol) + addend
                    struct.pack_into("<I", self.data, at + 4, target & 0xFFFFFFFF)
                    struct.pack_into("<I", self.data, at + 12, target >> 32)
                elif kind == R_BPF_64_ABS64:
                    (addend,) = struct.unpack_from("<Q", self.data, at)
                    struct.pack_into("<Q", self.data, at, self.address(symbol) + addend)
                else:
                    refuse(f"relocation type {kind} in {section.name}")
        return sorted(calls + self._calls_by_hash())

    def _calls_by_hash(self) -> list[tuple[int, str]]:
        """Calls that no relocation has touched: system calls by hash."""
        calls: list[tuple[int, str]] = []
        at = 0
        while at < self.text_size:
            opcode, registers, _, immediate = struct.unpack_from(INSTRUCTION, self.data, at)
            if opcode == CALL and registers == 0:
                name = SYSTEM_CALLS.get(immediate & 0xFFFFFFFF)
                if name is None:
                    refuse(f".text+{at:#x}: call of an unknown address {immediate:#x}")
                struct.pack_into(INSTRUCTION, self.data, at, opcode, 0x10, 0, -1)
                calls.append((self.base + at - VIRTUAL_BASE, name))
            at += 2 * INSTRUCTION_SIZE if opcode == WIDE_LOAD else INSTRUCTION_SIZE
        return calls


# ---- output ------------------------------------------------------------------------------------


class Output:
    """An ELF file that grows section by section."""

    def __init__(self, headers: int):
        self.data = bytearray(headers)
        self.table = [bytes(64)]
        self.names = bytearray(b"\0")

    def section(
        self,
        name: str,
        kind: int,
        flags: int,
        data: bytes,
        link: int = 0,
        info: int = 0,
        entry: int = 0,
    ) -> int:
        """Appends; gives the offset, which is the address too."""
        self.data += bytes(aligned(len(self.data), 8) - len(self.data))
        offset = len(self.data)
        self.data += data
        alignment = 1 if kind == SHT_STRTAB else 8
        address = offset if flags else 0
        values = (kind, flags, address, offset, len(data), link, info, alignment, entry)
        self.table.append(struct.pack("<IIQQQQIIQQ", len(self.names), *values))
        self.names += name.encode() + b"\0"
        return offset


def link(obj: bytes) -> bytes:
    """The program."""
    headers = ELF_HEADER + 3 * PROGRAM_HEADER
    sections, symbols = read_object(obj)
    image = Image(sections, headers)
    calls = image.relocate(symbols)
    entries = [image.address(s) for s in symbols if s.name == ENTRY and s.section]
    if not entries:
        refuse(f"no function {ENTRY}")

    out = Output(headers)
    text = out.section(".text", SHT_PROGBITS, 6, image.data[: image.text_size])
    constants = text
    if len(image.data) > image.text_size:
        constants = out.section(".rodata", SHT_PROGBITS, 2, image.data[image.text_size :])
    names = list(dict.fromkeys(name for _, name in calls))
    strings, symbol_table = bytearray(b"\0"), bytearray(24)
    for name in names:
        symbol_table += struct.pack("<IBBHQQ", len(strings), 0x10, 0, 0, 0, 0)
        strings += name.encode() + b"\0"
    relocations = b"".join(
        struct.pack("<QQ", at, names.index(name) + 1 << 32 | R_BPF_64_32) for at, name in calls
    )
    dynamic_at = aligned(len(out.data), 8)
    dynamic_size = 8 * 16
    symbols_at = dynamic_at + dynamic_size
    strings_at = symbols_at + len(symbol_table)
    relocations_at = aligned(strings_at + len(strings), 8)
    dynamic = b"".join(
        struct.pack("<QQ", tag, value)
        for tag, value in (
            (17, relocations_at),  # DT_REL
            (18, len(relocations)),  # DT_RELSZ
            (19, 16),  # DT_RELENT
            (6, symbols_at),  # DT_SYMTAB
            (11, 24),  # DT_SYMENT
            (5, strings_at),  # DT_STRTAB
            (10, len(strings)),  # DT_STRSZ
            (0, 0),
        )
    )
    first = len(out.table)  # index of .dynamic; .dynsym and .dynstr follow it
    out.section(".dynamic", SHT_DYNAMIC, 3, dynamic, link=first + 2, entry=16)
    out.section(".dynsym", SHT_DYNSYM, 2, symbol_table, link=first + 2, info=1, entry=24)
    assert out.section(".dynstr", SHT_STRTAB, 2, strings) == strings_at
    at = out.section(".rel.dyn", SHT_REL, 2, relocations, link=first + 1, entry=16)
    assert at == relocations_at
    end = len(out.data)
    program_headers = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, 8)
        for kind, flags, at, size in (
            (1, 5, text, image.text_size),  # PT_LOAD, execute
            (1, 4, constants, end - constants),  # PT_LOAD, read
            (2, 6, dynamic_at, dynamic_size),  # PT_DYNAMIC
        )
    )
    names_with_own = bytes(out.names) + b".shstrtab\0"
    out.section(".shstrtab", SHT_STRTAB, 0, names_with_own)
    out.data += bytes(aligned(len(out.data), 8) - len(out.data))
    table_at = len(out.data)
    out.data += b"".join(out.table)
    out.data[:ELF_HEADER] = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH",
        3, EM_BPF, 1, entries[0] - VIRTUAL_BASE, ELF_HEADER, table_at, 0,
        ELF_HEADER, PROGRAM_HEADER, 3, 64, len(out.table), len(out.table) - 1,
    )  # fmt: skip
    out.data[ELF_HEADER:headers] = program_headers
    return bytes(out.data)
