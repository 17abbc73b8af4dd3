"""What to do about something that failed: from the one sentence that was stored of it to advice for a person.

Sentences are our own (`core.settle.describe`), so what they begin with and hold is known; of several that fit, the
first in the table counts. Those that differ in numbers alone are one trouble. Refuses to look anything up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from daemon.core.deliveries import KIND


class Stage(StrEnum):
    """Where a trouble stands; declared from what needs a person first to what mends itself."""

    DEAD = "dead"  # a job was given up
    FAILED = "failed"  # a run of a timer was given up
    NEEDS_AUTHORIZATION = "needs_authorization"  # an athlete has to connect again
    REFUSED = "refused"  # a key of Intervals.icu
    RETRYING = "retrying"  # it is tried again by itself


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed alike: `where` is a kind of job, a timer or "connections"; `athlete_id` is one of those hit."""

    where: str
    stage: Stage
    sentence: str
    count: int
    newest_at: datetime | None = None
    next_at: datetime | None = None
    athlete_id: int | None = None


_COMPARE_STRAVA: Final = "compare strava.api_url and strava.oauth_url with Strava's documentation, restart, retry"

_TRY_DELIVERY: Final = (
    "`domestique notifications list` shows which, `domestique notifications test ID` tries it; then retry"
)

# What a sentence holds, and what to do then: of deliveries, of all other work, and of either.
_DELIVERIES: Final[dict[str, str]] = {
    r"cannot be decrypted": (
        "put the key back under vault.keys that it was stored with, restart, retry; or remove the notification, add"
        " it anew and drop this"
    ),
    r"redirects are not followed": (
        f"give the address that it leads to (`PUT /notifications/ID` with its `url`); {_TRY_DELIVERY}"
    ),
    r"certificate is not trusted": f"the receiver has to renew its certificate, or its chain; {_TRY_DELIVERY}",
    r"not known to DNS": (
        f"mend the name, or the address (`PUT /notifications/ID` with its `url`); {_TRY_DELIVERY}"
    ),
    r"not an address of the internet|http:// to this machine": (
        "set notifications.allow_private = true and restart, if it shall be sent there; else give another address"
        f" (`PUT /notifications/ID` with its `url`); {_TRY_DELIVERY}"
    ),
    r"it answered|no answer within|could not connect|connection broke|not delivered in": (
        f"the receiver's trouble: mend it, or its address (`PUT /notifications/ID` with its `url`); {_TRY_DELIVERY}"
    ),
}
_STRAVA: Final[dict[str, str]] = {
    r"has not granted the scope": "ask the athlete to connect again with every box ticked, then retry; or drop it",
    r"cannot be decrypted|belongs to another row": (
        "put the key back under vault.keys that it was stored with, restart, retry; or ask him to connect again"
    ),
    r"client_id and strava\.client_secret": (
        "compare strava.client_id and strava.client_secret with https://www.strava.com/settings/api, restart, retry"
    ),
    r"may not hold more athletes": "ask Strava for a higher athlete capacity or disconnect somebody, then retry",
    r"needs a Strava subscription": "the app's owner has to subscribe at Strava; then retry",
    r"moved for good|no such address|no address to send|no redirects|with HTML": _COMPARE_STRAVA,
    r"refused the key": "give a good one: `domestique athletes intervals ID`; loads go on without his wellness",
    r"check intervals\.api_url": "compare intervals.api_url with Intervals.icu's documentation, restart, retry",
    r"Intervals\.icu answered|answer of Intervals\.icu": "Intervals.icu's trouble: retry once it answers again",
    r"took the authorization back": (
        "nothing, if he meant it: he is erased after retention.deauthorized_days; else he connects again"
    ),
    r"refresh token|takes this token|had just issued|is not connected|needs? to connect again": (
        "ask him to connect again on the first page; what waits for that then goes on by itself"
    ),
    r"answered 404": "Strava no longer has it, or hides it from us: drop it",
    r"answered (408|429|5\d\d)|connect to Strava|connection to Strava|no JSON": (
        "Strava's trouble, or the network's: see https://status.strava.com, retry once it answers again"
    ),
    r"answer cannot be used|is larger than": (
        "Strava has sent what we do not understand: retry once, then drop it and report the sentence as a bug"
    ),
    r"answered 4\d\d": "Strava refuses this very request: retry once, then drop it and report it as a bug",
}
_OURS: Final[dict[str, str]] = {
    r"worker died at every attempt|worker process died|computing took more than": (
        "look for a lack of memory (`journalctl -k`), then retry; drop and report one that dies again alone"
    ),
    r"database did not answer": "see the check `database` and PostgreSQL's own log, then retry",
    r"unexpected \w+": "a bug, its traceback is in the log (job.broke, run.broke): retry once, else report it",
    r"its worker died": "the daemon was killed while it ran; it is tried again within seconds",
}
_OTHERWISE: Final = "retry it; if it fails again, the log says more (job.died, job.retried)"
_NUMBER: Final = re.compile(r"\d+")


def advise(sentence: str, where: str) -> str:
    """Return what a person should do about what a sentence tells of a kind of job, a timer or "connections".

    A receiver of webhooks fails in words much like Strava's: only `where` tells them apart.
    """
    table = (_DELIVERIES if where == KIND else _STRAVA) | _OURS
    return next((advice for pattern, advice in table.items() if re.search(pattern, sentence)), _OTHERWISE)


def merged(troubles: Iterable[Trouble]) -> tuple[Trouble, ...]:
    """Return troubles with those made one that differ in numbers alone, in the order of their need for a person."""
    known: dict[tuple[str, Stage, str], Trouble] = {}
    for trouble in troubles:
        key = (trouble.where, trouble.stage, _NUMBER.sub("0", trouble.sentence))
        before = known.get(key)
        known[key] = trouble if before is None else _both(before, trouble)
    stages = list(Stage)
    return tuple(
        sorted(known.values(), key=lambda one: (stages.index(one.stage), -one.count, one.where, one.sentence))
    )


def _both(one: Trouble, other: Trouble) -> Trouble:
    """Return the newer with what both count together."""
    times = [at for at in (one.next_at, other.next_at) if at is not None]
    is_newer = one.newest_at is None or (other.newest_at is not None and other.newest_at > one.newest_at)
    return replace(other if is_newer else one, count=one.count + other.count, next_at=min(times) if times else None)
