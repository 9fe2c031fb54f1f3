"""`chainfold deploy` in a process of its own, and what it deploys to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from deploy import loader
from localnet import ports, solananode, svm

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "programs" / "solana" / "artifacts"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, stdout, and the lines of stderr."""

    code: int
    out: str
    lines: list[str]

    @property
    def programs(self) -> list[dict[str, Any]]:
        """The lines that it printed for chainfold.toml."""
        return tomllib.loads(self.out).get("programs", [])


def command(config: Path, *arguments: object) -> list[str]:
    shipped = str(Path(sys.executable).with_name("chainfold"))
    return [shipped, "--config", str(config), "deploy", *map(str, arguments)]


def deploy(config: Path, *arguments: object, answer: str = "") -> Ran:
    """Runs it to its end; ``answer`` is typed."""
    done = subprocess.run(
        command(config, *arguments),
        input=answer,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "DATABASE_URL"},
        timeout=240,
    )
    return Ran(done.returncode, done.stdout, done.stderr.splitlines())


def refused(config: Path, *arguments: object) -> str:
    """The one line of a command that must fail, which has sent nothing."""
    ran = deploy(config, *arguments)
    assert ran.code == 1, ran
    assert ran.out == ""
    (line,) = ran.lines
    assert line.startswith("chainfold: ")
    return line


def put(file: Path, text: str, mode: int = 0o600) -> Path:
    """A file that only its owner may read."""
    file.touch(0o600)
    file.chmod(mode)
    file.write_text(text)
    return file


def key_file(folder: Path, pair: Keypair) -> Path:
    """What `solana-keygen` writes."""
    return put(folder / f"{pair.pubkey()}.json", json.dumps(list(bytes(pair))))


def config_of(folder: Path, url: str, **more: str) -> Path:
    """A chainfold.toml with one Solana chain and no programs."""
    lines = [f'{name} = "{value}"' for name, value in more.items()]
    file = folder / "chainfold.toml"
    file.write_text(
        "\n".join(["[chains.mine]", 'kind = "solana"', f'rpc = ["{url}"]', *lines]) + "\n"
    )
    return file


def _authority(program: Pubkey) -> tuple[Pubkey, int]:
    return Pubkey.find_program_address([b"__event_authority"], program)


def _built_in(name: str, program: Pubkey) -> list[Pubkey]:
    """The addresses that follow from a program's own, which its build has computed."""
    found = [program, _authority(program)[0]]
    if name == "registry":
        scope = Pubkey.find_program_address([b"scope", bytes(32), bytes(8)], program)[0]
        found += [loader.program_data(program), scope]
    return found


def _swapped(elf: bytes, was: bytes, now: bytes) -> bytes:
    """With ``now`` for ``was``: in the data, and, word by word, in the code that loads it (lddw:
    two slots, each with half of the word)."""
    elf = elf.replace(was, now)
    for i in range(0, len(was), 8):
        old, new = was[i : i + 8], now[i : i + 8]
        load = b"\x18(.)\0\0" + re.escape(old[:4]) + bytes(4) + re.escape(old[4:])

        def put(found: re.Match[bytes], new: bytes = new) -> bytes:
            return b"\x18" + found[1] + bytes(2) + new[:4] + bytes(4) + new[4:]

        elf, count = re.subn(load, put, elf, flags=re.DOTALL)
        # a word that fits into one slot is loaded otherwise, and another has no room there
        assert count or not any(old[4:])
    return elf


def built_for(folder: Path, name: str, tool: str = "sbf-ld", **constants: str) -> Keypair:
    """Puts a build of the program into ``folder`` that is for the address of a new key, as a build
    with CHAINFOLD_…_ID is; gives the key. The registry's runs there; that of bets doesn't, whose
    usual address has a word that can't be replaced in place: it is good for deploying only.

    The event authority's bump is in its code too: so the key is one with the same bump.
    """
    record = json.loads((ARTIFACTS / f"{name}.build.json").read_text())
    elf = (ARTIFACTS / f"{name}.so").read_bytes()
    variable = f"CHAINFOLD_{name.upper()}_ID"
    old = Pubkey.from_string(record["constants"][variable])
    pair = Keypair()
    while _authority(pair.pubkey())[1] != _authority(old)[1]:
        pair = Keypair()
    for was, now in zip(_built_in(name, old), _built_in(name, pair.pubkey()), strict=True):
        elf = _swapped(elf, bytes(was), bytes(now))
    constants = record["constants"] | {variable: str(pair.pubkey())} | constants
    put_build(folder, name, elf, tool, constants)
    return pair


def put_build(folder: Path, name: str, elf: bytes, tool: str, constants: dict[str, str]) -> None:
    """A build with its record."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.so").write_bytes(elf)
    record = {"sha256": hashlib.sha256(elf).hexdigest(), "tool": tool, "constants": constants}
    (folder / f"{name}.build.json").write_text(json.dumps(record))


@dataclass(frozen=True)
class Node:
    """A Solana node in a process of its own."""

    url: str
    loop: asyncio.AbstractEventLoop

    def run(self, work: Awaitable[_T]) -> _T:
        return self.loop.run_until_complete(work)

    def rpc(self, method: str, *params: Any) -> Any:
        async def call() -> Any:
            client = svm.connect(self.url)
            try:
                return await svm.rpc(client, method, list(params))
            finally:
                await client.close()

        return self.run(call())

    def lamports(self, address: Pubkey) -> int:
        return self.rpc("getBalance", str(address), {"commitment": "confirmed"})["value"]

    def give(self, address: Pubkey, lamports: int) -> None:
        """An airdrop."""

        async def fund() -> None:
            client = svm.connect(self.url)
            try:
                asked = await client.request_airdrop(address, lamports)
                receipt = await svm.Sender(client, "mine").wait(asked.value)
                assert receipt.ok
            finally:
                await client.close()

        self.run(fund())

    def wallet(self, sol: int) -> Keypair:
        """A new key with money."""
        pair = Keypair()
        self.give(pair.pubkey(), sol * svm.SOL)
        return pair


def solana_node(kind: str, folder: Path) -> Iterator[Node]:
    """A node with all of the programs at their usual addresses."""
    loop = asyncio.new_event_loop()
    port = ports.free(2)
    process = loop.run_until_complete(solananode.start(kind, folder, port, slot_ms=50, finality=2))
    try:
        yield Node(f"http://{ports.HOST}:{port}", loop)
    finally:
        loop.run_until_complete(process.stop())
        loop.close()
