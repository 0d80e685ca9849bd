"""Free ports."""

import socket

from deploy.local.ports import LOOPBACK, PORT_FIRST, PORT_LAST, free_ports


def test_ports_are_different_and_in_range() -> None:
    """Ports that are asked for together are different, and below the outgoing range."""
    ports = free_ports(20)

    assert 20 == len(set(ports))
    assert [] == [port for port in ports if not PORT_FIRST <= port <= PORT_LAST]


def test_a_port_can_be_listened_on() -> None:
    """A returned port is not held any more."""
    (port,) = free_ports(1)

    with socket.create_server((LOOPBACK, port)) as server:
        assert port == server.getsockname()[1]


def test_a_port_in_use_is_never_returned() -> None:
    """A port that somebody listens on is passed over."""
    (taken,) = free_ports(1)

    with socket.create_server((LOOPBACK, taken)):
        assert [] == [port for port in free_ports(100) if port == taken]
