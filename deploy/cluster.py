"""Which Solana cluster a node serves, and whether money on it is play money."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.rpc.url import is_local

PUBLIC = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "mainnet-beta",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY": "testnet",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": "devnet",
}
"""Genesis hashes (docs.anza.xyz/clusters)."""
LOCALNET = "AFUZmqXwWU6Jjo6vCsavThKdAq6XGLnsvBWAHaqQ2nFi"
"""Genesis hash of every node of `localnet.solana` that is started without another seed."""


def known_as(genesis_hash: str) -> str:
    """The cluster's name, or its genesis hash where it has none."""
    return PUBLIC.get(genesis_hash, genesis_hash)


def local(genesis_hash: str, urls: Sequence[str]) -> bool:
    """Whether programs that only a local chain should have may go there.

    Our own node is told by its genesis hash, wherever it runs. Any other is local where every one
    of ``urls`` is on the loopback, unless it serves a public cluster: a tunnel to one ends there
    too.
    """
    if genesis_hash == LOCALNET:
        return True
    return genesis_hash not in PUBLIC and all(is_local(url) for url in urls)
