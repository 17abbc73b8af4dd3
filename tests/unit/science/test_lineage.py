"""Which row of a threshold counts: for a local day, and for a fit of today."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.science.evidence import Kind
from daemon.science.in_force import Threshold
from daemon.science.lineage import MANUAL, Entry, entries_on, standings, thresholds_on
from daemon.science.thresholds import InForce

JUNE = date(2026, 6, 1)


def entry(
    threshold_id: int, value: float, day: int, method: str = "critical_power", kind: Kind = Kind.FTP
) -> Entry:
    return Entry(threshold_id, kind, value, method, JUNE + timedelta(days=day), JUNE + timedelta(days=day + 1))


ENTRIES = st.lists(
    st.builds(
        entry,
        st.integers(1, 10_000),
        st.floats(100, 400),
        st.integers(-30, 30),
        st.sampled_from(["critical_power", "imported", MANUAL]),
        st.sampled_from([Kind.FTP, Kind.LTHR]),
    ),
    max_size=12,
    unique_by=lambda one: one.threshold_id,
)


def ftp_on(entries: list[Entry], day: int) -> float | None:
    found = thresholds_on(entries, JUNE + timedelta(days=day), "F").ftp_watts
    return found.value if found is not None else None


def test_a_value_counts_from_its_day_until_the_next() -> None:
    entries = [entry(1, 240, 0), entry(2, 260, 10)]
    assert [ftp_on(entries, day) for day in (-1, 0, 9, 10, 99)] == [None, 240, 240, 260, 260]


def test_a_manual_value_wins_from_its_day_over_whatever_is_fitted_later() -> None:
    entries = [entry(1, 240, 0), entry(2, 250, 5, MANUAL), entry(3, 270, 8)]
    assert [ftp_on(entries, day) for day in (4, 5, 9)] == [240, 250, 250]
    assert [ftp_on([entries[0], entries[2]], day) for day in (4, 5, 9)] == [240, 240, 270]  # withdrawn


def test_of_two_rows_of_one_day_the_later_written_counts() -> None:
    assert ftp_on([entry(2, 260, 0), entry(1, 240, 0)], 0) == 260


def test_each_threshold_lands_where_loads_look_for_it() -> None:
    entries = [entry(place, 10 + place, 0, kind=kind) for place, kind in enumerate(Kind)]
    known = thresholds_on(entries, JUNE, "F")
    found = (
        known.ftp_watts, known.critical_speed_m_per_s, known.css_m_per_s, known.lthr_bpm, known.max_hr_bpm,
        known.resting_hr_bpm,
    )  # fmt: skip
    assert found == tuple(Threshold(10.0 + place, "critical_power", place) for place in range(6))
    assert known.sex == "F"


@settings(max_examples=60, deadline=None)
@given(ENTRIES, st.integers(-40, 40))
def test_nothing_that_is_better_stands_beside_what_is_in_force(entries: list[Entry], day: int) -> None:
    on = JUNE + timedelta(days=day)
    found = entries_on(entries, on)
    for kind in Kind:
        able = [one for one in entries if one.kind is kind and one.effective_on <= on]
        if not able:
            assert kind not in found
            continue
        best = found[kind]
        assert best in able
        if best.method != MANUAL:
            assert all(one.method != MANUAL for one in able)
        rivals = [one for one in able if (one.method == MANUAL) == (best.method == MANUAL)]
        assert all((one.effective_on, one.threshold_id) <= (best.effective_on, best.threshold_id) for one in rivals)


@settings(max_examples=60, deadline=None)
@given(ENTRIES)
def test_what_a_fit_stands_against_is_what_counts_today(entries: list[Entry]) -> None:
    known, in_force = standings(entries, JUNE), entries_on(entries, JUNE)
    assert set(known) == set(in_force)
    for kind, entry_in_force in in_force.items():
        assert known[kind].value is not None
        assert known[kind].value.value == entry_in_force.value  # type: ignore[union-attr]


def test_a_manual_value_hides_the_automatic_one_without_replacing_it() -> None:
    known = standings([entry(1, 240, -9), entry(2, 250, -5, MANUAL), entry(3, 270, -1), entry(4, 300, 1)], JUNE)
    assert set(known) == {Kind.FTP}
    both = known[Kind.FTP]
    assert both.automatic is not None
    assert both.manual is not None
    assert (both.automatic.value, both.manual.value) == (270, 250)
    assert (both.automatic.effective_on, both.automatic.written_on) == (JUNE - timedelta(days=1), JUNE)
    assert standings([], JUNE).get(Kind.FTP, InForce()) == InForce()
