"""Free ports on loopback."""

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"

PORT_FIRST = 20_000
PORT_LAST = 32_000
"""Inclusive bounds, below the range from which systems number outgoing connections: a port found
free here is not taken a moment later by somebody's client."""

ATTEMPTS_MAX = 200


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 on which nobody listens.

    They are held open until all are found, so that no two are the same. Another program can still
    take one before it is used; who starts a server tries again with other ports.
    """
    generator = random.SystemRandom()
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(ATTEMPTS_MAX):
            if len(ports) == count:
                return ports
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            # A server's own restart must not find its port "in use" by connections just closed.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, generator.randint(PORT_FIRST, PORT_LAST)))
                probe.listen(1)
            except OSError:
                continue
            ports.append(probe.getsockname()[1])
    raise OSError(f"no {count} free ports between {PORT_FIRST} and {PORT_LAST}")
