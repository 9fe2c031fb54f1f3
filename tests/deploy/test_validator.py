"""`chainfold deploy` on a real validator (Agave), where one is installed."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from support.between import between
from support.deployment import (
    Node,
    built_for,
    command,
    config_of,
    deploy,
    key_file,
    put_build,
    refused,
    solana_node,
)

from deploy import loader, solana
from indexer import config as configuration
from localnet import solananode, svm
from localnet.calls.registry import SolanaRegistry
from localnet.wallets import Cast

pytestmark = pytest.mark.skipif(
    shutil.which("solana-test-validator") is None,
    reason="needs solana-test-validator on PATH (docs.anza.xyz/cli/install)",
)
CAST = Cast(7, bettors=1, creators=1, resolvers=1)


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    yield from solana_node("test-validator", tmp_path_factory.mktemp("validator"))


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    limit = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.1)
    return got


def cost_of(lines: list[str]) -> int:
    """Lamports that the command said all of it takes."""
    (line,) = [line for line in lines if line.startswith("  in all")]
    return round(float(line.split()[2]) * svm.SOL)


def test_a_program_is_deployed_and_obeys_who_deployed_it(
    validator: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-1: only the upgrade authority, which is --key, initializes the registry."""
    # localnet's own wallet calls `initialize`
    pair, out = built_for(tmp_path / "out", "registry"), tmp_path / "out"
    client = svm.SolanaWallets(svm.connect(validator.url), "mine", CAST)
    validator.run(client.fund())
    payer = svm.bank()
    options = (
        "--chain", "mine", "--key", key_file(tmp_path, payer), "--builds", out, "--program-key",
        key_file(tmp_path, pair), "registry",
    )  # fmt: skip
    config = config_of(tmp_path, validator.url)
    before = validator.lamports(payer.pubkey())
    ran = deploy(config, *options, "--yes")
    assert ran.code == 0, ran
    assert before - validator.lamports(payer.pubkey()) == cost_of(ran.lines)

    (program,) = ran.programs
    assert program["address"] == str(pair.pubkey())
    assert (program["name"], program["chain"]) == ("registry", "mine")
    config.write_text(config.read_text() + ran.out)
    (read,) = configuration.load(config).programs
    assert read.start == program["start"] > 0
    block = validator.rpc(
        "getBlock", read.start,
        {"commitment": "confirmed", "transactionDetails": "accounts", "rewards": False,
         "maxSupportedTransactionVersion": 0},
    )  # fmt: skip
    named = {
        key["pubkey"] for t in block["transactions"] for key in t["transaction"]["accountKeys"]
    }
    assert program["address"] in named

    monkeypatch.setattr(svm, "program_id", lambda idl: pair.pubkey())
    registry = SolanaRegistry(client)
    validator.run(registry.initialize("creator-0"))
    how = {"commitment": "confirmed", "encoding": "base64"}
    found = validator.rpc("getAccountInfo", str(registry.global_scope), how)
    assert found["value"]["owner"] == str(pair.pubkey())
    validator.run(client.close())

    again = deploy(config, *options)
    assert (again.code, again.out) == (0, ""), again
    assert again.lines[-1].endswith("the same code is there: nothing to do")


def buffer_of(node: Node, payer: Pubkey) -> tuple[str, bytes] | None:
    """The buffer that the payer has begun, and what it holds."""
    how = {
        "commitment": "confirmed", "encoding": "base64",
        "filters": [{"memcmp": {"offset": 5, "bytes": str(payer)}}],
    }  # fmt: skip
    found = node.rpc("getProgramAccounts", str(loader.LOADER), how)
    for account in found:
        held = loader.read_buffer(base64.b64decode(account["account"]["data"][0]))
        if held is not None:
            return account["pubkey"], held.code
    return None


