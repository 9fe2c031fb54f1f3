"""A bet on Solana: a versioned transaction without signatures, with fee, rent and a simulation."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson
from anchorpy.coder.accounts import ACCOUNT_DISCRIMINATOR_SIZE
from anchorpy.coder.common import _account_size as account_size  # pyright: ignore[reportPrivateUsage]
from anchorpy.coder.instruction import InstructionCoder
from anchorpy_core.idl import Idl
from construct import ConstructError  # pyright: ignore[reportMissingTypeStubs]
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM
from solders.transaction import VersionedTransaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import get_associated_token_address

from api.problem import Problem
from api.tx.failures import Failures
from api.tx.market import Market
from api.tx.model import Place, Simulation, SolanaTransaction
from indexer.decode.idl import legacy
from indexer.decode.interface import Interface, snake
from indexer.rpc.client import Rpc

_CONFIRMED = {"commitment": "confirmed"}


class Program:
    """One interface, parsed once."""

    def __init__(self, interface: Interface) -> None:
        document = legacy(interface.document)
        self.idl = Idl.from_json(orjson.dumps(document).decode())
        self.instructions: Any = InstructionCoder(self.idl)
        self.failures = Failures(document.get("errors") or [])
        self.position_bytes = _size(self.idl, "Position")

    def instruction(
        self, name: str, program: Pubkey, accounts: Mapping[str, Pubkey], values: Mapping[str, Any]
    ) -> Instruction:
        """The instruction with the accounts in the interface's order and roles."""
        described = next((i for i in self.idl.instructions if snake(i.name) == name), None)
        if described is None:
            raise Problem(501, f"the interface of this program has no instruction {name!r}")
        metas: list[AccountMeta] = []
        listed: list[Any] = list(described.accounts)
        for account in listed:
            key = accounts.get(snake(account.name))
            if key is None:
                raise Problem(501, f"the interface wants an account unknown here: {account.name}")
            metas.append(AccountMeta(key, account.is_signer, account.is_mut))
        try:
            data = self.instructions.encode(name, dict(values))
        except ConstructError:
            raise Problem(422, "amount: is over 64 bits, more than the program takes") from None
        return Instruction(program, data, metas)

    def market_id(self, text: str) -> str:
        """Raises Problem 422."""
        return str(_pubkey("market", text))

    async def place(self, rpc: Rpc, market: Market, bet: Place) -> SolanaTransaction:
        """The accounts follow from the market, the bettor and the outcome (programs/SPEC.md,
        "Accounts on Solana")."""
        at = Pubkey.from_string(market.program.address)
        id_, mint = Pubkey.from_string(market.id), Pubkey.from_string(market.token)
        bettor = _pubkey("bettor", bet.bettor)
        payer = _pubkey("payer", bet.payer) if bet.payer else bettor
        position = _pda(at, b"position", bytes(id_), bytes(bettor), bytes([bet.outcome]))
        accounts = {
            "bettor": bettor,
            "payer": payer,
            "market": id_,
            "position": position,
            "source": _pubkey("source", bet.source)
            if bet.source
            else get_associated_token_address(bettor, mint),
            "vault": _pda(at, b"vault", bytes(id_)),
            "token_program": TOKEN_PROGRAM_ID,
            "system_program": SYSTEM,
            "event_authority": _pda(at, b"__event_authority"),
            "program": at,
        }
        values = {"outcome": bet.outcome, "amount": int(bet.amount)}
        instruction = self.instruction("place", at, accounts, values)
        latest, there, deposit = await rpc.batch(
            [
                ("getLatestBlockhash", [_CONFIRMED]),
                ("getAccountInfo", [str(position), _CONFIRMED | {"encoding": "base64"}]),
                ("getMinimumBalanceForRentExemption", [self.position_bytes]),
            ]
        )
        blockhash = latest["value"]["blockhash"]
        message = MessageV0.try_compile(payer, [instruction], [], Hash.from_string(blockhash))
        signatures = [Signature.default()] * message.header.num_required_signatures
        transaction = b64encode(bytes(VersionedTransaction.populate(message, signatures))).decode()
        wire = b64encode(to_bytes_versioned(message)).decode()
        simulate = _CONFIRMED | {"encoding": "base64", "sigVerify": False}
        fee, result = await rpc.batch(
            [
                ("getFeeForMessage", [wire, _CONFIRMED]),
                ("simulateTransaction", [transaction, simulate]),
            ]
        )
        outcome = result["value"]
        logs = [str(line) for line in outcome.get("logs") or []]
        error = outcome.get("err")
        return SolanaTransaction(
            transaction=transaction,
            signers=[str(k) for k in message.account_keys[: len(signatures)]],
            blockhash=blockhash,
            last_valid_block_height=latest["value"]["lastValidBlockHeight"],
            fee=str(fee["value"] or 0),
            rent="0" if there["value"] is not None else str(deposit),
            simulation=Simulation(
                ok=error is None,
                error=None if error is None else self.failures.explain(str(at), error, logs),
                logs=logs,
            ),
        )


def _pubkey(name: str, text: str) -> Pubkey:
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise Problem(422, f"{name}: must be a base58 public key") from None


def _pda(program: Pubkey, *seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(list(seeds), program)[0]


def _size(idl: Idl, account: str) -> int:
    """Bytes of an account of a fixed layout, its discriminator included."""
    found = next(a for a in idl.accounts if a.name == account)
    return ACCOUNT_DISCRIMINATOR_SIZE + account_size(idl, found)
