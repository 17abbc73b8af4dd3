"""The worker process: reads work from standard input, writes answers to standard output, ends with its parent.

A request is a length (network order) and a pickled `works.Work`; an answer is one letter for how it went, a length
and that many bytes. Nothing that comes in may end the process.
"""

from __future__ import annotations

import ctypes
import pickle
import signal
import struct
import sys
from typing import BinaryIO, Final

from daemon.compute.works import Work
from daemon.core.errors import Retryable

PR_SET_PDEATHSIG: Final = 1
LENGTH: Final = struct.Struct("!I")
ANSWER: Final = struct.Struct("!cI")
DONE: Final = b"="
AGAIN: Final = b"~"
FAILED: Final = b"!"


def main() -> None:
    """Serve until the parent closes the pipe."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request in turn."""
    while len(length := requests.read(LENGTH.size)) == LENGTH.size:
        work: Work = pickle.loads(requests.read(*LENGTH.unpack(length)))  # noqa: S301 — our parent's, see works
        how, answer = _answer(work)
        answers.write(ANSWER.pack(how, len(answer)) + answer)
        answers.flush()


def _answer(work: Work) -> tuple[bytes, bytes]:
    try:
        return DONE, work.answer()
    except Retryable as error:
        return AGAIN, str(error).encode()
    except Exception as error:
        return FAILED, f"{type(work).__name__.lower()} failed: unexpected {type(error).__name__}: {error}".encode()


if __name__ == "__main__":
    main()
