"""One month on virtual time: daemons with workers share one ledger, and Strava counts.

A daemon does here what the gate and the worker do: it asks for all permits of a step at once, remembers which lanes
are shut, sends, hands answers back, and settles what was lost with the next answer. An ask or an answer changes the
ledger in one instant, as the conditional statement guarantees.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from daemon.core import quota
from daemon.core.admission import LANES, Answered, Lane, Outcome
from daemon.core.quota import CONNECT_SECONDS, NO_DEMAND, TRANSIT_SECONDS, Ask, Demand, Grant, Ledger, Limits, Wait
from tests.simulation.climate import DAY, HOUR, Climate
from tests.simulation.witness import LENGTHS, Knowledge, Witness
from tests.support.strava_counter import Counted, StravaCounter, date_header

JITTER_SECONDS = 0.5  # as the gate's
TIMEOUT_SECONDS = 20.0  # for an answer
RETRY_SECONDS = 30.0  # until a step is tried again whose answer never came, or whose daemon was killed
LOST_AFTER_SECONDS = 6.0  # from giving up to settling: then it is counted, or never


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(slots=True)
class Job:
    lane: Lane
    calls: int
    due_at: float
    was_admitted: bool = False


@dataclass(slots=True)
class Daemon:
    """One process; `life` counts its starts, so that what an earlier one began is known as dead."""

    free: int
    demand: Demand = NO_DEMAND
    learned_at: float = -math.inf
    life: int = 0
    is_up: bool = True
    died_at: float = 0.0
    shut: dict[Lane, float] = field(default_factory=dict)
    running: dict[int, Job] = field(default_factory=dict)
    lost: list[tuple[float, Grant]] = field(default_factory=list)
    wakes_at: float = math.inf


class Month:
    """Runs a climate to its end; what happened is in `witness`, `strava` and `ledger`."""

    def __init__(self, climate: Climate) -> None:
        self.climate = climate
        self.now = climate.begins_at
        self.strava = StravaCounter(climate.limits, LENGTHS)
        self.ledger = Ledger(limits=climate.limits)
        self.witness = Witness()
        self._chance = random.Random(climate.seed)
        self._daemons = [Daemon(free=climate.workers) for _ in range(climate.daemons)]
        self._queues: dict[Lane, deque[Job]] = {lane: deque() for lane in LANES}
        self._hours: dict[int, list[float]] = {}  # by hour: seconds recorded, and permits by lane
        self._demand, self._demand_at = NO_DEMAND, -math.inf
        self._is_inactive = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()

    def run(self) -> None:
        climate = self.climate
        for name in ("_live", "_interactive", "_polls"):
            self._later(0.0, getattr(self, name))
        for after, limits in climate.limits_from:
            self._later(after, partial(self._relimit, limits))
        for began, ended in climate.inactive:
            self._later(began, partial(self._set_inactive, True))
            self._later(ended, partial(self._set_inactive, False))
        if climate.kills_a_day:
            self._later(self._chance.expovariate(climate.kills_a_day / DAY), self._kill)
        if climate.foreign_bursts_a_day:
            self._later(self._chance.expovariate(climate.foreign_bursts_a_day / DAY), self._foreign)
        for daemon in self._daemons:
            self._later(self._chance.uniform(0, 5), partial(self._claim, daemon))
        while self._events and self._events[0][0] < climate.ends_at:
            self.now, _, happen = heapq.heappop(self._events)
            happen()

    def strava_at(self, ours: float) -> float:
        """Return what Strava's clock shows at an instant of ours."""
        return ours + self.climate.offset_seconds + self.climate.drift * (ours - self.climate.begins_at)

    def _later(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._sequence), happen))

    # ── What comes from outside ──────────────────────────────────────────────────────────────────────────────

    def _live(self) -> None:
        hour_of_week = int((self.now - 4 * DAY) // HOUR) % 168
        ends = (self.now // HOUR + 1) * HOUR
        for gap in self._arrivals(self.climate.live_an_hour[hour_of_week], ends - self.now):
            # Now and then a watch has several rides to tell.
            for _ in range(self._chance.choice([2, 3, 4]) if self._chance.random() < 0.02 else 1):
                self._later(gap, partial(self._due, Lane.LIVE))
        self._later(ends - self.now, self._live)

    def _interactive(self) -> None:
        for gap in self._arrivals(self.climate.interactive_an_hour, HOUR):
            self._later(gap, partial(self._due, Lane.INTERACTIVE))
        self._later(HOUR, self._interactive)

    def _polls(self) -> None:
        for _ in range(self.climate.polls):
            self._due(Lane.SCHEDULED)
        self._later(self.climate.poll_every_hours * HOUR, self._polls)

    def _arrivals(self, an_hour: float, seconds: float) -> list[float]:
        gaps, at = [], 0.0
        while an_hour > 0:
            at += self._chance.expovariate(an_hour / HOUR)
            if at >= seconds:
                break
            gaps.append(at)
        return gaps

    def _relimit(self, limits: Limits) -> None:
        self.strava.limits = limits

    def _set_inactive(self, is_inactive: bool) -> None:
        self._is_inactive = is_inactive

    def _foreign(self) -> None:
        """Somebody else with the same app: mostly a little, now and then all that is left and more."""
        limits = self.strava.limits
        most = limits.quarter * self._chance.choice([0.05, 0.2, 0.2, 1.2])
        reads = self._chance.random() < 0.8
        self.strava.count_foreign(self.strava_at(self.now), self._chance.randint(1, max(1, int(most))), reads=reads)
        self._later(self._chance.expovariate(self.climate.foreign_bursts_a_day / DAY), self._foreign)

    def _kill(self) -> None:
        """Kill -9: what it held is never answered; its steps come back when their lease has ended."""
        daemon = self._chance.choice(self._daemons)
        if daemon.is_up:
            daemon.is_up, daemon.died_at = False, self.now
            for job in daemon.running.values():
                self._later(RETRY_SECONDS, partial(self._queue, job))
            self._later(self._chance.choice([2.0, 10.0, 300.0]), partial(self._restart, daemon))
        self._later(self._chance.expovariate(self.climate.kills_a_day / DAY), self._kill)

    def _restart(self, daemon: Daemon) -> None:
        daemon.is_up, daemon.life, daemon.free = True, daemon.life + 1, self.climate.workers
        daemon.learned_at = -math.inf
        daemon.wakes_at = math.inf
        daemon.shut, daemon.running, daemon.lost = {}, {}, []
        self._claim(daemon)

    # ── A daemon ─────────────────────────────────────────────────────────────────────────────────────────────

    def _due(self, lane: Lane) -> None:
        self._queue(Job(lane, self._chance.choice(self.climate.calls[lane]), self.now))

    def _queue(self, job: Job) -> None:
        self._queues[job.lane].append(job)
        for daemon in self._chance.sample(self._daemons, len(self._daemons)):
            if not self._queues[job.lane]:
                return
            self._claim(daemon)

    def _claim(self, daemon: Daemon) -> None:
        """Start what is due in open lanes, live work past the workers; wake again when a lane opens."""
        if not daemon.is_up:
            return
        for lane in LANES:
            while daemon.shut.get(lane, 0.0) <= self.now and (daemon.free > 0 or lane is Lane.LIVE):
                job = self._next(lane)
                if job is None:
                    break
                if not self._start(daemon, job):
                    self._queues[lane].appendleft(job)
        wanting = [lane for lane in LANES if self._queues[lane] or lane in self.climate.endless]
        opens_at = min((at for lane in wanting if (at := daemon.shut.get(lane, 0.0)) > self.now), default=math.inf)
        if opens_at < daemon.wakes_at or daemon.wakes_at <= self.now:
            daemon.wakes_at = opens_at
            if opens_at < math.inf:
                self._later(opens_at - self.now, partial(self._wake, daemon, daemon.life))

    def _wake(self, daemon: Daemon, life: int) -> None:
        if daemon.life == life and daemon.wakes_at <= self.now:
            self._claim(daemon)

    def _next(self, lane: Lane) -> Job | None:
        queue = self._queues[lane]
        if queue:
            return queue.popleft()
        if lane in self.climate.endless:
            return Job(lane, self._chance.choice(self.climate.calls[lane]), self.now)
        return None

    def _start(self, daemon: Daemon, job: Job) -> bool:
        held = self._ask(daemon, Ask(job.lane, job.calls))
        if held is None:
            return False
        if job.lane is Lane.LIVE and not job.was_admitted:
            self.witness.live_waits.append((job.due_at, self.now - job.due_at))
        job.was_admitted = True
        daemon.running[id(job)] = job
        daemon.free -= job.lane is not Lane.LIVE
        self._send(daemon, job, [held] * job.calls)
        return True

    def _ask(self, daemon: Daemon, ask: Ask) -> tuple[Grant, Knowledge] | None:
        self._learn(daemon)
        before = self.ledger
        decision = quota.admit(before, ask, instant(self.now), LENGTHS, daemon.demand)
        if isinstance(decision, Wait):
            if decision.until <= instant(self.now):
                self.witness.broken.append(f"told to wait until now at {self.now:.3f}: {decision.reason}")
            is_spent = decision.spent and "quarter" in decision.reason
            self.witness.asked(before, self._quarter_index(), self.now, is_spent=is_spent)
            self._shut(daemon, ask.lane, decision)
            return None
        changed, grant = decision
        self.witness.asked(before, grant.quarter.index, self.now, is_spent=False)
        self._write(changed)
        return grant, self.witness.grant(before, changed, grant, ask.lane, self.now)

    def _quarter_index(self) -> int:
        return quota.roll(self.ledger, instant(self.now), LENGTHS).quarter.index

    def _shut(self, daemon: Daemon, lane: Lane, wait: Wait) -> None:
        for shut in LANES if wait.spent or wait.inactive else (lane,):
            daemon.shut[shut] = wait.until.timestamp() + self._chance.uniform(1e-3, JITTER_SECONDS)

    def _send(self, daemon: Daemon, job: Job, held: list[tuple[Grant, Knowledge]]) -> None:
        """Send the step's next request with a permit in hand, or a new one where that has grown too old."""
        grant, knowledge = held.pop()
        if self.now >= grant.send_before.timestamp() - CONNECT_SECONDS:
            new = self._ask(daemon, Ask(job.lane, 1))
            if new is None:
                self._put_back(daemon, job)
                return
            grant, knowledge = new
        chance, latency = self._chance, self.climate.latency_seconds
        connecting, on_the_way = chance.uniform(0.0, 0.05), latency * chance.uniform(0.1, 0.9)
        if chance.random() < 0.005:  # as late as is promised
            connecting, on_the_way = chance.uniform(0, CONNECT_SECONDS), chance.uniform(0, TRANSIT_SECONDS)
        act = partial(self._count, daemon, daemon.life, job, held, grant, knowledge, self.now + connecting)
        self._later(connecting + min(on_the_way, TRANSIT_SECONDS), act)

    def _count(
        self,
        daemon: Daemon,
        life: int,
        job: Job,
        held: list[tuple[Grant, Knowledge]],
        grant: Grant,
        knowledge: Knowledge,
        sent_at: float,
    ) -> None:
        is_dead = daemon.life != life or not daemon.is_up
        if is_dead and daemon.died_at < sent_at:
            return  # killed between permit and send
        is_lost = self._chance.random() < self.climate.lost_share
        if is_lost and self._chance.random() < 0.5:
            self._later(TIMEOUT_SECONDS, partial(self._never, daemon, life, job, grant))
            return  # lost on its way to Strava
        counted = self.strava.count(self.strava_at(self.now))
        self.witness.count(counted, knowledge)
        if is_lost:
            self._later(TIMEOUT_SECONDS, partial(self._never, daemon, life, job, grant))
            return
        working, back = (self.climate.latency_seconds * self._chance.uniform(0.05, 0.6) for _ in range(2))
        if self._chance.random() < 0.002:
            working = self._chance.uniform(0, TIMEOUT_SECONDS - 6)
        edge = self._chance.choice([0.0, 0.0, 0.0, -0.9, 0.9])
        outcome = Outcome.APP_INACTIVE if self._is_inactive else counted.outcome
        answer = Answered(
            date_header(self.strava_at(self.now + working), edge),
            # Streams come last and carry no reading.
            None if job.calls == 2 and not held and outcome is Outcome.COUNTED else counted.reading,
            outcome,
        )
        self._later(working + back, partial(self._observe, daemon, life, job, held, grant, counted, answer))

    def _observe(
        self,
        daemon: Daemon,
        life: int,
        job: Job,
        held: list[tuple[Grant, Knowledge]],
        grant: Grant,
        counted: Counted,
        answer: Answered,
    ) -> None:
        if daemon.life != life or not daemon.is_up:
            return
        ledger, now = self.ledger, instant(self.now)
        settled = [one for one in daemon.lost if self.now >= one[0] + LOST_AFTER_SECONDS]
        for one in settled:
            ledger = quota.observe(ledger, one[1], Answered(None, None), now, LENGTHS)
            daemon.lost.remove(one)
        self._write(quota.observe(ledger, grant, answer, now, LENGTHS))
        low, high = quota.offset_bounds(self.ledger, now, LENGTHS)
        if not low <= self.strava_at(self.now) - self.now <= high:
            self.witness.broken.append(f"Strava's clock is not within {low:.3f} to {high:.3f} at {self.now:.3f}")
        self.witness.answer(self.ledger, grant, counted, answer)
        if answer.outcome is not Outcome.COUNTED:
            if answer.outcome is Outcome.RATE_LIMITED:
                self.witness.refusal(self.ledger)
            wait = quota.shut_until(self.ledger, Ask(Lane.LIVE, 1), now, LENGTHS, daemon.demand)
            if wait is not None:
                self._shut(daemon, Lane.LIVE, wait)
            self._put_back(daemon, job)
        elif held:
            self._send(daemon, job, held)
        else:
            self._end(daemon, job)

    def _never(self, daemon: Daemon, life: int, job: Job, grant: Grant) -> None:
        if daemon.life == life and daemon.is_up:
            daemon.lost.append((self.now, grant))
            self._put_back(daemon, job)

    def _put_back(self, daemon: Daemon, job: Job) -> None:
        self._later(RETRY_SECONDS, partial(self._queue, job))
        self._end(daemon, job)

    def _end(self, daemon: Daemon, job: Job) -> None:
        del daemon.running[id(job)]
        daemon.free += job.lane is not Lane.LIVE
        self._claim(daemon)

    # ── What all daemons share ───────────────────────────────────────────────────────────────────────────────

    def _write(self, changed: Ledger) -> None:
        past = quota.past_quarter(self.ledger, changed, LENGTHS)
        if past is not None:
            hour = self._hours.setdefault(int(past.began_at.timestamp() // HOUR), [0.0] * (1 + len(LANES)))
            for place, number in enumerate((past.seconds, *past.by_lane)):
                hour[place] += number
        self.ledger = changed

    def _learn(self, daemon: Daemon) -> None:
        """Learn now and then what the lanes need; what one daemon has read just now serves the others as well."""
        if self.now < daemon.learned_at + self.climate.learn_every_seconds:
            return
        if self.now >= self._demand_at + self.climate.learn_every_seconds:
            past = [
                quota.PastHour(instant(hour * HOUR), known[0], tuple(int(calls) for calls in known[1:]))
                for hour, known in self._hours.items()
            ]
            self._demand = quota.learned(past, instant(self.now), self.ledger.limits, LENGTHS)
            self._demand_at = self.now
        daemon.demand, daemon.learned_at = self._demand, self._demand_at
