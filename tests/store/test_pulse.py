"""The pulse on a real database: what it makes of how late the event loop is."""

from __future__ import annotations

from datetime import datetime

import pytest
from structlog.testing import capture_logs

from daemon.clock import SystemClock
from daemon.core.quota import Lengths
from daemon.loops import pulse as pulse_loop
from daemon.loops.pulse import Pulse
from daemon.loops.staleness import FleetStaleness
from daemon.store.database import Database

CLIENT_ID = 12345
LATE = 1.5


class NoMoreBeats(Exception):
    """The list of delays is at its end."""


class LateClock:
    """Its pulse wakes up as late as the list says, beat after beat."""

    def __init__(self, delays: list[float]) -> None:
        self._delays = delays
        self._elapsed_seconds = 0.0
        self._asleep = False

    def now(self) -> datetime:
        return SystemClock().now()

    def elapsed_seconds(self) -> float:
        if self._asleep:
            self._elapsed_seconds += pulse_loop.EVERY_SECONDS + self._delays.pop(0)
        elif not self._delays:
            raise NoMoreBeats
        self._asleep = not self._asleep
        return self._elapsed_seconds


@pytest.mark.parametrize(
    ("delays", "verdicts"),
    [
        ([LATE, 0.0, LATE, LATE, 0.0], []),
        ([LATE, LATE, LATE], ["failing"]),
        ([LATE, LATE, LATE, LATE, 0.0, LATE], ["failing", "ok"]),
    ],
)
async def test_the_loop_is_called_late_only_after_three_late_beats_in_a_row(
    delays: list[float], verdicts: list[str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse_loop, "EVERY_SECONDS", 0.05)
    clock = LateClock(delays)
    fleet = FleetStaleness(database, CLIENT_ID, SystemClock())
    with capture_logs() as logs, pytest.raises(NoMoreBeats):
        await Pulse(database, CLIENT_ID, Lengths(), lambda: None, fleet, clock).run()
    changes = [line for line in logs if line["event"] == "health.changed"]
    assert [line["verdict"] for line in changes if line["check"] == "event_loop"] == verdicts
