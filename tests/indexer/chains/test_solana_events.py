"""Transactions as nodes list them in, columns of events out."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import based58
import msgspec
import pytest

from indexer.chains.solana_blocks import Transaction
from indexer.chains.solana_events import TAG, Collector, event_authority
from indexer.errors import Fatal

BETS = "BetsChainfo1d1111111111111111111111111111111"
OTHER = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
PDA = event_authority(BETS)
USER = "8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR1"
EVENT = bytes(range(8)) + b"payload"


def data(raw: bytes) -> str:
    return based58.b58encode(raw).decode()


def call(program: int, accounts: list[int], raw: bytes = b"x") -> dict[str, Any]:
    return {"programIdIndex": program, "accounts": accounts, "data": data(raw), "stackHeight": 2}


def transaction(
    keys: list[str],
    outer: list[dict[str, Any]],
    inner: dict[int, list[dict[str, Any]]] | None = None,
    *,
    logs: list[str] | None = None,
    error: Any = None,
    loaded: tuple[list[str], list[str]] = ([], []),
) -> dict[str, Any]:
    groups = [{"index": i, "instructions": g} for i, g in (inner or {}).items()]
    return {
        "transaction": {
            "signatures": ["sig"],
            "message": {"accountKeys": keys, "instructions": outer},
        },
        "meta": {
            "err": error,
            "innerInstructions": groups,
            "logMessages": logs or [],
            "loadedAddresses": {"writable": loaded[0], "readonly": loaded[1]},
        },
        "version": 0,
    }


def as_read(transactions: Iterable[dict[str, Any]]) -> list[Transaction]:
    """What the reader makes of a node's JSON."""
    return msgspec.json.decode(msgspec.json.encode(list(transactions)), type=list[Transaction])


KEYS = [USER, BETS, PDA, OTHER]


def found(*transactions: dict[str, Any], start: int = 0) -> list[tuple[int, int, str, bytes]]:
    collector = Collector("solana: slot 9", {BETS: (PDA, start)})
    collector.block(9, as_read(transactions))
    events = collector.events()
    return list(
        zip(
            events.height.tolist(),
            events.ordinal.tolist(),
            events.program,
            events.payload,
            strict=True,
        )
    )


def emitted(raw: bytes = TAG + EVENT, accounts: tuple[int, ...] = (2,)) -> dict[str, Any]:
    return call(1, list(accounts), raw)


def test_event_by_self_cpi() -> None:
    tx = transaction(KEYS, [call(1, [0])], {0: [call(3, [0]), emitted()]})
    assert found(tx) == [(9, 2, BETS, EVENT)]


def test_ordinals_run_through_outer_and_inner_instructions() -> None:
    inner = {0: [emitted(), call(3, [])], 2: [emitted(TAG + EVENT + b"2")]}
    tx = transaction(KEYS, [call(1, [0]), call(3, [0]), call(1, [0])], inner)
    assert [e[1] for e in found({**tx}, tx)] == [1, 5, 1 << 10 | 1, 1 << 10 | 5]


def test_inner_groups_in_any_order() -> None:
    inner = {2: [emitted(TAG + EVENT + b"2")], 0: [emitted(), call(3, [])]}
    tx = transaction(KEYS, [call(1, [0]), call(3, [0]), call(1, [0])], inner)
    assert [(e[1], e[3]) for e in found(tx)] == [(1, EVENT), (5, EVENT + b"2")]


def test_failed_transactions_emit_nothing() -> None:
    tx = transaction(KEYS, [call(1, [0])], {0: [emitted()]}, error={"InstructionError": [0, "X"]})
    assert found(tx) == []
    good = transaction(KEYS, [call(1, [0])], {0: [emitted()]})
    assert [e[1] for e in found(tx, good)] == [1 << 10 | 1], "but they count as transactions"


@pytest.mark.parametrize(
    "forged",
    [
        emitted(accounts=()),
        emitted(accounts=(0,)),
        emitted(accounts=(2, 0)),
        emitted(EVENT),
        emitted(TAG + b"short"),
        emitted(TAG[:5]),
        call(3, [2], TAG + EVENT),
        {**emitted(), "data": "0OIl"},
        {**emitted(), "data": ""},
    ],
    ids=["no account", "another", "two", "no tag", "no discriminator", "half a tag",
         "another program", "no base58", "no data"],
)  # fmt: skip
def test_what_only_looks_like_an_event(forged: dict[str, Any]) -> None:
    assert found(transaction(KEYS, [call(1, [0])], {0: [forged]})) == []


def test_an_outer_instruction_is_no_event() -> None:
    assert found(transaction(KEYS, [emitted()])) == []


def test_accounts_from_lookup_tables() -> None:
    tx = transaction(
        [USER, OTHER],
        [call(1, [])],
        {0: [call(3, [2], TAG + EVENT)]},
        loaded=([PDA], [BETS]),
    )
    assert [(e[1], e[3]) for e in found(tx)] == [(1, EVENT)]


def test_events_before_the_start_are_left_out() -> None:
    tx = transaction(KEYS, [call(1, [0])], {0: [emitted()]})
    assert found(tx, start=10) == []
    assert len(found(tx, start=9)) == 1


