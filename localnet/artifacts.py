"""The interface files of the programs that a local chain has from its start."""

from __future__ import annotations

from deploy.builds import INTERFACES

BETS_ABI = INTERFACES / "Bets.abi.json"
BETS_IDL = INTERFACES / "bets.idl.json"
CONTRACTS_IDL = INTERFACES / "contracts.idl.json"
FEEDS_IDL = INTERFACES / "feeds.idl.json"
PAYOUTS_IDL = INTERFACES / "payouts.idl.json"
PROJECTS_IDL = INTERFACES / "projects.idl.json"
REGISTRY_IDL = INTERFACES / "registry.idl.json"
SOLANA_IDLS = (BETS_IDL, FEEDS_IDL, CONTRACTS_IDL, PAYOUTS_IDL, PROJECTS_IDL, REGISTRY_IDL)
"""Of the programs that a local Solana chain has from its start."""
