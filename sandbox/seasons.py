"""An athlete's calendar: what he plans on each day of a year, and how fit and tired that leaves him.

A year is laid out at once, from the seed, the athlete's number and the year alone: it is the same whatever was
asked before and however much history is served. Days are counted from 1970-01-01. Refuses to draw activities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sandbox.corruptions import RATES, possible
from sandbox.efforts import BETWEEN_SECONDS, WARM_SECONDS
from sandbox.habits import TASTES, Habits, Nature

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

SLOTS = 2  # sessions a day at most
REST = -1
EPOCH = date(1970, 1, 1)
YEARS_KEPT = 128

SHAPED = (0, 2, 3)  # places in TASTES that know more than the steady shape
SHAPE_NAMES = ("steady", "tempo", "threshold", "intervals", "all_out")
ALL_OUT = SHAPE_NAMES.index("all_out")
QUALITY_SHARES = np.array((0.08, 0.45, 0.10, 0.45, 0.05, 0.25, 0.08))  # Monday to Sunday: more than steady
CASUAL_QUALITY = 0.2
SHORTEST_MINUTES = np.array((45, 35, 40, 30, 25, 30, 30, 30, 80))
LONGEST_MINUTES = np.array((130, 75, 75, 75, 65, 55, 75, 75, 220))
WEEKEND_LENGTH = np.array((1.5, 1.0, 1.1, 1.35, 1.0, 1.0, 1.0, 1.2, 1.2))
# Squared intensity, for the planned load: the five shapes, and the kinds that know one only.
SHAPE_STRAIN = np.array((0.45, 0.62, 0.72, 0.70, 0.68))
TASTE_STRAIN = np.array((0, 0.4, 0, 0, 0.55, 0.3, 0.4, 0.15, 0.3))

FITNESS_DAYS, FATIGUE_DAYS = 42.0, 7.0
FITTER, TIRED = 1.5, 0.6  # how strongly each of the two moves an athlete within his swing
LEAST_DAILY_LOAD = 8.0

# Seconds of the all-out efforts of one day, in turn: tests of two efforts, races of one.
MENU: tuple[tuple[int, ...], ...] = ((180, 720), (2_100,), (300, 1_200), (1_920,), (240, 840))
COOL_SECONDS = 720


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One year of plans by day and slot: places in TASTES (or REST), SHAPE_NAMES and the corruptions possible."""

    first_day: int
    tastes: Whole
    shapes: Whole
    seconds: Whole
    hours: Array
    seeds: Whole
    corruptions: Whole
    menus: Whole  # by day: place in MENU, -1 where nothing is all out
    spreads: Array  # by day: how much longer than the menu says, 0 to 1
    loads: Array  # by day
    summerness: Array  # by day: 1 in the middle of his season, 0 half a year away


@dataclass(frozen=True, slots=True)
class Year:
    """A layout with what comes of it: `form` is the share of his usual thresholds that he has on each day."""

    layout: Layout
    fitness: Array
    fatigue: Array
    form: Array


def year_of(day: int) -> int:
    """Return the calendar year of a day."""
    return date.fromordinal(EPOCH.toordinal() + day).year


def _first_day(year: int) -> int:
    return date(year, 1, 1).toordinal() - EPOCH.toordinal()


def all_out_seconds(menu: int, spread: float) -> tuple[int, ...]:
    """Return the lengths of one day's efforts; `spread`, 0 to 1, makes them up to 8 % shorter or longer."""
    return tuple(round(seconds * (0.92 + 0.16 * spread)) for seconds in MENU[menu])


def _breaks(random: np.random.Generator, habits: Habits, days: int) -> tuple[NDArray[np.bool_], Array]:
    """Return the days off, and the share of training that holidays leave."""
    off = np.zeros(days, dtype=np.bool_)
    share = np.ones(days)
    lots = random.random(8)
    resting = int(10 + 14 * lots[0])
    start = min(int((habits.peak_day + 182 + 30 * (lots[1] - 0.5)) % 365), days - resting)
    off[start : start + resting] = True
    if lots[2] < 0.35:  # ill or hurt
        start = int(lots[3] * (days - 20))
        off[start : start + int(5 + 12 * lots[4])] = True
    start = int((habits.peak_day + 80 * (lots[5] - 0.5)) % 350)
    share[start : start + int(7 + 7 * lots[6])] = 0.3  # the family's summer holiday
    share[357:360] = 0.3  # Christmas
    return off, share


