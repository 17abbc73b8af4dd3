"""Counts what happens, for Prometheus: one registry per app, told by the rooms through `core.instruments`.

Names follow https://prometheus.io/docs/practices/naming/. A label holds one of few words, so that no athlete, no
path and no message can make a series of its own: a status that servers do not usually give is counted by its class.
Refuses to measure what already stands somewhere (`web.gauges` reads that at a scrape).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

from daemon import __version__
from daemon.core.admission import LANES, Lane
from daemon.core.instruments import Ending, Refresh, Service

# When a series began to count is nothing that an expression here asks for, and would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]

DELIVERIES: Final[Mapping[Service, tuple[str, ...]]] = {
    "strava": (
        "stored", "repeated", "malformed", "broken_off", "oversized", "timed_out", "refused", "secret_refused",
    ),
    "intervals": ("hinted", "malformed", "oversized", "timed_out", "not_taken", "secret_refused"),
}  # fmt: skip
USUAL_STATUSES: Final = frozenset({200, 201, 204, 304, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504})
BROKEN: Final = "broken"  # in place of a status: no whole answer came
OTHER: Final = "other"  # in place of a kind of job that only another version knows: rows say it, not we

_FRESH: Final = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 900, 3600, 21_600)
_JOB: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CALL: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_WAIT: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300)
_COMPUTED: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_LAG: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_ANSWER: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 5)


class Metrics:
    """The counters and histograms of one app; every series whose labels are known begins at 0."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        """Make them, and those of the process; `kinds` are the jobs that there are."""
        self._kinds = frozenset(kinds)
        self.registry = CollectorRegistry()
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=self.registry)
        build = Info("domestique_build", "The version that runs.", registry=self.registry)
        build.info({"version": __version__})
        self._deliveries = self._counter(
            "domestique_webhook_deliveries_total", "Deliveries to a webhook, by how they were answered.",
            "source", "outcome",
        )  # fmt: skip
        self._folded = self._counter(
            "domestique_events_folded_total",
            "Stored events that were folded into looks, or ignored and why.",
            "outcome",
        )
        self._fresh = self._histogram(
            "domestique_event_to_load_seconds",
            "From an event's arrival to its activity's stored load.",
            _FRESH,
            "lane",
        )
        self._jobs = self._counter(
            "domestique_jobs_total", "Claimed jobs, by how they ended.", "kind", "outcome"
        )  # fmt: skip
        self._job_seconds = self._histogram(
            "domestique_job_seconds", "How long a claimed job ran, however it ended.", _JOB, "kind"
        )
        self._rescued = self._counter(
            "domestique_jobs_rescued_total", "Jobs whose worker had died: queued again, or buried.", "outcome"
        )
        self._permits = self._counter("domestique_permits_total", "Permits given for calls to Strava.", "lane")
        self._refusals = self._counter(
            "domestique_permit_refusals_total", "Steps that got no permits and went back to the queue.", "lane"
        )
        self._waited = self._histogram(
            "domestique_permit_wait_seconds", "How long a step waited for its place, its pace and its permits.",
            _WAIT, "lane",
        )  # fmt: skip
        self._calls = self._counter(
            "domestique_api_requests_total", "Requests sent to Strava and Intervals.icu, by what came back.",
            "service", "endpoint", "status",
        )  # fmt: skip
        self._call_seconds = self._histogram(
            "domestique_api_request_seconds", "From sending a request to its whole answer.",
            _CALL, "service", "endpoint",
        )  # fmt: skip
        self._refreshes = self._counter(
            "domestique_token_refreshes_total", "Refreshes of athletes' tokens, by how they ended.", "outcome"
        )
        self._computed = self._histogram(
            "domestique_compute_seconds", "How long the worker process took for a piece of work.", _COMPUTED, "work"
        )
        self._lag = self._histogram(
            "domestique_event_loop_lag_seconds", "How late the event loop was when the pulse woke up.", _LAG
        )
        self._answers = self._counter(
            "domestique_http_requests_total", "Requests answered by this daemon.", "route", "method", "status"
        )
        self._answer_seconds = self._histogram(
            "domestique_http_request_seconds", "How long this daemon took to answer.", _ANSWER, "route"
        )
        self._begin_at_zero(kinds)

    def _counter(self, name: str, tells: str, *labels: str) -> Counter:
        return Counter(name, tells, labels, registry=self.registry)

    def _histogram(self, name: str, tells: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, tells, labels, buckets=buckets, registry=self.registry)

    def _begin_at_zero(self, kinds: tuple[str, ...]) -> None:
        """Make the series that are known beforehand: a first event is a rise then, not a series that appears."""
        for source, outcomes in DELIVERIES.items():
            for outcome in outcomes:
                self._deliveries.labels(source, outcome)
        self._folded.labels("folded")
        for kind in kinds:
            for ending in ("done", "retried", "deferred", "died"):
                self._jobs.labels(kind, ending)
        for outcome in ("requeued", "died"):
            self._rescued.labels(outcome)
        for lane in LANES:
            self._permits.labels(lane.value)
            self._refusals.labels(lane.value)
            self._waited.labels(lane.value)
        self._fresh.labels(Lane.LIVE.value)
        for outcome in get_args(Refresh):
            self._refreshes.labels(outcome)

    def register(self, collector: Collector) -> None:
        """Let every scrape read a collector, too."""
        self.registry.register(collector)

    # ── what the rooms tell: `core.instruments.Instruments` ─────────────────────────────────────────────

    def delivery_answered(self, source: Service, outcome: str) -> None:
        """Count a delivery to a webhook."""
        self._deliveries.labels(source, outcome).inc()

    def events_folded(self, outcomes: Mapping[str, int]) -> None:
        """Count events by what became of them."""
        for outcome, count in outcomes.items():
            self._folded.labels(outcome).inc(count)

    def load_stored(self, lane: Lane, seconds: float) -> None:
        """Measure how long an event took to become a load; a clock set back made it no faster than at once."""
        self._fresh.labels(lane.value).observe(max(0.0, seconds))

    def job_ended(self, kind: str, ending: Ending, seconds: float) -> None:
        """Count and measure a claimed job."""
        kind = kind if kind in self._kinds else OTHER
        self._jobs.labels(kind, ending).inc()
        self._job_seconds.labels(kind).observe(seconds)

    def jobs_rescued(self, requeued: int, died: int) -> None:
        """Count jobs of dead workers."""
        self._rescued.labels("requeued").inc(requeued)
        self._rescued.labels("died").inc(died)

    def permits_given(self, lane: Lane, count: int) -> None:
        """Count permits."""
        self._permits.labels(lane.value).inc(count)

    def permits_refused(self, lane: Lane) -> None:
        """Count a refusal."""
        self._refusals.labels(lane.value).inc()

    def step_waited(self, lane: Lane, seconds: float) -> None:
        """Measure the wait of a step that got its permits."""
        self._waited.labels(lane.value).observe(seconds)

    def call_ended(self, service: Service, endpoint: str, status: int | None, seconds: float) -> None:
        """Count and measure one send."""
        self._calls.labels(service, endpoint, BROKEN if status is None else shown(status)).inc()
        self._call_seconds.labels(service, endpoint).observe(seconds)

    def token_refreshed(self, outcome: Refresh) -> None:
        """Count the refresh of a token."""
        self._refreshes.labels(outcome).inc()

    def computed(self, work: str, seconds: float) -> None:
        """Measure a piece of work of the worker process."""
        self._computed.labels(work).observe(seconds)

    def loop_lagged(self, seconds: float) -> None:
        """Measure the event loop."""
        self._lag.observe(seconds)

    # ── what the server itself tells ────────────────────────────────────────────────────────────────────

    def request_answered(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Count a request by the pattern of its route; None: it was a stream, whose length says nothing."""
        self._answers.labels(route, method, shown(status)).inc()
        if seconds is not None:
            self._answer_seconds.labels(route).observe(seconds)


def shown(status: int) -> str:
    """Return a status as a label: itself if servers usually give it, else its class."""
    return str(status) if status in USUAL_STATUSES else f"{min(max(status // 100, 0), 9)}xx"
