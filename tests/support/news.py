"""News held against what is promised of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import TypeAdapter

from daemon.core.news import TOLD, Topic, told


def hold_to_the_description(rows: Iterable[Any]) -> None:
    """Fail on news (rows of topic, athlete_id and body) that a receiver would not get as it is described."""
    for row in rows:
        written = orjson.dumps(told(row["topic"], row["athlete_id"], row["body"]))
        TypeAdapter(TOLD[Topic(row["topic"])]).validate_json(written, strict=True)
