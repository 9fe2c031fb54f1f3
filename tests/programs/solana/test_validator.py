"""The committed programs on a real validator, where solana-test-validator is on PATH."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import based58
import pytest
from onsvm.bets import RESOLVED, Bets
from onsvm.chain import ARTIFACTS, PROGRAMS, START, TOKEN, Chain, Receipt, compute_units, wallet
from onsvm.interface import Interface
from onsvm.payouts import EXPIRED, Leaf, Payouts
from onsvm.registry import ADMIN, Registry
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.system_program import CreateAccountParams, create_account
from solders.token.associated import get_associated_token_address
from solders.transaction import VersionedTransaction

BINARY = shutil.which("solana-test-validator")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")

pytestmark = pytest.mark.skipif(BINARY is None, reason="solana-test-validator is not on PATH")


def wait_for(what: str, condition: Any, seconds: float = 60) -> Any:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise TimeoutError(what)


class Validator(Chain):
    """A chain like LiteSVM's, behind JSON-RPC."""

    def __init__(self, url: str):
        self.url = url
        self.interfaces = {name: Interface(name) for name in PROGRAMS}
        self.payer = wallet("fees")
        self.tokens = {}
        self.fund("fees")

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.url, body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        assert "error" not in answer, answer
        return answer["result"]

    @property
    def now(self) -> int:
        data = self.data(Pubkey.from_string("SysvarC1ock11111111111111111111111111111111"))
        assert data is not None
        return int.from_bytes(data[32:40], "little")

    def lamports(self, address: Pubkey) -> int:
        return self.rpc("getBalance", str(address), {"commitment": "confirmed"})["value"]

    def data(self, address: Pubkey) -> bytes | None:
        options = {"encoding": "base64", "commitment": "confirmed"}
        value = self.rpc("getAccountInfo", str(address), options)["value"]
        return base64.b64decode(value["data"][0]) if value else None

    def fund(self, name: str) -> Keypair:
        key = wallet(name)
        if not self.lamports(key.pubkey()):
            self.rpc("requestAirdrop", str(key.pubkey()), 10**11)
            wait_for("airdrop", lambda: self.lamports(key.pubkey()))
        return key

    def token(self, symbol: str, decimals: int = 6) -> Pubkey:
        key = wallet(f"token {symbol}")
        if symbol not in self.tokens:
            rent = self.rpc("getMinimumBalanceForRentExemption", 82)
            create = create_account(
                CreateAccountParams(
                    from_pubkey=self.payer.pubkey(),
                    to_pubkey=key.pubkey(),
                    lamports=rent,
                    space=82,
                    owner=TOKEN,
                )
            )
            authority = bytes(wallet("mint").pubkey())
            data = bytes([20, decimals]) + authority + b"\0"
            metas = [AccountMeta(key.pubkey(), False, True)]
            self.send(create, Instruction(TOKEN, data, metas), signers=[key])
            self.tokens[symbol] = key.pubkey()
        return key.pubkey()

    def token_account(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        address = get_associated_token_address(owner, mint)
        if self.data(address) is None:
            metas = [
                AccountMeta(self.payer.pubkey(), True, True),
                AccountMeta(address, False, True),
                *(AccountMeta(key, False, False) for key in (owner, mint, SYSTEM, TOKEN)),
            ]
            self.send(Instruction(ASSOCIATED, b"\1", metas))
        return address

    def mint(self, owner: Pubkey, mint: Pubkey, amount: int) -> Pubkey:
        account = self.token_account(owner, mint)
        authority = self.fund("mint")
        metas = [
            AccountMeta(mint, False, True),
            AccountMeta(account, False, True),
            AccountMeta(authority.pubkey(), True, False),
        ]
        data = b"\7" + amount.to_bytes(8, "little")
        self.send(Instruction(TOKEN, data, metas), signers=[authority])
        return account

    def send(
        self,
        *instructions: Instruction,
        signers: Sequence[Keypair] = (),
        table: Sequence[Pubkey] = (),
    ) -> Receipt:
        assert not table
        needed = {m.pubkey for i in instructions for m in i.accounts if m.is_signer}
        keys = {k.pubkey(): k for k in [self.payer, *signers] if k.pubkey() in needed}
        keys = {self.payer.pubkey(): self.payer} | keys
        commitment = {"commitment": "confirmed"}
        latest = self.rpc("getLatestBlockhash", commitment)["value"]["blockhash"]
        message = MessageV0.try_compile(
            self.payer.pubkey(), list(instructions), [], Hash.from_string(latest)
        )
        raw = bytes(VersionedTransaction(message, list(keys.values())))
        encoded = base64.b64encode(raw).decode()
        options = {"encoding": "base64", "preflightCommitment": "confirmed"}
        signature = self.rpc("sendTransaction", encoded, options)
        again = options | {"skipPreflight": True}
        wanted = commitment | {"encoding": "json", "maxSupportedTransactionVersion": 0}

        def landed() -> Any:
            found = self.rpc("getTransaction", signature, wanted)
            if found is None:  # a busy node drops transactions
                self.rpc("sendTransaction", encoded, again)
            return found

        found = wait_for("transaction", landed)
        meta = found["meta"]
        assert meta["err"] is None, meta
        keys_used = [
            Pubkey.from_string(key) for key in found["transaction"]["message"]["accountKeys"]
        ]
        events = [
            event
            for group in meta["innerInstructions"]
            for inner in group["instructions"]
            for interface in self.interfaces.values()
            if interface.address == keys_used[inner["programIdIndex"]]
            and (event := interface.event(based58.b58decode(inner["data"].encode())))
        ]
        return Receipt(events, meta["logMessages"], *compute_units(meta["logMessages"]))


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validator]:
    ledger = tmp_path_factory.mktemp("ledger")
    port, faucet, gossip = free_ports(3)
    dynamic = 20_000 + os.getpid() % 300 * 100
    command = [
        str(BINARY), "--reset", "--quiet", "--ledger", str(ledger),
        "--bind-address", "127.0.0.1", "--rpc-port", str(port), "--faucet-port", str(faucet),
        "--gossip-port", str(gossip), "--dynamic-port-range", f"{dynamic}-{dynamic + 60}",
    ]  # fmt: skip
    for name in PROGRAMS:
        program = Path(ARTIFACTS / f"{name}.so")
        authority = str(wallet("deployer").pubkey())
        address = str(Interface(name).address)
        command += ["--upgradeable-program", address, str(program), authority]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, "solana-test-validator ended"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as response:
                return response.read() == b"ok"
        except OSError:
            return False

    try:
        wait_for("validator", answers)
        yield Validator(url)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # on a busy machine it may spin for ever
            process.kill()
            process.wait()


