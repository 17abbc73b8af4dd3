"""Webhook bodies: whatever comes is an event or malformed; events of one activity become one look."""

from __future__ import annotations

import json
import random
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import Event, Look, MalformedEvent, fold, parse

SUBSCRIPTION = 120_475
DOCUMENTED = {
    "aspect_type": "update",
    "event_time": 1_516_126_040,
    "object_id": 1_360_128_428,
    "object_type": "activity",
    "owner_id": 134_815,
    "subscription_id": SUBSCRIPTION,
    "updates": {"title": "Messy"},
}


def body(**changes: Any) -> bytes:
    return json.dumps({**DOCUMENTED, **changes}).encode()


def without(key: str) -> bytes:
    return json.dumps({name: value for name, value in DOCUMENTED.items() if name != key}).encode()


# ── Parsing ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_documented_event_parses() -> None:
    assert parse(body()) == Event(
        object_type="activity",
        object_id=1_360_128_428,
        aspect_type="update",
        owner_id=134_815,
        subscription_id=SUBSCRIPTION,
        event_at=datetime(2018, 1, 16, 18, 7, 20, tzinfo=UTC),
        updates={"title": "Messy"},
    )


@pytest.mark.parametrize("updates", [{}, None])
def test_a_creation_has_no_updates(updates: object) -> None:
    assert parse(body(aspect_type="create", updates=updates)).updates == {}
    assert parse(without("updates")).updates == {}


def test_a_deauthorization_parses() -> None:
    event = parse(body(object_type="athlete", object_id=134_815, updates={"authorized": "false"}))
    assert (event.object_type, event.aspect_type, event.updates) == ("athlete", "update", {"authorized": "false"})


def test_values_that_should_be_strings_are_kept_as_json() -> None:
    event = parse(body(updates={"private": True, "type": None, "n": 1.5, "title": "x\u0000y"}))
    assert event.updates == {"private": "true", "type": "null", "n": "1.5", "title": "x\u0000y"}


def test_keys_that_we_do_not_know_are_ignored() -> None:
    assert parse(body(new={"deep": [1, 2]})) == parse(body())


def test_of_a_key_given_twice_one_counts() -> None:
    assert parse(body()[:-1] + b', "object_id": 7}').object_id == 7


@pytest.mark.parametrize("key", [name for name in DOCUMENTED if name != "updates"])
@pytest.mark.parametrize(
    "value", [None, True, False, [], {}, [1], "", "a b", "x" * 33, "\u0000", -1, 1.0, 2**63, 10**30, "7", 1e300]
)
def test_a_wrong_value_is_malformed_and_named(key: str, value: object) -> None:
    is_word = key in {"object_type", "aspect_type"}
    if is_word and value == "7":
        value = 7
    with pytest.raises(MalformedEvent, match=key):
        parse(body(**{key: value}))
    with pytest.raises(MalformedEvent, match=key):
        parse(without(key))


@pytest.mark.parametrize(
    "wrong",
    [[], "x", 1, True, {"a": {}}, {"a": []}, {str(number): "" for number in range(65)}],
)
def test_updates_that_are_no_flat_object_are_malformed(wrong: object) -> None:
    with pytest.raises(MalformedEvent, match="updates"):
        parse(body(updates=wrong))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{",
        b"{}{}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"1" * 60_000,
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        body()[:-1] + b', "event_time": NaN}',
        body()[:-1] + b', "event_time": Infinity}',
        body()[:-1] + b', "owner_id": 1e400}',
        body()[:-1] + b', "updates": {"title": "\\ud800"}}',
        body()[:-1] + b', "updates": {"title": "\xed\xa0\x80"}}',
        body().decode().encode("utf-16"),
    ],
)
def test_what_is_no_event_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedEvent):
        parse(raw)


