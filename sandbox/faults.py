"""Strava's refusals, byte for byte as recorded or as its users quote them.

Refuses to decide when one is due: the routes and the switchboard do.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A ready answer: status, body and type."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE


class Refused(Exception):
    """Raised by a route to answer with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


def fault(status: int, message: str, resource: str, field: str, code: str) -> Refusal:
    """Build a refusal in Strava's usual shape: a message and a list with one error."""
    error = {"resource": resource, "field": field, "code": code}
    return Refusal(status, orjson.dumps({"message": message, "errors": [error]}))


def bad_request(resource: str, field: str, code: str = "invalid") -> Refusal:
    """400 on a parameter."""
    return fault(400, "Bad Request", resource, field, code)


def rate_limit(field: str) -> Refusal:
    """429 as sent since there are two meters; `field` names the meter."""
    return fault(429, "Rate Limit Exceeded", "Application", field, "exceeded")


def scope_missing(scope: str, status: int = 401) -> Refusal:
    """401, or as some saw it 403, on a call that the athlete did not allow."""
    message = "Authorization Error" if status == 401 else "Forbidden"
    return fault(status, message, "AccessToken", f"{scope}_permission", "missing")


INVALID_CLIENT = bad_request("Application", "client_id")
INVALID_REDIRECT_URI = bad_request("Application", "redirect_uri")
INVALID_RESPONSE_TYPE = bad_request("Authorize", "response_type")
INVALID_APPROVAL_PROMPT = bad_request("Authorize", "approval_prompt")
INVALID_SCOPE = bad_request("Authorize", "scope")
INVALID_CODE = bad_request("RequestToken", "code")
INVALID_GRANT_TYPE = bad_request("Application", "grant_type")
DEAD_REFRESH_TOKEN = bad_request("RefreshToken", "refresh_token")
ALREADY_SUBSCRIBED = bad_request("PushSubscription", "callback url", "already exists")
NOT_VERIFIABLE = bad_request("PushSubscription", "callback url", "not verifiable")
CALLBACK_NOT_200 = bad_request("PushSubscription", "callback url", "GET to callback URL does not return 200")

DEAD_ACCESS_TOKEN = fault(401, "Authorization Error", "Athlete", "access_token", "invalid")
UNKNOWN_APPLICATION = fault(401, "Authorization Error", "Application", "", "invalid")
ATHLETE_LIMIT_REACHED = fault(403, "Forbidden", "Application", "limit of connected athletes", "exceeded")
APP_INACTIVE = fault(403, "Forbidden", "Application", "Status", "Inactive")

NOT_FOUND = fault(404, "Resource Not Found", "Activity", "", "not found")
NOT_FOUND_RECORDED = Refusal(404, b"")
PATH_NOT_FOUND = fault(404, "Record Not Found", "resource", "path", "invalid")

RATE_LIMIT_RECORDED = Refusal(429, b'{"errors":"Rate Limit Exceeded","status":429,"message":"Too Many Requests"}')
SERVER_ERROR = Refusal(500, b'{"message":"error"}')
UNAVAILABLE = Refusal(503, b"")
HTML_ERROR = Refusal(
    502,
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    b"<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n",
    "text/html; charset=utf-8",
)
EMPTY_ANSWER = Refusal(200, b"")
