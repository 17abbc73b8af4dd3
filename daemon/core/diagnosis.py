"""What `domestique doctor` says: each thing that has to be right, whether it is, and what to do.

Unlike health, which watches a running daemon, this looks at a whole installation once, also at one that does not
start. This module refuses to look: it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from daemon.core.health import Verdict
from daemon.core.subscription import Finding, State

LEAST_MAJOR: Final = 15
CLOCK_OFF_SECONDS: Final = 2.0  # a boundary of Strava's windows is guarded that far by default
LEAST_FREE_SHARE: Final = 0.10
LEAST_FREE_BYTES: Final = 2 * 2**30
SPARE_CONNECTIONS: Final = 5  # for commands, backups and a person with psql
GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: what was found, and what to do; `advice` is empty where all is well."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """What PostgreSQL says of itself."""

    server_at: datetime
    major: int
    version: str
    settings_off: tuple[str, ...]
    max_connections: int
    connections: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Connected:
    """Athletes, and how many of them have not granted what is needed."""

    athletes: int
    resting: int
    without_activities: int
    without_private: int


def worst(lines: Sequence[Line]) -> Verdict:
    """Return the worst verdict."""
    order = list(Verdict)
    return max((line.verdict for line in lines), key=order.index, default=Verdict.OK)


def _line(name: str, bad: Verdict | None, found: str, advice: str) -> Line:
    return Line(name, bad or Verdict.OK, found, advice if bad else "")


def database(
    server: Server, pool_size: int, asked_at: datetime, answered_at: datetime, *, embedded: bool
) -> tuple[Line, ...]:
    """Judge the server: its version, what it promises, its places, and its clock against this machine's.

    It read its clock between our asking and its answer, which may take long: only what lies outside is wrong.
    """
    too_old = server.major < LEAST_MAJOR
    loose = [name for name in server.settings_off if name in {"fsync", "full_page_writes"}]
    lax = [name for name in server.settings_off if name not in loose]
    free = server.max_connections - server.connections
    crowded = server.max_connections < pool_size + SPARE_CONNECTIONS
    behind, ahead = asked_at - server.server_at, server.server_at - answered_at
    apart = max(0.0, behind.total_seconds(), ahead.total_seconds())
    kind = "embedded PostgreSQL" if embedded else "PostgreSQL"
    return (
        _line(
            "database",
            Verdict.FAILING if too_old else None,
            f"{kind} {server.version}, {server.size_bytes / GIB:.2f} GiB",
            f"upgrade PostgreSQL to {LEAST_MAJOR} or newer",
        ),
        _line(
            "durability",
            Verdict.FAILING if loose else Verdict.WARNING if lax else None,
            f"{' and '.join(server.settings_off)} off" if server.settings_off else "what is committed is kept",
            "turn it on in postgresql.conf and reload: without fsync, full_page_writes and synchronous_commit a"
            " power cut loses acknowledged events, without autovacuum tables grow for ever",
        ),
        _line(
            "connections",
            Verdict.WARNING if crowded else None,
            f"{free} of {server.max_connections} places free, the pool takes {pool_size}",
            f"raise max_connections to at least {pool_size + SPARE_CONNECTIONS} for each daemon, or lower"
            " database.pool_size",
        ),
        _line(
            "clock",
            Verdict.WARNING if apart > CLOCK_OFF_SECONDS else None,
            f"this machine's clock and the database's are {apart:.1f} s apart",
            "synchronise both with NTP (systemd-timesyncd or chrony)",
        ),
    )


def stravas_clock(offset_seconds: tuple[float, float] | None) -> Line:
    """Judge how far Strava's clock is ahead of the database's: bounds in seconds, None where no answer has come."""
    if offset_seconds is None:
        return Line("strava_clock", Verdict.OK, "not known yet: no answer of Strava has come")
    low, high = offset_seconds
    nearest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return _line(
        "strava_clock",
        Verdict.WARNING if nearest > CLOCK_OFF_SECONDS else None,
        f"Strava's clock is {low:+.1f} to {high:+.1f} s ahead of the database's",
        "synchronise the database's machine with NTP; the quota allows for it meanwhile",
    )


def secrets(total: int, looked_at: int, current: int, unreadable: Sequence[str]) -> Line:
    """Judge the stored secrets of a sample."""
    if unreadable:
        return Line(
            "vault",
            Verdict.FAILING,
            f"no key of vault.keys opens {len(unreadable)} of {looked_at} secrets: {', '.join(unreadable[:5])}",
            "put the key back that they were sealed with, after the newest one, or ask these athletes to connect"
            " again",
        )
    older = looked_at - current
    return _line(
        "vault",
        Verdict.WARNING if older else None,
        f"{total} stored secrets, {looked_at} looked at" + (f", {older} under an older key" if older else ""),
        "`domestique keys rotate` seals them under the newest key",
    )


def athletes(connected: Connected) -> Line:
    """Judge what athletes have granted."""
    wrong = []
    if connected.resting:
        wrong.append(f"{connected.resting} need to connect again")
    if connected.without_activities:
        wrong.append(
            f"{connected.without_activities} have not granted activity:read, so that nothing of theirs comes"
        )
    if connected.without_private:
        wrong.append(f"{connected.without_private} keep what is private to themselves (no activity:read_all)")
    serious = connected.resting or connected.without_activities
    return _line(
        "athletes",
        Verdict.WARNING if serious else None,
        "; ".join([f"{connected.athletes} connected", *wrong]),
        "`domestique athletes list` names them; ask them to connect again and to leave all boxes ticked",
    )


def subscription(finding: Finding, *, is_kept: bool) -> Line:
    """Judge the push subscription as it was just found."""
    number = f"subscription {finding.subscription_id}: " if finding.subscription_id is not None else ""
    advice = {
        State.VERIFIED: "",
        State.GONE: "a running daemon makes one by itself (strava.keep_subscription)"
        if is_kept
        else "`domestique subscription create` makes one while the daemon runs",
        State.ELSEWHERE: "unless another installation needs it: `domestique subscription ensure --replace`",
        State.UNKNOWN: "see the line strava_app",
    }[finding.state]
    bad = {State.VERIFIED: None, State.UNKNOWN: Verdict.WARNING}.get(finding.state, Verdict.FAILING)
    return _line("subscription", bad, number + finding.detail, advice)


def strava_app(complaint: str | None) -> Line:
    """Judge whether Strava knows the app by its id and secret; `complaint` is why it could not be asked."""
    return _line(
        "strava_app",
        Verdict.FAILING if complaint else None,
        complaint or "Strava knows the app by its client_id and client_secret",
        "compare strava.client_id and strava.client_secret with https://www.strava.com/settings/api, and"
        " strava.api_url; where there was no connection, look at DNS, firewall and proxy of this machine",
    )


def disk(name: str, free_bytes: int, total_bytes: int) -> Line:
    """Judge the disk that holds our files."""
    scarce = free_bytes < min(LEAST_FREE_BYTES, LEAST_FREE_SHARE * total_bytes)
    return _line(
        "disk",
        Verdict.FAILING if scarce else None,
        f"{free_bytes / GIB:.1f} of {total_bytes / GIB:.1f} GiB free at {name}",
        "make room, or lower retention.streams_days: a full disk stops PostgreSQL, and events are refused",
    )
