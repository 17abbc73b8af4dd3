"""`domestique sync`: look at one athlete now, or say what a look would do and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core.freshness import Policy
from daemon.jobs.sync_trial import LONGEST_SECONDS, SyncTrial, plan
from daemon.store import receivers
from daemon.store.opening import Opened
from daemon.web.models.sync import SyncPlan, told


def sync(
    athlete_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="As `athletes list` shows it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and why.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Look at an athlete's activities now. The running daemon does it; exit status 1 where it did not end well."""
    settings = settings_from(config_path)
    report, is_well = with_database(settings, lambda opened: _report(opened, settings, athlete_id, dry_run))
    if report is None:
        complain(f"athlete {athlete_id} is unknown: `domestique athletes list` shows everybody")
    elif as_json:
        print_json((SyncPlan.model_validate(report) if "occasions" in report else told(report)).model_dump())
    elif "occasions" in report:
        _print_plan(report)
    else:
        _print_result(report)
    if not is_well:
        raise typer.Exit(1)


async def _report(
    opened: Opened, settings: Settings, athlete_id: int, dry_run: bool
) -> tuple[dict[str, Any] | None, bool]:
    clock = SystemClock()
    async with opened.database.connection() as connection:
        proof = await receivers.proof(connection, settings.strava.client_id)
        planned = await plan(connection, athlete_id, clock.now(), proof, Policy(settings.sync.policy))
    if planned is None:
        return None, False
    if dry_run or planned.obstacle is not None:
        return planned.report, planned.obstacle is None
    trial = SyncTrial(opened.database, clock, on_queued=lambda: None)  # the worker is the daemon's
    report = await trial.perform(athlete_id, planned.lookback, LONGEST_SECONDS)
    return report, report is not None and report["state"] == "done"


def _print_plan(report: dict[str, Any]) -> None:
    window = report["window"]
    console.print(f"athlete {report['athlete_id']} ({shown(report['name'])})")
    if report["obstacle"] is not None:
        complain(f"nothing can be done: {report['obstacle']}")
    if report["already_asked_for"]:
        console.print("a sync of his is under way already: another one coalesces with it")
    console.print(f"the list would be read back to {shown(window['after'])} ({window['days']} days)")
    print_table(
        [{"what": name.replace("_", " "), "cost": cost} for name, cost in report["costs"].items() if cost],
        {"what": "", "cost": "costs"},
        "",
    )
    console.print()
    rows = [
        {"occasion": name, "does": "sync" if answer["sync"] else "skip", **answer}
        for name, answer in report["occasions"].items()
    ]
    print_table(rows, {"occasion": "occasion", "does": "now", "why": "why", "reason": "because"}, "")
    console.print()
    rows = [{"what": name.removesuffix("_at").replace("_", " "), "at": at} for name, at in report["last"].items()]
    print_table(rows, {"what": "", "at": "last"}, "")


def _print_result(report: dict[str, Any]) -> None:
    if "activities" not in report:
        why = f": {shown(report['outcome'])}" if report["outcome"] else ""
        complain(
            f"job {report['job_id']} is {report['state']} after {report['seconds']:.0f} s{why}."
            " Is the daemon running? `domestique status` tells."
        )
        return
    console.print(
        f"{report['listed']} activities listed back to {report['reached_to']}, {report['calls']} calls,"
        f" {len(report['deleted'])} deleted, {report['missed_webhooks']} that no event had announced,"
        f" {report['seconds']:.1f} s"
    )
    headings = {
        "is": "",
        "activity_id": "activity",
        "sport_type": "sport",
        "name": "name",
        "streams_state": "streams",
        "method": "method",
        "load": "load",
    }
    print_table(report["activities"], headings, "nothing new, nothing edited")
    for key in report["still_open"]:
        complain(f"put off: {key}")
