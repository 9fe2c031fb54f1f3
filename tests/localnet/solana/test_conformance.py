"""Our node's answers are the real validator's, call by call and field by field.

`recorded/validator.json` holds what solana-test-validator answered to `scenario`. Ours plays the
same scenario and is compared: fields, types and error codes always; values wherever the scenario
determines them. `python tests/localnet/solana/test_conformance.py --record` records again, with
the validator that CHAINFOLD_SOLANA_VALIDATOR names or PATH has.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import based58
import httpx
import pytest
from anchorpy import Context, Program, Provider, Wallet
from anchorpy_core.idl import Idl
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.transaction import VersionedTransaction
from websockets.sync.client import connect

from deploy import builds
from localnet import artifacts, svm

RECORDED = Path(__file__).parent / "recorded" / "validator.json"
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
CONFIRMED = {"commitment": "confirmed"}
NEW = {"maxSupportedTransactionVersion": 0}
LIMIT = 60  # seconds for any one wait

# What a chain chooses for itself: compared by type only.
VOLATILE = {
    "slot",
    "blockTime",
    "blockhash",
    "recentBlockhash",
    "previousBlockhash",
    "parentSlot",
    "blockHeight",
    "lastValidBlockHeight",
    "absoluteSlot",
    "slotIndex",
    "transactionCount",
    "transactionIndex",
    "contextSlot",
    "confirmations",
    "confirmationStatus",
    "signature",
    "signatures",
    "subscription",
    "parent",
    "root",
    "identity",
    "loadedAccountsDataSize",
    # Which build of the token program runs decides these.
    "computeUnitsConsumed",
    "unitsConsumed",
    "costUnits",
    "logs",
    "logMessages",
}


def keypair(name: str) -> Keypair:
    return Keypair.from_seed(hashlib.sha256(f"conformance {name}".encode()).digest())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Play:
    """The scenario under way: calls made, and their answers by name."""

    def __init__(self, url: str, ws_url: str) -> None:
        self.url = url
        self.ws_url = ws_url
        self.client = httpx.Client(timeout=30)
        self.answers: dict[str, Any] = {}
        self.payer = keypair("payer")

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self.client.post(self.url, json=body).json()
        return {"error": answer["error"]} if "error" in answer else answer["result"]

    def call(
        self, name: str, method: str, *params: Any, keep: Callable[[Any], Any] = lambda x: x
    ) -> Any:
        """Make a call and note its answer, or the part of it that `keep` takes."""
        assert name not in self.answers, name
        answer = self.rpc(method, *params)
        self.answers[name] = keep(answer)
        return answer

    def raw(self, name: str, body: bytes, method: str = "POST", kind: str = "application/json"):
        answer = self.client.request(method, self.url, content=body, headers={"Content-Type": kind})
        try:
            content: Any = json.loads(answer.content)
        except ValueError:
            content = answer.text
        self.answers[name] = {"status": answer.status_code, "body": content}

    def blockhash(self) -> Hash:
        latest = self.rpc("getLatestBlockhash", CONFIRMED)
        return Hash.from_string(latest["value"]["blockhash"])

    def sign(
        self,
        instructions: list[Instruction],
        *signers: Keypair,
        legacy: bool = False,
        blockhash: Hash | None = None,
    ) -> bytes:
        chosen = blockhash or self.blockhash()
        payer = self.payer.pubkey()
        message = (
            Message.new_with_blockhash(instructions, payer, chosen)
            if legacy
            else MessageV0.try_compile(payer, instructions, [], chosen)
        )
        return bytes(VersionedTransaction(message, [self.payer, *signers]))

    def confirmed(self, signature: str) -> None:
        def reached() -> bool:
            status = self.rpc("getSignatureStatuses", [signature])["value"][0]
            return status is not None and status["confirmationStatus"] != "processed"

        until(reached)

    def send(self, raw: bytes, **options: Any) -> str:
        options = {"encoding": "base64", "preflightCommitment": "confirmed", **options}
        signature = self.rpc("sendTransaction", b64(raw), options)
        assert isinstance(signature, str), signature
        self.confirmed(signature)
        return signature


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "the chain didn't get there in time"
        time.sleep(0.02)


def scenario(play: Play) -> None:
    """The calls, in order. Names are the keys of the recording."""
    call, rpc = play.call, play.rpc
    payer, other, mint = play.payer, keypair("other"), keypair("mint")
    owner = payer.pubkey()
    options = {"encoding": "base64", "preflightCommitment": "confirmed"}
    until(lambda: rpc("getSlot", CONFIRMED) > 2)
    _cluster(play)

    airdrop = call("requestAirdrop", "requestAirdrop", str(owner), 10**11, keep=_is_text)
    play.confirmed(airdrop)
    call("transaction of an airdrop", "getTransaction", airdrop, CONFIRMED, keep=_of_faucet)
    call("balance", "getBalance", str(owner), CONFIRMED)
    call("balance of nobody", "getBalance", str(other.pubkey()), CONFIRMED)

    rent = call("rent of a mint", "getMinimumBalanceForRentExemption", 82)
    make_mint = play.sign(
        [
            create_account(
                CreateAccountParams(
                    from_pubkey=owner,
                    to_pubkey=mint.pubkey(),
                    lamports=rent,
                    space=82,
                    owner=TOKEN,
                )
            ),
            Instruction(
                TOKEN,
                bytes([20, 6]) + bytes(owner) + b"\0",
                [AccountMeta(mint.pubkey(), False, True)],
            ),
        ],
        mint,
    )
    made = play.send(make_mint)
    call("send twice", "sendTransaction", b64(make_mint), options)
    for form in ("json", "jsonParsed", "base64", "base58"):
        settings = {**CONFIRMED, **NEW, "encoding": form}
        call(f"v0 transaction, {form}", "getTransaction", made, settings, keep=_no_wire)
    call("v0 transaction, version not asked for", "getTransaction", made, CONFIRMED)

    account = Pubkey.find_program_address(
        [bytes(owner), bytes(TOKEN), bytes(mint.pubkey())], ASSOCIATED
    )[0]
    create_and_mint = [
        Instruction(
            ASSOCIATED,
            b"\1",
            [
                AccountMeta(owner, True, True),
                AccountMeta(account, False, True),
                AccountMeta(owner, False, False),
                AccountMeta(mint.pubkey(), False, False),
                AccountMeta(SYSTEM, False, False),
                AccountMeta(TOKEN, False, False),
            ],
        ),
        Instruction(
            TOKEN,
            bytes([7]) + (10**9 + 5 * 10**5).to_bytes(8, "little"),
            [
                AccountMeta(mint.pubkey(), False, True),
                AccountMeta(account, False, True),
                AccountMeta(owner, True, False),
            ],
        ),
        Instruction(MEMO, "a memo: é".encode(), []),
    ]
    raw = play.sign(create_and_mint, legacy=True)
    simulation = {
        **CONFIRMED,
        "encoding": "base64",
        "innerInstructions": True,
        "accounts": {"addresses": [str(account), str(other.pubkey())], "encoding": "base64"},
    }
    call("simulation", "simulateTransaction", b64(raw), simulation)
    minted = play.send(raw)
    for form in ("json", "jsonParsed", "base64", "base58"):
        settings = {**CONFIRMED, **NEW, "encoding": form}
        call(f"legacy transaction, {form}", "getTransaction", minted, settings, keep=_no_wire)
    call("legacy transaction, version not asked for", "getTransaction", minted, CONFIRMED)
    slot = rpc("getTransaction", minted, CONFIRMED)["slot"]
    for details in ("full", "accounts", "signatures", "none"):
        settings = {**CONFIRMED, **NEW, "transactionDetails": details}
        call(f"block, {details}", "getBlock", slot, settings, keep=_only({minted}))
    for form in ("json", "jsonParsed", "base64"):
        settings = {**CONFIRMED, **NEW, "encoding": form, "rewards": False}
        call(f"block, {form}", "getBlock", slot, settings, keep=_only({minted}, encoded=True))

    _bets(play, mint.pubkey())
    _failures(play, other)
    _accounts(play, account, mint.pubkey(), other.pubkey())
    _history(play, account, minted, made)
    _refusals(play, account, minted)
    _protocol(play)
    _subscriptions(play, account, other)


def _cluster(play: Play) -> None:
    call, rpc = play.call, play.rpc
    call("health", "getHealth")
    call("version", "getVersion")
    call("genesis hash", "getGenesisHash", keep=_is_text)
    call("identity", "getIdentity")
    for commitment in ("processed", "confirmed", "finalized"):
        settings = {"commitment": commitment}
        call(f"slot, {commitment}", "getSlot", settings, keep=_is_number)
        call(f"height, {commitment}", "getBlockHeight", settings, keep=_is_number)
        call(f"blockhash, {commitment}", "getLatestBlockhash", settings)
    call("epoch", "getEpochInfo", CONFIRMED)
    call("epoch schedule", "getEpochSchedule")
    call("slot leader", "getSlotLeader", keep=_is_text)
    call("slot leaders", "getSlotLeaders", 1, 3, keep=len)
    call("cluster nodes", "getClusterNodes", keep=lambda rows: sorted(rows[0]))
    call("transaction count", "getTransactionCount", keep=_is_number)
    call("supply", "getSupply", keep=lambda answer: sorted(answer["value"]))
    call("first block", "getFirstAvailableBlock", keep=_is_number)
    call("minimum slot", "minimumLedgerSlot", keep=_is_number)
    call("prioritization fees", "getRecentPrioritizationFees", keep=_is_list)
    call("performance", "getRecentPerformanceSamples", keep=_is_list)
    call("inflation", "getInflationGovernor")
    call("inflation rate", "getInflationRate")
    call("stake minimum", "getStakeMinimumDelegation")
    call("rent of nothing", "getMinimumBalanceForRentExemption", 0)
    call("blockhash valid", "isBlockhashValid", str(play.blockhash()), CONFIRMED)
    call("blockhash unknown", "isBlockhashValid", str(Hash(b"\7" * 32)), CONFIRMED)
    top = rpc("getSlot", CONFIRMED)
    call("blocks", "getBlocks", top - 1, top, CONFIRMED, keep=len)
    call("blocks backwards", "getBlocks", 5, 1)
    call("blocks with limit", "getBlocksWithLimit", top - 1, 1, CONFIRMED, keep=len)
    call("blocks far ahead", "getBlocksWithLimit", 10**9, 1, CONFIRMED)
    call("block time", "getBlockTime", top, keep=_is_number)


def _bets(play: Play, token: Pubkey) -> None:
    """A program of one's own, with accounts it makes and an event by self-CPI."""
    call, me = play.call, play.payer.pubkey()
    idl = Idl.from_json(builds.text(artifacts.BETS_IDL))
    nowhere: Any = None
    bets = Program(idl, svm.program_id(), Provider(nowhere, Wallet(play.payer)))

    def pda(*seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), bets.program_id)[0]

    market = pda(b"market", bytes(me), bytes(8))
    accounts = {
        "creator": me,
        "payer": me,
        "counter": pda(b"counter"),
        "creator_counter": pda(b"creator", bytes(me)),
        "market": market,
        "vault": pda(b"vault", bytes(market)),
        "token": token,
        "token_program": TOKEN,
        "system_program": SYSTEM,
        "event_authority": pda(b"__event_authority"),
        "program": bets.program_id,
    }

    def opening(close_at: int) -> Instruction:
        return bets.instruction["open"](
            me,
            me,
            [1] * 32,
            [2] * 32,
            2,
            close_at,
            close_at + 3_600,
            250,
            "",
            "Is it the same?",
            ctx=Context(accounts=accounts),
        )

    top = play.rpc("getSlot", CONFIRMED)
    close_at = play.rpc("getBlockTime", top) + 3_600
    timeless = _without(close_at.to_bytes(8, "little"), (close_at + 3_600).to_bytes(8, "little"))
    late = play.sign([opening(4_200_000_000)])
    call(
        "send what bets refuses",
        "sendTransaction",
        b64(late),
        {"encoding": "base64", "preflightCommitment": "confirmed"},
    )
    opened = play.send(play.sign([opening(close_at)]))
    for form in ("json", "jsonParsed"):
        settings = {**CONFIRMED, **NEW, "encoding": form}
        call(f"bets opened, {form}", "getTransaction", opened, settings, keep=timeless)
    encoded = {**CONFIRMED, "encoding": "base64"}
    call("market", "getAccountInfo", str(market), encoded, keep=timeless)
    parsed = {**CONFIRMED, "encoding": "jsonParsed"}
    call("market, parsed", "getAccountInfo", str(market), parsed, keep=timeless)
    program = str(bets.program_id)
    call("accounts of bets", "getProgramAccounts", program, encoded, keep=_by_key(timeless))
    call("signatures of bets", "getSignaturesForAddress", program, CONFIRMED)


