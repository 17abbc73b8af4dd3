"""What an athlete is told about himself: what operators are told about him, and nothing about anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.jobs import fit_thresholds, sync_athlete, sync_now
from daemon.science.evidence import Kind
from daemon.science.thresholds import Occasion
from daemon.store import athletes, backfills, thresholds
from daemon.web.doors import OF_HIMSELF
from daemon.web.endpoints import Who
from tests.support.athlete_door import READER, AthleteDoor, athlete_door
from tests.support.efforts import TODAY, activity, curve, days_ago, held, season
from tests.support.signed_in import SignedIn, sign_in
from tests.support.training import Bureau, hour_at, statistics_of, train

EVERYTHING = ("read", "activity:read_all", "profile:read_all")
BEGINNING = date(1970, 1, 1)


@pytest_asyncio.fixture
async def door(bureau: Bureau) -> AsyncIterator[AthleteDoor]:
    async with athlete_door(bureau.database, bureau.clock, bureau.calculator, bureau.choices) as door:
        yield door


@pytest_asyncio.fixture
async def himself(bureau: Bureau) -> SignedIn:
    """The browser of athlete 1, who has granted everything."""
    return await signed_in(bureau, 1)


async def signed_in(bureau: Bureau, athlete_id: int) -> SignedIn:
    async with bureau.database.transaction() as connection:
        await athletes.upsert(connection, athlete_id, name=f"Rider {athlete_id}", sex="F", scope=EVERYTHING)
        return await sign_in(connection, athlete_id, bureau.clock.now())


async def set_ftp(bureau: Bureau, watts: float, athlete_id: int = 1) -> None:
    async with bureau.database.transaction() as connection:
        await thresholds.set_manual(
            connection, athlete_id, Kind.FTP, watts, BEGINNING, by="a test", now=bureau.clock.now()
        )


async def recompute(bureau: Bureau, door: AthleteDoor, athlete_id: int = 1) -> None:
    assert (await door.ask("POST", f"/athletes/{athlete_id}/recompute?from=1970-01-01"))[0] == 200
    await bureau.work_off()


async def test_the_profile_says_how_connections_stand_and_what_to_do(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 1, days_ago(3), hour_at(200))
        await connection.execute(
            "UPDATE sync_states SET synced_at = $1, active_at = $1", bureau.clock.now() - timedelta(hours=2)
        )
    status, profile = await door.ask("GET", "/me", headers=himself.reading)
    assert (status, profile["athlete_id"], profile["name"], profile["state"]) == (200, 1, "Rider 1", "active")
    assert (profile["activities"], profile["today"], profile["advice"]) == (1, str(TODAY), None)
    assert (profile["missing_scopes"], profile["intervals"], profile["history"]) == ([], "not connected", None)
    assert await door.ask("GET", "/athletes/1", token=READER) == (200, profile)

    async with bureau.database.transaction() as connection:
        await backfills.open_backfills(connection, [1], 3650, bureau.clock.now())
        await train(connection, 1, 2, days_ago(5), hour_at(200))
        await connection.execute("DELETE FROM activity_statistics WHERE activity_id = 2")
        await connection.execute("UPDATE activities SET streams_state = 'wanted' WHERE activity_id = 2")
        await connection.execute("UPDATE backfills SET state = 'fetching', found = 5")
    history = (await door.ask("GET", "/me", headers=himself.reading))[1]["history"]
    assert {name: history[name] for name in ("state", "found", "done", "left", "calls_left")} == {
        "state": "fetching", "found": 5, "done": 4, "left": 1, "calls_left": 1,
    }  # fmt: skip
    assert datetime.fromisoformat(history["done_at"]) > datetime.now(UTC) - timedelta(minutes=1)

    async with bureau.database.transaction() as connection:
        await backfills.finish(connection, 1, bureau.clock.now())
        await athletes.rest(connection, 1, "a refused refresh", 0, deauthorized=False)
    _, profile = await door.ask("GET", "/me", headers=himself.reading)
    assert (profile["history"]["state"], profile["history"]["done_at"]) == ("finished", None)
    assert profile["state"] == "needs_authorization"
    assert "connect with Strava again" in profile["advice"]
    _, partly = await door.ask("GET", "/athletes/2")
    assert partly["missing_scopes"] == ["activity:read_all", "profile:read_all"]


async def test_who_has_an_answer_already_is_told_that_it_still_holds(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    tag = ""
    for path in ("/me", "/me/fitness", "/me/activities", "/me/curves/power", "/me/wellness", "/me/thresholds"):
        async with door.session.get(door.address + path, headers=himself.reading) as answer:
            tag = answer.headers["ETag"]
            assert answer.headers["Cache-Control"] == "private, no-cache"
        async with door.session.get(
            door.address + path, headers={**himself.reading, "If-None-Match": tag}
        ) as answer:
            assert (answer.status, await answer.read()) == (304, b""), path
    await set_ftp(bureau, 250)
    async with door.session.get(
        f"{door.address}/me/thresholds", headers={**himself.reading, "If-None-Match": tag}
    ) as answer:
        assert answer.status == 200


ROWS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["Ride", "Run", "Yoga"])), min_size=0, max_size=25)


@given(rows=ROWS, limit=st.integers(1, 9), sport=st.sampled_from([None, "Ride", "Sauna"]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_pages_are_the_list_whatever_comes_in_meanwhile(
    bureau: Bureau, door: AthleteDoor, rows: list[tuple[int, str]], limit: int, sport: str | None
) -> None:
    begin_at = datetime(2026, 5, 1, tzinfo=UTC)
    starts = {
        number: (begin_at + timedelta(microseconds=ago), name) for number, (ago, name) in enumerate(rows, start=1)
    }
    async with bureau.database.connection() as connection:
        await connection.execute("DELETE FROM activities")
        for number, (start_at, name) in starts.items():
            await insert_activity(connection, 1, number, start_at, name)
    expected = sorted(
        (number for number, (_, name) in starts.items() if sport in {None, name}),
        key=lambda number: (starts[number][0], number),
        reverse=True,
    )

    seen: list[int] = []
    path, arrivals = f"/athletes/1/activities?limit={limit}" + (f"&sport={sport}" if sport else ""), 1000
    cursor = ""
    while True:
        status, page = await door.ask("GET", path + cursor)
        assert status == 200
        assert len(seen) <= len(expected)  # a cursor that stands still would never end
        assert len(page["items"]) <= limit
        seen += [row["activity_id"] for row in page["items"]]
        if page["next"] is None:
            break
        assert len(page["items"]) == limit
        cursor = f"&cursor={page['next']}"
        arrivals += 1
        async with bureau.database.connection() as connection:  # newer than all that is still to be shown
            await insert_activity(connection, 1, arrivals, begin_at + timedelta(hours=1), "Ride")
            await insert_activity(connection, 2, arrivals + 1000, begin_at - timedelta(hours=1), "Ride")
    assert seen == expected


async def insert_activity(
    connection: Any, athlete_id: int, activity_id: int, start_at: datetime, sport_type: str
) -> None:
    await connection.execute(
        "INSERT INTO activities (activity_id, athlete_id, sport_type, name, start_at, local_start_at,"
        " elapsed_seconds, moving_seconds, distance_m, trainer, manual, private, hidden_start, streams_state,"
        " first_seen_at, changed_at)"
        " VALUES ($1, $2, $3, 'one of many', $4, $4 AT TIME ZONE 'UTC', 60, 60, 100, false, false, false, false,"
        " 'kept', $4, $4)",
        activity_id, athlete_id, sport_type, start_at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=201", "less than or equal to 200"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAA!", "cursor"),
        ("cursor=!!!!!!!!!!!!!!!!!!!!!!", "give back the `next` of the page before"),
        ("sport=Ride%00", "sport: String should match pattern"),
        ("page=2", "page: is not a parameter of this address"),
    ],
)
async def test_a_page_that_cannot_be_is_told_what_can(door: AthleteDoor, query: str, told: str) -> None:
    status, problem = await door.ask("GET", f"/athletes/1/activities?{query}")
    assert (status, problem["type"]) == (400, "/problems/bad-query")
    assert told in problem["detail"]


async def test_a_load_explains_itself_with_all_that_it_was_made_of(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    await set_ftp(bureau, 250)
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 11, days_ago(2), hour_at(200))
        await train(connection, 2, 22, days_ago(2), hour_at(200))
        await train(connection, 1, 12, days_ago(1), hour_at(200), scored=False)
    mornings = [{"on": str(days_ago(ago)), "resting_hr": 60 if ago < 9 else 50} for ago in range(70)]
    assert (await door.ask("POST", "/me/wellness", mornings, headers=himself.changing))[0] == 200
    await recompute(bureau, door)

    status, told = await door.ask("GET", "/me/activities/11", headers=himself.reading)
    assert status == 200
    assert told["strava_url"] == "https://www.strava.com/activities/11"
    load = told["load"]
    assert (load["method"], load["estimated"]) == ("power", False)
    assert load["raw"] == pytest.approx(64)
    assert load["modifier"] > 1
    assert load["load"] == pytest.approx(load["raw"] * load["modifier"])
    assert "FTP of 250 W" in load["explanation"]
    assert load["inputs"]["normalized_watts"] == pytest.approx(200)
    (used,) = load["thresholds"]
    assert (used["name"], used["value"], used["unit"], used["method"]) == ("ftp_watts", 250, "W", "manual")
    assert used["threshold_id"] == await bureau.value("SELECT threshold_id FROM thresholds")
    assert "Resting heart rate" in load["modifier_explanation"]
    assert [part["signal"] for part in load["modifier_parts"]] == ["hrv", "resting_hr", "sleep"]
    assert datetime.fromisoformat(load["computed_at"]) <= bureau.clock.now()
    assert told["quality"] is not None
    assert told["activity"]["load"] == load["load"]

    _, waiting = await door.ask("GET", "/me/activities/12", headers=himself.reading)
    assert waiting["load"] is not None  # the recompute has given it one
    for missing in ("22", "13", "0", "x", str(10**30)):
        status, problem = await door.ask("GET", f"/me/activities/{missing}", headers=himself.reading)
        assert (status, problem["type"]) == (404, "/problems/not-found"), missing
    assert (await door.ask("GET", "/athletes/2/activities/22"))[0] == 200
    assert (await door.ask("GET", "/athletes/2/activities/11"))[0] == 404


async def test_an_activity_without_a_load_is_told_without_one(bureau: Bureau, door: AthleteDoor) -> None:
    async with bureau.database.transaction() as connection:
        await insert_activity(connection, 1, 5, datetime(2026, 5, 1, tzinfo=UTC), "Ride")
    _, page = await door.ask("GET", "/athletes/1/activities")
    (row,) = page["items"]
    assert (row["method"], row["load"], row["estimated"]) == (None, None, False)
    _, told = await door.ask("GET", "/athletes/1/activities/5")
    assert (told["load"], told["quality"]) == (None, None)


async def test_what_rests_on_a_rule_of_thumb_is_marked_as_estimated_everywhere(
    bureau: Bureau, door: AthleteDoor
) -> None:
    await set_ftp(bureau, 250)
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 1, days_ago(1), hour_at(200))
    await recompute(bureau, door)

    async def marks() -> list[bool]:
        _, fitness = await door.ask("GET", "/athletes/1/fitness")
        _, page = await door.ask("GET", "/athletes/1/activities")
        _, told = await door.ask("GET", "/athletes/1/activities/1")
        return [
            fitness["activities"][0]["estimated"],
            page["items"][0]["estimated"],
            told["activity"]["estimated"],
            told["load"]["estimated"],
        ]

    assert await marks() == [False] * 4
    async with bureau.database.connection() as connection:
        await connection.execute("UPDATE thresholds SET assumed = true")
    assert await marks() == [True] * 4


async def test_the_power_curve_holds_two_seasons_against_each_other_and_against_the_fit(
    bureau: Bureau, door: AthleteDoor
) -> None:
    async with bureau.database.transaction() as connection:
        for one in season():
            ride = activity(one.activity_id, one.local_on, power=one.curve)
            await train(connection, 1, one.activity_id, one.local_on, statistics_of(ride))
        year_ago = activity(9_001, days_ago(365), power=curve(400.0, 180, between=100.0))
        of_this = activity(9_002, days_ago(364), power=curve(310.0, 600, between=100.0))
        too_old = activity(9_003, days_ago(730), power=curve(900.0, 600, between=100.0))
        on_foot = activity(9_004, days_ago(2), family="run", power=curve(900.0, 600, between=100.0))
        for other in (year_ago, of_this, too_old):
            await train(connection, 1, other.activity_id, other.local_on, statistics_of(other))
        await train(connection, 1, 9_004, on_foot.local_on, statistics_of(on_foot), sport_type="Run")
        stranger = activity(9_005, days_ago(2), power=curve(900.0, 600, between=100.0))
        await train(connection, 2, 9_005, stranger.local_on, statistics_of(stranger))
    await bureau.queue(fit_thresholds.new(1, Occasion.WEEKLY, bureau.clock.now()))
    await bureau.work_off()

    status, curves = await door.ask("GET", "/athletes/1/curves/power", token=READER)
    assert (status, curves["unit"], curves["missing"]) == (200, "W", None)
    this, last = curves["this_season"], curves["last_season"]
    assert (this["from_on"], this["to_on"]) == (str(days_ago(364)), str(TODAY))
    assert (last["from_on"], last["to_on"]) == (str(days_ago(729)), str(days_ago(365)))
    bests = {best["seconds"]: best for best in this["bests"]}
    assert bests[1200]["value"] == pytest.approx(held(1200), rel=1e-6)
    assert (bests[1200]["activity_id"], bests[1200]["on"]) == (1200, str(days_ago(5)))
    assert (bests[600]["activity_id"], bests[600]["value"]) == (9_002, 310.0)
    assert {best["activity_id"] for best in last["bests"]} == {9_001}
    assert max(best["value"] for best in this["bests"]) < 900

    fit = curves["fit"]
    assert fit["method"] == "critical_power"
    assert fit["threshold_id"] == await bureau.value("SELECT threshold_id FROM thresholds WHERE kind = 'ftp'")
    assert fit["value"] == pytest.approx(250, rel=0.03)
    assert "Critical power is" in fit["explanation"]
    assert fit["points"][0]["seconds"] == 180
    for point in fit["points"]:
        assert point["value"] == pytest.approx(fit["value"] + fit["capacity"] / point["seconds"])
        assert point["low"] < point["value"] < point["high"]

    await set_ftp(bureau, 260)
    _, curves = await door.ask("GET", "/athletes/1/curves/power", token=READER)
    by_hand = curves["fit"]
    assert (by_hand["value"], by_hand["method"], by_hand["points"]) == (260, "manual", [])
    assert (by_hand["capacity"], by_hand["standard_error"]) == (None, None)


async def test_the_pace_curve_is_that_of_graded_runs_and_where_there_is_none_a_sentence_says_why(
    bureau: Bureau, door: AthleteDoor
) -> None:
    for kind, word in (("power", "power meter"), ("pace", "GPS")):
        _, curves = await door.ask("GET", f"/athletes/1/curves/{kind}")
        assert word in curves["missing"]
        assert curves["this_season"]["bests"] == curves["last_season"]["bests"] == []
        assert curves["fit"] is None
    async with bureau.database.transaction() as connection:
        for number, (ago, family, sport) in enumerate([(3, "run", "Run"), (2, "walk", "Walk")], start=1):
            graded = activity(number, days_ago(ago), family=family, graded=curve(4.0 + number, 600, between=2.0))
            facts = statistics_of(activity(number, days_ago(ago), family="run", graded=graded.graded_curve))
            await train(connection, 1, number, days_ago(ago), facts, sport_type=sport)
        await connection.execute("UPDATE activity_statistics SET family = 'walk' WHERE activity_id = 2")
    _, curves = await door.ask("GET", "/athletes/1/curves/pace")
    assert (curves["unit"], curves["missing"]) == ("m/s", None)
    bests = {best["seconds"]: best["value"] for best in curves["this_season"]["bests"]}
    assert bests[600] == pytest.approx(5.0)
    assert curves["last_season"]["bests"] == []


async def test_an_athlete_looks_now_at_most_once_in_five_minutes(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    both = await asyncio.gather(*(door.ask("POST", "/me/sync", headers=himself.changing) for _ in range(2)))
    assert sorted(status for status, _ in both) == [202, 429]
    assert next(answer for status, answer in both if status == 202)["state"] == "queued"
    rows = await bureau.rows("SELECT kind, lane::text, serial_key, lookback_seconds, payload FROM jobs")
    assert [(row["kind"], row["lane"], row["serial_key"]) for row in rows] == [
        (sync_athlete.KIND, "interactive", 1)
    ]
    assert rows[0]["lookback_seconds"] >= sync_athlete.AUDIT.total_seconds()
    assert rows[0]["payload"] == {"reason": sync_now.REASON}

    bureau.clock.advance(60)
    async with door.session.post(f"{door.address}/me/sync", headers=himself.changing) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "240")
        assert (await answer.json(content_type=None))["type"] == "/problems/too-soon"
    bureau.clock.advance(240.001)
    assert (await door.ask("POST", "/me/sync", headers=himself.changing))[0] == 202
    bureau.clock.advance(-86_400)  # a clock that is set back holds nobody up for a day
    assert (await door.ask("POST", "/me/sync", headers=himself.changing))[0] == 202
    assert len(door.queued) == 3


async def test_who_rests_is_told_why_nothing_can_be_looked_at_and_may_ask_again_at_once(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    async with bureau.database.transaction() as connection:
        await athletes.rest(connection, 1, "a refused refresh", 0, deauthorized=False)
    status, problem = await door.ask("POST", "/me/sync", headers=himself.changing)
    assert (status, problem["type"]) == (409, "/problems/conflict")
    assert "connect with Strava again" in problem["detail"]
    async with bureau.database.transaction() as connection:
        await athletes.wake(connection, 1)
    assert (await door.ask("POST", "/me/sync", headers=himself.changing))[0] == 202


async def test_a_recompute_is_previewed_and_then_done(bureau: Bureau, door: AthleteDoor) -> None:
    async with bureau.database.transaction() as connection:
        await train(connection, 1, 1, days_ago(2), hour_at(200))
    await recompute(bureau, door)
    await set_ftp(bureau, 250)

    path = f"/athletes/1/recompute?from={days_ago(10)}"
    status, preview = await door.ask("POST", f"{path}&preview=1")
    assert (status, preview["changed"], preview["activities"], preview["from_on"]) == (200, 1, 1, str(days_ago(10)))
    (change,) = preview["changes"]
    assert (change["method_before"], change["method_after"]) == ("estimated", "power")
    assert change["utl_after"] == pytest.approx(64)
    assert preview["fitness_after"]["ctl"] != preview["fitness_before"]["ctl"]
    assert await bureau.value("SELECT method FROM activity_loads") == "estimated"
    assert await bureau.value("SELECT count(*) FROM jobs WHERE state = 'queued'") == 0

    assert await door.ask("POST", path) == (200, {"state": "queued", "from": str(days_ago(10))})
    await bureau.work_off()
    assert await bureau.value("SELECT method FROM activity_loads") == "power"
    newest = await bureau.value("SELECT ctl FROM fitness ORDER BY on_day DESC LIMIT 1")
    assert newest == preview["fitness_after"]["ctl"]


@pytest.mark.parametrize(
    ("query", "token", "status", "told"),
    [
        ("", None, 401, "Bearer"),
        ("?from=2026-01-01", READER, 403, "operate"),
        ("", "operator", 400, "from: Field required"),
        ("?from=1969-12-31", "operator", 400, "1970-01-01"),
        ("?from=2026-02-30", "operator", 400, "must be a day such as"),
        ("?from=2026-01-01&preview=maybe", "operator", 400, "preview"),
    ],
)
async def test_a_recompute_that_cannot_be_is_told_what_can(
    bureau: Bureau, door: AthleteDoor, query: str, token: str | None, status: int, told: str
) -> None:
    path = f"/athletes/1/recompute{query}"
    found, problem = await (door.ask("POST", path) if token == "operator" else door.ask("POST", path, token=token))
    assert found == status
    assert told in problem["detail"]
    assert await bureau.value("SELECT count(*) FROM jobs") == 0


async def test_nobody_recomputes_or_previews_an_athlete_who_is_not_here(door: AthleteDoor) -> None:
    for query in ("from=2026-01-01", "from=2026-01-01&preview=1"):
        status, problem = await door.ask("POST", f"/athletes/404/recompute?{query}")
        assert (status, problem["type"]) == (404, "/problems/unknown-athlete")


# ── one athlete and another ─────────────────────────────────────────────────────────────────────────────
SECRET_WORDS = ("Rider 1", "a race of the first", "777001", "251.25", "61.75", "canary")
CHANGES: dict[tuple[str, str], Any] = {
    ("POST", "/me/sync"): None,
    ("PUT", "/me/thresholds/{kind}"): {"value": 199},
    ("DELETE", "/me/thresholds/{kind}"): None,
    ("POST", "/me/wellness"): [{"on": str(TODAY), "hrv_rmssd": 40}],
    ("PUT", "/me/intervals"): {"api_key": "the-second-ones"},
    ("DELETE", "/me/intervals"): None,
}


async def first_ones(bureau: Bureau) -> list[Any]:
    """All that is stored about athlete 1 and that any of the addresses could change."""
    tables = ("athletes", "thresholds", "wellness", "wellness_modifiers", "intervals_credentials", "sync_states")
    found = [await bureau.rows(f"SELECT * FROM {table} WHERE athlete_id = 1") for table in tables]
    return [*found, await bureau.rows("SELECT * FROM jobs WHERE serial_key = 1 OR dedup_key LIKE '%:1%'")]


async def furnish_first(bureau: Bureau, door: AthleteDoor, himself: SignedIn) -> None:
    async with bureau.database.transaction() as connection:
        ride = activity(777_001, days_ago(2), power=curve(251.25, 600, between=100.0))
        await train(connection, 1, 777_001, days_ago(2), statistics_of(ride))
        await connection.execute("UPDATE activities SET name = 'a race of the first'")
    assert (await door.ask("PUT", "/me/thresholds/ftp", {"value": 251.25}, headers=himself.changing))[0] == 200
    mornings = [{"on": str(TODAY), "hrv_rmssd": 61.75}]
    assert (await door.ask("POST", "/me/wellness", mornings, headers=himself.changing))[0] == 200
    key = {"api_key": "canary"}
    assert (await door.ask("PUT", "/me/intervals", key, headers=himself.changing))[0] == 200


async def test_an_athlete_reaches_nothing_of_another_whatever_address_he_asks(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    await furnish_first(bureau, door, himself)
    other = await signed_in(bureau, 2)
    before = await first_ones(bureau)
    his = [one for one in door.endpoints if one.who is Who.ATHLETE]
    assert {one.path for one in his} == {one.path for one in door.endpoints if one.path.startswith(OF_HIMSELF)}
    assert {(one.method, one.path) for one in his if one.method != "GET"} == set(CHANGES)
    for one in sorted(his, key=lambda one: one.method != "GET"):
        path = one.path.replace("{activity_id}", "777001").replace("{kind}", "ftp")
        body = CHANGES.get((one.method, one.path))
        assert (await door.ask(one.method, path, body, token=None))[0] == 401, path
        assert (await door.ask(one.method, path, body))[0] == 401, "a token is no athlete"
        if one.method != "GET":
            assert (await door.ask(one.method, path, body, headers=other.reading))[0] == 403, "without its proof"
        status, answer = await door.ask(one.method, path, body, headers=other.changing)
        assert status == (404 if "{activity_id}" in one.path else one.status), (one.path, answer)
        for word in SECRET_WORDS:
            assert word not in str(answer), one.path
        # and the same of him, which he sees
        if one.method == "GET":
            assert (await door.ask("GET", path, headers=himself.reading))[0] == 200
    assert await first_ones(bureau) == before


async def test_a_session_of_an_athlete_opens_no_address_of_operators(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    for one in door.endpoints:
        if one.who is Who.ATHLETE:
            continue
        path = one.path.format(athlete_id=1, activity_id=1, kind="ftp")
        status, problem = await door.ask(one.method, path, {}, headers=himself.changing)
        assert (status, problem["type"]) == (401, "/problems/token-needed"), path


async def test_a_value_of_his_own_says_so_in_its_evidence(
    bureau: Bureau, door: AthleteDoor, himself: SignedIn
) -> None:
    assert (await door.ask("PUT", "/me/thresholds/ftp", {"value": 222}, headers=himself.changing))[0] == 200
    _, shown = await door.ask("GET", "/me/thresholds", headers=himself.reading)
    assert shown["in_force"]["ftp"]["evidence"] == {"source": "his own page"}
    assert len(door.queued) == 1
