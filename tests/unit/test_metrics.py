"""Metrics: what they are called, that they begin at 0, and that nothing makes series without end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from daemon.core.admission import LANES, Lane
from daemon.core.instruments import SILENT, Ending, Instruments, Refresh, Service
from daemon.metrics import DELIVERIES, USUAL_STATUSES, Metrics, shown
from tests.support.told import Told

KINDS = ("look_at_activity", "sync_athlete")


def ours(metrics: Metrics) -> Iterator[Metric]:
    return (family for family in metrics.registry.collect() if family.name.startswith("domestique_"))


def tell_everything(told: Instruments) -> None:
    """Tell each thing that can happen, in every word that there is for it."""
    for source, outcomes in DELIVERIES.items():
        for outcome in outcomes:
            told.delivery_answered(source, outcome)
    told.events_folded({"folded": 3, "unknown_owner": 1})
    for lane in LANES:
        told.load_stored(lane, 1.5)
        told.permits_given(lane, 2)
        told.permits_refused(lane)
        told.step_waited(lane, 0.2)
    for kind in KINDS:
        for ending in get_args(Ending):
            told.job_ended(kind, ending, 0.5)
    told.jobs_rescued(2, 1)
    for service in get_args(Service):
        told.call_ended(service, "activity", 200, 0.3)
        told.call_ended(service, "activity", None, 0.3)
    for outcome in get_args(Refresh):
        told.token_refreshed(outcome)
    told.computed("summarize", 0.02)
    told.loop_lagged(0.001)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_names_say_what_they_count_and_in_which_unit() -> None:
    metrics = Metrics(KINDS)
    tell_everything(metrics)
    units = re.compile(r"_(seconds|requests|jobs|info)$")
    for family in ours(metrics):
        assert re.fullmatch(r"domestique(_[a-z]+)+", family.name)
        assert family.documentation.endswith("."), family.name
        if family.type == "histogram":
            assert units.search(family.name), family.name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


def test_everything_that_can_be_told_is_counted_where_it_belongs() -> None:
    metrics = Metrics(KINDS)
    tell_everything(metrics)

    assert value(metrics, "domestique_webhook_deliveries_total", source="strava", outcome="repeated") == 1
    assert value(metrics, "domestique_events_folded_total", outcome="folded") == 3
    assert value(metrics, "domestique_event_to_load_seconds_sum", lane="live") == 1.5
    assert value(metrics, "domestique_jobs_total", kind="sync_athlete", outcome="died") == 1
    assert value(metrics, "domestique_job_seconds_count", kind="sync_athlete") == len(get_args(Ending))
    assert value(metrics, "domestique_jobs_rescued_total", outcome="requeued") == 2
    assert value(metrics, "domestique_permits_total", lane="backfill") == 2
    assert value(metrics, "domestique_permit_refusals_total", lane="live") == 1
    assert value(metrics, "domestique_permit_wait_seconds_count", lane="live") == 1
    broken = {"service": "strava", "endpoint": "activity", "status": "broken"}
    assert value(metrics, "domestique_api_requests_total", **broken) == 1
    assert value(metrics, "domestique_token_refreshes_total", outcome="refused") == 1
    assert value(metrics, "domestique_compute_seconds_count", work="summarize") == 1
    assert value(metrics, "domestique_event_loop_lag_seconds_count") == 1


def test_what_is_known_beforehand_begins_at_0() -> None:
    """An alert on a rise misses a series that appears with its first event."""
    metrics = Metrics(KINDS)
    for kind in KINDS:
        for ending in ("done", "retried", "deferred", "died"):
            assert value(metrics, "domestique_jobs_total", kind=kind, outcome=ending) == 0
    for lane in LANES:
        assert value(metrics, "domestique_permit_refusals_total", lane=lane.value) == 0
    assert value(metrics, "domestique_token_refreshes_total", outcome="refused") == 0
    assert value(metrics, "domestique_webhook_deliveries_total", source="strava", outcome="refused") == 0


def test_two_apps_in_one_process_count_apart() -> None:
    one, other = Metrics(KINDS), Metrics(KINDS)
    one.permits_given(Lane.LIVE, 5)
    assert value(other, "domestique_permits_total", lane="live") == 0


@given(st.lists(st.integers(min_value=-(10**9), max_value=10**9), max_size=30))
def test_whatever_statuses_a_server_invents_they_make_few_series(statuses: list[int]) -> None:
    labels = {shown(status) for status in statuses}
    known = {str(status) for status in USUAL_STATUSES} | {f"{hundreds}xx" for hundreds in range(10)}
    assert labels <= known


def test_a_kind_of_job_that_only_a_row_knows_makes_no_series_of_its_own() -> None:
    metrics = Metrics(KINDS)
    for number in range(50):
        metrics.job_ended(f"of version {number}", "retried", 0.1)
    assert value(metrics, "domestique_jobs_total", kind="other", outcome="retried") == 50
    kinds = {sample.labels.get("kind") for family in ours(metrics) for sample in family.samples}
    assert kinds <= {None, "other", *KINDS}


def test_a_clock_set_back_makes_no_negative_wait() -> None:
    metrics = Metrics(KINDS)
    metrics.load_stored(Lane.LIVE, -30.0)
    assert value(metrics, "domestique_event_to_load_seconds_sum", lane="live") == 0


def test_prometheus_reads_what_is_written() -> None:
    metrics = Metrics(KINDS)
    tell_everything(metrics)
    read = {family.name for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())}
    assert {family.name for family in ours(metrics)} <= read | {"domestique_build_info"} | {"domestique_build"}
    assert {"process_start_time_seconds", "process_resident_memory_bytes", "python_info"} <= read


def test_silence_and_a_memory_take_the_same_words() -> None:
    tell_everything(SILENT)
    told = Told()
    tell_everything(told)
    assert len({words[0] for words in told.words}) == 12
