"""The clients that people use work with the node: solana-py, anchorpy, @solana/kit."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from anchorpy import Context, Program, Provider, Wallet
from anchorpy_core.idl import Idl
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized
from solana.rpc.core import RPCException
from solana.rpc.types import DataSliceOpts, MemcmpOpts, TokenAccountOpts, TxOpts
from solana.rpc.websocket_api import connect as connect_ws
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.rpc.config import RpcTransactionLogsFilterMentions
from solders.rpc.responses import SendTransactionPreflightFailureMessage
from solders.signature import Signature
from solders.system_program import ID as SYSTEM
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.transaction import VersionedTransaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import (
    InitializeMintParams,
    MintToParams,
    create_associated_token_account,
    get_associated_token_address,
    initialize_mint,
    mint_to,
)

from deploy import builds
from localnet import artifacts, svm

ROOT = Path(__file__).parents[3]
SOL = 10**9
SECONDS = 30  # for any one wait


@pytest.fixture(scope="module")
def running(solana_process: Callable[..., Any]) -> dict[str, Any]:
    return solana_process(
        "--slot-ms",
        "30",
        "--program",
        str(svm.program_id()),
        str(builds.elf(artifacts.BETS_IDL)),
    )


@pytest_asyncio.fixture
async def client(running: dict[str, Any]) -> AsyncIterator[AsyncClient]:
    connected = svm.connect(running["url"])
    yield connected
    await connected.close()


@pytest_asyncio.fixture
async def payer(client: AsyncClient) -> Keypair:
    wallet = Keypair()
    given = (await client.request_airdrop(wallet.pubkey(), 100 * SOL)).value
    await client.confirm_transaction(given, Confirmed, sleep_seconds=0.02)
    return wallet


async def send(
    client: AsyncClient, instructions: list[Instruction], payer: Keypair, *signers: Keypair
) -> Signature:
    latest = (await client.get_latest_blockhash(Confirmed)).value
    message = MessageV0.try_compile(payer.pubkey(), instructions, [], latest.blockhash)
    tx = VersionedTransaction(message, [payer, *signers])
    sent = await client.send_transaction(tx, TxOpts(preflight_commitment=Confirmed))
    await client.confirm_transaction(
        sent.value,
        Confirmed,
        sleep_seconds=0.02,
        last_valid_block_height=latest.last_valid_block_height,
    )
    return sent.value


async def mint_tokens(client: AsyncClient, payer: Keypair, amount: int) -> tuple[Pubkey, Pubkey]:
    """A new mint of 6 decimals and the payer's account of it, with `amount`."""
    mint, owner = Keypair(), payer.pubkey()
    held = get_associated_token_address(owner, mint.pubkey())
    rent = (await client.get_minimum_balance_for_rent_exemption(82)).value
    await send(
        client,
        [
            create_account(
                CreateAccountParams(
                    from_pubkey=owner,
                    to_pubkey=mint.pubkey(),
                    lamports=rent,
                    space=82,
                    owner=TOKEN_PROGRAM_ID,
                )
            ),
            initialize_mint(
                InitializeMintParams(
                    decimals=6,
                    program_id=TOKEN_PROGRAM_ID,
                    mint=mint.pubkey(),
                    mint_authority=owner,
                )
            ),
            create_associated_token_account(owner, owner, mint.pubkey()),
            mint_to(
                MintToParams(
                    program_id=TOKEN_PROGRAM_ID,
                    mint=mint.pubkey(),
                    dest=held,
                    mint_authority=owner,
                    amount=amount,
                )
            ),
        ],
        payer,
        mint,
    )
    return mint.pubkey(), held


def pay(payer: Keypair, to: Pubkey, lamports: int) -> Instruction:
    return transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports))


