"""A running daemon's metrics, held against what the dashboard, the alerts and their description ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain

import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from daemon.core.schedule import TIMERS
from daemon.jobs.kinds import EVERY
from tests.flow.conftest import MakeHouse
from tests.support.daemon import WEBHOOK_SECRET, Daemon, eventually
from tests.support.forked import ROOT

DOCS = ROOT / "docs" / "monitoring"
OURS = re.compile(r"\b((?:domestique|process|python)_[a-z_]+)(\{[^}]*\})?")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"")
BY = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
# Given by Prometheus to whatever it scrapes.
GIVEN = {"job", "instance"}
# What a day without faults shows nothing of.
RARE = {"domestique_subscription_verified_timestamp_seconds"}
MOST_SERIES = 1_200
LOOKS_DONE = ("domestique_jobs_total", "kind=look_at_activity,outcome=done")

Exported = dict[str, dict[str, set[str]]]


def read(text: str) -> Exported:
    """Return the values of each label of each sample."""
    found: Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def sampled(text: str) -> dict[tuple[str, str], float]:
    """Return each sample by its name and labels."""
    return {
        (sample.name, ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest_asyncio.fixture
async def lived(make_house: MakeHouse) -> tuple[Daemon, str]:
    """A daemon that has met something of everything, and what a scrape then finds."""
    daemon = await make_house("--overall-limits", "100,1000", athletes=2)
    first, second = await daemon.import_athletes()
    await daemon.sandbox.age_tokens(second, expires_in=-10)  # refreshed
    await daemon.sandbox.fault("error_500", endpoint="activity", count=1)
    made = [await daemon.sandbox.make_activity(athlete_id=each, seed=3, duration=600) for each in (first, second)]
    assert await daemon.post_event(b"{") == 400
    async with daemon.look_inside() as connection:
        await connection.execute(
            "INSERT INTO jobs (kind, lane, dedup_key, run_at, fair_at, state, settled_at, outcome)"
            " VALUES ('sync_athlete', 'scheduled', 'a dead one', now(), now(), 'dead', now(), 'a test')"
        )
    assert (await daemon.command("scheduler", "run", "daily_sync"))[0] == 0

    async def both_stand() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM activity_loads") == len(made))

    async def run_has_ended() -> bool:
        return bool(await daemon.value("SELECT count(*) FROM scheduler_runs WHERE state = 'finished'"))

    async def census_knows() -> bool:
        return "domestique_timer_last_run_succeeded{" in await scrape(daemon)

    async def both_looks_are_counted() -> bool:  # one of them failed first, and the run may have been quicker
        return sampled(await scrape(daemon)).get(LOOKS_DONE) == len(made)

    for condition in (both_stand, run_has_ended, both_looks_are_counted, census_knows):
        await eventually(condition, 120)
    return daemon, await scrape(daemon)


async def scrape(daemon: Daemon) -> str:
    async with daemon.sandbox.session.get(f"{daemon.url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


async def test_a_running_daemon_tells_all_that_dashboard_alerts_and_docs_ask_for_and_no_label_without_bounds(
    lived: tuple[Daemon, str],
) -> None:
    daemon, text = lived
    exported = read(text)

    for where, expression in chain(dashboard_expressions(), alert_expressions()):
        check_expression(where, expression, exported)
    check_description(exported)
    await check_bounds(daemon, text, exported)
    check_values(text)


def check_expression(where: str, expression: str, exported: Exported) -> None:
    """Hold every metric and label of an expression against what was exported."""
    labels_known = set(GIVEN)
    for name, selector in OURS.findall(expression):
        assert name in exported or name in RARE, f"{where}: nothing exports {name}"
        labels = exported.get(name, {})
        labels_known |= set(labels)
        for label in LABEL.findall(selector):
            assert label in {*labels, *GIVEN}, f"{where}: {name} has no label {label}"
    for group in BY.findall(expression):
        for label in re.findall(r"[a-z_]+", group):
            assert label in labels_known, f"{where}: nothing in {expression} has a label {label}"


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Quota", "Queue", "Freshness", "Strava and Intervals.icu", "Process"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
            shown = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            by = set(re.findall(r"[a-z_]+", " ".join(BY.findall(target["expr"])))) | GIVEN | {"version"}
            assert set(shown) <= by, f"panel {panel['title']}: the legend shows what the expression drops"
    for annotation in dashboard["annotations"]["list"]:
        yield "annotation", annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]


def alert_expressions() -> Iterator[tuple[str, str]]:
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "runbook"}, rule["alert"]
        assert rule["annotations"]["runbook"].rstrip().endswith("."), rule["alert"]
        assert "for" in rule or "increase(" in rule["expr"], f"{rule['alert']}: a blip would ring"
        yield f"alert {rule['alert']}", rule["expr"]


def check_description(exported: Exported) -> None:
    """Hold the table of the README against it, both ways."""
    described: dict[str, set[str]] = {}
    for line in (DOCS / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`(domestique_[a-z_]+)`", cells[0]) if line.startswith("|") else []:
            described[name] = set(re.findall(r"[a-z]+", cells[1]))
    families = {
        re.sub(r"_(bucket|count|sum|gcount|gsum)$", "", name) for name in exported if name.startswith("domest")
    }
    assert families | RARE == set(described)
    for name, labels in exported.items():
        family = re.sub(r"_(bucket|count|sum|gcount|gsum)$", "", name)
        # A row may name several metrics, of which not all have each label.
        assert set(labels) - {"le"} <= described.get(family, set(labels)), f"{name}: a label is not described"


async def check_bounds(daemon: Daemon, text: str, exported: Exported) -> None:
    """See that no series can be told apart by whom or what it is about."""
    assert sum(not line.startswith("#") for line in text.splitlines()) < MOST_SERIES
    for secret_or_name in (WEBHOOK_SECRET, daemon.sandbox.client_secret):
        assert secret_or_name not in text
    for row in await daemon.sandbox.athletes():
        assert str(row["id"]) not in text
        assert row["name"] not in text
    word = re.compile(r"[a-z0-9_.]{1,40}|[A-Z]{3,7}|[45]xx|\+Inf|/[a-z0-9_./{}-]*", re.ASCII)
    for name, labels in exported.items():
        if not name.startswith("domestique_"):
            continue
        for label, values in labels.items():
            strange = [each for each in values if word.fullmatch(each) is None]
            assert not strange, f"{name}{{{label}}} holds {strange}"
    known = {
        "kind": {*EVERY, "other"},
        "timer": set(TIMERS),
        "lane": {"live", "interactive", "scheduled", "backfill"},
        "state": {"queued", "running", "dead", "lent", "free"},
        "window": {"quarter", "day"},
        "meter": {"overall", "read"},
        "service": {"strava", "intervals"},
    }
    for name, labels in exported.items():
        for label, values in labels.items():
            assert values <= known.get(label, values), f"{name}{{{label}}}"


def check_values(text: str) -> None:
    """See that what happened was counted."""
    found = sampled(text)
    assert found["domestique_webhook_deliveries_total", "outcome=stored,source=strava"] == 2
    assert found["domestique_webhook_deliveries_total", "outcome=malformed,source=strava"] == 1
    assert found["domestique_event_to_load_seconds_count", "lane=live"] == 2
    assert found["domestique_jobs_total", "kind=look_at_activity,outcome=retried"] == 1
    assert found[LOOKS_DONE] == 2
    assert found["domestique_token_refreshes_total", "outcome=refreshed"] == 1
    assert found["domestique_api_requests_total", "endpoint=activity,service=strava,status=500"] == 1
    assert found["domestique_queue_jobs", "kind=sync_athlete,lane=scheduled,state=dead"] == 1
    assert found["domestique_quota_limit_requests", "meter=overall,window=quarter"] == 100  # as Strava showed it
    assert found["domestique_timer_last_run_succeeded", "timer=daily_sync"] == 1
    assert found["domestique_pool_connections_limit", ""] == 10
