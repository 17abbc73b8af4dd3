"""The ledger against Strava's own counting, through storms of asks, late answers, crashes and foreign use."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from daemon.core import quota
from daemon.core.admission import LANES, Answered, Lane
from daemon.core.quota import NO_DEMAND, Ask, Demand, Grant, Ledger, Lengths, Limits, Wait
from tests.support.strava_counter import Counted, StravaCounter, date_header

MIDNIGHT = 1_767_225_600.0  # 2026-01-01, in seconds since the epoch: a boundary of all window lengths used here
COLD_PERMITS = 10
SEND_WITHIN_SECONDS, TRANSIT_SECONDS, EDGE_SECONDS = 3.0, 3.0, 1.0  # the worst that the ledger promises to stand
SHORT = Lengths(60, 600)
REAL = Lengths()


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one permit; seconds, and `sent` as a share of the time that it may take."""

    sent: float = 0.0
    sent_late: bool = False  # at any time before `send_before`, not within the first two seconds
    transit: float = 0.0
    processing: float = 0.0  # from Strava's counter to its answer
    travel: float = 0.0  # from Strava's answer to us
    edge: float = 0.0  # how far the clock behind `Date` is off
    silent: bool = False  # without a reading
    end: str = "answered"  # or crashed: before it was sent; or lost: the answer


@dataclass(frozen=True, slots=True)
class Step:
    fates: tuple[Fate, ...]
    lane: Lane = Lane.BACKFILL


@dataclass(frozen=True, slots=True)
class Foreign:
    requests: int
    reads: bool


@dataclass(frozen=True, slots=True)
class Relimit:
    limits: Limits


Move = tuple[float, Step | Foreign | Relimit]  # seconds after the one before
WindowKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Weather:
    """The world of one storm: where Strava's clock stands against ours, and when the storm begins."""

    lengths: Lengths
    limits: Limits
    configured: Limits
    offset: float
    drift: float
    begins: float  # seconds after midnight, our clock
    demand: Demand  # what the lanes are thought to need


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What clear readings had told when a permit was given: others' use by window, and the newest limits."""

    rank: int  # of the permit among all that were granted
    foreign: Mapping[WindowKey, tuple[int, int]]
    limits: Limits | None


