"""Become `python -m daemon` with listening sockets, as a service manager passes them: FD[,FD…] ARGUMENT …"""

from __future__ import annotations

import fcntl
import os
import sys

FIRST = 3


def main() -> None:
    """Put the descriptors where the protocol wants them, name us as their owner, and turn into the daemon."""
    held = [int(number) for number in sys.argv[1].split(",")]
    # First out of the way: one may lie where another has to go.
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, FIRST + len(held)) for descriptor in held]
    for number, descriptor in enumerate(high, start=FIRST):
        os.dup2(descriptor, number)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(held)))
    os.execv(sys.executable, [sys.executable, "-m", "daemon", *sys.argv[2:]])


if __name__ == "__main__":
    main()
