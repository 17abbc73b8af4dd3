"""Real Strava traffic, recorded by others, goes through the wire: what we build and what we read must fit it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import SecretStr

from daemon.core.admission import MeterReading, Outcome
from daemon.core.errors import AccessTokenRejected, DomestiqueError, NotFound, Permanent, Retryable
from daemon.strava import wire

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "strava-recorded"

pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"the recorded Strava traffic is not there: {RECORDED.name} beside the project"
)

APP = wire.AppCredentials(24523, SecretStr("client-secret"))
MARATHON = 1946417534
ATHLETE = 26462176


@dataclass(frozen=True)
class Recording:
    """One recorded request and its answer."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    status: int
    headers: dict[str, str]
    body: bytes


def recordings(name: str) -> Iterator[Recording]:
    for entry in yaml.load((RECORDED / name).read_text("utf-8"), yaml.CSafeLoader)["http_interactions"]:
        request, response = entry["request"], entry["response"]
        address = urlsplit(request["uri"])
        yield Recording(
            method=request["method"].upper(),
            path=address.path.removeprefix("/api/v3/").removeprefix("/oauth/"),
            query=dict(parse_qsl(address.query)),
            form=dict(parse_qsl(request["body"]["string"])),
            status=response["status"]["code"],
            headers={header: values[0] for header, values in response["headers"].items()},
            body=response["body"]["string"].encode(),
        )


def only(name: str) -> Recording:
    (recording,) = recordings(name)
    return recording


def deciphered(name: str, request: wire.Request[Any]) -> Any:
    recording = only(name)
    return wire.decipher(request, recording.status, recording.body)


# What each recording is an answer to. The two that we never ask for are read as their nearest relative.
REQUESTS: dict[str, wire.Request[Any]] = {
    "client/activity.yml": wire.activity(MARATHON),
    "client/activity_ride.yml": wire.activity(7142833299),
    "client/activity_streams.yml": wire.streams(MARATHON),
    "client/activity_with_ratelimit_exceeded.yml": wire.activity(MARATHON),
    "client/activity_zones.yml": wire.zones(),
    "client/all_athlete_activities.yml": wire.activities(),
    "client/athlete.yml": wire.athlete(),
    "client/athlete_activities.yml": wire.activities(),
    "client/athlete_stats.yml": wire.athlete(),
    "client/athlete_zones.yml": wire.zones(),
    "client/authorization_error.yml": wire.activity(MARATHON),
    "client/deauthorize.yml": wire.revoke(APP, SecretStr("access-token")),
    "client/not_found_error.yml": wire.activity(MARATHON),
    "oauth/token_authorization_code.yml": wire.exchange_code(APP, SecretStr("code")),
    "oauth/token_invalid_client.yml": wire.exchange_code(APP, SecretStr("code")),
    "oauth/token_invalid_code.yml": wire.exchange_code(APP, SecretStr("code")),
    "oauth/token_refresh_token.yml": wire.refresh_token(APP, SecretStr("refresh-token")),
    "webhooks/create_push_subscription.yml": wire.create_subscription(
        APP, SecretStr("http://35d43b4e.ngrok.io/subscribe"), SecretStr("verify-token")
    ),
    "webhooks/delete_push_subscription.yml": wire.delete_subscription(APP, 131300),
    "webhooks/no_push_subscriptions.yml": wire.view_subscriptions(APP),
    "webhooks/push_subscriptions.yml": wire.view_subscriptions(APP),
}
FOREIGN = {"client/activity_zones.yml", "client/athlete_stats.yml"}
REFUSED: dict[str, tuple[type[DomestiqueError], str]] = {
    "client/activity_zones.yml": (Permanent, "zones is a list, expected an object"),
    "client/athlete_stats.yml": (Permanent, "athlete.id is missing"),
    "client/activity_with_ratelimit_exceeded.yml": (Retryable, "Too Many Requests; Rate Limit Exceeded"),
    "client/authorization_error.yml": (AccessTokenRejected, "Application//invalid"),
    "client/not_found_error.yml": (NotFound, "404"),
    "oauth/token_invalid_client.yml": (Permanent, r"strava\.client_id"),
    "oauth/token_invalid_code.yml": (wire.CodeRefused, "RequestToken/code/invalid"),
}


