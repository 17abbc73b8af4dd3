"""From measurements to health: every check has a threshold, a since, and a sentence that says what to do.

`failing` means that the service does not do its job: an uptime monitor shall ring. `warning` is for the working
day. This module refuses to measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from daemon.core.freshness import BLIND_AT_MOST, Staleness
from daemon.core.quota import MeterUsage, Wait
from daemon.core.subscription import State

UNFOLDED_FOR: Final = timedelta(seconds=60)
RUNNABLE_FOR: Final = timedelta(minutes=10)
LONGEST_LAG_SECONDS: Final = 1.0
LATE_IN_A_ROW: Final = 3  # one late beat is a machine that was busy; nobody shall be called for that
TIMER_LATE_FOR: Final = timedelta(minutes=5)
STALE_AFTER: Final = timedelta(seconds=30)
UNVERIFIED_FOR: Final = timedelta(hours=3)  # looked at every hour


class Verdict(StrEnum):
    """How one check does; declared from best to worst."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class TimerState:
    """One timer: when its next run was to begin, and since when the run that is in its way has been at work."""

    job: str
    starts_at: datetime
    running_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of measuring found; counts and instants are None where the database did not answer."""

    measured_at: datetime
    database_error: str | None = None
    settings_off: tuple[str, ...] = ()  # of fsync and full_page_writes
    unfolded: int | None = None
    oldest_unfolded_at: datetime | None = None
    oldest_runnable_at: datetime | None = None
    dead_jobs: int | None = None
    needs_authorization: int | None = None
    disabled_notifications: int | None = None  # by themselves, not by an operator
    subscription_known: bool = True
    subscription_state: State | None = None  # None: nobody has looked yet
    subscription_detail: str | None = None
    subscription_verified_at: datetime | None = None
    timers: tuple[TimerState, ...] = ()
    staleness: Staleness | None = None
    loop_lag_seconds: float = 0.0  # the least of the last LATE_IN_A_ROW beats
    quota: tuple[MeterUsage, ...] = ()
    shut: Wait | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the health report; `since` is when the verdict last changed."""

    name: str
    verdict: Verdict
    since: datetime
    value: str
    threshold: str
    advice: str
    holds_back_traffic: bool = False  # /readyz says no


def judge(measured: Measured, before: Mapping[str, Check]) -> tuple[Check, ...]:
    """Judge every check; `before` are the last checks by name, for `since`."""
    checks: tuple[Check, ...] = (_database(measured), _durability(measured))
    if measured.database_error is None:
        checks += (
            _inbox(measured),
            _queue(measured),
            _dead(measured),
            _timers(measured),
            _app(measured),
            _quota(measured),
            _subscription(measured),
            _authorizations(measured),
            _notifications(measured),
            _freshness(measured),
        )
    checks += (_loop(measured),)
    return tuple(_with_since(check, before.get(check.name), measured.measured_at) for check in checks)


def _with_since(check: Check, before: Check | None, now: datetime) -> Check:
    since = before.since if before is not None and before.verdict is check.verdict else now
    return replace(check, since=since)


def overall(checks: tuple[Check, ...]) -> Verdict:
    """Return the worst verdict."""
    order = list(Verdict)
    return max((check.verdict for check in checks), key=order.index, default=Verdict.FAILING)


def headline(checks: tuple[Check, ...]) -> str:
    """Say in a sentence how everything does."""
    counts = {verdict: sum(check.verdict is verdict for check in checks) for verdict in Verdict}
    failing, warning = counts[Verdict.FAILING], counts[Verdict.WARNING]
    if failing:
        also = f", {warning} {'warns' if warning == 1 else 'warn'}" if warning else ""
        return (
            f"Not everything works: {failing} of {len(checks)} checks {'fails' if failing == 1 else 'fail'}{also}."
        )
    if warning:
        return f"It works; {warning} of {len(checks)} checks {'warns' if warning == 1 else 'warn'}."
    return f"All is well: {len(checks)} checks pass."


def _check(
    name: str,
    measured: Measured,
    bad: Verdict | None,
    value: str,
    threshold: str,
    advice: str,
    *,
    holds_back: bool = False,
) -> Check:
    verdict = bad or Verdict.OK
    return Check(
        name,
        verdict,
        measured.measured_at,
        value,
        threshold,
        advice if bad else "nothing to do",
        holds_back and bad is Verdict.FAILING,
    )


