"""The JSON-RPC methods, by subject.

A method takes the chain and its positional parameters and returns a JSON value (or a
`orjson.Fragment` of finished bytes). `METHODS` gives each its fewest and most parameters.
"""

from __future__ import annotations

from localnet.solana.methods import accounts, blocks, cluster, transactions
from localnet.solana.methods.call import Method

METHODS: dict[str, Method] = {
    **cluster.METHODS,
    **accounts.METHODS,
    **blocks.METHODS,
    **transactions.METHODS,
}
