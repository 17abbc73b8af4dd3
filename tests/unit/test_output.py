"""What others have written is printed as text: it neither styles, nor links, nor steers the terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.cli.backfill import draw, no_bars_yet
from daemon.cli.output import complain, complaints, console, print_table, shown
from daemon.cli.status import MARKS
from daemon.store.backfills import Progress

AT = datetime(2026, 3, 1, tzinfo=UTC)
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
NASTY = ["[/b]", "[red]", "[link=https://x]", ":bike:", "\x1b[2J", "\r\n"]
FOREIGN = st.lists(st.text(max_size=8) | st.sampled_from(NASTY), max_size=6).map("".join)


@pytest.mark.parametrize(
    "name", ["Intervals [/b]", "Easy [commute] ride", "[link=https://example.org]look[/link]", ":bike: to work"]
)
def test_a_name_that_looks_like_markup_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": name}], {"name": "name"}, "")
    console.print(f"the activity is called {name}")
    complain(f"put off: {name}")
    told = capsys.readouterr()
    assert [line.rstrip() for line in told.out.splitlines()] == ["name", name, f"the activity is called {name}"]
    assert told.err == f"put off: {name}\n"


@settings(max_examples=100)
@given(FOREIGN)
def test_no_text_steers_the_terminal(text: str) -> None:
    assert not STEERING.search(shown(text)) and "\n" not in shown(text)
    with console.capture() as printed, complaints.capture() as complained:
        print_table([{"name": text}, {"name": [text]}], {"name": "name"}, "")
        console.print(f"an activity: {text}")
        complain(f"an activity: {text}")
    assert not STEERING.search(printed.get() + complained.get())


def test_what_is_taken_out_leaves_a_mark_and_other_scripts_stay() -> None:
    assert shown("\x1b]0;root\x07\nCôte d’Azur 🚴\u200d♀️ 朝\u202e") == "�]0;root��Côte d’Azur 🚴\u200d♀️ 朝�"


def test_bars_bear_names_as_they_are() -> None:
    bars = no_bars_yet()
    row = Progress(
        athlete_id=1, name="Eve [/b]\x1b[2J", state="fetching", pages=1, found=3, done=1, failed=0, left=2,
        listed_to=None, target_from=AT, started_at=AT, finished_at=None, reason="[red]busy", is_resting=False,
    )  # fmt: skip
    draw(bars, bars.add_task("all", total=None, note=""), {}, [row])
    with console.capture() as printed:
        console.print(bars.get_renderable())
    _, line = printed.get().splitlines()
    assert line.startswith("Eve [/b]�[2J ") and line.rstrip().endswith("1/3 [red]busy")


def test_marks_of_our_own_keep_their_colour() -> None:
    assert {name: (mark.plain, mark.style) for name, mark in MARKS.items()} == {
        "ok": ("ok", "green"),
        "warning": ("warning", "yellow"),
        "failing": ("failing", "red"),
    }
    with console.capture() as printed:
        print_table([{"status": MARKS["failing"]}], {"status": ""}, "")
    assert printed.get().strip() == "failing"