def logged(*lines: str) -> dict[str, Any]:
    return transaction([USER, BETS, OTHER], [call(1, [0])], logs=list(lines))


def line(raw: bytes = EVENT) -> str:
    return f"Program data: {base64.b64encode(raw).decode()}"


def begin(program: str, depth: int = 1) -> str:
    return f"Program {program} invoke [{depth}]"


def end(program: str) -> str:
    return f"Program {program} success"


def test_event_by_log() -> None:
    used = f"Program {BETS} consumed 9 of 200000 compute units"
    tx = logged(begin(BETS), "Program log: Instruction: Place", line(), used, end(BETS))
    assert found(tx) == [(9, 64, BETS, EVENT)]


def test_logs_belong_to_the_innermost_program() -> None:
    tx = logged(
        begin(OTHER), line(b"other's1"), begin(BETS, 2), line(), end(BETS), line(b"other's2"),
        end(OTHER), begin(BETS), begin(OTHER, 2), line(b"other's3"), end(OTHER), line(EVENT + b"2"),
        end(BETS),
    )  # fmt: skip
    assert [(e[1], e[3]) for e in found(tx)] == [(65, EVENT), (68, EVENT + b"2")]


def test_a_program_cannot_log_as_another() -> None:
    tx = logged(
        begin(OTHER),
        f"Program log: Program {BETS} invoke [2]",
        f"Program log: {line()}",
        f"Program log: \n{begin(BETS, 2)}\n{line()}",
        line(),
        end(OTHER),
    )
    assert found(tx) == []


@pytest.mark.parametrize("text", ["", "!!!", "AAAA", "AAAA BBBB", "AAECAwQFBgc"])
def test_data_lines_that_are_no_events(text: str) -> None:
    assert found(logged(begin(BETS), f"Program data: {text}", end(BETS))) == []


def test_a_failed_inner_call_ends_too() -> None:
    tx = logged(
        begin(BETS), begin(OTHER, 2), f"Program {OTHER} failed: custom program error: 0x1",
        line(), end(BETS),
    )  # fmt: skip
    assert len(found(tx)) == 1


def test_a_truncated_log_is_fatal_and_named() -> None:
    with pytest.raises(Fatal, match=rf"slot 9, sig: the log of {BETS} is truncated.*emit_cpi!"):
        found(logged(begin(BETS), line(), "Log truncated"))


def test_a_log_truncated_before_the_program_was_reached_is_fatal_too() -> None:
    """What came after the cut is unknown, and the program is among the accounts."""
    with pytest.raises(Fatal, match="truncated"):
        found(logged(begin(OTHER), "Log truncated"))


def test_a_truncated_log_does_not_matter_to_self_cpi() -> None:
    tx = transaction(KEYS, [call(1, [0])], {0: [emitted()]}, logs=[begin(BETS), "Log truncated"])
    assert len(found(tx)) == 1


def test_naming_the_authority_does_not_excuse_a_truncated_log() -> None:
    with pytest.raises(Fatal, match="truncated"):
        found(transaction(KEYS, [call(1, [0, 2])], logs=[begin(BETS), "Log truncated"]))


def test_logging_the_words_is_not_truncation() -> None:
    assert found(logged(begin(BETS), "Program log: Log truncated", end(BETS))) == []


def test_a_truncated_log_of_others_does_not_matter() -> None:
    tx = transaction([USER, OTHER], [call(1, [0])], logs=[begin(OTHER), "Log truncated"])
    assert found(tx) == []
    named = transaction([USER, BETS, OTHER], [call(2, [1])], logs=[begin(OTHER), "Log truncated"])
    assert found(named) == [], "only named as an account, never called"


@pytest.mark.parametrize(
    ("part", "text"),
    [("innerInstructions", "inner instructions"), ("logMessages", "no logs")],
)
def test_what_a_node_does_not_keep_is_fatal(part: str, text: str) -> None:
    tx = logged(begin(BETS), end(BETS))
    tx["meta"][part] = None
    with pytest.raises(Fatal, match=f"slot 9, sig: .*{text}"):
        found(tx)


def test_a_transaction_without_meta_is_fatal() -> None:
    tx = logged(begin(BETS), end(BETS)) | {"meta": None}
    with pytest.raises(Fatal, match="keeps no record"):
        found(tx)


def test_two_programs_in_one_transaction_keep_order() -> None:
    other_pda = event_authority(OTHER)
    keys = [USER, BETS, PDA, OTHER, other_pda]
    inner = {0: [call(3, [4], TAG + EVENT + b"o"), emitted()]}
    collector = Collector("x", {BETS: (PDA, 0), OTHER: (other_pda, 0)})
    collector.block(1, as_read([transaction(keys, [call(1, [0])], inner)]))
    events = collector.events()
    assert events.ordinal.tolist() == [1, 2]
    assert events.program == [OTHER, BETS]


def test_no_events() -> None:
    events = Collector("x", {BETS: (PDA, 0)}).events()
    assert len(events) == 0
    assert events.height.dtype == events.ordinal.dtype == "int64"