def _database(measured: Measured) -> Check:
    error = measured.database_error
    return _check(
        "database",
        measured,
        Verdict.FAILING if error else None,
        error or "answers",
        "answers within 2 s",
        "start PostgreSQL or mend database.url; events are refused with 503 until then, and Strava repeats them",
        holds_back=True,
    )


def _durability(measured: Measured) -> Check:
    off = measured.settings_off
    return _check(
        "durability",
        measured,
        Verdict.FAILING if off else None,
        f"{' and '.join(off)} off" if off else "fsync and full_page_writes are on",
        "both on",
        "turn them on in postgresql.conf and reload: without them a power cut loses acknowledged events",
        holds_back=True,
    )


def _age(at: datetime | None, now: datetime) -> timedelta:
    return now - at if at is not None else timedelta(0)


def _inbox(measured: Measured) -> Check:
    age = _age(measured.oldest_unfolded_at, measured.measured_at)
    return _check(
        "inbox",
        measured,
        Verdict.FAILING if age > UNFOLDED_FOR else None,
        f"{measured.unfolded} events unfolded, the oldest for {age.total_seconds():.0f} s",
        f"none older than {UNFOLDED_FOR.total_seconds():.0f} s",
        "look in the log for events.not_folded; a restart folds them again, nothing is lost",
    )


def _queue(measured: Measured) -> Check:
    age = _age(measured.oldest_runnable_at, measured.measured_at)
    late = age > RUNNABLE_FOR and measured.shut is None
    return _check(
        "queue",
        measured,
        Verdict.FAILING if late else None,
        f"the oldest live or interactive job waits for {max(0.0, age.total_seconds()):.0f} s",
        f"{RUNNABLE_FOR.total_seconds():.0f} s, while there is quota",
        "raise jobs.workers, or look in the log for job.retried: something slows every job down",
    )


def _dead(measured: Measured) -> Check:
    count = measured.dead_jobs or 0
    return _check(
        "dead_jobs",
        measured,
        Verdict.WARNING if count else None,
        f"{count} dead jobs",
        "0",
        "`domestique status` shows why they died; the log has the tracebacks (job.died)",
    )


def _timers(measured: Measured) -> Check:
    """Judge the latest timer; one whose own last run still goes on is only slow: nothing is started twice."""
    late = sorted(
        (timer for timer in measured.timers if measured.measured_at - timer.starts_at > TIMER_LATE_FOR),
        key=lambda timer: (timer.running_since is not None, timer.starts_at),
    )
    threshold = f"each begins within {TIMER_LATE_FOR.total_seconds() / 60:.0f} min of its time"
    if not late:
        value = f"{len(measured.timers)} timers, none late" if measured.timers else "none planned yet"
        return _check("timers", measured, None, value, threshold, "")
    value = ", ".join(f"{timer.job} is {_minutes(measured.measured_at - timer.starts_at)} late" for timer in late)
    if late[0].running_since is None:
        advice = (
            "look in the log for timers.not_read and task.ended, and whether a daemon runs at all; what was missed"
            " is caught up once, as soon as one does"
        )
        return _check("timers", measured, Verdict.FAILING, value, threshold, advice)
    advice = (
        f"the run of {late[0].job} before it goes on since {late[0].running_since:%H:%M} UTC:"
        " `domestique scheduler runs` shows how far it is; if there is quota left, raise jobs.workers"
    )
    return _check("timers", measured, Verdict.WARNING, value, threshold, advice)