def test_every_recording_is_put_to_the_wire() -> None:
    assert {path.relative_to(RECORDED).as_posix() for path in RECORDED.rglob("*.yml")} == set(REQUESTS)


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_every_recorded_answer_is_read_or_refused_as_it_should_be(name: str) -> None:
    for recording in recordings(name):
        if name in REFUSED:
            error, sentence = REFUSED[name]
            with pytest.raises(error, match=sentence):
                wire.decipher(REQUESTS[name], recording.status, recording.body)
        else:
            assert recording.status in {200, 201, 204}
            wire.decipher(REQUESTS[name], recording.status, recording.body)


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_the_clock_and_the_meters_of_every_recorded_answer_are_read(name: str) -> None:
    for recording in recordings(name):
        answered = wire.answered(recording.status, recording.headers, recording.body)
        assert answered.dated_at == datetime.strptime(
            recording.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT"
        ).replace(tzinfo=UTC)
        limited = recording.status == 429
        assert answered.outcome is (Outcome.RATE_LIMITED if limited else Outcome.COUNTED)
        overall, read = (_meter(recording.headers, prefix) for prefix in ("X-Ratelimit", "X-Readratelimit"))
        if overall is None:
            assert answered.reading is None
        else:
            assert answered.reading is not None
            assert (answered.reading.overall, answered.reading.read) == (overall, read)


def _meter(headers: dict[str, str], prefix: str) -> MeterReading | None:
    if f"{prefix}-Limit" not in headers:
        return None
    quarter_limit, day_limit = headers[f"{prefix}-Limit"].split(",")
    quarter_usage, day_usage = headers[f"{prefix}-Usage"].split(",")
    return MeterReading(int(quarter_limit), int(day_limit), int(quarter_usage), int(day_usage))


def test_streams_and_tokens_really_came_without_meters() -> None:
    for name in ("client/activity_streams.yml", "oauth/token_refresh_token.yml"):
        recording = only(name)
        assert wire.answered(recording.status, recording.headers, recording.body).reading is None


@pytest.mark.parametrize("name", sorted(set(REQUESTS) - FOREIGN - {"client/deauthorize.yml"}))
def test_we_ask_at_the_address_that_was_recorded(name: str) -> None:
    for recording in recordings(name):
        assert (REQUESTS[name].method, REQUESTS[name].url) == (recording.method, recording.path)


@pytest.mark.parametrize(
    "name",
    [
        "oauth/token_refresh_token.yml",
        "webhooks/create_push_subscription.yml",
        "webhooks/delete_push_subscription.yml",
        "webhooks/push_subscriptions.yml",
    ],
)
def test_our_form_and_query_are_the_recorded_ones(name: str) -> None:
    recording, request = only(name), REQUESTS[name]
    assert wire.bare(request.params) == recording.query
    assert wire.bare(request.data or {}) == recording.form


def test_a_code_is_exchanged_with_the_recorded_words() -> None:
    recorded = only("oauth/token_authorization_code.yml").form
    ours = wire.bare(REQUESTS["oauth/token_authorization_code.yml"].data or {})
    assert set(ours) == set(recorded)
    assert ours["grant_type"] == recorded["grant_type"]


def test_a_marathon_is_read_in_full() -> None:
    marathon = deciphered("client/activity.yml", wire.activity(MARATHON))
    assert marathon == wire.Activity(
        activity_id=MARATHON,
        athlete_id=ATHLETE,
        sport_type="Run",
        name="TCS NYC Marathon 2018",
        start_at=datetime(2018, 11, 4, 14, 53, 46, tzinfo=UTC),
        local_start_at=datetime(2018, 11, 4, 9, 53, 46),
        timezone="America/New_York",
        elapsed_seconds=13333,
        moving_seconds=13085,
        distance_m=42268.1,
        elevation_gain_m=270.9,
        device_watts=None,
        trainer=False,
        manual=False,
        private=False,
        visibility="everyone",
        has_heart_rate=True,
        average_heart_rate=170.1,
        max_heart_rate=187.0,
        average_watts=None,
        perceived_exertion=None,
        upload_id=2082412856,
        hidden_start=False,
    )


