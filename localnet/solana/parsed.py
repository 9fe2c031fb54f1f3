"""`jsonParsed`: instructions and accounts of the programs that a validator can parse.

As Agave's transaction-status and account-decoder crates write them. What isn't known here is
given the way a validator gives an unknown program: accounts and base58 data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from solders.pubkey import Pubkey

from localnet.solana import tokens
from localnet.solana.base58 import b58, unb58

SYSTEM = "11111111111111111111111111111111"
TOKEN = str(tokens.TOKEN)
TOKEN_2022 = str(tokens.TOKEN_2022)
ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
MEMO_V1 = "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo"
# Keys that no transaction may write, whatever its header says.
RESERVED = frozenset(
    (
        SYSTEM,
        "ComputeBudget111111111111111111111111111111",
        "Vote111111111111111111111111111111111111111",
        "Stake11111111111111111111111111111111111111",
        "AddressLookupTab1e1111111111111111111111111",
        "BPFLoader2111111111111111111111111111111111",
        "BPFLoaderUpgradeab1e11111111111111111111111",
        "NativeLoader1111111111111111111111111111111",
        "SysvarC1ock11111111111111111111111111111111",
        "SysvarRent111111111111111111111111111111111",
        "SysvarS1otHashes111111111111111111111111111",
        "Sysvar1nstructions1111111111111111111111111",
        "SysvarRecentB1ockHashes11111111111111111111",
        "SysvarEpochSchedu1e111111111111111111111111",
        "SysvarStakeHistory1111111111111111111111111",
    )
)
_STATES = ("uninitialized", "initialized", "frozen")
_AUTHORITIES = ("mintTokens", "freezeAccount", "accountOwner", "closeAccount")

Parsed = tuple[str, dict[str, Any]]


class Unknown(Exception):
    """The bytes are none of the program's instructions."""


def _key(data: bytes) -> str:
    if len(data) < 32:
        raise Unknown
    return str(Pubkey.from_bytes(data[:32]))


def _u64(data: bytes, at: int) -> int:
    if len(data) < at + 8:
        raise Unknown
    return int.from_bytes(data[at : at + 8], "little")


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = _u64(data, at)
    end = at + 8 + size
    if len(data) < end:
        raise Unknown
    return data[at + 8 : end].decode(), end


def _system(accounts: list[str], data: bytes) -> Parsed:
    kind = int.from_bytes(data[:4], "little")
    a = accounts
    if kind == 0:
        return "createAccount", {
            "lamports": _u64(data, 4),
            "newAccount": a[1],
            "owner": _key(data[20:]),
            "source": a[0],
            "space": _u64(data, 12),
        }
    if kind == 1:
        return "assign", {"account": a[0], "owner": _key(data[4:])}
    if kind == 2:
        return "transfer", {"destination": a[1], "lamports": _u64(data, 4), "source": a[0]}
    if kind == 3:
        seed, end = _text(data, 36)
        return "createAccountWithSeed", {
            "base": _key(data[4:]),
            "lamports": _u64(data, end),
            "newAccount": a[1],
            "owner": _key(data[end + 16 :]),
            "seed": seed,
            "source": a[0],
            "space": _u64(data, end + 8),
        }
    if kind == 8:
        return "allocate", {"account": a[0], "space": _u64(data, 4)}
    raise Unknown


def _signers(body: dict[str, Any], accounts: list[str], last: int, name: str, multi: str) -> None:
    """Owner or multisig: accounts beyond the authority are a multisig's signers."""
    if len(accounts) > last + 1:
        body[f"multisig{multi}"] = accounts[last]
        body["signers"] = accounts[last + 1 :]
    else:
        body[name] = accounts[last]


