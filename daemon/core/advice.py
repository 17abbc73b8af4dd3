"""What an athlete should do about his connections, in one sentence, the most urgent first; often nothing.

Speaks to the athlete himself, of what he can mend. Refuses training advice, and to know how any of it is found out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.core import consent

UNSEEN_AFTER: Final = timedelta(hours=48)  # everybody is looked at once a day
SILENT_AFTER: Final = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an athlete's connections stand; None: no key was given, nothing was asked for, or it never happened.

    `state` is active or needs_authorization, `intervals_state` active or refused, `history_state` as of a backfill.
    """

    state: str
    state_since: datetime
    scope: Collection[str]
    intervals_state: str | None
    history_state: str | None
    synced_at: datetime | None
    active_at: datetime | None  # start of the newest activity


def hindrance(state: str, scope: Collection[str]) -> str | None:
    """Say why nothing can be asked of Strava for an athlete, and what he should do; None: something can."""
    if state != "active":
        return "Strava does not let us in any more: connect with Strava again, and everything goes on."
    if not consent.ACTIVITIES & set(scope):
        return "You have not let us see your activities: connect with Strava again and leave their box ticked."
    return None


def advise(standing: Standing, now: datetime) -> str | None:
    """Return what he should do first; None: nothing."""
    hindered = hindrance(standing.state, standing.scope)
    if hindered is not None:
        return hindered
    if standing.intervals_state == "refused":
        return "Intervals.icu refuses your key: give a new one, so that your wellness counts again."
    if standing.history_state == "refused":
        return "Strava did not let us read your history: connect with Strava again, and it is fetched."
    if "activity:read_all" not in standing.scope:
        return (
            "Activities that only you can see are missing here: connect with Strava again and tick their box, if"
            " they are to count."
        )
    return _silence(standing, now)


def _silence(standing: Standing, now: datetime) -> str | None:
    seen_at = standing.synced_at or standing.state_since
    if now - seen_at > UNSEEN_AFTER:
        return (
            f"We have not looked at Strava since {_day(seen_at)}: ask for a sync, and if it stays so, tell whoever"
            " runs this server."
        )
    is_known = standing.history_state in {None, "finished"}  # before that the newest may not have been listed
    if is_known and standing.active_at is not None and now - standing.active_at > SILENT_AFTER:
        return (
            f"Nothing has come from Strava since {_day(standing.active_at)}: if you have trained, look whether your"
            " device still uploads there."
        )
    return None


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"
