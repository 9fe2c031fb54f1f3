"""`chainfold deploy` onto anvil: deployed and found again, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from support.deployment import command, deploy, put, refused
from web3 import Web3

from deploy import builds, evm
from indexer import config as configuration
from localnet import anvil, ports

ETHER = 10**18
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Anvil:
    """A node of which nobody has asked for a program yet."""

    url: str

    @property
    def web3(self) -> Web3:
        return Web3(Web3.HTTPProvider(self.url))

    def rpc(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]

    def wei(self, account: LocalAccount) -> int:
        return self.web3.eth.get_balance(account.address)

    def nonce(self, account: LocalAccount) -> int:
        return self.web3.eth.get_transaction_count(account.address)

    def account(self, wei: int = ETHER) -> LocalAccount:
        made = Account.create()
        self.rpc("anvil_setBalance", made.address, hex(wei))
        return made

    def contract(self, name: str, address: str) -> Any:
        return self.web3.eth.contract(
            address=Web3.to_checksum_address(address), abi=builds.contract(name).abi
        )


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    loop = asyncio.new_event_loop()
    log = tmp_path_factory.mktemp("anvil") / "anvil.log"
    running = loop.run_until_complete(anvil.start(log, block_time=None))
    try:
        yield Anvil(running.url)
    finally:
        loop.run_until_complete(running.process.stop())
        loop.close()


def config_of(folder: Path, url: str, chain_id: int = anvil.CHAIN_ID, more: str = "") -> Path:
    file = folder / "chainfold.toml"
    chain = f'[chains.mine]\nkind = "evm"\nchain_id = {chain_id}\nrpc = ["{url}"]\n'
    file.write_text(chain + more)
    return file


def program(name: str, build: str, address: str) -> str:
    interface = builds.INTERFACES / f"{build}.abi.json"
    return (
        f'[[programs]]\nname = "{name}"\nchain = "mine"\naddress = "{address}"\n'
        f'interface = "{interface}"\n'
    )


def store_of(folder: Path, account: LocalAccount) -> Path:
    """As `cast wallet` writes it, but quick to open."""
    held = Account.encrypt(account.key, PASSWORD, kdf="pbkdf2", iterations=2)
    return put(folder / f"{account.address}.json", json.dumps(held))


def options_of(folder: Path, account: LocalAccount) -> tuple[Any, ...]:
    password = put(folder / "password", PASSWORD + "\n")
    return "--chain", "mine", "--key", store_of(folder, account), "--password-file", password


def test_all_are_deployed_and_found_again(node: Anvil, tmp_path: Path) -> None:
    account = node.account()
    config, options = config_of(tmp_path, node.url), options_of(tmp_path, account)
    ran = deploy(config, *options, answer="y\n")
    assert ran.code == 0, ran
    assert [p["name"] for p in ran.programs] == list(evm.PROGRAMS)
    at = {p["name"]: p["address"] for p in ran.programs}
    for name in ("contracts", "payouts"):
        build = evm.PROGRAMS[name][0]
        assert node.contract(build, at[name]).functions.FEEDS().call() == at["feeds"]
    assert node.contract("Projects", at["projects"]).functions.PAYOUTS().call() == at["payouts"]
    (line,) = [x for x in ran.lines if x.startswith("  in all")]
    assert 0 < ETHER - node.wei(account) <= float(line.split()[2]) * ETHER

    config.write_text(config.read_text() + ran.out)
    for read, printed in zip(configuration.load(config).programs, ran.programs, strict=True):
        assert (read.name, read.start) == (printed["name"], printed["start"])
        assert node.web3.eth.get_code(Web3.to_checksum_address(read.address), read.start)
        assert not node.web3.eth.get_code(Web3.to_checksum_address(read.address), read.start - 1)

    nonce = node.nonce(account)
    again = deploy(config, *options)
    assert (again.code, again.out) == (0, ""), again
    there = [x.split()[0] for x in again.lines if x.endswith("nothing to do")]
    assert there == list(evm.PROGRAMS)
    assert node.nonce(account) == nonce


def test_one_by_one_with_what_the_configuration_has(node: Anvil, tmp_path: Path) -> None:
    account = node.account()
    config, options = config_of(tmp_path, node.url), options_of(tmp_path, account)
    line = refused(config, *options, "contracts")
    assert "contracts wants feeds, which is nowhere to be seen" in line
    assert "deploy feeds too, or name it by --with feeds=0x" in line
    ran = deploy(config, *options, "--yes", "feeds")
    feeds = ran.programs[0]["address"]
    config.write_text(config.read_text() + ran.out)
    ran = deploy(config, *options, "--yes", "contracts")
    made = node.contract("Contracts", ran.programs[0]["address"])
    assert made.functions.FEEDS().call() == feeds
    nobody = "0x" + "12" * 20
    line = refused(config_of(tmp_path, node.url), *options, "--with", f"feeds={nobody}", "payouts")
    assert f"payouts wants feeds, which has no code at {nobody}" in line


def test_the_registrys_first_admin_is_the_deployer_or_named(node: Anvil, tmp_path: Path) -> None:
    account, other = node.account(), Account.create().address
    config, options = config_of(tmp_path, node.url), options_of(tmp_path, account)
    for admin, more in ((account.address, ()), (other, ("--with", f"admin={other}"))):
        ran = deploy(config, *options, "--yes", *more, "registry")
        assert f"  registry's first admin: {admin}" in ran.lines
        events = node.contract("Registry", ran.programs[0]["address"]).events.RoleGranted
        (granted,) = events().get_logs(from_block=ran.programs[0]["start"])
        assert granted["args"]["account"] == admin


def test_other_code_at_the_configured_address_is_left_alone(node: Anvil, tmp_path: Path) -> None:
    account = node.account()
    options = options_of(tmp_path, account)
    ran = deploy(config_of(tmp_path, node.url), *options, "--yes", "bets", "feeds")
    bets, feeds = (p["address"] for p in ran.programs)
    swapped = config_of(tmp_path, node.url, more=program("bets", "Bets", feeds))
    line = refused(swapped, *options, "bets")
    assert f"chainfold.toml has bets at {feeds.lower()}, where other code is" in line
    # one byte is enough
    code = bytearray(node.web3.eth.get_code(bets))
    code[-1] ^= 1
    node.rpc("anvil_setCode", bets, "0x" + code.hex())
    changed = config_of(tmp_path, node.url, more=program("bets", "Bets", bets))
    assert "where other code is: take it out of there" in refused(changed, *options, "bets")


def test_another_chain_id_than_the_configurations(node: Anvil, tmp_path: Path) -> None:
    options = options_of(tmp_path, node.account())
    line = refused(config_of(tmp_path, node.url, chain_id=8453), *options)
    assert "serves chain id 31337, but chains.mine.chain_id is 8453: correct one of the two" in line


def test_too_little_in_the_account(node: Anvil, tmp_path: Path) -> None:
    account = node.account(wei=1_000)
    line = refused(config_of(tmp_path, node.url), *options_of(tmp_path, account), "bets")
    assert f"{account.address} has 0.000000000000001 ETH, and this may take 0.0" in line
    assert line.endswith(" ETH more")


def test_keys_that_are_wrong(node: Anvil, tmp_path: Path) -> None:
    account, config = node.account(), config_of(tmp_path, node.url)
    password = put(tmp_path / "password", "wrong")
    options = "--chain", "mine", "--password-file", password
    line = refused(config, *options, "--key", store_of(tmp_path, account))
    assert "the password doesn't open it" in line
    bare = put(tmp_path / "bare", account.key.to_0x_hex())
    line = refused(config, *options, "--key", bare)
    assert "no encrypted keystore: `cast wallet import" in line
    assert account.key.hex() not in line
    pair = put(tmp_path / "id.json", json.dumps([7] * 64))
    assert "no encrypted keystore" in refused(config, *options, "--key", pair)
    store = store_of(tmp_path, account)
    store.chmod(0o640)
    assert "may be read by others (mode 640)" in refused(config, *options, "--key", store)
    store.chmod(0o600)
    password.chmod(0o604)
    assert "may be read by others (mode 604)" in refused(config, *options, "--key", store)


def test_the_password_is_asked_for_where_no_file_has_it(node: Anvil, tmp_path: Path) -> None:
    account = node.account()
    options = ("--chain", "mine", "--key", store_of(tmp_path, account), "bets")
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        command(config_of(tmp_path, node.url), *options),
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        for question, answer in ((b"Password of", PASSWORD), (b"Deploy?", "y")):
            while question not in shown:
                shown += os.read(ours, 4_096)
            os.write(ours, answer.encode() + b"\n")
        out, _ = asked.communicate(timeout=60)
        assert asked.returncode == 0, shown
        assert b'name = "bets"' in out
        assert PASSWORD.encode() not in shown
    finally:
        asked.kill()
        os.close(ours)


def test_a_no_sends_nothing(node: Anvil, tmp_path: Path) -> None:
    account = node.account()
    config, options = config_of(tmp_path, node.url), options_of(tmp_path, account)
    for answer in ("n\n", ""):
        ran = deploy(config, *options, "bets", answer=answer)
        assert (ran.code, ran.out) == (1, ""), ran
        assert ran.lines[-1].endswith("nothing was sent: answer y, or give --yes, to deploy")
    assert node.nonce(account) == 0


def test_nothing_is_sent_behind_what_waits(node: Anvil, tmp_path: Path) -> None:
    """As after an interruption: what was sent then isn't sent again."""
    account = node.account()
    fields = {
        "type": 2, "chainId": anvil.CHAIN_ID, "nonce": 0, "to": account.address, "value": 0,
        "gas": 21_000, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 0,
    }  # fmt: skip
    node.rpc("evm_setAutomine", False)
    try:
        raw = account.sign_transaction(fields).raw_transaction.to_0x_hex()
        node.rpc("eth_sendRawTransaction", raw)
        line = refused(config_of(tmp_path, node.url), *options_of(tmp_path, account), "bets")
    finally:
        node.rpc("evm_setAutomine", True)
        node.rpc("evm_mine")
    assert f"1 transactions of {account.address} are in no block yet, from nonce 0 on" in line


def test_a_node_that_is_away_and_what_is_misspelt(node: Anvil, tmp_path: Path) -> None:
    options = options_of(tmp_path, node.account())
    away = config_of(tmp_path, f"http://127.0.0.1:{ports.free()}")
    assert "no node of 'mine' answers" in refused(away, *options)
    config = config_of(tmp_path, node.url)
    assert "no program 'bet' for evm: there are bets" in refused(config, *options, "bet")
    line = refused(config, *options, "--builds", tmp_path)
    assert "--builds is for a chain of kind 'solana': leave it out" in line
    ran = deploy(config, *options, "--with", "feeds=0x12", "bets")
    assert ran.code == 2
    assert "'feeds=0x12' is not admin=, feeds= or payouts=0x…" in ran.lines[-1]


def test_an_address_follows_from_the_account_and_its_nonce() -> None:
    """The yellow paper's sha3(rlp(sender, nonce)), also where the nonce has several bytes."""
    sender = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"
    assert evm.create_address(sender, 0) == "0xcd234A471b72ba2F1Ccf0A70FCABA648a5eeCD8d"
    assert evm.create_address(sender, 1) == "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8"
    assert evm.create_address(sender, 128) != evm.create_address(sender, 127)