async def test_solana_py_sends_and_reads_back(client: AsyncClient, payer: Keypair) -> None:
    other = Keypair().pubkey()
    first = await send(client, [pay(payer, other, SOL)], payer)
    second = await send(client, [pay(payer, other, 2 * SOL)], payer)
    assert (await client.get_balance(other, Confirmed)).value == 3 * SOL

    for encoding in ("json", "jsonParsed", "base64", "base58"):
        found = await client.get_transaction(first, encoding, Confirmed, 0)
        assert found.value is not None
        meta = found.value.transaction.meta
        assert meta is not None
        assert meta.err is None
        assert meta.fee == 5_000
        assert meta.post_balances[1] - meta.pre_balances[1] == SOL

    listed = (await client.get_signatures_for_address(other, commitment=Confirmed)).value
    assert [row.signature for row in listed] == [second, first]
    newest = await client.get_signatures_for_address(other, limit=1, commitment=Confirmed)
    assert [row.signature for row in newest.value] == [second]
    older = await client.get_signatures_for_address(other, before=second, commitment=Confirmed)
    assert [row.signature for row in older.value] == [first]
    since = await client.get_signatures_for_address(other, until=first, commitment=Confirmed)
    assert [row.signature for row in since.value] == [second]

    slot = listed[0].slot
    assert (await client.get_block_time(slot)).value == listed[0].block_time


async def test_solana_py_reads_blocks(client: AsyncClient, payer: Keypair) -> None:
    sent = await send(client, [pay(payer, Keypair().pubkey(), SOL)], payer)
    slot = (await client.get_signature_statuses([sent])).value[0].slot  # type: ignore[union-attr]
    await client.confirm_transaction(sent, Finalized, sleep_seconds=0.05)
    for encoding in ("json", "jsonParsed", "base64"):
        block = (await client.get_block(slot, encoding, 0)).value
        assert block is not None
        assert block.parent_slot < slot
        assert block.transactions is not None
        meta = block.transactions[0].meta
        assert meta is not None
        assert meta.fee == 5_000
    parent = (await client.get_block(block.parent_slot, "json", 0)).value
    assert parent is not None
    assert parent.blockhash == block.previous_blockhash
    assert slot in (await client.get_blocks(slot, slot + 1)).value


async def test_solana_py_is_refused_as_by_a_validator(client: AsyncClient, payer: Keypair) -> None:
    with pytest.raises(RPCException) as refused:
        await send(client, [pay(payer, Keypair().pubkey(), 10**9 * SOL)], payer)
    failure = refused.value.args[0]
    assert isinstance(failure, SendTransactionPreflightFailureMessage)
    assert "custom program error: 0x1" in failure.message
    assert failure.data.logs is not None
    assert "insufficient lamports" in failure.data.logs[1]


async def test_solana_py_reads_tokens(client: AsyncClient, payer: Keypair) -> None:
    mint, held = await mint_tokens(client, payer, 1_500_000)
    owner = payer.pubkey()
    assert (await client.get_token_account_balance(held, Confirmed)).value.ui_amount == 1.5
    assert (await client.get_token_supply(mint, Confirmed)).value.amount == "1500000"
    by_mint = TokenAccountOpts(mint=mint)
    rows = (await client.get_token_accounts_by_owner(owner, by_mint, Confirmed)).value
    assert [row.pubkey for row in rows] == [held]
    parsed = await client.get_token_accounts_by_owner_json_parsed(owner, by_mint, Confirmed)
    info = parsed.value[0].account.data.parsed["info"]
    assert info["tokenAmount"]["uiAmountString"] == "1.5"
    found = await client.get_program_accounts(
        TOKEN_PROGRAM_ID,
        Confirmed,
        "base64",
        DataSliceOpts(offset=0, length=32),
        [165, MemcmpOpts(offset=0, bytes=str(mint))],
    )
    assert [(row.pubkey, bytes(row.account.data)) for row in found.value] == [(held, bytes(mint))]
    many = await client.get_multiple_accounts([mint, Keypair().pubkey(), held], Confirmed)
    assert [account is not None for account in many.value] == [True, False, True]
    latest = (await client.get_latest_blockhash(Confirmed)).value.blockhash
    message = MessageV0.try_compile(owner, [pay(payer, Keypair().pubkey(), SOL)], [], latest)
    simulated = await client.simulate_transaction(
        VersionedTransaction(message, [payer]), commitment=Confirmed
    )
    assert simulated.value.err is None
    assert simulated.value.units_consumed == 150


