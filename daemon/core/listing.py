"""A list held against what is stored: what is new, edited or possibly deleted, and when to turn the page.

Strava cuts a page before it takes out what we may not see, so a short page is not the last
(https://developers.strava.com/docs/#Pagination): only an empty one is.

One page for 14 days. A page that is cut from 200 activities, of which fewer than 100 are shown, would hide more
than half of what the athlete did, at 14 activities a day: that is not asked about. So a window of at most
`ONE_PAGE` costs one call, unless its page shows 100 or more; then, and in any longer window, the list is read on to
an empty page. What such a window could still miss, the walk over the whole list finds.

Absence from a list proves nothing: this module only suspects. It refuses to fetch, to store, and to bury.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from daemon.core.look import Shape

ONE_PAGE: Final = timedelta(days=15)  # 14 days, and how late their look may come
FEW: Final = 100
EDGE: Final = timedelta(seconds=2)  # windows are asked for in whole seconds
SETTLING: Final = timedelta(minutes=10)  # a list may lag behind the detail that we have seen already
EVENT_GRACE: Final = timedelta(minutes=15)  # an event takes minutes: what has just ended may yet be announced

_SHAPE: Final = tuple(Shape.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Line:
    """One activity as a list shows it; `fields` are the columns of `activities` that a list fills, by name."""

    activity_id: int
    fields: Mapping[str, Any]

    @property
    def shape(self) -> Shape:
        """Return what its streams depend on."""
        return Shape(**{name: self.fields[name] for name in _SHAPE})

    @property
    def start_at(self) -> datetime:
        """Return when it started."""
        start_at: datetime = self.fields["start_at"]
        return start_at

    @property
    def ended_at(self) -> datetime:
        """Return when it ended, which is when it is uploaded at the earliest."""
        return self.start_at + timedelta(seconds=self.fields["elapsed_seconds"])


@dataclass(frozen=True, slots=True)
class Held:
    """A stored activity, as a list would show it, and since when we have it."""

    line: Line
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The starts that a list was asked for, both ends excluded; None is no bound."""

    after_at: datetime | None
    before_at: datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a list tells beside what is stored; each part newest first."""

    new: tuple[Line, ...]
    reshaped: tuple[Line, ...]  # edited so that it has other streams now
    edited: tuple[Line, ...]
    absent: tuple[int, ...]  # stored, inside the window, and not listed
    unchanged: int


def goes_on(shown: int, shown_in_all: int, span: timedelta) -> bool:
    """Tell whether a window so long needs another page, after one that showed so many."""
    return shown > 0 and (shown_in_all >= FEW or span > ONE_PAGE)


def compare(listed: Mapping[int, Line], held: Iterable[Held], window: Window, asked_at: datetime) -> Comparison:
    """Hold a whole list of a window against what is stored there and of the listed ids elsewhere.

    `listed` is by id: of a line that two pages show, because the list moved between them, the later stays.
    """
    stored = {one.line.activity_id: one for one in held}
    new, reshaped, edited, unchanged = [], [], [], 0
    for activity_id, line in listed.items():
        known = stored.get(activity_id)
        if known is None:
            new.append(line)
        elif known.line.fields == line.fields:
            unchanged += 1
        elif known.line.shape == line.shape:
            edited.append(line)
        else:
            reshaped.append(line)
    absent = [
        one.line
        for activity_id, one in stored.items()
        if activity_id not in listed and _surely_inside(one, window, asked_at)
    ]
    return Comparison(
        new=_newest_first(new),
        reshaped=_newest_first(reshaped),
        edited=_newest_first(edited),
        absent=tuple(line.activity_id for line in _newest_first(absent)),
        unchanged=unchanged,
    )


def _surely_inside(one: Held, window: Window, asked_at: datetime) -> bool:
    if one.first_seen_at > asked_at - SETTLING:
        return False
    start_at = one.line.start_at
    return (window.after_at is None or start_at > window.after_at + EDGE) and (
        window.before_at is None or start_at < window.before_at - EDGE
    )


def _newest_first(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (line.start_at, line.activity_id), reverse=True))


def unannounced(
    new: Iterable[Line],
    announced: Collection[int],
    connected_at: datetime,
    newest_id: int | None,
    now: datetime,
) -> tuple[int, ...]:
    """Return which new activities an event should have announced and none has.

    Events come only for what is uploaded after connecting: what ended after that, or has a higher id than any that
    was there then (`newest_id`, None where that is not known); Strava's ids rise with every upload. What ended
    within `EVENT_GRACE` is not counted: its event may be on its way, and a miss too many would cost polls.
    """
    return tuple(
        line.activity_id
        for line in new
        if line.activity_id not in announced
        and line.ended_at <= now - EVENT_GRACE
        and (line.ended_at > connected_at or (newest_id is not None and line.activity_id > newest_id))
    )


def became_visible_at(line: Line, synced_at: datetime | None, now: datetime) -> datetime:
    """Return when a new activity became visible at the earliest: after its end, after the look that missed it."""
    return min(now, line.ended_at if synced_at is None else max(line.ended_at, synced_at))
