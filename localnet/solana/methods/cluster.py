"""Slots, epochs, the node and the cluster."""

from __future__ import annotations

from typing import Any

from localnet.solana.bank import RENT, SLOTS_PER_EPOCH
from localnet.solana.chain import Chain
from localnet.solana.errors import invalid_params, node_unhealthy
from localnet.solana.methods.call import API_VERSION, Method, context, option, view
from localnet.solana.params import Config, hash_, pubkey, u64, usize, wrong_type

FEATURE_SET = 565_236_538  # of the same release
_HEALTHY_LAG = 128  # slots behind the cluster at which a validator says so
_MAX_LEADERS = 5_000
_MAX_DATA = 10 * 1024 * 1024  # largest account, bytes


def _context_config(params: list[Any], index: int = 0) -> Config:
    return Config(option(params, index), "RpcContextConfig")


def _health(chain: Chain, params: list[Any]) -> Any:
    if chain.lag >= _HEALTHY_LAG:
        raise node_unhealthy(chain.lag)
    return "ok"


def _version(chain: Chain, params: list[Any]) -> Any:
    return {"feature-set": FEATURE_SET, "solana-core": API_VERSION}


def _genesis_hash(chain: Chain, params: list[Any]) -> Any:
    return str(chain.genesis_hash)


def _identity(chain: Chain, params: list[Any]) -> Any:
    return {"identity": str(chain.identity)}


def _slot(chain: Chain, params: list[Any]) -> Any:
    return view(chain, _context_config(params)).slot


def _block_height(chain: Chain, params: list[Any]) -> Any:
    return view(chain, _context_config(params)).height


def _epoch_info(chain: Chain, params: list[Any]) -> Any:
    block = view(chain, _context_config(params))
    return {
        "absoluteSlot": block.slot,
        "blockHeight": block.height,
        "epoch": block.slot // SLOTS_PER_EPOCH,
        "slotIndex": block.slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": chain.ledger.transactions,
    }


def _epoch_schedule(chain: Chain, params: list[Any]) -> Any:
    return {
        "firstNormalEpoch": 0,
        "firstNormalSlot": 0,
        "leaderScheduleSlotOffset": SLOTS_PER_EPOCH,
        "slotsPerEpoch": SLOTS_PER_EPOCH,
        "warmup": False,
    }


def _slot_leader(chain: Chain, params: list[Any]) -> Any:
    view(chain, _context_config(params))
    return str(chain.identity)


def _slot_leaders(chain: Chain, params: list[Any]) -> Any:
    u64(params[0])
    limit = u64(params[1])
    if not 1 <= limit <= _MAX_LEADERS:
        raise invalid_params(f"Invalid limit; max {_MAX_LEADERS}")
    return [str(chain.identity)] * limit


def _leader_schedule(chain: Chain, params: list[Any]) -> Any:
    return {str(chain.identity): list(range(SLOTS_PER_EPOCH))}


def _cluster_nodes(chain: Chain, params: list[Any]) -> Any:
    return [
        {
            "clientId": "Agave",
            "featureSet": FEATURE_SET,
            "gossip": "127.0.0.1:1024",
            "pubkey": str(chain.identity),
            "pubsub": None,
            "rpc": None,
            "serveRepair": None,
            "shredVersion": 1,
            "tpu": None,
            "tpuForwards": None,
            "tpuForwardsQuic": None,
            "tpuQuic": None,
            "tpuVote": None,
            "tvu": None,
            "version": API_VERSION,
        }
    ]


def _vote_accounts(chain: Chain, params: list[Any]) -> Any:
    return {"current": [], "delinquent": []}


def _transaction_count(chain: Chain, params: list[Any]) -> Any:
    block = view(chain, _context_config(params))
    newer = chain.ledger.slots(block.slot + 1, chain.ledger.head.slot)
    late = sum(held.count for slot in newer if (held := chain.ledger.block(slot)) is not None)
    return chain.ledger.transactions - late


