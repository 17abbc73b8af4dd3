"""Instruments that remember what they were told."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.core.admission import Lane
from daemon.core.instruments import Ending, Refresh, Service


class Told:
    """One list, in order; durations are only checked to be some."""

    def __init__(self) -> None:
        self.words: list[tuple[object, ...]] = []

    def _take(self, *words: object, seconds: float = 0.0) -> None:
        assert seconds >= 0.0
        self.words.append(words)

    def delivery_answered(self, source: Service, outcome: str) -> None:
        self._take("delivery", source, outcome)

    def events_folded(self, outcomes: Mapping[str, int]) -> None:
        self._take("folded", dict(outcomes))

    def load_stored(self, lane: Lane, seconds: float) -> None:
        self._take("load", lane.value, round(seconds))

    def job_ended(self, kind: str, ending: Ending, seconds: float) -> None:
        self._take("job", kind, ending, seconds=seconds)

    def jobs_rescued(self, requeued: int, died: int) -> None:
        self._take("rescued", requeued, died)

    def permits_given(self, lane: Lane, count: int) -> None:
        self._take("given", lane.value, count)

    def permits_refused(self, lane: Lane) -> None:
        self._take("refused", lane.value)

    def step_waited(self, lane: Lane, seconds: float) -> None:
        self._take("waited", lane.value, seconds=seconds)

    def call_ended(self, service: Service, endpoint: str, status: int | None, seconds: float) -> None:
        self._take("call", service, endpoint, status, seconds=seconds)

    def token_refreshed(self, outcome: Refresh) -> None:
        self._take("token", outcome)

    def computed(self, work: str, seconds: float) -> None:
        self._take("computed", work, seconds=seconds)

    def loop_lagged(self, seconds: float) -> None:
        self._take("lag", seconds=seconds)
