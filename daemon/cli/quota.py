"""`domestique quota`: what of Strava's limits is used, by whom, kept for whom, and when work will be done."""

from __future__ import annotations

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import console, print_json, print_table, shown
from daemon.core.quota import MeterUsage
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import QuotaReport, read_report
from daemon.store.opening import Opened, window_lengths
from daemon.web.models.quota import Quota


def quota(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show the quota: each meter and window, each lane, the forecast, and what waits."""
    settings = settings_from(config_path)

    async def read(opened: Opened) -> QuotaReport:
        async with opened.database.connection() as connection:
            return await read_report(connection, settings.strava.client_id, window_lengths(settings), CALLS)

    report = with_database(settings, read)
    if as_json:
        print_json(Quota.of(report).model_dump())
        return
    console.print(_meters(report))
    console.print()
    _print_lanes(report)
    console.print()
    console.print(report.outlook())
    if not report.limits_learned:
        console.print("these are the configured limits: Strava's own are known with its first answer")


def _meters(report: QuotaReport) -> Group:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("window", "meter", ""):
        table.add_column(heading)
    for heading in ("used", "limit", "by us", "by others", "kept for lanes above backfill"):
        table.add_column(heading, justify="right")
    table.add_column("starts anew")
    for row in report.meters:
        numbers = (row.used, row.limit, row.used_by_us, row.used_by_others, row.reserved)
        table.add_row(row.window, row.meter, _bar(row), *map(str, numbers), shown(row.resets_at))
    return Group(table)


def _bar(row: MeterUsage) -> ProgressBar:
    share = row.used / max(1, row.limit)
    style = "red" if share >= 1 else "yellow" if share >= 0.8 else "green"
    return ProgressBar(
        total=max(1, row.limit), completed=row.used, width=24, complete_style=style, finished_style=style
    )


def _print_lanes(report: QuotaReport) -> None:
    rows = [
        {
            "lane": state.lane.value,
            "state": "open" if state.shut is None else "shut",
            "quarter": state.used_this_quarter,
            "day": state.used_today,
            "jobs": state.jobs_waiting,
            "calls": state.calls_waiting,
            "done_at": state.done_at,
            "why": "" if state.shut is None else f"{state.shut.reason}, until {shown(state.shut.until)}",
        }
        for state in report.lanes
    ]
    headings = {
        "lane": "lane",
        "state": "",
        "quarter": "this quarter",
        "day": "today",
        "jobs": "jobs waiting",
        "calls": "calls, about",
        "done_at": "done by",
        "why": "why shut",
    }
    print_table(rows, headings, "")
