"""Both local chains, real nodes: the same story on both, as the chains themselves tell it."""

import json
import shutil
import socket
import time
from collections import Counter
from pathlib import Path

import aiohttp
import psutil
import pytest
from solders.pubkey import Pubkey

from indexer import config as configuration
from indexer.errors import Fatal
from localnet import evm, ports, truth
from localnet.network import Localnet
from localnet.play import Player
from localnet.truth import Truth
from localnet.wallets import Cast

SMALL = Cast(7, bettors=6, creators=2, resolvers=1)


async def truths(net: Localnet) -> list[Truth]:
    async with aiohttp.ClientSession() as session:
        return [await truth.evm(net.evm, session), await truth.solana(net.solana, session)]


def verdicts(player: Player) -> Counter[tuple[str, bool]]:
    return Counter((s.kind, s.ok) for s in player.sent)


async def test_one_story_ends_the_same_on_both_chains(tmp_path: Path) -> None:
    async with Localnet(tmp_path, cast=SMALL, slot_ms=100) as net:
        players = await net.play(rate=20, actions=160, travels=True)
        told = await truths(net)
        async with aiohttp.ClientSession() as session:
            held = await truth.evm_held(net.evm, session)
            client = net.solana.client
            vaults = {str(client.vault(Pubkey.from_string(s.market))) for s in players[1].sent}
            apart = await truth.solana_held(net.solana, vaults, session)
        running = [node.process.pid for node in net.nodes]
    for player, chain in zip(players, told, strict=True):
        assert all(s.expected for s in player.sent), [s for s in player.sent if not s.expected]
        assert chain.transactions == {s.tx for s in player.sent if s.ok}
        assert chain.refused == sum(not s.ok for s in player.sent)
    assert verdicts(players[0]) == verdicts(players[1])
    assert Counter(e for e, _ in told[0].events) == Counter(e for e, _ in told[1].events)
    assert {"open", "place", "claim"} <= {s.kind for s in players[0].sent}
    assert held == sum(apart.values()) > 0
    assert not any(psutil.pid_exists(pid) for pid in running)


async def test_addresses_are_the_same_each_time_and_the_config_loads(tmp_path: Path) -> None:
    async with Localnet(tmp_path, cast=SMALL, chains=["anvil"]) as net:
        assert net.evm.bets == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
        assert net.evm.token == "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
        config = configuration.load(net.config)
        assert config.chains["anvil"].rpc == (net.evm.rpc,)
        assert [p.address for p in config.programs] == [net.evm.bets.lower()]
        state = json.loads((tmp_path / "localnet.json").read_text())
        assert state["tokens"] == {"anvil": {"USDC": net.evm.token}}
        again = await evm.deploy(net.evm.client.web3)
    assert (again.bets, again.token) == (net.evm.bets, net.evm.token)


def test_the_committed_configuration_is_that_of_the_default_ports() -> None:
    config = configuration.load(Path(__file__).parents[2] / "chainfold.toml")
    assert config.chains["anvil"].rpc == ("http://127.0.0.1:8545",)
    assert config.chains["solana"].rpc == ("http://127.0.0.1:8899",)
    assert [(p.chain, p.address) for p in config.programs] == [
        ("anvil", "0x5fbdb2315678afecb367f032d93f642f64180aa3"),
        ("solana", "BetsChainfo1d1111111111111111111111111111111"),
    ]


async def test_a_port_in_use_starts_nothing(tmp_path: Path) -> None:
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    first = ports.free(2)

    with socket.socket() as taken:
        taken.bind((ports.HOST, first + 1))
        taken.listen()
        with pytest.raises(Fatal, match=rf"port {first + 1} is in use; .*--solana-port"):
            async with Localnet(tmp_path, solana_port=first):
                pass
    assert {p.pid for p in psutil.Process().children(recursive=True)} == before


async def test_anvil_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localnet.anvil.ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fatal, match=r"anvil is not installed: run `npm install`"):
        async with Localnet(tmp_path, chains=["anvil"]):
            pass


@pytest.mark.parametrize("kind", ["test-validator", "surfpool"])
async def test_a_solana_node_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fatal, match=r"not on the PATH: install .*, or use --solana litesvm"):
        async with Localnet(tmp_path, chains=["solana"], solana=kind):  # type: ignore[arg-type]
            pass


async def test_a_node_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    async with Localnet(tmp_path, cast=SMALL, chains=["anvil"]) as net:
        net.nodes[0].process.kill()
        began = time.monotonic()
        with pytest.raises(Fatal, match=r"anvil ended: .*whole log: .*anvil\.log"):
            await net.watch()
    assert time.monotonic() - began < 10


@pytest.mark.skipif(
    shutil.which("solana-test-validator") is None,
    reason="solana-test-validator is not on the PATH; install Solana's tools to run this",
)
async def test_wallets_bet_on_a_real_validator(tmp_path: Path) -> None:
    async with Localnet(tmp_path, cast=SMALL, chains=["solana"], solana="test-validator") as net:
        (player,) = await net.play(rate=10, actions=40)
        async with aiohttp.ClientSession() as session:
            chain = await truth.solana(net.solana, session)
    assert chain.transactions == {s.tx for s in player.sent if s.ok}
    assert chain.events.total() >= 5
    assert {s.kind for s in player.sent} == {"open", "place"}
