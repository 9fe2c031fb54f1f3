"""`python -m localnet.solana`: a node in a process of its own, until a signal or closed stdin.

The first line on stdout is JSON: {"event": "ready", "url", "ws_url", "pid", …}.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click
import orjson

from localnet.solana.node import SolanaNode


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--rpc-port", default=8899, show_default=True, help="0 takes a free one.")
@click.option("--ws-port", type=int, help="Default: the RPC port + 1.")
@click.option(
    "--program",
    "programs",
    type=(str, click.Path(exists=True, dir_okay=False, path_type=Path)),
    multiple=True,
    metavar="ID FILE.so",
    help="A program that is there from genesis; may be repeated.",
)
@click.option(
    "--upgrade-authority", metavar="ADDRESS", help="Who may upgrade them. Default: nobody."
)
@click.option("--slot-ms", default=400, show_default=True, help="0: slots only on request.")
@click.option("--finality", default=32, show_default=True, help="Blocks until finalized.")
@click.option("--journal-slots", default=512, show_default=True, help="How deep a fork can drop.")
@click.option("--clock", type=click.Choice(["real", "slots"]), default="real", show_default=True)
@click.option("--genesis-time", default=1_700_000_000, show_default=True, help="For --clock slots.")
@click.option("--faults", is_flag=True, help="Serve the localnet_* methods.")
@click.option("--exit-with-stdin", is_flag=True, help="Stop when stdin is closed.")
def main(
    host: str,
    rpc_port: int,
    ws_port: int | None,
    programs: tuple[tuple[str, Path], ...],
    upgrade_authority: str | None,
    slot_ms: int,
    finality: int,
    journal_slots: int,
    clock: str,
    genesis_time: int,
    faults: bool,
    exit_with_stdin: bool,
) -> None:
    """Run a Solana node over LiteSVM."""
    try:
        node = SolanaNode(
            host=host,
            rpc_port=rpc_port,
            ws_port=ws_port,
            programs=dict(programs),
            upgrade_authority=upgrade_authority,
            slot_ms=slot_ms,
            finality=finality,
            journal_slots=journal_slots,
            clock=clock,  # type: ignore[arg-type]
            genesis_time=genesis_time,
            faults=faults,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        import uvloop

        uvloop.run(_run(node, exit_with_stdin))
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}:{rpc_port}: {error.strerror or error}; "
            "choose another --rpc-port"
        ) from error


async def _run(node: SolanaNode, exit_with_stdin: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if exit_with_stdin:
        loop.run_in_executor(None, sys.stdin.buffer.read).add_done_callback(lambda _: stopped.set())
    async with node:
        ready = {
            "event": "ready",
            "url": node.url,
            "ws_url": node.ws_url,
            "pid": os.getpid(),
            "genesis_hash": str(node.chain.genesis_hash),
            "programs": [str(key) for key in node.chain.programs],
        }
        sys.stdout.write(orjson.dumps(ready).decode() + "\n")
        sys.stdout.flush()
        await node.run(stopped)


if __name__ == "__main__":
    main()
