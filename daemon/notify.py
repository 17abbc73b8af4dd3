"""Tell systemd how the service does (sd_notify(3)); silent where no systemd listens."""

from __future__ import annotations

import os
import socket


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
