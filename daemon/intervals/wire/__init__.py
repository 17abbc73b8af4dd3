"""Intervals.icu's language, without a socket: build a request, decipher its answer.

It refuses I/O and clocks; `client` does the talking. What we do not need we do not ask for: of a day's record only
the values in `core.wellness`.
"""

from daemon.intervals.wire.answers import decipher
from daemon.intervals.wire.records import NAMES
from daemon.intervals.wire.requests import (
    OWNER,
    Credential,
    CredentialKind,
    Request,
    athlete,
    authorization,
    is_sendable,
    wellness,
)

__all__ = [
    "NAMES",
    "OWNER",
    "Credential",
    "CredentialKind",
    "Request",
    "athlete",
    "authorization",
    "decipher",
    "is_sendable",
    "wellness",
]
