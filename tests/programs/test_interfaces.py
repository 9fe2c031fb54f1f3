"""One concept, two chains, one table: the interfaces of a program may not drift apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.decode.interface import load
from indexer.decode.types import widest

INTERFACES = Path(__file__).resolve().parents[2] / "programs" / "interfaces"
# A concept that is on one chain only, so far (SPEC.md ).
SOLANA_ONLY = {"registry": ("Record", "Playlist")}
EIP_5267 = "EIP712DomainChanged"  # a standard's own event, of one chain
ON_BOTH = sorted(
    file.name.removesuffix(".idl.json")
    for file in INTERFACES.glob("*.idl.json")
    if (INTERFACES / f"{file.name.removesuffix('.idl.json').capitalize()}.abi.json").exists()
)


def test_bets_is_on_both_chains() -> None:
    assert "bets" in ON_BOTH


@pytest.mark.parametrize("program", ON_BOTH)
def test_events_and_fields_are_the_same_on_both_chains(program: str) -> None:
    solana = load(INTERFACES / f"{program}.idl.json", "solana")
    evm = load(INTERFACES / f"{program.capitalize()}.abi.json", "evm")
    alone = SOLANA_ONLY.get(program, ())
    both = [event for event in solana.events if not event.name.startswith(alone)]
    fields = [
        {e.name: [f.name for f in e.fields] for e in events if e.name != EIP_5267}
        for events in (both, evm.events)
    ]
    assert fields[0] == fields[1]
    of_evm = {e.name: e for e in evm.events}
    for event in both:
        for ours, theirs in zip(event.columns(), of_evm[event.name].columns(), strict=True):
            assert widest([ours.type, theirs.type]) is not None, (event.name, ours, theirs)
