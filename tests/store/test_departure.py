"""Leaving by hand: what meets the athlete meanwhile brings nothing of him back, and a crash begins again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import pytest_asyncio

from daemon.clock import SystemClock
from daemon.core.admission import LANES, Lane
from daemon.core.errors import DomestiqueError
from daemon.core.events import parse
from daemon.jobs import erase_athlete, sync_athlete
from daemon.jobs.erase_athlete import PATIENCE
from daemon.jobs.kinds import KINDS
from daemon.loops.inbox import Budget, Folding
from daemon.store import athletes, events, jobs, outbox
from daemon.store.database import Gone
from daemon.store.events import Arrival
from daemon.store.jobs import Job, LeaseLost
from tests.support.workshop import Workshop


@pytest_asyncio.fixture
async def athlete_id(shop: Workshop) -> int:
    athlete_id = shop.stranger()
    await shop.admit(athlete_id)
    return athlete_id


async def begin(shop: Workshop, athlete_id: int) -> None:
    async with shop.rooms.database.transaction() as connection:
        assert await erase_athlete.begin(connection, athlete_id, "operator", shop.rooms.clock.now()) is not None


async def claim(shop: Workshop) -> Job:
    async with shop.rooms.database.connection() as connection:
        (job,) = await jobs.claim_due(connection, list(KINDS), LANES, LANES, lease_seconds=60, most=1)
    return job


async def claim_erasure(shop: Workshop) -> Job:
    await shop.value("UPDATE jobs SET run_at = now() WHERE kind = 'erase_athlete'")
    job = await claim(shop)
    assert job.kind == "erase_athlete"
    return job


async def count(shop: Workshop) -> int:
    return int(await shop.value("SELECT count(*) FROM athletes"))


async def test_a_look_that_runs_meanwhile_delays_nothing_and_stores_nothing(
    shop: Workshop, athlete_id: int
) -> None:
    await shop.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600)
    now = shop.rooms.clock.now()
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=14), Lane.INTERACTIVE, now, "a test"))
    look = await claim(shop)
    listed = await sync_athlete._read(look, shop.rooms)  # Strava has answered, nothing is stored yet
    assert listed.lines
    await begin(shop, athlete_id)

    await erase_athlete.run(await claim_erasure(shop), shop.rooms)

    assert await count(shop) == 0
    with pytest.raises(Gone):
        await sync_athlete._settle(look, shop.rooms, listed)
    assert await count(shop) == 0
    for table in ("activities", "jobs", "outbox", "sync_states"):
        assert await shop.value(f"SELECT count(*) FROM {table}") == 0


async def test_what_hangs_on_an_erased_athlete_is_refused_in_words_and_not_as_a_bug(
    shop: Workshop, athlete_id: int
) -> None:
    await begin(shop, athlete_id)
    await erase_athlete.run(await claim_erasure(shop), shop.rooms)
    with pytest.raises(Gone, match="is gone"):
        await shop.value(
            "INSERT INTO tombstones (activity_id, athlete_id, buried_at, reason) VALUES (1, $1, now(), 'x')",
            athlete_id,
        )
    assert issubclass(Gone, DomestiqueError)


async def test_an_event_meanwhile_finds_nobody_and_no_job_of_his_starts(shop: Workshop, athlete_id: int) -> None:
    now = shop.rooms.clock.now()
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=14), Lane.INTERACTIVE, now, "a test"))
    await begin(shop, athlete_id)
    body = {
        "object_type": "activity", "object_id": 5, "aspect_type": "create", "owner_id": athlete_id,
        "subscription_id": 1, "event_time": 1, "updates": {},
    }  # fmt: skip
    raw = json.dumps(body).encode()
    async with shop.rooms.database.connection() as connection:
        await events.store_batch(connection, [Arrival(parse(raw).dedup_key, now, raw, None)])

    budget = Budget(99, 99)
    await Folding(
        shop.rooms.database, 1, budget, SystemClock(), lambda: None, signatures_required=False
    ).fold_once()

    assert await shop.rows("SELECT outcome, owner_id, body FROM events") == [
        {"outcome": "unknown_owner", "owner_id": None, "body": b""}
    ]
    # Nor does a refresh that was under way wake him.
    async with shop.rooms.database.connection() as connection:
        await athletes.wake(connection, athlete_id)
        claimed = await jobs.claim_due(connection, list(KINDS), LANES, LANES, lease_seconds=60, most=10)
    assert claimed == []


async def test_the_news_of_it_can_be_read_before_it_goes_with_him(shop: Workshop, athlete_id: int) -> None:
    async with shop.rooms.database.connection() as connection:
        start = await outbox.end(connection)
    await begin(shop, athlete_id)
    async with shop.rooms.database.connection() as connection:
        (news,) = await outbox.read_after(connection, start, 10)
    assert (news.topic, news.athlete_id, news.body) == ("athlete.disconnected", athlete_id, {"by": "operator"})
    waits = await shop.value("SELECT run_at - now() FROM jobs WHERE kind = 'erase_athlete'")
    assert timedelta(0) < waits <= PATIENCE


async def test_killed_after_strava_was_told_it_is_done_again_and_to_the_end(
    shop: Workshop, athlete_id: int
) -> None:
    await begin(shop, athlete_id)
    killed = await claim_erasure(shop)
    await shop.rooms.vault.revoke(athlete_id)
    await shop.value("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE job_id = $1", killed.job_id)
    async with shop.rooms.database.transaction() as connection:
        assert await jobs.rescue_expired(connection, 20) == (1, 0)

    again = await claim(shop)
    with pytest.raises(LeaseLost):  # who was thought dead does nothing any more
        await KINDS[killed.kind](killed, shop.rooms)
    assert await count(shop) == 1
    await KINDS[again.kind](again, shop.rooms)

    assert await count(shop) == 0
    assert await shop.value("SELECT count(*) FROM farewells") == 0


async def test_an_erasure_whose_job_was_lost_is_asked_for_again(shop: Workshop, athlete_id: int) -> None:
    await begin(shop, athlete_id)
    await shop.value("DELETE FROM jobs")
    async with shop.rooms.database.transaction() as connection:
        week_ago = shop.rooms.clock.now() - timedelta(days=7)
        assert await athletes.hold_departed(connection, week_ago) == [athlete_id]


async def test_said_twice_it_is_one_erasure_and_of_a_stranger_none(shop: Workshop, athlete_id: int) -> None:
    await begin(shop, athlete_id)
    leaving_at = await shop.value("SELECT leaving_at FROM athletes")
    await begin(shop, athlete_id)
    assert await shop.value("SELECT leaving_at FROM athletes") == leaving_at
    assert await shop.value("SELECT count(*) FROM jobs WHERE kind = 'erase_athlete'") == 1
    async with shop.rooms.database.transaction() as connection:
        assert await erase_athlete.begin(connection, 404, "operator", shop.rooms.clock.now()) is None
