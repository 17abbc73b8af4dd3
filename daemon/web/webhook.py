"""Strava's webhook: the handshake, and events that are durable before they are acknowledged.

The path carries a secret. An event that is well formed is stored whoever it names; whether it is foreign or of an
unknown athlete is decided later, so that every sender sees the same answer after the same time.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web
from pydantic import SecretStr

from daemon.clock import Clock
from daemon.core.errors import Retryable
from daemon.core.events import MalformedEvent, parse
from daemon.core.instruments import SILENT, Instruments
from daemon.core.signature import verify
from daemon.loops.inbox import Inbox
from daemon.store.events import Arrival
from daemon.web.bodies import BrokenOff, TooLarge, read_bounded
from daemon.web.endpoints import Endpoint, Who, modelled
from daemon.web.models.webhooks import Challenge, Handshake, Secret, Stored, StravaEvent
from daemon.web.problems import BAD_BODY, BODY_TOO_LARGE, NOT_ALLOWED, NOT_FOUND, NOT_STORED, Refused, described

log = structlog.get_logger()

TAG: Final = "webhooks"
LARGEST_BODY: Final = 64 * 1024
ANSWER_WITHIN_SECONDS: Final = 1.5  # Strava waits 2 s: https://developers.strava.com/docs/webhooks/


@dataclass(frozen=True, slots=True)
class Secrets:
    """What Strava knows of us: the path, and while it changes the one before as well.

    `signing_key` None means that signatures are not looked at.
    """

    paths: tuple[SecretStr, ...]
    verify_token: SecretStr
    signing_key: SecretStr | None


class Webhook:
    """The two handlers of one path."""

    def __init__(self, inbox: Inbox, secrets: Secrets, clock: Clock, instruments: Instruments = SILENT) -> None:
        self._inbox = inbox
        self._secrets = secrets
        self._clock = clock
        self._instruments = instruments

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        path, in_path = "/webhook/{secret}", {"secret": Secret}
        return [
            Endpoint(
                "GET", path, self.handshake, Who.ANYONE, TAG,
                "Echo Strava's challenge while a subscription is made.",
                Challenge, query=Handshake, in_path=in_path, problems=(NOT_FOUND, NOT_ALLOWED),
            ),
            Endpoint(
                "POST", path, self.receive, Who.ANYONE, TAG,
                "Take one of Strava's events: 200 once it is durable, 503 has Strava send it again.",
                Stored, body=StravaEvent, in_path=in_path,
                problems=(NOT_FOUND, BAD_BODY, BODY_TOO_LARGE, NOT_STORED),
            ),
        ]  # fmt: skip

    async def handshake(self, request: web.Request) -> web.Response:
        """Echo the challenge while the subscription is being created."""
        self._check_path(request)
        challenge = request.query.get("hub.challenge", "")
        token = request.query.get("hub.verify_token", "")
        if request.query.get("hub.mode") != "subscribe" or not _same(token, self._secrets.verify_token):
            log.warning("webhook.handshake_refused")
            raise Refused(NOT_ALLOWED, "hub.mode or hub.verify_token is wrong")
        log.info("webhook.handshake_answered")
        return modelled(Challenge.model_validate({"hub.challenge": challenge}))

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 once the event is durable; 503 makes Strava try again."""
        self._check_path(request)
        received_at = self._clock.now()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                body = await read_bounded(request, LARGEST_BODY)
                event = parse(body)
                arrival = Arrival(event.dedup_key, received_at, body, self._signature(request, body))
                is_new = await self._inbox.accept(arrival)
        except MalformedEvent as error:
            self._instruments.delivery_answered("strava", "malformed")
            log.warning("webhook.malformed", reason=str(error))
            return described(BAD_BODY, f"not an event: {error}")
        except BrokenOff as error:
            self._instruments.delivery_answered("strava", "broken_off")
            log.warning("webhook.broken_off", reason=str(error))
            return described(BAD_BODY, str(error))
        except TooLarge:
            self._instruments.delivery_answered("strava", "oversized")
            log.warning("webhook.oversized", most=LARGEST_BODY)
            return described(BODY_TOO_LARGE, f"more than {LARGEST_BODY} bytes")
        except TimeoutError:
            self._instruments.delivery_answered("strava", "timed_out")
            log.warning("webhook.timed_out", seconds=ANSWER_WITHIN_SECONDS)
            return described(NOT_STORED, "not stored in time; send it again")
        except Retryable as error:
            self._instruments.delivery_answered("strava", "refused")
            log.warning("webhook.refused", reason=str(error))
            return described(NOT_STORED, "not stored; send it again")
        self._instruments.delivery_answered("strava", "stored" if is_new else "repeated")
        log.info(
            "webhook.stored" if is_new else "webhook.repeated",
            object_type=event.object_type,
            aspect_type=event.aspect_type,
            activity_id=event.object_id if event.object_type == "activity" else None,
            athlete_id=event.owner_id,
            signature=arrival.signature,
        )
        return modelled(Stored())

    def _check_path(self, request: web.Request) -> None:
        given = request.match_info["secret"]
        fits = [_same(given, path) for path in self._secrets.paths]  # each is compared: the time tells nothing
        if not any(fits):
            self._instruments.delivery_answered("strava", "secret_refused")
            log.warning("webhook.secret_refused")
            raise web.HTTPNotFound

    def _signature(self, request: web.Request, body: bytes) -> str | None:
        key = self._secrets.signing_key
        if key is None:
            return None
        return verify(request.headers.get("X-Strava-Signature"), body, key.get_secret_value().encode())


def _same(given: str, expected: SecretStr) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.get_secret_value().encode())