def _choose_tastes(habits: Habits, summerness: Array, lots: Array) -> Whole:
    summer, winter = np.array(habits.summer), np.array(habits.winter)
    weights = np.outer(summerness, summer / summer.sum()) + np.outer(1 - summerness, winter / winter.sum())
    chosen: Whole = (lots[:, :, None] >= np.cumsum(weights, axis=1)[:, None, :]).sum(axis=2)
    return np.minimum(chosen, len(TASTES) - 1)


def _hard_days(habits: Habits, nature: Nature, number: int, days: Whole) -> tuple[NDArray[np.bool_], Whole]:
    """Mark one day in every so many weeks, by counts that do not begin anew with the year; with its ordinal."""
    if not habits.hard_every_weeks:
        return np.zeros(days.size, dtype=np.bool_), np.zeros(days.size, dtype=np.int64)
    weeks, weekdays = np.divmod(days + 3, 7)  # the first of January 1970 was a Thursday
    ordinal, place = np.divmod(weeks + habits.hard_phase, habits.hard_every_weeks)
    mixed = (weeks * 2_654_435_761 + number * 40_503 + nature.seed * 97) >> 7
    return (place == 0) & (weekdays == np.array((5, 6, 2))[mixed % 3]), ordinal


def _seconds(habits: Habits, tastes: Whole, lots: Array, weekend: NDArray[np.bool_], summerness: Array) -> Whole:
    low, high = SHORTEST_MINUTES[tastes], LONGEST_MINUTES[tastes]
    minutes = (low + (high - low) * lots**1.3) * habits.length * (0.85 + 0.25 * summerness)[:, None]
    minutes = minutes * np.where(weekend[:, None], WEEKEND_LENGTH[tastes], 1.0)
    clipped: Whole = np.rint(60 * np.clip(minutes, 20, 330)).astype(np.int64)
    return clipped


def _corruptions(nature: Nature, tastes: Whole, habits: Habits, lots: Array) -> Whole:
    """Return the place in `possible` of what goes wrong, -1 for nothing."""
    struck: Whole = np.full(tastes.shape, -1, dtype=np.int64)
    for place in np.unique(tastes[tastes != REST]).tolist():
        kinds = possible(kind_of(TASTES[place], habits), strap=habits.has_strap)
        ends = np.cumsum([RATES[kind] for kind in kinds]) * nature.corruption_scale
        of_taste = tastes == place
        found = np.searchsorted(ends, lots[of_taste], side="right") if kinds else np.array(0)
        struck[of_taste] = np.where(found < len(kinds), found, -1)
    return struck


def kind_of(taste: str, habits: Habits) -> str:
    """Return the kind of session behind a taste."""
    if taste == "ride_estimated" or (taste == "ride" and habits.estimated_share):
        return "ride_meterless"  # a watch feels the pulse on the way to work too
    return "run" if taste in {"walk", "hike"} else taste


