"""Ports that nobody takes between their choice and their use."""

import random
import socket

LOWEST, HIGHEST = 15_000, 30_000  # below those that the system gives to connections


def free_ports(num_ports):
    """Ports of 127.0.0.1 on which nobody listens, drawn anew at every call."""
    numbers, ports = random.SystemRandom(), []
    while len(ports) < num_ports:
        port = numbers.randrange(LOWEST, HIGHEST)
        with socket.socket() as connection:
            is_free = connection.connect_ex(("127.0.0.1", port)) != 0
        if is_free and port not in ports:
            ports.append(port)
    return ports
