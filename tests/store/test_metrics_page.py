"""`/metrics`: who may read it, in which format, and what a scrape finds of measurements and of requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.core.admission import LANES, Lane
from daemon.core.bearer import Scope
from daemon.core.freshness import summed_up
from daemon.core.health import Check, Measured, TimerState, Verdict, judge
from daemon.core.quota import Ledger, Lengths, Limits, usage
from daemon.jobs.kinds import KINDS
from daemon.limiter.gate import Gate
from daemon.loops.census import Census, Counted
from daemon.loops.pulse import Health, Pulse
from daemon.metrics import Metrics
from daemon.store.database import Database
from daemon.web.admin import Guard
from daemon.web.gauges import Gauges
from daemon.web.metrics import PASSED_ON, MetricsPage, counting
from daemon.web.server import application, serving
from daemon.web.sessions import Sessions
from tests.support.admin import bearer, make_tokens

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Found = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def ride(request: web.Request) -> web.Response:
    return web.json_response({"id": request.match_info["activity_id"]})


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    return response


class House:
    """A server with `/metrics`, a route with an id, and one that streams."""

    def __init__(self, address: str, metrics: Metrics, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.metrics = metrics
        self._session = session

    async def get(self, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
        async with self._session.get(self.address + path, headers=headers) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.text()


@asynccontextmanager
async def opened(database: Database, *, is_local_open: bool = True) -> AsyncIterator[House]:
    await make_tokens(database)
    clock, metrics = SystemClock(), Metrics(tuple(KINDS))
    guard = Guard(database, clock, Sessions(database, clock))
    page = MetricsPage(metrics, guard, is_local_open=is_local_open)
    routes = [*page.routes(), web.get("/rides/{activity_id}", ride), web.get("/live", stream)]
    app = application(routes)
    app.middlewares.insert(0, counting(metrics, clock))
    async with serving(app, "127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        yield House(address, metrics, session)


async def test_a_scraper_on_this_machine_needs_no_token(database: Database) -> None:
    async with opened(database) as house:
        status, content_type, text = await house.get()
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"domestique_jobs", "domestique_build_info", "process_cpu_seconds"} <= names


async def test_prometheus_gets_the_newer_format_where_it_asks_for_it(database: Database) -> None:
    async with opened(database) as house:
        status, content_type, text = await house.get(Accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")
    assert status == 200
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1
    families = open_families(text)  # type: ignore[no-untyped-call]
    assert "domestique_jobs" in {family.name for family in families}


@pytest.mark.parametrize("header", PASSED_ON)
async def test_whoever_comes_through_a_proxy_needs_a_token_that_may_read(database: Database, header: str) -> None:
    async with opened(database) as house:
        assert (await house.get(**{header: "203.0.113.9"}))[0] == 401
        assert (await house.get(**{header: "127.0.0.1"}))[0] == 401  # which anybody can write
        assert (await house.get(**{header: "203.0.113.9"}, **bearer(Scope.READ)))[0] == 200


async def test_with_the_door_shut_this_machine_needs_a_token_as_well(database: Database) -> None:
    async with opened(database, is_local_open=False) as house:
        assert (await house.get())[0] == 401
        assert (await house.get(**bearer(Scope.READ)))[0] == 200


async def test_requests_are_counted_by_the_pattern_of_their_route_and_never_by_their_path(
    database: Database,
) -> None:
    async with opened(database) as house:
        for number in range(30):
            assert (await house.get(f"/rides/{4_000_000 + number}"))[0] == 200
            assert (await house.get(f"/wp-login-{number}.php"))[0] == 404
        assert (await house.get("/live"))[0] == 200
        found = samples(house.metrics)
        _, _, text = await house.get()
    requests = "domestique_http_requests_total"
    pattern = {"method": "GET", "route": "/rides/{activity_id}", "status": "200"}
    assert found[key(requests, **pattern)] == 30
    assert found[key(requests, method="none", route="none", status="404")] == 30
    assert found[key("domestique_http_request_seconds_count", route="/rides/{activity_id}")] == 30
    assert found[key(requests, method="GET", route="/live", status="200")] == 1
    assert key("domestique_http_request_seconds_count", route="/live") not in found  # its length says nothing
    assert "4000000" not in text
    assert "wp-login" not in text


# Gauges


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def samples(metrics: Metrics) -> Found:
    return {
        key(sample.name, **sample.labels): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def scraped(measured: Measured | None, counted: Counted | None) -> Found:
    """Return what a scrape finds after these measurements, in a daemon that is at rest."""
    checks: tuple[Check, ...] = judge(measured, {}) if measured is not None else ()
    health = Health(measured, checks) if measured is not None else None
    metrics = Metrics(tuple(KINDS))
    pulse, census = SimpleNamespace(health=health), SimpleNamespace(newest=counted)
    gate = SimpleNamespace(open_lanes=lambda: (Lane.LIVE,))
    database = Database({}, pool_size=7)
    metrics.register(Gauges(cast(Pulse, pulse), cast(Census, census), cast(Gate, gate), Calculator(), database))
    return samples(metrics)


def row(lane: str, kind: str, state: str, count: int, due_for_seconds: float | None = None) -> dict[str, Any]:
    at = NOW - timedelta(seconds=due_for_seconds) if due_for_seconds is not None else None
    return {"lane": lane, "kind": kind, "state": state, "jobs": count, "oldest_due_at": at}


def test_before_anything_was_measured_only_what_the_rooms_know_is_told() -> None:
    found = scraped(None, None)
    assert found[key("domestique_pool_connections_limit")] == 7
    assert found[key("domestique_pool_connections", state="lent")] == 0
    assert found[key("domestique_lane_open", lane="live")] == 1
    assert found[key("domestique_lane_open", lane="backfill")] == 0
    assert key("domestique_database_up") not in found
    assert key("domestique_events_unfolded") not in found


def test_a_database_that_is_away_is_told_and_nothing_else_of_it() -> None:
    found = scraped(Measured(NOW, database_error="no answer"), None)
    assert found[key("domestique_database_up")] == 0
    assert found[key("domestique_health_check", check="database")] == list(Verdict).index(Verdict.FAILING)
    assert key("domestique_events_unfolded") not in found


def test_what_the_pulse_measured_is_told_as_it_was_when_it_was_measured() -> None:
    spans = [timedelta(0), timedelta(hours=2), timedelta(hours=7)]
    measured = Measured(
        NOW,
        unfolded=3,
        oldest_unfolded_at=NOW - timedelta(seconds=42),
        needs_authorization=2,
        subscription_verified_at=NOW - timedelta(hours=1),
        timers=(
            TimerState("daily_sync", NOW - timedelta(seconds=400), NOW - timedelta(hours=3)),
            TimerState("quick_sync", NOW + timedelta(hours=1)),
        ),
        staleness=summed_up(spans),
    )
    found = scraped(measured, None)
    assert found[key("domestique_events_oldest_unfolded_seconds")] == 42
    assert found[key("domestique_timer_lateness_seconds", timer="daily_sync")] == 400
    assert found[key("domestique_timer_lateness_seconds", timer="quick_sync")] == 0
    assert found[key("domestique_timer_running", timer="daily_sync")] == 1
    assert found[key("domestique_athletes")] == 3
    assert found[key("domestique_athletes_proven")] == 1
    assert found[key("domestique_athletes_needing_authorization")] == 2
    unseen = "domestique_athlete_unseen_seconds"
    bands = {str(hours * 3600.0): count for hours, count in {0: 1, 1: 1, 3: 2, 6: 2, 12: 3, 24: 3}.items()}
    assert {edge: found[key(f"{unseen}_bucket", le=edge)] for edge in bands} == bands
    assert found[key(f"{unseen}_gsum")] == timedelta(hours=9).total_seconds()
    assert found[key("domestique_subscription_verified_timestamp_seconds")] == NOW.timestamp() - 3600


def test_the_queue_is_told_by_lane_kind_and_state_and_another_version_s_kinds_together() -> None:
    queue = (
        row("live", "look_at_activity", "queued", 2, 30.0),
        row("live", "sync_athlete", "running", 1),
        row("backfill", "of a newer version", "queued", 4, 500.0),
        row("backfill", "of a newer version still", "queued", 1, 900.0),
    )
    found = scraped(None, Counted(NOW, queue, (), ()))
    jobs = "domestique_queue_jobs"
    assert found[key(jobs, lane="live", kind="look_at_activity", state="queued")] == 2
    assert found[key(jobs, lane="backfill", kind="other", state="queued")] == 5
    oldest = {lane.value: found[key("domestique_queue_oldest_due_seconds", lane=lane.value)] for lane in LANES}
    assert oldest == {"live": 30.0, "interactive": 0.0, "scheduled": 0.0, "backfill": 900.0}


def test_the_quota_is_told_by_meter_window_and_lane() -> None:
    meters = usage(Ledger(Limits(600, 30_000, 300, 15_000)), NOW, Lengths())
    found = scraped(None, Counted(NOW, (), (), meters))
    assert found[key("domestique_quota_limit_requests", meter="read", window="quarter")] == 300
    assert found[key("domestique_quota_used_requests", meter="overall", window="day")] == 0
    assert found[key("domestique_quota_reserved_requests", window="day")] == 0
    assert {lane.value for lane in LANES} == {
        dict(labels)["lane"] for name, labels in found if name == "domestique_quota_lane_requests"
    }
    resets = {row.window: row.resets_at.timestamp() for row in meters}
    assert found[key("domestique_quota_reset_timestamp_seconds", window="quarter")] == resets["quarter"]


def test_of_each_timer_the_last_run_is_told() -> None:
    began, ended = NOW - timedelta(minutes=9), NOW - timedelta(minutes=4)
    runs = (
        {"job": "daily_sync", "state": "failed", "started_at": began, "finished_at": ended},
        {"job": "of a newer version", "state": "finished", "started_at": began, "finished_at": ended},
    )
    found = scraped(None, Counted(NOW, (), runs, ()))
    assert found[key("domestique_timer_last_run_succeeded", timer="daily_sync")] == 0
    assert found[key("domestique_timer_last_run_seconds", timer="daily_sync")] == 300
    assert found[key("domestique_timer_last_end_timestamp_seconds", timer="daily_sync")] == ended.timestamp()
    assert not [name for name, labels in found if ("timer", "of a newer version") in labels]
