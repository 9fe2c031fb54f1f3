"""An EVM chain, as the keeper signs and sends there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from api.tx import evm
from api.tx.call import Call
from api.tx.entity import Entity
from api.tx.model import EvmTransaction, ProgramError
from indexer.config import Chain
from indexer.errors import Retryable
from indexer.rpc.client import Rpc
from indexer.rpc.errors import NodeFatal, NodeRetryable
from indexer.rpc.fees import base_fee, lasting
from pipelines.keeper.chain import Built, TooDear
from pipelines.keeper.ledger import Ended, Sent, Signed

_RAISED = (9, 8)
"""What nodes want of a transaction that replaces another: a tenth more of each fee (geth)."""


class Evm:
    """``key``'s account on ``chain``."""

    unit, decimals, kind, in_order = "ETH", 18, "evm", True

    def __init__(self, rpc: Rpc, chain: Chain, key: LocalAccount) -> None:
        self.rpc, self.chain, self._key = rpc, chain, key
        self.sender: str = key.address
        self._nonce = 0

    async def aclose(self) -> None:
        await self.rpc.aclose()

    async def balance(self) -> int:
        return int(await self.rpc.call("eth_getBalance", [self.sender, "latest"]), 16)

    async def begin(self) -> None:
        """Before the first of a row of transactions, with none of them under way."""
        answer = await self.rpc.call("eth_getTransactionCount", [self.sender, "latest"])
        self._nonce = int(answer, 16)

    async def build(self, entity: Entity, call: Call) -> Built:
        """Raises Problem, NodeFatal and Retryable."""
        built = await evm.build(self.rpc, self.chain, entity, call, {})
        return Built(built, built.simulation.error)

    async def holding(self, owner: str, token: str) -> str | None:
        """Tokens go to an address itself here."""
        return None

    def sign(self, built: Built, max_fee: int) -> Signed:
        """Raises TooDear where it may cost over ``max_fee`` wei."""
        made = built.transaction
        assert isinstance(made, EvmTransaction)
        (call,) = made.calls
        fees = int(made.fees.max_fee_per_gas), int(made.fees.max_priority_fee_per_gas)
        return self._signed(call.to, call.data, int(call.gas or 0), fees, max_fee, self._nonce)

    def _signed(
        self, to: str, data: str, gas: int, fees: tuple[int, int], max_fee: int, nonce: int
    ) -> Signed:
        price, tip = fees
        # The builder bears six full blocks; under the cap fewer will do, but not less than now's.
        least = (price + tip) // 2
        if least * gas > max_fee:
            raise TooDear(least * gas)
        price = min(price, max_fee // gas)
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain.chain_id,
            "nonce": nonce,
            "to": to,
            "data": data,
            "value": 0,
            "gas": gas,
            "maxFeePerGas": price,
            "maxPriorityFeePerGas": min(tip, price),
        }
        signed = self._key.sign_transaction(fields)
        raw = bytes(signed.raw_transaction)
        return Signed(signed.hash.to_0x_hex(), raw, gas * price, nonce)

    async def send(self, signed: Signed) -> ProgramError | None:
        """None, or why the node refuses it for good."""
        try:
            await self.rpc.call("eth_sendRawTransaction", ["0x" + signed.raw.hex()])
        except NodeFatal as error:
            # a retry of ours may have been first: what counts is whether the node has it
            if await self.rpc.call("eth_getTransactionByHash", [signed.tx]) is None:
                return ProgramError(name=None, message=error.fault.message)
        self._nonce += 1
        return None

    async def ended(self, pending: Sequence[Sent]) -> dict[int, Ended]:
        """By id, those that a block has, or that none can have any more."""
        if not pending:
            return {}
        calls = [("eth_getTransactionReceipt", [tx]) for sent in pending for tx in sent.txs]
        # the count first: what is below it is in a block that the receipts are asked of
        count, *receipts = (
            await self.rpc.ask(
                [("eth_getTransactionCount", [self.sender, "latest"]), *calls], together=True
            )
        ).results
        by_tx = {tx: r for (_, [tx]), r in zip(calls, receipts, strict=True) if r is not None}
        found: dict[int, Ended] = {}
        for sent in pending:
            receipt = next((by_tx[tx] for tx in sent.txs if tx in by_tx), None)
            if receipt is not None:
                found[sent.id] = await self._ended(receipt)
            elif sent.nonce is not None and sent.nonce < int(count, 16):
                found[sent.id] = Ended("dropped", sent.txs[-1], error="its nonce was used")
        return found

    async def _ended(self, receipt: dict[str, Any]) -> Ended:
        paid = int(receipt["gasUsed"], 16) * int(receipt.get("effectiveGasPrice") or "0x0", 16)
        # what a rollup takes for its data (OP Stack)
        paid += int(receipt.get("l1Fee") or "0x0", 16)
        ok = int(receipt["status"], 16) == 1
        tx, height = receipt["transactionHash"], int(receipt["blockNumber"], 16)
        return Ended("ok" if ok else "refused", tx, height, paid, "" if ok else "it reverted")

    async def push(self, sent: Sent, max_fee: int) -> Signed | None:
        """Gives the node what it may have forgotten; a dearer one in its place, where its fee has
        become too low and the cap allows."""
        # a node that refuses it knows it, has just taken it, or wants a higher fee
        with suppress(NodeFatal, NodeRetryable):
            await self.rpc.call("eth_sendRawTransaction", ["0x" + sent.raw.hex()])
        block = await self.rpc.call("eth_getBlockByNumber", ["latest", False])
        was = TypedTransaction.from_bytes(HexBytes(sent.raw)).as_dict()
        price, tip = was["maxFeePerGas"], was["maxPriorityFeePerGas"]
        base = base_fee(block)
        if price >= base + tip:
            return None
        tip = tip * _RAISED[0] // _RAISED[1] + 1
        price = max(lasting(base, tip).price, price * _RAISED[0] // _RAISED[1] + 1)
        gas = was["gas"]
        if price * gas > max_fee:
            price = max_fee // gas
            if price * _RAISED[1] <= was["maxFeePerGas"] * _RAISED[0]:
                return None
        nonce, to = was["nonce"], to_checksum_address(bytes(was["to"]))
        data = "0x" + bytes(was["data"]).hex()
        return self._signed(to, data, gas, (price, tip), max_fee, nonce)

    async def resend(self, signed: Signed) -> None:
        """Raises Retryable where the node doesn't take it."""
        try:
            await self.rpc.call("eth_sendRawTransaction", ["0x" + signed.raw.hex()])
        except NodeFatal as error:
            raise Retryable(str(error)) from None
