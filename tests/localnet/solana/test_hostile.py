"""No request, however malformed, gets anything but an answer or a JSON-RPC error."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.keypair import Keypair

from localnet.solana import SolanaNode
from localnet.solana.errors import RpcError
from localnet.solana.faults import CONTROLS
from localnet.solana.methods import METHODS
from localnet.solana.server import Server
from localnet.solana.subscriptions import KINDS

KEY = str(Keypair.from_seed(b"\5" * 32).pubkey())
SIGNATURE = str(Keypair.from_seed(b"\5" * 32).sign_message(b""))
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from([KEY, SIGNATURE, TOKEN, "AAAA", "confirmed", "base64", "jsonParsed", "all"]),
)
options = st.dictionaries(
    st.sampled_from(
        [
            "commitment",
            "encoding",
            "dataSlice",
            "filters",
            "limit",
            "before",
            "until",
            "mint",
            "programId",
            "memcmp",
            "dataSize",
            "offset",
            "bytes",
            "length",
            "mentions",
            "accounts",
            "addresses",
            "minContextSlot",
            "transactionDetails",
            "maxSupportedTransactionVersion",
            "rewards",
            "range",
            "firstSlot",
        ]
    ),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4),
    max_size=3,
)
values = st.recursive(
    st.one_of(scalars, options),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)


@pytest.fixture
def server() -> Server:
    node = SolanaNode(slot_ms=0, faults=True)
    node.produce(40)
    return node._server


@pytest.mark.parametrize("method", sorted(METHODS))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=st.lists(values, max_size=3))
def test_calls(server: Server, method: str, params: list[Any]) -> None:
    answer = server.call({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert ("result" in answer) != ("error" in answer)
    orjson.dumps(answer)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=st.lists(values, max_size=2))
def test_subscriptions(server: Server, kind: str, params: list[Any]) -> None:
    told: list[bytes] = []
    body = {"jsonrpc": "2.0", "id": 1, "method": f"{kind}Subscribe", "params": params}
    mine: set[int] = set()
    answer, number = server._socket_call(json.dumps(body), mine, told.append)
    assert answer is not None
    if number is not None:
        server.chain.produce()
        server.subscriptions.drop(mine)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(request=values)
def test_requests(server: Server, request: Any) -> None:
    text = json.dumps(request)
    answer, _ = server._socket_call(text, set(), lambda _: None)
    assert answer is not None
    assert "error" in orjson.loads(answer)


@pytest.mark.parametrize("method", sorted(set(CONTROLS) - {"localnet_produceSlots"}))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=st.one_of(options, st.lists(values, max_size=1)))
def test_fault_methods(server: Server, method: str, params: Any) -> None:
    answer = server.call({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert ("result" in answer) != ("error" in answer)


def test_a_method_that_is_refused_says_why(server: Server) -> None:
    with pytest.raises(RpcError, match="Method not found"):
        server._result("getNothing", [])
