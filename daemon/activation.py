"""Takes over the listening sockets that the service manager holds for us, by the protocol of sd_listen_fds(3).

The manager keeps them open while no daemon runs, so that connections wait instead of being refused.

Refuses: descriptors that were meant for another process, and whatever is no listening TCP socket.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from daemon.core.errors import Permanent

FIRST: Final = 3  # after standard input, output and error
FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}
_ADVICE: Final = "domestique.socket needs ListenStream= with an address and a port, and Accept=no"


def inherited_sockets() -> list[socket.socket]:
    """Return the sockets that were passed to this process, once; none where nobody passes any.

    Raises Permanent where one is no listening TCP socket.
    """
    meant_for, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)  # nor shall a child take them for its own
    if meant_for != str(os.getpid()) or not count.isdecimal():
        return []
    return [_listening(descriptor) for descriptor in range(FIRST, FIRST + int(count))]


def _listening(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  (its only form)
        found = socket.socket(fileno=descriptor)
        listens = found.family in FAMILIES and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError as error:
        raise Permanent(f"descriptor {descriptor} of the service manager is no socket: {_ADVICE}") from error
    if not listens:
        raise Permanent(f"descriptor {descriptor} of the service manager does not listen on TCP: {_ADVICE}")
    found.settimeout(0)
    return found
