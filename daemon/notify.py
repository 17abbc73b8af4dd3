"""Tell systemd how the service does (sd_notify(3)); silent where no systemd listens."""

from __future__ import annotations

import os
import socket
import time


def notify(*lines: str) -> None:
    """Send assignments such as READY=1 or STATUS=… to the service manager; never raises, never blocks.

    Each argument is one assignment, whatever an error's text may have brought into it.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    message = "\n".join(" ".join(line.splitlines()) for line in lines).encode(errors="replace")
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        with socket.socket(socket.AF_UNIX, kind) as sender:
            sender.sendto(message, address)
    except OSError:
        return  # a manager that cannot be told is no reason to stop working


def notify_reloading() -> None:
    """Say that settings are being read again; READY=1 ends it, whatever came of it.

    The manager holds this instant against that of its own signal, so it is read from the same clock.
    """
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Return how long the manager waits for the next WATCHDOG=1 (sd_watchdog_enabled(3)); None: it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or meant_for not in {"", str(os.getpid())}:
        return None
    return int(microseconds) / 1e6
