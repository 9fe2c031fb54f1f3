"""anvil, the local EVM chain."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from web3 import AsyncHTTPProvider, AsyncWeb3

from indexer.errors import Fatal
from localnet import child, ports

CHAIN_ID = 31337
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Anvil:
    url: str
    process: child.Child

    @property
    def ws(self) -> str:
        return self.url.replace("http://", "ws://")


def binary() -> Path:
    """anvil of this checkout's npm packages, else of the PATH."""
    # The native program itself: npm's wrapper would be one more process to end.
    for native in sorted((ROOT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil")):
        return native
    found = shutil.which("anvil")
    if found is None:
        raise Fatal(
            f"anvil is not installed: run `npm install` in {ROOT}, "
            "or install Foundry (getfoundry.sh)"
        )
    return Path(found)


async def start(
    log: Path,
    port: int | None = None,
    block_time: float | None = 1.0,
    options: tuple[str, ...] = (),
) -> Anvil:
    """Starts anvil on ``port`` (None: a free one). A block each ``block_time`` seconds, or, with
    None, one for each transaction at once. Returns when it answers."""
    command = [binary()]
    if port is None:
        port = ports.free()
    else:
        ports.require_free(port, "anvil", "--anvil-port")
    command += ["--host", ports.HOST, "--port", str(port), "--chain-id", str(CHAIN_ID)]
    # Equal fees: the order of arrival, so that a scenario's order is the chain's.
    command += ["--silent", "--order", "fifo", "--slots-in-an-epoch", "4"]
    if block_time is not None:
        # Each block whenever it is due, and none in between.
        command += ["--block-time", f"{block_time:g}"]
    process = await child.start("anvil", [*command, *options], log, {"NO_COLOR": "1"})
    url = f"http://{ports.HOST}:{port}"
    web3 = AsyncWeb3(AsyncHTTPProvider(url))

    async def answers() -> bool:
        return await web3.eth.chain_id == CHAIN_ID

    try:
        await process.ready(answers, 30)
    except BaseException:
        await process.stop()
        raise
    finally:
        await web3.provider.disconnect()
    return Anvil(url, process)
