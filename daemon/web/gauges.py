"""What a scrape reads: the last measurements of pulse and census, and what the rooms know of themselves.

Nothing is asked anew, so a scrape costs no query. What is not known, because the database is away or nothing was
measured yet, is left out rather than told as 0; `domestique_database_up` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client.metrics_core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.compute.calculator import Calculator
from daemon.core.admission import LANES
from daemon.core.freshness import UNSEEN_EDGES, Staleness
from daemon.core.health import Measured, Verdict
from daemon.core.quota import MeterUsage
from daemon.core.schedule import TIMERS
from daemon.jobs.kinds import EVERY
from daemon.limiter.gate import Gate
from daemon.loops.census import Census, Counted
from daemon.loops.pulse import Health, Pulse
from daemon.metrics import OTHER
from daemon.store.database import Database

_ORDER: Final = list(Verdict)


class Gauges(Collector):
    """Collects when Prometheus asks."""

    def __init__(
        self, pulse: Pulse, census: Census, gate: Gate, calculator: Calculator, database: Database
    ) -> None:
        self._pulse = pulse
        self._census = census
        self._gate = gate
        self._calculator = calculator
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: registering must not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return every gauge that is known now."""
        yield from self._rooms()
        health = self._pulse.health
        if health is not None:
            yield from _health(health)
            if health.measured.database_error is None:
                yield from _measured(health.measured)
        counted = self._census.newest
        if counted is not None:
            yield from _counted(counted)

    def _rooms(self) -> Iterator[Metric]:
        pool = self._database.usage()
        connections = _gauge("domestique_pool_connections", "Connections of the pool.", "state")
        connections.add_metric(["lent"], pool.lent)
        connections.add_metric(["free"], pool.free)
        yield connections
        yield _one("domestique_pool_connections_limit", "Connections that the pool may open.", pool.most)
        yield _one(
            "domestique_compute_waiting",
            "Pieces of work that the worker process has not done.",
            self._calculator.waiting,
        )
        open_lanes = self._gate.open_lanes()
        lanes = _gauge(
            "domestique_lane_open", "1 while work of a lane may be claimed: its quota is not spent.", "lane"
        )
        for lane in LANES:
            lanes.add_metric([lane.value], float(lane in open_lanes))
        yield lanes


def _health(health: Health) -> Iterator[Metric]:
    measured = health.measured
    yield _one(
        "domestique_measured_timestamp_seconds", "When the pulse last measured.", measured.measured_at.timestamp()
    )
    yield _one("domestique_database_up", "1 while the database answers.", float(measured.database_error is None))
    checks = _gauge("domestique_health_check", "A check of /health: 0 ok, 1 warning, 2 failing.", "check")
    for check in health.checks:
        checks.add_metric([check.name], _ORDER.index(check.verdict))
    yield checks


def _measured(measured: Measured) -> Iterator[Metric]:
    now = measured.measured_at
    yield _one("domestique_events_unfolded", "Stored events that were not folded yet.", measured.unfolded or 0)
    oldest_seconds = _age(measured.oldest_unfolded_at, now)
    yield _one(
        "domestique_events_oldest_unfolded_seconds", "For how long the oldest of them waits.", oldest_seconds
    )
    inactive = measured.shut is not None and measured.shut.inactive
    yield _one("domestique_strava_app_active", "0 while Strava calls the app inactive.", float(not inactive))
    verified_at = measured.subscription_verified_at
    if verified_at is not None:
        tells = "When the push subscription was last seen at Strava."
        yield _one("domestique_subscription_verified_timestamp_seconds", tells, verified_at.timestamp())
    late = _gauge("domestique_timer_lateness_seconds", "For how long a timer's run should have begun.", "timer")
    running = _gauge("domestique_timer_running", "1 while a timer's run goes on, in whichever daemon.", "timer")
    for timer in measured.timers:
        late.add_metric([timer.job], _age(timer.starts_at, now))
        running.add_metric([timer.job], float(timer.running_since is not None))
    yield late
    yield running
    resting = measured.needs_authorization or 0
    yield _one("domestique_athletes_needing_authorization", "Athletes who have to connect again.", resting)
    if measured.staleness is not None:
        yield from _freshness(measured.staleness)


