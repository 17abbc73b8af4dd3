"""The worker process: reads requests from standard input, writes answers to standard output, ends with its parent.

A request is two lengths (network order), a JSON header and the raw body of a streams answer; an answer is a
length and JSON. Nothing that comes in may end the process.
"""

from __future__ import annotations

import ctypes
import signal
import struct
import sys
from dataclasses import replace
from typing import Any, BinaryIO, Final

import orjson

from daemon.core.errors import Permanent, Retryable
from daemon.science.statistics import ActivityFacts, summarize
from daemon.strava.wire import parse_streams

PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Serve until the parent closes the pipe."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request in turn."""
    while len(lengths := requests.read(8)) == 8:
        head_length, body_length = struct.unpack("!II", lengths)
        header = orjson.loads(requests.read(head_length))
        body = requests.read(body_length)
        answer = orjson.dumps(_answer(header, body), option=orjson.OPT_SERIALIZE_NUMPY)
        answers.write(struct.pack("!I", len(answer)) + answer)
        answers.flush()


def _answer(header: dict[str, Any], body: bytes) -> dict[str, Any]:
    facts = ActivityFacts(**header["facts"])
    try:
        streams = parse_streams(body) if header["has_body"] else None
        return {"statistics": summarize(streams, facts).columns()}
    except Retryable as error:
        return {"again": str(error)}  # no JSON: the answer was broken, not the streams
    except Permanent as error:
        reason = str(error)
    except Exception as error:
        reason = f"computing them failed: unexpected {type(error).__name__}"
    # Whatever Strava sent in place of streams, the activity itself is worth keeping, with the reason.
    bare = summarize(None, facts)
    return {"statistics": replace(bare, quality={"rejected": reason, "sentences": [reason]}).columns()}


if __name__ == "__main__":
    main()
