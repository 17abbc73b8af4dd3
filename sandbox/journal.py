"""What was asked of the sandbox: counts per endpoint and status, and the newest requests one by one.

Refuses to hold bodies and tokens.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it was answered; status 0: the connection was cut instead."""

    number: int
    at: float
    endpoint: str
    method: str
    path: str
    query: str
    athlete_id: int | None
    status: int


class Journal:
    """Counts for `GET /sandbox/counts` and entries for `GET /sandbox/requests`."""

    def __init__(self) -> None:
        self.received = 0
        self.failures = 0
        self.endpoints: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self._entries: deque[Entry] = deque(maxlen=KEPT_REQUESTS)

    def receive(self, endpoint: str) -> int:
        """Count a request at its arrival and number it."""
        self.received += 1
        self.endpoints[endpoint] += 1
        return self.received

    def answer(self, entry: Entry) -> None:
        """Note how a request was answered."""
        self.statuses[str(entry.status)] += 1
        self._entries.append(entry)

    def report(self) -> dict[str, Any]:
        """All counts."""
        return {
            "received": self.received,
            "failures": self.failures,
            "rate_limited": self.statuses["429"],
            "endpoints": dict(self.endpoints),
            "statuses": dict(self.statuses),
        }

    def newest(self, count: int) -> list[dict[str, Any]]:
        """Return the newest entries in the order of their answers."""
        return [asdict(entry) for entry in list(self._entries)[-count:]]
