"""The verdict of `bench.quota`: from what the sandbox counted, window by window, to one row of the table.

It refuses to believe a limiter: only what it held in memory when it was killed, and what the ledger charged without
sending, is taken from ours, to say where unused quota went.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

SETTLED_SECONDS = 1.0  # after the first 429 of a window, what was under way has been answered


@dataclass(slots=True)
class Played:
    """What the bench did to one quarter, and what it saw of it."""

    starts_at: int
    ends_at: int
    limit_before: int
    limit_after: int
    kills: int = 0
    in_flight: int = 0  # permits held or unanswered by processes as they were killed
    disturbed: bool = False  # somebody else spent, or the limit fell
    charged: int | None = None  # by our ledger


@dataclass(frozen=True, slots=True)
class Judged:
    """One row: shares of the binding limit, counts of requests, seconds."""

    limiter: str
    processes: int
    quarter_seconds: int
    binding: str
    used: list[float]
    used_kills_aside: list[float]
    kills: int
    in_flight: int
    unsent: int | None
    refused_own: int
    refused_others: int
    first_seconds: list[float]
    live_seconds: list[float]
    held_back: int


def judged(
    limiter: str,
    processes: int,
    day_binds: bool,
    quarter_seconds: int,
    played: Sequence[Played],
    live: tuple[list[float], int],
    counts: Mapping[str, Any],
    requests: Sequence[Mapping[str, Any]],
) -> Judged:
    """Hold the sandbox's windows and requests against each other and draw one row from them."""
    read = counts["meters"]["read"]
    windows = [*read["past_quarters"], read["quarter"]]
    assert counts["failures"] == 0, "the sandbox itself has failed"
    by_number = sorted(requests, key=lambda request: request["number"])
    assert [request["number"] for request in by_number] == list(range(1, len(by_number) + 1)), (
        "requests were forgotten"
    )
    # The sandbox numbers requests as it counts them, so a window holds a run of numbers.
    ends = list(accumulate(window["counted"] - window["foreign"] for window in windows))
    runs = {
        window["starts_at"]: by_number[end - (window["counted"] - window["foreign"]) : end]
        for window, end in zip(windows, ends, strict=True)
    }
    counted = {window["starts_at"]: window for window in windows}
    own, others = 0, 0
    for window in played:
        own_here, others_here = _refused(window, runs.get(window.starts_at, []))
        own, others = own + own_here, others + others_here
    spans = _days(played, counts) if day_binds else _quarters(played, counted)
    starts = [window.starts_at for window in played[1:]]  # the first one begins with the bench's word
    return Judged(
        limiter=limiter,
        processes=processes,
        quarter_seconds=quarter_seconds,
        binding="overall, day" if day_binds else "read, quarter",
        used=[min(1.0, used / room) for used, room, _ in spans],
        used_kills_aside=[min(1.0, used / max(used, room - in_flight, 1)) for used, room, in_flight in spans],
        kills=sum(window.kills for window in played),
        in_flight=sum(window.in_flight for window in played),
        unsent=_unsent(played, counted),
        refused_own=own,
        refused_others=others,
        first_seconds=[
            _first_at(runs[start], by_number) - start for start in starts if _accepted(runs.get(start, [])) > 0
        ],
        live_seconds=sorted(live[0]),
        held_back=live[1],
    )


def _refused(window: Played, run: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Tell 429s that the limiter brought about from those that others did.

    Others are to blame where they spent from the window or the limit fell, for as many as the limiter would have
    had room for otherwise, if they came before it could know.
    """
    refused = [request["at"] for request in run if request["status"] == 429]
    if not window.disturbed or not refused:
        return len(refused), 0
    too_many = max(0, len(run) - window.limit_before)
    too_late = sum(at > min(refused) + SETTLED_SECONDS for at in refused)
    own = max(too_many, too_late)
    return own, len(refused) - own


def _accepted(run: Sequence[Mapping[str, Any]]) -> int:
    return sum(request["status"] != 429 for request in run)


def _first_at(run: Sequence[Mapping[str, Any]], by_number: Sequence[Mapping[str, Any]]) -> float:
    """Return when a run's first request was counted, at the latest: before its own answer and all later ones."""
    return min(float(request["at"]) for request in by_number[run[0]["number"] - 1 :])


def _quarters(played: Sequence[Played], counted: Mapping[int, Mapping[str, int]]) -> list[tuple[int, int, int]]:
    """Return of each quarter what was used, what there was, and what was in flight at kills."""
    spans = []
    for window in played:
        seen = counted.get(window.starts_at)
        used = seen["counted"] - seen["foreign"] - seen["over_limit"] if seen else 0
        room = window.limit_after - (seen["foreign"] if seen else 0)
        if room > 0:  # else others had it all
            spans.append((used, room, window.in_flight))
    return spans


def _days(played: Sequence[Played], counts: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """Return the same of each day."""
    meter = counts["meters"]["overall"]
    first, last = played[0].starts_at, played[-1].ends_at
    return [
        (
            day["counted"] - day["over_limit"],
            day["limit"],
            sum(window.in_flight for window in played if day["starts_at"] <= window.starts_at < day["ends_at"]),
        )
        for day in (*meter["past_days"], meter["day"])
        if first <= day["starts_at"] < last
    ]


def _unsent(played: Sequence[Played], counted: Mapping[int, Mapping[str, int]]) -> int | None:
    """Return how many permits the ledger charged to windows in which the sandbox counted no request for them."""
    charged = [
        window.charged - counted[window.starts_at]["counted"] + counted[window.starts_at]["foreign"]
        for window in played
        if window.charged is not None and window.starts_at in counted
    ]
    return sum(charged) if charged else None


def table(verdicts: Sequence[Judged]) -> str:
    """Return the rows as a Markdown table."""
    heads = (
        "limiter", "processes", "quarter", "binds", "used, mean", "used, worst window", "worst, kills aside",
        "in flight at kills", "charged, never sent", "429s, own doing", "429s, others' doing",
        "turn → first request, mean / worst", "live permit p50 / p99 / worst", "live held back",
    )  # fmt: skip
    rows = [heads, ("---",) * len(heads), *(_row(verdict) for verdict in verdicts)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(verdict: Judged) -> tuple[str, ...]:
    has_ledger = verdict.unsent is not None
    first = verdict.first_seconds
    return (
        verdict.limiter,
        str(verdict.processes),
        f"{verdict.quarter_seconds} s",
        verdict.binding,
        f"{statistics.mean(verdict.used):.1%}",
        f"{min(verdict.used):.1%}",
        f"{min(verdict.used_kills_aside):.1%}" if has_ledger else "–",
        f"{verdict.in_flight} in {verdict.kills}" if has_ledger else "–",
        str(verdict.unsent) if has_ledger else "–",
        str(verdict.refused_own),
        str(verdict.refused_others),
        f"{statistics.mean(first):.2f} / {max(first):.2f} s" if first else "–",
        _live(verdict.live_seconds),
        str(verdict.held_back) if has_ledger else "–",
    )


def _live(seconds: Sequence[float]) -> str:
    if not seconds:
        return "–"
    p50, p99 = (seconds[min(len(seconds) - 1, int(share * len(seconds)))] for share in (0.5, 0.99))
    return f"{1000 * p50:.0f} / {1000 * p99:.0f} / {1000 * seconds[-1]:.0f} ms"
