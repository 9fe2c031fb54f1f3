"""A call on an EVM chain: what a wallet sends, in order, with gas, fees and a simulation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector
from eth_utils.address import is_checksum_address, to_checksum_address

from api.problem import Problem
from api.tx.call import Call, Value, Who
from api.tx.entity import Entity
from api.tx.model import EvmCall, EvmFees, EvmTransaction, Simulation
from api.tx.reverts import Reverts
from indexer.config import Chain
from indexer.rpc.client import Rpc
from indexer.rpc.errors import Kind, NodeFatal
from indexer.rpc.fees import offered

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_ID = re.compile(r"0x[0-9a-f]{64}")
# what a call used is after refunds, up to a fifth of it (EIP-3529), and keeps a 64th back from
# each call it makes (EIP-150): a limit of 4/3 covers both
_LIMIT = (4, 3)


def entity_id(key: str, text: str) -> str:
    """Lower case; raises Problem 422."""
    found = text.lower()
    if not _ID.fullmatch(found):
        raise Problem(422, f"{key}: must be 0x and 64 hex digits")
    return found


async def build(
    rpc: Rpc, chain: Chain, entity: Entity, call: Call, messages: Mapping[str, str]
) -> EvmTransaction:
    """Approves first where the allowance is short of what the call spends."""
    sender = _address(call.sender.field, call.sender.text)
    abi: list[dict[str, Any]] = _abi(entity.program.interface.document)
    contract = entity.address
    values = [bytes.fromhex(entity.id[2:])] if entity.id else []
    data = _call(abi, _camel(call.name), [*values, *map(_value, call.values.values())])
    calls: list[tuple[str, str, str]] = []
    if call.spends:  # a call that spends nothing asks nothing of its token, which may be dead
        token = _address("token", entity.token)
        if await _allowance(rpc, token, sender, contract) < call.spends:
            approve = _encode("approve", ["address", "uint256"], [contract, call.spends])
            calls.append((f"allow the program to take {call.spends}", token, approve))
    calls.append((call.words, contract, data))
    reverts = Reverts(abi, messages)
    fees = await offered(rpc)
    gas, simulation = await _simulate(rpc, sender, calls, reverts)
    return EvmTransaction(
        chain_id=chain.chain_id or 0,
        sender=to_checksum_address(sender),
        calls=[
            EvmCall(
                description=words,
                to=to_checksum_address(to),
                data=payload,
                value="0",
                gas=None if limit is None else str(limit),
            )
            for (words, to, payload), limit in zip(calls, gas, strict=True)
        ],
        fees=EvmFees(max_fee_per_gas=str(fees.price), max_priority_fee_per_gas=str(fees.tip)),
        simulation=simulation,
    )


def _value(value: Value) -> Any:
    return _address(value.field, value.text) if isinstance(value, Who) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _address(name: str, text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise Problem(422, f"{name}: must be 0x and 40 hex digits")
    digits = text[2:]
    if not (digits.islower() or digits.isupper() or digits.isdigit()) and not is_checksum_address(
        text
    ):
        raise Problem(422, f"{name}: the checksum is wrong (EIP-55): a letter was mistyped")
    return text.lower()


def _abi(document: Any) -> list[dict[str, Any]]:
    return document["abi"] if isinstance(document, dict) else document


def _call(abi: Sequence[Mapping[str, Any]], name: str, values: Sequence[Any]) -> str:
    """The data of a call to a function of the interface."""
    for entry in abi:
        if entry["type"] == "function" and entry["name"] == name:
            return _encode(name, [collapse_if_tuple(dict(i)) for i in entry["inputs"]], values)
    raise Problem(501, f"the interface of this program has no function {name!r}")


def _encode(name: str, types: Sequence[str], values: Sequence[Any]) -> str:
    try:
        arguments = encode(types, values)
    except EncodingError as error:
        raise Problem(422, f"{name}: {' '.join(str(error).split())}") from None
    selector = function_signature_to_4byte_selector(f"{name}({','.join(types)})")
    return "0x" + (selector + arguments).hex()


async def _allowance(rpc: Rpc, token: str, owner: str, spender: str) -> int:
    data = _encode("allowance", ["address", "address"], [owner, spender])
    answer = await rpc.call("eth_call", [{"to": token, "data": data}, "latest"])
    return int(answer, 16) if len(answer) > 2 else 0


async def _simulate(
    rpc: Rpc, sender: str, calls: Sequence[tuple[str, str, str]], reverts: Reverts
) -> tuple[list[int | None], Simulation]:
    """Gas limits and what would happen. One call is estimated; of two, the second needs what the
    first one wrote (eth_simulateV1), which not every node can do."""
    sent = [{"from": sender, "to": to, "data": data} for _, to, data in calls]
    if len(sent) > 1:
        try:
            payload = {"blockStateCalls": [{"calls": sent}], "validation": False}
            answer = await rpc.call("eth_simulateV1", [payload, "latest"])
            return _read(answer[0]["calls"], reverts)
        except NodeFatal as error:
            if error.fault.kind not in (Kind.UNSUPPORTED, Kind.INVALID):
                raise
    gas: list[int | None] = [None] * len(sent)
    try:
        gas[0] = _margin(int(await rpc.call("eth_estimateGas", [sent[0]]), 16))
    except NodeFatal as error:
        if error.fault.kind is not Kind.REVERTED:
            raise
        found = reverts.explain(error.fault.data, error.fault.message)
        return gas, Simulation(ok=False, error=found)
    return gas, Simulation(ok=True)


def _read(
    results: Sequence[Mapping[str, Any]], reverts: Reverts
) -> tuple[list[int | None], Simulation]:
    gas: list[int | None] = []
    failed: Simulation | None = None
    for result in results:
        ok = int(result["status"], 16) == 1
        gas.append(_margin(int(result["gasUsed"], 16)) if ok and failed is None else None)
        if not ok and failed is None:
            error = result.get("error") or {}
            data = error.get("data") or result.get("returnData")
            words = str(error.get("message", "execution reverted"))
            failed = Simulation(ok=False, error=reverts.explain(data, words))
    return gas, failed or Simulation(ok=True)


def _margin(used: int) -> int:
    return used * _LIMIT[0] // _LIMIT[1]