@lru_cache(maxsize=YEARS_KEPT)
def lay_out(nature: Nature, number: int, year: int, habits: Habits) -> Layout:
    """Lay out one year of one athlete."""
    first, count = _first_day(year), _first_day(year + 1) - _first_day(year)
    random = np.random.default_rng([nature.seed % 2**63, number, year])
    lots = random.random((7, 366, SLOTS))[:, :count]
    seeds: Whole = random.integers(0, 2**53, (366, SLOTS))[:count]
    days: Whole = np.arange(first, first + count)
    weekdays = (days + 3) % 7
    weekend = weekdays >= 5
    summerness: Array = 0.5 + 0.5 * np.cos(2 * math.pi * (np.arange(count) - habits.peak_day) / 365)
    off, left = _breaks(random, habits, count)
    resting_week = (days + 3) // 7 % 4 == habits.hard_phase % 4
    share = np.array(habits.weekday_shares)[weekdays] * (0.75 + 0.4 * summerness) * left
    trains = (lots[0, :, 0] < share * np.where(resting_week, 0.75, 1.0)) & ~off

    hard, ordinal = _hard_days(habits, nature, number, days)
    hard &= ~off
    trains[:-1] &= ~(hard[1:] & (lots[0, :-1, 1] < 0.6))  # the day before is often free
    trains |= hard
    tastes = _choose_tastes(habits, summerness, lots[1])
    quality = QUALITY_SHARES[weekdays] * (1.0 if habits.tested else CASUAL_QUALITY)
    shaped = (lots[2] < quality[:, None]) & np.isin(tastes, SHAPED)
    shapes: Whole = np.where(shaped, 1 + np.searchsorted((0.4, 0.73), lots[3]), 0)
    seconds = _seconds(habits, tastes, lots[4], weekend, summerness)
    hours: Array = np.where(weekend, habits.weekend_hour, habits.weekday_hour)[:, None] + 1.2 * (lots[5] - 0.5)
    hours[:, 1] = 18.5 + lots[5, :, 1] if habits.weekday_hour < 15 else 6.2 + 0.8 * lots[5, :, 1]
    tastes[~trains] = REST
    tastes[~(trains & ~hard & (lots[0, :, 1] < habits.double_share)), 1] = REST
    menus = _go_hard(habits, (hard, ordinal), summerness, (tastes, shapes, seconds), lots[4, :, 0])
    strain = np.where(np.isin(tastes, SHAPED), SHAPE_STRAIN[shapes], TASTE_STRAIN[tastes])
    loads: Array = (np.where(tastes == REST, 0.0, strain) * seconds).sum(axis=1) / 36
    corruptions = _corruptions(nature, tastes, habits, lots[6])
    return Layout(
        first_day=first, tastes=tastes, shapes=shapes, seconds=seconds, hours=hours, seeds=seeds,
        corruptions=corruptions, menus=menus, spreads=lots[4, :, 0].copy(), loads=loads, summerness=summerness,
    )  # fmt: skip


def _go_hard(
    habits: Habits,
    marked: tuple[NDArray[np.bool_], Whole],
    summerness: Array,
    plans: tuple[Whole, Whole, Whole],
    lots: Array,
) -> Whole:
    """Turn the marked days' first sessions into tests and races, in place; return the menus by day."""
    hard, ordinal = marked
    tastes, shapes, seconds = plans
    menus: Whole = np.full(hard.size, -1, dtype=np.int64)
    for day in np.flatnonzero(hard).tolist():
        turn, which = divmod(int(ordinal[day]), len(habits.tested))
        taste = habits.tested[which]
        if taste == "swim":
            menus[day], seconds[day, 0] = 0, 2_700
        else:
            menus[day] = turn % len(MENU)
            efforts = all_out_seconds(int(menus[day]), float(lots[day]))
            pauses = BETWEEN_SECONDS * (len(efforts) - 1)
            seconds[day, 0] = WARM_SECONDS + sum(efforts) + pauses + COOL_SECONDS
            indoors = taste == "ride" and summerness[day] < 0.25 and habits.has_meter
            taste = "indoor" if indoors else taste
        tastes[day, 0], shapes[day, 0] = TASTES.index(taste), ALL_OUT
    return menus


def _trail(loads: list[float], days: float, start: float) -> list[float]:
    keep, level, levels = math.exp(-1 / days), start, []
    for load in loads:
        level = load + (level - load) * keep
        levels.append(level)
    return levels


@lru_cache(maxsize=YEARS_KEPT)
def live_through(nature: Nature, number: int, year: int, habits: Habits) -> Year:
    """Let one year's training make an athlete fitter and tired.

    The year before counts too; of what came earlier less than 0.02 % would be left. Form is
    1 ± season_swing at most: fitness and fatigue are the exponential means over 42 and 7 days, each against
    the athlete's own mean.
    """
    layout, before = (lay_out(nature, number, one, habits) for one in (year, year - 1))
    loads = np.concatenate([before.loads, layout.loads])
    usual = max(float(loads.mean()), LEAST_DAILY_LOAD)
    fitness, fatigue = (
        np.array(_trail(loads.tolist(), days, usual))[before.loads.size :] for days in (FITNESS_DAYS, FATIGUE_DAYS)
    )
    # What an athlete trains today makes him fitter and tired tomorrow.
    state = (FITTER * (fitness - usual) - TIRED * (fatigue - fitness)) / usual
    shifted = np.concatenate([state[:1], state[:-1]])
    form: Array = 1 + nature.season_swing * habits.swing * np.tanh(shifted)
    return Year(layout, fitness, fatigue, form)
