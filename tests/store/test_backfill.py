"""An athlete's history, over real sockets: what it costs, who waits for whom, and what a failure leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from daemon.core.admission import Lane
from daemon.core.bearer import Scope
from daemon.core.errors import Permanent, Retryable
from daemon.core.freshness import WHOLE_HISTORY
from daemon.core.quota import Lengths
from daemon.jobs import backfill, sync_athlete, walk_history
from daemon.jobs.backlog import Backlog
from daemon.store import backfills, sync_states
from daemon.store.backfills import END_OF_A_LIST, Progress
from daemon.web.backfill import BackfillPage
from tests.support.admin import bearer, make_tokens, opened
from tests.support.workshop import Workshop

DAY = 24 * 3600
YEAR = 365


async def live(shop: Workshop, athlete_id: int, count: int, *, days: float, **wishes: Any) -> list[int]:
    """Give an athlete a past of so many minutes of exercise, evenly over the last days, newest first."""
    now, apart = int(datetime.now(UTC).timestamp()), int(days * DAY / count)
    wishes = {"athlete_id": athlete_id, "kind": "strength", "duration": 60, "event": False, **wishes}
    return [
        await shop.sandbox.make_activity(start_at=now - 3600 - number * apart, seed=number, **wishes)
        for number in range(count)
    ]


async def progress(shop: Workshop, athlete_id: int) -> Progress:
    async with shop.rooms.database.connection() as connection:
        (found,) = await backfills.progress(connection, athlete_id)
    return found


async def stored(shop: Workshop) -> set[int]:
    return {row["activity_id"] for row in await shop.rows("SELECT activity_id FROM activity_loads")}


# What it costs


async def test_a_year_costs_one_call_for_each_activity_with_streams_and_a_page_for_every_two_hundred(
    shop: Workshop,
) -> None:
    athlete_id = shop.stranger()
    year = await live(shop, athlete_id, 205, days=YEAR - 10)
    by_hand = await live(shop, athlete_id, 3, days=30, kind="manual")
    for days_ago in (370, 500, 800):
        start_at = int(datetime.now(UTC).timestamp()) - days_ago * DAY
        await shop.sandbox.make_activity(athlete_id=athlete_id, start_at=start_at, duration=60, event=False)

    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()

    assert await shop.spent(athlete_id) == {"activities": 2, "streams": len(year)}
    assert await stored(shop) == {*year, *by_hand}
    assert await shop.value("SELECT count(*) FROM activities") == len(year) + len(by_hand)
    told = await progress(shop, athlete_id)
    assert (told.state, told.found, told.done, told.left, told.failed) == ("finished", 208, 208, 0, 0)
    assert told.calls_left == 0
    assert await shop.value("SELECT count(*) FROM jobs WHERE kind = 'fit_thresholds' AND state = 'done'") >= 1
    assert await shop.value("SELECT count(*) FROM jobs WHERE state <> 'done' AND asks_strava") == 0
    # Their order was the newest first.
    asked = [row["path"] for row in await shop.sandbox.requests(20_000) if row["athlete_id"] == athlete_id]
    fetched = [int(path.split("/")[-2]) for path in asked if path.endswith("/streams")]
    assert fetched == year


async def test_a_past_that_ends_within_the_year_costs_one_page_more_because_only_an_empty_one_is_the_last(
    shop: Workshop,
) -> None:
    athlete_id = shop.stranger()
    year = await live(shop, athlete_id, 4, days=40)

    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()

    assert await shop.spent(athlete_id) == {"activities": 2, "streams": len(year)}


async def test_no_past_costs_one_call_and_no_backfill_none(shop: Workshop) -> None:
    first, second = shop.stranger(), shop.stranger()
    await shop.admit(first, backfill_days=YEAR)
    await shop.admit(second, backfill_days=0)
    await shop.work_off()

    assert await shop.spent(first) == {"activities": 1}
    assert await shop.spent(second) == {}
    assert (await progress(shop, first)).state == "finished"


async def test_short_pages_are_read_on(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    year = await live(shop, athlete_id, 140, days=140, kind="manual")
    await shop.sandbox.settings(short_pages=True)
    try:
        await shop.admit(athlete_id, backfill_days=YEAR)
        await shop.work_off()
    finally:
        await shop.sandbox.settings(short_pages=False)

    assert await shop.spent(athlete_id) == {"activities": 3}
    assert await stored(shop) == set(year)


async def test_what_is_stored_already_is_not_fetched_again_whoever_fetched_it(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    year = await live(shop, athlete_id, 20, days=100)
    await shop.admit(athlete_id)
    await shop.sync(athlete_id)
    before = await shop.spent(athlete_id)
    assert before["streams"] == 3  # those of 14 days

    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()

    assert await shop.spent(athlete_id) - before == {"activities": 2, "streams": 17}
    assert await stored(shop) == set(year)


async def test_a_look_that_comes_in_between_takes_its_part_of_the_work(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    year = await live(shop, athlete_id, 6, days=6)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.step()
    await shop.step()  # listed, and nothing fetched
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=14), Lane.LIVE, datetime.now(UTC), "in between"))
    await shop.work_off()

    assert (await shop.spent(athlete_id))["streams"] == len(year)
    told = await progress(shop, athlete_id)
    assert (told.found, told.done, told.left) == (6, 6, 0)


async def test_the_history_teaches_when_the_athlete_uploads(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 4, days=28)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()

    async with shop.rooms.database.connection() as connection:
        state = await sync_states.get(connection, athlete_id)
    assert state is not None
    assert state.active_at == await shop.value("SELECT max(start_at) FROM activities")
    latest = state.active_at + timedelta(seconds=60)
    assert state.uploads[latest.weekday() * 24 + latest.hour] > 10 * min(state.uploads) > 0


# Who waits for whom


async def test_a_long_history_holds_nobody_up(shop: Workshop) -> None:
    long, *short = [shop.stranger() for _ in range(4)]
    await live(shop, long, 60, days=300)
    for athlete_id in short:
        await live(shop, athlete_id, 3, days=30)
    for athlete_id in (long, *short):
        await shop.admit(athlete_id, backfill_days=YEAR)

    steps = 0
    while any([(await progress(shop, athlete_id)).state != "finished" for athlete_id in short]):
        assert await shop.step()
        steps += 1

    # Everybody's turn comes round: pages, streams, the end, and what is computed when a history is complete.
    assert steps <= 4 * (2 + 3 + 1 + 3)
    assert (await progress(shop, long)).done <= 4
    assert (
        await shop.value(
            "SELECT max(c) FROM (SELECT count(*) c FROM jobs WHERE state = 'queued' AND asks_strava"
            " GROUP BY serial_key) t"
        )
        == 1
    )


async def test_other_work_of_the_athlete_goes_before_the_next_step(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 5, days=50)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.step()
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=1), Lane.SCHEDULED, datetime.now(UTC), "a test"))

    await shop.step()

    assert await shop.value("SELECT state FROM jobs WHERE kind = 'sync_athlete'") == "done"


# What a failure leaves


async def test_a_step_that_died_is_queued_again_and_one_that_waits_is_not(shop: Workshop) -> None:
    athlete_id, other = shop.stranger(), shop.stranger()
    await live(shop, athlete_id, 3, days=30)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.admit(other, backfill_days=YEAR)
    await shop.step()
    await shop.value("DELETE FROM jobs WHERE serial_key = $1", athlete_id)

    async with shop.rooms.database.transaction() as connection:
        assert await backfill.continue_all(connection, datetime.now(UTC)) == 1
    await shop.work_off()

    assert (await progress(shop, athlete_id)).state == "finished"
    async with shop.rooms.database.transaction() as connection:
        assert await backfill.continue_all(connection, datetime.now(UTC)) == 0


async def test_a_step_that_needs_a_person_dies_alone_and_is_taken_again_hours_later_or_by_the_next_start(
    shop: Workshop,
) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 2, days=20)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.value("DELETE FROM jobs WHERE kind <> 'backfill'")
    await shop.sandbox.fault("wrong_types", endpoint="activities", athlete_id=athlete_id, count=1)
    with pytest.raises(Permanent):
        await shop.step()
    dead = "UPDATE jobs SET state = 'dead', settled_at = $1, token = NULL, lease_until = NULL"
    now = datetime.now(UTC)
    await shop.value(dead, now)
    await shop.value("UPDATE turns SET job_id = NULL")
    assert (await progress(shop, athlete_id)).state == "listing"

    async with shop.rooms.database.rehearsal() as connection:
        assert await backfill.continue_all(connection, now) == 0
        assert await backfill.continue_all(connection, now + backfill.LET_DIE + timedelta(seconds=1)) == 1
    async with shop.rooms.database.transaction() as connection:
        assert await backfill.catch_up(connection, [athlete_id], YEAR, now + timedelta(seconds=1)) == 1
    await shop.value("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
    await shop.work_off()

    assert (await progress(shop, athlete_id)).state == "finished"


async def test_an_activity_that_fails_again_and_again_is_left_to_a_job_of_its_own(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    year = await live(shop, athlete_id, 3, days=30)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.step()
    await shop.step()
    await shop.sandbox.fault("error_503", endpoint="streams", athlete_id=athlete_id, count=2)
    with pytest.raises(Retryable):
        await shop.step()
    await shop.value(
        "UPDATE jobs SET state = 'queued', token = NULL, lease_until = NULL, attempts = 7 WHERE state = 'running'"
    )
    await shop.value("UPDATE turns SET job_id = NULL")
    await shop.work_off()

    told = await progress(shop, athlete_id)
    assert (told.state, told.found, told.done, told.failed) == ("finished", 3, 2, 1)
    (left,) = await shop.rows("SELECT kind, payload FROM jobs WHERE state = 'queued' AND asks_strava")
    assert (left["kind"], left["payload"]["activity_id"]) == ("look_at_streams", year[0])
    await shop.value("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
    await shop.work_off()
    assert await shop.value("SELECT count(*) FROM activities WHERE streams_state = 'kept'") == 3


async def test_an_athlete_who_does_not_grant_it_is_refused_and_begins_again_when_he_does(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 2, days=20)
    await shop.sandbox.authorize(athlete_id, scope="read")
    await shop.admit(athlete_id, backfill_days=YEAR, scope="read,activity:read")
    await shop.work_off()
    refused = await progress(shop, athlete_id)
    assert refused.state == "refused"
    assert "activity:read" in (refused.reason or "")

    await shop.sandbox.authorize(athlete_id, scope="read,activity:read")
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()

    told = await progress(shop, athlete_id)
    assert (told.state, told.done) == ("finished", 2)


async def test_streams_that_are_not_there_are_looked_for_again_only_where_they_may_still_come(
    shop: Workshop,
) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 2, days=40, streams_ready_after=10**6)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()

    fresh, old = await shop.rows("SELECT streams_state FROM activities ORDER BY start_at DESC")
    assert (fresh["streams_state"], old["streams_state"]) == ("wanted", "none")
    assert await shop.value("SELECT count(*) FROM jobs WHERE state = 'queued' AND asks_strava") == 1
    assert (await progress(shop, athlete_id)).state == "finished"


# The setting


async def test_a_raised_setting_reaches_farther_back_for_everybody_and_repeats_nothing(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    past = await live(shop, athlete_id, 10, days=100)
    await shop.admit(athlete_id, backfill_days=30)
    await shop.work_off()
    assert len(await stored(shop)) == 3

    async with shop.rooms.database.transaction() as connection:
        assert await backfill.catch_up(connection, [athlete_id], 30, datetime.now(UTC)) == 0
        assert await backfill.catch_up(connection, [athlete_id], YEAR, datetime.now(UTC)) == 1
    await shop.work_off()

    assert await stored(shop) == set(past)
    assert (await shop.spent(athlete_id))["streams"] == 10


async def test_athletes_who_came_before_there_were_backfills_get_theirs(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 2, days=20)
    await shop.admit(athlete_id)

    async with shop.rooms.database.transaction() as connection:
        assert await backfill.catch_up(connection, [athlete_id], YEAR, datetime.now(UTC)) == 1
    await shop.work_off()

    assert (await progress(shop, athlete_id)).done == 2


# The walk over the whole list


async def walk(shop: Workshop, athlete_id: int) -> None:
    await shop.queue(walk_history.new(athlete_id, Lane.SCHEDULED, datetime.now(UTC), "monthly"))
    await shop.work_off()


async def settled_athlete(shop: Workshop, count: int, days: float) -> tuple[int, list[int]]:
    """Return an athlete whose last year is stored, connected long ago, and that year's activities."""
    athlete_id = shop.stranger()
    past = await live(shop, athlete_id, count, days=days)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()
    await shop.value("UPDATE activities SET first_seen_at = now() - interval '1 day'")
    await shop.value("UPDATE athletes SET created_at = now() - interval '30 days', state_since = created_at")
    return athlete_id, past


