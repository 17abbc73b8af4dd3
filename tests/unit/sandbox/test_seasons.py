"""Habits on the calendar: the same for the same seed, within the stated bounds, with the stated shares."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sandbox.corruptions import RATES, possible
from sandbox.habits import PROFILES, TASTES, Habits, Nature, habits_of, profile_of
from sandbox.seasons import ALL_OUT, REST, SHAPE_NAMES, kind_of, lay_out, live_through

NATURE = Nature(seed=7)
YEAR = 2025


def habits(number: int, nature: Nature = NATURE) -> Habits:
    return habits_of(nature, number, southern=False)


def hard_days(number: int, nature: Nature = NATURE) -> int:
    layout = lay_out(nature, number, YEAR, habits(number, nature))
    return int((layout.shapes[layout.tastes != REST] == ALL_OUT).sum())


def test_profiles_come_in_their_shares_and_the_first_five_athletes_are_a_mixed_team() -> None:
    assert sum(profile.share for profile in PROFILES.values()) == pytest.approx(1)
    drawn = Counter(profile_of(number) for number in range(2_000))
    for name, profile in PROFILES.items():
        assert drawn[name] / 2_000 == pytest.approx(profile.share, abs=0.01)
    assert len({profile_of(number) for number in range(5)}) >= 4
    assert profile_of(0) == "cyclist"


def test_a_year_is_the_same_whatever_was_asked_before() -> None:
    first = live_through(NATURE, 3, YEAR, habits(3))
    lay_out.cache_clear()
    live_through.cache_clear()
    for year in (2021, 2026, 2024):
        live_through(NATURE, 4, year, habits(4))
    again = live_through(NATURE, 3, YEAR, habits(3))
    assert np.array_equal(first.form, again.form)
    for name in ("tastes", "shapes", "seconds", "hours", "seeds", "corruptions", "menus", "loads"):
        assert np.array_equal(getattr(first.layout, name), getattr(again.layout, name)), name


def test_two_seeds_are_two_worlds() -> None:
    other = Nature(seed=8)
    assert habits(0) != habits(0, other)
    one, two = (lay_out(nature, 0, YEAR, habits(0)) for nature in (NATURE, other))
    assert not np.array_equal(one.seeds, two.seeds)


@pytest.mark.parametrize("swing", [0.0, 0.04, 0.1])
def test_fitness_and_fatigue_stay_within_the_season_swing_and_use_it(swing: float) -> None:
    nature = Nature(seed=7, season_swing=swing)
    reached = []
    for number in range(40):
        form = live_through(nature, number, YEAR, habits(number, nature)).form
        assert np.all(np.abs(form - 1) <= swing + 1e-12)
        reached.append(float(np.ptp(form)))
    assert max(reached) >= swing


def test_one_year_goes_over_into_the_next_without_a_step() -> None:
    for number in range(10):
        old, new = (live_through(NATURE, number, year, habits(number)) for year in (YEAR, YEAR + 1))
        assert abs(old.fitness[-1] - new.fitness[0]) < 0.15 * old.fitness.mean()
        assert abs(old.form[-1] - new.form[0]) < 0.02


def test_training_makes_fitter_and_tired_and_a_break_makes_neither() -> None:
    lived = live_through(NATURE, 0, YEAR, habits(0))
    fatigue = lived.fatigue
    assert np.ptp(fatigue) > np.ptp(lived.fitness)
    loads = lived.layout.loads
    heavy, idle = loads[1:] > 1.5 * loads.mean(), loads[1:] == 0
    assert np.all(np.diff(fatigue)[heavy & (fatigue[:-1] < 1.5 * loads.mean())] > 0)
    assert np.all(np.diff(fatigue)[idle] < 0)


def test_everybody_who_goes_hard_does_so_six_times_a_year_and_the_stated_share_never() -> None:
    serious = [number for number in range(400) if PROFILES[profile_of(number)].tested]
    times = {number: hard_days(number) for number in serious}
    goes = {number: habits(number).goes_hard for number in serious}
    assert all((times[number] > 0) is goes[number] for number in serious)
    assert 1 - sum(goes.values()) / len(serious) == pytest.approx(NATURE.never_hard_share, abs=0.04)
    counted = [times[number] for number in serious if goes[number]]
    assert sum(count >= 6 for count in counted) / len(counted) >= 0.97
    assert max(counted) <= 18
    assert not any(hard_days(number) for number in range(100) if profile_of(number) == "casual")
    assert not any(hard_days(number, Nature(seed=7, never_hard_share=1.0)) for number in serious[:40])


def test_breaks_of_more_than_a_week_happen_to_everybody() -> None:
    for number in range(30):
        trains = (lay_out(NATURE, number, YEAR, habits(number)).tastes != REST).any(axis=1)
        longest = max(len(run) for run in "".join("x" if day else "." for day in trains).split("x"))
        assert longest >= 8


def test_cyclists_ride_in_their_season_and_go_indoors_out_of_it() -> None:
    indoor, ride = TASTES.index("indoor"), TASTES.index("ride")
    summer, winter = Counter[int](), Counter[int]()
    for number in range(60):
        if profile_of(number) == "cyclist":
            layout = lay_out(NATURE, number, YEAR, habits(number))
            summer.update(layout.tastes[layout.summerness > 0.8].ravel().tolist())
            winter.update(layout.tastes[layout.summerness < 0.2].ravel().tolist())
    assert winter[indoor] / winter[ride] > 5 * summer[indoor] / summer[ride]


def test_corruptions_strike_at_their_stated_rates_and_only_where_the_channel_is() -> None:
    struck, exposed = Counter[str](), Counter[str]()
    for number in range(300):
        layout = lay_out(NATURE, number, YEAR, habits(number))
        taken = layout.tastes != REST
        for taste, found in zip(layout.tastes[taken].tolist(), layout.corruptions[taken].tolist(), strict=True):
            kinds = possible(kind_of(TASTES[taste], habits(number)), strap=habits(number).has_strap)
            exposed.update(kinds)
            if found >= 0:
                struck[kinds[found]] += 1
    for kind, rate in RATES.items():
        if exposed[kind] * rate > 50:
            assert struck[kind] / exposed[kind] == pytest.approx(rate, rel=0.3), kind
    clean = Nature(seed=7, corruption_scale=0)
    assert all(
        (lay_out(clean, number, YEAR, habits(number, clean)).corruptions == -1).all() for number in range(20)
    )


def test_the_shares_of_shapes_and_hours_are_those_of_people() -> None:
    shapes, hours = Counter[str](), []
    for number in range(60):
        layout = lay_out(NATURE, number, YEAR, habits(number))
        taken = layout.tastes != REST
        shapes.update(SHAPE_NAMES[shape] for shape in layout.shapes[taken].tolist())
        hours.extend(layout.hours[taken].tolist())
    assert shapes["steady"] / sum(shapes.values()) > 0.55
    assert min(shapes[name] for name in ("tempo", "threshold", "intervals")) / sum(shapes.values()) > 0.02
    assert min(hours) > 5
    assert max(hours) < 21
