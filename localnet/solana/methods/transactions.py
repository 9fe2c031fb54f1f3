"""Sending, simulating and finding transactions."""

from __future__ import annotations

from typing import Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from localnet.solana import encoding, record
from localnet.solana.bank import Outcome
from localnet.solana.base58 import b58
from localnet.solana.chain import Chain
from localnet.solana.encoding import b64
from localnet.solana.errors import (
    RpcError,
    invalid_params,
    preflight_failure,
    transaction_message,
)
from localnet.solana.ledger import INDEX_BITS, INDEX_MASK, Block
from localnet.solana.methods.accounts import shown
from localnet.solana.methods.call import Method, context, option, view
from localnet.solana.params import (
    ENCODINGS,
    TRANSACTION_ENCODINGS,
    Config,
    pubkey,
    signature,
    string,
    u64,
    wrong_type,
)
from localnet.solana.parsed import instruction_json

_MAX_STATUSES = 256
_MAX_SIGNATURES = 1_000
_STATUS_BLOCKS = 300  # blocks whose statuses a validator holds in memory
_MAX_CONFIRMATIONS = 31
_FAUCET_LIMIT = 10**9 * 10**9  # lamports


def _given(params: list[Any], config: Config) -> tuple[VersionedTransaction, bytes]:
    form = config.choice("encoding", TRANSACTION_ENCODINGS, "base58")
    text = string(params[0])
    if form not in ("base58", "base64"):
        raise invalid_params(f"unsupported encoding: {form}. Supported encodings: base58, base64")
    raw = encoding.wire(text, form)
    return encoding.transaction(raw), raw


def _send(chain: Chain, params: list[Any]) -> Any:
    config = Config(option(params, 1), "RpcSendTransactionConfig")
    tx, raw = _given(params, config)
    encoding.sanitize(tx)
    if not config.flag("skipPreflight"):
        preflight = Config(
            {
                "commitment": config.get("preflightCommitment"),
                "minContextSlot": config.get("minContextSlot"),
            },
            "RpcContextConfig",
        )
        block = view(chain, preflight)
        err, outcome = _try(chain, tx, block, verify=True, check=True)
        if err is not None:
            body = _simulated(chain, outcome, err, {})
            body.update(
                loadedAddresses=None,
                preBalances=None,
                postBalances=None,
                preTokenBalances=None,
                postTokenBalances=None,
            )
            raise preflight_failure(transaction_message(err), body)
    chain.submit(tx, raw, verify=config.flag("skipPreflight"))
    return str(tx.signatures[0])


def _try(
    chain: Chain, tx: VersionedTransaction, block: Block, verify: bool, check: bool
) -> tuple[Any, Outcome | None]:
    """Simulate at `block`. `check`: whether age and duplicates count."""
    if verify and not all(tx.verify_with_results()):
        return "SignatureFailure", None
    refusal = None
    if check:
        known = chain.ledger.find(bytes(tx.signatures[0]))
        if known is not None and known >> INDEX_BITS <= block.slot:
            refusal = "AlreadyProcessed"
        elif not chain.is_recent(tx.message.recent_blockhash, block):
            refusal = "BlockhashNotFound"
    if refusal is not None:
        return refusal, chain.bank.refused(tx, refusal, block.slot)
    outcome = chain.bank.simulate(tx, block.slot)
    return outcome.err, outcome


def _simulated(
    chain: Chain, outcome: Outcome | None, err: Any, extra: dict[str, Any]
) -> dict[str, Any]:
    ran = outcome if outcome is not None and outcome.committed else None
    body: dict[str, Any] = {
        "accounts": None,
        "err": err,
        "fee": ran.fee if ran else None,
        "innerInstructions": None,
        "loadedAccountsDataSize": ran.loaded_size if ran else 0,
        "loadedAddresses": {
            "readonly": [str(key) for key in outcome.message.loaded_readonly] if outcome else [],
            "writable": [str(key) for key in outcome.message.loaded_writable] if outcome else [],
        },
        "logs": ran.logs if ran else [],
        "postBalances": outcome.post_balances if outcome else None,
        "postTokenBalances": outcome.post_tokens if outcome else None,
        "preBalances": outcome.pre_balances if outcome else None,
        "preTokenBalances": outcome.pre_tokens if outcome else None,
        "replacementBlockhash": None,
        "returnData": None,
        "unitsConsumed": ran.units if ran else 0,
    }
    if ran and ran.return_data is not None:
        program, data = ran.return_data
        body["returnData"] = {"data": [b64(data), "base64"], "programId": program}
    return body | extra


