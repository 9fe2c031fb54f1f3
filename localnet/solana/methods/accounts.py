"""Accounts, program accounts and tokens."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

from localnet.solana import encoding, tokens
from localnet.solana.base58 import unb58
from localnet.solana.chain import Chain
from localnet.solana.errors import invalid_params
from localnet.solana.ledger import Block
from localnet.solana.methods.call import Method, context, option, view
from localnet.solana.params import (
    ENCODINGS,
    Config,
    described,
    pubkey,
    string,
    u64,
    wrong_type,
)

_MAX_ACCOUNTS = 100
_MAX_FILTERS = 4
_MAX_MEMCMP = 128  # bytes
_LARGEST = 20  # rows of getTokenLargestAccounts

Filter = Callable[[bytes], bool]


def _account_config(params: list[Any], index: int) -> Config:
    return Config(option(params, index), "RpcAccountInfoConfig")


def shown(
    chain: Chain, account: Account, form: str, data_slice: Any, strict: bool = True
) -> dict[str, Any]:
    decimals = None
    if form == "jsonParsed" and account.owner in tokens.PROGRAMS:
        held = tokens.account(account.data)
        if held is not None:
            decimals = chain.bank.decimals(Pubkey.from_bytes(held.mint))
    return encoding.account(account, form, data_slice, decimals, strict)


def _balance(chain: Chain, params: list[Any]) -> Any:
    key = pubkey(params[0])
    block = view(chain, Config(option(params, 1), "RpcContextConfig"))
    account = chain.bank.account(key, block.slot)
    return context(block, account.lamports if account is not None else 0)


def _account_info(chain: Chain, params: list[Any]) -> Any:
    key = pubkey(params[0])
    config = _account_config(params, 1)
    form = config.choice("encoding", ENCODINGS, "binary")
    data_slice = config.data_slice()
    block = view(chain, config)
    account = chain.bank.account(key, block.slot)
    return context(block, None if account is None else shown(chain, account, form, data_slice))


def _multiple_accounts(chain: Chain, params: list[Any]) -> Any:
    if not isinstance(params[0], list):
        raise wrong_type(params[0], "a sequence")
    if len(params[0]) > _MAX_ACCOUNTS:
        raise invalid_params(f"Too many inputs provided; max {_MAX_ACCOUNTS}")
    keys = [pubkey(key) for key in params[0]]
    config = _account_config(params, 1)
    form = config.choice("encoding", ENCODINGS, "base64")
    data_slice = config.data_slice()
    block = view(chain, config)
    found = [chain.bank.account(key, block.slot) for key in keys]
    return context(
        block,
        [None if account is None else shown(chain, account, form, data_slice) for account in found],
    )


def memcmp(value: Any) -> Filter:
    if not isinstance(value, dict):
        raise wrong_type(value, "struct Memcmp")
    if "offset" not in value:
        raise invalid_params("Invalid params: missing field `offset`.")
    offset = u64(value["offset"])
    given = value.get("bytes")
    form = value.get("encoding")
    if isinstance(given, list):
        wanted = bytes(given)
    elif form == "base64":
        try:
            wanted = base64.b64decode(string(given), validate=True)
        except (ValueError, binascii.Error) as error:
            raise invalid_params(f"Invalid param: unable to decode base64: {error}") from error
    else:
        try:
            wanted = unb58(string(given))
        except ValueError as error:
            raise invalid_params("Invalid param: unable to decode base58") from error
    if len(wanted) > _MAX_MEMCMP:
        raise invalid_params("Invalid param: encoded binary data should be less than 129 bytes")
    end = offset + len(wanted)
    return lambda data: data[offset:end] == wanted


def filters(value: Any) -> list[Filter]:
    """The filters of getProgramAccounts and programSubscribe."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(value, "a sequence")
    if len(value) > _MAX_FILTERS:
        raise invalid_params(f"Too many filters provided; max {_MAX_FILTERS}")
    tests: list[Filter] = []
    for item in value:
        if item == "tokenAccountState":
            tests.append(lambda data: tokens.account(data) is not None)
        elif isinstance(item, dict) and "dataSize" in item:
            size = u64(item["dataSize"])
            tests.append(lambda data, size=size: len(data) == size)
        elif isinstance(item, dict) and "memcmp" in item:
            tests.append(memcmp(item["memcmp"]))
        else:
            name = next(iter(item), "") if isinstance(item, dict) else item
            raise invalid_params(
                f"Invalid params: unknown variant `{name}`, expected one of `dataSize`, `memcmp`, "
                "`tokenAccountState`."
            )
    return tests


def _program_accounts(chain: Chain, params: list[Any]) -> Any:
    program = pubkey(params[0])
    config = Config(option(params, 1), "RpcProgramAccountsConfig")
    form = config.choice("encoding", ENCODINGS, "binary")
    data_slice = config.data_slice()
    tests = filters(config.get("filters"))
    block = view(chain, config)
    rows = _rows(chain, chain.bank.owned(program, block.slot), tests, form, data_slice)
    return context(block, rows) if config.flag("withContext") else rows