def test_a_ride_on_a_trainer_is_known_as_such() -> None:
    ride = deciphered("client/activity_ride.yml", wire.activity(7142833299))
    assert (ride.sport_type, ride.trainer, ride.upload_id) == ("Ride", True, 7605104623)
    assert (ride.average_heart_rate, ride.perceived_exertion) == (120.7, None)


def test_the_walk_over_all_pages_ends_at_an_empty_one_after_a_short_one() -> None:
    pages = [
        wire.decipher(wire.activities(page=place), recording.status, recording.body)
        for place, recording in enumerate(recordings("client/all_athlete_activities.yml"), 1)
    ]
    assert [len(page) for page in pages] == [30] * 37 + [22, 0]
    walked = [activity for page in pages for activity in page]
    assert len({activity.activity_id for activity in walked}) == 1132
    assert {activity.athlete_id for activity in walked} == {ATHLETE}
    assert [activity.start_at for activity in walked] == sorted(
        (activity.start_at for activity in walked), reverse=True
    )
    assert all(activity.upload_id is None for activity in walked if activity.manual)
    assert all(activity.perceived_exertion is None for activity in walked)


def test_the_z_of_a_local_start_is_false_in_every_recorded_activity() -> None:
    for recording in recordings("client/all_athlete_activities.yml"):
        for activity in wire.decipher(wire.activities(), recording.status, recording.body):
            assert activity.timezone is not None
            there = activity.start_at.astimezone(ZoneInfo(activity.timezone)).replace(tzinfo=None)
            assert activity.local_start_at == there


def test_the_streams_stay_bytes_until_another_process_parses_them() -> None:
    body = deciphered("client/activity_streams.yml", wire.streams(MARATHON))
    streams = wire.parse_streams(body)
    # The recorded client asked without keys and got the distance alone; ours asks for each.
    assert {key: len(samples) for key, samples in streams.items()} == {"distance": 13129}
    assert streams["distance"][:3] == [0.0, 1.4, 2.8]


def test_the_athlete_and_the_zones_are_read() -> None:
    assert deciphered("client/athlete.yml", wire.athlete()) == wire.Athlete(
        athlete_id=ATHLETE,
        first_name="Daniel",
        last_name="Doubrovkine",
        sex="M",
        weight_kg=95.255,
        ftp_watts=None,
    )
    zones = deciphered("client/athlete_zones.yml", wire.zones())
    assert [(zone.least, zone.most) for zone in zones.heart_rate] == [
        (0, 111), (111, 139), (139, 152), (152, 166), (166, None),
    ]  # fmt: skip
    assert (zones.heart_rate_is_custom, zones.power) == (False, ())


def test_tokens_are_read_and_a_refresh_tells_no_athlete() -> None:
    first = deciphered("oauth/token_authorization_code.yml", wire.exchange_code(APP, SecretStr("code")))
    assert first.athlete is not None
    assert (first.athlete.athlete_id, first.scope) == (12342176, None)
    assert first.access_token.get_secret_value() == "deadbeefd7ab44704fb2a146bd98c7a349a2b43d"
    assert first.expires_at == datetime(2018, 11, 22, 20, 29, 59, tzinfo=UTC) + timedelta(hours=6)
    second = deciphered("oauth/token_refresh_token.yml", wire.refresh_token(APP, SecretStr("old")))
    assert second.athlete is None
    assert second.refresh_token.get_secret_value() == "new-refresh-token"


def test_subscriptions_are_read_whether_there_is_one_or_none() -> None:
    created = deciphered(
        "webhooks/create_push_subscription.yml",
        wire.create_subscription(APP, SecretStr("http://callback"), SecretStr("verify")),
    )
    listed = deciphered("webhooks/push_subscriptions.yml", wire.view_subscriptions(APP))
    assert listed == [created]
    assert created.subscription_id == 131300
    assert deciphered("webhooks/no_push_subscriptions.yml", wire.view_subscriptions(APP)) == []
    assert deciphered("webhooks/delete_push_subscription.yml", wire.delete_subscription(APP, 131300)) is None