def _simulate(chain: Chain, params: list[Any]) -> Any:
    config = Config(option(params, 1), "RpcSimulateTransactionConfig")
    tx, _ = _given(params, config)
    verify = config.flag("sigVerify")
    replace = config.flag("replaceRecentBlockhash")
    if verify and replace:
        raise invalid_params("sigVerify may not be used with replaceRecentBlockhash")
    encoding.sanitize(tx)
    block = view(chain, config)
    err, outcome = _try(chain, tx, block, verify, check=not replace)
    extra: dict[str, Any] = {}
    if replace:
        extra["replacementBlockhash"] = {
            "blockhash": str(block.hash),
            "lastValidBlockHeight": chain.last_valid_height(block),
        }
    if config.flag("innerInstructions") and outcome is not None and outcome.committed:
        keys = [str(key) for key in outcome.message.keys]
        extra["innerInstructions"] = [
            {
                "index": group["index"],
                "instructions": [instruction_json(one, keys) for one in group["instructions"]],
            }
            for group in record.inner_instructions(outcome.inner)
        ]
    wanted = config.get("accounts")
    if wanted is not None:
        extra["accounts"] = _post_accounts(chain, wanted, outcome, block)
    return context(block, _simulated(chain, outcome, err, extra))


def _post_accounts(chain: Chain, wanted: Any, outcome: Outcome | None, block: Block) -> Any:
    config = Config(wanted, "RpcSimulateTransactionAccountsConfig")
    form = config.choice("encoding", ENCODINGS, "base64")
    if form in ("binary", "base58"):
        raise invalid_params("base58 encoding not supported")
    addresses = config.get("addresses")
    if not isinstance(addresses, list):
        raise wrong_type(addresses, "a sequence")
    keys = [pubkey(address) for address in addresses]
    if outcome is not None and len(keys) > len(outcome.message.keys):
        raise invalid_params(f"Too many accounts provided; max {len(outcome.message.keys)}")
    if outcome is None or outcome.err is not None:
        return [None] * len(keys)
    rows: list[Any] = []
    for key in keys:
        account = outcome.accounts.get(key) or chain.bank.account(key, block.slot)
        held = account if account is not None and account.lamports else None
        rows.append(None if held is None else shown(chain, held, form, None))
    return rows


def confirmation(chain: Chain, slot: int) -> str:
    if slot <= chain.at("finalized").slot:
        return "finalized"
    return "confirmed" if slot <= chain.at("confirmed").slot else "processed"


def _statuses(chain: Chain, params: list[Any]) -> Any:
    if not isinstance(params[0], list):
        raise wrong_type(params[0], "a sequence")
    if len(params[0]) > _MAX_STATUSES:
        raise invalid_params(f"Too many inputs provided; max {_MAX_STATUSES}")
    signatures = [signature(text) for text in params[0]]
    config = Config(option(params, 1), "RpcSignatureStatusConfig")
    history = config.flag("searchTransactionHistory")
    head = chain.at("processed")
    rows: list[Any] = []
    for item in signatures:
        position = chain.ledger.find(bytes(item))
        block = chain.ledger.block(position >> INDEX_BITS) if position is not None else None
        if position is None or block is None or block.slot > head.slot:
            rows.append(None)
            continue
        if not history and head.height - block.height > _STATUS_BLOCKS:
            rows.append(None)
            continue
        err = block.errors.get(position & INDEX_MASK)
        level = confirmation(chain, block.slot)
        count = min(head.height - block.height + 1, _MAX_CONFIRMATIONS)
        rows.append(
            {
                "confirmationStatus": level,
                "confirmations": None if level == "finalized" else count,
                "err": err,
                "slot": block.slot,
                "status": record.status(err),
            }
        )
    return context(head, rows)


