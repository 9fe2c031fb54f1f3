"""The Solana node of a local chain: ours, or a real one where it is installed."""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

from solana.rpc.async_api import AsyncClient
from solders.pubkey import Pubkey

from indexer.errors import Fatal
from localnet import artifacts, child, ports, svm

_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")


async def start(
    kind: str, home: Path, port: int, slot_ms: int = 400, finality: int = 32
) -> child.Child:
    """Starts a fresh chain that has the bets program: RPC on ``port``, WebSocket on the next one.

    ``slot_ms`` and ``finality`` (blocks) are heeded by our own node. Returns when it makes blocks.
    Raises Fatal when it isn't installed.
    """
    require_build()
    if kind == "litesvm":
        command = _litesvm(port, slot_ms, finality)
    elif kind == "test-validator":
        command = _test_validator(home, port)
    else:
        command = _surfpool(port)
    process = await child.start(
        f"the Solana node ({kind})", [str(c) for c in command], home / "logs" / "solana.log"
    )
    client = svm.connect(f"http://{ports.HOST}:{port}")

    async def makes_blocks() -> bool:
        slot = (await client.get_slot(svm.Confirmed)).value
        return slot > 0 and (await client.get_block_time(slot)).value is not None

    try:
        await process.ready(makes_blocks, 60)
        if kind == "surfpool":
            await _write_program(client)
    except BaseException:
        await process.stop()
        raise
    finally:
        await client.close()
    return process


def require_build() -> None:
    """Raises Fatal where the Solana program's build isn't there."""
    if not artifacts.BETS_SO.exists():
        raise Fatal(f"no build at {artifacts.BETS_SO}: run `make programs`")


def _litesvm(port: int, slot_ms: int, finality: int) -> list[object]:
    return [
        sys.executable, "-m", "localnet.solana", "--rpc-port", port, "--faults",
        "--slot-ms", slot_ms, "--finality", finality,
        "--program", svm.program_id(), artifacts.BETS_SO,
    ]  # fmt: skip


def _test_validator(home: Path, port: int) -> list[object]:
    gossip = ports.free(32)
    return [
        _installed("solana-test-validator", "Solana's tools (docs.anza.xyz/cli/install)"),
        "--reset", "--quiet", "--ledger", home / "ledger",
        "--bind-address", ports.HOST, "--rpc-port", port, "--faucet-port", ports.free(),
        "--gossip-port", gossip, "--dynamic-port-range", f"{gossip + 1}-{gossip + 31}",
        "--upgradeable-program", svm.program_id(), artifacts.BETS_SO, "none",
    ]  # fmt: skip


def _surfpool(port: int) -> list[object]:
    return [
        _installed("surfpool", "surfpool (docs.surfpool.run)"), "start", "--offline", "--no-tui",
        "--no-deploy", "--no-studio", "--host", ports.HOST, "--port", port, "--ws-port", port + 1,
    ]  # fmt: skip


async def _write_program(client: AsyncClient) -> None:
    """Puts the bets program on a surfpool, by its `surfnet_setAccount`: a program account of the
    upgradeable loader, and the data account it points to, without an upgrade authority."""
    elf = artifacts.BETS_SO.read_bytes()
    data = Pubkey.find_program_address([bytes(svm.program_id())], _LOADER)[0]
    accounts = (
        (data, struct.pack("<IQB32x", 3, 0, 0) + elf, False),
        (svm.program_id(), struct.pack("<I", 2) + bytes(data), True),
    )
    for address, content, executable in accounts:
        rent = await client.get_minimum_balance_for_rent_exemption(len(content))
        account = {
            "lamports": rent.value,
            "owner": str(_LOADER),
            "data": content.hex(),
            "executable": executable,
        }
        await svm.rpc(client, "surfnet_setAccount", [str(address), account])


def _installed(program: str, what: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Fatal(f"{program} is not on the PATH: install {what}, or use --solana litesvm")
    return found
