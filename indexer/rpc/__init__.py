"""JSON-RPC over HTTP and WebSocket. A leaf: knows nodes and their limits, no chain's meaning."""
