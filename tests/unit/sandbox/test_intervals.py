"""The fake Intervals.icu: who may ask, mornings that follow from training, late values, and its webhook."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from sandbox import wellness
from tests.support.served_sandbox import Callback, Serve, Served

LAST_YEAR = date(2025, 6, 1)


async def get(served: Served, path: str, authorization: str | None = None) -> tuple[int, Any]:
    key = served.strava.intervals.key(served.athlete_id, "api_key")
    headers = {"Authorization": basic(key) if authorization is None else authorization}
    async with served.client.get(f"/api/v1{path}", headers=headers) as answer:
        return answer.status, await answer.json()


def basic(key: str, user: str = "API_KEY") -> str:
    return f"Basic {b64encode(f'{user}:{key}'.encode()).decode()}"


async def test_a_key_is_a_password_a_token_a_bearer_and_a_key_as_bearer_is_forbidden(serve: Serve) -> None:
    served = await serve("--athletes", "2")
    intervals, (first, second) = served.strava.intervals, served.strava.world.athletes
    key, token = intervals.key(first, "api_key"), intervals.key(first, "bearer")
    for given, status in (
        (basic(key), 200),
        (f"Bearer {token}", 200),
        (f"Bearer {key}", 403),
        (basic(token), 401),
        (basic(key, "me"), 401),
        (basic(key[:-1]), 401),
        ("Basic ???", 401),
        ("Bearer what", 401),
        ("nothing", 401),
    ):
        assert (await get(served, "/athlete/0", given))[0] == status, given
    assert (await get(served, f"/athlete/i{first}"))[1]["id"] == f"i{first}"
    assert (await get(served, f"/athlete/i{second}/wellness"))[0] == 403


async def test_a_dead_key_is_refused_and_a_new_one_is_another(serve: Serve) -> None:
    served = await serve()
    path = f"/athletes/{served.athlete_id}/intervals"
    old = served.strava.intervals.key(served.athlete_id, "api_key")
    await served.control("POST", path, dead=True)
    assert (await get(served, "/athlete/0"))[0] == 401
    renewed = await served.control("POST", path, renew=True)
    assert renewed["api_key"] != old
    assert (await get(served, "/athlete/0", basic(renewed["api_key"])))[0] == 200
    assert (await get(served, "/athlete/0", basic(old)))[0] == 401


async def test_the_window_is_inclusive_and_fields_leave_out_what_was_not_asked_for_and_nulls(serve: Serve) -> None:
    served = await serve()
    query = "oldest=2025-06-01&newest=2025-06-30"
    _, records = await get(served, f"/athlete/0/wellness?{query}")
    days = [record["id"] for record in records]
    assert days == sorted(days)
    assert {"2025-06-01", "2025-06-30"} >= {days[0], days[-1]}
    assert all(list(record) == list(wellness.FIELDS) for record in records)
    _, chosen = await get(served, f"/athlete/0/wellness?{query}&fields=id,restingHR,hrvSDNN")
    assert {name for record in chosen for name in record} == {"id", "restingHR"}
    for wrong in ("oldest=yesterday", "oldest=1990-01-01"):
        assert (await get(served, f"/athlete/0/wellness?{wrong}"))[0] == 422


async def test_the_same_seed_gives_the_same_mornings(serve: Serve) -> None:
    one, again, other = await serve(), await serve(), await serve("--seed", "2")
    path = "/athlete/0/wellness?oldest=2025-06-01&newest=2025-06-30"
    assert await get(one, path) == await get(again, path)
    assert await get(one, path) != await get(other, path)


async def test_a_tired_athletes_pulse_is_higher_and_his_variability_lower(serve: Serve) -> None:
    served = await serve("--athletes", "12")
    lives, now = served.strava.lives, served.strava.clock.now()
    pulses, rmssds = [], []
    for athlete in served.strava.world.athletes.values():
        known = []
        for back in range(360):
            on_day = LAST_YEAR - timedelta(days=back)
            record = wellness.record(lives, athlete, on_day, now)
            year, place = lives.year(athlete, wellness.day_of(on_day) - 1)
            if record is not None and record["restingHR"] is not None:
                known.append((year.fatigue[place] - year.fitness[place], record["restingHR"], record["hrv"]))
        tired = np.array([row[0] for row in known])
        pulses.append(np.corrcoef(tired, [row[1] for row in known])[0, 1])
        if known[0][2] is not None:
            rmssds.append(np.corrcoef(tired, [row[2] for row in known])[0, 1])
    assert np.mean(pulses) > 0.2
    assert np.mean(rmssds) < -0.2
    assert 0 < len(rmssds) < 12  # some have no device for it


async def test_some_nights_are_missing_and_today_s_values_come_through_the_day(serve: Serve) -> None:
    served = await serve()
    strava = served.strava
    athlete = strava.world.athletes[served.athlete_id]
    year = [wellness.record(strava.lives, athlete, LAST_YEAR + timedelta(days=day), strava.clock.now())
            for day in range(300)]  # fmt: skip
    nights = [record for record in year if record is not None and record["sleepSecs"] is not None]
    assert 270 <= len(nights) < 300
    midnight_at = strava.clock.now() // 86_400 * 86_400 - 86_400 * 30
    on_day = datetime.fromtimestamp(midnight_at + 43_200, UTC).date()
    counts = []
    for hour in range(-14, 50, 2):
        record = wellness.record(strava.lives, athlete, on_day, midnight_at + 3600 * hour)
        counts.append(0 if record is None else sum(value is not None for value in record.values()))
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert len(set(counts)) > 1


async def test_a_changed_day_is_served_and_its_whole_record_pushed_with_the_secret(
    serve: Serve, callback: Callback
) -> None:
    served = await serve("--intervals-callback", callback.url, "--intervals-secret", "between us")
    name = f"i{served.athlete_id}"
    before = (await get(served, "/athlete/0/wellness?oldest=2025-06-01&newest=2025-06-01"))[1][0]
    await served.control(
        "PATCH", f"/athletes/{served.athlete_id}/wellness", on="2025-06-01", values={"restingHR": 99, "hrv": None}
    )
    shown = await served.control("GET", "/intervals/events?settled=60")
    assert (shown["settled"], [one["outcome"] for one in shown["events"]]) == (True, ["acknowledged"])
    (heard,) = callback.events()
    (event,) = heard["events"]
    assert (heard["secret"], event["athlete_id"], event["type"]) == ("between us", name, "WELLNESS_UPDATED")
    (after,) = (await get(served, "/athlete/0/wellness?oldest=2025-06-01&newest=2025-06-01"))[1]
    assert event["records"] == [after]
    assert (after["restingHR"], after["hrv"], after["sleepSecs"]) == (99, None, before["sleepSecs"])
    assert after["updated"] != before["updated"]


async def test_a_day_may_change_in_silence_and_any_body_be_forged(serve: Serve, callback: Callback) -> None:
    served = await serve("--intervals-callback", callback.url)
    changed = await served.control(
        "PATCH", f"/athletes/{served.athlete_id}/wellness", values={"restingHR": 99}, event=False
    )
    athlete = served.strava.world.athletes[served.athlete_id]
    assert changed["on"] == served.strava.intervals.today(athlete).isoformat()
    await served.control("POST", "/intervals/events", body={"forged": True})
    await served.control("GET", "/intervals/events?settled=60")
    assert callback.events() == [{"forged": True}]


@pytest.mark.parametrize("body", [{"values": {"pulse": 1}}, {"values": {"id": "x"}}, {"on": "soon"}, {"of": 1}])
async def test_a_mistaken_change_is_told_so(serve: Serve, body: dict[str, Any]) -> None:
    served = await serve()
    path = f"/sandbox/athletes/{served.athlete_id}/wellness"
    async with served.client.patch(path, json=body) as answer:
        assert answer.status == 400


async def test_its_calls_are_counted_by_name_but_spend_nothing_of_strava_s(serve: Serve) -> None:
    served = await serve()
    await served.control("POST", "/faults", kind="slow_down", endpoint="wellness", seconds=9, count=1)
    key = basic(served.strava.intervals.key(served.athlete_id, "api_key"))
    async with served.client.get("/api/v1/athlete/0/wellness", headers={"Authorization": key}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "9")
        assert "X-Ratelimit-Usage" not in answer.headers
    assert (await get(served, "/athlete/0/wellness"))[0] == 200
    counts = await served.control("GET", "/counts")
    assert counts["endpoints"] == {"wellness": 2}
    assert served.strava.quota.headers(served.strava.clock.now())["X-Ratelimit-Usage"] == "0,0"
    assert {entry["athlete_id"] for entry in await served.control("GET", "/requests")} == {served.athlete_id}