def _failures(play: Play, other: Keypair) -> None:
    call = play.call
    owner = play.payer.pubkey()
    options = {"encoding": "base64", "preflightCommitment": "confirmed"}
    simulate = {**CONFIRMED, "encoding": "base64"}

    def pay(lamports: int) -> list[Instruction]:
        return [
            transfer(TransferParams(from_pubkey=owner, to_pubkey=other.pubkey(), lamports=lamports))
        ]

    poor = play.sign(pay(10**15))
    call("send what fails", "sendTransaction", b64(poor), options)
    call("simulate what fails", "simulateTransaction", b64(poor), simulate)
    failed = play.send(poor, skipPreflight=True)
    settings = {**CONFIRMED, **NEW}
    call("failed transaction", "getTransaction", failed, settings)
    call("status of a failure", "getSignatureStatuses", [failed])
    below_rent = play.sign(pay(1))
    call("send below rent", "sendTransaction", b64(below_rent), options)
    no_program = play.sign([Instruction(keypair("no program").pubkey(), b"", [])])
    call("send to no program", "sendTransaction", b64(no_program), options, keep=_code)
    stale = play.sign(pay(10**6), blockhash=Hash(b"\7" * 32))
    call("send with unknown blockhash", "sendTransaction", b64(stale), options)
    call("simulate with unknown blockhash", "simulateTransaction", b64(stale), simulate)
    replace = {**simulate, "replaceRecentBlockhash": True}
    call("simulate with replaced blockhash", "simulateTransaction", b64(stale), replace)
    both = {**replace, "sigVerify": True}
    call("simulate with both", "simulateTransaction", b64(stale), both)
    forged = bytearray(play.sign(pay(10**6)))
    forged[5] ^= 1
    call("send forged", "sendTransaction", b64(bytes(forged)), options)
    verify = {**simulate, "sigVerify": True}
    call("simulate forged", "simulateTransaction", b64(bytes(forged)), verify)
    pauper = keypair("pauper")
    message = MessageV0.try_compile(pauper.pubkey(), pay(10**6)[:0], [], play.blockhash())
    unfunded = bytes(VersionedTransaction(message, [pauper]))
    call("send unfunded", "sendTransaction", b64(unfunded), options)
    call("simulate unfunded", "simulateTransaction", b64(unfunded), simulate)
    bad_token = play.sign([Instruction(TOKEN, bytes([250]), [])])
    call("send invalid instruction", "sendTransaction", b64(bad_token), options)
    call("fee", "getFeeForMessage", b64(_message(play.sign(pay(10**6)))), CONFIRMED)
    call("fee of stale", "getFeeForMessage", b64(_message(stale)), CONFIRMED)
    for name, text, settings in (
        ("not base64", "!!", options),
        ("empty base64", "AAAA", options),
        ("short", "AQAA", options),
        ("base58 by default", "abc", {}),
        ("too large", "A" * 2000, options),
        ("too large in base58", "2" * 2000, {}),
        ("invalid base58", "0OIl", {}),
        ("a number", 1, options),
        ("encoding unknown", "AAAA", {"encoding": "hex"}),
        ("encoding unsupported", "AAAA", {"encoding": "jsonParsed"}),
    ):
        call(f"send {name}", "sendTransaction", text, settings)
    call("fee of rubbish", "getFeeForMessage", "AAAA", keep=_code)


