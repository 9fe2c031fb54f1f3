"""A transaction in the ledger, and its JSON in each encoding and level of detail."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from localnet.solana import parsed
from localnet.solana.bank import Outcome
from localnet.solana.base58 import b58
from localnet.solana.encoding import b64
from localnet.solana.errors import unsupported_version

MEMO_PROGRAMS = frozenset(
    (
        "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
        "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo",
    )
)


class Record(NamedTuple):
    """What the ledger keeps of a transaction: its wire bytes and its meta as JSON."""

    wire: bytes
    meta: bytes


def compiled(instruction: Any, height: int) -> dict[str, Any]:
    return {
        "accounts": list(bytes(instruction.accounts)),
        "data": b58(bytes(instruction.data)),
        "programIdIndex": instruction.program_id_index,
        "stackHeight": height,
    }


def inner_instructions(groups: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "instructions": [
                compiled(inner.instruction(), inner.stack_height()) for inner in group
            ],
        }
        for index, group in enumerate(groups)
        if group
    ]


def status(err: Any) -> dict[str, Any]:
    return {"Ok": None} if err is None else {"Err": err}


def meta(outcome: Outcome) -> bytes:
    """UiTransactionStatusMeta as JSON."""
    message = outcome.message
    for row in outcome.pre_tokens + outcome.post_tokens:
        # A validator's ledger stores no zero: it comes back as null.
        if row["uiTokenAmount"]["uiAmount"] == 0:
            row["uiTokenAmount"]["uiAmount"] = None
    body: dict[str, Any] = {
        "computeUnitsConsumed": outcome.units,
        "costUnits": outcome.cost,
        "err": outcome.err,
        "fee": outcome.fee,
        "innerInstructions": inner_instructions(outcome.inner),
        "loadedAddresses": {
            "readonly": [str(key) for key in message.loaded_readonly],
            "writable": [str(key) for key in message.loaded_writable],
        },
        "logMessages": outcome.logs,
        "postBalances": outcome.post_balances,
        "postTokenBalances": outcome.post_tokens,
        "preBalances": outcome.pre_balances,
        "preTokenBalances": outcome.pre_tokens,
        "rewards": [],
        "status": status(outcome.err),
    }
    if outcome.return_data is not None:
        program, data = outcome.return_data
        body["returnData"] = {"data": [b64(data), "base64"], "programId": program}
    return orjson.dumps(body)


def memo(outcome: Outcome) -> str | None:
    """The memos as getSignaturesForAddress shows them: `[length] text; …`."""
    message = outcome.message
    keys = message.keys
    texts: list[str] = []
    for instruction in message.instructions:
        if str(keys[instruction.program_id_index]) in MEMO_PROGRAMS:
            data = bytes(instruction.data)
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = "(unparseable)"
            texts.append(f"[{len(data)}] {text}")
    return "; ".join(texts) if texts else None


def _version(tx: VersionedTransaction) -> int | str:
    return 0 if isinstance(tx.message, MessageV0) else "legacy"


def version_field(tx: VersionedTransaction, max_version: int | None) -> dict[str, Any]:
    """The `version` field; an error where the client didn't say that it knows the version."""
    version = _version(tx)
    if version == "legacy":
        return {} if max_version is None else {"version": "legacy"}
    if max_version is None or max_version < int(version):
        raise unsupported_version(int(version))
    return {"version": version}


def show(
    record: Record, encoding: str, max_version: int | None, rewards: bool = True
) -> dict[str, Any]:
    """`transaction`, `meta` and `version` of a full answer."""
    if not rewards:
        # No text inside can look like this: quotes in a JSON string are escaped.
        record = Record(record.wire, record.meta.replace(b'"rewards":[]', b'"rewards":null'))
    # The version is the first byte after the signatures: its high bit marks a versioned message.
    wire = record.wire
    if encoding in ("base64", "base58", "binary"):
        versioned = wire[1 + 64 * wire[0]] & 0x80 if wire[0] < 0x80 else 0
        if versioned and (max_version is None or max_version < 0):
            raise unsupported_version(0)
        body: dict[str, Any] = {}
        if encoding == "base64":
            body["transaction"] = [b64(wire), "base64"]
        else:
            text = b58(wire)
            body["transaction"] = text if encoding == "binary" else [text, "base58"]
        body["meta"] = orjson.Fragment(record.meta)
        if max_version is not None:
            body["version"] = 0 if versioned else "legacy"
        return body
    tx = VersionedTransaction.from_bytes(wire)
    version = version_field(tx, max_version)
    if encoding == "jsonParsed":
        details = orjson.loads(record.meta)
        loaded = details.pop("loadedAddresses")
        keys = [str(key) for key in tx.message.account_keys] + loaded["writable"]
        keys += loaded["readonly"]
        details["innerInstructions"] = [
            {
                "index": group["index"],
                "instructions": [
                    parsed.instruction_json(inner, keys) for inner in group["instructions"]
                ],
            }
            for group in details["innerInstructions"]
        ]
        return {"transaction": _parsed(tx, keys, loaded), "meta": details, **version}
    return {"transaction": _json(tx), "meta": orjson.Fragment(record.meta), **version}


