"""Long histories: as many events as were asked for, all of the real program."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import aiohttp
import pytest

from indexer import config as configuration
from localnet import artifacts, flood, truth
from localnet.network import Deployed, EvmChain, SolanaChain


@pytest.mark.parametrize("kind", ["evm", "solana"])
async def test_holds_the_events_that_it_says(
    tmp_path: Path, kind: Literal["evm", "solana"]
) -> None:
    async with (
        flood.history(kind, tmp_path, events=450, per_block=100) as made,
        aiohttp.ClientSession() as session,
    ):
        config = configuration.load(made.config)
        (program,) = config.programs
        # The client is not used to read.
        if kind == "evm":
            bets = Deployed("bets", program.address, artifacts.BETS_ABI)
            chain = EvmChain("anvil", made.rpc, "", "", (bets,), None, {})  # type: ignore[arg-type]
            told = await truth.evm(chain, session)
        else:
            bets = Deployed("bets", program.address, artifacts.BETS_IDL)
            solana = SolanaChain("solana", made.rpc, "", "", (bets,), None, {})  # type: ignore[arg-type]
            told = await truth.solana(solana, session)
    placed = sum(n for (event, _), n in told.events.items() if event == "bets_bet_placed")
    opened = sum(n for (event, _), n in told.events.items() if event == "bets_market_opened")
    assert (placed, opened) == (made.events, made.markets) == (450, 50)
    assert (told.refused, told.tip) == (0, made.tip)


def test_the_helper_contract_is_the_build_of_its_source() -> None:
    script = Path(flood.__file__).parent / "contracts" / "build.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "")
