"""What the vaults of a program hold, as the chain itself says, in the token's smallest units."""

import base64
from collections.abc import Iterable

import aiohttp
from solders.pubkey import Pubkey

from localnet.network import Deployed, EvmChain, SolanaChain
from localnet.truth import Rpc, evm_programs

_AT_ONCE = 100  # accounts in one getMultipleAccounts


async def evm(chain: EvmChain, program: str, session: aiohttp.ClientSession) -> int:
    """USDC of all contracts of ``program``."""
    rpc, total = Rpc(chain.rpc, session), 0
    for contract in await evm_programs(chain, session):
        if contract.program == program:
            of = contract.address[2:].lower().rjust(64, "0")
            call = {"to": chain.tokens["USDC"], "data": "0x70a08231" + of}  # balanceOf
            total += int(await rpc("eth_call", call, "latest"), 16)
    return total


async def solana(
    chain: SolanaChain, program: str, entities: Iterable[str], session: aiohttp.ClientSession
) -> int:
    """USDC of the vaults of ``entities`` that exist."""
    rpc, total = Rpc(chain.rpc, session), 0
    deployed = next(p for p in chain.programs if p.program == program)
    vaults = [vault(deployed, entity) for entity in entities]
    for i in range(0, len(vaults), _AT_ONCE):
        level = {"commitment": "confirmed", "encoding": "base64"}
        answer = await rpc("getMultipleAccounts", vaults[i : i + _AT_ONCE], level)
        for account in filter(None, answer["value"]):
            # A classic token account: mint 32 bytes, owner 32, amount u64 little-endian.
            data = base64.b64decode(account["data"][0])
            total += int.from_bytes(data[64:72], "little")
    return total


def vault(program: Deployed, entity: str) -> str:
    """Where a Solana program keeps an entity's money (SPEC G-14)."""
    seeds = [b"vault", bytes(Pubkey.from_string(entity))]
    return str(Pubkey.find_program_address(seeds, Pubkey.from_string(program.address))[0])