class Storm:
    """Runs moves and their consequences in the order of our clock, and holds the ledger against the truth."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.lengths = weather.lengths
        self.strava = StravaCounter(weather.limits, weather.lengths)
        self.ledger = Ledger(limits=weather.configured)
        self.began = self.now = MIDNIGHT + weather.begins
        self.last_refusal = ""
        self._granted = 0
        self._foreign: dict[WindowKey, tuple[int, int]] = {}
        self._newest: tuple[int, Limits] | None = None
        self._counted: defaultdict[WindowKey, list[Knowledge]] = defaultdict(list)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()

    def run(self, moves: Sequence[Move]) -> None:
        when = self.now
        for gap, move in moves:
            when += gap
            self._at(when, partial(self._perform, move))
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()

    def ask(self, fates: tuple[Fate, ...], lane: Lane, demand: Demand) -> bool:
        decision = quota.admit(self.ledger, Ask(lane, len(fates)), instant(self.now), self.lengths, demand)
        if isinstance(decision, Wait):
            assert decision.until > instant(self.now)
            self.last_refusal = decision.reason
            return False
        self.ledger, grant = decision
        most = grant.send_before.timestamp() - self.now - 1e-3
        assert most > SEND_WITHIN_SECONDS - 0.01
        for fate in fates:
            self._granted += 1
            knowledge = Knowledge(self._granted, dict(self._foreign), self._newest and self._newest[1])
            if fate.end != "crashed":
                sent_at = self.now + fate.sent * (most if fate.sent_late else SEND_WITHIN_SECONDS)
                self._at(sent_at + fate.transit, partial(self._count, grant, fate, knowledge))
        return True

    def drain(self) -> int:
        """Take one permit after the other, never sending, and return how many there were."""
        lost = (Fate(end="crashed"),)
        return sum(1 for _ in iter(lambda: self.ask(lost, Lane.BACKFILL, NO_DEMAND), False))

    def check(self) -> None:
        """Of no window has more been taken than the limits left, as far as they and others' use were known."""
        for (name, index), taken in self._counted.items():
            for count, knowledge in enumerate(sorted(taken, key=lambda known: known.rank), 1):
                if knowledge.limits is None:
                    continue
                overall, read = knowledge.foreign.get((name, index), (0, 0))
                assert count + overall <= getattr(knowledge.limits, f"overall_{name}")
                assert count + read <= getattr(knowledge.limits, f"read_{name}")

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._sequence), happen))

    def _strava_at(self, ours: float) -> float:
        return ours + self.weather.offset + self.weather.drift * (ours - self.began)

    def _perform(self, move: Step | Foreign | Relimit) -> None:
        match move:
            case Step(fates, lane):
                self.ask(fates, lane, self.weather.demand)
            case Foreign(requests, reads):
                self.strava.count_foreign(self._strava_at(self.now), requests, reads=reads)
            case Relimit(limits):
                self.strava.limits = limits

    def _count(self, grant: Grant, fate: Fate, knowledge: Knowledge) -> None:
        counted = self.strava.count(self._strava_at(self.now))
        self._counted["quarter", counted.quarter_index].append(knowledge)
        self._counted["day", counted.day_index].append(knowledge)
        if fate.end == "answered":
            dated_at = date_header(self._strava_at(self.now + fate.processing), fate.edge)
            answer = Answered(dated_at, None if fate.silent else counted.reading, counted.outcome)
            self._at(self.now + fate.processing + fate.travel, partial(self._observe, grant, counted, answer))

    def _observe(self, grant: Grant, counted: Counted, answer: Answered) -> None:
        self.ledger = quota.observe(self.ledger, grant, answer, instant(self.now), self.lengths)
        low, high = quota.offset_bounds(self.ledger, instant(self.now), self.lengths)
        assert low <= self._strava_at(self.now) - self.now <= high
        if answer.reading is None or answer.dated_at is None:
            return
        # A reading is clear where the request was admitted and answered, beyond doubt, in the current window.
        answered_by = int(answer.dated_at.timestamp()) + 1
        if grant.quarter.index == self.ledger.quarter.index == answered_by // self.lengths.quarter_seconds:
            self._learn(("quarter", counted.quarter_index), counted.foreign_quarter)
        if grant.day.index == self.ledger.day.index == answered_by // self.lengths.day_seconds:
            self._learn(("day", counted.day_index), counted.foreign_day)
            if self._newest is None or counted.order > self._newest[0]:
                self._newest = (counted.order, counted.limits)
                assert self.ledger.limits == counted.limits

    def _learn(self, window: WindowKey, foreign: tuple[int, int]) -> None:
        overall, read = self._foreign.get(window, (0, 0))
        self._foreign[window] = (max(overall, foreign[0]), max(read, foreign[1]))


def weather(chance: random.Random) -> Weather:
    lengths = chance.choice([SHORT, REAL])
    # As far apart as the clocks may be before the first answer, less what they drift in the storm.
    most = 118 if lengths is REAL else 13
    limits = limit_set(chance)
    return Weather(
        lengths=lengths,
        limits=limits,
        # Until the first reading only what is configured can be kept: these limits are far below any real ones.
        configured=limits,
        # A `Date` tells most where it was cut off least, or most: at the edges of a second.
        offset=chance.choice([-most, -2, 0, 1, most]) + chance.choice([0.0, 0.001, 0.5, 0.999]),
        drift=chance.choice([0.0, 5e-5, -5e-5]),
        begins=chance.choice([-300.0, -130.0, -20.0, -5.0, 0.0, 100.0, 700.0]),
        demand=Demand((tuple(chance.choice([0.0, 0.0, 0.002, 0.5]) for _ in LANES),) * 168),
    )


def limit_set(chance: random.Random) -> Limits:
    quarters, days = range(10, 41), chance.choice([range(10, 41), range(40, 200)])
    return Limits(chance.choice(quarters), chance.choice(days), chance.choice(quarters), chance.choice(days))


def fate(chance: random.Random, calm: int) -> Fate:
    waits = [0.0, 0.3, 1.0, 2.5, 7.0, 20.0, chance.uniform(0, 20)]
    return Fate(
        sent=chance.choice([0.0, 0.5, 1.0, chance.random()]),
        sent_late=chance.random() < 0.4,
        transit=chance.choice([0.0, TRANSIT_SECONDS / 2, TRANSIT_SECONDS]),
        processing=chance.choice(waits),
        travel=chance.choice(waits),
        edge=chance.choice([0.0, 0.0, -EDGE_SECONDS, EDGE_SECONDS]),
        silent=chance.random() < 0.5,
        end=chance.choice(["crashed", "lost", *["answered"] * calm]),
    )


