"""A Solana node for one machine: LiteSVM behind the JSON-RPC and WebSocket of a validator.

`SolanaNode` starts one; `python -m localnet.solana` starts one in a process of its own.
"""

from localnet.solana.node import SolanaNode

__all__ = ["SolanaNode"]