def _accounts(play: Play, account: Pubkey, mint: Pubkey, nobody: Pubkey) -> None:
    call = play.call
    owner = str(play.payer.pubkey())
    for form in (None, "base58", "base64", "jsonParsed"):
        settings = {**CONFIRMED, **({"encoding": form} if form else {})}
        call(f"mint, {form}", "getAccountInfo", str(mint), settings)
    zstd = {**CONFIRMED, "encoding": "base64+zstd"}
    call("mint, zstd", "getAccountInfo", str(mint), zstd, keep=_no_data)
    call("token account", "getAccountInfo", str(account), {**CONFIRMED, "encoding": "base64"})
    parsed = {**CONFIRMED, "encoding": "jsonParsed"}
    call("token account, parsed", "getAccountInfo", str(account), parsed)
    call("wallet, parsed", "getAccountInfo", owner, parsed)
    call("token account in base58", "getAccountInfo", str(account), CONFIRMED)
    cut = {**CONFIRMED, "encoding": "base64", "dataSlice": {"offset": 2, "length": 3}}
    call("slice", "getAccountInfo", str(account), cut)
    past = {**CONFIRMED, "encoding": "base64", "dataSlice": {"offset": 160, "length": 30}}
    call("slice past the end", "getAccountInfo", str(account), past)
    call("account of nobody", "getAccountInfo", str(nobody), CONFIRMED)
    future = {**CONFIRMED, "minContextSlot": 10**9}
    call("account in the future", "getAccountInfo", str(account), future)
    many = [str(mint), str(nobody), owner]
    call("accounts", "getMultipleAccounts", many, CONFIRMED)
    call("accounts, parsed", "getMultipleAccounts", many, parsed)
    call("no accounts", "getMultipleAccounts", [], CONFIRMED)
    call("token balance", "getTokenAccountBalance", str(account), CONFIRMED)
    call("token balance of a wallet", "getTokenAccountBalance", owner, CONFIRMED)
    call("token balance of nobody", "getTokenAccountBalance", str(nobody), CONFIRMED)
    call("token supply", "getTokenSupply", str(mint), CONFIRMED)
    call("token supply of an account", "getTokenSupply", str(account), CONFIRMED)
    call("largest accounts", "getTokenLargestAccounts", str(mint), CONFIRMED)
    by_mint, by_program = {"mint": str(mint)}, {"programId": str(TOKEN)}
    raw = {**CONFIRMED, "encoding": "base64"}
    call("token accounts by mint", "getTokenAccountsByOwner", owner, by_mint, raw)
    call("token accounts by program", "getTokenAccountsByOwner", owner, by_program, parsed)
    call("token accounts of nobody", "getTokenAccountsByOwner", str(nobody), by_program, raw)
    system = {"programId": str(SYSTEM)}
    call("token accounts of no program", "getTokenAccountsByOwner", owner, system, raw)
    no_mint = {"mint": owner}
    call("token accounts of no mint", "getTokenAccountsByOwner", owner, no_mint, raw)
    call("token accounts by delegate", "getTokenAccountsByDelegate", owner, by_program, raw)
    compare = {"memcmp": {"offset": 0, "bytes": str(mint)}}
    filters = [{"dataSize": 165}, compare]
    rows = {**CONFIRMED, "encoding": "base64", "filters": filters}
    call("program accounts", "getProgramAccounts", str(TOKEN), rows)
    call("with context", "getProgramAccounts", str(TOKEN), {**rows, "withContext": True})
    sliced = {**CONFIRMED, "filters": filters, "dataSlice": {"offset": 0, "length": 4}}
    call("program accounts, sliced", "getProgramAccounts", str(TOKEN), sliced)
    shown = {**CONFIRMED, "filters": filters, "encoding": "jsonParsed"}
    call("program accounts, parsed", "getProgramAccounts", str(TOKEN), shown)
    none = {**CONFIRMED, "encoding": "base64", "filters": [{"dataSize": 7}]}
    call("program accounts, none", "getProgramAccounts", str(TOKEN), none)
    encoded = {"memcmp": {"offset": 0, "bytes": b64(bytes(mint)), "encoding": "base64"}}
    more = {**CONFIRMED, "encoding": "base64", "filters": [{"dataSize": 165}, encoded]}
    call("program accounts, base64 filter", "getProgramAccounts", str(TOKEN), more)
    too_many = {**CONFIRMED, "filters": [{"dataSize": 165}] * 5}
    call("too many filters", "getProgramAccounts", str(TOKEN), too_many, keep=_code)
    bad = {**CONFIRMED, "filters": [{"memcmp": {"offset": 0, "bytes": "0"}}]}
    call("filter not base58", "getProgramAccounts", str(TOKEN), bad, keep=_code)
    unknown = {**CONFIRMED, "filters": [{"size": 1}]}
    call("filter unknown", "getProgramAccounts", str(TOKEN), unknown, keep=_code)


