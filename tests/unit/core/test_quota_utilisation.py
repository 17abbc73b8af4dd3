"""How much of Strava's windows is used when work never ends: the other half of never being over."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from daemon.core import quota
from daemon.core.admission import Answered, Lane
from daemon.core.quota import Ask, Grant, Ledger, Lengths, Limits, Wait
from tests.support.strava_counter import StravaCounter, date_header

MIDNIGHT = 1_767_225_600.0  # 2026-01-01, in seconds since the epoch
LENGTHS = Lengths()
LIMITS = Limits(600, 30_000, 600, 30_000)


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Backlog:
    """Workers that fetch detail and streams of one activity after the other, as long as they are permitted."""

    def __init__(self, chance: random.Random, offset: float, until: float) -> None:
        self.chance = chance
        self.offset = offset
        self.until = until
        self.now = MIDNIGHT
        self.strava = StravaCounter(LIMITS, LENGTHS)
        self.first_counted: dict[int, float] = {}  # seconds into each quarter, on Strava's clock
        self.ledger = Ledger(
            limits=LIMITS,
            limits_learned=True,
            offset_low_seconds=offset - 1.5,
            offset_high_seconds=offset + 1.5,
            offset_at=instant(MIDNIGHT),
        )
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()

    def run(self, workers: int) -> None:
        for _ in range(workers):
            self._later(self.chance.random(), self._ask)
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()

    def quarters(self) -> list[int]:
        return [count for (name, _), count in sorted(self.strava.ours.items()) if name == "quarter"]

    def _later(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._sequence), happen))

    def _ask(self) -> None:
        if self.now > self.until:
            return
        decision = quota.admit(self.ledger, Ask(Lane.BACKFILL, 2), instant(self.now), LENGTHS)
        if isinstance(decision, Wait):
            jitter = self.chance.uniform(0, 0.5)
            self._later(decision.until.timestamp() - self.now + jitter, self._ask)
            return
        self.ledger, grant = decision
        self._send(grant, streams_next=True)

    def _send(self, grant: Grant, *, streams_next: bool) -> None:
        assert instant(self.now) < grant.send_before
        latency = self.chance.uniform(0.2, 2.0)
        on_the_way = latency * self.chance.uniform(0.2, 0.8)
        self._later(on_the_way, partial(self._count, grant, latency - on_the_way, streams_next=streams_next))

    def _count(self, grant: Grant, rest: float, *, streams_next: bool) -> None:
        counted = self.strava.count(self.now + self.offset)
        quarter_began_at = counted.quarter_index * LENGTHS.quarter_seconds
        self.first_counted.setdefault(counted.quarter_index, self.now + self.offset - quarter_began_at)
        answer = Answered(
            date_header(self.now + self.offset), counted.reading if streams_next else None, counted.outcome
        )
        self._later(rest, partial(self._observe, grant, answer, streams_next=streams_next))

    def _observe(self, grant: Grant, answer: Answered, *, streams_next: bool) -> None:
        self.ledger = quota.observe(self.ledger, grant, answer, instant(self.now), LENGTHS)
        if streams_next:
            self._send(grant, streams_next=False)
        else:
            self._ask()


@pytest.mark.parametrize(("offset", "workers"), [(0.7, 8), (-90.0, 8), (0.7, 64)])
def test_a_backlog_uses_99_percent_of_every_quarter_and_is_never_over(offset: float, workers: int) -> None:
    quarters = 6
    backlog = Backlog(random.Random(7), offset, MIDNIGHT - offset + quarters * LENGTHS.quarter_seconds - 1)
    backlog.run(workers)
    used = backlog.quarters()[-quarters:]
    assert backlog.strava.over_limit == 0
    assert min(used) >= 0.99 * LIMITS.read_quarter
    # What is lost at a turn: what the clock is not known to, half a second of jitter, the way to Strava.
    assert max(list(backlog.first_counted.values())[1:]) < 4.5
