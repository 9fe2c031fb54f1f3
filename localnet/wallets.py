"""Who acts on a local chain: wallets, the same ones for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from eth_account import Account
from eth_account.signers.local import LocalAccount
from solders.keypair import Keypair

Account.enable_unaudited_hdwallet_features()

# anvil's own first account: it deploys, pays and mints, on a local chain only.
ANVIL_MNEMONIC = "test test test test test test test test test test test junk"

_TRADERS = 12


def deployer() -> LocalAccount:
    """The funded account 0 of every anvil."""
    return Account.from_mnemonic(ANVIL_MNEMONIC)


@dataclass(frozen=True, slots=True)
class Cast:
    """The actors of a scenario, by name: ``creator-0``, ``resolver-1``, ``bettor-39``,
    ``treasury`` (gets the fees), ``stranger`` (calls what anyone may)."""

    seed: int
    bettors: int = 40
    creators: int = 3
    resolvers: int = 2

    def __iter__(self) -> Iterator[str]:
        for role in ("creator", "resolver", "bettor"):
            for i in range(getattr(self, f"{role}s")):
                yield f"{role}-{i}"
        yield "treasury"
        yield "stranger"

    @property
    def traders(self) -> list[str]:
        """The bettors who also make agreements, and fund pools and are paid by them."""
        return [f"bettor-{i}" for i in range(min(self.bettors, _TRADERS))]

    def evm(self, name: str) -> LocalAccount:
        return Account.from_key(_secret(self.seed, "evm", name))

    def solana(self, name: str) -> Keypair:
        return keypair(self.seed, name)


def keypair(seed: int, name: str) -> Keypair:
    """A Solana key pair that is the same for the same seed and name."""
    return Keypair.from_seed(_secret(seed, "solana", name))


@cache
def _secret(seed: int, kind: str, name: str) -> bytes:
    return hashlib.sha256(f"chainfold localnet {seed} {kind} {name}".encode()).digest()