def _rows(
    chain: Chain,
    held: list[tuple[Pubkey, Account]],
    tests: list[Filter],
    form: str,
    data_slice: tuple[int, int] | None,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for key, account in held:
        if tests:
            data = account.data
            if not all(test(data) for test in tests):
                continue
        rows.append({"account": shown(chain, account, form, data_slice), "pubkey": str(key)})
    return rows


def _token_account(chain: Chain, key: Pubkey, block: Block) -> tokens.TokenAccount:
    account = chain.bank.account(key, block.slot)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    held = tokens.account(account.data) if account.owner in tokens.PROGRAMS else None
    if held is None:
        raise invalid_params("Invalid param: not a Token account")
    return held


def _token_balance(chain: Chain, params: list[Any]) -> Any:
    key = pubkey(params[0])
    block = view(chain, Config(option(params, 1), "CommitmentConfig"))
    held = _token_account(chain, key, block)
    decimals = chain.bank.decimals(Pubkey.from_bytes(held.mint))
    return context(block, tokens.ui_amount(held.amount, decimals))


def _mint(
    chain: Chain, key: Pubkey, block: Block, what: str = "mint"
) -> tuple[tokens.Mint, Pubkey]:
    account = chain.bank.account(key, block.slot)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    held = tokens.mint(account.data) if account.owner in tokens.PROGRAMS else None
    if held is None:
        raise invalid_params(f"Invalid param: {what} could not be unpacked")
    return held, account.owner


def _token_supply(chain: Chain, params: list[Any]) -> Any:
    key = pubkey(params[0])
    block = view(chain, Config(option(params, 1), "CommitmentConfig"))
    held, _ = _mint(chain, key, block)
    return context(block, tokens.ui_amount(held.supply, held.decimals))


def _largest(chain: Chain, params: list[Any]) -> Any:
    key = pubkey(params[0])
    block = view(chain, Config(option(params, 1), "CommitmentConfig"))
    mint, program = _mint(chain, key, block)
    rows: list[tuple[int, str]] = []
    for address, account in chain.bank.owned(program, block.slot):
        held = tokens.account(account.data)
        if held is not None and held.mint == bytes(key):
            rows.append((held.amount, str(address)))
    rows.sort(reverse=True)
    return context(
        block,
        [
            {"address": address, **tokens.ui_amount(amount, mint.decimals)}
            for amount, address in rows[:_LARGEST]
        ],
    )


def _by_owner(chain: Chain, params: list[Any]) -> Any:
    return _token_accounts(chain, params, lambda held: held.owner)


def _by_delegate(chain: Chain, params: list[Any]) -> Any:
    return _token_accounts(chain, params, lambda held: held.delegate)


def _token_accounts(
    chain: Chain, params: list[Any], who: Callable[[tokens.TokenAccount], bytes | None]
) -> Any:
    owner = bytes(pubkey(params[0]))
    which = params[1]
    if not isinstance(which, dict) or not ({"mint", "programId"} & which.keys()):
        raise invalid_params(
            "Invalid params: invalid value: map, expected map with a single key."
            if isinstance(which, dict)
            else f"Invalid params: invalid type: {described(which)}, "
            "expected enum RpcTokenAccountsFilter."
        )
    config = _account_config(params, 2)
    form = config.choice("encoding", ENCODINGS, "binary")
    data_slice = config.data_slice()
    block = view(chain, config)
    mint: bytes | None = None
    if "mint" in which:
        key = pubkey(which["mint"])
        _, program = _mint(chain, key, block, "Token mint")
        mint = bytes(key)
    else:
        program = pubkey(which["programId"])
        if program not in tokens.PROGRAMS:
            raise invalid_params("Invalid param: unrecognized Token program id")

    def wanted(data: bytes) -> bool:
        held = tokens.account(data)
        return held is not None and who(held) == owner and mint in (None, held.mint)

    held = chain.bank.owned(program, block.slot)
    return context(block, _rows(chain, held, [wanted], form, data_slice))


METHODS = {
    "getBalance": Method(_balance, 1, 2),
    "getAccountInfo": Method(_account_info, 1, 2),
    "getMultipleAccounts": Method(_multiple_accounts, 1, 2),
    "getProgramAccounts": Method(_program_accounts, 1, 2),
    "getTokenAccountBalance": Method(_token_balance, 1, 2),
    "getTokenSupply": Method(_token_supply, 1, 2),
    "getTokenLargestAccounts": Method(_largest, 1, 2),
    "getTokenAccountsByOwner": Method(_by_owner, 2, 3),
    "getTokenAccountsByDelegate": Method(_by_delegate, 2, 3),
}
