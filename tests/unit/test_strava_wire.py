"""What the wire sends, which error every refusal becomes, and what each answer tells about the quota."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.admission import MeterReading, Outcome, Reading
from daemon.core.errors import (
    AccessTokenRejected,
    DomestiqueError,
    NotFound,
    Permanent,
    Retryable,
    Revoked,
    ScopeMissing,
)
from daemon.strava import wire
from tests.support.strava_samples import APP, EVERY_REQUEST, TOKEN, complained, written


def test_an_activity_is_asked_for_by_its_id() -> None:
    request = wire.activity(9_007_199_254_740_993)
    assert (request.kind, request.method, request.url) == ("activity", "GET", "activities/9007199254740993")


def test_streams_are_asked_for_by_type_and_without_a_resolution() -> None:
    request = wire.streams(7)
    assert request.url == "activities/7/streams"
    assert request.params == {"keys": ",".join(wire.STREAM_KEYS), "key_by_type": "true"}
    assert "latlng" not in wire.STREAM_KEYS


def test_instants_travel_as_whole_seconds_that_never_narrow_the_range() -> None:
    berlin = timezone(timedelta(hours=2))
    request = wire.activities(
        before=datetime(2026, 5, 1, 12, 0, 0, 500_000, tzinfo=berlin),
        after=datetime(2026, 4, 1, 12, 0, 0, 500_000, tzinfo=berlin),
        page=3,
    )
    assert request.params == {"page": "3", "per_page": "200", "before": "1777629601", "after": "1775037600"}


@pytest.mark.parametrize(("page", "per_page"), [(0, 200), (1, 0), (1, 201)])
def test_a_page_that_strava_does_not_have_is_a_mistake_of_ours(page: int, per_page: int) -> None:
    with pytest.raises(ValueError, match="pages count from 1"):
        wire.activities(page=page, per_page=per_page)


def test_an_instant_without_a_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="time zone"):
        wire.activities(after=datetime(2026, 4, 1))


def test_a_token_travels_in_the_authorization_header_alone() -> None:
    request = wire.authorized(wire.streams(1), TOKEN)
    assert wire.bare(request.headers) == {"Authorization": "Bearer token-token-token-token"}
    assert request == replace(wire.streams(1), headers=request.headers)


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda request: f"{request.method} {request.url}")
def test_no_printed_request_tells_a_secret(request_: wire.Request[Any]) -> None:
    printed = repr(wire.authorized(request_, TOKEN)) + str(request_)
    for secret in ("token-token", "app-secret", "Bearer", "Basic", "here/webhook"):
        assert secret not in printed


def test_only_the_views_of_the_subscription_carry_a_secret_in_their_address() -> None:
    assert [request.url for request in EVERY_REQUEST if request.has_secret_query] == [
        "push_subscriptions",
        "push_subscriptions/1",
    ]


def test_revocation_names_the_app_by_basic_authorization_and_the_token_in_the_body() -> None:
    request = wire.revoke(APP, TOKEN)
    assert wire.bare(request.headers) == {"Authorization": "Basic NDcxMTphcHAtc2VjcmV0LWFwcC1zZWNyZXQ="}
    assert wire.bare(request.data or {}) == {"token": "token-token-token-token"}


def test_the_browser_is_sent_with_comma_separated_scopes_and_the_state() -> None:
    address = wire.authorize_url(
        "https://strava.test/oauth/", 4711, "https://here/back?x=1", ["read", "activity:read_all"], TOKEN
    )
    assert address.get_secret_value() == (
        "https://strava.test/oauth/authorize?client_id=4711&redirect_uri=https%3A%2F%2Fhere%2Fback%3Fx%3D1"
        "&response_type=code&approval_prompt=auto&scope=read%2Cactivity%3Aread_all&state=token-token-token-token"
    )


# --- faults -----------------------------------------------------------------------------------------------

TOKEN_REQUEST = wire.refresh_token(APP, TOKEN)
SUBSCRIPTION_REQUEST = wire.create_subscription(APP, TOKEN, TOKEN)
HTML = b"<html><body>Maintenance</body></html>"


@pytest.mark.parametrize(
    ("request_", "status", "body", "error", "sentence"),
    [
        (wire.activity(1), 404, b"", NotFound, "404"),
        (wire.activity(1), 404, complained("Activity", "id", "invalid"), NotFound, "Activity/id/invalid"),
        (wire.streams(1), 404, b'{"message":"Resource Not Found","errors":[]}', NotFound, "Resource Not Found"),
        (SUBSCRIPTION_REQUEST, 404, b"", NotFound, "404"),
        # Nothing may be buried for a wrong address or somebody else's page.
        (wire.activity(1), 404, HTML, Retryable, r"strava\.api_url"),
        (wire.activity(1), 404, complained("resource", "path", "invalid"), Permanent, r"strava\.api_url"),
        (TOKEN_REQUEST, 404, b"", Permanent, r"strava\.oauth_url"),
        # No token is dead, and no job, for a page of something between us and the API.
        *[
            (request, status, body, Retryable, setting)
            for request, setting in ((wire.activity(1), r"strava\.api_url"), (TOKEN_REQUEST, r"strava\.oauth_url"))
            for status in (401, 403)
            for body in (b"", HTML, b"error code: 1020", b'{"message":"cut o', b"[]")
        ],
        (wire.activity(1), 404, b"404 page not found", Retryable, r"strava\.api_url"),
        (SUBSCRIPTION_REQUEST, 403, HTML, Retryable, r"strava\.api_url"),
        (wire.activity(1), 401, b"{}", AccessTokenRejected, "401"),
        (wire.activity(1), 401, complained("Athlete", "access_token", "invalid"), AccessTokenRejected, "401"),
        (wire.activity(1), 401, complained("Application", "", "invalid"), AccessTokenRejected, "401"),
        (wire.activity(1), 403, complained("Activity", "", "forbidden"), Permanent, "403 to activity"),
        (TOKEN_REQUEST, 400, complained("RefreshToken", "refresh_token", "invalid"), Revoked, "connect again"),
        (TOKEN_REQUEST, 401, complained("RefreshToken", "refresh_token", "invalid"), Revoked, "connect again"),
        (TOKEN_REQUEST, 400, complained("Application", "client_id", "invalid"), Permanent, r"strava\.client_id"),
        (TOKEN_REQUEST, 401, complained("Application", "", "invalid"), Permanent, r"strava\.client_secret"),
        (TOKEN_REQUEST, 400, complained("AuthorizationCode", "code", "invalid"), wire.CodeRefused, "spent"),
        (TOKEN_REQUEST, 400, b"", Permanent, "400 to token"),
        (
            TOKEN_REQUEST,
            403,
            complained("Application", "limit of connected athletes", "exceeded"),
            wire.AppFull,
            "capacity",
        ),
        (wire.athlete(), 403, b'{"message":"Limit of connected athletes exceeded"}', wire.AppFull, "capacity"),
        (wire.revoke(APP, TOKEN), 400, complained("AccessToken", "token", "invalid"), Revoked, "before"),
        (wire.revoke(APP, TOKEN), 401, complained("Athlete", "access_token", "invalid"), Revoked, "before"),
        (wire.revoke(APP, TOKEN), 401, complained("Application", "", "invalid"), Permanent, r"strava\.client_id"),
        (SUBSCRIPTION_REQUEST, 401, complained("Application", "", "invalid"), Permanent, r"strava\.client_id"),
        (
            SUBSCRIPTION_REQUEST,
            400,
            complained("PushSubscription", "callback url", "GET to callback URL does not return 200"),
            wire.CallbackRefused,
            "PushSubscription/callback url/GET to callback URL does not return 200",
        ),
        (
            SUBSCRIPTION_REQUEST,
            400,
            complained("PushSubscription", "callback url", "not verifiable"),
            wire.CallbackRefused,
            "not verifiable",
        ),
        (
            SUBSCRIPTION_REQUEST,
            400,
            complained("PushSubscription", "callback url", "already exists"),
            wire.SubscriptionExists,
            "already exists",
        ),
        (
            SUBSCRIPTION_REQUEST,
            400,
            complained("Application", "client_id", "invalid"),
            Permanent,
            r"strava\.client_secret",
        ),
        (SUBSCRIPTION_REQUEST, 400, b"", Permanent, "400 to push_subscriptions"),
        (wire.activities(), 400, complained("Application", "after", "invalid"), Permanent, "Application/after"),
        (wire.activity(1), 403, complained("Application", "Status", "Inactive"), Retryable, "subscription"),
        (TOKEN_REQUEST, 403, complained("Application", "Status", "Inactive"), Retryable, "subscription"),
        (wire.activity(1), 408, b"", Retryable, "408"),
        (TOKEN_REQUEST, 429, b"", Retryable, "429"),
        (wire.activity(1), 500, b'{"message":"error"}', Retryable, "500 to activity: error"),
        (wire.activity(1), 503, HTML, Retryable, "503"),
        (wire.activity(1), 301, b"", Permanent, r"strava\.api_url"),
        (wire.activity(1), 302, HTML, Retryable, "no redirects"),
        (wire.activity(1), 200, b"", Retryable, "Strava answered 200 with no JSON"),
        (wire.activity(1), 200, HTML, Retryable, "Strava answered 200 with no JSON"),
        (wire.streams(1), 200, HTML, Retryable, "Strava answered 200 with no JSON"),
        (wire.activity(1), 200, b"[" * 100_000, Retryable, "Strava answered 200 with no JSON"),
    ],
)  # fmt: skip
def test_every_refusal_says_what_to_do_next(
    request_: wire.Request[Any], status: int, body: bytes, error: type[DomestiqueError], sentence: str
) -> None:
    with pytest.raises(DomestiqueError, match=sentence) as refused:
        wire.decipher(request_, status, body)
    assert type(refused.value) is error


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("scope", ["activity:read", "activity:read_all", "profile:read_all", "read"])
def test_a_missing_scope_is_named(status: int, scope: str) -> None:
    body = complained("AccessToken", f"{scope}_permission", "missing")
    with pytest.raises(ScopeMissing) as refused:
        wire.decipher(wire.activity(1), status, body)
    assert refused.value.scope == scope


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"[]",
        b"null",
        b'{"errors":"Rate Limit Exceeded"}',
        b'{"errors":["x",{"resource":5}]}',
        b'{"message":5,"errors":{}}',
        b"\xff\xfe",
    ],
)
def test_a_fault_of_any_shape_is_survived(body: bytes) -> None:
    with pytest.raises(Permanent, match="Strava answered 418 to activity"):
        wire.decipher(wire.activity(1), 418, body)


def test_the_words_of_a_fault_are_short_printable_and_without_secrets() -> None:
    secret = "deadbeef9d64b225d0c50db4854a8d6c8757702d"
    fault = wire.parse_fault(written({"message": f"no\r\n\0 {secret} " + "x y " * 200, "errors": "and so on"}))
    assert len(fault.words) == 200
    assert fault.words.isprintable()
    assert "dead" not in fault.words
    assert fault.words.startswith("no   … x y")


def test_a_secret_across_the_cut_is_not_told_in_part() -> None:
    words = wire.parse_fault(written({"message": "a " * 95 + "deadbeef9d64b225d0c50db4854a8d6c8757702d"})).words
    assert "dead" not in words


# --- rates ------------------------------------------------------------------------------------------------

METERS = {
    "X-RateLimit-Limit": "200,2000",
    "X-RateLimit-Usage": "5,148",
    "X-ReadRateLimit-Limit": "100,1000",
    "X-ReadRateLimit-Usage": "4,147",
}
OVERALL = MeterReading(quarter_limit=200, day_limit=2000, quarter_usage=5, day_usage=148)
READ = MeterReading(quarter_limit=100, day_limit=1000, quarter_usage=4, day_usage=147)


@pytest.mark.parametrize("spelled", [str, str.lower, str.upper, str.title])
def test_meters_are_found_however_their_names_are_spelled(spelled: Callable[[str], str]) -> None:
    headers = {spelled(name): value for name, value in METERS.items()}
    assert wire.answered(200, headers, b"").reading == Reading(OVERALL, READ)


def test_one_meter_may_be_shown_alone() -> None:
    headers = {name: METERS[name] for name in ("X-RateLimit-Limit", "X-RateLimit-Usage")}
    assert wire.answered(200, headers, b"").reading == Reading(OVERALL, None)


@pytest.mark.parametrize(
    "value",
    ["", "200", "200,", "200;2000", "a,b", "-1,5", "0,2000", "200,0", "1,2,3", "²,³", "9" * 10 + ",1", "2e2,1"],
)
def test_a_malformed_limit_counts_as_not_shown(value: str) -> None:
    headers = {"X-RateLimit-Limit": value, "X-RateLimit-Usage": "5,148"}
    assert wire.answered(200, headers, b"").reading is None


def test_a_limit_without_its_usage_counts_as_not_shown() -> None:
    assert wire.answered(200, {"X-RateLimit-Limit": "200,2000"}, b"").reading is None


@pytest.mark.parametrize("date", ["Sat, 18 Oct 2025 23:02:43 GMT", "Sun, 19 Oct 2025 01:02:43 +0200"])
def test_the_answers_own_clock_is_read_in_utc(date: str) -> None:
    dated_at = wire.answered(200, {"date": date}, b"").dated_at
    assert dated_at == datetime(2025, 10, 18, 23, 2, 43, tzinfo=UTC)
    assert dated_at.tzinfo is UTC


def test_a_date_that_names_no_zone_is_utc() -> None:
    dated_at = wire.answered(200, {"Date": "Sat, 18 Oct 2025 23:02:43 -0000"}, b"").dated_at
    assert dated_at == datetime(2025, 10, 18, 23, 2, 43, tzinfo=UTC)


@pytest.mark.parametrize("date", ["", "now", "Sat, 32 Oct 2025 23:02:43 GMT", "Fri, 31 Dec 9999 23:00:00 -1400"])
def test_a_malformed_date_counts_as_not_shown(date: str) -> None:
    assert wire.answered(200, {"Date": date}, b"").dated_at is None


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"", Outcome.COUNTED),
        (404, b"", Outcome.COUNTED),
        (500, HTML, Outcome.COUNTED),
        (429, b"", Outcome.RATE_LIMITED),
        (403, complained("Application", "Status", "Inactive"), Outcome.APP_INACTIVE),
        (403, complained("application", "status", "inactive"), Outcome.APP_INACTIVE),
        (403, complained("Application", "limit of connected athletes", "exceeded"), Outcome.COUNTED),
        (403, HTML, Outcome.COUNTED),
        (401, complained("Application", "Status", "Inactive"), Outcome.COUNTED),
    ],
)
def test_the_outcome_of_an_answer_is_told_to_the_quota(status: int, body: bytes, outcome: Outcome) -> None:
    assert wire.answered(status, {}, body).outcome is outcome


@settings(max_examples=100)
@given(
    headers=st.dictionaries(st.sampled_from([*METERS, "Date"]), st.text(max_size=30)),
    status=st.integers(100, 599),
    body=st.binary(max_size=40),
)
def test_no_header_however_malformed_breaks_an_answer(headers: dict[str, str], status: int, body: bytes) -> None:
    assert (wire.answered(status, headers, body).outcome is Outcome.RATE_LIMITED) == (status == 429)
