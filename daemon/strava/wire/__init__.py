"""Strava's language, without a socket: build a request, decipher its answer.

It refuses I/O, clocks and retries; `client` does the talking. Every rule of Strava's stands here once.
"""

from daemon.strava.wire.accounts import Athlete, Subscription, TokenAnswer, TokenUnusable, Zone, Zones
from daemon.strava.wire.activity_fields import Activity
from daemon.strava.wire.answers import decipher
from daemon.strava.wire.faults import (
    AppFull,
    CallbackRefused,
    CodeRefused,
    Complaint,
    Fault,
    SubscriptionExists,
    parse_fault,
)
from daemon.strava.wire.fields import NoJsonError
from daemon.strava.wire.rates import answered
from daemon.strava.wire.requests import (
    LARGEST_PAGE,
    AppCredentials,
    Kind,
    Request,
    activities,
    activity,
    athlete,
    authorize_url,
    authorized,
    bare,
    create_subscription,
    delete_subscription,
    exchange_code,
    refresh_token,
    revoke,
    streams,
    view_subscriptions,
    zones,
)
from daemon.strava.wire.stream_sets import STREAM_KEYS, Samples, parse_streams

__all__ = [
    "LARGEST_PAGE",
    "STREAM_KEYS",
    "Activity",
    "AppCredentials",
    "AppFull",
    "Athlete",
    "CallbackRefused",
    "CodeRefused",
    "Complaint",
    "Fault",
    "Kind",
    "NoJsonError",
    "Request",
    "Samples",
    "Subscription",
    "SubscriptionExists",
    "TokenAnswer",
    "TokenUnusable",
    "Zone",
    "Zones",
    "activities",
    "activity",
    "answered",
    "athlete",
    "authorize_url",
    "authorized",
    "bare",
    "create_subscription",
    "decipher",
    "delete_subscription",
    "exchange_code",
    "parse_fault",
    "parse_streams",
    "refresh_token",
    "revoke",
    "streams",
    "view_subscriptions",
    "zones",
]
