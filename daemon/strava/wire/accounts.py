"""Reads what Strava tells about an account: tokens, the athlete, zones, push subscriptions.

It refuses to show a secret: tokens and callback addresses (their path is our webhook's password) are SecretStr.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from daemon.core.errors import Permanent, Retryable
from daemon.strava.wire.fields import Fields, load_list, load_object, refusal


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer of the token endpoint; `refresh_token` has replaced the one that was sent.

    A refresh tells no athlete, a consent the short form of one. `scope` is what the athlete really granted, None
    where Strava does not say.
    Source: https://developers.strava.com/docs/authentication/#tokenexchange
    """

    access_token: SecretStr
    refresh_token: SecretStr
    expires_at: datetime
    athlete: Athlete | None
    scope: frozenset[str] | None


class TokenUnusable(Retryable):
    """The answer to a refresh is damaged; `refresh_token` is the new one, where it could be read."""

    def __init__(self, reason: str, refresh_token: SecretStr | None) -> None:
        super().__init__(reason)
        self.refresh_token = refresh_token


@dataclass(frozen=True, slots=True)
class Athlete:
    """What we keep of an athlete; sex decides the exponents of a heart rate load."""

    athlete_id: int
    first_name: str | None
    last_name: str | None
    sex: str | None  # "M", "F"
    weight_kg: float | None
    ftp_watts: int | None  # as typed in by the athlete; needs the scope profile:read_all

    @property
    def name(self) -> str | None:
        """Return the whole name; None where he has none, or only blanks."""
        return " ".join(part.strip() for part in (self.first_name, self.last_name) if part and part.strip()) or None


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone; the top one has no upper end."""

    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Zones:
    """The athlete's zones at Strava, lowest first, in beats per minute and watts; empty where not set."""

    heart_rate: tuple[Zone, ...]
    heart_rate_is_custom: bool
    power: tuple[Zone, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """The one push subscription of an app; the answer to its creation may hold the id alone.

    Source: https://developers.strava.com/docs/webhooks/
    """

    subscription_id: int
    callback_url: SecretStr | None


def read_nothing(body: bytes) -> None:
    """Take any body: the status has said it all."""


def read_token(body: bytes) -> TokenAnswer:
    """Read an answer of the token endpoint."""
    fields = load_object(body, "token")
    athlete = fields.inner_or_none("athlete")
    scope = fields.text_or_none("scope")
    return TokenAnswer(
        access_token=_token(fields, "access_token"),
        refresh_token=_token(fields, "refresh_token"),
        expires_at=fields.epoch("expires_at"),
        athlete=None if athlete is None else _athlete(athlete),
        # Strava separates by commas, the OAuth standard by spaces.
        scope=None if scope is None else frozenset(re.findall(r"[^\s,]+", scope)),
    )


def read_renewal(body: bytes) -> TokenAnswer:
    """Read the answer to a refresh; raises TokenUnusable, which carries the token that a damaged one brings."""
    try:
        return read_token(body)
    except Permanent as error:
        raise TokenUnusable(str(error), _rescued(body)) from error


def _rescued(body: bytes) -> SecretStr | None:
    try:
        return _token(load_object(body, "token"), "refresh_token")
    except Permanent:
        return None


def _token(fields: Fields, name: str) -> SecretStr:
    token = fields.text(name)
    # It will stand in a header: a line break there would be a second header.
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise refusal(f"token.{name}", token, "visible ASCII characters")
    return SecretStr(token)


def read_athlete(body: bytes) -> Athlete:
    """Read the athlete whose token asked."""
    return _athlete(load_object(body, "athlete"))


def _athlete(fields: Fields) -> Athlete:
    return Athlete(
        athlete_id=fields.identity("id"),
        first_name=fields.text_or_none("firstname"),
        last_name=fields.text_or_none("lastname"),
        sex=fields.text_or_none("sex"),
        weight_kg=fields.number_or_none("weight"),
        ftp_watts=fields.whole_or_none("ftp"),
    )


def read_zones(body: bytes) -> Zones:
    """Read the athlete's zones."""
    fields = load_object(body, "zones")
    heart_rate = fields.inner_or_none("heart_rate")
    power = fields.inner_or_none("power")
    return Zones(
        heart_rate=() if heart_rate is None else _zones(heart_rate),
        heart_rate_is_custom=heart_rate is not None and heart_rate.flag_or_none("custom_zones") is True,
        power=() if power is None else _zones(power),
    )


def _zones(fields: Fields) -> tuple[Zone, ...]:
    zones = []
    for zone in fields.inner_list("zones"):
        most = zone.whole_or_none("max", least=-1)
        zones.append(Zone(zone.whole("min"), None if most == -1 else most))  # -1: open upwards
    return tuple(zones)


def read_subscription(body: bytes) -> Subscription:
    """Read the answer to a creation."""
    return _subscription(load_object(body, "subscription"))


def read_subscriptions(body: bytes) -> list[Subscription]:
    """Read the list of subscriptions, which holds one or none."""
    return [_subscription(fields) for fields in load_list(body, "subscriptions")]


def _subscription(fields: Fields) -> Subscription:
    callback_url = fields.text_or_none("callback_url")
    return Subscription(
        subscription_id=fields.identity("id"),
        callback_url=None if callback_url is None else SecretStr(callback_url),
    )
