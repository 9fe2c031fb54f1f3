"""anvil: accounts that sign for themselves, transactions at chosen times, decoded answers."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.logs import DISCARD

ROOT = Path(__file__).resolve().parents[4]
ARTIFACTS = ROOT / "programs" / "evm" / "artifacts"
GAS = 5_000_000


@dataclass(frozen=True)
class Outcome:
    """What a transaction came to: the name of its error or its events in order, and its gas."""

    error: str | None
    events: list[tuple[str, dict[str, Any]]]
    gas: int


@cache
def account(name: str) -> LocalAccount:
    """The account that a name stands for, the same on each run."""
    return Account.from_key(Web3.keccak(text=f"chainfold test account {name}"))


class Node:
    """One anvil on a free port."""

    def __init__(self) -> None:
        command = [str(ROOT / "node_modules/.bin/anvil"), "--host", "127.0.0.1", "--port", "0"]
        # Blocks at equal times are allowed: a scenario's clock stands between two `at`.
        self.process = subprocess.Popen(
            [*command, "--block-base-fee-per-gas", "0", "--gas-price", "0", "--accounts", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"Listening on (\S+)", line):
                break
        else:
            raise RuntimeError(f"anvil did not start: {''.join(said)}")
        # A full pipe would stop the node.
        threading.Thread(target=deque, args=(self.process.stdout, 0), daemon=True).start()
        self.web3 = Web3(HTTPProvider(f"http://{found[1]}", {"timeout": 60}))
        self.nonces: dict[str, int] = {}

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def rpc(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def clock(self, time: int) -> None:
        """The time of every block from the next on, until the next call; also an earlier one."""
        self.rpc("evm_setTime", time)
        self.rpc("evm_setNextBlockTimestamp", time)
        self.rpc("anvil_setBlockTimestampInterval", 0)

    def now(self) -> int:
        return self.web3.eth.get_block("latest")["timestamp"]

    def deploy(self, name: str, *args: Any, by: str = "deployer") -> Contract:
        """A new contract from its committed build."""
        artifact = json.loads((ARTIFACTS / f"{name}.json").read_text())
        contract = self.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        receipt = self.mine(by, contract.constructor(*args).data_in_transaction, None)
        assert receipt["status"] == 1, f"{name} was not deployed"
        return self.web3.eth.contract(receipt["contractAddress"], abi=artifact["abi"])

    def send(self, by: str, contract: Contract, function: str, *args: Any) -> Outcome:
        """A transaction that `by` signs, mined."""
        receipt = self.mine(by, contract.encode_abi(function, args), contract.address)
        if receipt["status"] == 1:
            return Outcome(None, events(contract, receipt), receipt["gasUsed"])
        trace = self.rpc(
            "debug_traceTransaction",
            receipt["transactionHash"].to_0x_hex(),
            {"tracer": "callTracer"},
        )
        return Outcome(error(contract, trace), [], receipt["gasUsed"])

    def mine(self, by: str, data: Any, to: str | None, gas: int = GAS) -> Any:
        """The receipt of a transaction that `by` signs."""
        sent = self.submit(by, data, to, gas)
        return self.web3.eth.wait_for_transaction_receipt(sent, timeout=60, poll_latency=0.005)

    def logs(self, by: str, data: Any, to: str, gas: int = GAS) -> list[dict[str, Any]]:
        """The logs of a transaction that `by` signs and that succeeds, as the node writes them:
        web3's reading of a receipt takes longer than the node's work where there are hundreds."""
        sent = self.submit(by, data, to, gas).to_0x_hex()
        limit = time.monotonic() + 300
        while (receipt := self.rpc("eth_getTransactionReceipt", sent)) is None:
            assert time.monotonic() < limit, f"{sent} is not mined"
            # Who asks without a pause takes the node's time.
            time.sleep(0.005)
        assert receipt["status"] == "0x1", f"{sent} failed with {int(receipt['gasUsed'], 16)} gas"
        return receipt["logs"]

    def submit(self, by: str, data: Any, to: str | None, gas: int) -> HexBytes:
        """The hash of a transaction that `by` signs."""
        key = account(by)
        if by not in self.nonces:
            self.rpc("anvil_setBalance", key.address, hex(10**24))
            self.nonces[by] = self.web3.eth.get_transaction_count(key.address)
        fields: dict[str, Any] = {"to": to} if to else {}
        signed = key.sign_transaction(
            {
                "chainId": 31337,
                "nonce": self.nonces[by],
                "gas": gas,
                "gasPrice": 0,
                "value": 0,
                "data": data,
                **fields,
            }
        )
        self.nonces[by] += 1
        return self.web3.eth.send_raw_transaction(signed.raw_transaction)


def events(contract: Contract, receipt: Any) -> list[tuple[str, dict[str, Any]]]:
    """The contract's own events of one transaction, decoded, in order."""
    found: list[tuple[int, str, dict[str, Any]]] = []
    for entry in contract.abi:
        if entry["type"] != "event":
            continue
        event = contract.events[entry["name"]]()
        for log in event.process_receipt(receipt, errors=DISCARD):
            if log["address"] == contract.address:
                found.append((log["logIndex"], log["event"], dict(log["args"])))
    return [(name, args) for _, name, args in sorted(found, key=lambda item: item[0])]


def error(contract: Contract, trace: Any) -> str:
    """The name of the custom error that a call ended with; else what the node says."""
    output = trace.get("output") or "0x"
    for entry in contract.abi:
        if entry["type"] == "error":
            types = ",".join(item["type"] for item in entry["inputs"])
            selector = Web3.keccak(text=f"{entry['name']}({types})")[:4].to_0x_hex()
            if output.startswith(selector):
                return entry["name"]
    return str(trace.get("error"))
