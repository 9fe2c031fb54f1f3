"""What a node tells about a program: its chain, its first height, whether it is a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Rpc
from indexer.rpc.errors import NodeFatal, NodeRetryable
from indexer.rpc.url import redact

_NAMES = {
    1: "ethereum", 10: "optimism", 56: "bnb", 100: "gnosis", 137: "polygon", 324: "zksync",
    8453: "base", 31337: "anvil", 42161: "arbitrum", 43114: "avalanche", 59144: "linea",
    84532: "base_sepolia", 11155111: "sepolia",
}  # fmt: skip
_IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
_BEACON = "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"
"""Storage slots of EIP-1967: keccak256("eip1967.proxy.implementation") - 1, and of ".beacon"."""
_CALL_IMPLEMENTATION = "0x5c60da1b"
_CLONE = "363d3d373d3d3d363d73"
"""Code before the implementation's address in a minimal proxy (EIP-1167)."""
_ANY_CODE = ("0x", "0x0", None)


@dataclass(frozen=True, slots=True)
class Proxy:
    """``kind`` names the standard; ``implementation`` runs behind the proxy at this moment."""

    kind: str
    implementation: str


@dataclass(frozen=True, slots=True)
class Found:
    """``start``: the first height that may hold the program's events, as far as the node tells.

    ``note`` says what it doesn't. ``chain_id`` on EVM, ``genesis_hash`` on Solana.
    """

    name: str
    chain_id: int | None
    genesis_hash: str | None
    start: int
    proxy: Proxy | None = None
    note: str | None = None


async def evm(url: str, address: str) -> Found:
    """Asks an EVM node. Raises Fatal where it doesn't answer or has no contract at ``address``."""
    async with Rpc((url,), attempts=2, timeout=15.0) as rpc:
        chain_id = int(await _ask(rpc, url, "eth_chainId"), 16)
        latest = int(await _ask(rpc, url, "eth_blockNumber"), 16)
        code = await _ask(rpc, url, "eth_getCode", address, "latest")
        if code in _ANY_CODE:
            raise Fatal(
                f"no contract at {address} on chain id {chain_id} ({redact(url)}): correct the "
                "address or --rpc"
            )
        proxy = await _proxy(rpc, url, address, code)
        start, note = await _deployed(rpc, address, latest)
    return Found(_NAMES.get(chain_id, f"evm_{chain_id}"), chain_id, None, start, proxy, note)


async def solana(url: str, address: str) -> Found:
    """Asks a Solana node. Raises Fatal where no executable program is at ``address``."""
    async with Rpc((url,), attempts=2, timeout=15.0) as rpc:
        genesis = await _ask(rpc, url, "getGenesisHash")
        config = {"encoding": "base64", "dataSlice": {"offset": 0, "length": 0}}
        account = (await _ask(rpc, url, "getAccountInfo", address, config))["value"]
        if account is None or not account["executable"]:
            what = "no account" if account is None else "no executable program"
            raise Fatal(f"{what} at {address} ({redact(url)}): correct the address or --rpc")
        floor = int(await _ask(rpc, url, "getFirstAvailableBlock"))
    note = None
    if floor > 1:
        note = f"the node keeps nothing below slot {floor}: an archive node has the rest"
    return Found("solana", None, genesis, floor if floor > 1 else 0, note=note)


async def _ask(rpc: Rpc, url: str, method: str, *params: Any) -> Any:
    try:
        return await rpc.call(method, params)
    except (Retryable, Fatal) as error:
        raise Fatal(f"--rpc: {error}: is {redact(url)} the right node?") from error


async def _proxy(rpc: Rpc, url: str, address: str, code: str) -> Proxy | None:
    held = await _ask(rpc, url, "eth_getStorageAt", address, _IMPLEMENTATION, "latest")
    if int(held, 16):
        return Proxy("EIP-1967 proxy", _address(held))
    held = await _ask(rpc, url, "eth_getStorageAt", address, _BEACON, "latest")
    if int(held, 16):
        beacon = _address(held)
        call = {"to": beacon, "data": _CALL_IMPLEMENTATION}
        return Proxy(
            f"EIP-1967 proxy of the beacon {beacon}",
            _address(await _ask(rpc, url, "eth_call", call, "latest")),
        )
    at = code.lower().find(_CLONE)
    if at >= 0:
        begin = at + len(_CLONE)
        return Proxy("EIP-1167 clone", "0x" + code[begin : begin + 40].lower())
    return None


def _address(word: str) -> str:
    return "0x" + word[2:].rjust(64, "0")[-40:].lower()


async def _deployed(rpc: Rpc, address: str, latest: int) -> tuple[int, str | None]:
    """The block whose state first has code at ``address``, found by halving."""
    low, high = 0, latest
    while low < high:
        middle = (low + high) // 2
        try:
            code = await rpc.call("eth_getCode", [address, hex(middle)])
        except (NodeFatal, NodeRetryable):
            return 0, "the node keeps no old state: set `start` to the block of the deployment"
        if code in _ANY_CODE:
            low = middle + 1
        else:
            high = middle
    return low, None