def show_accounts(record: Record, max_version: int | None, rewards: bool) -> dict[str, Any]:
    """The `accounts` level of detail of getBlock."""
    tx = VersionedTransaction.from_bytes(record.wire)
    version = version_field(tx, max_version)
    details = orjson.loads(record.meta)
    kept = (
        "err",
        "fee",
        "postBalances",
        "postTokenBalances",
        "preBalances",
        "preTokenBalances",
        "status",
    )
    return {
        "meta": {name: details[name] for name in kept} | {"rewards": [] if rewards else None},
        "transaction": {
            "accountKeys": _account_keys(tx, details["loadedAddresses"]),
            "signatures": [str(signature) for signature in tx.signatures],
        },
        **version,
    }


def _lookups(message: MessageV0) -> list[dict[str, Any]]:
    return [
        {
            "accountKey": str(lookup.account_key),
            "readonlyIndexes": list(bytes(lookup.readonly_indexes)),
            "writableIndexes": list(bytes(lookup.writable_indexes)),
        }
        for lookup in message.address_table_lookups
    ]


def _json(tx: VersionedTransaction) -> dict[str, Any]:
    message = tx.message
    header = message.header
    body: dict[str, Any] = {
        "accountKeys": [str(key) for key in message.account_keys],
        "header": {
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
            "numRequiredSignatures": header.num_required_signatures,
        },
        "instructions": [compiled(instruction, 1) for instruction in message.instructions],
        "recentBlockhash": str(message.recent_blockhash),
    }
    if isinstance(message, MessageV0):
        body["addressTableLookups"] = _lookups(message)
    return {"message": body, "signatures": [str(signature) for signature in tx.signatures]}


def _account_keys(tx: VersionedTransaction, loaded: dict[str, list[str]]) -> list[dict[str, Any]]:
    message = tx.message
    header = message.header
    keys = message.account_keys
    signed = header.num_required_signatures
    last_signed = signed - header.num_readonly_signed_accounts
    last_unsigned = len(keys) - header.num_readonly_unsigned_accounts
    programs = {instruction.program_id_index for instruction in message.instructions}
    rows = [
        {
            "pubkey": str(key),
            "signer": index < signed,
            "source": "transaction",
            # The runtime takes the write lock from reserved keys and from called programs.
            "writable": (index < last_signed or signed <= index < last_unsigned)
            and index not in programs
            and str(key) not in parsed.RESERVED,
        }
        for index, key in enumerate(keys)
    ]
    for name, writable in (("writable", True), ("readonly", False)):
        rows += [
            {"pubkey": key, "signer": False, "source": "lookupTable", "writable": writable}
            for key in loaded[name]
        ]
    return rows


def _parsed(
    tx: VersionedTransaction, keys: list[str], loaded: dict[str, list[str]]
) -> dict[str, Any]:
    message = tx.message
    body: dict[str, Any] = {
        "accountKeys": _account_keys(tx, loaded),
        "instructions": [
            parsed.instruction(
                keys[instruction.program_id_index],
                [keys[index] for index in bytes(instruction.accounts)],
                bytes(instruction.data),
                1,
            )
            for instruction in message.instructions
        ],
        "recentBlockhash": str(message.recent_blockhash),
    }
    if isinstance(message, MessageV0):
        body["addressTableLookups"] = _lookups(message)
    return {"message": body, "signatures": [str(signature) for signature in tx.signatures]}
