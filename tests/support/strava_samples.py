"""Requests and answers of Strava's that several tests start from; nothing here is real."""

import json
from typing import Any

from pydantic import SecretStr

from daemon.strava import wire

APP = wire.AppCredentials(4711, SecretStr("app-secret-app-secret"))
TOKEN = SecretStr("token-token-token-token")
CALLBACK = SecretStr("https://here/webhook/token-token-token-token")
EVERY_REQUEST: list[wire.Request[Any]] = [
    wire.activity(1),
    wire.streams(1),
    wire.activities(),
    wire.athlete(),
    wire.zones(),
    wire.exchange_code(APP, TOKEN),
    wire.refresh_token(APP, TOKEN),
    wire.revoke(APP, TOKEN),
    wire.view_subscriptions(APP),
    wire.create_subscription(APP, CALLBACK, TOKEN),
    wire.delete_subscription(APP, 1),
]
ACTIVITY: dict[str, object] = {
    "id": 9_007_199_254_740_993,
    "athlete": {"id": 26462176},
    "name": "Morning Ride",
    "sport_type": "GravelRide",
    "type": "Ride",
    "distance": 40210.5,
    "moving_time": 5400,
    "elapsed_time": 6000,
    "start_date": "2026-03-29T00:30:00Z",
    "start_date_local": "2026-03-29T01:30:00Z",
    "timezone": "(GMT+01:00) Europe/Berlin",
}
TOKENS: dict[str, object] = {
    "access_token": "a" * 40,
    "refresh_token": "r" * 40,
    "expires_at": 1_900_000_000,
}


def written(value: object) -> bytes:
    """Write an answer's body; NaN and infinities come out as JavaScript would write them."""
    return json.dumps(value).encode()


def complained(resource: str, field: str, code: str) -> bytes:
    """Write the body of a fault."""
    return written({"message": "Bad Request", "errors": [{"resource": resource, "field": field, "code": code}]})
