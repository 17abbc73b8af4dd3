"""Looks at an athlete's list, over real sockets: what no event has told is found, and no call is wasted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio

from daemon.core.admission import Lane
from daemon.core.errors import Retryable, Revoked
from daemon.core.events import Look
from daemon.jobs import list_results, look_at_activity, sync_athlete
from daemon.store import sync_states
from daemon.store.jobs import NewJob
from tests.support.told import Told
from tests.support.workshop import Workshop

HOUR = 3600
DAY = 24 * HOUR
ESTIMATED = {"device_watts": False}


@pytest_asyncio.fixture
async def athlete_id(shop: Workshop) -> int:
    """An athlete whom no other test has used, connected a year ago."""
    athlete_id = shop.stranger()
    await shop.admit(athlete_id)
    await shop.value(
        "UPDATE athletes SET created_at = now() - interval '1 year', state_since = now() - interval '1 year'"
    )
    return athlete_id


Upload = Callable[..., Awaitable[int]]


@pytest.fixture
def upload(shop: Workshop, athlete_id: int) -> Upload:
    """Upload as the athlete, without an event."""

    async def make(ago_seconds: float = 2 * HOUR, **wishes: Any) -> int:
        start_at = int(datetime.now(UTC).timestamp() - ago_seconds)
        wishes = {"kind": "ride", "duration": 600, "seed": 7, **wishes}
        return await shop.sandbox.make_activity(athlete_id=athlete_id, start_at=start_at, event=False, **wishes)

    return make


async def state_of(shop: Workshop, athlete_id: int) -> Any:
    async with shop.rooms.database.connection() as connection:
        return await sync_states.get(connection, athlete_id)


async def age(shop: Workshop, seconds: float = HOUR) -> None:
    """Let what is stored be older than a list may lag behind."""
    await shop.value(
        "UPDATE activities SET first_seen_at = first_seen_at - make_interval(secs => $1::double precision)", seconds
    )


# New ones


async def test_a_new_activity_costs_the_list_and_its_streams_and_gets_its_load(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload()

    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) == {"activities": 1, "streams": 1}
    assert await shop.value("SELECT method FROM activity_loads WHERE activity_id = $1", activity_id) == "power"
    assert await shop.value("SELECT fitness_dirty_from FROM athletes") is not None
    (news,) = await shop.rows("SELECT body FROM outbox WHERE topic = 'activity.processed'")
    assert news["body"]["is_new"] is True
    (told,) = await shop.rows("SELECT body FROM outbox WHERE topic = 'athlete.synced'")
    assert told["body"]["new"] == [activity_id]


async def test_a_list_without_news_costs_exactly_one_call_and_writes_no_news(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    for number in range(5):
        await upload(ago_seconds=(number + 1) * 2 * DAY, seed=number)
    await shop.sync(athlete_id)
    before = await shop.spent(athlete_id)
    written = await shop.value("SELECT count(*) FROM outbox")
    contents = await shop.rows("SELECT a.*, a.xmin::text FROM activities a ORDER BY activity_id")

    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) - before == {"activities": 1}
    assert await shop.value("SELECT count(*) FROM outbox") == written
    assert await shop.rows("SELECT a.*, a.xmin::text FROM activities a ORDER BY activity_id") == contents


async def test_an_activity_entered_by_hand_costs_its_detail_which_alone_tells_the_exertion(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload(kind="manual", detail={"perceived_exertion": 6.0})

    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) == {"activities": 1, "activity": 1}
    assert await shop.value("SELECT perceived_exertion FROM activities WHERE activity_id = $1", activity_id) == 6.0


async def test_streams_that_give_no_load_are_followed_by_one_look_at_the_detail(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload(sport_type="Yoga", streams={"time": [0, 60]}, detail={"perceived_exertion": 4.0})

    await shop.sync(athlete_id)
    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) == {"activities": 2, "streams": 1, "activity": 1}
    assert await shop.value("SELECT perceived_exertion FROM activities WHERE activity_id = $1", activity_id) == 4.0


async def test_a_look_that_an_event_caused_fetches_no_streams_again(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload()
    await shop.sync(athlete_id)
    before = await shop.spent(athlete_id)

    await shop.queue(look_at(athlete_id, activity_id))
    await shop.work_off()

    assert await shop.spent(athlete_id) - before == {"activity": 1}


async def test_an_event_and_a_list_that_tell_of_the_same_activity_cost_its_streams_once(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload()
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=3), Lane.LIVE, datetime.now(UTC), "a test"))
    assert await shop.step() == 1  # listed; its streams are queued
    await shop.queue(look_at(athlete_id, activity_id))
    await shop.work_off()

    assert await shop.spent(athlete_id) == {"activities": 1, "activity": 1, "streams": 1}
    assert await shop.value("SELECT count(*) FROM outbox WHERE topic = 'activity.processed'") == 1


async def test_instruments_are_told_how_long_an_event_took_to_become_a_load(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    told, activity_id = Told(), await upload()
    shop.rooms = replace(shop.rooms, instruments=told)
    now = datetime.now(UTC)
    await shop.queue(look_at(athlete_id, activity_id, received_at=now - timedelta(seconds=100)))
    await shop.queue(look_at(athlete_id, activity_id, received_at=now - timedelta(seconds=40)))  # merged into it
    await shop.work_off()
    await shop.queue(look_at(athlete_id, activity_id))  # of no event
    await shop.work_off()

    ((_, lane, seconds),) = [words for words in told.words if words[0] == "load"]
    assert lane == "live"
    assert isinstance(seconds, int)
    assert 40 <= seconds < 100


def look_at(athlete_id: int, activity_id: int, received_at: datetime | None = None) -> NewJob:
    """Make the look that an event would have caused."""
    now = datetime.now(UTC)
    look = Look(athlete_id, activity_id, now, expects_gone=False)
    return look_at_activity.new(look, Lane.LIVE, now, received_at)


# Edits


async def test_an_edit_that_leaves_the_streams_alone_is_stored_without_a_call(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload(detail={"perceived_exertion": 3.0})
    await shop.queue(look_at(athlete_id, activity_id))
    await shop.work_off()
    before = await shop.spent(athlete_id)
    await shop.sandbox.edit_activity(
        activity_id, name="Round the lake", detail={"device_watts": False}, event=False
    )

    await shop.sync(athlete_id)
    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) - before == {"activities": 2}
    (row,) = await shop.rows(
        "SELECT name, perceived_exertion, method FROM activities JOIN activity_loads USING (activity_id)"
    )
    assert row["name"] == "Round the lake"
    assert row["perceived_exertion"] == 3.0  # a list does not show it: it stays
    assert row["method"] != "power"  # estimated now: scored anew
    assert await shop.value("SELECT count(*) FROM outbox WHERE topic = 'athlete.synced'") == 1


async def test_another_shape_costs_the_streams_alone(shop: Workshop, athlete_id: int, upload: Upload) -> None:
    activity_id = await upload()
    await shop.sync(athlete_id)
    before = await shop.spent(athlete_id)
    await shop.sandbox.edit_activity(activity_id, sport_type="GravelRide", event=False)

    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) - before == {"activities": 1, "streams": 1}
    (row,) = await shop.rows("SELECT sport_type, streams_state FROM activities")
    assert row == {"sport_type": "GravelRide", "streams_state": "kept"}


# Deletions


async def test_a_deleted_activity_is_confirmed_by_one_call_and_buried(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    deleted, kept = await upload(seed=1), await upload(ago_seconds=DAY, seed=2)
    await shop.sync(athlete_id)
    await age(shop)
    before = await shop.spent(athlete_id)
    await shop.sandbox.delete_activity(deleted, event=False)

    await shop.sync(athlete_id)

    assert await shop.spent(athlete_id) - before == {"activities": 1, "activity": 1}
    assert [row["activity_id"] for row in await shop.rows("SELECT activity_id FROM activities")] == [kept]
    assert await shop.value("SELECT count(*) FROM tombstones WHERE activity_id = $1", deleted) == 1
    assert await shop.value("SELECT count(*) FROM outbox WHERE topic = 'activity.deleted'") == 1


async def test_absence_alone_deletes_nothing_and_is_asked_about_once_a_day(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload(ago_seconds=20 * DAY)
    await shop.queue(look_at(athlete_id, activity_id))
    await shop.work_off()
    await age(shop)
    before = await shop.spent(athlete_id)

    async def sync_while_it_seems_to_lie_inside() -> None:
        await shop.value("UPDATE activities SET start_at = now() - interval '5 days'")
        await shop.sync(athlete_id)

    await sync_while_it_seems_to_lie_inside()
    assert await shop.value("SELECT start_at < now() - interval '19 days' FROM activities")  # the detail told
    await sync_while_it_seems_to_lie_inside()
    assert (await shop.spent(athlete_id) - before)["activity"] == 1
    await shop.value("UPDATE suspicions SET asked_at = asked_at - interval '25 hours'")
    await sync_while_it_seems_to_lie_inside()

    assert (await shop.spent(athlete_id) - before)["activity"] == 2
    assert await shop.value("SELECT count(*) FROM activities") == 1


async def test_what_was_stored_a_moment_ago_is_not_suspected(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload()
    await shop.sync(athlete_id)
    await shop.sandbox.delete_activity(activity_id, event=False)

    await shop.sync(athlete_id)

    assert (await shop.spent(athlete_id))["activity"] == 0


async def test_what_was_buried_a_moment_ago_does_not_come_back_from_a_list_that_lags(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    activity_id = await upload()
    await shop.value(
        "INSERT INTO tombstones VALUES ($1, $2, now() - interval '1 minute', 'deleted')", activity_id, athlete_id
    )

    await shop.sync(athlete_id)
    assert await shop.value("SELECT count(*) FROM activities") == 0
    await shop.value("UPDATE tombstones SET buried_at = now() - interval '1 hour'")
    await shop.sync(athlete_id)

    assert await shop.value("SELECT count(*) FROM activities") == 1
    assert await shop.value("SELECT count(*) FROM tombstones") == 0


async def test_an_empty_list_by_mistake_costs_a_bounded_number_of_calls(
    shop: Workshop, athlete_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_results, "MOST_SUSPECTS", 3)
    await shop.value(
        "INSERT INTO activities (activity_id, athlete_id, sport_type, name, start_at, local_start_at,"
        " elapsed_seconds, moving_seconds, distance_m, trainer, manual, private, hidden_start, streams_state,"
        " first_seen_at, changed_at)"
        " SELECT 1000 + n, $1, 'Ride', '', now() - n * interval '1 day', now()::timestamp, 60, 60, 0, false, false,"
        " false, false, 'none', now() - interval '1 day', now() FROM generate_series(1, 8) n",
        athlete_id,
    )

    await shop.sync(athlete_id)

    assert (await shop.spent(athlete_id))["activity"] == 3
    assert await shop.value("SELECT count(*) FROM activities") == 5


# Missed webhooks


async def test_an_activity_that_no_event_announced_counts_as_missed_and_an_announced_one_does_not(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    silent, announced = await upload(seed=1), await upload(seed=2)
    body = {
        "object_type": "activity", "object_id": announced, "aspect_type": "create", "owner_id": athlete_id,
        "subscription_id": 1, "event_time": 1_700_000_000, "updates": {},
    }  # fmt: skip
    await shop.value(
        "INSERT INTO events (dedup_key, received_at, body, folded_at, outcome, owner_id)"
        " VALUES ('k', now(), $1, now(), 'folded', $2)",
        orjson.dumps(body),
        athlete_id,
    )

    await shop.sync(athlete_id)

    (told,) = await shop.rows("SELECT body FROM outbox WHERE topic = 'athlete.synced'")
    assert told["body"]["missed"] == [silent]
    assert (await state_of(shop, athlete_id)).missed_at is not None


async def test_what_was_there_before_the_athlete_connected_was_not_missed(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    await shop.value("UPDATE athletes SET state_since = now()")
    await upload()

    await shop.sync(athlete_id)

    assert (await state_of(shop, athlete_id)).missed_at is None


# What is remembered of the athlete


async def test_a_look_is_recorded_with_its_reach_its_audit_and_the_habit_that_it_shows(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    await upload(ago_seconds=2 * HOUR, duration=600)
    await shop.sync(athlete_id, timedelta(days=3))
    narrow = await state_of(shop, athlete_id)
    await shop.sync(athlete_id, timedelta(days=14))
    wide = await state_of(shop, athlete_id)

    assert narrow.audited_at is None
    assert wide.audited_at == wide.synced_at
    assert timedelta(days=3) <= narrow.synced_at - narrow.reached_to < timedelta(days=3, hours=1)
    assert wide.reached_to <= wide.synced_at - timedelta(days=14)
    assert wide.active_at == await shop.value("SELECT start_at FROM activities")
    ended_at = wide.active_at + timedelta(seconds=await shop.value("SELECT elapsed_seconds FROM activities"))
    hour = ended_at.weekday() * 24 + ended_at.hour
    assert len(wide.uploads) == 168
    assert max(range(168), key=wide.uploads.__getitem__) == hour


async def test_the_same_athlete_is_asked_for_once_and_as_far_back_as_anybody_wished(
    shop: Workshop, athlete_id: int
) -> None:
    now = datetime.now(UTC)
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=14), Lane.SCHEDULED, now, "daily"))
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=3), Lane.SCHEDULED, now, "quick"))
    await shop.work_off()

    assert await shop.spent(athlete_id) == {"activities": 1}
    assert (await state_of(shop, athlete_id)).audited_at is not None


async def test_a_look_that_waited_reaches_as_far_back_as_was_asked_for(shop: Workshop, athlete_id: int) -> None:
    now = datetime.now(UTC)
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=3), Lane.SCHEDULED, now, "quick"))
    await shop.value("UPDATE jobs SET queued_at = queued_at - interval '9 hours'")
    await shop.ask(athlete_id, timedelta(days=3))
    await shop.work_off()

    assert (await state_of(shop, athlete_id)).reached_to < now - timedelta(days=3, hours=9)
    assert await shop.value("SELECT outcome FROM sync_asks") == "synced"


# Pages


async def many(shop: Workshop, athlete_id: int, count: int) -> list[int]:
    """Upload so many minutes of exercise, evenly over thirteen days."""
    now, apart = int(datetime.now(UTC).timestamp()), 13 * DAY // count
    wishes = {"athlete_id": athlete_id, "kind": "strength", "duration": 60, "event": False}
    return [
        await shop.sandbox.make_activity(start_at=now - HOUR - number * apart, seed=number, **wishes)
        for number in range(count)
    ]


async def listed(shop: Workshop, athlete_id: int, lookback: timedelta = timedelta(days=14)) -> int:
    """Look at the list alone; returns the calls that it took."""
    before = await shop.spent(athlete_id)
    await shop.queue(sync_athlete.new(athlete_id, lookback, Lane.LIVE, datetime.now(UTC), "a test"))
    await shop.step()
    return (await shop.spent(athlete_id) - before)["activities"]


@pytest.mark.parametrize(("count", "calls"), [(99, 1), (200, 2), (201, 3)])
async def test_a_window_is_read_on_to_an_empty_page_as_soon_as_one_page_may_not_hold_it(
    shop: Workshop, athlete_id: int, count: int, calls: int
) -> None:
    made = await many(shop, athlete_id, count)

    assert await listed(shop, athlete_id) == calls

    assert {row["activity_id"] for row in await shop.rows("SELECT activity_id FROM activities")} == set(made)


async def test_pages_that_come_short_because_strava_filters_them_are_not_the_last(
    shop: Workshop, athlete_id: int
) -> None:
    made = await many(shop, athlete_id, 150)
    await shop.sandbox.settings(short_pages=True)
    try:
        assert await listed(shop, athlete_id) == 3  # 133, 17, none
    finally:
        await shop.sandbox.settings(short_pages=False)

    assert await shop.value("SELECT count(*) FROM activities") == len(made)


async def test_a_page_may_be_filtered_in_a_window_that_is_read_whatever_the_order(
    shop: Workshop, athlete_id: int
) -> None:
    """Some of them are hidden from an app without activity:read_all, and the list comes oldest first."""
    await shop.sandbox.authorize(athlete_id, scope="read,activity:read")
    await shop.admit(athlete_id)
    made = await many(shop, athlete_id, 210)
    for activity_id in made[::7]:
        await shop.sandbox.edit_activity(activity_id, private=True, event=False)
    await shop.sandbox.settings(after_alone="oldest_first")
    try:
        assert await listed(shop, athlete_id) == 3
    finally:
        await shop.sandbox.settings(after_alone="newest_first")

    stored = {row["activity_id"] for row in await shop.rows("SELECT activity_id FROM activities")}
    assert stored == set(made) - set(made[::7])


async def test_a_window_longer_than_a_page_may_hold_goes_on_to_an_empty_page(
    shop: Workshop, athlete_id: int
) -> None:
    await many(shop, athlete_id, 3)

    assert await listed(shop, athlete_id, timedelta(days=60)) == 2


# Who asked


async def test_asks_are_settled_with_the_look_that_answers_them(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    await upload()
    await shop.ask(athlete_id, timedelta(days=3), "quick_sync")
    await shop.ask(athlete_id, timedelta(days=3), "background_sync")
    await shop.ask(athlete_id, timedelta(days=30), "monthly_load")

    await shop.sync(athlete_id, timedelta(days=3))

    first, second, third = await shop.rows("SELECT * FROM sync_asks ORDER BY run_id")
    figures = ("outcome", "calls", "new_activities", "missed_webhooks")
    assert [first[name] for name in figures] == ["synced", 1, 1, 1]
    assert second["outcome"] == "shared"
    assert third["settled_at"] is None  # it asked for more than was looked at


async def test_an_athlete_who_took_his_authorization_back_has_his_asks_failed_and_his_look_kept(
    shop: Workshop, athlete_id: int
) -> None:
    await shop.ask(athlete_id, timedelta(days=14))
    await shop.sandbox.revoke(athlete_id, event=False)

    with pytest.raises(Revoked):
        await shop.sync(athlete_id)

    assert await shop.value("SELECT outcome FROM sync_asks") == "failed"
    assert (await state_of(shop, athlete_id)).synced_at is None
    async with shop.rooms.database.connection() as connection:
        assert await sync_states.page(connection, 0, 10) == []


async def test_an_athlete_without_the_scope_is_asked_once_and_never_again(shop: Workshop, athlete_id: int) -> None:
    await shop.sandbox.authorize(athlete_id, scope="read")
    await shop.admit(athlete_id, scope="read,activity:read")  # as an import may claim
    await shop.ask(athlete_id, timedelta(days=14))

    await shop.sync(athlete_id)

    assert await shop.value("SELECT outcome FROM sync_asks") == "failed"
    assert await shop.value("SELECT count(*) FROM jobs WHERE state <> 'done'") == 0
    async with shop.rooms.database.connection() as connection:
        assert await sync_states.page(connection, 0, 10) == []


async def test_a_strava_that_fails_leaves_everything_as_it_was(
    shop: Workshop, athlete_id: int, upload: Upload
) -> None:
    await upload()
    await shop.ask(athlete_id, timedelta(days=14))
    await shop.sandbox.fault("error_503", endpoint="activities", athlete_id=athlete_id)
    try:
        with pytest.raises(Retryable):
            await shop.sync(athlete_id)
    finally:
        await shop.sandbox.clear_faults()

    assert await shop.value("SELECT settled_at FROM sync_asks") is None
    assert (await state_of(shop, athlete_id)).synced_at is None
    assert await shop.value("SELECT count(*) FROM activities") == 0
