"""One vocabulary of news: told thinly, and described to the last field."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from daemon.core.news import TOLD, Topic, told

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "notifications.md"


def test_every_topic_says_what_of_it_is_told() -> None:
    assert set(TOLD) == set(Topic)


def test_what_is_not_listed_is_not_told() -> None:
    body = {"activity_id": 5, "load": 80.0, "name": "At the lake", "explanation": "long"}
    shown = told("activity.processed", 7, body)
    assert shown["athlete_id"] == 7
    assert (shown["activity_id"], shown["load"], shown["method"]) == (5, 80.0, None)
    assert "At the lake" not in shown.values()


def test_of_a_topic_that_only_a_newer_version_knows_nothing_but_the_athlete_is_told() -> None:
    assert told("moon.risen", 7, {"name": "private"}) == {"athlete_id": 7}


@pytest.mark.parametrize("topic", Topic)
def test_the_document_describes_every_topic_with_its_fields(topic: Topic) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(topic)}` \|(.*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    described = re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])
    assert ["athlete_id", *described] == [field.name for field in fields(TOLD[topic])]
