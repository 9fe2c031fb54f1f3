"""Which cluster counts as local: where builds of our own linker may go."""

from __future__ import annotations

import pytest
from support.deployment import Node

from deploy import cluster

LOOPBACK, AWAY = "http://127.0.0.1:8899", "https://rpc.example.org"
OTHER = "9uC1kJcRzMgpXbVXkeSVUpYqS1ZLUvQLx3kBU7nVTgBe"


def test_our_node_has_the_genesis_hash_that_is_known(local: Node) -> None:
    assert local.rpc("getGenesisHash") == cluster.LOCALNET


@pytest.mark.parametrize("genesis_hash", cluster.PUBLIC)
def test_a_public_cluster_is_not_local_behind_a_tunnel_either(genesis_hash: str) -> None:
    assert not cluster.local(genesis_hash, [LOOPBACK])
    assert not cluster.local(genesis_hash, [AWAY])


def test_any_other_is_local_on_the_loopback_only() -> None:
    assert cluster.local(OTHER, [LOOPBACK])
    assert cluster.local(OTHER, [LOOPBACK, "http://localhost:8898", "http://[::1]:8897"])
    assert not cluster.local(OTHER, [AWAY])
    assert not cluster.local(OTHER, [LOOPBACK, AWAY])


def test_our_own_node_is_local_wherever_it_runs() -> None:
    assert cluster.local(cluster.LOCALNET, [AWAY])
