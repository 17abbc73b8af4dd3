"""Builds the two requests that we send to Intervals.icu: https://intervals.icu/api/v1/docs/swagger-ui/index.html.

It refuses to send, and to carry a secret in any type that prints it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from pydantic import SecretStr

from daemon.core.wellness import Values
from daemon.intervals.wire.records import NAMES, TEMPORARY, read_athlete, read_wellness

T = TypeVar("T")
CredentialKind: TypeAlias = Literal["api_key", "bearer"]

OWNER: Final = "0"  # whoever the key or token belongs to
LONGEST_SECRET: Final = 1_000


@dataclass(frozen=True, slots=True)
class Credential:
    """An athlete's API key, or the token of an OAuth app; neither expires, and neither can be renewed."""

    kind: CredentialKind
    secret: SecretStr


def is_sendable(secret: str) -> bool:
    """Tell whether a text can be sent as a key: visible ASCII, no longer than a key may be."""
    return 0 < len(secret) <= LONGEST_SECRET and secret.isascii() and secret.isprintable() and " " not in secret


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One GET, not yet sent; `url` is relative to the API's base, `read` turns the body of its success into a T."""

    kind: Literal["wellness", "athlete"]
    url: str
    read: Callable[[bytes], T] = field(repr=False, compare=False)
    params: Mapping[str, str] = field(default_factory=dict)


def wellness(oldest_on: date, newest_on: date) -> Request[dict[date, Values]]:
    """Ask for the days from one to another, both included, and for nothing of them that we do not keep."""
    wanted = ("id", *NAMES, *TEMPORARY)
    params = {"oldest": oldest_on.isoformat(), "newest": newest_on.isoformat(), "fields": ",".join(wanted)}
    return Request("wellness", f"athlete/{OWNER}/wellness", read_wellness, params)


def athlete() -> Request[str]:
    """Ask whose key this is."""
    return Request("athlete", f"athlete/{OWNER}", read_athlete)


def authorization(credential: Credential) -> SecretStr:
    """Return the value of the header: a key is the password of the user API_KEY, and as Bearer it is refused."""
    secret = credential.secret.get_secret_value()
    if credential.kind == "bearer":
        return SecretStr(f"Bearer {secret}")
    return SecretStr(f"Basic {b64encode(f'API_KEY:{secret}'.encode()).decode()}")
