"""TCP ports on the loopback."""

from __future__ import annotations

import socket

from indexer.errors import Fatal

HOST = "127.0.0.1"


def free(count: int = 1) -> int:
    """The first of ``count`` neighbouring ports that nothing listens on at this moment."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            first = probe.getsockname()[1]
        if first + count <= 65_536 and all(_bindable(first + i) for i in range(count)):
            return first
    raise Fatal(f"no {count} free neighbouring ports on {HOST}: close what holds them")


def require_free(port: int, what: str, option: str) -> None:
    """Raises Fatal when something listens on ``port`` already."""
    if not 0 < port < 65_536:
        raise Fatal(f"{what}: {port} is no port; give {option} a number from 1 to 65535")
    if not _bindable(port):
        raise Fatal(
            f"{what}: port {port} is in use; stop what listens there or choose another: {option}"
        )


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # A server that has just ended leaves its port in TIME_WAIT, which hinders no new one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