def _minutes(lateness: timedelta) -> str:
    minutes = int(lateness.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _app(measured: Measured) -> Check:
    inactive = measured.shut is not None and measured.shut.inactive
    return _check(
        "strava_app",
        measured,
        Verdict.FAILING if inactive else None,
        "Strava calls the app inactive" if inactive else "active",
        "active",
        "the app's owner needs a Strava subscription, or Strava has suspended the app: see strava.com/settings/api."
        " One probe goes out every 15 minutes; nothing is lost meanwhile",
    )


def _quota(measured: Measured) -> Check:
    spent = measured.shut is not None and not measured.shut.inactive
    fullest = max(measured.quota, key=lambda row: row.used / max(1, row.limit), default=None)
    value = "not known yet"
    if fullest is not None:
        value = f"{fullest.used} of {fullest.limit} this {fullest.window} ({fullest.meter})"
    until = f"{measured.shut.until:%H:%M:%S} UTC" if measured.shut is not None else ""
    return _check(
        "quota",
        measured,
        Verdict.WARNING if spent else None,
        value,
        "not spent",
        f"work goes on by itself at {until}; if it happens often, ask Strava for higher limits",
    )


def _subscription(measured: Measured) -> Check:
    state, verified_at = measured.subscription_state, measured.subscription_verified_at
    verdict: Verdict | None = None
    value, advice = "known, not looked at", ""
    if state in {State.GONE, State.ELSEWHERE}:
        verdict, value, advice = Verdict.WARNING, measured.subscription_detail or "", _SUBSCRIPTION_ADVICE[state]
    elif state is not None:
        value = f"verified at {verified_at:%Y-%m-%d %H:%M:%S} UTC" if verified_at else "not verified yet"
        # Only where Strava was asked in vain: whether anybody asks is a matter of the settings.
        is_old = verified_at is None or measured.measured_at - verified_at > UNVERIFIED_FOR
        if state is State.UNKNOWN and is_old:
            verdict, advice = Verdict.WARNING, f"{measured.subscription_detail}; if it stays: {_ASK}"
    elif not measured.subscription_known:
        verdict, value = Verdict.WARNING, "not known"
        advice = f"set strava.callback_url, so that the daemon looks for it; {_ASK}"
    hours = UNVERIFIED_FOR.total_seconds() / 3600
    return _check(
        "subscription", measured, verdict, value, f"leads here; no answer for {hours:.0f} h at most", advice
    )


_ASK: Final = "`domestique subscription show` asks Strava and says what is wrong"
_SUBSCRIPTION_ADVICE: Final = {
    State.GONE: "`domestique subscription create` makes one, and strava.keep_subscription = true does so by itself;"
    " until then activities are only found by polling",
    State.ELSEWHERE: "an app has one subscription: `domestique subscription ensure --replace` takes it over, unless"
    " another installation needs it; until then activities are only found by polling",
}


def _authorizations(measured: Measured) -> Check:
    count = measured.needs_authorization or 0
    return _check(
        "authorizations",
        measured,
        Verdict.WARNING if count else None,
        f"{count} athletes need to connect again",
        "0",
        "`domestique athletes list` names them; ask them to connect again, their jobs wait",
    )


def _notifications(measured: Measured) -> Check:
    count = measured.disabled_notifications or 0
    return _check(
        "notifications",
        measured,
        Verdict.WARNING if count else None,
        f"{count} disabled by themselves",
        "0",
        "`domestique notifications list` says why; mend the receiver, then `domestique notifications enable ID`; or"
        " let it be: `domestique notifications disable ID`, or `domestique notifications remove ID`",
    )


def _freshness(measured: Measured) -> Check:
    found, hours = measured.staleness, BLIND_AT_MOST.total_seconds() / 3600
    threshold = f"nobody unseen for more than {hours:.0f} h"
    if found is None or found.athletes == 0:
        value = "not measured yet" if found is None else "nobody is connected"
        return _check("freshness", measured, None, value, threshold, "")
    bad = Verdict.FAILING if found.median > BLIND_AT_MOST else Verdict.WARNING if found.blind else None
    value = (
        f"{found.blind} of {found.athletes} athletes unseen for more than {hours:.0f} h; webhooks are proven for"
        f" {found.proven}, of the others' news half may be unseen for {_hours(found.median)}, 5 % for"
        f" {_hours(found.p95)}, the longest for {_hours(found.longest)}"
    )
    advice = (
        "`domestique scheduler runs` shows what holds the looks up, `domestique quota` whether calls are short;"
        " proof that webhooks arrive saves most of them: set strava.callback_url"
    )
    return _check("freshness", measured, bad, value, threshold, advice)


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h"


def _loop(measured: Measured) -> Check:
    lag = measured.loop_lag_seconds
    return _check(
        "event_loop",
        measured,
        Verdict.FAILING if lag > LONGEST_LAG_SECONDS else None,
        f"{lag * 1000:.0f} ms late in each of {LATE_IN_A_ROW} beats",
        f"{LONGEST_LAG_SECONDS * 1000:.0f} ms, {LATE_IN_A_ROW} times in a row",
        "the machine is overloaded, or something computes on the event loop: look at the CPU first",
    )
