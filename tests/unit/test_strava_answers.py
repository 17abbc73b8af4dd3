"""What the wire reads from a success, and what it refuses by the name of the field."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import DomestiqueError, Permanent, Retryable
from daemon.strava import wire
from tests.support.strava_samples import ACTIVITY, APP, EVERY_REQUEST, TOKEN, TOKENS, written

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([-1, 10**400, 1e400, math.nan, "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def read_activity(**changes: object) -> wire.Activity:
    return wire.decipher(wire.activity(1), 200, written({**ACTIVITY, **changes}))


def test_ids_are_wider_than_a_float() -> None:
    assert read_activity().activity_id == 9_007_199_254_740_993


def test_the_sport_type_goes_before_the_older_type() -> None:
    assert read_activity().sport_type == "GravelRide"
    assert read_activity(sport_type=None).sport_type == "Ride"


def test_the_time_zone_is_kept_as_its_iana_name() -> None:
    assert read_activity().timezone == "Europe/Berlin"
    assert read_activity(timezone="Europe/Berlin").timezone == "Europe/Berlin"
    assert read_activity(timezone=None).timezone is None
    assert read_activity(timezone="(GMT+01:00) ").timezone is None


def test_a_local_start_keeps_its_wall_clock_whatever_offset_is_written() -> None:
    for written_as in ("2026-03-29T01:30:00Z", "2026-03-29T01:30:00+05:00", "2026-03-29T01:30:00"):
        assert read_activity(start_date_local=written_as).local_start_at == datetime(2026, 3, 29, 1, 30)


def test_an_instant_with_an_offset_becomes_utc() -> None:
    start_at = read_activity(start_date="2026-03-29T02:30:00+02:00").start_at
    assert (start_at, start_at.tzinfo) == (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), UTC)


def test_a_start_at_one_second_past_midnight_is_a_hidden_one() -> None:
    assert read_activity(start_date_local="2026-03-29T00:00:01Z").hidden_start
    assert not read_activity(start_date_local="2026-03-29T00:00:00Z").hidden_start


def test_a_manual_activity_has_no_upload() -> None:
    activity = read_activity(manual=True, upload_id=None)
    assert (activity.manual, activity.upload_id) == (True, None)


def test_what_is_missing_is_none_or_the_plainest_value() -> None:
    activity = wire.decipher(
        wire.activity(1),
        200,
        written({name: ACTIVITY[name] for name in ACTIVITY if name not in {"name", "moving_time", "distance"}}),
    )
    assert (activity.name, activity.moving_seconds, activity.distance_m) == ("", 6000, 0.0)
    assert (activity.device_watts, activity.has_heart_rate, activity.elevation_gain_m) == (None, None, None)
    assert (activity.trainer, activity.manual, activity.private) == (False, False, False)


def test_perceived_exertion_and_estimated_power_are_read() -> None:
    activity = read_activity(perceived_exertion=7, device_watts=False, average_watts=201.5)
    assert (activity.perceived_exertion, activity.device_watts, activity.average_watts) == (7.0, False, 201.5)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert read_activity(elapsed_time=6000.0).elapsed_seconds == 6000


def test_a_name_loses_what_postgresql_cannot_store() -> None:
    assert read_activity(name="a\0b").name == "ab"
    # Half an emoji: one such name must not spoil a whole page.
    spoilt = written([ACTIVITY]).replace(b"Morning Ride", b"half \\ud83d")
    (activity,) = wire.decipher(wire.activities(), 200, spoilt)
    assert activity.name == "half ?"
    assert read_activity(name="\U0001f6b4").name == "\U0001f6b4"


def test_bytes_that_are_not_utf_8_spoil_one_name_only() -> None:
    body = written(ACTIVITY).replace(b"Morning Ride", b"caf\xe9")
    assert wire.decipher(wire.activity(1), 200, body).name == "caf�"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None),
        ("id", 0),
        ("id", 2**63),
        ("id", "12"),
        ("athlete", None),
        ("athlete", 12),
        ("elapsed_time", -1),
        ("elapsed_time", 2**31),
        ("elapsed_time", True),
        ("elapsed_time", 1.5),
        ("elapsed_time", 10**400),
        ("distance", math.nan),
        ("distance", math.inf),
        ("distance", 10**400),
        ("distance", -0.1),
        ("distance", "far"),
        ("distance", True),
        ("average_heartrate", 1e10),
        ("start_date", None),
        ("start_date", ""),
        ("start_date", 1543000000),
        ("start_date", "yesterday"),
        ("start_date", "2026-03-29T00:30:00"),
        ("start_date", "0001-01-01T00:00:00+14:00"),
        ("start_date_local", "2026-02-30T00:00:00Z"),
        ("trainer", "yes"),
        ("name", 5),
        ("timezone", {}),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    with pytest.raises(Permanent, match=rf"activity\.{field}.* expected"):
        read_activity(**{field: value})


def test_a_refusal_which_will_be_logged_quotes_nothing_personal() -> None:
    with pytest.raises(Permanent, match=r"activity\.name is an object, expected a text$"):
        read_activity(name={"first": "Jane"})
    with pytest.raises(Permanent, match=r"activity\.start_date is a text, expected an instant such as [-:TZ0-9]+$"):
        read_activity(start_date="at Jane's place")


def test_a_number_beyond_all_bounds_in_the_body_is_refused_by_name_too() -> None:
    body = written(ACTIVITY).replace(b"40210.5", b"1e400")
    with pytest.raises(Permanent, match=r"activity\.distance"):
        wire.decipher(wire.activity(1), 200, body)


def test_a_refused_line_of_a_list_is_told_by_its_place() -> None:
    with pytest.raises(Permanent, match=r"activities\[1\]\.elapsed_time is missing"):
        wire.decipher(wire.activities(), 200, written([ACTIVITY, {**ACTIVITY, "elapsed_time": None}]))
    with pytest.raises(Permanent, match=r"activities\[0\] is a text"):
        wire.decipher(wire.activities(), 200, b'["x"]')
    with pytest.raises(Permanent, match="activities is an object"):
        wire.decipher(wire.activities(), 200, b"{}")


@settings(max_examples=80)
@given(field=st.sampled_from([*ACTIVITY, "upload_id", "perceived_exertion", "trainer"]), value=json_values)
def test_whatever_a_field_holds_the_activity_is_whole_or_refused_by_name(field: str, value: object) -> None:
    try:
        activity = read_activity(**{field: value})
    except Permanent as refused:
        assert "activity." in str(refused)
    else:
        assert "\0" not in activity.name + activity.sport_type
        assert math.isfinite(activity.distance_m)
        assert activity.start_at.tzinfo is UTC
        assert activity.local_start_at.tzinfo is None


# --- streams ----------------------------------------------------------------------------------------------


def test_streams_come_by_type_or_as_a_list() -> None:
    by_type: dict[str, dict[str, object]] = {"time": {"data": [0, 1, 2]}, "watts": {"data": [200, None, 210.5]}}
    listed = [{"type": key, **stream} for key, stream in by_type.items()]
    expected = {"time": [0, 1, 2], "watts": [200, None, 210.5]}
    assert wire.parse_streams(written(by_type)) == expected
    assert wire.parse_streams(written(listed)) == expected


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b'{"time":null}', b'{"time":{"data":[]}}', b'{"time":{}}', b'{"latlng":{"data":[[1,2]]}}'],
)
def test_streams_that_are_not_there_yet_are_none(body: bytes) -> None:
    assert wire.parse_streams(body) == {}


def test_whether_one_moved_is_true_or_false_and_not_a_number() -> None:
    streams = wire.parse_streams(b'{"moving":{"data":[true,null,false]}}')
    assert streams == {"moving": [True, None, False]}
    with pytest.raises(Permanent, match=r"streams\.moving\.data is a number.*true or false"):
        wire.parse_streams(b'{"moving":{"data":[1]}}')


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'"x"', "streams is a text"),
        (b'{"time":[1]}', r"streams\.time is a list"),
        (b'{"time":{"data":{}}}', r"streams\.time\.data is an object"),
        (b'{"time":{"data":["1"]}}', r"streams\.time\.data is a text"),
        (b'{"time":{"data":[true]}}', r"streams\.time\.data is true or false"),
        (b'{"watts":{"data":[1, NaN]}}', r"streams\.watts\.data .* finite"),
        (b'{"watts":{"data":[1, 1e400]}}', r"streams\.watts\.data .* finite"),
        (b'{"watts":{"data":[NaN, 1' + b"0" * 400 + b"]}}", r"streams\.watts\.data .* finite"),
        (b'{"watts":{"data":[1' + b"0" * 400 + b", NaN]}}", r"streams\.watts\.data .* finite"),
        (b"[1]", r"streams\[0\] is a number"),
        (b'[{"data":[1]}]', r"streams\[0\]\.type is missing"),
        (b'{"time":{"data":[1,2]},"watts":{"data":[1]}}', r"differ in length: \{'time': 2, 'watts': 1\}"),
    ],
)
def test_hostile_streams_are_refused_with_a_reason(body: bytes, sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        wire.parse_streams(body)


def test_streams_that_are_no_json_are_worth_another_try() -> None:
    with pytest.raises(Retryable, match="no JSON"):
        wire.parse_streams(b'{"time":')


def test_a_streams_answer_is_handed_on_unparsed() -> None:
    assert wire.decipher(wire.streams(1), 200, b' {"time":') == b' {"time":'


@settings(max_examples=100)
@given(value=json_values, key=st.sampled_from(wire.STREAM_KEYS))
def test_whatever_a_stream_holds_it_is_clean_or_refused(value: object, key: str) -> None:
    try:
        streams = wire.parse_streams(written({key: {"data": value}, "latlng": value}))
    except Permanent:
        return
    for samples in streams.values():
        assert all(sample is None or math.isfinite(sample) for sample in samples)


# --- accounts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["read,activity:read_all", "read activity:read_all", " read, activity:read_all "])
def test_scopes_are_told_apart_by_commas_or_spaces(scope: str) -> None:
    answer = wire.decipher(wire.refresh_token(APP, TOKEN), 200, written({**TOKENS, "scope": scope}))
    assert answer.scope == frozenset({"read", "activity:read_all"})


def test_printed_tokens_and_callback_addresses_tell_nothing() -> None:
    answer = wire.decipher(wire.refresh_token(APP, TOKEN), 200, written(TOKENS))
    assert "aaaa" not in repr(answer)
    assert "rrrr" not in repr(answer)
    subscription = wire.decipher(
        wire.create_subscription(APP, TOKEN, TOKEN), 201, b'{"id":5,"callback_url":"https://here/webhook/s3cret"}'
    )
    assert "s3cret" not in repr(subscription)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("access_token", ""),
        ("access_token", "line\r\nX-Evil: 1"),
        ("refresh_token", "grün"),
        ("refresh_token", None),
        ("expires_at", None),
        ("expires_at", 1e300),
        ("athlete", {"id": "me"}),
    ],
)
def test_a_token_answer_that_could_not_be_used_is_refused(field: str, value: object) -> None:
    with pytest.raises(Permanent, match=rf"token\.{field}") as refused:
        wire.decipher(wire.exchange_code(APP, TOKEN), 200, written({**TOKENS, field: value}))
    assert "Evil" not in str(refused.value)


def test_the_answer_to_a_creation_may_hold_the_id_alone() -> None:
    request = wire.create_subscription(APP, TOKEN, TOKEN)
    assert wire.decipher(request, 201, b'{"id":1}') == wire.Subscription(1, None)


def test_zones_may_be_missing_and_power_zones_are_read() -> None:
    zones = wire.decipher(
        wire.zones(), 200, b'{"power":{"zones":[{"min":0,"max":180},{"min":181,"max":-1}]},"heart_rate":{}}'
    )
    assert zones == wire.Zones((), heart_rate_is_custom=False, power=(wire.Zone(0, 180), wire.Zone(181, None)))
    with pytest.raises(Permanent, match=r"zones\.heart_rate\.zones is a text"):
        wire.decipher(wire.zones(), 200, b'{"heart_rate":{"zones":"x"}}')
    with pytest.raises(Permanent, match=r"zones\.power\.zones\[0\]\.min is missing"):
        wire.decipher(wire.zones(), 200, b'{"power":{"zones":[{"max":1}]}}')


# --- whatever comes ---


@settings(max_examples=200)
@given(
    request=st.sampled_from(EVERY_REQUEST),
    status=st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 429, 500]),
    body=st.binary(max_size=80) | json_values.map(written),
)
def test_whatever_comes_is_data_or_one_of_our_errors(request: wire.Request[Any], status: int, body: bytes) -> None:
    try:
        wire.decipher(request, status, body)
    except DomestiqueError as refused:
        assert str(refused)
    else:
        assert 200 <= status < 300
