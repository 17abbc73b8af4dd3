"""Intervals.icu's language without a socket: what we ask, with which key, and what each answer comes to."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from daemon.core.errors import DomestiqueError, Permanent, QuotaSpent, Retryable, Revoked
from daemon.core.wellness import FIELDS
from daemon.intervals import wire
from daemon.intervals.wire import Credential

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = date(2026, 3, 1)
WELLNESS = wire.wellness(DAY, DAY)
JSON = {"Content-Type": "application/json"}


def read(*records: Any) -> Any:
    return wire.decipher(WELLNESS, 200, JSON, orjson.dumps(list(records)), NOW)


def fault(status: int, headers: Mapping[str, str] = JSON) -> DomestiqueError:
    with pytest.raises(DomestiqueError) as caught:
        wire.decipher(WELLNESS, status, headers, b'{"status": 0, "error": "?"}', NOW)
    return caught.value


def test_a_window_is_asked_for_with_nothing_that_we_do_not_keep() -> None:
    request = wire.wellness(date(2026, 2, 1), DAY)
    assert request.url == "athlete/0/wellness"
    assert (request.params["oldest"], request.params["newest"]) == ("2026-02-01", "2026-03-01")
    asked = request.params["fields"].split(",")
    assert asked[0] == "id"
    assert not {"menstrualPhase", "bloodGlucose", "comments"} & set(asked)
    assert set(wire.NAMES.values()) == set(FIELDS)


def test_a_personal_key_is_a_password_and_a_token_a_bearer_and_neither_is_shown() -> None:
    basic = wire.authorization(Credential("api_key", SecretStr("canary-key")))
    scheme, _, words = basic.get_secret_value().partition(" ")
    assert (scheme, b64decode(words)) == ("Basic", b"API_KEY:canary-key")
    bearer = wire.authorization(Credential("bearer", SecretStr("canary-token")))
    assert bearer.get_secret_value() == "Bearer canary-token"
    assert "canary" not in f"{basic!r}{bearer!r}{Credential('bearer', SecretStr('canary-token'))!r}"


def test_values_are_read_by_our_names_and_what_is_null_or_missing_is_unknown() -> None:
    days = read(
        {"id": "2026-03-01", "restingHR": 48, "hrv": 61.5, "sleepSecs": 27000, "weight": None, "ctl": 51.2},
        {"id": "2026-03-02", "restingHR": None},
        {"id": "2026-03-03", "mood": 2},
    )
    assert days == {
        DAY: {"resting_hr": 48, "hrv_rmssd": 61.5, "sleep_seconds": 27000},
        date(2026, 3, 3): {"mood": 2},
    }


def test_no_body_s_values_and_those_that_only_stand_in_are_unknown() -> None:
    assert read({"id": "2026-03-01", "restingHR": 0, "hrv": -1, "sleepSecs": 200_000}) == {}
    temporary = {"id": "2026-03-01", "restingHR": 48, "weight": 70, "tempRestingHR": True, "tempWeight": False}
    assert read(temporary) == {DAY: {"weight_kg": 70.0}}


@pytest.mark.parametrize(
    ("records", "named"),
    [
        ({"id": "2026-03-01"}, "wellness"),
        ([5], "wellness[0]"),
        ([{"id": "2026-03-01"}, {"restingHR": 48}], "wellness[1].id"),
        ([{"id": "soon"}], "wellness[0].id"),
        ([{"id": "2026-03-01", "hrv": "61"}], "wellness[0].hrv"),
        ([{"id": "2026-03-01", "mood": True}], "wellness[0].mood"),
    ],
)
def test_another_kind_than_documented_is_refused_by_its_name(records: Any, named: str) -> None:
    with pytest.raises(Permanent, match="cannot be used") as caught:
        wire.decipher(WELLNESS, 200, JSON, orjson.dumps(records), NOW)
    assert f" {named} is not " in str(caught.value)


def test_an_answer_without_json_may_be_better_next_time() -> None:
    for body in (b"", b"<html>", b'[{"id": "2026-'):
        with pytest.raises(Retryable, match="no JSON"):
            wire.decipher(WELLNESS, 200, JSON, body, NOW)


def test_the_athlete_is_called_by_his_own_id() -> None:
    for body, name in ((b'{"id": "i77"}', "i77"), (b'{"id": 77}', "77")):
        assert wire.decipher(wire.athlete(), 200, JSON, body, NOW) == name
    for body in (b"{}", b"[]", b'{"id": ""}', b'{"id": true}'):
        with pytest.raises(Permanent, match=r"athlete\.id"):
            wire.decipher(wire.athlete(), 200, JSON, body, NOW)


def test_a_refused_key_is_dead_and_the_refusal_says_what_to_do() -> None:
    assert isinstance(fault(401), Revoked)
    refused = fault(403)
    assert isinstance(refused, Revoked)
    assert "not as a bearer token" in str(refused)


def test_a_gateways_page_says_nothing_about_the_key() -> None:
    assert isinstance(fault(403, {"Content-Type": "text/html; charset=utf-8"}), Retryable)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "9999999999999"}, 3600),
        ({"Retry-After": "Tue, 10 Mar 2026 12:02:00 GMT"}, 120),
        ({"Retry-After": "Tue, 10 Mar 2026 11:00:00 GMT"}, 1),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
)
def test_after_a_429_we_wait_as_long_as_we_are_told(told: dict[str, str], seconds: float) -> None:
    refusal = fault(429, told)
    assert isinstance(refusal, QuotaSpent)
    assert refusal.until == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_a_broken_server_is_asked_again_not_before_it_says(status: int) -> None:
    plain, told = fault(status), fault(status, {"Retry-After": "30"})
    assert isinstance(plain, Retryable)
    assert plain.at is None
    assert isinstance(told, Retryable)
    assert told.at == NOW + timedelta(seconds=30)


@pytest.mark.parametrize("status", [204, 302, 400, 404, 422])
def test_any_other_answer_is_for_a_person(status: int) -> None:
    assert isinstance(fault(status), Permanent)


@given(body=st.binary(max_size=80), status=st.integers(100, 599), after=st.text(max_size=12))
@settings(max_examples=200, deadline=None)
def test_no_answer_whatsoever_raises_anything_else(body: bytes, status: int, after: str) -> None:
    with suppress(DomestiqueError):
        wire.decipher(WELLNESS, status, {"Retry-After": after}, body, NOW)
