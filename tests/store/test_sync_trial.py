"""A sync by hand: the plan tells what and why without a call, the result what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from daemon.core.admission import Lane
from daemon.core.bearer import Scope
from daemon.core.freshness import Occasion, Policy, Proof
from daemon.jobs import sync_athlete
from daemon.jobs.kinds import KINDS
from daemon.jobs.sync_trial import SyncTrial, plan
from daemon.loops.worker import Work, Worker
from daemon.store import athletes
from daemon.web import sync as sync_pages
from daemon.web.sync import SyncPages
from tests.support.admin import bearer, make_tokens, opened
from tests.support.workshop import Workshop

NOBODY_VOUCHES = Proof(None, None, None)
CLIENT_ID = 12345
PROCESSED = "activity.processed"


@pytest_asyncio.fixture
async def athlete_id(shop: Workshop) -> int:
    """An athlete whom no other test has used."""
    found = shop.stranger()
    await shop.admit(found)
    return found


@asynccontextmanager
async def working(shop: Workshop) -> AsyncIterator[Worker]:
    worker = Worker(shop.rooms, KINDS, Work(workers=2, lease_seconds=60, max_attempts=1))
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def served(
    shop: Workshop, worker: Worker | None = None
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    await make_tokens(shop.rooms.database)
    trial = SyncTrial(shop.rooms.database, shop.rooms.clock, worker.wake if worker is not None else lambda: None)
    pages = SyncPages(shop.rooms.database, CLIENT_ID, Policy(), shop.rooms.clock, trial)
    app = opened(shop.rooms.database, shop.rooms.clock, pages.endpoints())
    async with TestClient(TestServer(app)) as client:
        async with client.post("/sync/test/1?dry_run=1", headers=bearer(Scope.READ)) as refused:
            assert refused.status == 403
        yield client


async def post(client: TestClient[web.Request, web.Application], path: str) -> tuple[int, Any]:
    async with client.post(path, headers=bearer(Scope.OPERATE)) as answer:
        return answer.status, await answer.json()


# The plan


async def test_the_plan_tells_window_cost_and_every_occasions_answer_and_calls_nobody(
    shop: Workshop, athlete_id: int
) -> None:
    now = datetime.now(UTC)
    async with shop.rooms.database.connection() as connection:
        planned = await plan(connection, athlete_id, now, NOBODY_VOUCHES, Policy())

    assert planned is not None
    assert planned.obstacle is None
    assert planned.lookback >= timedelta(days=14)
    assert planned.report["window"]["after"] <= now - planned.lookback
    assert planned.report["costs"]["list"] == "1 call"
    assert set(planned.report["occasions"]) == {occasion.value for occasion in Occasion}
    assert all(answer["why"] and answer["reason"] for answer in planned.report["occasions"].values())
    assert planned.report["occasions"]["manual"]["sync"] is True
    assert planned.report["last"]["synced_at"] is None
    assert await shop.spent(athlete_id) == {}
    assert await shop.value("SELECT count(*) FROM jobs") == 0


async def test_the_plan_follows_what_has_happened(shop: Workshop, athlete_id: int) -> None:
    await shop.sync(athlete_id)
    await shop.queue(sync_athlete.new(athlete_id, timedelta(days=3), Lane.SCHEDULED, datetime.now(UTC), "a test"))
    async with shop.rooms.database.connection() as connection:
        planned = await plan(connection, athlete_id, datetime.now(UTC), NOBODY_VOUCHES, Policy())

    assert planned is not None
    assert planned.report["already_asked_for"] is True
    assert planned.report["last"]["audited_at"] is not None
    assert planned.report["occasions"]["quick_sync"]["sync"] is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("state = 'needs_authorization', state_reason = 'Strava refused the refresh token'", "connect again"),
        ("scope = '{read}'", "activity:read"),
    ],
)
async def test_the_plan_names_what_is_in_the_way(shop: Workshop, athlete_id: int, change: str, words: str) -> None:
    await shop.value(f"UPDATE athletes SET {change}")
    async with served(shop) as client:
        status, report = await post(client, f"/sync/test/{athlete_id}?dry_run=1")
        refused, problem = await post(client, f"/sync/test/{athlete_id}")

    assert (status, refused) == (200, 409)
    assert words in report["obstacle"]
    assert words in problem["detail"]
    assert await shop.spent(athlete_id) == {}


# The sync


async def test_a_sync_reports_calls_activities_and_loads(shop: Workshop, athlete_id: int) -> None:
    wishes = {"athlete_id": athlete_id, "duration": 600, "event": False}
    ride = await shop.sandbox.make_activity(kind="ride", seed=1, **wishes)
    async with working(shop) as worker, served(shop, worker) as client:
        status, first = await post(client, f"/sync/test/{athlete_id}")
        await shop.value("UPDATE activities SET first_seen_at = now() - interval '1 hour'")
        await shop.sandbox.delete_activity(ride, event=False)
        again, second = await post(client, f"/sync/test/{athlete_id}")

    assert (status, first["state"], first["calls"], first["listed"]) == (200, "done", 2, 1)
    (shown,) = first["activities"]
    assert (shown["activity_id"], shown["is"], shown["streams_state"]) == (ride, "new", "kept")
    assert shown["load"] == await shop.value(
        "SELECT (body->>'load')::double precision FROM outbox WHERE topic = $1", PROCESSED
    )
    assert (again, second["calls"], second["deleted"], second["activities"]) == (200, 2, [ride], [])
    assert sum((await shop.spent(athlete_id)).values()) == 4


async def test_looks_that_are_put_off_are_named_and_not_waited_for(shop: Workshop, athlete_id: int) -> None:
    activity_id = await shop.sandbox.make_activity(
        athlete_id=athlete_id, duration=600, event=False, streams_ready_after=10**6
    )
    async with working(shop) as worker, served(shop, worker) as client:
        status, report = await post(client, f"/sync/test/{athlete_id}")

    assert (status, report["state"]) == (202, "looking")
    assert report["still_open"] == [f"look_at_streams:{activity_id}"]


async def test_without_a_worker_the_answer_says_where_the_job_stands(
    shop: Workshop, athlete_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_pages, "LONGEST_SECONDS", 0.3)
    async with served(shop) as client:
        status, report = await post(client, f"/sync/test/{athlete_id}")

    assert (status, report["state"]) == (202, "queued")
    assert "activities" not in report


async def test_a_sync_that_dies_says_what_of(shop: Workshop, athlete_id: int) -> None:
    await shop.sandbox.fault("error_500", endpoint="activities", athlete_id=athlete_id)
    try:
        async with working(shop) as worker, served(shop, worker) as client:
            status, report = await post(client, f"/sync/test/{athlete_id}")
    finally:
        await shop.sandbox.clear_faults()

    assert (status, report["state"]) == (200, "dead")
    assert "500" in report["outcome"]


@pytest.mark.parametrize("path", ["404", "0", "-1", "x", "9" * 30, "%F0%9F%9A%B2"])
async def test_nobody_is_404(shop: Workshop, path: str) -> None:
    async with served(shop) as client:
        status, problem = await post(client, f"/sync/test/{path}?dry_run=1")

    assert status == 404
    assert "athletes list" in problem["detail"]


async def test_a_dry_run_that_is_neither_is_refused(shop: Workshop, athlete_id: int) -> None:
    async with served(shop) as client:
        status, _ = await post(client, f"/sync/test/{athlete_id}?dry_run=maybe")

    assert status == 400
    assert await shop.value("SELECT count(*) FROM jobs") == 0


async def test_who_has_left_since_he_was_looked_up_is_asked_nothing_about(shop: Workshop, athlete_id: int) -> None:
    async with shop.rooms.database.connection() as connection:
        assert await athletes.leave(connection, athlete_id, shop.rooms.clock.now())
    trial = SyncTrial(shop.rooms.database, shop.rooms.clock, lambda: None)

    assert await trial.perform(athlete_id, timedelta(days=1), seconds=0) is None

    assert await shop.value("SELECT count(*) FROM jobs WHERE kind = 'sync_athlete' AND state = 'queued'") == 0