def test_the_largest_values_are_taken() -> None:
    event = parse(body(object_id=2**63 - 1, owner_id=2**63 - 1, event_time=253_402_300_799))
    assert event.object_id == 2**63 - 1
    assert event.event_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert len(event.dedup_key) == 16
    with pytest.raises(MalformedEvent, match="event_time"):
        parse(body(event_time=253_402_300_800))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def is_event_or_malformed(raw: bytes) -> None:
    try:
        event = parse(raw)
    except MalformedEvent:
        return
    assert len(event.dedup_key) == 16
    assert event.event_at.tzinfo is UTC


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_malformed(raw: bytes) -> None:
    is_event_or_malformed(raw)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(list(DOCUMENTED)), json_values, min_size=1, max_size=2))
def test_any_values_make_an_event_or_malformed(changes: dict[str, Any]) -> None:
    is_event_or_malformed(body(**changes))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(body()) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_event_is_an_event_or_malformed(at: int, inserted: bytes, removed: int) -> None:
    is_event_or_malformed(body()[:at] + inserted + body()[at + removed :])


# ── Telling events apart ─────────────────────────────────────────────────────────────────────────────────────


events = st.builds(
    Event,
    object_type=st.sampled_from(["activity", "athlete", "route"]),
    object_id=st.integers(0, 4),
    aspect_type=st.sampled_from(["create", "update", "delete"]),
    owner_id=st.integers(1, 3),
    subscription_id=st.sampled_from([SUBSCRIPTION, SUBSCRIPTION, SUBSCRIPTION, 2]),
    event_at=st.integers(0, 5).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    updates=st.dictionaries(st.sampled_from(["title", "authorized"]), st.sampled_from(["", "false", "x"])),
)


@settings(max_examples=100, deadline=None)
@given(events, events)
def test_two_events_share_a_key_exactly_if_they_are_equal(one: Event, other: Event) -> None:
    assert (one.dedup_key == other.dedup_key) == (one == other)
    assert one.dedup_key == replace(one).dedup_key


def test_every_field_tells_events_apart() -> None:
    event = parse(body())
    others = {
        "object_type": "athlete",
        "object_id": 1,
        "aspect_type": "delete",
        "owner_id": 1,
        "subscription_id": 1,
        "event_at": event.event_at + timedelta(seconds=1),
        "updates": {"title": "Messier"},
    }
    assert set(others) == {field.name for field in fields(Event)}
    keys = {replace(event, **{name: value}).dedup_key for name, value in others.items()}  # type: ignore[arg-type]
    assert len(keys | {event.dedup_key}) == len(others) + 1


def test_the_way_that_an_event_is_written_does_not_tell_it_apart() -> None:
    updates = {"title": "a", "type": "Run"}
    turned = dict(reversed(updates.items()))
    spaced = json.dumps(json.loads(body(updates=updates)), indent=2, sort_keys=True).encode()
    assert len({parse(raw).dedup_key for raw in (body(updates=updates), body(updates=turned), spaced)}) == 1


# ── Folding ──────────────────────────────────────────────────────────────────────────────────────────────────


def folded(*given: Event, known: tuple[int, ...] = (134_815,), subscription_id: int | None = SUBSCRIPTION) -> Any:
    return fold(given, [True] * len(given), known, subscription_id)


def test_an_activitys_events_become_one_look_as_of_the_newest() -> None:
    create = parse(body(aspect_type="create"))
    rename = replace(create, aspect_type="update", event_at=create.event_at + timedelta(seconds=9))
    result = folded(rename, create, rename)
    assert result.looks == (Look(134_815, 1_360_128_428, rename.event_at, expects_gone=False),)
    assert result.outcomes == ("folded", "folded", "folded")


def test_a_deletion_expects_that_it_is_gone_unless_something_newer_came() -> None:
    create = parse(body(aspect_type="create"))
    delete = replace(create, aspect_type="delete", event_at=create.event_at + timedelta(seconds=1))
    assert folded(create, delete).looks[0].expects_gone
    assert not folded(delete, replace(create, event_at=delete.event_at)).looks[0].expects_gone
    assert (
        not folded(delete, replace(create, event_at=delete.event_at + timedelta(seconds=1))).looks[0].expects_gone
    )


