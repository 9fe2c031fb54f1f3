"""A call on Solana: a versioned transaction without signatures, with fee, rent, a simulation."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import orjson
from anchorpy.coder.accounts import ACCOUNT_DISCRIMINATOR_SIZE, AccountsCoder
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
from api.tx.call import Call, Holding, Next, Part, Place, RentPayer, Value, Who
from api.tx.entity import Entity
from api.tx.failures import Failures
from api.tx.model import Simulation, SolanaTransaction
from indexer.decode.idl import legacy
from indexer.decode.interface import Interface, snake
from indexer.rpc.client import Rpc

_CONFIRMED = {"commitment": "confirmed"}
_BASE64 = {**_CONFIRMED, "encoding": "base64"}


class Program:
    """One interface, parsed once."""

    def __init__(self, interface: Interface) -> None:
        document = legacy(interface.document)
        self.idl = Idl.from_json(orjson.dumps(document).decode())
        self.instructions: Any = InstructionCoder(self.idl)
        self.accounts: Any = AccountsCoder(self.idl)
        self.failures = Failures(document.get("errors") or [])

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
        wanted = {name: values[name] for name in (snake(a.name) for a in described.args)}
        try:
            data = self.instructions.encode(name, wanted)
        except ConstructError:
            raise Problem(422, "an amount is over 64 bits, more than the program takes") from None
        return Instruction(program, data, metas)

    def entity_id(self, key: str, text: str) -> str:
        """Raises Problem 422."""
        return str(_pubkey(key, text))

    async def build(self, rpc: Rpc, entity: Entity, call: Call) -> SolanaTransaction:
        """Where the call makes accounts, their deposit is told if they aren't there yet."""
        at = Pubkey.from_string(entity.address)
        accounts = {
            "counter": _pda(at, b"counter"),
            "token_program": TOKEN_PROGRAM_ID,
            "system_program": SYSTEM,
            "event_authority": _pda(at, b"__event_authority"),
            "program": at,
        }
        values = {name: _value(value) for name, value in call.values.items()}
        if entity.id:
            id_ = Pubkey.from_string(entity.id)
            accounts |= {entity.kind.key: id_, "vault": _pda(at, b"vault", bytes(id_))}
            values |= {entity.kind.key: id_}
        payers: dict[str, str] = {}
        for name, account in call.accounts.items():
            if isinstance(account, RentPayer):
                payers[name] = account.of
            else:
                accounts[name] = await self._account(rpc, at, entity, account)
        for name, of in payers.items():
            accounts[name] = await self._rent_payer(rpc, of, accounts[of])
        instruction = self.instruction(call.name, at, accounts, values)
        payer = _key(call.payer or call.sender)
        made = [(str(accounts[name]), _size(self.idl, kind)) for name, kind in call.opens.items()]
        latest, *answers = await rpc.batch(
            [
                ("getLatestBlockhash", [_CONFIRMED]),
                *(("getAccountInfo", [address, _BASE64]) for address, _ in made),
                *(("getMinimumBalanceForRentExemption", [size]) for _, size in made),
            ]
        )
        there, deposits = answers[: len(made)], answers[len(made) :]
        rent = sum(
            deposit
            for found, deposit in zip(there, deposits, strict=True)
            if found["value"] is None
        )
        blockhash = latest["value"]["blockhash"]
        message = MessageV0.try_compile(payer, [instruction], [], Hash.from_string(blockhash))
        signatures = [Signature.default()] * message.header.num_required_signatures
        transaction = b64encode(bytes(VersionedTransaction.populate(message, signatures))).decode()
        wire = b64encode(to_bytes_versioned(message)).decode()
        simulate = _BASE64 | {"sigVerify": False}
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
            rent=str(rent),
            simulation=Simulation(
                ok=error is None,
                error=None if error is None else self.failures.explain(str(at), error, logs),
                logs=logs,
            ),
        )

    async def _account(self, rpc: Rpc, program: Pubkey, entity: Entity, account: Place) -> Pubkey:
        match account:
            case Who():
                return _key(account)
            case Part():
                seeds = [p if isinstance(p, bytes) else bytes(_key(p)) for p in account.of]
                if not account.alone:
                    seeds.insert(0, bytes(Pubkey.from_string(entity.id)))
                return _pda(program, account.kind, *seeds)
            case Next():
                creator = _key(account.creator)
                counter = await self._read(
                    rpc, "counter", _pda(program, b"creator", bytes(creator))
                )
                nonce = int(counter.next_nonce) if counter else 0
                return _pda(program, account.kind, bytes(creator), nonce.to_bytes(8, "little"))
            case Holding():
                if account.given is not None:
                    return _key(account.given)
                mint = Pubkey.from_string(entity.token)
                return get_associated_token_address(_key(account.owner), mint)

    async def _rent_payer(self, rpc: Rpc, name: str, account: Pubkey) -> Pubkey:
        """Raises Problem 404 where the account isn't there: who closed it has its rent."""
        found = await self._read(rpc, name, account)
        if found is None:
            raise Problem(404, f"the {name} {account} is closed, or never was")
        return found.rent_payer

    async def _read(self, rpc: Rpc, name: str, address: Pubkey) -> Any:
        """An account of the program by its fields; None where it isn't there."""
        found = (await rpc.call("getAccountInfo", [str(address), _BASE64]))["value"]
        if found is None:
            return None
        try:
            return self.accounts.decode(b64decode(found["data"][0]))
        except (ConstructError, KeyError, AttributeError):
            raise Problem(422, f"{name}: {address} is no account of this program") from None


def _value(value: Value) -> Any:
    match value:
        case Who():
            return _key(value)
        case int() | str():
            return value
        case bytes():
            return list(value)
        case _:
            return [v if isinstance(v, str) else list(v) for v in value]


def _key(who: Who) -> Pubkey:
    return _pubkey(who.field, who.text)


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
