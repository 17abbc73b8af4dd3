"""`domestique doctor`: looks at the whole installation once, and says what is wrong and what to do.

For the day of the installation and the night of the outage: whatever does not answer is a line, and the rest is
looked at all the same. Refuses to change anything.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from typing import Final

import aiohttp
import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from
from daemon.cli.output import complaints, console, print_json, print_table
from daemon.cli.status import MARKS, answer_of_daemon
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core import diagnosis, quota
from daemon.core.diagnosis import Line
from daemon.core.errors import DomestiqueError, Permanent
from daemon.core.health import Verdict
from daemon.core.subscription import Finding, State, Wanted
from daemon.jobs.kinds import CALLS
from daemon.limiter.report import read_report
from daemon.loops.subscription import Keeper
from daemon.store import sealed_secrets, vitals
from daemon.store.database import Connection
from daemon.store.opening import Opened, open_database, window_lengths
from daemon.strava.callback import shake
from daemon.strava.client import open_session
from daemon.vault.cipher import Cipher

SAMPLE: Final = 200  # secrets of each kind


def doctor(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Look at everything that has to be right. Exit status 1: something is not, 2: the settings are wrong."""
    settings = settings_from(config_path)
    with complaints.status("looking …"):
        lines = asyncio.run(_examined(settings))
    if as_json:
        print_json({"status": diagnosis.worst(lines).value, "lines": [asdict(line) for line in lines]})
    else:
        rows = [{**asdict(line), "verdict": MARKS[line.verdict.value]} for line in lines]
        print_table(rows, {"name": "", "verdict": "", "found": "found", "advice": "what to do"}, "")
        bad = sum(line.verdict is not Verdict.OK for line in lines)
        console.print("\nall is well" if not bad else f"\n{bad} things to see to")
    if diagnosis.worst(lines) is not Verdict.OK:
        raise typer.Exit(1)


async def _examined(settings: Settings) -> list[Line]:
    lines = [_disk(settings), await _daemon(settings)]
    async with open_session(settings.strava.timeout_seconds) as session:
        try:
            async with open_database(settings) as opened:
                lines += await _inside(settings, opened)
                lines += await _at_strava(settings, opened, session)
        except DomestiqueError as error:
            advice = "start PostgreSQL, or mend database.url; what needs it was not looked at"
            lines.append(Line("database", Verdict.FAILING, str(error), advice))
        lines += await _callback(settings, session)
    return lines


def _disk(settings: Settings) -> Line:
    directory = settings.database.directory.resolve()
    while not directory.exists():  # the first start makes it
        directory = directory.parent
    usage = shutil.disk_usage(directory)
    return diagnosis.disk(str(directory), usage.free, usage.total)


async def _daemon(settings: Settings) -> Line:
    answer = await answer_of_daemon(settings)
    if not answer["running"]:
        advice = "start it: `systemctl start domestique`, or `domestique run`; its log says why it ended"
        return Line("daemon", Verdict.FAILING, f"nobody answers at {answer['address']}", advice)
    is_well = answer["says"] == Verdict.OK.value
    verdict = Verdict.OK if is_well else Verdict.WARNING
    advice = "" if is_well else "`domestique status` shows each check with what to do"
    of_what = f" ({', '.join(answer['wrong'])})" if answer["wrong"] else ""
    return Line("daemon", verdict, f"runs at {answer['address']} and says: {answer['says']}{of_what}", advice)


async def _inside(settings: Settings, opened: Opened) -> list[Line]:
    """Look at what the database knows."""
    async with opened.database.connection() as connection:
        clock, pool_size = SystemClock(), settings.database.pool_size
        asked_at = clock.now()
        server = await vitals.server(connection)
        lines = [
            *diagnosis.database(server, pool_size, asked_at, clock.now(), embedded=settings.database.embedded),
            await _secrets(settings, connection),
            diagnosis.athletes(await vitals.connected(connection)),
        ]
        report = await read_report(connection, settings.strava.client_id, window_lengths(settings), CALLS)
    known = report.offset_seconds if report.limits_learned else None
    return [*lines, diagnosis.stravas_clock(known), _quota(report.meters, report.outlook())]


def _quota(meters: tuple[quota.MeterUsage, ...], outlook: str) -> Line:
    spent = [row for row in meters if row.left == 0]
    used = ", ".join(f"{row.used} of {row.limit} this {row.window} ({row.meter})" for row in meters)
    verdict = Verdict.WARNING if spent else Verdict.OK
    advice = (
        f"it starts anew at {spent[0].resets_at:%H:%M} UTC; `domestique quota` shows by whom it was used"
        if spent
        else ""
    )
    return Line("quota", verdict, f"{used}; {outlook}", advice)


async def _secrets(settings: Settings, connection: Connection) -> Line:
    """Open some of each kind: nothing is shown, and nothing leaves."""
    cipher, current, looked, unreadable = Cipher(settings.vault.keys), 0, 0, list[str]()
    for place in sealed_secrets.Place:
        for row in await sealed_secrets.page(connection, place, 0, SAMPLE):
            looked += 1
            if cipher.is_current(row.sealed):
                current += 1
                continue
            try:
                cipher.reseal(row.sealed)
            except Permanent:
                unreadable.append(f"{place} {row.row_id}")
    return diagnosis.secrets(await sealed_secrets.count(connection), looked, current, unreadable)


async def _at_strava(settings: Settings, opened: Opened, session: aiohttp.ClientSession) -> list[Line]:
    """Ask Strava once, outside the quota: for the subscription, which proves the app's secret as well."""
    finding = await Keeper(opened.database, session, settings.strava, SystemClock()).examine()
    complaint = finding.detail if finding.state is State.UNKNOWN else None
    if complaint is not None:
        finding = Finding(State.UNKNOWN, None, "Strava could not be asked")
    return [
        diagnosis.strava_app(complaint),
        diagnosis.subscription(finding, is_kept=settings.strava.keep_subscription),
    ]


async def _callback(settings: Settings, session: aiohttp.ClientSession) -> list[Line]:
    strava = settings.strava
    if not strava.callback_url:
        advice = "set strava.callback_url: athletes connect there, and Strava pushes there"
        return [Line("callback", Verdict.WARNING, "strava.callback_url is not set", advice)]
    wanted = Wanted(strava.callback_url, strava.webhook_secret.get_secret_value())
    seen = await shake(session, wanted, strava.verify_token)
    if seen.answers:
        return [Line("callback", Verdict.OK, f"{seen.what}, seen from this machine")]
    return [Line("callback", Verdict.FAILING, f"{seen.what}, seen from this machine", seen.advice)]
