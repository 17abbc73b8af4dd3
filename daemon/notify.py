"""Tell systemd how the service does (sd_notify(3)); silent where no systemd listens."""

from __future__ import annotations

import os
import socket


def notify(*lines: str) -> None:
    """Send assignments such as READY=1 or STATUS=… to the service manager; never raises, never blocks."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto("\n".join(lines).encode(), address)
        except OSError:
            return  # a manager that cannot be told is no reason to stop working


def watchdog_seconds() -> float | None:
    """Return how often systemd wants to hear WATCHDOG=1, or None where it does not watch."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) > 0 else None