async def test_a_walk_without_news_costs_its_pages_alone(shop: Workshop) -> None:
    athlete_id, _ = await settled_athlete(shop, 5, 100)
    before, written = await shop.spent(athlete_id), await shop.value("SELECT count(*) FROM outbox")
    await shop.ask(athlete_id, WHOLE_HISTORY, "monthly_load")

    await walk(shop, athlete_id)

    assert await shop.spent(athlete_id) - before == {"activities": 2}
    assert await shop.value("SELECT count(*) FROM outbox") == written
    assert await shop.value("SELECT walked_at FROM sync_states") is not None
    assert await shop.rows("SELECT outcome, calls FROM sync_asks") == [{"outcome": "synced", "calls": 2}]


async def test_a_walk_finds_a_late_upload_of_an_old_ride_whose_event_was_lost(shop: Workshop) -> None:
    athlete_id, _ = await settled_athlete(shop, 3, 100)
    now = int(datetime.now(UTC).timestamp())
    wishes = {"athlete_id": athlete_id, "duration": 600, "event": False}
    late = await shop.sandbox.make_activity(start_at=now - 200 * DAY, seed=1, **wishes)
    older = await shop.sandbox.make_activity(start_at=now - 3 * YEAR * DAY, seed=2, **wishes)
    await shop.sync(athlete_id)
    assert not {late, older} & await stored(shop)  # outside of any window

    await walk(shop, athlete_id)

    assert {late, older} <= await stored(shop)
    assert (await shop.spent(athlete_id))["streams"] == 5
    assert await shop.value("SELECT missed_at FROM sync_states") is not None