def _history(play: Play, account: Pubkey, minted: str, made: str) -> None:
    call = play.call
    owner = str(play.payer.pubkey())
    newest = call("signatures", "getSignaturesForAddress", str(account), CONFIRMED)
    assert newest[0]["signature"] == minted
    one = {**CONFIRMED, "limit": 1}
    call("signatures, one", "getSignaturesForAddress", owner, one)
    before = {**CONFIRMED, "before": minted}
    call("signatures before", "getSignaturesForAddress", owner, before)
    window = {**CONFIRMED, "before": minted, "until": made}
    call("signatures between", "getSignaturesForAddress", owner, window)
    call("signatures until", "getSignaturesForAddress", owner, {**CONFIRMED, "until": made})
    nobody = str(keypair("nobody").pubkey())
    call("signatures of nobody", "getSignaturesForAddress", nobody, CONFIRMED)
    unknown = str(keypair("unknown").sign_message(b"unknown"))
    call("status", "getSignatureStatuses", [minted, unknown])
    history = {"searchTransactionHistory": True}
    call("status in history", "getSignatureStatuses", [minted, unknown], history)
    call("transaction unknown", "getTransaction", unknown, CONFIRMED)
    slot = play.rpc("getTransaction", minted, CONFIRMED)["slot"]
    until(lambda: play.rpc("getSlot") >= slot)
    call("finalized transaction", "getTransaction", minted, NEW, keep=lambda x: sorted(x))
    call("finalized status", "getSignatureStatuses", [minted])
    settings = {**NEW, "transactionDetails": "none"}
    call("finalized block", "getBlock", slot, settings, keep=_only(set()))
    call("finalized signatures", "getSignaturesForAddress", str(account))