def test_bets(validator: Validator) -> None:
    """A market from its opening to its end; own compute units are those in LiteSVM."""
    bets = Bets(validator)
    for name in ("opener", "alice", "bob", "resolver"):
        validator.fund(name)
    validator.token("usd")
    market = bets.next_market("opener")
    costs: dict[str, Receipt] = {}
    costs["open"] = bets.send(bets.open(close_at=15, resolve_by=3600))
    costs["place, new position"] = bets.placed("alice", market, 0, 600)
    costs["place"] = bets.placed("alice", market, 0, 1)
    bets.placed("bob", market, 1, 400)
    close_at = bets.read(market)["close_at"]
    wait_for("the close", lambda: validator.now >= close_at)
    costs["resolve"] = bets.send(bets.resolve("resolver", market, 0))
    assert bets.read(market)["status"] == RESOLVED
    costs["claim"] = bets.send(bets.claim("bob", market, "alice", 0))
    costs["collect_fee"] = bets.send(bets.collect_fee("bob", market))
    assert (
        validator.balance(validator.token_account(wallet("alice").pubkey(), validator.token("usd")))
        == 981
    )
    costs["close_position"] = bets.send(bets.close_position("bob", market, "alice", 0))
    bets.send(bets.close_position("bob", market, "bob", 1))
    costs["close"] = bets.send(bets.close("bob", market))
    assert validator.data(market) is None
    for name, receipt in costs.items():
        print(f"bets {name}: {receipt.cost} in all, {receipt.own} own")
        assert len(receipt.events) == 1
    # the events' sequence has no hole
    assert costs["close"].events[0].fields["seq"] == 10