def test_a_half_written_buffer_is_gone_on_with(validator: Node, tmp_path: Path) -> None:
    """Killed in the middle: what is written is not written again, nor paid for again."""
    payer, out = validator.wallet(2), tmp_path / "out"
    pair = built_for(out, "feeds")
    options = (
        "--chain", "mine", "--key", key_file(tmp_path, payer), "--builds", out, "--program-key",
        key_file(tmp_path, pair), "--yes", "feeds",
    )  # fmt: skip
    with between(validator.url, most=1 + 7) as line:
        first = subprocess.Popen(
            command(config_of(tmp_path, line.url), *options), stderr=subprocess.DEVNULL
        )
        assert line.dead.wait(120)
        first.send_signal(signal.SIGKILL)
        first.wait(30)

    def seven() -> Any:
        found = buffer_of(validator, payer.pubkey())
        parts = found and [found[1][i : i + 1012] for i in range(0, len(found[1]), 1012)]
        return found if parts and sum(any(p) for p in parts) == 7 else None

    address, _ = until(seven)
    spent = 2 * svm.SOL - validator.lamports(payer.pubkey())

    config = config_of(tmp_path, validator.url)
    ran = deploy(config, *options)
    assert ran.code == 0, ran
    assert f"feeds: goes on after 7 of 16 parts, in buffer {address}" in ran.lines
    assert any("9 of 16 parts to write" in x for x in ran.lines)
    assert 2 * svm.SOL - validator.lamports(payer.pubkey()) == spent + cost_of(ran.lines)
    assert buffer_of(validator, payer.pubkey()) is None
    signatures = validator.rpc("getSignaturesForAddress", address, {"commitment": "confirmed"})
    # its creation, each part once, and the deployment
    assert len(signatures) == 1 + 16 + 1
    assert [s["err"] for s in signatures] == [None] * 18
    assert deploy(config, *options).lines[-1].endswith("nothing to do")


def test_lamports_at_the_programs_address_hinder_nothing(validator: Node, tmp_path: Path) -> None:
    payer, out = validator.wallet(2), tmp_path / "out"
    pair = built_for(out, "feeds")

    validator.give(pair.pubkey(), 1_000_000)
    ran = deploy(
        config_of(tmp_path, validator.url), "--chain", "mine", "--key", key_file(tmp_path, payer),
        "--builds", out, "--program-key", key_file(tmp_path, pair), "--yes", "feeds",
    )  # fmt: skip
    assert ran.code == 0, ran
    assert 2 * svm.SOL - validator.lamports(payer.pubkey()) == cost_of(ran.lines)
    assert len(ran.programs) == 1


def test_what_the_loader_refuses_is_one_line(validator: Node, tmp_path: Path) -> None:
    """A file that is no program: the node's own words, and nothing of the program's account."""
    payer, out = validator.wallet(2), tmp_path / "out"
    pair = built_for(out, "feeds")
    record = json.loads((out / "feeds.build.json").read_text())
    put_build(out, "feeds", b"\x7fELF" + bytes(2_000), "sbf-ld", record["constants"])
    options = (
        "--chain", "mine", "--key", key_file(tmp_path, payer), "--builds", out, "--program-key",
        key_file(tmp_path, pair), "--yes", "feeds",
    )  # fmt: skip
    ran = deploy(config_of(tmp_path, validator.url), *options)
    assert (ran.code, ran.out) == (1, ""), ran
    assert ran.lines[-1].startswith("chainfold: mine: refused: ")
    assert sum(line.startswith("chainfold: ") for line in ran.lines) == 1


def test_too_little_says_how_much_is_lacking(validator: Node, tmp_path: Path) -> None:
    """Exactly that much more, and it is deployed."""
    out = tmp_path / "out"
    pair, payer = built_for(out, "feeds"), Keypair()
    options = (
        "--chain", "mine", "--key", key_file(tmp_path, payer), "--builds", out, "--program-key",
        key_file(tmp_path, pair), "--yes", "feeds",
    )  # fmt: skip
    config = config_of(tmp_path, validator.url)
    words = refused(config, *options).split()
    lacking = round(float(words[words.index("it") + 1]) * svm.SOL)
    validator.give(payer.pubkey(), lacking)
    ran = deploy(config, *options)
    assert ran.code == 0, ran
    # what an account that holds nothing must keep
    assert validator.lamports(payer.pubkey()) == 890_880


def test_a_cluster_that_takes_newer_code_only_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIMD-0500: a validator as it starts by itself."""
    monkeypatch.setattr(solananode, "OLD_CODE_ENDS", str(Pubkey.new_unique()))
    for node in solana_node("test-validator", tmp_path / "node"):
        payer, out = node.wallet(2), tmp_path / "out"
        pair = built_for(out, "feeds")
        ran = deploy(
            config_of(tmp_path, node.url), "--chain", "mine", "--key", key_file(tmp_path, payer),
            "--builds", out, "--program-key", key_file(tmp_path, pair), "--yes", "feeds",
        )  # fmt: skip
        assert (ran.code, ran.out) == (1, ""), ran
        assert "takes no code of this SBPF version any more (SIMD-0500)" in ran.lines[-1]
        assert f"--deactivate-feature {solana.OLD_CODE_ENDS}" in ran.lines[-1]
        found = buffer_of(node, payer.pubkey())
        assert found is not None
        assert ran.lines[-1].endswith(f"comes back by `solana program close {found[0]}`")
