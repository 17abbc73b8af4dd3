"""What becomes of an estimate: every step of caution, at its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.science.evidence import Activity, Estimate, Kind, Outcome, RestingReading, Unknown, Without
from daemon.science.thresholds import (
    FROM_THE_BEGINNING,
    InForce,
    Kept,
    Occasion,
    Row,
    Standing,
    decide,
    is_due,
    look,
    look_at_rest,
)
from tests.support.efforts import TODAY, activity, curve, days_ago, held, season

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WRITTEN_ON = days_ago(40)


def estimate(value: float, *, newest: int = 3, **changes: object) -> Estimate:
    plain: dict[str, object] = {
        "kind": Kind.FTP,
        "value": value,
        "standard_error": 5.0,
        "method": "critical_power",
        "newest_on": days_ago(newest),
        "explanation": "The line says so.",
        "evidence": {"points": 4},
    }
    return Estimate(**{**plain, **changes})  # type: ignore[arg-type]


def standing(value: float, **changes: object) -> Standing:
    plain: dict[str, object] = {
        "value": value,
        "method": "critical_power",
        "effective_on": days_ago(50),
        "written_on": WRITTEN_ON,
    }
    return Standing(**{**plain, **changes})  # type: ignore[arg-type]


def decided(outcome: Outcome, in_force: InForce, occasion: Occasion = Occasion.WEEKLY) -> Row | Kept:
    return decide(outcome, in_force, occasion, TODAY)


def row(outcome: Outcome, in_force: InForce, occasion: Occasion = Occasion.WEEKLY) -> Row:
    decision = decided(outcome, in_force, occasion)
    assert isinstance(decision, Row), decision
    return decision


def kept(outcome: Outcome, in_force: InForce, occasion: Occasion = Occasion.WEEKLY) -> str:
    decision = decided(outcome, in_force, occasion)
    assert isinstance(decision, Kept), decision
    return decision.reason


def at(hours_ago: float, *, family: str = "ride", moving_seconds: int = 1800) -> Activity:
    started_at = NOW - timedelta(hours=hours_ago)
    return activity(
        int(hours_ago * 10), started_at.date(), family=family, moving_seconds=moving_seconds, started_at=started_at
    )


def test_three_rides_or_runs_of_half_an_hour_within_a_week_are_a_reason_to_look() -> None:
    assert is_due([at(1), at(50, family="run"), at(168)], NOW)
    assert not is_due([at(1), at(50)], NOW)
    assert not is_due([at(1), at(50), at(168.1)], NOW)
    assert not is_due([at(1), at(50), at(60, moving_seconds=1799)], NOW)
    assert not is_due([at(1), at(50), at(60, family="swim")], NOW)
    assert not is_due([at(1), at(50), at(-1)], NOW)


def test_a_highest_heart_rate_that_was_brought_along_is_only_ever_raised_by_what_is_seen() -> None:
    brought = InForce(automatic=standing(195, method="imported"))
    assert "only raise" in kept(estimate(172, kind=Kind.MAX_HR, method="observed"), brought)
    assert row(estimate(200, kind=Kind.MAX_HR, method="observed"), brought).value == 200
    seen_before = InForce(automatic=standing(195, method="observed"))
    assert row(estimate(180, kind=Kind.MAX_HR, method="observed"), seen_before).value == 180
    assert row(estimate(230), InForce(automatic=standing(250, method="imported"))).value == 230


def test_a_first_value_counts_from_the_beginning_and_every_load_is_made_again() -> None:
    first = row(estimate(250), InForce(), Occasion.SIGNIFICANT_WEEK)
    assert (first.value, first.effective_on, first.recompute_from) == (250, FROM_THE_BEGINNING, FROM_THE_BEGINNING)
    assert first.moved is None
    assert not first.suggested
    assert first.evidence["points"] == 4
    assert first.explanation == "The line says so. It is the first and counts for all days."


def test_what_is_not_known_changes_nothing() -> None:
    assert kept(Unknown(Kind.FTP, "Nobody knows."), InForce(standing(250))) == "Nobody knows."


@pytest.mark.parametrize("value", [200 * 0.97, 199, 200, 201, 200 * 1.02])
def test_a_change_within_the_band_waits(value: float) -> None:
    assert "too near" in kept(estimate(value), InForce(standing(200)))


def test_a_change_beyond_the_band_is_written() -> None:
    assert row(estimate(204.1), InForce(standing(200))).value == pytest.approx(204.1)
    assert row(estimate(193.9), InForce(standing(200))).value == pytest.approx(193.9)


@pytest.mark.parametrize(("value", "written"), [(219, 219), (220, 220), (260, 220), (181, 181), (150, 180)])
def test_one_row_moves_by_ten_percent_at_most(value: float, written: float) -> None:
    result = row(estimate(value), InForce(standing(200)))
    assert result.value == pytest.approx(written)
    assert result.evidence["estimate"] == value
    assert ("one step is 10% at most" in result.explanation) == (value in {260, 150})


def test_a_rise_counts_from_the_newest_supporting_activity() -> None:
    assert row(estimate(210, newest=9), InForce(standing(200))).effective_on == days_ago(9)


def test_a_rise_never_counts_before_the_value_that_it_replaces() -> None:
    fallen = standing(200, effective_on=days_ago(2))
    assert row(estimate(210, newest=9), InForce(fallen)).effective_on == days_ago(2)


def test_a_fall_counts_from_the_day_of_the_refit() -> None:
    assert row(estimate(190, newest=9), InForce(standing(200))).effective_on == TODAY


def test_values_rise_any_day_and_fall_in_the_weekly_look_only() -> None:
    assert row(estimate(210), InForce(standing(200)), Occasion.SIGNIFICANT_WEEK).value == 210
    assert "weekly look only" in kept(estimate(190), InForce(standing(200)), Occasion.SIGNIFICANT_WEEK)


def test_ftp_does_not_fall_on_account_of_one_new_activity() -> None:
    def with_new(value_without: float, days: int) -> Estimate:
        return estimate(190, without=(Without(days_ago(days), value_without), Without(days_ago(80), 199.0)))

    assert "one new activity" in kept(with_new(194.0, 39), InForce(standing(200)))
    assert row(with_new(193.9, 39), InForce(standing(200))).value == 190  # it falls without that one too
    assert row(with_new(199.0, 40), InForce(standing(200))).value == 190  # it was known when 200 was written


def test_ftp_falls_to_a_poorer_method_only_when_the_better_one_is_a_year_old() -> None:
    poorer = estimate(190, method="best_20_minutes")
    assert "poorer method" in kept(poorer, InForce(standing(200, written_on=days_ago(364))))
    assert row(poorer, InForce(standing(200, written_on=days_ago(365)))).value == 190
    assert row(poorer, InForce(standing(200, method="best_20_minutes"))).value == 190
    assert row(estimate(190), InForce(standing(200, method="best_20_minutes"))).value == 190


@pytest.mark.parametrize(("value", "again"), [(210.0, False), (210.1, True), (190.0, False), (189.9, True)])
def test_loads_are_made_again_where_the_value_moved_by_more_than_five_percent(value: float, again: bool) -> None:
    result = row(estimate(value), InForce(standing(200)))
    assert (result.recompute_from == result.effective_on) if again else (result.recompute_from is None)
    assert result.moved == pytest.approx(value / 200 - 1)


def test_behind_a_manual_value_a_fit_is_stored_as_a_suggestion_and_moves_no_load() -> None:
    manual = standing(230, method="manual", effective_on=days_ago(20))
    result = row(estimate(250, newest=3), InForce(standing(200), manual))
    assert result.suggested
    assert result.value == pytest.approx(220)  # against the automatic value, not the manual one
    assert result.recompute_from is None
    assert f"The manual value of 230 wins from {days_ago(20)}" in result.explanation
    assert InForce(standing(200), manual).value == manual


def test_before_the_day_of_a_manual_value_a_first_fit_counts() -> None:
    result = row(estimate(250), InForce(None, standing(230, method="manual", effective_on=days_ago(20))))
    assert result.suggested
    assert result.recompute_from == FROM_THE_BEGINNING


def test_a_rule_of_thumb_gives_way_to_what_was_observed_and_never_the_other_way() -> None:
    thumb = estimate(180, kind=Kind.MAX_HR, assumed=True, method="age")
    seen = estimate(200, kind=Kind.MAX_HR, method="observed")
    assert row(thumb, InForce()).assumed
    replaced = row(seen, InForce(standing(180, method="age", assumed=True)))
    assert (replaced.value, replaced.effective_on) == (200, FROM_THE_BEGINNING)
    assert "rule of thumb" in kept(thumb, InForce(standing(200, method="observed")))
    assert row(thumb, InForce(standing(190, method="age", assumed=True))).value == 180


def test_the_resting_heart_rate_falls_in_a_look_of_its_own() -> None:
    readings = [RestingReading(days_ago(days), 50.0) for days in range(5)]
    decision = look_at_rest(readings, InForce(standing(53, method="wellness")), TODAY)
    assert isinstance(decision, Row)
    assert (decision.kind, decision.value, decision.effective_on) == (Kind.RESTING_HR, 50, TODAY)


def a_year(pulse: float) -> list[Activity]:
    """The tests of a season, the heart at `pulse` all out; and half-hours at threshold."""
    tests = [
        activity(
            best.activity_id,
            best.local_on,
            power=best.curve,
            pulses={300: pulse, 720: pulse, 1200: pulse, 1800: pulse - 4},
            heart={1: 188.0, 60: 186.0, 5400: 140.0},
        )
        for best in season()
    ]
    races = [
        activity(
            8_000 + days,
            days_ago(days),
            power=curve(held(1800), 1800, between=140.0),
            pulses={1800: 168.0 + days / 10},
        )
        for days in (10, 20, 30)
    ]
    return tests + races


def test_one_look_decides_everything_that_activities_tell() -> None:
    decisions = {one.kind: one for one in look(a_year(175.0), {}, Occasion.WEEKLY, TODAY, None)}
    assert set(decisions) == set(Kind) - {Kind.RESTING_HR}
    values = {kind: one.value for kind, one in decisions.items() if isinstance(one, Row)}
    assert values[Kind.FTP] == pytest.approx(250, rel=0.005)
    assert values[Kind.MAX_HR] == pytest.approx(187.7, abs=0.1)
    assert values[Kind.LTHR] == pytest.approx(170)
    assert set(values) == {Kind.FTP, Kind.MAX_HR, Kind.LTHR}
    assert isinstance(decisions[Kind.CRITICAL_SPEED], Kept)


def test_best_efforts_at_a_low_heart_rate_are_no_proof() -> None:
    easy = [one for one in a_year(160.0) if one.activity_id < 8_000]
    decisions = {one.kind: one for one in look(easy, {}, Occasion.WEEKLY, TODAY, None)}
    refused = decisions[Kind.FTP]
    assert isinstance(refused, Kept)
    assert "the heart reached 78% of its reserve" in refused.reason
    # Of a lower maximum the same pulse is all out.
    lower = {Kind.MAX_HR: InForce(None, standing(176, method="manual"))}
    assert isinstance({one.kind: one for one in look(easy, lower, Occasion.WEEKLY, TODAY, None)}[Kind.FTP], Row)


def test_a_manual_maximum_is_what_the_heart_is_judged_by() -> None:
    manual = {Kind.MAX_HR: InForce(None, standing(205, method="manual"))}
    decisions = {one.kind: one for one in look(a_year(175.0), manual, Occasion.WEEKLY, TODAY, None)}
    assert isinstance(decisions[Kind.FTP], Kept)
    suggested = decisions[Kind.MAX_HR]
    assert isinstance(suggested, Row)
    assert suggested.suggested


def test_a_maximum_that_is_only_guessed_proves_nothing() -> None:
    without = [one for one in a_year(150.0) if one.activity_id < 8_000]
    guessed = [
        activity(one.activity_id, one.local_on, power=one.power_curve, pulses={1200: 150.0}) for one in without
    ]
    for age_years in (None, 30.0):
        decisions = {one.kind: one for one in look(guessed, {}, Occasion.WEEKLY, TODAY, age_years)}
        assert isinstance(decisions[Kind.FTP], Row)
