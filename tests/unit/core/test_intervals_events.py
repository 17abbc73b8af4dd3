"""Bodies of Intervals.icu's webhook: hints of where to look, and nothing that is believed."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import MalformedEvent
from daemon.core.intervals_events import Hints, parse


def body(*events: dict[str, Any], secret: Any = "s") -> bytes:
    return orjson.dumps({"secret": secret, "events": list(events)})


def updated(name: str, *days: Any) -> dict[str, Any]:
    records = [{"id": day, "restingHR": 40} for day in days]
    return {"athlete_id": name, "type": "WELLNESS_UPDATED", "timestamp": "2026-03-01T08:00:00Z", "records": records}


def test_an_event_tells_whose_wellness_changed_and_the_earliest_of_its_days() -> None:
    hints = parse(body(updated("i1", "2026-03-02", "2026-03-01"), updated("i2"), updated("i1", "2026-03-05")))
    assert hints == Hints("s", {"i1": date(2026, 3, 1), "i2": None})


def test_days_that_are_none_say_nothing_and_a_scope_taken_back_is_looked_into() -> None:
    hints = parse(body(updated("i1", "soon", None, 5), {"athlete_id": "i2", "type": "APP_SCOPE_CHANGED"}))
    assert hints.earliest == {"i1": None, "i2": None}


def test_other_types_are_no_hints() -> None:
    assert parse(body({"athlete_id": "i1", "type": "ACTIVITY_UPLOADED"}, {"athlete_id": "i2"})).earliest == {}
    assert parse(body()).earliest == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"events": []}',
        b'{"secret": 5, "events": []}',
        b'{"secret": "s"}',
        b'{"secret": "s", "events": {}}',
        b'{"secret": "s", "events": [5]}',
        body({"athlete_id": 5, "type": "WELLNESS_UPDATED"}),
        body({"athlete_id": "", "type": "WELLNESS_UPDATED"}),
        body({"athlete_id": "i" * 65, "type": "WELLNESS_UPDATED"}),
        body({"athlete_id": "i\0", "type": "WELLNESS_UPDATED"}),
        body(*[updated("i1")] * 1001),
    ],
)
def test_what_is_no_such_body_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedEvent):
        parse(raw)


JSON = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.just("WELLNESS_UPDATED"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["secret", "events", "athlete_id", "type", "records", "id"]), inner, max_size=6
        )
    ),
    max_leaves=20,
)


@given(raw=st.binary(max_size=60) | JSON.map(orjson.dumps))
@settings(max_examples=60, deadline=None)
def test_no_bytes_whatsoever_raise_anything_else(raw: bytes) -> None:
    try:
        hints = parse(raw)
    except MalformedEvent:
        return
    assert all(name for name in hints.earliest)
