"""A fleet under one policy in virtual time: who is looked at when, what it costs, how soon news are known.

The policy is asked as the daemon asks it: `daemon.core.freshness.should_sync`, one athlete at a time, with what the
daemon would know. The old systems ask nobody. The quota is Strava's: a quarter's and a day's; live work first, then
looks in order of urgency, from what live work will probably leave. Requests take no time, minutes are the grain.

A `Skip` says until when it holds if nothing happens; until then that athlete is not asked again for that occasion.
tests/unit/core/test_freshness.py proves that the answer would be the same.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from bench.beginnings import SAMPLE, fleet_at_the_start, instant, usual
from bench.lives import DAILY_ACTIVITIES, DAY, NEVER, START, Floats, Lives
from bench.score import Meter, Quota, Score, Setting
from daemon.core.fleet import span, unseen
from daemon.core.freshness import (
    AUDITED,
    PASSED,
    STALE_URGENCY,
    Affordable,
    Athlete,
    Doubt,
    Occasion,
    Policy,
    Proof,
    Skip,
    affordable,
    doubt,
    should_sync,
    summed_up,
)
from daemon.core.habits import learned
from daemon.core.hearing import hearing

QUARTER: Final = 15
LOOK_CALLS: Final = 2  # of a new activity: its detail and its streams, whoever found it
WALK_CALLS: Final = 4  # two years in pages of 200, and the empty page
AN_EVENT_IS_LATE: Final = 5  # minutes: younger news that a look finds is not called missed
SETTLING_DAYS: Final = 1  # at the start, not measured
LEFT_OUT: Final = 27 * DAY  # between the days and the walk that finds what is still hidden
ALIKE: Final = {Occasion.INGESTION_TICK, Occasion.BACKGROUND_SYNC, Occasion.QUICK_SYNC}  # to the adaptive policy
PATIENCE_DAYS: Final = 4

Rule = Policy | str  # a policy of the daemon, or one of OLD
OLD: Final = {"old A": 30, "old B": 210}  # all, every so many minutes
TICK: Final = 30
EVERY: Final = {Occasion.INGESTION_TICK: TICK, Occasion.BACKGROUND_SYNC: 360, Occasion.QUICK_SYNC: 210}
DAILY: Final = {Occasion.DAILY_SYNC: 2 * 60, Occasion.MONTHLY_WALK: 4 * 60}


class Fleet:
    """One run."""

    def __init__(self, setting: Setting, rule: Rule) -> None:
        self.setting, self.rule = setting, rule
        self.end = (SETTLING_DAYS + setting.days) * DAY
        self.lives = Lives.drawn(
            setting.seed,
            setting.athletes,
            0,
            SETTLING_DAYS + setting.days,
            dropped=setting.dropped,
            dropped_from=SETTLING_DAYS * DAY,
            outages=setting.outages,
        )
        self.known: Floats = np.full(self.lives.visible.size, NEVER)
        self.athletes = [*fleet_at_the_start(setting.seed, setting.athletes)]
        self.anybody = usual(setting.seed, setting.athletes)
        self.unseen: defaultdict[int, list[int]] = defaultdict(list)
        self.live: deque[int] = deque()
        self.streams: deque[int] = deque()
        self.asks: dict[int, tuple[float, timedelta]] = {}
        self.walks: dict[int, float] = {}
        self.order: list[tuple[float, int]] = []
        self.asleep: dict[Occasion, Floats] = defaultdict(lambda: np.zeros(setting.athletes))
        self.proof = Proof(START, START, START, anybody=self.anybody)
        self.heard: list[datetime] = [START]
        self.quota = Quota(setting.calls_a_day, setting.calls_a_quarter)
        self.meter = Meter()
        self.spent = np.zeros((setting.athletes, SETTLING_DAYS + setting.days), dtype=np.int32)
        self.may = Affordable(0, 0)
        self.minute = 0

    def run(self) -> Score:
        """Live through the days, and then through what it takes to find what is still hidden."""
        self._days(self.end)
        waiting = int(np.isinf(self.known[self.lives.visible >= SETTLING_DAYS * DAY]).sum())
        calls, looks, blind = self.meter.calls, self.meter.looks, self.meter.longest_blind
        if self.setting.to_the_end:
            self._days(self.end + DAY)
            self.minute += LEFT_OUT
            self.heard = [instant(self.minute)]
            self._prove(replace(self.proof, verified_at=self.heard[0], event_at=self.heard[0]))
            for _ in range(PATIENCE_DAYS):
                if np.isinf(self.known).any():
                    self._days(self.minute + DAY)
        return self._score(calls, looks, waiting, blind)

    def _days(self, until: int) -> None:
        """Live minute by minute until then."""
        visible, athlete = self.lives.visible, self.lives.athlete
        by_delivery = np.argsort(self.lives.delivered, kind="stable")
        shown = int(np.searchsorted(visible, self.minute, side="left"))
        told = int(np.searchsorted(self.lives.delivered[by_delivery], self.minute, side="left"))
        size = visible.size
        while self.minute < until:
            minute = self.minute
            if minute % DAY == 0:
                self.quota.today = 0
            if minute % QUARTER == 0:
                self.quota.now = 0
            while shown < size and visible[shown] < minute + 1:
                if np.isinf(self.known[shown]):
                    self.unseen[int(athlete[shown])].append(shown)
                shown += 1
            downtimes = [one for one in self.setting.outages if not one.silent]
            is_down = any(one.began <= minute < one.ended for one in downtimes)
            recovers = any(one.ended == minute for one in downtimes)
            while told < size and self.lives.delivered[by_delivery[told]] < minute + 1:
                self._told_of(int(by_delivery[told]))
                told += 1
            if minute == SETTLING_DAYS * DAY:
                self.meter = Meter()
            if not is_down:
                self._occasions(minute, recovers=recovers)
                self._serve(minute)
            if minute % 60 == TICK - 1 and not self.setting.outages:  # what a tick finds, it mends
                now = instant(minute)
                stale = summed_up(span(unseen(one, now, self.proof), now) for one in self.athletes[:SAMPLE])
                self.meter.longest_blind = max(self.meter.longest_blind, stale.longest)
            self.minute += 1

    def _told_of(self, index: int) -> None:
        """Take an event in."""
        athlete = int(self.lives.athlete[index])
        at = instant(float(self.lives.delivered[index]))
        self._change(athlete, replace(self.athletes[athlete], event_at=at))
        if at - self.heard[-1] >= timedelta(minutes=1):
            self.heard.append(at)
        self.proof = replace(self.proof, event_at=at)
        self.live.append(index)

    def _change(self, athlete: int, now: Athlete) -> None:
        """Something happened: what a Skip promised holds no longer."""
        self.athletes[athlete] = now
        for until in self.asleep.values():
            until[athlete] = 0.0

    def _occasions(self, minute: int, *, recovers: bool) -> None:
        """Ask the policy about everybody, where a timer fires."""
        if minute % 60 == 0:
            self._verify()
        if recovers:
            outage = next(one for one in self.setting.outages if one.ended == minute)
            self._prove(
                replace(
                    self.proof, up_since=instant(minute), verified_at=instant(minute), down_at=instant(outage.began)
                )
            )
        if isinstance(self.rule, str):
            if minute % OLD[self.rule] == 0 or recovers:
                self._ask_everybody(minute)
            return
        due = [occasion for occasion, every in EVERY.items() if minute % every == 0]
        if recovers and Occasion.INGESTION_TICK not in due:
            due.append(Occasion.INGESTION_TICK)
        due += [occasion for occasion, at in DAILY.items() if self._fell(at, minute, recovers=recovers)]
        if due:
            self._listen(minute)
            for occasion in due:
                self._consider(occasion, minute, self.rule)
            self._sort()

    def _ask_everybody(self, minute: int) -> None:
        """Do as the old systems did, stalest first."""
        for athlete, one in enumerate(self.athletes):
            self._ask(athlete, (instant(minute) - (one.synced_at or START)) / timedelta(hours=1), AUDITED)
        self._sort()

    def _fell(self, minute_of_day: int, minute: int, *, recovers: bool) -> bool:
        """Tell whether a daily timer is due: at its minute, or once after the downtime that hid it."""
        if not recovers:
            return minute % DAY == minute_of_day
        outage = next(one for one in self.setting.outages if one.ended == minute)
        return (minute - minute_of_day) // DAY != (outage.began - 1 - minute_of_day) // DAY

    def _verify(self) -> None:
        self.proof = replace(self.proof, verified_at=instant(self.minute))

    def _prove(self, proof: Proof) -> None:
        """Everybody is to be asked about anew."""
        self.proof = proof
        self.asleep.clear()

    def _listen(self, minute: int) -> None:
        now = instant(minute)
        while len(self.heard) > 1 and now - self.heard[1] > timedelta(days=2):
            self.heard.pop(0)
        up_since = self.proof.up_since or START
        found = hearing(self.heard, max(up_since, self.heard[0]), self.setting.athletes, self.anybody, now)
        changed = (found.silent_since is None) != (self.proof.silent_since is None)
        if changed or found.heard_since not in {None, self.proof.heard_since}:
            heard = replace(self.proof, silent_since=found.silent_since)
            if found.heard_since is not None:
                heard = replace(heard, heard_since=found.heard_since, unheard_from=found.unheard_from)
            self._prove(heard)

    def _consider(self, occasion: Occasion, minute: int, policy: Policy) -> None:
        now = instant(minute)
        is_alike = policy.name == "adaptive" and occasion in ALIKE
        until = self.asleep[Occasion.INGESTION_TICK if is_alike else occasion]
        for athlete in np.nonzero(until <= minute)[0].tolist():
            decision = should_sync(self.athletes[athlete], occasion, now, self.proof, policy)
            self.meter.decisions += 1
            self.meter.why[decision.why] += 1
            if isinstance(decision, Skip):
                until[athlete] = (decision.until - START) / timedelta(minutes=1)
            elif occasion is Occasion.MONTHLY_WALK:
                self.walks[athlete] = decision.urgency
            else:
                self._ask(athlete, decision.urgency, decision.lookback)

    def _ask(self, athlete: int, urgency: float, lookback: timedelta) -> None:
        """Asks for one athlete coalesce: the highest urgency, the widest lookback."""
        before = self.asks.get(athlete)
        if before is not None:
            urgency, lookback = max(urgency, before[0]), max(lookback, before[1])
        self.asks[athlete] = (urgency, lookback)

    def _sort(self) -> None:
        self.order = [(-urgency, athlete) for athlete, (urgency, _) in self.asks.items()]
        self.order += [
            (-urgency, -1 - athlete) for athlete, urgency in self.walks.items() if athlete not in self.asks
        ]
        heapq.heapify(self.order)

    def _serve(self, minute: int) -> None:
        """Spend what the quota allows: events first, then what looks have found, then looks."""
        now = instant(minute)
        while self.live and self.quota.left() >= LOOK_CALLS:
            index = self.live.popleft()
            athlete = int(self.lives.athlete[index])
            is_known = not np.isinf(self.known[index])
            self._spend(athlete, 1 if is_known else LOOK_CALLS, minute)
            if not is_known:
                self._know(index, max(float(self.lives.delivered[index]) + 0.05, minute))
        if minute % QUARTER == 0:
            self.may = self._affordable(minute)
        day, quarter = self._reserve(minute)
        while self.streams and self.quota.left() >= LOOK_CALLS:
            self._fetch(self.streams.popleft(), minute)
        while self.order and self.may.looks > 0 and self.quota.left(day, quarter) >= WALK_CALLS:
            if -self.order[0][0] < STALE_URGENCY and self.may.less_urgent <= 0:
                return
            self._next_look(now, minute)
            while self.streams and self.quota.left() >= LOOK_CALLS:
                self._fetch(self.streams.popleft(), minute)

    def _affordable(self, minute: int) -> Affordable:
        """Return the looks of this quarter; the old systems know no such thing."""
        left = DAY - minute % DAY
        if isinstance(self.rule, str) or self.rule.name == "fixed":
            return Affordable(self.setting.calls_a_day, self.setting.calls_a_day)
        calls = max(0, self.quota.left(self._reserve(minute)[0], -self.quota.a_day))
        sample = self.athletes[:SAMPLE]
        lasting = sum(doubted.why not in PASSED for doubted in self._doubts(sample, minute))
        return affordable(
            calls, lasting * len(self.athletes) // len(sample), timedelta(minutes=left), timedelta(minutes=QUARTER)
        )

    def _doubts(self, sample: list[Athlete], minute: int) -> list[Doubt]:
        doubts = (doubt(athlete, instant(minute), self.proof) for athlete in sample)
        return [one for one in doubts if one is not None]

    def _fetch(self, index: int, minute: int) -> None:
        """Fetch what a look has found, unless an event came first."""
        if np.isinf(self.known[index]):
            self._spend(int(self.lives.athlete[index]), LOOK_CALLS, minute)
            self._know(index, minute + 0.05)

    def _next_look(self, now: datetime, minute: int) -> None:
        """Look at the most urgent; in `order` a walk over athlete `n` stands as -1 - n."""
        urgency, athlete = heapq.heappop(self.order)
        if athlete < 0:
            if self.walks.pop(-1 - athlete, None) is None:
                return
            self._look(-1 - athlete, now, None, minute)
        elif athlete in self.asks:
            self._look(athlete, now, self.asks.pop(athlete)[1], minute)
        else:
            return
        less_urgent = self.may.less_urgent - (1 if -urgency < STALE_URGENCY else 0)
        self.may = Affordable(self.may.looks - 1, less_urgent)

    def _reserve(self, minute: int) -> tuple[float, float]:
        """Return the calls of this day and of this quarter that new activities will probably need."""
        a_minute = self.setting.athletes * DAILY_ACTIVITIES * LOOK_CALLS / DAY
        if self.proof.silent_since is not None:
            return a_minute * (DAY - minute % DAY), 0.0
        return a_minute * (DAY - minute % DAY), a_minute * (QUARTER - minute % QUARTER)

    def _look(self, athlete: int, now: datetime, lookback: timedelta | None, minute: int) -> None:
        """Look at a list: `lookback` far, or all of it where that is None."""
        self._spend(athlete, 1 if lookback is not None else WALK_CALLS, minute)
        self.meter.looks += 1
        before = self.athletes[athlete]
        missed_at, active_at = before.missed_at, before.active_at
        reached = (now - lookback - START) / timedelta(minutes=1) if lookback is not None else -NEVER
        for index in self.unseen[athlete]:
            if self.lives.start[index] < reached:
                continue
            self.streams.append(index)
            if self.lives.delivered[index] > minute and self.lives.visible[index] < minute - AN_EVENT_IS_LATE:
                missed_at = now
        if lookback is None:
            after = replace(before, walked_at=now, missed_at=missed_at)
        else:
            reached_to = now - lookback
            after = replace(
                before,
                synced_at=now,
                reached_to=reached_to,
                missed_at=missed_at,
                active_at=active_at,
                audited_at=now if lookback >= AUDITED else before.audited_at,
            )
        self._change(athlete, after)

    def _know(self, index: int, minute: float) -> None:
        """Store it, and learn his habits from it."""
        self.known[index] = minute
        athlete = int(self.lives.athlete[index])
        if index in self.unseen[athlete]:
            self.unseen[athlete].remove(index)
        before = self.athletes[athlete]
        started = instant(float(self.lives.start[index]))
        uploads, uploads_at = learned(before.uploads, before.uploads_at, instant(float(self.lives.visible[index])))
        active_at = started if before.active_at is None else max(before.active_at, started)
        self._change(athlete, replace(before, active_at=active_at, uploads=uploads, uploads_at=uploads_at))

    def _spend(self, athlete: int, calls: int, minute: int) -> None:
        self.quota.spend(calls)
        self.meter.calls += calls
        day = minute // DAY
        if day < self.spent.shape[1]:
            self.spent[athlete, day] += calls

    def _score(self, calls: int, looks: int, waiting: int, blind: timedelta) -> Score:
        lives, setting = self.lives, self.setting
        counted = lives.visible >= SETTLING_DAYS * DAY
        # What is not known by now waits for that long at least.
        freshness = np.minimum(self.known, self.minute)[counted] - lives.visible[counted]
        busy = np.zeros_like(self.spent, dtype=bool)
        busy[lives.athlete, np.maximum(0, lives.visible // DAY).astype(int)] = True
        idle = ~busy[:, SETTLING_DAYS:]
        lost = counted & np.isinf(lives.delivered)
        if setting.outages:
            outage = setting.outages[0]
            hid = lost & (lives.visible >= outage.began - 1) & (lives.visible < outage.ended)
            hid &= lives.visible - lives.start < AUDITED / timedelta(minutes=1)
            hidden = np.maximum(0.0, np.minimum(self.known, self.minute)[hid] - outage.ended)
        else:
            # Older rides than an audit reaches wait for the walk.
            hid = lost & (lives.visible - lives.start < AUDITED / timedelta(minutes=1))
            hidden = np.minimum(self.known, self.minute)[hid] - lives.visible[hid]
        return Score(
            freshness=freshness,
            hidden=hidden,
            found=int(counted.sum()),
            calls=calls,
            looks=looks,
            idle_calls=float(self.spent[:, SETTLING_DAYS:][idle].mean()) if idle.any() else 0.0,
            waiting=waiting,
            missed_forever=int((counted & np.isinf(self.known)).sum()),
            longest_blind_hours=blind / timedelta(hours=1),
            decisions=self.meter.decisions,
            why=self.meter.why,
            athlete_days=setting.athletes * setting.days,
        )
