"""Ports: free ones are found, one in use is named together with the option that moves it."""

import socket

import pytest

from indexer.errors import Fatal
from localnet import ports


def test_free_ports_can_be_listened_on() -> None:
    first = ports.free(2)
    with socket.socket() as a, socket.socket() as b:
        a.bind((ports.HOST, first))
        b.bind((ports.HOST, first + 1))


def test_a_port_in_use_is_named_with_its_option() -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Fatal) as error:
            ports.require_free(port, "anvil", "--anvil-port")
    assert str(error.value) == (
        f"anvil: port {port} is in use; stop what listens there or choose another: --anvil-port"
    )


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_no_port_at_all(port: int) -> None:
    with pytest.raises(Fatal, match="is no port; give --anvil-port a number from 1 to 65535"):
        ports.require_free(port, "anvil", "--anvil-port")
