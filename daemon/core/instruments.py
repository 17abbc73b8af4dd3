"""What happened, told to whoever counts it: the words between the rooms that do things and `metrics`.

Every word is one of few, and nobody is told about whom or what it happened: no athlete, no path, no message. It
refuses to count; commands, which nobody scrapes, tell `SILENT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, TypeAlias

from daemon.core.admission import Lane

Service: TypeAlias = Literal["strava", "intervals"]
Refresh: TypeAlias = Literal["refreshed", "refused", "failed"]
Ending: TypeAlias = Literal["done", "retried", "deferred", "died", "released", "lease_lost", "not_settled"]


class Instruments(Protocol):
    """Is told; durations are in seconds of elapsed time unless said otherwise. Nothing here raises or waits."""

    def delivery_answered(self, source: Service, outcome: str) -> None:
        """Say how a delivery to a webhook was answered; `outcome` as the log event names it."""

    def events_folded(self, outcomes: Mapping[str, int]) -> None:
        """Say what became of stored events, and of how many."""

    def load_stored(self, lane: Lane, seconds: float) -> None:
        """Say that what an event told now stands with its load, `seconds` of wall time after it came."""

    def job_ended(self, kind: str, ending: Ending, seconds: float) -> None:
        """Say how a claimed job ended."""

    def jobs_rescued(self, requeued: int, died: int) -> None:
        """Say that jobs of dead workers were queued again, or buried."""

    def permits_given(self, lane: Lane, count: int) -> None:
        """Say that permits were charged to the ledger."""

    def permits_refused(self, lane: Lane) -> None:
        """Say that permits were refused: the work goes back to the queue."""

    def step_waited(self, lane: Lane, seconds: float) -> None:
        """Say how long a step waited for its place, its pace and its permits."""

    def call_ended(self, service: Service, endpoint: str, status: int | None, seconds: float) -> None:
        """Say how one send ended; None: no whole answer came."""

    def token_refreshed(self, outcome: Refresh) -> None:
        """Say how the refresh of a token ended."""

    def computed(self, work: str, seconds: float) -> None:
        """Say that the worker process has done a piece of work."""

    def loop_lagged(self, seconds: float) -> None:
        """Say how late the event loop was when it was looked at."""


class Silent:
    """Tells nobody."""

    def delivery_answered(self, source: Service, outcome: str) -> None:
        """Keep it."""

    def events_folded(self, outcomes: Mapping[str, int]) -> None:
        """Keep it."""

    def load_stored(self, lane: Lane, seconds: float) -> None:
        """Keep it."""

    def job_ended(self, kind: str, ending: Ending, seconds: float) -> None:
        """Keep it."""

    def jobs_rescued(self, requeued: int, died: int) -> None:
        """Keep it."""

    def permits_given(self, lane: Lane, count: int) -> None:
        """Keep it."""

    def permits_refused(self, lane: Lane) -> None:
        """Keep it."""

    def step_waited(self, lane: Lane, seconds: float) -> None:
        """Keep it."""

    def call_ended(self, service: Service, endpoint: str, status: int | None, seconds: float) -> None:
        """Keep it."""

    def token_refreshed(self, outcome: Refresh) -> None:
        """Keep it."""

    def computed(self, work: str, seconds: float) -> None:
        """Keep it."""

    def loop_lagged(self, seconds: float) -> None:
        """Keep it."""


SILENT: Final = Silent()
