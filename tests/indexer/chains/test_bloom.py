from __future__ import annotations

from typing import Any

from indexer.chains.bloom import Filter, mask

# geth, core/types/bloom9_test.go: these are in the bloom, the others are not.
IN = ["testtest", "test", "hallo", "other"]
OUT = ["tes", "lo"]


def as_hex(text: str) -> str:
    return "0x" + text.encode().hex()


def test_a_value_sets_at_most_three_bits() -> None:
    assert all(1 <= mask(as_hex(t)).bit_count() <= 3 for t in IN)


def test_what_was_put_in_is_found() -> None:
    bloom = 0
    for text in IN:
        bloom |= mask(as_hex(text))
    assert all(Filter([as_hex(t)], None).possible(bloom) for t in IN)
    assert not any(Filter([as_hex(t)], None).possible(bloom) for t in OUT)


def test_address_and_topic_must_both_be_possible() -> None:
    bloom = mask(as_hex("test"))
    assert Filter([as_hex("test"), as_hex("lo")], None).possible(bloom)
    assert Filter([as_hex("test")], [as_hex("lo"), as_hex("test")]).possible(bloom)
    assert not Filter([as_hex("test")], [as_hex("lo")]).possible(bloom)
    assert not Filter([as_hex("test")], None).possible(0)


async def test_agrees_with_a_real_block(anvil: Any) -> None:
    address = anvil.deploy()
    anvil.emit(address, 1)
    anvil.mine()
    bloom = int(anvil.call("eth_getBlockByNumber", "latest", False)["logsBloom"], 16)
    (log,) = anvil.call("eth_getLogs", {"fromBlock": "latest"})
    assert bloom == mask(address) | mask(log["topics"][0]) | mask(log["topics"][1])
