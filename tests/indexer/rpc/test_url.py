from __future__ import annotations

import pytest

from indexer.rpc.url import is_local, redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        ("http://[::1]:8545", "http://[::1]:8545"),
        ("https://eth.llamarpc.com", "https://eth.llamarpc.com"),
        (
            "https://eth-mainnet.g.alchemy.com/v2/_gHhOgCqAFaa8f35R1PeHmpHx1E-zVcN",
            "https://eth-mainnet.g.alchemy.com/v2/…",
        ),
        (
            "https://broken-icy-mountain.quiknode.pro/14fb466c039ca54a895f597ee2744e848949099d/",
            "https://broken-icy-mountain.quiknode.pro/…/",
        ),
        (
            "https://mainnet.helius-rpc.com/?api-key=8c1f9b8e-aaaa-bbbb-cccc-0123456789ab",
            "https://mainnet.helius-rpc.com?api-key=…",
        ),
        ("https://user:pass@node.example:8443/rpc", "https://node.example:8443/rpc"),
        (
            "https://0a1b2c3d4e5f60718293a4b5c6d7e8f9.node.example",
            "https://….node.example",
        ),
        (
            "https://lb.drpc.org/ogrpc?network=eth&dkey=AbCd",
            "https://lb.drpc.org/ogrpc?network=…&dkey=…",
        ),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_is_local() -> None:
    assert is_local("http://127.0.0.1:8545")
    assert is_local("http://localhost:8545")
    assert not is_local("https://eth.llamarpc.com")
