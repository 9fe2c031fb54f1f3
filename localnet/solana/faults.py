"""Faults on request: the `localnet_*` methods, and what goes wrong with other calls.

Off unless the node was started with faults. Each method takes one object; names as in JSON-RPC.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from solders.account import Account

from localnet.solana import encoding
from localnet.solana.bank import SYSTEM
from localnet.solana.chain import Chain
from localnet.solana.errors import invalid_params
from localnet.solana.params import U64, Config, pubkey, string, u64

PREFIX = "localnet_"


@dataclass(frozen=True)
class Rule:
    """What may go wrong with a call. Rates are probabilities from 0 to 1. delay_ms is how long an
    answer waits, delay_rate how often. lag_blocks is how far behind an answer is, lag_rate how
    often: some nodes behind a load balancer are."""

    error_rate: float = 0.0
    error_code: int = -32603
    error_message: str = "Internal error"
    rate_limit_rate: float = 0.0
    disconnect_rate: float = 0.0
    lag_rate: float = 0.0
    lag_blocks: int = 0
    delay_rate: float = 1.0
    delay_ms: float = 0.0


_RULE_FIELDS = {
    "errorRate": "error_rate",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "rateLimitRate": "rate_limit_rate",
    "disconnectRate": "disconnect_rate",
    "lagRate": "lag_rate",
    "lagBlocks": "lag_blocks",
    "delayRate": "delay_rate",
    "delayMs": "delay_ms",
}


def _rule(value: Any) -> Rule:
    if not isinstance(value, dict):
        raise invalid_params("a rule must be an object")
    unknown = value.keys() - _RULE_FIELDS.keys()
    if unknown:
        raise invalid_params(f"unknown fields {sorted(unknown)}; known: {sorted(_RULE_FIELDS)}")
    return Rule(**{_RULE_FIELDS[name]: given for name, given in value.items()})


@dataclass
class Faults:
    """The rules in force; one seed makes a run repeatable for the same sequence of calls."""

    everywhere: Rule = field(default_factory=Rule)
    methods: dict[str, Rule] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    counts: dict[str, int] = field(default_factory=dict)

    def rule(self, method: str) -> Rule:
        return self.methods.get(method, self.everywhere)

    def strikes(self, name: str, rate: float) -> bool:
        if rate <= 0 or self.dice.random() >= rate:
            return False
        self.counts[name] = self.counts.get(name, 0) + 1
        return True


@dataclass
class Controls:
    """What the fault methods act on."""

    chain: Chain
    faults: Faults
    rewound: Callable[[int], None]
    hang_up: Callable[[], int]
    ticking: bool = True


Control = Callable[[Controls, Config], Any]


def _set_time(controls: Controls, given: Config) -> Any:
    controls.chain.set_time(u64(given.get("unixTime")))
    return controls.chain.working_time


def _advance_time(controls: Controls, given: Config) -> Any:
    seconds = given.get("seconds")
    if not isinstance(seconds, int):
        raise invalid_params("seconds must be an integer")
    controls.chain.set_time(controls.chain.working_time + seconds)
    return controls.chain.working_time


def _produce(controls: Controls, given: Config) -> Any:
    """Freeze `count` slots (1), each followed by `skip` (0) slots without a block."""
    count, skip = given.u64("count"), given.u64("skip") or 0
    made = [controls.chain.produce(skip).slot for _ in range(1 if count is None else count)]
    return made


def _skip(controls: Controls, given: Config) -> Any:
    controls.chain.skip(u64(given.get("count")))
    return controls.chain.bank.slot


def _drop_fork(controls: Controls, given: Config) -> Any:
    """Drop the newest `depth` blocks; see Chain.drop_fork."""
    reinclude = given.choice("reinclude", ("none", "valid", "all"), "valid")
    try:
        dropped = controls.chain.drop_fork(
            u64(given.get("depth")),
            reinclude,  # type: ignore[arg-type]
            given.flag("reuseSlots"),
        )
    except ValueError as error:
        raise invalid_params(str(error)) from error
    controls.rewound(controls.chain.ledger.head.slot)
    return {
        "dropped": [{"slot": block.slot, "blockhash": str(block.hash)} for block in dropped],
        "head": controls.chain.ledger.head.slot,
        "reincluded": len(controls.chain.working),
    }


def _switch_fork(controls: Controls, given: Config) -> Any:
    """Go back to the fork that was dropped last; see Chain.switch_fork."""
    chain = controls.chain
    try:
        restored = chain.switch_fork()
    except ValueError as error:
        raise invalid_params(str(error)) from error
    controls.rewound(restored[0].parent)
    return {
        "restored": [{"slot": block.slot, "blockhash": str(block.hash)} for block in restored],
        "head": chain.ledger.head.slot,
    }


def _hang_up(controls: Controls, given: Config) -> Any:
    """Close every WebSocket; how many there were."""
    return controls.hang_up()


def _set_lag(controls: Controls, given: Config) -> Any:
    """Answer as a node `blocks` blocks behind."""
    controls.chain.lag = u64(given.get("blocks"))
    return controls.chain.at("processed").slot


def _set_faults(controls: Controls, given: Config) -> Any:
    """`seed`, the fields of a rule for all methods, `methods`: {name: rule}, `missingSlots`:
    slots answered as skipped, `orphans`: whether dropped blocks are still served."""
    value = dict(given.value)
    faults = controls.faults
    if "seed" in value:
        faults.dice = random.Random(value.pop("seed"))
    methods = value.pop("methods", {})
    controls.chain.hidden = {u64(slot) for slot in value.pop("missingSlots", [])}
    controls.chain.serves_orphans = bool(value.pop("orphans", False))
    faults.everywhere = _rule(value)
    faults.methods = {name: _rule(rule) for name, rule in methods.items()}
    faults.counts = {}
    return True


def _clear_faults(controls: Controls, given: Config) -> Any:
    counts = controls.faults.counts
    controls.chain.lag = 0
    _set_faults(controls, Config({}, "Faults"))
    return counts


def _pause(controls: Controls, given: Config) -> Any:
    controls.ticking = False
    return controls.chain.bank.slot


def _resume(controls: Controls, given: Config) -> Any:
    controls.ticking = True
    return controls.chain.bank.slot


def _process(controls: Controls, given: Config) -> Any:
    """Execute `transactions` (base64) at once, a block every `perSlot` (100); see Chain.process."""
    transactions = given.get("transactions")
    if not isinstance(transactions, list):
        raise invalid_params("transactions must be an array of base64 texts")
    return controls.chain.process(
        [encoding.signed(string(text)) for text in transactions],
        given.u64("perSlot") or 100,
        verify=given.flag("verify"),
        age=given.flag("age"),
    )


def _set_account(controls: Controls, given: Config) -> Any:
    """Set `pubkey`'s `lamports`, `data` (base64) and `owner` in the working slot."""
    key = pubkey(given.get("pubkey"))
    lamports = u64(given.get("lamports"))
    owner = pubkey(given.get("owner")) if given.get("owner") is not None else SYSTEM
    data = base64.b64decode(given.get("data") or "")
    account = Account(lamports, data, owner, False, U64) if lamports else None
    controls.chain.bank.put(key, account)
    return True


def _state(controls: Controls, given: Config) -> Any:
    chain = controls.chain
    return {
        "workingSlot": chain.bank.slot,
        "head": chain.ledger.head.slot,
        "finalized": chain.at("finalized").slot,
        "oldestReversible": chain.bank.oldest(),
        "first": chain.ledger.first.slot,
        "fork": chain.fork,
        "lag": chain.lag,
        "time": chain.working_time,
        "transactions": chain.ledger.transactions,
        "accounts": len(chain.bank.live),
        "ticking": controls.ticking,
        "faults": controls.faults.counts,
    }


CONTROLS: dict[str, Control] = {
    "localnet_setTime": _set_time,
    "localnet_advanceTime": _advance_time,
    "localnet_produceSlots": _produce,
    "localnet_skipSlots": _skip,
    "localnet_dropFork": _drop_fork,
    "localnet_switchFork": _switch_fork,
    "localnet_hangUp": _hang_up,
    "localnet_setLag": _set_lag,
    "localnet_setFaults": _set_faults,
    "localnet_clearFaults": _clear_faults,
    "localnet_pause": _pause,
    "localnet_resume": _resume,
    "localnet_process": _process,
    "localnet_setAccount": _set_account,
    "localnet_state": _state,
}
