"""What an athlete is asked for at Strava, and what to make of the address with which his browser comes back.

The address is a stranger's word until its state is known: one that we gave to this very browser, lately, and once.
https://developers.strava.com/docs/authentication/

Refuses to make a state (that takes randomness), to keep one, and to exchange a code.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

ASKED: Final = ("read", "activity:read_all", "profile:read_all")
ACTIVITIES: Final = frozenset({"activity:read", "activity:read_all"})  # one of them is the least
BEGUN_FOR: Final = timedelta(minutes=10)
STATE_BYTES: Final = 32
LONGEST_WORD: Final = 512  # of what stands in the address

# What is missing without a scope, in the athlete's words.
MEANINGS: Final[Mapping[str, str]] = {
    "activity:read_all": (
        "Activities that only you can see do not count here: if you have any, fitness and fatigue come out too low."
    ),
    "profile:read_all": (
        "The threshold power that you have set at Strava stays unknown; it is told from your rides in time."
    ),
}


@dataclass(frozen=True, slots=True)
class Returned:
    """The athlete came back with a code; `scope` as the address has it, None where it does not."""

    state: str
    code: str
    scope: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Declined:
    """He said no; `state` is None where the address has lost it."""

    state: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The address is none that Strava makes after a consent."""


class Doubt(StrEnum):
    """Why a state is not believed."""

    UNKNOWN = "unknown"  # never given, used before, or forgotten
    EXPIRED = "expired"
    ELSEWHERE = "elsewhere"  # given to another browser


@dataclass(frozen=True, slots=True)
class Begun:
    """A connection that somebody began: in which browser, and until when it may be finished."""

    browser_hash: bytes
    expires_at: datetime


def read_return(query: Mapping[str, str]) -> Returned | Declined | Unreadable:
    """Read the query with which Strava sends a browser back."""
    state, code = _word(query, "state"), _word(query, "code")
    if query.get("error") == "access_denied":
        return Declined(state)
    if "error" in query or state is None or code is None:
        return Unreadable()
    return Returned(state, code, split_scope(query["scope"][:LONGEST_WORD]) if "scope" in query else None)


def _word(query: Mapping[str, str], name: str) -> str | None:
    word = query.get(name, "")
    return word if re.fullmatch(rf"[\x21-\x7e]{{1,{LONGEST_WORD}}}", word) else None


def split_scope(text: str) -> frozenset[str]:
    """Return the scopes of a text; Strava separates by commas, the OAuth standard by blanks."""
    return frozenset(re.findall(r"[^\s,]+", text))


def doubt(begun: Begun | None, browser_hash: bytes, now: datetime) -> Doubt | None:
    """Say what speaks against a state that came back; None: nothing."""
    if begun is None:
        return Doubt.UNKNOWN
    if not hmac.compare_digest(begun.browser_hash, browser_hash):
        return Doubt.ELSEWHERE
    return Doubt.EXPIRED if now >= begun.expires_at else None


def granted(answered: Collection[str] | None, returned: Collection[str] | None) -> frozenset[str]:
    """Return what was granted: by the token's answer, which nobody could change on its way, else by the address."""
    return frozenset(answered if answered is not None else returned or ())


def suffices(scope: Collection[str]) -> bool:
    """Tell whether a scope shows us activities at all."""
    return not ACTIVITIES.isdisjoint(scope)


def missing(scope: Collection[str]) -> tuple[str, ...]:
    """Return what was asked for and not granted; `read` cannot be refused."""
    return tuple(one for one in MEANINGS if one not in scope)
