"""What the chain itself says, read and folded the slow, obvious way: row by row, in Python."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import based58
from web3 import Web3

from indexer.folds.algebra import Aggregate, Fold
from localnet import artifacts
from sim.evm import EvmChain
from sim.rpc import Rpc
from sim.solana import BETS, SolanaChain

Row = dict[str, Any]
"""A row by column: text, int (of numbers and, in unix seconds, of times), bool or None."""
Events = dict[str, dict[int, Row]]
"""Rows of each event by position."""
Told = Callable[[str], None]
# Anchor's mark of an event that a program tells itself by a call.
_TAG = bytes.fromhex("e445a52e51cb9a1d")


async def evm(chain: EvmChain, rpc: Rpc, start: int) -> tuple[Events, dict[int, str]]:
    """Events from height ``start`` on, by the receipts of every block, and every block's hash."""
    abi = json.loads(artifacts.BETS_ABI.read_text())
    contract = Web3().eth.contract(address=Web3.to_checksum_address(chain.bets), abi=abi)
    named = {
        Web3.keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})").hex(): e
        for e in abi
        if e["type"] == "event"
    }
    events: Events = {e["name"]: {} for e in named.values()}
    heights = range(int(await rpc("eth_blockNumber"), 16) + 1)
    blocks = await rpc.each([("eth_getBlockByNumber", [hex(h), False]) for h in heights])
    receipts = await rpc.each([("eth_getBlockReceipts", [hex(h)]) for h in heights])
    for height, block, found in zip(heights, blocks, receipts, strict=True):
        for log in (log for r in found for log in r["logs"] if log["address"] == chain.bets):
            event = named[log["topics"][0].removeprefix("0x")]
            if height < start:
                continue
            args = contract.events[event["name"]]().process_log(_typed(log))["args"]
            row = _common(log["transactionHash"], chain.bets, int(block["timestamp"], 16))
            for field in event["inputs"]:
                _put(row, _snake(field["name"]), _plain(args[field["name"]]))
            events[event["name"]][height << 28 | int(log["logIndex"], 16)] = row
    return events, {h: b["hash"] for h, b in zip(heights, blocks, strict=True)}


def _typed(log: Row) -> Row:
    """A log of JSON with the types that web3 wants."""
    return {
        **log,
        "topics": [Web3.to_bytes(hexstr=t) for t in log["topics"]],
        "data": Web3.to_bytes(hexstr=log["data"]),
        "address": Web3.to_checksum_address(log["address"]),
        "blockNumber": int(log["blockNumber"], 16),
        "logIndex": int(log["logIndex"], 16),
        "transactionIndex": int(log["transactionIndex"], 16),
        "transactionHash": Web3.to_bytes(hexstr=log["transactionHash"]),
        "blockHash": Web3.to_bytes(hexstr=log["blockHash"]),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, str) and re.fullmatch("0x[0-9a-fA-F]{40}", value):
        return value.lower()
    return value


async def solana(chain: SolanaChain, rpc: Rpc, start: int) -> tuple[Events, dict[int, str]]:
    """Events from slot ``start`` on, by every block's inner instructions, and the blockhashes."""
    idl = json.loads(artifacts.BETS_IDL.read_text())
    named = {hashlib.sha256(f"event:{e['name']}".encode()).digest()[:8]: e for e in idl["events"]}
    events: Events = {e["name"]: {} for e in idl["events"]}
    level = {"commitment": "confirmed"}
    slots = await rpc("getBlocks", 0, await rpc("getSlot", level), level)
    wanted = {**level, "encoding": "json", "maxSupportedTransactionVersion": 0, "rewards": False}
    blocks = await rpc.each([("getBlock", [slot, wanted]) for slot in slots])
    for slot, block in zip(slots, blocks, strict=True):
        for at, item in enumerate(block["transactions"]):
            if item["meta"]["err"] is not None or slot < start:
                continue
            for ordinal, data in _instructions(item):
                if data[:8] != _TAG:
                    continue
                event = named[data[8:16]]
                row = _common(item["transaction"]["signatures"][0], BETS, block["blockTime"])
                rest = data[16:]
                for field in event["fields"]:
                    value, rest = _borsh(field["type"], rest)
                    _put(row, _snake(field["name"]), value)
                assert not rest
                events[event["name"]][slot << 28 | at << 10 | ordinal] = row
    return events, {s: b["blockhash"] for s, b in zip(slots, blocks, strict=True)}