def _transaction_config(value: Any) -> Config:
    if isinstance(value, str):
        value = {"encoding": value}
    return Config(value, "RpcTransactionConfig")


def _transaction(chain: Chain, params: list[Any]) -> Any:
    wanted = signature(params[0])
    config = _transaction_config(option(params, 1))
    form = config.choice("encoding", TRANSACTION_ENCODINGS, "json")
    max_version = config.u64("maxSupportedTransactionVersion")
    top = chain.at(config.confirmed()).slot
    position = chain.ledger.find(bytes(wanted))
    if position is None or position >> INDEX_BITS > top:
        return None
    block = chain.ledger.block(position >> INDEX_BITS)
    if block is None:
        return None
    index = position & INDEX_MASK
    held = chain.ledger.records(block)[index]
    return {
        "blockTime": block.time,
        "slot": block.slot,
        "transactionIndex": index,
        **record.show(held, form, max_version),
    }


def _signatures(chain: Chain, params: list[Any]) -> Any:
    key = pubkey(params[0])
    config = Config(option(params, 1), "RpcSignaturesForAddressConfig")
    before, until = config.get("before"), config.get("until")
    before_at = signature(before) if before is not None else None
    until_at = signature(until) if until is not None else None
    limit = config.u64("limit")
    limit = _MAX_SIGNATURES if limit is None else limit
    if not 1 <= limit <= _MAX_SIGNATURES:
        raise invalid_params(f"Invalid limit; max {_MAX_SIGNATURES}")
    commitment = config.confirmed()
    top = chain.at(commitment).slot
    least = config.u64("minContextSlot")
    if least is not None and top < least:
        from localnet.solana.errors import min_context_slot

        raise min_context_slot(top)
    below = (top + 1) << INDEX_BITS
    if before_at is not None:
        found = chain.ledger.find(bytes(before_at))
        if found is None:
            return []
        below = min(below, found)
    above = None
    if until_at is not None:
        above = chain.ledger.find(bytes(until_at))
    rows: list[Any] = []
    for block, index in chain.ledger.at(chain.ledger.newest_first(key, below, above)):
        rows.append(
            {
                "blockTime": block.time,
                "confirmationStatus": confirmation(chain, block.slot),
                "err": block.errors.get(index),
                "memo": block.memos.get(index),
                "signature": b58(block.signature(index)),
                "slot": block.slot,
                "transactionIndex": index,
            }
        )
        if len(rows) >= limit:
            break
    return rows


def _fee_for_message(chain: Chain, params: list[Any]) -> Any:
    raw = encoding.wire(string(params[0]), "base64", "solana_message::versions::VersionedMessage")
    block = view(chain, Config(option(params, 1), "RpcContextConfig"))
    try:
        tx = VersionedTransaction.from_bytes(_unsigned(raw))
        message = chain.bank.message(tx)
    except Exception as error:
        raise invalid_params(
            "failed to deserialize solana_message::versions::VersionedMessage: "
            "Attempting to read 2 bytes"
        ) from error
    if not chain.is_recent(message.blockhash, block):
        return context(block, None)
    return context(block, chain.bank.fee(message))


def _unsigned(message: bytes) -> bytes:
    """The message as a transaction with no signatures."""
    return b"\x00" + message


def _airdrop(chain: Chain, params: list[Any]) -> Any:
    key: Pubkey = pubkey(params[0])
    lamports = u64(params[1])
    if not 0 < lamports <= _FAUCET_LIMIT:
        raise RpcError(-32603, "Internal error")
    return str(chain.airdrop(key, lamports))


METHODS = {
    "sendTransaction": Method(_send, 1, 2),
    "simulateTransaction": Method(_simulate, 1, 2),
    "getSignatureStatuses": Method(_statuses, 1, 2),
    "getTransaction": Method(_transaction, 1, 2),
    "getSignaturesForAddress": Method(_signatures, 1, 2),
    "getFeeForMessage": Method(_fee_for_message, 1, 2),
    "requestAirdrop": Method(_airdrop, 2, 3),
}
