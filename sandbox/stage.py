"""Where deeds are done, by hand or by a scenario, and written down so that they can be done again.

Refuses to know any deed: it reads, performs, labels and records whatever is on its list.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from aiohttp import web

from sandbox.asked import Asked, BadAsk, Missing
from sandbox.strava import FakeStrava

Json = dict[str, Any]

MOST_RECORDED = 100_000
# Fields that hold the id of something made earlier, or its label; and the kind of that thing.
REFERENCES = {"activity_id": "activity", "template": "activity", "fault_id": "fault"}


def number_in(text: str) -> int | None:
    """Return the id that a text is, None where it must be a label."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


class Labels:
    """Names for what was made: ids differ from world to world, labels do not."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._labels: dict[tuple[str, int], str] = {}
        self._numbers: defaultdict[str, count[int]] = defaultdict(lambda: count(1))

    def __contains__(self, label: str) -> bool:
        return label in self._ids

    def give(self, kind: str, made_id: int, label: str | None) -> str:
        """Label what was made, with the next free label of its kind where none is wished; returns the label."""
        numbered = (f"{kind}-{number}" for number in self._numbers[kind])
        text = label or next(free for free in numbered if free not in self._ids)
        self._ids[text] = made_id
        self._labels[kind, made_id] = text
        return text

    def find(self, reference: int | str) -> int:
        """Return an id. Raises Missing for a label that nothing has."""
        if isinstance(reference, int):
            return reference
        if reference in self._ids:
            return self._ids[reference]
        number = number_in(reference)
        if number is None:
            raise Missing(f"nothing is called {reference!r}")
        return number

    def of(self, kind: str, reference: int | str) -> int | str:
        """Return the label of something, or the reference as it came where nothing has been labelled so."""
        number = number_in(reference) if isinstance(reference, str) else reference
        return reference if number is None else self._labels.get((kind, number), reference)


Act = Callable[["Stage"], Json]


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that can be done: the fields it takes, and how they are read before anything happens."""

    fields: tuple[str, ...]
    read: Callable[[Asked], Act]
    makes: str | None = None  # the kind of thing that it makes: that gets a label


class Stage:
    """Does deeds in one world and keeps their record, the newest hundred thousand."""

    def __init__(self, strava: FakeStrava, deeds: Mapping[str, Deed]) -> None:
        self.strava = strava
        self.labels = Labels()
        self._deeds = deeds
        self._began = time.monotonic()
        self._record: deque[Json] = deque(maxlen=MOST_RECORDED)

    def read(self, do: str, body: Json) -> Act:
        """Read a deed without doing it. Raises BadAsk."""
        deed = self._deeds.get(do)
        if deed is None:
            raise BadAsk(f"do must be one of {', '.join(self._deeds)}")
        labelled = ("as",) if deed.makes is not None else ()
        asked = Asked(body, (*deed.fields, *labelled))
        label = asked.take("as", str, "none")
        if not label or label.isdigit():
            raise BadAsk("as must be a name, no number")
        return deed.read(asked)

    def perform(self, do: str, body: Json) -> Json:
        """Read a deed, do it, write it down and return what the control route answers. Raises BadAsk."""
        done = self.read(do, body)(self)
        self._record.append(self._line(do, body, done))
        return done

    def recording(self) -> Iterator[Json]:
        """Return the lines of a scenario that does the same again, oldest first."""
        return iter(tuple(self._record))

    def _line(self, do: str, body: Json, done: Json) -> Json:
        line = {"at": round(time.monotonic() - self._began, 3), "do": do, **body}
        kind = self._deeds[do].makes
        if kind is not None:
            line["as"] = self.labels.give(kind, done["id"], body.get("as"))
        if "seed" in done:
            line["seed"] = done["seed"]  # one that was not asked for comes from the clock
        for name in REFERENCES.keys() & body.keys():
            if body[name] is not None:
                line[name] = self.labels.of(REFERENCES[name], body[name])
        if do == "event" and isinstance(body.get("body"), dict) and isinstance(body["body"].get("object_id"), int):
            object_id = self.labels.of("activity", body["body"]["object_id"])
            line["body"] = body["body"] | {"object_id": object_id}
        return line


STAGE = web.AppKey("stage", Stage)