def _instructions(item: Row) -> Iterator[tuple[int, bytes]]:
    """(index among all in execution order, data) of the program's instructions."""
    message = item["transaction"]["message"]
    loaded = item["meta"].get("loadedAddresses") or {"writable": [], "readonly": []}
    keys = [*message["accountKeys"], *loaded["writable"], *loaded["readonly"]]
    inner = {g["index"]: g["instructions"] for g in item["meta"]["innerInstructions"]}
    every = [
        one for i, outer in enumerate(message["instructions"]) for one in (outer, *inner.get(i, []))
    ]
    for index, one in enumerate(every):
        if keys[one["programIdIndex"]] == BETS:
            yield index, based58.b58decode(one["data"].encode())


def _borsh(kind: Any, data: bytes) -> tuple[Any, bytes]:
    if kind == "publicKey":
        return based58.b58encode(data[:32]).decode(), data[32:]
    if kind == "string":
        end = 4 + struct.unpack_from("<I", data)[0]
        return data[4:end].decode(), data[end:]
    if kind == "bool":
        return bool(data[0]), data[1:]
    if isinstance(kind, dict):
        assert kind["array"][0] == "u8"
        return "0x" + data[: kind["array"][1]].hex(), data[kind["array"][1] :]
    size = int(kind[1:]) // 8
    return int.from_bytes(data[:size], "little", signed=kind[0] == "i"), data[size:]


def _common(tx: str, address: str, time: int) -> Row:
    return {"tx": tx, "address": address, "time": time}


def _put(row: Row, name: str, value: Any) -> None:
    row[name] = value
    if name.endswith(("_at", "_by")):
        row[f"{name}_raw"] = value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def fold(declared: Fold, events: Events) -> dict[tuple[Any, ...], Row]:
    """The rows of a fold by key, with every event of its keys looked at one by one."""
    keyed = {name: rows for name, rows in events.items() if set(declared.key) <= _fields(name)}
    used = {e for a in declared.columns.values() for e, _ in _arms(a, keyed)}
    by_key: defaultdict[tuple[Any, ...], list[tuple[int, str, Row]]] = defaultdict(list)
    for name in used:
        for pos, row in keyed[name].items():
            by_key[tuple(row[k] for k in declared.key)].append((pos, name, row))
    return {
        key: {
            column: _aggregate(aggregate, _arms(aggregate, keyed), sorted(rows, key=lambda r: r[0]))
            for column, aggregate in declared.columns.items()
        }
        for key, rows in by_key.items()
    }


def _arms(aggregate: Aggregate, keyed: Events) -> list[tuple[str, str]]:
    """(event, field) that a column reads; every event of the key where it counts them all."""
    if not aggregate.sources:
        return [(event, "") for event in keyed]
    found: list[tuple[str, str]] = []
    for source in aggregate.sources:
        event, _, field = source.partition(".")
        if field or event in keyed:
            found.append((event, field))
        else:
            found += [(e, source) for e in keyed if source in _fields(e)]
    return found


def _aggregate(a: Aggregate, arms: list[tuple[str, str]], rows: list[tuple[int, str, Row]]) -> Any:
    fields = dict(arms)
    values = [row[fields[n]] if fields[n] else 1 for _, n, row in rows if n in fields]
    match a.op:
        case "count":
            return len(values)
        case "sum":
            return sum(values)
        case "first":
            return values[0] if values else None
        case "last":
            return values[-1] if values else None
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)


def _fields(event: str) -> set[str]:
    """The columns of an event's table, by its interface."""
    (found,) = (e for e in _IDL["events"] if e["name"] == event)
    row: Row = _common("", "", 0)
    for field in found["fields"]:
        _put(row, _snake(field["name"]), None)
    return set(row)


_IDL = json.loads(artifacts.BETS_IDL.read_text())
