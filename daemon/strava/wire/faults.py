"""Turns an answer that is no success into the error that says what to do next.

It refuses to trust a fault's shape: the body may be empty, HTML, or hold `errors` as a text; and it never quotes
anything that looks like a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from daemon.core.errors import (
    AccessTokenRejected,
    DomestiqueError,
    NotFound,
    Permanent,
    Retryable,
    Revoked,
    ScopeMissing,
)
from daemon.strava.wire.fields import NoJsonError, clean_text, load_json
from daemon.strava.wire.requests import Kind

QUOTED_LENGTH = 200
# Whether a token is dead, a scope is missing or an activity is gone, a gateway does not know: these are believed in
# Strava's own words alone. Its 404 may come without a body.
WORDED = frozenset({401, 403, 404})
# Tokens, secrets and the webhook's path are longer than this; Strava's own words are shorter.
_LOOKS_SECRET = re.compile(r"[0-9A-Za-z_\-]{20,}")
_SCOPE_FIELD = re.compile(r"([a-z_:]{1,40})_permission")


class CodeRefused(Permanent):
    """Strava does not know this authorization code, or not yet: a fresh one may take two seconds."""


class AppFull(Permanent):
    """The app may hold no more athletes."""


class SubscriptionExists(Permanent):
    """The app has its one push subscription already."""


class CallbackRefused(Permanent):
    """Strava called the address that shall be subscribed, and did not hear what it wants to hear."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One of a fault's `errors`, in lower case."""

    resource: str
    field: str
    code: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault's body, as far as it could be read; `words` are Strava's own, fit for a log.

    Strava speaks JSON objects; whatever is none (`is_stravas` False) came from something between us and the API.
    Source: https://developers.strava.com/docs/reference/#api-models-Fault
    """

    words: str
    complaints: tuple[Complaint, ...]
    is_stravas: bool = True

    def names(self, resource: str, field: str, code: str) -> bool:
        """Whether one of the complaints is this one."""
        return Complaint(resource, field, code) in self.complaints

    @property
    def app_is_inactive(self) -> bool:
        """Whether Strava refuses the whole app until its owner has a Strava subscription again."""
        return self.names("application", "status", "inactive")

    @property
    def missing_scope(self) -> str | None:
        """The scope that the athlete has not granted."""
        for complaint in self.complaints:
            named = _SCOPE_FIELD.fullmatch(complaint.field)
            if named and complaint.code == "missing":
                return named[1]
        return None


def parse_fault(body: bytes) -> Fault:
    """Read a fault's body; anything unreadable is an empty fault."""
    try:
        loaded = load_json(body)
    except NoJsonError:
        return Fault("", (), is_stravas=False)
    if not isinstance(loaded, dict):
        return Fault("", (), is_stravas=False)
    message, errors = loaded.get("message"), loaded.get("errors")
    said = [text for text in (message, errors) if isinstance(text, str)]
    complaints = []
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            parts = [_text(error.get(name)) for name in ("resource", "field", "code")]
            said.append("/".join(parts))
            complaints.append(Complaint(*(part.lower() for part in parts)))
    return Fault(_fit_for_a_log("; ".join(said)), tuple(complaints))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _fit_for_a_log(words: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in clean_text(words))
    # Redacted before it is cut: the rest of a cut token would no longer look like one.
    return _LOOKS_SECRET.sub("…", printable)[:QUOTED_LENGTH]


def fault_error(kind: Kind, status: int, body: bytes) -> DomestiqueError:
    """Return the error for an answer outside 200…299, to be raised by the caller."""
    fault = parse_fault(body)
    said = f"Strava answered {status} to {kind}" + (f": {fault.words}" if fault.words else "")
    from_between = status in WORDED and not fault.is_stravas and (status != 404 or body.strip() != b"")
    if fault.app_is_inactive or from_between or status in {408, 429} or not 400 <= status < 500:
        return _passing(kind, status, fault, said)
    if status == 404:
        return _not_found(kind, fault, said)
    if kind in {"token", "revoke"}:
        return _oauth_error(kind, fault, said)
    if status in {401, 403}:
        return _refused(kind, status, fault, said)
    if kind == "push_subscriptions":
        return _not_subscribed(fault, said)
    return Permanent(said)


def _setting(kind: Kind) -> str:
    return "strava.oauth_url" if kind in {"token", "revoke"} else "strava.api_url"


def _passing(kind: Kind, status: int, fault: Fault, said: str) -> DomestiqueError:
    # A guarded 429 or inactive app never comes here: its permit raises QuotaSpent, which knows until when.
    if status in {301, 308}:
        return Permanent(f"{said}. The address has moved for good: check {_setting(kind)}")
    if fault.app_is_inactive:
        return Retryable(f"{said}. The owner of the Strava app needs a Strava subscription")
    if status in WORDED:
        return Retryable(f"{said}, and not in JSON: a page between us and the API, or a wrong {_setting(kind)}")
    if status < 400:
        return Retryable(f"{said}. We follow no redirects: a token must not travel elsewhere")
    return Retryable(said)


def _not_found(kind: Kind, fault: Fault, said: str) -> DomestiqueError:
    if fault.names("resource", "path", "invalid") or kind in {"token", "revoke"}:
        return Permanent(f"{said}. There is no such address: check {_setting(kind)}")
    return NotFound(said)


def _oauth_error(kind: Kind, fault: Fault, said: str) -> DomestiqueError:
    if fault.names("refreshtoken", "refresh_token", "invalid"):
        return Revoked("Strava no longer takes this refresh token: the athlete has to connect again")
    if kind == "revoke" and any(
        complaint.code == "invalid" and complaint.resource in {"athlete", "accesstoken"}
        for complaint in fault.complaints
    ):
        return Revoked("Strava no longer takes this token: it was revoked before")
    if any(complaint.field == "code" and complaint.code == "invalid" for complaint in fault.complaints):
        return CodeRefused(f"{said}. The code is spent, foreign, or younger than two seconds")
    if any(complaint.resource == "application" and complaint.code == "invalid" for complaint in fault.complaints):
        return Permanent(f"{said}. Check strava.client_id and strava.client_secret")
    return _crowded(fault, said)


def _refused(kind: Kind, status: int, fault: Fault, said: str) -> DomestiqueError:
    if fault.missing_scope is not None:
        return ScopeMissing(fault.missing_scope)
    if status == 403:
        return _crowded(fault, said)
    if kind == "push_subscriptions":  # it carries the app's password and no athlete's token
        return Permanent(f"{said}. Check strava.client_id and strava.client_secret")
    return AccessTokenRejected(said)


def _not_subscribed(fault: Fault, said: str) -> DomestiqueError:
    # Source: https://developers.strava.com/docs/webhooks/, and what their users quote.
    for complaint in fault.complaints:
        if complaint.resource == "pushsubscription" and complaint.code == "already exists":
            return SubscriptionExists(said)
        if complaint.resource == "pushsubscription" and complaint.field == "callback url":
            return CallbackRefused(said)
        if complaint.resource == "application" and complaint.code == "invalid":
            return Permanent(f"{said}. Check strava.client_id and strava.client_secret")
    return Permanent(said)


def _crowded(fault: Fault, said: str) -> DomestiqueError:
    if "connected athletes" in fault.words.lower():
        return AppFull(
            f"{said}. The Strava app may not hold more athletes: ask Strava for a higher athlete capacity"
            " (https://developers.strava.com/docs/rate-limits/) or disconnect somebody"
        )
    return Permanent(said)
