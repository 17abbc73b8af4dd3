"""Ports for servers of a test, also for those that go away and come back."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from pathlib import Path
from typing import Final

LOWEST: Final = 10_000
MOST_WORKERS: Final = 16
_given = Path("/proc/sys/net/ipv4/ip_local_port_range")
_numbers = itertools.count(secrets.randbelow(100_000))  # another run may go on beside this one


def free_port() -> int:
    """Find a port of loopback that is nobody's, and stays so while its server is away.

    It is none of those that the system gives to outgoing connections: one of them would sooner or later have taken
    it. Each worker of the suite looks in a stretch of its own.
    """
    size = (int(_given.read_text().split()[0]) - LOWEST) // MOST_WORKERS
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MOST_WORKERS
    while True:
        port = LOWEST + worker * size + next(_numbers) % size
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
