"""Builds every request that we may send to Strava.

It refuses to send, and to carry a secret in any type that prints it.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar
from urllib.parse import urlencode

from pydantic import SecretStr

from daemon.strava.wire.accounts import (
    Athlete,
    Subscription,
    TokenAnswer,
    Zones,
    read_athlete,
    read_nothing,
    read_renewal,
    read_subscription,
    read_subscriptions,
    read_token,
    read_zones,
)
from daemon.strava.wire.activity_fields import Activity, read_activities, read_activity
from daemon.strava.wire.stream_sets import STREAM_KEYS, read_stream_bytes

T = TypeVar("T")

Kind: TypeAlias = Literal[
    "activity", "streams", "activities", "athlete", "zones", "token", "revoke", "push_subscriptions"
]
Words: TypeAlias = Mapping[str, str | SecretStr]

# https://developers.strava.com/docs/reference/#api-Activities-getLoggedInAthleteActivities
LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request, not yet sent; `read` turns the body of its success into a T.

    `url` is relative to a base: the OAuth base for the kinds token and revoke, the API base for all others.
    """

    kind: Kind
    method: Literal["GET", "POST", "DELETE"]
    url: str
    read: Callable[[bytes], T] = field(repr=False, compare=False)
    params: Words = field(default_factory=dict)
    headers: Words = field(default_factory=dict)
    data: Words | None = None

    @property
    def has_secret_query(self) -> bool:
        """Whether the full address would tell a secret to whoever prints it."""
        return any(isinstance(word, SecretStr) for word in self.params.values())


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """Our app's own name and password at Strava."""

    client_id: int
    client_secret: SecretStr


def bare(words: Words) -> dict[str, str]:
    """Return the words as they must be sent, secrets included."""
    return {name: word.get_secret_value() if isinstance(word, SecretStr) else word for name, word in words.items()}


def authorized(request: Request[T], access_token: SecretStr) -> Request[T]:
    """Return the request with the athlete's token, which travels in this header alone."""
    bearer = SecretStr(f"Bearer {access_token.get_secret_value()}")
    return replace(request, headers={**request.headers, "Authorization": bearer})


def activity(activity_id: int) -> Request[Activity]:
    """Ask for one activity in full."""
    return Request("activity", "GET", f"activities/{activity_id:d}", read_activity)


def streams(activity_id: int) -> Request[bytes]:
    """Ask for the streams of an activity, whole: a `resolution` would thin them out."""
    # Without key_by_type the answer is a list; without keys it holds the distance alone.
    params = {"keys": ",".join(STREAM_KEYS), "key_by_type": "true"}
    return Request("streams", "GET", f"activities/{activity_id:d}/streams", read_stream_bytes, params)


def activities(
    before: datetime | None = None,
    after: datetime | None = None,
    page: int = 1,
    per_page: int = LARGEST_PAGE,
) -> Request[list[Activity]]:
    """Ask for a page of the athlete's activities by start time; both instants aware.

    A page shorter than `per_page` is not the last: go on until one is empty.
    """
    if page < 1 or not 1 <= per_page <= LARGEST_PAGE:
        raise ValueError(f"pages count from 1 and hold 1 to {LARGEST_PAGE} activities")
    params = {"page": str(page), "per_page": str(per_page)}
    if before is not None:
        params["before"] = str(math.ceil(_epoch_seconds(before)))
    if after is not None:
        params["after"] = str(math.floor(_epoch_seconds(after)))
    return Request("activities", "GET", "athlete/activities", read_activities, params)


def _epoch_seconds(at: datetime) -> float:
    # Seconds: milliseconds are answered with 400.
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone: a naive one would be read in the zone of this machine")
    return at.timestamp()


def athlete() -> Request[Athlete]:
    """Ask who the token belongs to."""
    return Request("athlete", "GET", "athlete", read_athlete)


def zones() -> Request[Zones]:
    """Ask for the athlete's zones; needs the scope profile:read_all."""
    return Request("zones", "GET", "athlete/zones", read_zones)


def authorize_url(
    oauth_url: str, client_id: int, redirect_uri: str, scopes: Iterable[str], state: SecretStr
) -> SecretStr:
    """Return the address to send an athlete's browser to; the athlete may still untick any scope.

    Source: https://developers.strava.com/docs/authentication/#requestingaccess
    """
    query = urlencode(
        {
            "client_id": str(client_id),
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "approval_prompt": "auto",
            "scope": ",".join(scopes),  # commas, where OAuth has spaces
            "state": state.get_secret_value(),
        }
    )
    return SecretStr(f"{oauth_url.rstrip('/')}/authorize?{query}")


def exchange_code(credentials: AppCredentials, code: SecretStr) -> Request[TokenAnswer]:
    """Trade the code that a browser brought back for tokens."""
    return _token_request(credentials, {"grant_type": "authorization_code", "code": code}, read_token)


def refresh_token(credentials: AppCredentials, token: SecretStr) -> Request[TokenAnswer]:
    """Trade a refresh token for new tokens; the old one may be dead as soon as this is sent."""
    return _token_request(credentials, {"grant_type": "refresh_token", "refresh_token": token}, read_renewal)


def _token_request(
    credentials: AppCredentials, grant: Words, read: Callable[[bytes], TokenAnswer]
) -> Request[TokenAnswer]:
    return Request("token", "POST", "token", read, data={**_app(credentials), **grant})


def revoke(credentials: AppCredentials, token: SecretStr) -> Request[None]:
    """End an athlete's authorization. Strava retires /oauth/deauthorize in favour of this."""
    pair = f"{credentials.client_id}:{credentials.client_secret.get_secret_value()}"
    basic = SecretStr(f"Basic {b64encode(pair.encode()).decode('ascii')}")
    return Request(
        "revoke", "POST", "revoke", read_nothing, headers={"Authorization": basic}, data={"token": token}
    )


def view_subscriptions(credentials: AppCredentials) -> Request[list[Subscription]]:
    """Ask for the app's push subscription."""
    # Strava takes the secret in the query here and nowhere else: https://developers.strava.com/docs/webhooks/
    return Request("push_subscriptions", "GET", "push_subscriptions", read_subscriptions, params=_app(credentials))


def create_subscription(
    credentials: AppCredentials, callback_url: SecretStr, verify_token: SecretStr
) -> Request[Subscription]:
    """Subscribe; Strava calls the callback with the verify token before it answers this."""
    data = {**_app(credentials), "callback_url": callback_url, "verify_token": verify_token}
    return Request("push_subscriptions", "POST", "push_subscriptions", read_subscription, data=data)


def delete_subscription(credentials: AppCredentials, subscription_id: int) -> Request[None]:
    """End the push subscription."""
    url = f"push_subscriptions/{subscription_id:d}"
    return Request("push_subscriptions", "DELETE", url, read_nothing, params=_app(credentials))


def _app(credentials: AppCredentials) -> dict[str, str | SecretStr]:
    return {"client_id": str(credentials.client_id), "client_secret": credentials.client_secret}