def _supply(chain: Chain, params: list[Any]) -> Any:
    block = view(chain, _context_config(params))
    total = sum(account.lamports for account in chain.bank.live.values())
    value = {
        "circulating": total,
        "nonCirculating": 0,
        "nonCirculatingAccounts": [],
        "total": total,
    }
    return context(block, value)


def _minimum_balance(chain: Chain, params: list[Any]) -> Any:
    size = usize(params[0])
    if size > _MAX_DATA:
        raise invalid_params(f"Invalid params: data length {size} is over {_MAX_DATA}")
    return RENT.minimum_balance(size)


def _latest_blockhash(chain: Chain, params: list[Any]) -> Any:
    block = view(chain, _context_config(params))
    value = {
        "blockhash": str(block.hash),
        "lastValidBlockHeight": chain.last_valid_height(block),
    }
    return context(block, value)


def _is_blockhash_valid(chain: Chain, params: list[Any]) -> Any:
    blockhash = hash_(params[0])
    block = view(chain, _context_config(params, 1))
    return context(block, chain.is_recent(blockhash, block))


def _prioritization_fees(chain: Chain, params: list[Any]) -> Any:
    addresses = option(params, 0)
    if addresses is None:
        addresses = []
    if not isinstance(addresses, list):
        raise wrong_type(addresses, "a sequence")
    if len(addresses) > 128:
        raise invalid_params("Too many inputs provided; max 128")
    for address in addresses:
        pubkey(address)
    return [
        {"prioritizationFee": block.fees[0], "slot": block.slot}
        for block in chain.ledger.chain[-MAX_FEE_BLOCKS:]
        if block.fees[1]
    ]


MAX_FEE_BLOCKS = 150  # blocks for which a validator keeps prioritization fees


def _performance_samples(chain: Chain, params: list[Any]) -> Any:
    return []


def _inflation_governor(chain: Chain, params: list[Any]) -> Any:
    return {
        "foundation": 0.05,
        "foundationTerm": 7.0,
        "initial": 0.08,
        "taper": 0.15,
        "terminal": 0.015,
    }


def _inflation_rate(chain: Chain, params: list[Any]) -> Any:
    epoch = chain.at("finalized").slot // SLOTS_PER_EPOCH
    return {"epoch": epoch, "foundation": 0.004, "total": 0.08, "validator": 0.076}


def _stake_minimum(chain: Chain, params: list[Any]) -> Any:
    return context(view(chain, _context_config(params)), 10**9)


METHODS = {
    "getHealth": Method(_health, 0, 0),
    "getVersion": Method(_version, 0, 0),
    "getGenesisHash": Method(_genesis_hash, 0, 0),
    "getIdentity": Method(_identity, 0, 0),
    "getSlot": Method(_slot),
    "getBlockHeight": Method(_block_height),
    "getEpochInfo": Method(_epoch_info),
    "getEpochSchedule": Method(_epoch_schedule, 0, 0),
    "getSlotLeader": Method(_slot_leader),
    "getSlotLeaders": Method(_slot_leaders, 2, 2),
    "getLeaderSchedule": Method(_leader_schedule, 0, 2),
    "getClusterNodes": Method(_cluster_nodes, 0, 0),
    "getVoteAccounts": Method(_vote_accounts),
    "getTransactionCount": Method(_transaction_count),
    "getSupply": Method(_supply),
    "getMinimumBalanceForRentExemption": Method(_minimum_balance, 1, 2),
    "getLatestBlockhash": Method(_latest_blockhash),
    "isBlockhashValid": Method(_is_blockhash_valid, 1, 2),
    "getRecentPrioritizationFees": Method(_prioritization_fees),
    "getRecentPerformanceSamples": Method(_performance_samples),
    "getInflationGovernor": Method(_inflation_governor),
    "getInflationRate": Method(_inflation_rate, 0, 0),
    "getStakeMinimumDelegation": Method(_stake_minimum),
}
