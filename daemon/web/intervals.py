"""Intervals.icu's webhook: hints, believed for nothing, answered alike whoever they name.

Intervals.icu sends a secret in the body; ours is in the path as well, so that a stranger's body is not even read.
Only a 200 counts there: anything else is sent again.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Final

import structlog
from aiohttp import web
from pydantic import SecretStr

from daemon.core.events import MalformedEvent
from daemon.core.instruments import SILENT, Instruments
from daemon.core.intervals_events import Hints, parse
from daemon.loops.intervals_hints import IntervalsHints
from daemon.web.bodies import BrokenOff, TooLarge, read_bounded
from daemon.web.endpoints import Endpoint, Who, modelled
from daemon.web.models.webhooks import IntervalsHint, Noted, Secret
from daemon.web.problems import BAD_BODY, BODY_TOO_LARGE, NOT_ALLOWED, NOT_FOUND, NOT_STORED, described

log = structlog.get_logger()

LARGEST_BODY: Final = 512 * 1024  # whole records, some 1.5 KB each
READ_WITHIN_SECONDS: Final = 5.0


class IntervalsWebhook:
    """One route; without a secret in the settings it is not there."""

    def __init__(self, hints: IntervalsHints, secret: SecretStr, instruments: Instruments = SILENT) -> None:
        self._hints = hints
        self._secret = secret
        self._instruments = instruments

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        return [
            Endpoint(
                "POST", "/webhook/intervals/{secret}", self.receive, Who.ANYONE, "webhooks",
                "Take hints of Intervals.icu about whose wellness may have changed; the answer is the same whoever"
                " is named.",
                Noted, body=IntervalsHint, in_path={"secret": Secret},
                problems=(NOT_FOUND, NOT_ALLOWED, BAD_BODY, BODY_TOO_LARGE, NOT_STORED),
            )
        ]  # fmt: skip

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 once the hints are noted."""
        if not self._is_secret(request.match_info["secret"]):
            self._instruments.delivery_answered("intervals", "secret_refused")
            log.warning("intervals.secret_refused", where="path")
            raise web.HTTPNotFound
        try:
            async with asyncio.timeout(READ_WITHIN_SECONDS):
                hints = parse(await read_bounded(request, LARGEST_BODY))
        except (MalformedEvent, BrokenOff) as error:
            self._instruments.delivery_answered("intervals", "malformed")
            log.warning("intervals.malformed", reason=str(error))
            return described(BAD_BODY, f"no events: {error}")
        except TooLarge:
            self._instruments.delivery_answered("intervals", "oversized")
            log.warning("intervals.oversized", most=LARGEST_BODY)
            return described(BODY_TOO_LARGE, f"more than {LARGEST_BODY} bytes")
        except TimeoutError:
            self._instruments.delivery_answered("intervals", "timed_out")
            log.warning("intervals.timed_out", seconds=READ_WITHIN_SECONDS)
            return described(NOT_STORED, "not read in time; send it again")
        return self._take(hints)

    def _take(self, hints: Hints) -> web.Response:
        if not self._is_secret(hints.secret):
            self._instruments.delivery_answered("intervals", "secret_refused")
            log.warning("intervals.secret_refused", where="body")
            return described(NOT_ALLOWED, "the secret in the body is wrong")
        if not self._hints.take(hints.earliest):
            self._instruments.delivery_answered("intervals", "not_taken")
            log.warning("intervals.not_taken")
            return described(NOT_STORED, "too many hints wait; send it again")
        self._instruments.delivery_answered("intervals", "hinted")
        log.info("intervals.hinted", athletes=len(hints.earliest))
        return modelled(Noted())

    def _is_secret(self, given: str) -> bool:
        expected = self._secret.get_secret_value()
        return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