async def test_a_walk_leaves_what_lies_before_the_history_that_is_kept(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 12, days=12 * 60)
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()
    before = await stored(shop)

    await walk(shop, athlete_id)

    assert len(before) == 7
    assert await stored(shop) == before
    assert await shop.value("SELECT count(*) FROM activities") == 7


async def test_a_walk_finds_deletions_and_edits_of_any_age_on_any_page(shop: Workshop) -> None:
    athlete_id, past = await settled_athlete(shop, 8, 240)
    await shop.sandbox.settings(short_pages=True)
    middle, oldest = past[4], past[-1]
    try:
        for activity_id in (middle, oldest):
            await shop.sandbox.delete_activity(activity_id, event=False)
        await shop.sandbox.edit_activity(past[6], name="Renamed", event=False)
        before = await shop.spent(athlete_id)

        await walk(shop, athlete_id)
    finally:
        await shop.sandbox.settings(short_pages=False)

    assert await shop.spent(athlete_id) - before == {"activities": 2, "activity": 2}
    assert await stored(shop) == set(past) - {middle, oldest}
    assert await shop.value("SELECT name FROM activities WHERE activity_id = $1", past[6]) == "Renamed"


async def test_a_walk_is_one_page_a_step_and_goes_on_where_it_was(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    athlete_id = shop.stranger()
    past = await live(shop, athlete_id, 210, days=210, kind="manual")
    await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.work_off()
    await shop.value("UPDATE activities SET first_seen_at = now() - interval '1 day'")
    before = await shop.spent(athlete_id)
    await shop.sandbox.delete_activity(past[205], event=False)
    await shop.queue(walk_history.new(athlete_id, Lane.SCHEDULED, datetime.now(UTC), "monthly"))

    assert await shop.step() == 1
    assert await shop.spent(athlete_id) - before == {"activities": 1}
    await shop.queue(
        walk_history.new(athlete_id, Lane.SCHEDULED, datetime.now(UTC), "once more")
    )  # changes nothing
    await shop.work_off()

    assert await shop.spent(athlete_id) - before == {"activities": 3, "activity": 1}
    assert past[205] not in await stored(shop)


# For people


async def test_progress_is_told_over_http_to_whoever_may_read(shop: Workshop) -> None:
    athlete_id = shop.stranger()
    await live(shop, athlete_id, 3, days=30)
    await shop.admit(athlete_id, backfill_days=YEAR)
    database = shop.rooms.database
    for _ in range(3):  # both pages, and the newest activity
        await shop.step()
    await make_tokens(database)
    page = BackfillPage(database, Backlog(shop.sandbox.client_id, Lengths(), shop.rooms.clock))
    async with TestClient(TestServer(opened(database, shop.rooms.clock, page.endpoints()))) as client:

        async def ask(query: str, scope: Scope | None = Scope.READ) -> tuple[int, Any]:
            async with client.get(f"/backfill{query}", headers=bearer(scope)) as response:
                return response.status, await response.json()

        assert (await ask("", scope=None))[0] == 401
        status, told = await ask("")
        assert status == 200
        assert (told["found"], told["done"], told["left"], told["calls_left"]) == (3, 1, 2, 2)
        assert told["done_at"] > datetime.now(UTC).isoformat()[:16]
        assert (await ask(f"?athlete_id={athlete_id}"))[1]["athletes"][0]["athlete_id"] == athlete_id
        assert (await ask("?athlete_id=999"))[0] == 404
        assert (await ask("?athlete_id=1e9"))[0] == 400
        assert (await ask(f"?athlete_id={'9' * 30}"))[0] == 400


async def test_progress_is_told_in_pages_the_unfinished_first_and_the_sums_are_everybodys(shop: Workshop) -> None:
    database, calm = shop.rooms.database, [shop.stranger() for _ in range(3)]
    for athlete_id in calm:
        await shop.admit(athlete_id, backfill_days=YEAR)
    await shop.value("UPDATE backfills SET state = 'finished', finished_at = now() WHERE athlete_id = $1", calm[0])
    await make_tokens(database)
    page = BackfillPage(database, Backlog(shop.sandbox.client_id, Lengths(), shop.rooms.clock))
    async with TestClient(TestServer(opened(database, shop.rooms.clock, page.endpoints()))) as client:
        told: list[int] = []
        query: str | None = "limit=2"
        while query is not None:
            async with client.get(f"/backfill?{query}", headers=bearer(Scope.READ)) as response:
                found = await response.json()
            told += [row["athlete_id"] for row in found["athletes"]]
            assert found["calls_left"] == 2 * END_OF_A_LIST
            query = f"limit=2&cursor={found['next']}" if found["next"] is not None else None
        assert told == [calm[1], calm[2], calm[0]]
        for cursor in ("x", "MQ", "VHJ1ZQp4CjE"):  # no cursor, of another list, and with a time that is none
            async with client.get(f"/backfill?cursor={cursor}", headers=bearer(Scope.READ)) as response:
                assert (response.status, (await response.json())["type"]) == (400, "/problems/bad-query")
