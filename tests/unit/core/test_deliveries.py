"""Webhooks are made, signed and tried again as Standard Webhooks says, judged by its own package."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from daemon.core import deliveries
from daemon.core.deliveries import ATTEMPTS, DELAYS, MOST_PATIENT, Answer, GiveUp, Message, Retry

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MESSAGE = Message("msg_1", "activity.processed", NOW - timedelta(hours=3), {"athlete_id": 7, "load": 83.6})
REFUSALS = [100, 301, 302, 307, 308, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504]


def signed_now(secrets: list[bytes]) -> dict[str, str]:
    return deliveries.headers(MESSAGE, secrets, datetime.now(UTC))


@settings(max_examples=30)
@given(st.binary(min_size=24, max_size=64))
def test_the_official_package_verifies_what_we_sign(secret: bytes) -> None:
    headers = signed_now([secret])
    payload = Webhook(deliveries.written(secret)).verify(MESSAGE.body, headers)
    assert payload == {
        "type": "activity.processed",
        "timestamp": "2026-03-10T09:00:00Z",
        "data": {"athlete_id": 7, "load": 83.6},
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(deliveries.written(secret)).verify(MESSAGE.body.replace(b"83.6", b"99.9"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(deliveries.written(b"another secret than the one before")).verify(MESSAGE.body, headers)


def test_while_one_secret_takes_over_from_another_either_verifies() -> None:
    new, old = b"n" * 32, b"o" * 32
    headers = signed_now([new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        Webhook(deliveries.written(secret)).verify(MESSAGE.body, headers)


def test_an_attempt_is_stamped_with_its_own_time_and_the_news_with_theirs() -> None:
    headers = deliveries.headers(MESSAGE, [b"s" * 32], NOW)
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert json.loads(MESSAGE.body)["timestamp"] == "2026-03-10T09:00:00Z"
    assert "." not in headers["webhook-id"] + deliveries.message_id("812", 5, NOW)


@settings(max_examples=50)
@given(st.binary(max_size=80))
def test_a_secret_is_read_as_it_was_written_if_it_is_long_enough(secret: bytes) -> None:
    if 24 <= len(secret) <= 64:
        assert deliveries.read(deliveries.written(secret)) == secret
    else:
        with pytest.raises(ValueError, match="24 to 64"):
            deliveries.read(deliveries.written(secret))


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_????", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" * 2])
def test_what_is_no_secret_is_told_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the base64"):
        deliveries.read(text)


def test_an_id_is_the_same_for_the_same_news_and_no_other() -> None:
    ids = {
        deliveries.message_id(transaction, number, at)
        for transaction in ("811", "812")
        for number in (1, 2)
        for at in (NOW, NOW + timedelta(microseconds=1))
    }
    assert len(ids) == 8
    assert deliveries.message_id("811", 1, NOW) == deliveries.message_id("811", 1, NOW.astimezone())


def test_the_attempts_span_about_a_day_with_growing_patience() -> None:
    assert timedelta(hours=23) < sum(DELAYS, timedelta()) < timedelta(hours=25)
    assert list(DELAYS) == sorted(DELAYS)
    assert len(DELAYS) == ATTEMPTS - 1


@settings(max_examples=100)
@given(
    status=st.sampled_from([None, *REFUSALS]),
    attempts=st.integers(1, ATTEMPTS + 3),
    jitter=st.floats(0, 1),
    retry_after=st.none() | st.text(max_size=40) | st.integers(-5, 10**12).map(str),
)
def test_whatever_is_answered_the_next_attempt_comes_within_bounds_until_the_last(
    status: int | None, attempts: int, jitter: float, retry_after: str | None
) -> None:
    answer = Answer(status, "no answer", retry_after)
    assert not answer.is_accepted
    decision = deliveries.next_attempt(answer, attempts, NOW, jitter)
    if attempts >= ATTEMPTS:
        assert isinstance(decision, GiveUp)
        assert answer.sentence in decision.reason
    else:
        assert isinstance(decision, Retry)
        planned = DELAYS[attempts - 1]
        assert planned * 0.9 <= decision.at - NOW <= max(planned * 1.1, MOST_PATIENT)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("120", 120),
        (" 120 ", 120),
        ("-5", 0),
        ("Tue, 10 Mar 2026 12:30:00 GMT", 1800),
        ("Tue, 10 Mar 2026 11:30:00 GMT", 0),
        ("Tue, 10 Mar 2026 12:30:00 -0000", 1800),
    ],
)
def test_a_receiver_may_ask_for_patience_in_seconds_or_by_a_date(header: str | None, seconds: float) -> None:
    assert deliveries.asked_for(header, NOW) == timedelta(seconds=seconds)


def test_patience_is_given_up_to_six_hours_and_never_less_than_ours() -> None:
    def wait(attempts: int, retry_after: str) -> timedelta:
        decision = deliveries.next_attempt(Answer(503, "", retry_after), attempts, NOW, 0.5)
        assert isinstance(decision, Retry)
        return decision.at - NOW

    assert wait(1, "600") == timedelta(minutes=10)
    assert wait(1, "999999") == timedelta(hours=6)
    assert wait(7, "1") == timedelta(hours=2)
    assert wait(10, "1") == timedelta(hours=10)


def test_only_two_hundreds_are_success_and_only_410_ends_it() -> None:
    assert all(Answer(status).is_accepted for status in (200, 201, 202, 204, 299))
    assert Answer(410).is_gone
    assert not any(Answer(status).is_accepted or Answer(status).is_gone for status in REFUSALS)
    assert "redirects are not followed" in Answer(301).sentence


@settings(max_examples=100)
@given(
    waited=st.timedeltas(timedelta(seconds=-5), timedelta(days=6)),
    failing=st.none() | st.timedeltas(timedelta(seconds=-5), timedelta(days=6)),
    jitter=st.floats(0, 1),
)
def test_what_finds_no_place_is_put_off_within_bounds_and_the_longer_the_longer_it_has_been_so(
    waited: timedelta, failing: timedelta | None, jitter: float
) -> None:
    def put_off(by: timedelta = timedelta()) -> timedelta:
        failing_since = NOW - failing if failing is not None else None
        return deliveries.put_off(NOW - waited - by, failing_since, NOW, jitter) - NOW

    assert timedelta(seconds=5) <= put_off() <= timedelta(minutes=30)
    assert put_off() <= put_off(timedelta(minutes=7))


def test_a_burst_comes_back_within_a_minute_and_the_backlog_of_an_endpoint_that_is_down_within_half_an_hour() -> (
    None
):
    def latest(waited: timedelta, failing: timedelta | None) -> timedelta:
        failing_since = NOW - failing if failing is not None else None
        return deliveries.put_off(NOW - waited, failing_since, NOW, 1) - NOW

    moment = timedelta(seconds=1)
    assert latest(moment, None) == timedelta(minutes=1)
    assert latest(moment, timedelta(minutes=10)) == latest(timedelta(minutes=10), None) == timedelta(minutes=10)
    assert latest(moment, timedelta(days=3)) == timedelta(minutes=30)


def test_an_endpoint_is_hopeless_after_five_days_without_a_break() -> None:
    assert not deliveries.is_hopeless(None, NOW)
    assert not deliveries.is_hopeless(NOW - timedelta(days=4.9), NOW)
    assert deliveries.is_hopeless(NOW - timedelta(days=5), NOW)
