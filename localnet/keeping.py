"""The demo's keeper: `chainfold keeper` with a wallet of its own on both chains."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from psycopg import Connection

from indexer.config import Config
from localnet import child
from localnet.network import Localnet
from localnet.svm import SOL
from pipelines.keeper.run import KINDS

_NAME = "keeper"
_EVERY = "5"
"""Seconds between passes: those whose story it is come first, the keeper does what they left."""


async def start(net: Localnet, config: Config, env: dict[str, str]) -> child.Child:
    """Funds it and starts it; its own log says what it does."""
    evm, solana = net.cast.evm(_NAME), net.cast.solana(_NAME)
    await net.evm.client.rpc("anvil_setBalance", [evm.address, hex(100 * 10**18)])
    client = net.solana.client
    asked = await client.client.request_airdrop(solana.pubkey(), 10 * SOL)
    await client.ok(client.sender.wait(asked.value))
    keys = {
        net.evm.name: _key(net.home / "keeper-evm.key", evm.key.to_0x_hex()),
        net.solana.name: _key(net.home / "keeper-solana.json", json.dumps(list(bytes(solana)))),
    }
    command: list[object] = [Path(sys.executable).parent / "chainfold", "--config", config.path]
    command += ["keeper", "--every", _EVERY]
    for chain, file in keys.items():
        # much money, and little time to spend it in
        command += ["--key", f"{chain}={file}", "--per-day", f"{chain}=5"]
    return await child.start("chainfold keeper", command, net.home / "logs" / "keeper.log", env)


def sent(connection: Connection[object], chain: str) -> tuple[set[str], int]:
    """Its transactions that succeeded and left an event, and how many were refused."""
    silent = [str(kind) for kind in KINDS if kind.silent]
    rows = connection.execute(
        "SELECT txs[array_length(txs, 1)], outcome FROM keeper.sent "
        "WHERE chain = %s AND (outcome <> 'ok' OR crank <> ALL(%s))",
        [chain, silent],
    ).fetchall()
    found: list[tuple[str, str]] = [*rows]  # pyright: ignore[reportAssignmentType]
    return {tx for tx, o in found if o == "ok"}, sum(o == "refused" for _, o in found)


def _key(file: Path, text: str) -> Path:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    return file