def _refusals(play: Play, account: Pubkey, minted: str) -> None:
    call = play.call
    processed = {"commitment": "processed"}
    call("block at processed", "getBlock", 1, processed)
    call("blocks at processed", "getBlocks", 1, 2, processed)
    call("transaction at processed", "getTransaction", minted, processed)
    call("signatures at processed", "getSignaturesForAddress", str(account), processed)
    call("block ahead", "getBlock", 10**9, NEW)
    call("block time ahead", "getBlockTime", 10**9)
    for name, method, params in (
        ("short key", "getAccountInfo", ["x"]),
        ("key not base58", "getAccountInfo", ["0"]),
        ("key a number", "getBalance", [1]),
        ("key null", "getBalance", [None]),
        ("encoding", "getAccountInfo", [str(account), {"encoding": "hex"}]),
        ("options a text", "getBalance", [str(account), "x"]),
        ("slot a text", "getBlock", ["1"]),
        ("slot negative", "getBlock", [-1]),
        ("slot a fraction", "getBlock", [1.5]),
        ("slot too large", "getBlock", [10**20]),
        ("slot true", "getBlock", [True]),
        ("three parameters", "getBlock", [1, {}, 3]),
        ("details", "getBlock", [1, {"transactionDetails": "all"}]),
        ("block encoding", "getBlock", [1, {"encoding": "hex"}]),
        ("limit zero", "getSignaturesForAddress", [str(account), {"limit": 0}]),
        ("limit large", "getSignaturesForAddress", [str(account), {"limit": 1001}]),
        ("before short", "getSignaturesForAddress", [str(account), {"before": "x"}]),
        ("signature short", "getTransaction", ["x"]),
        ("statuses short", "getSignatureStatuses", [["x"]]),
        ("statuses not a list", "getSignatureStatuses", ["x"]),
        ("statuses many", "getSignatureStatuses", [[minted] * 257]),
        ("accounts many", "getMultipleAccounts", [[str(account)] * 101]),
        ("accounts not a list", "getMultipleAccounts", [str(account)]),
        ("airdrop to a short key", "requestAirdrop", ["x", 1]),
        ("airdrop negative", "requestAirdrop", [str(account), -1]),
        ("slice without length", "getAccountInfo", [str(account), {"dataSlice": {"offset": 1}}]),
        ("blocks without start", "getBlocks", []),
        ("no parameters", "getBalance", []),
        ("too many for getSlot", "getSlot", [{}, 2]),
        ("parameters for getHealth", "getHealth", [1]),
        ("parameters for getVersion", "getVersion", [{}]),
        ("commitment unknown", "getBalance", [str(account), {"commitment": "sure"}]),
        ("rent of a negative size", "getMinimumBalanceForRentExemption", [-1]),
        ("token filter", "getTokenAccountsByOwner", [str(account), {}]),
        ("blocks too wide", "getBlocks", [0, 10**6]),
        ("limit too wide", "getBlocksWithLimit", [0, 10**6]),
        ("blockhash short", "isBlockhashValid", ["x"]),
    ):
        call(f"refused: {name}", method, *params, keep=_if_refused)


