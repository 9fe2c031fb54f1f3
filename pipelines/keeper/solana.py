"""A Solana cluster, as the keeper signs and sends there."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from api.tx.call import Call
from api.tx.entity import Entity
from api.tx.model import ProgramError, SolanaTransaction
from api.tx.solana import Program
from indexer.rpc.client import Rpc
from indexer.rpc.errors import NodeFatal, NodeRetryable
from pipelines.keeper.chain import Built, TooDear
from pipelines.keeper.ledger import Ended, Sent, Signed

_CONFIRMED = {"commitment": "confirmed"}
_SENDING = {"encoding": "base64", "preflightCommitment": "confirmed"}
_LAMPORTS = 5_000
"""Of a signature, where the node names no fee."""
_LATE = 32
"""Blocks after a blockhash's last one before a transaction is taken for dropped: a node may lag."""


class Solana:
    """``key``'s account; ``programs``: the parsed interfaces by their path."""

    unit, decimals, kind, in_order = "SOL", 9, "solana", False

    def __init__(self, rpc: Rpc, key: Keypair, programs: Mapping[object, Program]) -> None:
        self.rpc, self._key, self.programs = rpc, key, programs
        self.sender = str(key.pubkey())

    async def aclose(self) -> None:
        await self.rpc.aclose()

    async def balance(self) -> int:
        return (await self.rpc.call("getBalance", [self.sender, _CONFIRMED]))["value"]

    async def begin(self) -> None:
        """No nonces here."""

    async def build(self, entity: Entity, call: Call) -> Built:
        """Raises Problem, NodeFatal and Retryable."""
        program = self.programs[entity.program.interface.path]
        built = await program.build(self.rpc, entity, call)
        return Built(built, built.simulation.error)

    async def holding(self, owner: str, token: str) -> str | None:
        """The fullest of the owner's accounts of the token: one in use is the least likely to be
        closed under way."""
        how = _CONFIRMED | {"encoding": "jsonParsed"}
        found = await self.rpc.call("getTokenAccountsByOwner", [owner, {"mint": token}, how])

        def amount(account: Any) -> int:
            return int(account["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"])

        accounts = sorted(found["value"], key=amount, reverse=True)
        return accounts[0]["pubkey"] if accounts else None

    def sign(self, built: Built, max_fee: int) -> Signed:
        """Raises TooDear where fee and rent are over ``max_fee`` lamports."""
        made = built.transaction
        assert isinstance(made, SolanaTransaction)
        most = (int(made.fee) or _LAMPORTS) + int(made.rent)
        if most > max_fee:
            raise TooDear(most)
        unsigned = VersionedTransaction.from_bytes(b64decode(made.transaction))
        signature = self._key.sign_message(to_bytes_versioned(unsigned.message))
        raw = bytes(VersionedTransaction.populate(unsigned.message, [signature]))
        return Signed(str(signature), raw, most, expires=made.last_valid_block_height)

    async def send(self, signed: Signed) -> ProgramError | None:
        """None, or why it can't get into a block."""
        try:
            await self.rpc.call("sendTransaction", [b64encode(signed.raw).decode(), _SENDING])
        except NodeFatal as error:
            # a retry of ours may have been first: what counts is whether the node has it
            if (await self._statuses([signed.tx]))[1][0] is None:
                return self._explain(error)
        return None

    def _explain(self, error: NodeFatal) -> ProgramError:
        data: Any = error.fault.data
        if isinstance(data, dict) and data.get("err") is not None:
            logs = [str(line) for line in data.get("logs") or []]
            for program in self.programs.values():
                found = program.failures.explain("", data["err"], logs)
                if found.name and not found.name.startswith("Custom"):
                    return found
        return ProgramError(name=None, message=error.fault.message)

    async def _statuses(self, txs: Sequence[str]) -> tuple[int, list[Any]]:
        """The block height, asked first, and the status of each transaction."""
        height, found = (
            await self.rpc.ask(
                [
                    ("getBlockHeight", [_CONFIRMED]),
                    ("getSignatureStatuses", [list(txs), {"searchTransactionHistory": True}]),
                ],
                together=True,
            )
        ).results
        return height, found["value"]

    async def ended(self, pending: Sequence[Sent]) -> dict[int, Ended]:
        """By id, those that a confirmed block has, or that none can have any more."""
        if not pending:
            return {}
        height, statuses = await self._statuses([sent.txs[-1] for sent in pending])
        found: dict[int, Ended] = {}
        for sent, status in zip(pending, statuses, strict=True):
            if status is None:
                if sent.expires is not None and height > sent.expires + _LATE:
                    found[sent.id] = Ended("dropped", sent.txs[-1], error="its blockhash is old")
            elif status.get("confirmationStatus") in ("confirmed", "finalized"):
                found[sent.id] = await self._ended(sent, status)
        return found

    async def _ended(self, sent: Sent, status: Mapping[str, Any]) -> Ended:
        tx = sent.txs[-1]
        how = _CONFIRMED | {"encoding": "json", "maxSupportedTransactionVersion": 0}
        read = await self.rpc.call("getTransaction", [tx, how])
        # without a receipt what it may have cost is what it cost
        paid = sent.most
        if read is not None:
            meta = read["meta"]
            paid = max(0, meta["preBalances"][0] - meta["postBalances"][0])
        if status["err"] is None:
            return Ended("ok", tx, status["slot"], paid)
        return Ended("refused", tx, status["slot"], paid, f"it failed: {status['err']}")

    async def push(self, sent: Sent, max_fee: int) -> Signed | None:
        """Gives the node again what it may have forgotten; it is dropped when its blockhash is
        too old."""
        how = _SENDING | {"skipPreflight": True}
        # a node that refuses it knows it, or it is too late
        with suppress(NodeFatal, NodeRetryable):
            await self.rpc.call("sendTransaction", [b64encode(sent.raw).decode(), how])
        return None

    async def resend(self, signed: Signed) -> None:
        """Nothing is replaced here."""
