"""The description as people read it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.web.endpoints import Endpoint, Who
from daemon.web.openapi import document
from daemon.web.pages.prose import pieces
from daemon.web.problems import CONFLICT
from daemon.web.readable import Address, chapters, messages
from tests.support.described import Ask, Done, Part, Sent, Whole, endpoint


def read(only: Endpoint) -> Address:
    (chapter,) = chapters(document([only]))
    (address,) = chapter.addresses
    return address


def test_fields_stand_below_the_field_that_holds_them() -> None:
    (answer,) = [each for each in read(endpoint("GET", "/a", Who.READ, answers=Whole)).answers if each.rows]

    assert (answer.status, answer.kind, answer.text) == (200, "Whole", "A whole.")
    assert [(row.name, row.deep) for row in answer.rows] == [
        ("state", 0), ("parts", 0), ("on", 1), ("note", 1), ("by_sport", 0), ("at", 0),
    ]  # fmt: skip
    kinds = {row.name: row.kind for row in answer.rows}
    assert kinds == {
        "state": "“done”",
        "parts": "list of Part",
        "on": "day",
        "note": "text or null",
        "by_sport": "number by name",
        "at": "instant or null",
    }


def test_a_choice_of_shapes_is_told_as_one() -> None:
    (answer,) = [each for each in read(endpoint("GET", "/a", Who.READ, answers=Part | Sent)).answers if each.rows]
    assert answer.kind == "Part or Sent"
    assert [row.name for row in answer.rows if row.name.startswith("either")] == ["either Part", "either Sent"]


def test_parameters_say_what_they_may_be_and_what_holds_otherwise() -> None:
    address = read(endpoint("GET", "/a/{a_id}", Who.READ, answers=Whole, query=Ask))
    rows = {row.name: row for row in address.parameters}

    assert rows.keys() == {"a_id", "sport", "days", "must"}  # headers are told once for all
    assert rows["days"].kind == "whole number, 1 to 30; otherwise 7; in the query"
    assert rows["sport"].kind == "“ride”, “run”; in the query"
    assert (rows["must"].is_required, rows["days"].is_required) == (True, False)


def test_a_call_has_what_it_must_have_and_no_more() -> None:
    shown = read(endpoint("GET", "/a/{a_id}", Who.READ, answers=Whole, query=Ask))
    sent = read(endpoint("PUT", "/me/a", Who.ATHLETE, body=Sent))
    plain = read(endpoint("GET", "/a", Who.ANYONE, answers=Whole))

    assert shown.call.splitlines() == [
        "curl \\",
        "  -H 'Authorization: Bearer dmq_…' \\",
        "  'https://domestique.example.org/a/4711?must=MUST'",
    ]
    assert plain.call == "curl 'https://domestique.example.org/a'"
    assert "-X PUT" in sent.call
    assert "-H 'X-CSRF-Token: …'" in sent.call
    assert """-d '{"parts":[{"on":"2026-03-01","note":"NOTE"}]}'""" in sent.call


def test_problems_lead_to_where_they_are_told() -> None:
    address = read(endpoint("POST", "/a", Who.OPERATE, problems=(CONFLICT,)))
    assert ("/problems/conflict", "problems-conflict") in [(each.type, each.anchor) for each in address.problems]
    assert address.who == "a token that may operate or an operator who is signed in, with the page's proof"


def test_a_message_is_told_with_the_fields_of_its_data() -> None:
    (told,) = messages(document([], {"ride": Done}))
    assert (told.type, told.says) == ("ride", "A ride is done. And nobody is tired.")
    assert [(row.name, row.kind) for row in told.rows] == [("ride_id", "whole number"), ("note", "text or null")]


def test_marks_of_code_and_stress_are_taken_apart() -> None:
    found = [(each.how, each.text) for each in pieces("**Who.** Send `a: b`, or none.")]
    assert found == [("strong", "Who."), ("plain", " Send "), ("code", "a: b"), ("plain", ", or none.")]


@settings(max_examples=50)
@given(st.text(alphabet="ab`* \n", max_size=40))
def test_no_text_is_lost_or_made_up(text: str) -> None:
    def letters(of: Any) -> str:
        return "".join(letter for letter in of if letter not in "`*")

    assert letters("".join(each.text for each in pieces(text))) == letters(text)
