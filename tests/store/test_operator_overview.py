"""The overview: everything at once, the same answer while nothing changes, a new one for whoever has changed it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from daemon.core.bearer import Scope
from daemon.core.events import LARGEST_ID
from daemon.core.schedule import TIMERS
from daemon.core.subscription import Finding, State
from daemon.jobs import deliver
from daemon.store import apps, athletes, events, jobs, runs
from daemon.store.database import Connection, Database
from daemon.store.events import Arrival, Mark
from tests.support.clocks import SetClock
from tests.support.daemon import eventually
from tests.support.operator_house import CLIENT_ID, OperatorHouse, operator_house
from tests.support.queue import add_athletes, claim_one, later, new_job
from tests.support.schedule import connect_athletes, held_run, plan_timer


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest_asyncio.fixture
async def house(database: Database, clock: SetClock) -> AsyncIterator[OperatorHouse]:
    async with operator_house(database, clock) as house:
        yield house


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        yield connection


async def overview(house: OperatorHouse) -> dict[str, Any]:
    """Read it anew, after the pulse has beaten."""
    await house.measure()
    status, body, _ = await house.ask("GET", "/overview", Scope.READ, {"Cache-Control": "no-cache"})
    assert status == 200
    found: dict[str, Any] = body
    return found


@pytest.mark.parametrize(
    "path", ["/overview", "/events/rate", "/subscription", "/jobs", "/athletes", "/athletes/1/explain"]
)
async def test_nobody_reads_without_a_token(house: OperatorHouse, path: str) -> None:
    status, problem, _ = await house.ask("GET", path)

    assert (status, problem["type"]) == (401, "/problems/token-needed")


async def test_an_empty_house_is_well(house: OperatorHouse) -> None:
    found = await overview(house)

    assert [check["name"] for check in found["health"]["troubled"]] == ["durability"]  # the tests' server is quick
    assert "1 of 13 checks fails" in found["health"]["says"]
    assert (found["queue"]["kinds"], found["queue"]["dead"], found["troubles"]) == (
        [],
        {"items": [], "next": None},
        [],
    )
    assert [timer["job"] for timer in found["timers"]] == list(TIMERS)
    assert len(found["events"]["minutes"]) == 60
    assert {(meter["window"], meter["meter"]) for meter in found["quota"]["meters"]} == {
        ("quarter", "overall"), ("quarter", "read"), ("day", "overall"), ("day", "read"),
    }  # fmt: skip
    assert found["athletes"]["measured_at"] is None
    assert found["backfill"]["left"] == 0


async def test_while_nothing_changes_the_answer_is_304_and_then_it_is_not(
    house: OperatorHouse, connection: Connection, clock: SetClock
) -> None:
    tag = (await house.ask("GET", "/overview", Scope.READ))[2]["ETag"]

    async def is_unchanged() -> bool:  # some figures follow the database's clock: one may move between two looks
        nonlocal tag
        clock.advance(5)
        status, _, headers = await house.ask("GET", "/overview", Scope.READ, {"If-None-Match": tag})
        tag = headers["ETag"]
        return status == 304

    await eventually(is_unchanged)
    await jobs.enqueue(connection, [new_job("a")])
    clock.advance(5)
    status, body, _ = await house.ask("GET", "/overview", Scope.READ, {"If-None-Match": tag})
    assert (status, body["queue"]["kinds"][0]["queued"]) == (200, 1)


async def test_many_that_look_within_a_second_share_a_reading_but_for_who_has_changed_something(
    house: OperatorHouse, connection: Connection
) -> None:
    await house.get("/overview")
    await jobs.enqueue(connection, [new_job("a")])

    _, shared = await house.get("/overview")
    anew = await overview(house)

    assert shared["queue"]["kinds"] == []
    assert anew["queue"]["kinds"][0]["queued"] == 1


async def test_the_queue_is_told_by_kind_with_what_is_due_fails_and_is_dead(
    house: OperatorHouse, connection: Connection
) -> None:
    await add_athletes(connection, [1, 2, 3])
    await jobs.enqueue(connection, [new_job("a", 1)])
    dead = await claim_one(connection)
    await jobs.bury(connection, dead, "it broke")
    await jobs.enqueue(connection, [new_job("b", 2)])
    failing = await claim_one(connection)
    await jobs.requeue(connection, failing, later(60), "Strava answered 503 to activity")
    await jobs.enqueue(connection, [new_job("c", 3, kind="walk", run_at=later(60))])

    found = await overview(house)

    ride, walk = found["queue"]["kinds"]
    assert (ride["kind"], ride["queued"], ride["running"], ride["dead"], ride["failing"]) == ("ride", 1, 0, 1, 1)
    assert (ride["oldest_due_at"], walk["oldest_due_at"]) == (None, None)
    assert ride["oldest_dead_at"] is not None
    assert [job["job_id"] for job in found["queue"]["dead"]["items"]] == [dead.job_id]
    assert [(one["stage"], one["where"], one["count"]) for one in found["troubles"]] == [
        ("dead", "ride", 1),
        ("retrying", "ride", 1),
    ]
    assert [check["name"] for check in found["health"]["troubled"]] == ["durability", "dead_jobs"]


async def test_a_dead_delivery_is_told_as_the_receiver_s_trouble_wherever_it_stands(
    house: OperatorHouse, connection: Connection
) -> None:
    await jobs.enqueue(connection, [new_job("a", kind=deliver.KIND)])
    await jobs.bury(connection, await claim_one(connection), "not delivered in 11 attempts; it answered 404")

    found = await overview(house)

    for told in (found["troubles"][0], found["queue"]["dead"]["items"][0]):
        assert "the receiver's trouble" in told["advice"]


async def test_troubles_come_from_jobs_runs_and_connections(house: OperatorHouse, connection: Connection) -> None:
    await connect_athletes(connection, [1, 2, 3])
    for athlete_id in (1, 2):
        await athletes.rest(connection, athlete_id, "Strava refused the refresh token", 0, deauthorized=False)
    await runs.fail(connection, await held_run(connection), "unexpected KeyError; the log has the traceback")
    tried_again = await held_run(connection, "quick_sync")
    await runs.put_down(connection, tried_again, timedelta(minutes=5), "the database did not answer (OSError)")

    troubles = (await overview(house))["troubles"]

    assert [(one["stage"], one["where"], one["count"]) for one in troubles] == [
        ("failed", "daily_sync", 1),
        ("needs_authorization", "connections", 2),
        ("retrying", "quick_sync", 1),
    ]
    assert all(one["advice"] for one in troubles)
    assert troubles[1]["athlete_id"] == 2
    assert troubles[2]["next_at"] is not None


async def test_timers_are_told_with_their_next_due_time_and_the_newest_run(
    house: OperatorHouse, connection: Connection
) -> None:
    due_at = datetime(2026, 5, 2, tzinfo=UTC)
    await plan_timer(connection, "daily_sync", due_at)
    await runs.finish(connection, await held_run(connection), "looked at nobody")
    newest = await held_run(connection)

    timers = {timer["job"]: timer for timer in (await overview(house))["timers"]}

    daily = timers["daily_sync"]
    assert (daily["due_at"], daily["timezone"]) == ("2026-05-02T00:00:00Z", "Europe/Zurich")
    assert (daily["last_run"]["run_id"], daily["last_run"]["state"]) == (newest.run_id, "running")
    assert timers["quick_sync"]["last_run"] is None


async def test_events_are_counted_by_minute_with_what_waits(house: OperatorHouse, connection: Connection) -> None:
    now = datetime.now(UTC)
    ages = [timedelta(0), timedelta(0), timedelta(minutes=7), timedelta(hours=2)]
    arrivals = [Arrival(bytes([number]), now - age, b"{}", None) for number, age in enumerate(ages)]
    await events.store_batch(connection, arrivals)
    taken = await events.lock_unfolded(connection, 10)
    await events.mark_folded(
        connection, [Mark(taken[0].event_id, None, "malformed"), Mark(taken[2].event_id, 1, "folded")]
    )

    status, found = await house.get("/events/rate")

    assert status == 200
    assert sum(minute["events"] for minute in found["minutes"]) == 3
    assert sum(minute["ignored"] for minute in found["minutes"]) == 1
    assert found["minutes"] == sorted(found["minutes"], key=lambda minute: minute["minute_at"])
    assert (found["unfolded"], found["oldest_unfolded_at"][:16]) == (
        2,
        f"{now - timedelta(hours=2):%Y-%m-%dT%H:%M}",
    )


async def test_the_subscription_is_told_as_health_judges_it(house: OperatorHouse, connection: Connection) -> None:
    gone = Finding(State.GONE, None, "Strava has no subscription for this app: no event will come")
    await apps.record_finding(connection, CLIENT_ID, gone, datetime.now(UTC))
    await house.measure()

    status, found = await house.get("/subscription")

    assert (status, found["state"], found["status"], found["subscription_id"]) == (200, "gone", "warning", 131300)
    assert "domestique subscription create" in found["advice"]


async def test_the_fleet_is_told_in_bands_with_the_stalest_by_name(
    house: OperatorHouse, connection: Connection, clock: SetClock
) -> None:
    await connect_athletes(connection, range(1, 14))
    await connection.execute("UPDATE athletes SET name = 'rider ' || athlete_id")
    await connection.execute("UPDATE sync_states SET synced_at = now() - athlete_id * interval '1 hour'")
    await house.pulse.fleet.measure()
    await connection.execute("DELETE FROM athletes WHERE athlete_id = 12")

    found = (await overview(house))["athletes"]

    assert found["active"] == 12
    assert sum(band["athletes"] for band in found["bands"]) == 13
    assert [one["athlete_id"] for one in found["stalest"]] == [
        13,
        11,
        10,
        9,
        8,
        7,
        6,
        5,
        4,
    ]  # who is gone is left out
    assert found["stalest"][0]["name"] == "rider 13"


async def test_athletes_are_found_by_the_beginning_of_an_id_or_part_of_a_name(
    house: OperatorHouse, connection: Connection
) -> None:
    await connect_athletes(connection, [7, 12, 123, 4012])
    await athletes.upsert(connection, 7, name="100 % Zoë_12", sex=None, scope=["read"])
    await athletes.rest(connection, 123, "gone", 0, deauthorized=False)

    async def found(query: str) -> list[int]:
        status, page = await house.get(f"/athletes?{query}")
        assert status == 200, page
        return [row["athlete_id"] for row in page["items"]]

    assert await found("search=12") == [7, 12, 123]
    assert await found("search=zo%C3%AB") == [7]
    assert await found("search=%25") == [7]
    assert await found("search=12&state=needs_authorization") == [123]
    first = (await house.get("/athletes?limit=3"))[1]
    assert await found(f"limit=3&cursor={first['next']}") == [4012]
    assert (await house.get("/athletes?search=%00"))[0] == 400


async def test_an_athlete_is_explained_and_nobody_is_not(house: OperatorHouse, connection: Connection) -> None:
    await connect_athletes(connection, [7])

    status, explained = await house.get("/athletes/7/explain")
    assert (status, explained["webhooks"]) == (200, "he was never looked at")
    assert all(one["sync"] for one in explained["occasions"])
    assert len(explained["says"]) == 2 + len(explained["occasions"])
    for stranger in ("8", "0", "x", str(LARGEST_ID + 1)):
        status, problem = await house.get(f"/athletes/{stranger}/explain")
        assert (status, problem["type"]) == (404, "/problems/unknown-athlete")
