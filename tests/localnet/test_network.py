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
from support import held

from deploy.evm import create_address
from indexer import config as configuration
from indexer.errors import Fatal
from localnet import evm, network, ports, truth, wallets
from localnet.network import Localnet
from localnet.play import Player
from localnet.truth import Truth
from localnet.wallets import Cast

MONEY = ("bets", "contracts", "payouts")
SMALL = Cast(7, bettors=6, creators=2, resolvers=1)


async def truths(net: Localnet) -> list[Truth]:
    async with aiohttp.ClientSession() as session:
        return [await truth.evm(net.evm, session), await truth.solana(net.solana, session)]


def verdicts(player: Player) -> Counter[tuple[str, str, bool]]:
    """Of what is played on both chains."""
    return Counter(
        (s.program, s.kind, s.ok) for s in player.sent if s.program not in ("exchange", "records")
    )


def told(chain: Truth) -> Counter[str]:
    """How many transactions have each event, of those that both chains have."""
    alone = "exchange_", "registry_record", "registry_playlist"
    return Counter(event for event, _ in chain.events if not event.startswith(alone))


def entities(player: Player, program: str) -> set[str]:
    return {s.entity for s in player.sent if s.program == program}


async def test_one_story_ends_the_same_on_both_chains(tmp_path: Path) -> None:
    async with Localnet(tmp_path, cast=SMALL, slot_ms=100) as net:
        players = await net.play(rate=20, actions=240, travels=True)
        chains = await truths(net)
        async with aiohttp.ClientSession() as session:
            on_evm = [await held.evm(net.evm, name, session) for name in MONEY]
            on_solana = [
                await held.solana(net.solana, name, entities(players[1], name), session)
                for name in MONEY
            ]
        running = [node.process.pid for node in net.nodes]
    for player, chain in zip(players, chains, strict=True):
        assert all(s.expected for s in player.sent), [s for s in player.sent if not s.expected]
        assert chain.transactions == {s.tx for s in player.sent if s.ok}
        assert chain.refused == sum(not s.ok for s in player.sent)
    assert verdicts(players[0]) == verdicts(players[1])
    assert told(chains[0]) == told(chains[1])
    assert {"place", "settle", "claim", "create", "attest"} <= {s.kind for s in players[0].sent}
    assert "exchange_trade_executed" in {event for event, _ in chains[0].events}
    assert "registry_record_created" in {event for event, _ in chains[1].events}
    assert min(on_evm) > 0
    assert min(on_solana) > 0
    # what an agreement by the feed costs is for the observation that came first on the chain
    assert [on_evm[0], on_evm[2]] == [on_solana[0], on_solana[2]]
    assert not any(psutil.pid_exists(pid) for pid in running)


async def test_addresses_are_the_same_each_time_and_the_config_loads(tmp_path: Path) -> None:
    async with Localnet(tmp_path, cast=SMALL, chains=["anvil"]) as net:
        assert net.evm.bets == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
        assert net.evm.token == "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
        config = configuration.load(net.config)
        assert config.chains["anvil"].rpc == (net.evm.rpc,)
        assert [p.address for p in config.programs] == [
            *(p.address.lower() for p in net.evm.programs),
            "projects.ProjectCreated.payouts",
        ]
        state = json.loads((tmp_path / "localnet.json").read_text())
        assert state["tokens"] == {
            "anvil": {"USDC": net.evm.token, "goods": "0x2279B7A0a67DB372996a5FaB50D91eAA73d2eBe6"}
        }
        again = await evm.deploy(net.evm.client.web3, net.cast.evm("creator-0").address)
    assert (again.bets, again.token) == (net.evm.bets, net.evm.token)
    assert [again.registry, again.exchange] == [p.address for p in net.evm.programs[-2:]]


def test_the_committed_configuration_is_that_of_the_default_ports() -> None:
    config = configuration.load(Path(__file__).parents[2] / "chainfold.toml")
    assert config.chains["anvil"].rpc == ("http://127.0.0.1:8545",)
    assert config.chains["solana"].rpc == ("http://127.0.0.1:8899",)
    addresses = [create_address(wallets.deployer().address, nonce) for nonce in range(9)]
    there = [
        *(("anvil", p) for p in network.evm_programs(evm.Deployed(*addresses))),
        *(("solana", p) for p in network.solana_programs()),
    ]
    named = {(p.chain, p.name, p.address, p.interface) for p in config.programs if not p.factory}
    assert named == {
        (chain, p.program, p.address.lower() if chain == "anvil" else p.address, p.interface)
        for chain, p in there
    }
    (children,) = [p for p in config.programs if p.factory]
    assert (children.name, children.address) == ("payouts", "projects.ProjectCreated.payouts")


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
        (player,) = await net.play(rate=10, actions=120)
        async with aiohttp.ClientSession() as session:
            chain = await truth.solana(net.solana, session)
    assert chain.transactions == {s.tx for s in player.sent if s.ok}
    assert chain.events.total() >= 5
    assert {s.kind for s in player.sent if s.program == "bets"} == {"open", "place"}
