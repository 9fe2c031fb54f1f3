"""`chainfold deploy` onto Solana clusters: what is refused, and what there is nothing to do for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account import Account
from solders.keypair import Keypair
from support.between import between
from support.deployment import (
    ARTIFACTS,
    Node,
    built_for,
    config_of,
    deploy,
    key_file,
    put,
    put_build,
    refused,
)

from deploy import cluster, solana
from localnet import ports

MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
PLATFORM = "cargo build-sbf (solana-cargo-build-sbf 2.1.0)"
Refused = Callable[..., str]


@pytest.fixture
def poor(tmp_path: Path) -> Path:
    """The key of an account that has nothing."""
    return key_file(tmp_path, Keypair())


def test_what_is_there_needs_nothing(local: Node, tmp_path: Path, poor: Path) -> None:
    ran = deploy(
        config_of(tmp_path, local.url), "--chain", "mine", "--key", poor, "--builds", ARTIFACTS
    )
    assert (ran.code, ran.out) == (0, ""), ran
    there = [x.split()[0] for x in ran.lines if x.endswith("the same code is there: nothing to do")]
    assert there == list(solana.PROGRAMS)


def test_other_code_at_the_address_is_left_alone(local: Node, tmp_path: Path, poor: Path) -> None:
    elf = bytearray((ARTIFACTS / "bets.so").read_bytes())
    elf[-1] ^= 1
    record = json.loads((ARTIFACTS / "bets.build.json").read_text())
    put_build(tmp_path / "out", "bets", bytes(elf), "sbf-ld", record["constants"])
    config = config_of(tmp_path, local.url)
    options = ("--chain", "mine", "--key", poor, "--builds", tmp_path / "out", "bets")
    line = refused(config, *options)
    assert "bets is deployed at BetsChainfo1d1111111111111111111111111111111 already" in line
    assert "with other code: build for another id (CHAINFOLD_BETS_ID)" in line
    assert "upgrade it by `solana program deploy`" in line


def test_an_id_without_its_key(local: Node, tmp_path: Path, poor: Path) -> None:
    pair = built_for(tmp_path / "out", "bets")
    config = config_of(tmp_path, local.url)
    options = ("--chain", "mine", "--key", poor, "--builds", tmp_path / "out", "bets")
    line = refused(config, *options)
    assert f"no --program-key is for bets's id {pair.pubkey()}: name that key's file" in line
    other = key_file(tmp_path, Keypair())
    line = refused(config, *options, "--program-key", other)
    assert "which none of bets is built for" in line


def test_too_little_in_the_account(local: Node, tmp_path: Path, poor: Path) -> None:
    pair = built_for(tmp_path / "out", "bets")
    config = config_of(tmp_path, local.url)
    line = refused(
        config, "--chain", "mine", "--key", poor, "--builds", tmp_path / "out", "bets",
        "--program-key", key_file(tmp_path, pair),
    )  # fmt: skip
    assert f"{poor.stem} has 0 SOL, and this takes 0.35" in line
    assert line.endswith(" SOL more")


def test_a_no_sends_nothing(local: Node, tmp_path: Path) -> None:
    payer, pair = local.wallet(2), built_for(tmp_path / "out", "feeds")
    before = local.lamports(payer.pubkey())
    options = (
        config_of(tmp_path, local.url), "--chain", "mine", "--key", key_file(tmp_path, payer),
        "--builds", tmp_path / "out", "feeds", "--program-key", key_file(tmp_path, pair),
    )  # fmt: skip
    for answer in ("n\n", ""):
        ran = deploy(*options, answer=answer)
        assert (ran.code, ran.out) == (1, ""), ran
        assert ran.lines[-1].endswith("nothing was sent: answer y, or give --yes, to deploy")
        assert any("16,168 bytes by sbf-ld, 16 of 16 parts to write; 0.11" in x for x in ran.lines)
    assert local.lamports(payer.pubkey()) == before


def test_a_key_of_another_kind(local: Node, tmp_path: Path) -> None:
    config = config_of(tmp_path, local.url)
    store = json.dumps(Account.encrypt("0x" + "11" * 32, "x", kdf="pbkdf2", iterations=2))
    for text in (store, "0x" + "11" * 32):
        line = refused(config, "--chain", "mine", "--key", put(tmp_path / "key", text))
        assert "no key pair as `solana-keygen new` writes it" in line
    pair = Keypair()
    open_file = put(tmp_path / "open", json.dumps(list(bytes(pair))), 0o644)
    line = refused(config, "--chain", "mine", "--key", open_file)
    assert "may be read by others (mode 644)" in line
    assert "correct --key" in refused(config, "--chain", "mine", "--key", tmp_path / "none")


def test_another_genesis_hash_than_the_configurations(
    local: Node, tmp_path: Path, poor: Path
) -> None:
    config = config_of(tmp_path, local.url, genesis_hash=MAINNET)
    line = refused(config, "--chain", "mine", "--key", poor)
    assert f"serves the chain of genesis hash {cluster.LOCALNET}, not {MAINNET}" in line
    assert "correct chains.mine.genesis_hash or its rpc" in line


def test_a_node_that_is_away(tmp_path: Path, poor: Path) -> None:
    config = config_of(tmp_path, f"http://127.0.0.1:{ports.free()}")
    line = refused(config, "--chain", "mine", "--key", poor)
    assert "no node of 'mine' answers" in line
    assert "correct chains.mine.rpc" in line


def test_what_is_misspelt(tmp_path: Path, poor: Path) -> None:
    config = config_of(tmp_path, "http://127.0.0.1:1")
    assert "no chain 'moon' in chainfold.toml: it has mine" in refused(
        config, "--chain", "moon", "--key", poor
    )
    line = refused(config, "--chain", "mine", "--key", poor, "exchange")
    assert "no program 'exchange' for solana: there are bets, feeds" in line
    line = refused(config, "--chain", "mine", "--key", poor, "--password-file", poor)
    assert "--password-file is for a chain of kind 'evm': leave it out" in line


def test_our_linkers_builds_stay_on_local_clusters(local: Node, tmp_path: Path, poor: Path) -> None:
    """A tunnel to mainnet ends on the loopback too."""
    with between(local.url, answers={"getGenesisHash": MAINNET}) as tunnel:
        config = config_of(tmp_path, tunnel.url)
        options = ("--chain", "mine", "--key", poor)
        line = refused(config, *options, "--builds", ARTIFACTS, "bets")
        assert "mine is no local cluster (mainnet-beta), and " in line
        assert "comes from sbf-ld: install Solana's tools" in line
        assert "deploy what `cargo build-sbf` made" in line
        # with the proof it goes on, up to what it costs
        pair = built_for(tmp_path / "sbf", "bets", PLATFORM)
        mine = ("--builds", tmp_path / "sbf", "--program-key", key_file(tmp_path, pair))
        assert "has 0 SOL, and this takes" in refused(config, *options, *mine, "bets")


def test_payouts_go_to_the_cluster_that_they_are_built_for(
    local: Node, tmp_path: Path, poor: Path
) -> None:
    """P-11: leaves and vouchers are for one cluster, which its genesis hash names."""
    with between(local.url, answers={"getGenesisHash": MAINNET}) as tunnel:
        config = config_of(tmp_path, tunnel.url)
        out = tmp_path / "out"
        pair = built_for(out, "payouts", PLATFORM)
        options = (
            "--chain", "mine", "--key", poor, "--builds", out, "payouts", "--program-key",
            key_file(tmp_path, pair),
        )  # fmt: skip
        line = refused(config, *options)
        assert "payouts is built for Loca1netChainfo1d11111111111111111111111111" in line
        assert f"build it with CHAINFOLD_CLUSTER={MAINNET}" in line
        record = json.loads((out / "payouts.build.json").read_text())
        constants = record["constants"] | {"CHAINFOLD_CLUSTER": MAINNET}
        put_build(out, "payouts", (out / "payouts.so").read_bytes(), PLATFORM, constants)
        assert "has 0 SOL, and this takes" in refused(config, *options)


def test_builds_that_disagree_about_an_address(local: Node, tmp_path: Path, poor: Path) -> None:
    out = tmp_path / "out"
    feeds = built_for(out, "feeds")
    built_for(out, "contracts")
    options = ("--chain", "mine", "--key", poor, "--builds", out, "contracts", "feeds")
    line = refused(config_of(tmp_path, local.url), *options)
    assert "contracts is built for feeds at FeedsChainfo1d111111111111111111111111111111" in line
    assert f"build both with CHAINFOLD_FEEDS_ID={feeds.pubkey()}" in line


def test_our_own_node_is_deployed_to(local: Node, tmp_path: Path) -> None:
    """Several at once, which read one another; and found again."""
    payer, out = local.wallet(3), tmp_path / "out"
    pairs = [built_for(out, name) for name in ("bets", "feeds")]
    options = (
        config_of(tmp_path, local.url), "--chain", "mine", "--key", key_file(tmp_path, payer),
        "--builds", out, "bets", "feeds", "--yes",
        *(word for pair in pairs for word in ("--program-key", key_file(tmp_path, pair))),
    )  # fmt: skip
    ran = deploy(*options)
    assert ran.code == 0, ran
    assert [p["name"] for p in ran.programs] == ["bets", "feeds"]
    assert [p["address"] for p in ran.programs] == [str(pair.pubkey()) for pair in pairs]
    for pair in pairs:
        found = local.rpc("getAccountInfo", str(pair.pubkey()), {"encoding": "base64"})
        assert found["value"]["executable"]
    again = deploy(*options)
    assert (again.code, again.out) == (0, ""), again
    assert [x.endswith("nothing to do") for x in again.lines[1:]] == [True, True]
