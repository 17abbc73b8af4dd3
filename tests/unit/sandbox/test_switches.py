"""Faults strike what they were switched on for, as often as they were told to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.switches import Switch, Switchboard, with_wrong_types


def switch(board: Switchboard, kind: str, endpoint: str = "*", **wishes: Any) -> Switch:
    fields: dict[str, Any] = {"count": None, "rate": 1.0, "athlete_id": None, "seconds": 0.0} | wishes
    return board.switch_on(endpoint=endpoint, kind=kind, **fields)


def kinds(struck: list[Switch]) -> list[str]:
    return [one.kind for one in struck]


def test_a_counted_fault_strikes_so_often_and_then_no_more() -> None:
    board = Switchboard(1)
    switch(board, "error_500", "activity", count=2)
    assert [kinds(board.strike("activity", 1)) for _ in range(3)] == [["error_500"], ["error_500"], []]


def test_a_fault_of_one_endpoint_or_athlete_leaves_the_others_alone() -> None:
    board = Switchboard(1)
    switch(board, "html", "streams", athlete_id=7)
    assert board.strike("activity", 7) == []
    assert board.strike("streams", 8) == []
    assert kinds(board.strike("streams", 7)) == ["html"]


def test_a_delay_joins_another_fault_but_two_refusals_take_turns() -> None:
    board = Switchboard(1)
    switch(board, "error_503", count=1)
    switch(board, "reset", count=1)
    switch(board, "delay")
    assert kinds(board.strike("athlete", None)) == ["delay", "error_503"]
    assert kinds(board.strike("athlete", None)) == ["delay", "reset"]
    assert kinds(board.strike("athlete", None)) == ["delay"]


def test_a_rate_strikes_that_share_of_the_requests() -> None:
    board = Switchboard(1)
    one = switch(board, "error_500", rate=0.25)
    for _ in range(2_000):
        board.strike("activity", None)
    assert 0.2 < one.struck / 2_000 < 0.3


def test_faults_are_switched_off_one_by_one_or_all_at_once() -> None:
    board = Switchboard(1)
    first, _ = switch(board, "html"), switch(board, "reset")
    board.switch_off(first.id)
    assert kinds(board.strike("athlete", None)) == ["reset"]
    board.switch_off()
    assert list(board) == []


def shape(value: Any) -> str:
    return type(value).__name__


json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=4), json_values, max_size=6))
def test_no_field_keeps_its_type_when_types_go_wrong(value: dict[str, Any]) -> None:
    wrong = with_wrong_types(value)
    assert wrong.keys() == value.keys()
    for key in value:
        assert shape(wrong[key]) != shape(value[key])


@pytest.mark.parametrize("listed", [[{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]])
def test_the_items_of_a_list_stay_items_with_wrong_fields(listed: list[dict[str, Any]]) -> None:
    wrong = with_wrong_types(listed)
    assert [item.keys() for item in wrong] == [item.keys() for item in listed]
    assert not any(isinstance(item["id"], int) for item in wrong)
