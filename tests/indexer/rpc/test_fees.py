from __future__ import annotations

from typing import Any

import pytest

from indexer.rpc.client import Rpc
from indexer.rpc.fees import Fees, offered


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"eth_maxPriorityFeePerGas": "0x3"}, Fees(23, 3)),
        ({"eth_gasPrice": "0xe"}, Fees(24, 4)),
        ({"eth_gasPrice": "0x9"}, Fees(20, 0)),
    ],
    ids=["as the node says", "without its word", "a price below the base fee"],
)
async def test_offers_room_for_the_base_fee_to_double(
    node: Any, answers: dict[str, str], expected: Fees
) -> None:
    node.answers |= {"eth_getBlockByNumber": {"baseFeePerGas": "0xa"}} | answers
    async with Rpc([node.url]) as rpc:
        assert await offered(rpc) == expected


async def test_a_chain_without_a_base_fee(node: Any) -> None:
    node.answers |= {"eth_getBlockByNumber": {}, "eth_maxPriorityFeePerGas": "0x3"}
    async with Rpc([node.url]) as rpc:
        assert await offered(rpc) == Fees(3, 3)