def _protocol(play: Play) -> None:
    for name, body in (
        ("not JSON", b"{"),
        ("an empty batch", b"[]"),
        ("a text", b'"x"'),
        ("a number", b"1"),
        ("null", b"null"),
        ("no method", b'{"jsonrpc":"2.0","id":1}'),
        ("method unknown", b'{"jsonrpc":"2.0","id":1,"method":"getNothing"}'),
        ("method a number", b'{"jsonrpc":"2.0","id":1,"method":1}'),
        ("no version", b'{"id":1,"method":"getHealth"}'),
        ("old version", b'{"jsonrpc":"1.0","id":1,"method":"getHealth"}'),
        ("no id", b'{"jsonrpc":"2.0","method":"getHealth"}'),
        ("id null", b'{"jsonrpc":"2.0","id":null,"method":"getHealth"}'),
        ("id a text", b'{"jsonrpc":"2.0","id":"a","method":"getHealth"}'),
        ("id a fraction", b'{"jsonrpc":"2.0","id":1.5,"method":"getHealth"}'),
        ("id an object", b'{"jsonrpc":"2.0","id":{},"method":"getHealth"}'),
        ("params null", b'{"jsonrpc":"2.0","id":1,"method":"getHealth","params":null}'),
        ("params an object", b'{"jsonrpc":"2.0","id":1,"method":"getBalance","params":{}}'),
        ("params a text", b'{"jsonrpc":"2.0","id":1,"method":"getBalance","params":"x"}'),
        (
            "a batch",
            b'[{"jsonrpc":"2.0","id":1,"method":"getHealth"},'
            b'{"jsonrpc":"2.0","id":2,"method":"getNothing"},'
            b'{"jsonrpc":"2.0","method":"getHealth"},1]',
        ),
        ("a batch of one", b'[{"jsonrpc":"2.0","id":1,"method":"getHealth"}]'),
        ("subscription over HTTP", b'{"jsonrpc":"2.0","id":1,"method":"slotSubscribe"}'),
        ("too large", b" " * 60_000),
    ):
        play.raw(f"body: {name}", body)
    health = b'{"jsonrpc":"2.0","id":1,"method":"getHealth"}'
    play.raw("a body of plain text", health, kind="text/plain")
    play.raw("a body of JSON with charset", health, kind="application/json; charset=utf-8")
    play.raw("GET", b"", "GET")
    play.raw("PUT", b"", "PUT")