def _freshness(found: Staleness) -> Iterator[Metric]:
    yield _one("domestique_athletes", "Athletes who are connected and let us see their activities.", found.athletes)
    yield _one(
        "domestique_athletes_proven", "Those of them whose news is proven to reach us by webhook.", found.proven
    )
    tells = (
        "For how long each athlete's news may be unseen: since the last look, or no time at all while proof stands."
    )
    edges = [str(edge.total_seconds()) for edge in UNSEEN_EDGES]
    buckets = [*zip(edges, map(float, found.within), strict=True), ("+Inf", float(found.athletes))]
    unseen = GaugeHistogramMetricFamily("domestique_athlete_unseen_seconds", tells)
    unseen.add_metric([], buckets, found.total.total_seconds())
    yield unseen


def _counted(counted: Counted) -> Iterator[Metric]:
    yield _one(
        "domestique_counted_timestamp_seconds",
        "When queue and quota were last read.",
        counted.counted_at.timestamp(),
    )
    yield from _queue(counted)
    yield from _quota(counted.meters)
    ended = _gauge("domestique_timer_last_end_timestamp_seconds", "When a timer's newest run ended.", "timer")
    lasted = _gauge("domestique_timer_last_run_seconds", "How long that run took.", "timer")
    succeeded = _gauge("domestique_timer_last_run_succeeded", "1 where that run came through.", "timer")
    for run in counted.ended:
        if run["job"] not in TIMERS:
            continue  # another version's
        labels = [run["job"]]
        ended.add_metric(labels, run["finished_at"].timestamp())
        succeeded.add_metric(labels, float(run["state"] == "finished"))
        if run["started_at"] is not None:
            lasted.add_metric(labels, _age(run["started_at"], run["finished_at"]))
    yield from (ended, lasted, succeeded)


def _queue(counted: Counted) -> Iterator[Metric]:
    jobs: dict[tuple[str, str, str], int] = {}
    oldest: dict[str, float] = {lane.value: 0.0 for lane in LANES}
    for row in counted.queue:
        labels = (row["lane"], row["kind"] if row["kind"] in EVERY else OTHER, row["state"])
        jobs[labels] = jobs.get(labels, 0) + row["jobs"]
        oldest[row["lane"]] = max(oldest[row["lane"]], _age(row["oldest_due_at"], counted.counted_at))
    queue = _gauge("domestique_queue_jobs", "Jobs that are not done.", "lane", "kind", "state")
    for labels, count in sorted(jobs.items()):
        queue.add_metric(labels, count)
    yield queue
    waits = _gauge(
        "domestique_queue_oldest_due_seconds", "For how long the oldest job that may run is due.", "lane"
    )
    for lane, seconds in oldest.items():
        waits.add_metric([lane], seconds)
    yield waits


def _quota(meters: Iterable[MeterUsage]) -> Iterator[Metric]:
    of_meter = ("meter", "window")
    limit = _gauge("domestique_quota_limit_requests", "Requests that Strava allows in a window.", *of_meter)
    used = _gauge("domestique_quota_used_requests", "Requests used, by us and by others.", *of_meter)
    others = _gauge("domestique_quota_used_by_others_requests", "Of those, what others used.", *of_meter)
    kept = _gauge("domestique_quota_reserved_requests", "Requests kept from the lowest lane.", "window")
    lanes = _gauge("domestique_quota_lane_requests", "Permits given in a window.", "window", "lane")
    resets = _gauge("domestique_quota_reset_timestamp_seconds", "When the next window begins.", "window")
    for row in meters:
        limit.add_metric([row.meter, row.window], row.limit)
        used.add_metric([row.meter, row.window], row.used)
        others.add_metric([row.meter, row.window], row.used_by_others)
        if row.meter == "overall":  # the rest is the same for both
            kept.add_metric([row.window], row.reserved)
            resets.add_metric([row.window], row.resets_at.timestamp())
            for lane, count in zip(LANES, row.by_lane, strict=True):
                lanes.add_metric([row.window, lane.value], count)
    yield from (limit, used, others, kept, lanes, resets)


def _gauge(name: str, tells: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, tells, labels=labels)


def _one(name: str, tells: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, tells, value=value)


def _age(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at is not None else 0.0