def test_one_activity_under_two_owners_is_looked_at_for_each() -> None:
    event = parse(body())
    looks = folded(event, replace(event, owner_id=1), known=(1, 134_815)).looks
    assert [look.athlete_id for look in looks] == [1, 134_815]


def test_a_deauthorization_becomes_a_look_at_the_athlete() -> None:
    event = parse(body(object_type="athlete", object_id=134_815, updates={"authorized": "false"}))
    assert folded(event).looks == (Look(134_815, None, event.event_at, expects_gone=False),)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "folded"),
        ({"subscription_id": 1}, "foreign_subscription"),
        ({"owner_id": 1}, "unknown_owner"),
        ({"owner_id": 1, "subscription_id": 1}, "foreign_subscription"),
        ({"object_id": 0}, "no_object"),
        ({"object_type": "segment"}, "unknown_object_type"),
        ({"object_type": "athlete"}, "nothing_to_do"),
        ({"object_type": "athlete", "updates": {"authorized": "true"}}, "nothing_to_do"),
        ({"object_type": "athlete", "updates": {"authorized": False}}, "folded"),
        ({"aspect_type": "something_new"}, "folded"),
    ],
)
def test_every_event_has_its_outcome(changes: dict[str, Any], outcome: str) -> None:
    result = folded(parse(body(**changes)))
    assert result.outcomes == (outcome,)
    assert len(result.looks) == (outcome == "folded")


def test_without_a_known_subscription_none_is_foreign() -> None:
    assert folded(parse(body(subscription_id=7)), subscription_id=None).outcomes == ("folded",)


def test_an_event_that_is_not_trusted_is_not_looked_into() -> None:
    event = parse(body(subscription_id=1))
    result = fold([event, parse(body())], [False, False], {134_815}, SUBSCRIPTION)
    assert result.outcomes == ("unsigned", "unsigned")
    assert result.looks == ()


def test_nothing_folds_into_nothing() -> None:
    assert folded() == fold([], [], set(), None)
    assert folded().looks == ()


batches = st.lists(st.tuples(events, st.booleans()), max_size=8)


@settings(max_examples=80, deadline=None)
@given(batches, st.randoms())
def test_the_order_of_events_does_not_matter(batch: list[tuple[Event, bool]], chance: random.Random) -> None:
    def fold_in(order: list[tuple[Event, bool]]) -> Any:
        return fold([event for event, _ in order], [trusted for _, trusted in order], {1, 2}, SUBSCRIPTION)

    mixed = list(batch)
    chance.shuffle(mixed)
    assert fold_in(mixed).looks == fold_in(batch).looks
    assert sorted(fold_in(mixed).outcomes) == sorted(fold_in(batch).outcomes)


@settings(max_examples=80, deadline=None)
@given(batches, st.integers(0, 8))
def test_two_batches_come_to_the_looks_of_one(batch: list[tuple[Event, bool]], at: int) -> None:
    def fold_in(part: list[tuple[Event, bool]]) -> Any:
        return fold([event for event, _ in part], [trusted for _, trusted in part], {1, 2}, SUBSCRIPTION)

    whole, first, second = fold_in(batch), fold_in(batch[:at]), fold_in(batch[at:])
    assert first.outcomes + second.outcomes == whole.outcomes
    merged: dict[tuple[int, int | None], Look] = {}
    for look in (*first.looks, *second.looks):
        target = (look.athlete_id, look.activity_id)
        kept = merged.get(target, look)
        merged[target] = max(kept, look, key=lambda one: (one.event_at, not one.expects_gone))
    assert set(merged.values()) == set(whole.looks)
    targets = [(look.athlete_id, look.activity_id) for look in whole.looks]
    assert len(targets) == len(set(targets))