def _subscriptions(play: Play, account: Pubkey, other: Keypair) -> None:
    owner = play.payer.pubkey()
    compare = {"memcmp": {"offset": 32, "bytes": str(owner)}}
    rows = {**CONFIRMED, "encoding": "base64", "filters": [{"dataSize": 165}, compare]}
    raw = play.sign(
        [
            Instruction(
                TOKEN,
                bytes([8]) + (5).to_bytes(8, "little"),
                [
                    AccountMeta(account, False, True),
                    AccountMeta(keypair("mint").pubkey(), False, True),
                    AccountMeta(owner, True, False),
                ],
            ),
            transfer(TransferParams(from_pubkey=owner, to_pubkey=other.pubkey(), lamports=10**7)),
        ]
    )
    signature = str(VersionedTransaction.from_bytes(raw).signatures[0])
    wanted = {
        "account": [str(account), {**CONFIRMED, "encoding": "jsonParsed"}],
        "program": [str(TOKEN), rows],
        "logs": [{"mentions": [str(account)]}, CONFIRMED],
        "signature": [signature, {**CONFIRMED, "enableReceivedNotification": False}],
        "slot": [],
        "root": [],
    }
    with connect(play.ws_url, max_size=None) as ws:
        numbers: dict[int, str] = {}
        kept: dict[str, Any] = {}

        def read() -> Any:
            message = json.loads(ws.recv(timeout=LIMIT))
            if "method" in message:
                kind = numbers[message["params"]["subscription"]]
                kept.setdefault(kind, message)
                return None
            return message

        def ask(method: str, params: list[Any]) -> Any:
            body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
            ws.send(json.dumps(body))
            while (answer := read()) is None:
                pass
            return answer

        for kind, params in wanted.items():
            numbers[ask(f"{kind}Subscribe", params)["result"]] = kind
        play.rpc(
            "sendTransaction", b64(raw), {"encoding": "base64", "preflightCommitment": "confirmed"}
        )
        end = time.monotonic() + LIMIT
        while len(kept) < len(wanted):
            assert time.monotonic() < end, f"told only of {sorted(kept)}"
            read()
        for kind, message in kept.items():
            if kind == "root":
                message["params"]["root"] = message["params"].pop("result")
            play.answers[f"subscription: {kind}"] = message
        ids = {kind: number for number, kind in numbers.items()}
        play.answers["unsubscribe"] = ask("logsUnsubscribe", [ids["logs"]])
        for name, method, params in (
            ("unsubscribe twice", "logsUnsubscribe", [ids["logs"]]),
            ("unsubscribe the other's", "accountUnsubscribe", [10**6]),
            ("socket: unknown", "nothingSubscribe", []),
            ("socket: call", "getHealth", []),
            ("socket: account short", "accountSubscribe", ["x"]),
            ("socket: account missing", "accountSubscribe", []),
            ("socket: logs of two", "logsSubscribe", [{"mentions": [str(owner)] * 2}]),
            ("socket: logs of none", "logsSubscribe", ["none"]),
            ("socket: signature short", "signatureSubscribe", ["x"]),
        ):
            play.answers[name] = ask(method, params)
        ws.send("{")
        play.answers["socket: not JSON"] = _next_answer(read)


def _next_answer(read: Callable[[], Any]) -> Any:
    while (answer := read()) is None:
        pass
    return answer


# -- parts of answers ---------------------------------------------------------------------------


def _is_text(answer: Any) -> bool:
    return isinstance(answer, str)


def _is_number(answer: Any) -> bool:
    return isinstance(answer, int)


def _is_list(answer: Any) -> bool:
    return isinstance(answer, list)


def _code(answer: Any) -> Any:
    return answer["error"]["code"]


def _if_refused(answer: Any) -> Any:
    """An error whole; of a success only that it was one."""
    return answer if isinstance(answer, dict) and "error" in answer else "accepted"


def _no_wire(answer: Any) -> Any:
    """A signed transaction in one text holds the blockhash: leave its encoding."""
    if isinstance(answer["transaction"], list):
        answer["transaction"] = answer["transaction"][1]
    return answer


def _no_data(answer: Any) -> Any:
    answer["value"]["data"] = answer["value"]["data"][1]
    return answer


def _of_faucet(answer: Any) -> Any:
    """The faucet's own key and balance are the chain's choice."""
    for name in ("preBalances", "postBalances"):
        answer["meta"][name] = answer["meta"][name][1:]
    answer["transaction"]["message"]["accountKeys"][0] = "faucet"
    return answer


def _only(signatures: set[str], encoded: bool = False) -> Callable[[Any], Any]:
    """A block with only these transactions: a validator's block has its votes too."""

    def keep(block: Any) -> Any:
        if "signatures" in block:
            block["signatures"] = [one for one in block["signatures"] if one in signatures]
        kept = []
        for row in block.get("transactions", []):
            shown = row["transaction"]
            if isinstance(shown, list):
                first = based58.b58encode(base64.b64decode(shown[0])[1:65]).decode()
                row["transaction"] = shown[1]
            else:
                first = shown["signatures"][0]
            if first in signatures:
                kept.append(row)
        if "transactions" in block:
            block["transactions"] = kept
        for reward in block.get("rewards", []):
            reward.update(lamports=0, postBalance=0, pubkey="leader")
        return block

    return keep


def _without(*parts: bytes) -> Callable[[Any], Any]:
    """Encoded data with these bytes, which differ from run to run, as zeros."""

    def keep(answer: Any) -> Any:
        if isinstance(answer, dict):
            return {name: keep(value) for name, value in answer.items()}
        if isinstance(answer, list):
            return [keep(value) for value in answer]
        if not isinstance(answer, str) or len(answer) < 12:
            return answer
        for decode in (based58.b58decode, base64.b64decode):
            try:
                data = decode(answer.encode())
            except ValueError:
                continue
            if any(part in data for part in parts):
                for part in parts:
                    data = data.replace(part, bytes(len(part)))
                return data.hex()
        return answer

    return keep