def wild(chance: random.Random, most: int, *, alone: bool) -> Iterator[Move]:
    """Anything at any time."""
    calm = chance.choice([1, 3, 30, 1000])
    gaps = chance.choice([[0.0, 0.1, 1.0, 3.0], [0.0, 1.0, 3.0, 20.0], [0.0, 0.1, 1.0, 3.0, 20.0, 60.0, 300.0]])
    for _ in range(chance.randint(1, most)):
        if alone or chance.random() < 0.8:
            fates = tuple(fate(chance, calm) for _ in range(chance.randint(1, 3)))
            yield chance.choice(gaps), Step(fates, chance.choice(LANES))
        elif chance.random() < 0.6:
            yield chance.choice(gaps), Foreign(chance.randint(1, 30), reads=chance.random() < 0.5)
        else:
            yield chance.choice(gaps), Relimit(limit_set(chance))


def at_the_turn(chance: random.Random, seen: Weather) -> Iterator[Move]:
    """Learn the clock as exactly as can be, ask shortly before midnight, and fill the window after it."""
    prompt = Fate(silent=chance.random() < 0.5)
    for edge in (-EDGE_SECONDS, 0.0, EDGE_SECONDS):
        yield 0.0, Step((Fate(edge=edge),))
    before = chance.uniform(1, 9)
    yield max(0.0, -seen.begins - seen.offset - before), Step((Fate(edge=chance.choice([-1.0, 1.0])),))
    for _ in range(chance.randint(1, 8)):
        yield chance.choice([0.0, 0.25, 1.0]), Step((replace(fate(chance, 30), processing=0.0),))
    yield before, Step((prompt,))
    for _ in range(80):
        yield chance.choice([0.0, 0.1, 0.5]), Step((prompt,))


def storm_of(chance: random.Random, most: int, *, alone: bool, tell: Callable[[str], None] | None = None) -> Storm:
    """Run one storm to its end and check every permit in it."""
    storm = Storm(weather(chance))
    turning = chance.random() < 0.4
    course = [*(at_the_turn(chance, storm.weather) if turning else ()), *wild(chance, most, alone=alone)]
    if tell is not None:
        tell("\n".join(map(str, [storm.weather, *course])))
    storm.run(course)
    storm.check()
    return storm


def never_over(storm: Storm) -> None:
    assert storm.strava.over_limit == 0


def whole_again(storm: Storm) -> None:
    """What was lost in the storm is there again with the window after it, and then with the day after it."""
    limits = storm.ledger.limits
    quarter, day = min(limits.overall_quarter, limits.read_quarter), min(limits.overall_day, limits.read_day)
    whole = quarter if storm.ledger.limits_learned else min(quarter, COLD_PERMITS)
    storm.now += 2 * storm.lengths.quarter_seconds
    assert storm.drain() == whole or "today" in storm.last_refusal
    storm.now += 2 * storm.lengths.day_seconds
    assert storm.drain() == min(whole, day)


quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = pytest.mark.parametrize("seed", range(10))


@quick
@given(st.randoms())
def test_alone_with_steady_limits_we_are_never_over_any_of_them(chance: random.Random) -> None:
    never_over(storm_of(chance, 25, alone=True, tell=note))


@seeds
def test_alone_with_steady_limits_many_long_storms_never_bring_us_over(seed: int) -> None:
    for number in range(20):
        never_over(storm_of(random.Random(1000 * seed + number), 200, alone=True))


@quick
@given(st.randoms())
def test_no_permit_goes_beyond_what_readings_have_shown(chance: random.Random) -> None:
    storm_of(chance, 25, alone=False, tell=note)


@seeds
def test_no_permit_goes_beyond_what_readings_have_shown_in_many_long_storms(seed: int) -> None:
    for number in range(20):
        storm_of(random.Random(1000 * seed + number), 200, alone=False)


@quick
@given(st.randoms(), st.booleans())
def test_a_permit_is_lost_until_its_window_turns_and_no_longer(chance: random.Random, alone: bool) -> None:
    whole_again(storm_of(chance, 25, alone=alone, tell=note))


@seeds
def test_permits_lost_in_long_storms_are_back_when_their_window_turns(seed: int) -> None:
    for number in range(6):
        whole_again(storm_of(random.Random(1000 * seed + number), 120, alone=number % 2 == 0))