def test_payouts(validator: Validator) -> None:
    """P-11, P-14, P-15: proofs and signatures are hashed and verified by the real runtime."""
    payouts = Payouts(validator)
    for name in ("opener", "operator", "fiona", "bob"):
        validator.fund(name)
    usd = validator.token("usd")
    validator.mint(wallet("fiona").pubkey(), usd, 2000)
    accounts = {n: validator.token_account(wallet(n).pubkey(), usd) for n in ("alice", "dave")}
    before = {name: validator.balance(account) for name, account in accounts.items()}
    now = validator.now - START
    times = {"publish_by": now + 60, "challenge_delay": 0, "expires_at": now + 691_200}
    pool = payouts.opened(**times)
    payouts.send(payouts.fund("fiona", pool, 1000))
    leaves: list[Leaf] = [(index, "alice", 100) for index in range(7)]
    tree = payouts.tree(pool, leaves)
    payouts.send(payouts.publish("operator", pool, tree.root, 700, 7))
    costs = {"claim, new page": payouts.send(payouts.claim("bob", pool, leaves[0], tree.proof(0)))}
    costs["claim"] = payouts.send(payouts.claim("bob", pool, leaves[1], tree.proof(1)))
    with pytest.raises(AssertionError, match="6048"):  # AlreadyClaimed
        payouts.send(payouts.claim("bob", pool, leaves[1], tree.proof(1)))
    with pytest.raises(AssertionError, match="6049"):  # InvalidProof
        payouts.send(payouts.claim("bob", pool, leaves[2], tree.proof(1)))
    costs["allocate"] = payouts.send(payouts.allocate("bob", pool, leaves[2], tree.proof(2)))
    payouts.send(payouts.set_vendor("operator", pool, "dave"))
    until = now + 3600
    signature = payouts.signature("alice", pool, "dave", 30, 0, until)
    redeem = payouts.redeem("bob", pool, "alice", "dave", 30, until)
    payouts.send(signature, redeem)
    with pytest.raises(AssertionError, match="6053"):  # InvalidSignature: its nonce is used
        payouts.send(signature, redeem)
    for name, amount in (("alice", 200), ("dave", 30)):
        assert validator.balance(accounts[name]) == before[name] + amount

    unpublished = payouts.opened(**times | {"publish_by": validator.now - START + 5})
    payouts.send(payouts.fund("fiona", unpublished, 1000))
    publish_by = payouts.read(unpublished)["publish_by"]
    wait_for("the end", lambda: validator.now > publish_by)
    costs["refund"] = payouts.send(payouts.refund("bob", unpublished, "fiona"))
    assert payouts.read(unpublished)["status"] == EXPIRED
    assert validator.balance(validator.token_account(wallet("fiona").pubkey(), usd)) == 1000
    payouts.send(payouts.close(unpublished))
    assert validator.data(unpublished) is None
    for name, receipt in costs.items():
        print(f"payouts {name}: {receipt.cost} in all, {receipt.own} own")


def test_registry(validator: Validator) -> None:
    """R-1: the real loader's account names who initializes."""
    registry = Registry(validator)
    with pytest.raises(AssertionError, match="'Custom': 6027"):  # NotUpgradeAuthority
        registry.do("initialize", "mallory", admin="mallory")
    receipt = registry.do("initialize", "deployer", admin="root")
    assert [event.name for event in receipt.events] == ["ScopeOpened", "RoleGranted"]
    assert registry.holds(registry.global_scope, "root", ADMIN)