def _by_key(keep: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Rows of accounts in the order of their keys: a node gives them in any."""
    return lambda rows: sorted(keep(rows), key=lambda row: row["pubkey"])


def _message(raw: bytes) -> bytes:
    return raw[1 + 64 * raw[0] :]


# -- the comparison -----------------------------------------------------------------------------


def differences(real: Any, ours: Any, path: str = "") -> Iterator[str]:
    key = path.rsplit(".", 1)[-1]
    if isinstance(real, bool) or isinstance(ours, bool) or real is None or ours is None:
        if real is not ours:
            yield f"{path}: {real!r}, ours {ours!r}"
    elif isinstance(real, dict) and isinstance(ours, dict):
        for name in sorted(real.keys() | ours.keys()):
            if name not in ours:
                yield f"{path}.{name}: ours lacks it"
            elif name not in real:
                yield f"{path}.{name}: ours has it in excess"
            else:
                yield from differences(real[name], ours[name], f"{path}.{name}")
    elif isinstance(real, list) and isinstance(ours, list):
        if key in VOLATILE:
            if {type(one) for one in real} != {type(one) for one in ours}:
                yield f"{path}: other types"
        elif len(real) != len(ours):
            yield f"{path}: {len(real)} rows, ours {len(ours)}"
        else:
            for index, (one, two) in enumerate(zip(real, ours, strict=True)):
                yield from differences(one, two, f"{path}.{index}")
    elif type(real) is not type(ours):
        yield f"{path}: {type(real).__name__}, ours {type(ours).__name__}"
    elif real != ours and key not in VOLATILE:
        yield f"{path}: {real!r}, ours {ours!r}"


def _installed() -> str | None:
    named = os.environ.get("CHAINFOLD_SOLANA_VALIDATOR")
    return named or shutil.which("solana-test-validator")


def _free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that were free a moment ago."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if first + count > 65_000:
            continue
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@contextmanager
def validator(command: str) -> Iterator[Play]:
    """A fresh solana-test-validator, reachable."""
    port = _free_ports(64)
    with tempfile.TemporaryDirectory() as ledger:
        process = subprocess.Popen(
            [
                command,
                *("--reset", "--quiet", "--ledger", ledger, "--bind-address", "127.0.0.1"),
                *("--rpc-port", str(port), "--faucet-port", str(port + 2)),
                *("--gossip-port", str(port + 3)),
                *("--dynamic-port-range", f"{port + 4}-{port + 63}"),
                *("--bpf-program", str(svm.program_id()), str(builds.elf(artifacts.BETS_IDL))),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        play = Play(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port + 1}")
        try:

            def answers() -> bool:
                try:
                    return play.rpc("getHealth") == "ok"
                except httpx.HTTPError:
                    return False

            until(answers)
            yield play
        finally:
            process.terminate()
            process.wait(20)


def record() -> None:
    command = _installed()
    if command is None:
        sys.exit("solana-test-validator is not on PATH; CHAINFOLD_SOLANA_VALIDATOR may name it")
    with validator(command) as play:
        scenario(play)
    RECORDED.parent.mkdir(exist_ok=True)
    text = json.dumps(play.answers, indent=1, sort_keys=True, ensure_ascii=False)
    RECORDED.write_text(text + "\n")
    print(f"{len(play.answers)} answers recorded in {RECORDED}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(f"usage: {sys.argv[0]} --record")
    record()
    sys.exit()


@pytest.fixture(scope="module")
def ours(solana_process: Callable[..., Any]) -> dict[str, Any]:
    program = ("--program", str(svm.program_id()), str(builds.elf(artifacts.BETS_IDL)))
    node = solana_process("--slot-ms", "50", *program)
    play = Play(node["url"], node["ws_url"])
    scenario(play)
    return play.answers


NAMES = sorted(json.loads(RECORDED.read_text())) if RECORDED.exists() else []


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return json.loads(RECORDED.read_text())


def test_scenario_is_the_recorded_one(recorded: dict[str, Any], ours: dict[str, Any]) -> None:
    assert sorted(ours) == sorted(recorded), "record again: the scenario has changed"


@pytest.mark.parametrize("name", NAMES)
def test_answer(name: str, recorded: dict[str, Any], ours: dict[str, Any]) -> None:
    found = list(differences(recorded[name], ours[name]))
    assert not found, "\n".join(found)


def test_recording_is_what_the_validator_answers(recorded: dict[str, Any]) -> None:
    command = _installed()
    if command is None:
        pytest.skip("solana-test-validator is not installed: the recording stands for it")
    with validator(command) as play:
        scenario(play)
    for name, answer in recorded.items():
        assert not list(differences(answer, play.answers[name])), name