def _token(accounts: list[str], data: bytes) -> Parsed:
    a = accounts
    kind = data[0]
    if kind in (0, 20):
        body: dict[str, Any] = {
            "decimals": data[1],
            "mint": a[0],
            "mintAuthority": _key(data[2:]),
        }
        if kind == 0:
            body["rentSysvar"] = a[1]
        if data[34]:
            body["freezeAuthority"] = _key(data[35:])
        return ("initializeMint" if kind == 0 else "initializeMint2"), body
    if kind in (1, 16, 18):
        body = {
            "account": a[0],
            "mint": a[1],
            "owner": a[2] if kind == 1 else _key(data[1:]),
        }
        if kind == 1:
            body["rentSysvar"] = a[3]
        if kind == 16:
            body["rentSysvar"] = a[2]
        suffix = {1: "", 16: "2", 18: "3"}[kind]
        return f"initializeAccount{suffix}", body
    if kind == 3:
        body = {"amount": str(_u64(data, 1)), "destination": a[1], "source": a[0]}
        _signers(body, a, 2, "authority", "Authority")
        return "transfer", body
    if kind == 4:
        body = {"amount": str(_u64(data, 1)), "delegate": a[1], "source": a[0]}
        _signers(body, a, 2, "owner", "Owner")
        return "approve", body
    if kind == 5:
        body = {"source": a[0]}
        _signers(body, a, 1, "owner", "Owner")
        return "revoke", body
    if kind == 6:
        authority = _AUTHORITIES[data[1]]
        body = {
            "authorityType": authority,
            "newAuthority": _key(data[3:]) if data[2] else None,
            ("mint" if data[1] < 2 else "account"): a[0],
        }
        _signers(body, a, 1, "authority", "Authority")
        return "setAuthority", body
    if kind == 7:
        body = {"account": a[1], "amount": str(_u64(data, 1)), "mint": a[0]}
        _signers(body, a, 2, "mintAuthority", "MintAuthority")
        return "mintTo", body
    if kind == 8:
        body = {"account": a[0], "amount": str(_u64(data, 1)), "mint": a[1]}
        _signers(body, a, 2, "authority", "Authority")
        return "burn", body
    if kind == 9:
        body = {"account": a[0], "destination": a[1]}
        _signers(body, a, 2, "owner", "Owner")
        return "closeAccount", body
    if kind in (10, 11):
        body = {"account": a[0], "mint": a[1]}
        _signers(body, a, 2, "freezeAuthority", "FreezeAuthority")
        return ("freezeAccount" if kind == 10 else "thawAccount"), body
    if kind == 12:
        body = {
            "destination": a[2],
            "mint": a[1],
            "source": a[0],
            "tokenAmount": tokens.ui_amount(_u64(data, 1), data[9]),
        }
        _signers(body, a, 3, "authority", "Authority")
        return "transferChecked", body
    if kind == 14:
        body = {
            "account": a[1],
            "mint": a[0],
            "tokenAmount": tokens.ui_amount(_u64(data, 1), data[9]),
        }
        _signers(body, a, 2, "mintAuthority", "MintAuthority")
        return "mintToChecked", body
    if kind == 15:
        body = {
            "account": a[0],
            "mint": a[1],
            "tokenAmount": tokens.ui_amount(_u64(data, 1), data[9]),
        }
        _signers(body, a, 2, "authority", "Authority")
        return "burnChecked", body
    if kind == 17:
        return "syncNative", {"account": a[0]}
    if kind == 21:
        body = {"mint": a[0]}
        if len(data) > 2:
            extensions = [int.from_bytes(data[i : i + 2], "little") for i in range(1, len(data), 2)]
            if extensions != [7]:
                raise Unknown
            body["extensionTypes"] = ["immutableOwner"]
        return "getAccountDataSize", body
    if kind == 22:
        return "initializeImmutableOwner", {"account": a[0]}
    raise Unknown


def _associated(accounts: list[str], data: bytes) -> Parsed:
    a = accounts
    kind = data[0] if data else 0
    if kind > 1:
        raise Unknown
    return ("create" if kind == 0 else "createIdempotent"), {
        "account": a[1],
        "mint": a[3],
        "source": a[0],
        "systemProgram": a[4],
        "tokenProgram": a[5],
        "wallet": a[2],
    }


_PROGRAMS: dict[str, tuple[str, Callable[[list[str], bytes], Parsed]]] = {
    SYSTEM: ("system", _system),
    TOKEN: ("spl-token", _token),
    TOKEN_2022: ("spl-token", _token),
    ASSOCIATED: ("spl-associated-token-account", _associated),
}


def instruction(program: str, accounts: list[str], data: bytes, height: int) -> dict[str, Any]:
    """An instruction with its program and accounts by address."""
    tail = {"programId": program, "stackHeight": height}
    if program in (MEMO, MEMO_V1):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
        if text is not None:
            return {"parsed": text, "program": "spl-memo", **tail}
    known = _PROGRAMS.get(program)
    if known is not None:
        name, parse = known
        try:
            kind, info = parse(accounts, data)
        except (Unknown, IndexError, UnicodeDecodeError):
            pass
        else:
            return {"parsed": {"info": info, "type": kind}, "program": name, **tail}
    return {"accounts": accounts, "data": b58(data), **tail}


def instruction_json(compiled: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The same from a compiled instruction in its JSON form."""
    return instruction(
        keys[compiled["programIdIndex"]],
        [keys[index] for index in compiled["accounts"]],
        unb58(compiled["data"]),
        compiled["stackHeight"],
    )


def account(owner: Pubkey, data: bytes, decimals: int | None) -> dict[str, Any] | None:
    """`data` of a parsed account, or None where the program or layout isn't known."""
    if owner not in tokens.PROGRAMS:
        return None
    name = "spl-token" if owner == tokens.TOKEN else "spl-token-2022"
    mint = tokens.mint(data)
    if mint is not None:
        info: dict[str, Any] = {
            "decimals": mint.decimals,
            "freezeAuthority": _maybe(mint.freeze_authority),
            "isInitialized": mint.initialized,
            "mintAuthority": _maybe(mint.authority),
            "supply": str(mint.supply),
        }
        return {"parsed": {"info": info, "type": "mint"}, "program": name, "space": len(data)}
    held = tokens.account(data)
    if held is None or decimals is None:
        return None
    info = {
        "isNative": held.native_reserve is not None,
        "mint": str(Pubkey.from_bytes(held.mint)),
        "owner": str(Pubkey.from_bytes(held.owner)),
        "state": _STATES[min(held.state, 2)],
        "tokenAmount": tokens.ui_amount(held.amount, decimals),
    }
    if held.delegate is not None:
        info["delegate"] = _maybe(held.delegate)
        info["delegatedAmount"] = tokens.ui_amount(held.delegated_amount, decimals)
    if held.native_reserve is not None:
        info["rentExemptReserve"] = tokens.ui_amount(held.native_reserve, 9)
    if held.close_authority is not None:
        info["closeAuthority"] = _maybe(held.close_authority)
    return {"parsed": {"info": info, "type": "account"}, "program": name, "space": len(data)}


def _maybe(key: bytes | None) -> str | None:
    return str(Pubkey.from_bytes(key)) if key is not None else None