async def test_solana_py_is_told(
    client: AsyncClient, payer: Keypair, running: dict[str, Any]
) -> None:
    """Each kind of subscription brings what solders can read."""
    other = Keypair().pubkey()
    async with connect_ws(running["ws_url"]) as ws:
        await ws.account_subscribe(other, Confirmed, "base64")
        await ws.program_subscribe(SYSTEM, Confirmed, "base64", filters=[0])
        await ws.logs_subscribe(RpcTransactionLogsFilterMentions(other), Confirmed)
        await ws.slot_subscribe()
        await ws.root_subscribe()
        await ws.block_subscribe(
            commitment=Confirmed, encoding="base64", max_supported_transaction_version=0
        )
        told: dict[str, Any] = {}
        sent: Signature | None = None
        async with asyncio.timeout(SECONDS):
            while len(told) < 7:
                for message in await ws.recv():
                    kind = type(message).__name__
                    if kind == "BlockNotification":
                        # Every slot brings one: the one wanted holds the transaction.
                        block = message.result.value.block
                        if block is None or not block.transactions:
                            continue
                    if kind != "SubscriptionResult":
                        told.setdefault(kind, message)
                if sent is None:
                    sent = await send(client, [pay(payer, other, SOL)], payer)
                    await ws.signature_subscribe(sent, Confirmed)
    assert set(told) == {
        "AccountNotification",
        "ProgramNotification",
        "LogsNotification",
        "SlotNotification",
        "RootNotification",
        "BlockNotification",
        "SignatureNotification",
    }
    assert told["AccountNotification"].result.value.lamports == SOL
    assert told["LogsNotification"].result.value.signature == sent
    assert told["SignatureNotification"].result.value.err is None


async def test_anchorpy_calls_a_program(client: AsyncClient, payer: Keypair) -> None:
    """The bets program through its interface: a call, its account, its events' instruction."""
    mint, _ = await mint_tokens(client, payer, 10**6)
    options = TxOpts(preflight_commitment=Confirmed)
    provider = Provider(client, Wallet(payer), options)
    idl = Idl.from_json(builds.text(artifacts.BETS_IDL))
    program = Program(idl, svm.program_id(), provider)
    me = payer.pubkey()

    def pda(*seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), program.program_id)[0]

    market = pda(b"market", bytes(me), bytes(8))
    now = (await client.get_block_time((await client.get_slot(Confirmed)).value)).value
    assert now is not None
    signature = await program.rpc["open"](
        me,
        me,
        [1] * 32,
        [2] * 32,
        2,
        now + 3_600,
        now + 7_200,
        250,
        "",
        "Does anchorpy work?",
        ctx=Context(
            accounts={
                "creator": me,
                "payer": me,
                "counter": pda(b"counter"),
                "creator_counter": pda(b"creator", bytes(me)),
                "market": market,
                "vault": pda(b"vault", bytes(market)),
                "token": mint,
                "token_program": TOKEN_PROGRAM_ID,
                "system_program": SYSTEM,
                "event_authority": pda(b"__event_authority"),
                "program": program.program_id,
            }
        ),
    )
    await client.confirm_transaction(signature, Confirmed, sleep_seconds=0.02)
    opened = await program.account["Market"].fetch(market, Confirmed)
    assert opened.creator == me
    assert opened.nonce == 0
    found = (await client.get_transaction(signature, "json", Confirmed, 0)).value
    assert found is not None
    assert found.transaction.meta is not None
    inner = found.transaction.meta.inner_instructions
    assert inner is not None
    assert any(group.instructions for group in inner)
    rows = await program.account["Market"].all()
    assert rows == [] or rows[0].account.creator == me


def test_kit_sends_and_is_told(running: dict[str, Any]) -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "@solana" / "kit").exists():
        missing = "@solana/kit is not installed: run `npm install`"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    script = Path(__file__).with_name("kit_client.mjs")
    ran = subprocess.run(
        [node, str(script), running["url"], running["ws_url"]],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["balance"] == str(SOL)
    assert told["slots"]
    assert told["logs"]
    assert told["account"] == str(SOL)
    assert told["fee"] == "5000"
    assert told["refused"] == "insufficient"
