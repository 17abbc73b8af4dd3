"""Bears so many attempts of one sender, and so many of all together; told in the log at most once a minute.

Refuses to know what is attempted.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.core import attempts
from daemon.core.attempts import Allowance, Bucket, Network

log = structlog.get_logger()

MOST_SENDERS: Final = 1024
TOLD_EVERY_SECONDS: Final = 60.0
PROXIES: Final[web.AppKey[Sequence[Network]]] = web.AppKey("proxies", Sequence)


class Throttle:
    """Counts attempts of one kind; `what` names it in the log."""

    def __init__(self, each: Allowance, everybody: Allowance, clock: Clock, what: str) -> None:
        self._each = each
        self._everybody = everybody
        self._clock = clock
        self._what = what
        self._all = attempts.full(everybody, clock.elapsed_seconds())
        self._senders: OrderedDict[str, Bucket] = OrderedDict()
        self._told_at = -math.inf

    def take(self, sender: str) -> float | None:
        """Count an attempt; returns in how many seconds one is borne, where none is now."""
        at = self._clock.elapsed_seconds()
        mine = attempts.take(self._senders.get(sender) or attempts.full(self._each, at), self._each, at)
        everybodys = attempts.take(self._all, self._everybody, at)
        if isinstance(mine, float) or isinstance(everybodys, float):
            if at - self._told_at > TOLD_EVERY_SECONDS:
                self._told_at = at
                log.warning(
                    "attempt.throttled", what=self._what, sender=sender, everybody=isinstance(everybodys, float)
                )
            return max(wait for wait in (mine, everybodys) if isinstance(wait, float))
        self._all = everybodys
        self._senders[sender] = mine
        self._senders.move_to_end(sender)
        while len(self._senders) > MOST_SENDERS:  # who is forgotten starts anew; the bucket for all holds
            self._senders.popitem(last=False)
        return None

    def give_back(self, sender: str) -> None:
        """Take an attempt out of the count: it was none."""
        self._all = attempts.give_back(self._all, self._everybody)
        if sender in self._senders:
            self._senders[sender] = attempts.give_back(self._senders[sender], self._each)


def sender_of(request: web.Request) -> str:
    """Return whom attempts of this request are counted against."""
    # Some proxies add to the header, some add another of its name.
    forwarded_for = ",".join(request.headers.getall("X-Forwarded-For", []))
    return attempts.sender(request.remote, forwarded_for or None, request.app[PROXIES])


def believe(app: web.Application, proxies: Iterable[str]) -> None:
    """Have `sender_of` believe these networks' X-Forwarded-For, in every request of the application."""
    app[PROXIES] = tuple(ipaddress.ip_network(name) for name in proxies)
