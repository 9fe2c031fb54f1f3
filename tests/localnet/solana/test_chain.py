"""The chain behaves as Solana does: slots, ages, fees, rent, commitments; forks undo everything."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pyarrow
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from deploy import builds
from localnet import artifacts
from localnet.solana import SolanaNode
from localnet.solana.chain import Chain, Settings
from localnet.solana.encoding import b64, zstd_frame
from localnet.solana.errors import RpcError
from localnet.solana.methods import METHODS

SOL = 10**9
SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
LOOKUP = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
WALLETS = [Keypair.from_seed(bytes([index + 1]) * 32) for index in range(4)]
CONFIRMED = {"commitment": "confirmed"}


def new_chain(**options: Any) -> Chain:
    chain = Chain(Settings(slot_ms=0, clock="slots", **options), {}, {})
    for wallet in WALLETS:
        chain.airdrop(wallet.pubkey(), 100 * SOL)
    chain.produce()
    return chain


@pytest.fixture
def chain() -> Chain:
    return new_chain()


def call(chain: Chain, method: str, *params: Any) -> Any:
    return orjson.loads(orjson.dumps(METHODS[method].call(chain, list(params))))


def pay(payer: Keypair, to: Pubkey, lamports: int) -> Instruction:
    return transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports))


def sign(
    chain: Chain,
    instructions: list[Instruction],
    payer: Keypair = WALLETS[0],
    blockhash: Hash | None = None,
    tables: list[AddressLookupTableAccount] | None = None,
) -> VersionedTransaction:
    recent = blockhash or chain.ledger.head.hash
    message = MessageV0.try_compile(payer.pubkey(), instructions, tables or [], recent)
    return VersionedTransaction(message, [payer])


def submit(chain: Chain, tx: VersionedTransaction) -> Any:
    return chain.submit(tx, bytes(tx))


def balance(chain: Chain, key: Pubkey, commitment: str = "confirmed") -> int:
    return call(chain, "getBalance", str(key), {"commitment": commitment})["value"]


def test_a_transaction_is_seen_when_its_slot_is_frozen(chain: Chain) -> None:
    other = Keypair().pubkey()
    tx = sign(chain, [pay(WALLETS[0], other, SOL)])
    assert submit(chain, tx) is None
    assert balance(chain, other, "processed") == 0
    slot = chain.produce().slot
    assert balance(chain, other) == SOL
    assert balance(chain, other, "finalized") == 0
    found = call(
        chain,
        "getTransaction",
        str(tx.signatures[0]),
        CONFIRMED | {"maxSupportedTransactionVersion": 0},
    )
    assert found["slot"] == slot
    for _ in range(chain.settings.finality):
        chain.produce()
    assert balance(chain, other, "finalized") == SOL


def test_blocks_are_linked_and_skipped_slots_have_none(chain: Chain) -> None:
    first = chain.produce(skip=2)
    chain.skip(1)
    second = chain.produce()
    assert second.slot == first.slot + 4
    assert (second.parent, second.previous) == (first.slot, first.hash)
    assert second.height == first.height + 1
    assert call(chain, "getBlocks", first.slot, second.slot, CONFIRMED) == [
        first.slot,
        second.slot,
    ]
    with pytest.raises(RpcError) as refused:
        call(chain, "getBlock", first.slot + 1, CONFIRMED)
    assert refused.value.code == -32007


def test_a_blockhash_is_good_for_150_blocks(chain: Chain) -> None:
    old, other = chain.ledger.head.hash, WALLETS[1].pubkey()
    for _ in range(150):
        chain.produce()
    assert submit(chain, sign(chain, [pay(WALLETS[0], other, 1)], blockhash=old)) is None
    chain.produce()
    late = sign(chain, [pay(WALLETS[0], other, 2)], blockhash=old)
    assert submit(chain, late) == "BlockhashNotFound"


def test_a_transaction_counts_once(chain: Chain) -> None:
    tx = sign(chain, [pay(WALLETS[0], WALLETS[1].pubkey(), SOL)])
    assert submit(chain, tx) is None
    assert submit(chain, tx) == "AlreadyProcessed"
    chain.produce()
    assert submit(chain, tx) == "AlreadyProcessed"


def test_fees_are_charged_and_half_of_the_base_goes_to_the_leader(chain: Chain) -> None:
    me = WALLETS[0].pubkey()
    before, leader = balance(chain, me), balance(chain, chain.identity)
    price = [set_compute_unit_limit(1_000), set_compute_unit_price(2_000_000)]
    assert submit(chain, sign(chain, [*price, pay(WALLETS[0], WALLETS[1].pubkey(), SOL)])) is None
    block = chain.produce()
    assert before - balance(chain, me) == SOL + 5_000 + 2_000
    assert balance(chain, chain.identity) - leader == 2_500 + 2_000
    assert block.rewards[0]["lamports"] == 4_500


def test_a_failure_pays_its_fee_and_changes_nothing_else(chain: Chain) -> None:
    me, other = WALLETS[0].pubkey(), Keypair().pubkey()
    before = balance(chain, me)
    for price in ([], [set_compute_unit_price(1_000_000), set_compute_unit_limit(10_000)]):
        failing = [*price, pay(WALLETS[0], other, SOL), pay(WALLETS[0], other, 10**9 * SOL)]
        err = submit(chain, sign(chain, failing))
        assert err == {"InstructionError": [len(price) + 1, {"Custom": 1}]}
    chain.produce()
    assert before - balance(chain, me) == 5_000 + 5_000 + 10_000
    assert balance(chain, other) == 0


def test_who_cannot_pay_leaves_no_trace(chain: Chain) -> None:
    pauper = Keypair()
    assert submit(chain, sign(chain, [], pauper)) == "AccountNotFound"
    dear = [set_compute_unit_price(2**60), set_compute_unit_limit(10_000)]
    assert submit(chain, sign(chain, dear, WALLETS[1])) == "InsufficientFundsForFee"
    before = balance(chain, WALLETS[1].pubkey())
    assert chain.produce().count == 0
    assert balance(chain, WALLETS[1].pubkey()) == before


def test_an_account_below_its_minimum_is_refused(chain: Chain) -> None:
    me, other = WALLETS[0].pubkey(), Keypair().pubkey()
    before = balance(chain, me)
    err = submit(chain, sign(chain, [pay(WALLETS[0], other, 890_879)]))
    assert err == {"InsufficientFundsForRent": {"account_index": 1}}
    assert submit(chain, sign(chain, [pay(WALLETS[0], other, 890_880)])) is None
    chain.produce()
    assert before - balance(chain, me) == 10_000 + 890_880


def test_addresses_come_from_lookup_tables(chain: Chain) -> None:
    me, other = WALLETS[0].pubkey(), Keypair().pubkey()
    slot = chain.ledger.head.slot
    table, bump = Pubkey.find_program_address([bytes(me), slot.to_bytes(8, "little")], LOOKUP)
    create = Instruction(
        LOOKUP,
        (0).to_bytes(4, "little") + slot.to_bytes(8, "little") + bytes([bump]),
        [
            AccountMeta(table, False, True),
            AccountMeta(me, True, False),
            AccountMeta(me, True, True),
            AccountMeta(SYSTEM, False, False),
        ],
    )
    extend = Instruction(
        LOOKUP,
        (2).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(other),
        [
            AccountMeta(table, False, True),
            AccountMeta(me, True, False),
            AccountMeta(me, True, True),
            AccountMeta(SYSTEM, False, False),
        ],
    )
    assert submit(chain, sign(chain, [create, extend])) is None
    chain.produce()
    chain.produce()
    held = AddressLookupTableAccount(table, [other])
    tx = sign(chain, [pay(WALLETS[0], other, SOL)], tables=[held])
    assert submit(chain, tx) is None
    chain.produce()
    settings = {**CONFIRMED, "maxSupportedTransactionVersion": 0}
    meta = call(chain, "getTransaction", str(tx.signatures[0]), settings)["meta"]
    assert meta["loadedAddresses"] == {"readonly": [], "writable": [str(other)]}
    # The table's address is no account of the message: static keys first, then the loaded one.
    assert meta["postBalances"][-1] - meta["preBalances"][-1] == SOL
    found = call(chain, "getSignaturesForAddress", str(other), CONFIRMED)
    assert [row["signature"] for row in found] == [str(tx.signatures[0])]
    parsed = call(
        chain, "getTransaction", str(tx.signatures[0]), {**settings, "encoding": "jsonParsed"}
    )
    keys = parsed["transaction"]["message"]["accountKeys"]
    assert keys[-1] == {
        "pubkey": str(other),
        "signer": False,
        "source": "lookupTable",
        "writable": True,
    }


def test_memos_are_listed(chain: Chain) -> None:
    memo = Instruction(MEMO, b"hello", [])
    submit(chain, sign(chain, [memo, memo]))
    chain.produce()
    rows = call(chain, "getSignaturesForAddress", str(WALLETS[0].pubkey()), CONFIRMED)
    assert rows[0]["memo"] == "[5] hello; [5] hello"


def test_time_travels(chain: Chain) -> None:
    then = chain.working_time
    chain.set_time(then + 86_400)
    block = chain.produce()
    assert block.time == then + 86_400
    assert chain.produce().time >= block.time


def test_history_has_an_end() -> None:
    chain = new_chain(keep_blocks=40, journal_slots=40)
    first = chain.ledger.head
    signature = str(chain.airdrop(WALLETS[0].pubkey(), SOL))
    for _ in range(60):
        chain.produce()
    low = call(chain, "getFirstAvailableBlock")
    assert low > first.slot
    with pytest.raises(RpcError) as refused:
        call(chain, "getBlock", first.slot, CONFIRMED)
    assert refused.value.code == -32001
    assert call(chain, "getTransaction", signature, CONFIRMED) is None
    assert call(chain, "getSignaturesForAddress", str(WALLETS[0].pubkey()), CONFIRMED) == []


def test_simulation_sees_the_state_of_its_commitment(chain: Chain) -> None:
    rich = Keypair()
    chain.airdrop(rich.pubkey(), 10 * SOL)
    old = chain.ledger.head.hash
    chain.produce()
    tx = sign(chain, [pay(rich, WALLETS[1].pubkey(), SOL)], rich, old)
    text = b64(bytes(tx))
    now = call(chain, "simulateTransaction", text, {"encoding": "base64", **CONFIRMED})
    assert now["value"]["err"] is None
    settings = {"encoding": "base64", "replaceRecentBlockhash": True}
    then = call(chain, "simulateTransaction", text, settings)
    assert then["value"]["err"] == "AccountNotFound"
    assert balance(chain, rich.pubkey()) == 10 * SOL


def test_an_account_may_be_emptied_in_a_simulation(chain: Chain) -> None:
    """What is left without lamports is no account below its minimum balance."""
    payer, emptied = WALLETS[:2]
    held = balance(chain, emptied.pubkey())
    instructions = [pay(emptied, payer.pubkey(), held)]
    recent = chain.ledger.head.hash
    message = MessageV0.try_compile(payer.pubkey(), instructions, [], recent)
    tx = VersionedTransaction(message, [payer, emptied])
    settings = {"encoding": "base64", **CONFIRMED}
    said = call(chain, "simulateTransaction", b64(bytes(tx)), settings)
    assert said["value"]["err"] is None
    submit(chain, tx)
    chain.produce()
    assert balance(chain, emptied.pubkey()) == 0


def state(chain: Chain) -> dict[str, Any]:
    """All that a client can see of the head."""
    return {
        "accounts": {str(key): account for key, account in chain.bank.live.items()},
        "svm": {str(key): chain.bank.svm.get_account(key) for key in chain.bank.live},
        "owners": {
            str(owner): {str(key) for key in keys}
            for owner, keys in chain.bank.by_owner.items()
            if keys
        },
        "chain": [(block.slot, str(block.hash), block.count) for block in chain.ledger.chain],
        "positions": dict(chain.ledger.positions),
        "transactions": chain.ledger.transactions,
        "addresses": {
            str(wallet.pubkey()): list(chain.ledger.newest_first(wallet.pubkey()))
            for wallet in WALLETS
        },
    }


moves = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 3 * SOL), st.booleans()),
    max_size=12,
)


def play(chain: Chain, steps: list[tuple[int, int, int, bool]]) -> None:
    extra = [Keypair.from_seed(bytes([90 + index]) * 32).pubkey() for index in range(2)]
    targets = [wallet.pubkey() for wallet in WALLETS] + extra
    for payer, to, lamports, frozen in steps:
        # The chain's length in the amount keeps two transactions from being the same.
        amount = lamports + len(chain.working)
        submit(chain, sign(chain, [pay(WALLETS[payer], targets[to], amount)], WALLETS[payer]))
        if frozen:
            chain.produce()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves, moves, moves, st.booleans())
def test_a_dropped_fork_leaves_nothing_behind(
    before: list[Any], lost: list[Any], other: list[Any], reuse: bool
) -> None:
    chain = new_chain()
    play(chain, before)
    chain.produce()
    at_parent, depth = state(chain), len(chain.ledger.chain)
    play(chain, lost)
    chain.produce()
    at_tip = state(chain)
    chain.drop_fork(len(chain.ledger.chain) - depth, "none", reuse)
    assert state(chain) == at_parent
    play(chain, other)
    chain.produce()
    assert chain.ledger.head.parent >= at_parent["chain"][-1][0]
    chain.switch_fork()
    assert state(chain) == at_tip
    chain.switch_fork()
    assert chain.ledger.chain[depth - 1].slot == at_parent["chain"][-1][0]
    fresh = new_chain()
    play(fresh, before)
    fresh.produce()
    play(fresh, other)
    fresh.produce()
    wallets = [str(wallet.pubkey()) for wallet in WALLETS]
    ours, theirs = state(chain)["accounts"], state(fresh)["accounts"]
    assert [ours[key] for key in wallets] == [theirs[key] for key in wallets]


def test_dropped_transactions_may_come_again(chain: Chain) -> None:
    other = Keypair().pubkey()
    kept = chain.ledger.head.hash
    for index in range(3):
        submit(chain, sign(chain, [pay(WALLETS[0], other, SOL + index)], blockhash=kept))
        submit(chain, sign(chain, [pay(WALLETS[1], other, SOL + index)], WALLETS[1]))
        chain.produce()
    old = [str(block.hash) for block in chain.ledger.chain[-3:]]
    chain.drop_fork(3, "valid")
    # The first of the second wallet's carried the blockhash of the common block too.
    assert len(chain.working) == 4
    chain.produce()
    assert balance(chain, other) == 4 * SOL + 3
    assert str(chain.ledger.head.hash) not in old
    chain.drop_fork(1, "all")
    chain.produce()
    assert balance(chain, other) == 4 * SOL + 3


def test_a_fork_deeper_than_the_journal_is_refused() -> None:
    chain = new_chain(journal_slots=40)
    for _ in range(60):
        chain.produce()
    with pytest.raises(ValueError, match="cannot undo slot"):
        chain.drop_fork(50)
    chain.drop_fork(40)


@pytest_asyncio.fixture
async def bulk() -> AsyncIterator[SolanaNode]:
    async with SolanaNode(slot_ms=0, clock="slots") as node:
        yield node


async def test_a_history_is_made_at_once(bulk: SolanaNode) -> None:
    """Every transaction is in a block, in order, `per_slot` to a block."""
    payer = WALLETS[0]
    bulk.chain.airdrop(payer.pubkey(), 1_000 * SOL)
    bulk.produce()
    head = bulk.chain.ledger.head
    history = [
        bytes(sign(bulk.chain, [pay(payer, WALLETS[1].pubkey(), SOL // 100 + index)]))
        for index in range(1_000)
    ]
    assert bulk.process(history, per_slot=300) == [None] * 1_000
    counts = [block.count for block in bulk.chain.ledger.chain if block.slot > head.slot]
    assert counts == [300, 300, 300, 100]
    settings = {**CONFIRMED, "maxSupportedTransactionVersion": 0, "encoding": "base64"}
    found = [
        row["transaction"][0]
        for block in bulk.chain.ledger.chain[-4:]
        for row in call(bulk.chain, "getBlock", block.slot, settings)["transactions"]
    ]
    assert found == [b64(wire) for wire in history]


@pytest.mark.parametrize("size", [0, 1, 1_000, 300_000])
def test_a_zstd_frame_is_readable(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    stream = pyarrow.input_stream(pyarrow.py_buffer(zstd_frame(data)), compression="zstd")
    assert stream.read() == data


@pytest.mark.parametrize("authority", [None, WALLETS[0].pubkey()])
def test_programs_say_who_may_upgrade_them(authority: Pubkey | None) -> None:
    """As the upgradeable loader lays them out: programs read it there."""
    program = Pubkey.new_unique()
    elf = builds.elf(artifacts.FEEDS_IDL)
    chain = Chain(Settings(slot_ms=0, upgrade_authority=authority), {program: elf}, {})
    chain.produce()

    def read(key: Pubkey) -> dict[str, Any]:
        return call(chain, "getAccountInfo", str(key), {"encoding": "base64"})["value"]

    loader = "BPFLoaderUpgradeab1e11111111111111111111111"
    account = read(program)
    pointer = base64.b64decode(account["data"][0])
    assert (account["owner"], account["executable"], account["space"]) == (loader, True, 36)
    code = read(Pubkey(pointer[4:]))
    assert (code["owner"], code["executable"]) == (loader, False)
    held = base64.b64decode(code["data"][0])
    assert held[12:45] == (b"\1" + bytes(authority) if authority else bytes(33))
    assert held[45:] == elf.read_bytes()
