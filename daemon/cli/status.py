"""`domestique status`: what is going on, what is wrong, and what to do."""

from __future__ import annotations

from typing import Any

import aiohttp
import typer
from rich.text import Text

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import console, print_json, print_table, shown
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core import quota
from daemon.core.admission import Lane
from daemon.core.health import Verdict
from daemon.core.listening import asked_at
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import read_report
from daemon.loops.pulse import Pulse
from daemon.loops.staleness import FleetStaleness
from daemon.store import activities, athletes, intervals_credentials, jobs, ledgers
from daemon.store.opening import Opened, window_lengths
from daemon.web.models.health import Check
from daemon.web.models.quota import QuotaMeter

ANSWER_SECONDS = 5.0
MARKS = {"ok": Text("ok", "green"), "warning": Text("warning", "yellow"), "failing": Text("failing", "red")}


def status(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show health, quota and queue. Exit status 1 where something is failing or the daemon does not run."""
    settings = settings_from(config_path)
    report = with_database(settings, lambda opened: _report(opened, settings))
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report["status"] == Verdict.FAILING.value or not report["daemon"]["running"]:
        raise typer.Exit(1)


async def _report(opened: Opened, settings: Settings) -> dict[str, Any]:
    clock, lengths = SystemClock(), window_lengths(settings)
    async with opened.database.connection() as connection:
        entry = await ledgers.require(connection, settings.strava.client_id)
        shut = quota.shut_until(entry.ledger, quota.Ask(Lane.LIVE, 1), entry.read_at, lengths)
        report = await read_report(connection, settings.strava.client_id, lengths, CALLS)
        fleet = FleetStaleness(opened.database, settings.strava.client_id, clock)
        await fleet.measure()
        pulse = Pulse(opened.database, settings.strava.client_id, lengths, lambda: shut, fleet, clock)
        await pulse.beat()
        assert pulse.health is not None
        return {
            "status": pulse.health.verdict.value,
            "daemon": await answer_of_daemon(settings),
            "checks": [Check.of(check).model_dump() for check in pulse.health.checks],
            "quota": [QuotaMeter.of(row).model_dump() for row in report.meters],
            "athletes": await athletes.count_by_state(connection),
            "intervals": await intervals_credentials.count_by_state(connection),
            "activities": await activities.count_all(connection),
            "jobs": await jobs.count_by_state(connection),
            "dead_jobs": await jobs.list_dead(connection, 20),
        }


async def answer_of_daemon(settings: Settings) -> dict[str, Any]:
    """Ask the daemon itself, if one listens where the settings say; `wrong` names the checks that do not pass."""
    address = asked_at(settings.web.host, settings.web.port)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.get(f"{address}/health") as response,
        ):
            body = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"running": False, "address": address, "says": type(error).__name__, "wrong": []}
    wrong = [check["name"] for check in body.get("checks", ()) if check["status"] != Verdict.OK.value]
    return {"running": True, "address": address, "says": body.get("status"), "wrong": wrong}


def _print(report: dict[str, Any]) -> None:
    daemon = report["daemon"]
    if daemon["running"]:
        console.print(f"the daemon runs at {daemon['address']} and says: {shown(daemon['says'])}")
    else:
        nobody = Text(f"no daemon answers at {daemon['address']}:", "red")
        console.print(nobody, "start it with `domestique run`, or see its log")
    console.print()
    checks = [{**check, "status": MARKS[check["status"]]} for check in report["checks"]]
    print_table(checks, {"name": "check", "status": "", "value": "now", "advice": "what to do"}, "no checks")
    console.print()
    headings = {"window": "window", "meter": "meter", "used": "used", "limit": "limit", "resets_at": "starts anew"}
    print_table(report["quota"], headings, "no quota yet")
    console.print()
    counts = ", ".join(f"{count} {state}" for state, count in report["athletes"].items()) or "none yet"
    console.print(f"athletes: {counts}; activities: {report['activities']['activities']},"
                  f" {report['activities']['waiting']} waiting for streams")  # fmt: skip
    keys = report["intervals"]
    if keys:
        advice = ": `domestique athletes list` shows whose, `athletes intervals` takes new ones"
        refused = f", {keys['refused']} refused{advice}" if "refused" in keys else ""
        console.print(f"keys of Intervals.icu: {keys.get('active', 0)} in force{refused}")
    headings = {"kind": "job", "state": "state", "jobs": "count", "oldest_run_at": "oldest"}
    print_table(report["jobs"], headings, "no job is waiting")
    if report["dead_jobs"]:
        console.print()
        headings = {"job_id": "dead job", "kind": "kind", "serial_key": "athlete", "outcome": "died of"}
        print_table(report["dead_jobs"], headings, "")
