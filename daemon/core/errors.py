"""Every error that the rooms raise at each other, named by what to do next.

Adapters translate at their edge (`raise Retryable(...) from error`); `core.settle` reads these names and
nothing else, so a job needs no `except` of its own.
"""

from __future__ import annotations

from datetime import datetime


class DomestiqueError(Exception):
    """The root: catch it only where work is finally settled."""


class Retryable(DomestiqueError):
    """It may well work later: a broken connection, a 5xx, a database restart.

    `at` is the earliest sensible instant, or None where the caller's own backoff decides.
    """

    def __init__(self, reason: str, at: datetime | None = None) -> None:
        super().__init__(reason)
        self.at = at


class Permanent(DomestiqueError):
    """Trying the same again cannot help; a person has to look."""


class NotFound(Permanent):
    """Strava answered 404: deleted, hidden from us, or not there yet."""


class ScopeMissing(Permanent):
    """The athlete did not grant what this call needs; `scope` as Strava names it."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the athlete has not granted the scope {scope}: ask for it at the next connect")
        self.scope = scope


class AccessTokenRejected(DomestiqueError):
    """401: this access token is dead. The vault refreshes and tries once more."""


class Revoked(DomestiqueError):
    """The athlete's authorization is gone: no more calls for this athlete until a reconnect."""


class QuotaSpent(DomestiqueError):
    """No permit before `until`; the work waits without holding a worker."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class AppInactive(QuotaSpent):
    """Strava refuses the whole app (403 Application/Status/Inactive); `until` is the next probe."""
