"""The Solana node of a local chain: ours, or a real one where it is installed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from solana.rpc.async_api import AsyncClient
from solders.pubkey import Pubkey

from deploy import builds, loader
from deploy.solana import OLD_CODE_ENDS
from indexer.errors import Fatal
from localnet import artifacts, child, ports, svm


async def start(
    kind: str, home: Path, port: int, slot_ms: int = 400, finality: int = 32
) -> child.Child:
    """Starts a fresh chain that has the programs: RPC on ``port``, WebSocket on the next one.

    ``slot_ms`` and ``finality`` (blocks) are heeded by our own node. Returns when it makes blocks.
    Raises Fatal when it isn't installed.
    """
    programs = {str(svm.program_id(idl)): builds.elf(idl) for idl in artifacts.SOLANA_IDLS}
    if kind == "litesvm":
        command = _litesvm(port, slot_ms, finality, programs)
    elif kind == "test-validator":
        command = _test_validator(home, port, programs)
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
            for address, file in programs.items():
                await _write_program(client, Pubkey.from_string(address), file)
    except BaseException:
        await process.stop()
        raise
    finally:
        await client.close()
    return process


def _litesvm(port: int, slot_ms: int, finality: int, programs: dict[str, Path]) -> list[object]:
    return [
        sys.executable, "-m", "localnet.solana", "--rpc-port", port, "--faults",
        "--slot-ms", slot_ms, "--finality", finality,
        "--upgrade-authority", svm.bank().pubkey(),
        *(word for id_, file in programs.items() for word in ("--program", id_, file)),
    ]  # fmt: skip


def _test_validator(home: Path, port: int, programs: dict[str, Path]) -> list[object]:
    gossip = ports.free(32)
    return [
        _installed("solana-test-validator", "Solana's tools (docs.anza.xyz/cli/install)"),
        "--reset", "--quiet", "--ledger", home / "ledger",
        "--bind-address", ports.HOST, "--rpc-port", port, "--faucet-port", ports.free(),
        "--gossip-port", gossip, "--dynamic-port-range", f"{gossip + 1}-{gossip + 31}",
        # so that our builds can be deployed there too
        "--deactivate-feature", OLD_CODE_ENDS,
        *(
            word
            for id_, file in programs.items()
            for word in ("--upgradeable-program", id_, file, svm.bank().pubkey())
        ),
    ]  # fmt: skip


def _surfpool(port: int) -> list[object]:
    return [
        _installed("surfpool", "surfpool (docs.surfpool.run)"), "start", "--offline", "--no-tui",
        "--no-deploy", "--no-studio", "--host", ports.HOST, "--port", port, "--ws-port", port + 1,
    ]  # fmt: skip


async def _write_program(client: AsyncClient, program: Pubkey, file: Path) -> None:
    """Puts a program on a surfpool, by its `surfnet_setAccount`: a program account of the
    upgradeable loader, and the data account it points to, which says who may upgrade it."""
    code = loader.data_account(file.read_bytes(), svm.bank().pubkey())
    accounts = (
        (loader.program_data(program), code, False),
        (program, loader.program_account(program), True),
    )
    for address, content, executable in accounts:
        rent = await client.get_minimum_balance_for_rent_exemption(len(content))
        account = {
            "lamports": rent.value,
            "owner": str(loader.LOADER),
            "data": content.hex(),
            "executable": executable,
        }
        await svm.rpc(client, "surfnet_setAccount", [str(address), account])


def _installed(program: str, what: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Fatal(f"{program} is not on the PATH: install {what}, or use --solana litesvm")
    return found
