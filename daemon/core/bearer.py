"""Admin bearer tokens: their shape, what is kept of one, and what it allows at an instant.

Refuses to make one (that takes randomness) and to keep one: only its SHA-256 goes further than this module.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

PREFIX: Final = "dmq_"  # scanners for leaked secrets find ours by it: \bdmq_[0-9a-f]{64}\b
RANDOM_BYTES: Final = 32
_CREDENTIALS: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class Scope(StrEnum):
    """What a token is good for."""

    READ = "read"
    OPERATE = "operate"


class State(StrEnum):
    """Whether a token is good for anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """One token as it is stored, without its hash."""

    token_id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> State:
        """Return whether it is good at an instant; at `expires_at` it no longer is."""
        if self.revoked_at is not None:
            return State.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return State.EXPIRED
        return State.ACTIVE


def granted(scope: Scope) -> frozenset[Scope]:
    """Return the scopes of a token made for `scope`: whoever may operate may read what came of it."""
    return frozenset(Scope) if scope is Scope.OPERATE else frozenset({scope})


def written(random: bytes) -> str:
    """Return the token that carries these random bytes."""
    return PREFIX + random.hex()


def presented(header: str | None) -> str | None:
    """Return the token of an `Authorization` header, whatever it looks like; None where it holds none.

    Source: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    """
    found = _CREDENTIALS.fullmatch(header) if header is not None else None
    return found[1] if found else None


def digest(token: str) -> bytes:
    """Return what a token is stored and found by.

    Comparing digests by an index gives a guesser nothing to time: where two begin alike says nothing about what
    they are digests of.
    """
    return hashlib.sha256(token.encode(errors="backslashreplace")).digest()


def is_name(text: str) -> bool:
    """Tell whether a token may be called so: never like a number, which `tokens revoke` takes for an id."""
    return _NAME.fullmatch(text) is not None
