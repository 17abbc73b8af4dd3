"""The admin API on outgoing webhooks: endpoints are made, changed, tried, given new secrets and removed here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Final, TypeVar

import structlog
from aiohttp import web
from pydantic import ValidationError

from daemon.clock import Clock
from daemon.core.events import LARGEST_ID
from daemon.courier.client import Courier
from daemon.jobs import notifications
from daemon.jobs.notifications import Change, Unacceptable, UnknownEndpoint, Unsaid, Wish
from daemon.store import webhook_endpoints
from daemon.store.database import Connection, Database
from daemon.store.webhook_endpoints import Endpoint as Stored
from daemon.vault.cipher import Cipher
from daemon.web import bodies
from daemon.web.answers import whole_number
from daemon.web.bodies import whole_body
from daemon.web.endpoints import Endpoint, Model, Who, modelled, query_of
from daemon.web.models.notifications import (
    ChangedNotification,
    Grace,
    NewNotification,
    Notification,
    Notifications,
    NotificationSecret,
    Pinged,
)
from daemon.web.problems import (
    BAD_BODY,
    BAD_QUERY,
    NOT_FOUND,
    UNACCEPTABLE,
    Refused,
)

log = structlog.get_logger()
M = TypeVar("M", bound=Model)

ALL: Final = "/notifications"
ONE: Final = "/notifications/{endpoint_id}"
TAG: Final = "notifications"
LARGEST_BODY: Final = 16 * 1024
READ_WITHIN_SECONDS: Final = 5.0
BODIES: Final = (*bodies.PROBLEMS, UNACCEPTABLE)


class NotificationPages:
    """Addresses below /notifications."""

    def __init__(
        self, database: Database, cipher: Cipher, courier: Courier, clock: Clock, *, allow_private: bool
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._courier = courier
        self._clock = clock
        self._allow_private = allow_private

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        read, operate = Who.READ, Who.OPERATE
        return [
            Endpoint("GET", ALL, self.list_all, read, TAG, "List where webhooks are sent.", Notifications),
            Endpoint(
                "POST",
                ALL,
                self.add,
                operate,
                TAG,
                "Send webhooks to one more address; its secret is shown this once.",
                NotificationSecret,
                status=201,
                body=NewNotification,
                problems=BODIES,
            ),
            Endpoint(
                "GET", ONE, self.show, read, TAG, "Show how one endpoint does.", Notification, problems=(NOT_FOUND,)
            ),
            Endpoint(
                "PUT",
                ONE,
                self.change,
                operate,
                TAG,
                "Change what is given of an endpoint, stop it, or let it go on from now; absent fields stay.",
                Notification,
                body=ChangedNotification,
                problems=(NOT_FOUND, *BODIES),
            ),
            Endpoint(
                "DELETE",
                ONE,
                self.remove,
                operate,
                TAG,
                "Send no more to an endpoint and forget it.",
                status=204,
                problems=(NOT_FOUND,),
            ),
            Endpoint(
                "POST",
                f"{ONE}/test",
                self.test,
                operate,
                TAG,
                "Send a ping now, once, and tell what came of it.",
                Pinged,
                problems=(NOT_FOUND,),
            ),
            Endpoint(
                "POST",
                f"{ONE}/rotate",
                self.rotate,
                operate,
                TAG,
                "Make a new secret; the one before signs too for a while.",
                NotificationSecret,
                query=Grace,
                problems=(NOT_FOUND, BAD_QUERY),
            ),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """Answer with every endpoint."""
        async with self._database.connection() as connection:
            rows = await webhook_endpoints.list_all(connection)
        return modelled(Notifications(items=[_shown(row) for row in rows]))

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one endpoint."""
        async with self._reading() as connection:
            return modelled(_shown(await notifications.find(connection, _id_of(request))))

    async def add(self, request: web.Request) -> web.Response:
        """Store an endpoint and answer with its secret."""
        given = await _body_of(request, NewNotification)
        wish = Wish(given.url, given.description, given.topics, given.active)
        async with self._writing() as connection:
            stored, secret = await notifications.add(
                connection, self._cipher, wish, allow_private=self._allow_private
            )
        log.info("notification.added", endpoint_id=stored.endpoint_id, origin=stored.origin)
        return modelled(NotificationSecret(notification=_shown(stored), secret=secret), 201)

    async def change(self, request: web.Request) -> web.Response:
        """Replace what was given; what was not stays."""
        endpoint_id = _id_of(request)
        given = await _body_of(request, ChangedNotification)
        said = given.model_fields_set
        wanted = Change(
            url=given.url,
            description=given.description if "description" in said else None,
            topics=given.topics if "topics" in said else Unsaid.UNSAID,
            is_active=given.active if "active" in said else None,
        )
        async with self._writing() as connection:
            stored = await notifications.change(
                connection, self._cipher, endpoint_id, wanted, allow_private=self._allow_private
            )
        log.info("notification.changed", endpoint_id=endpoint_id, origin=stored.origin, state=stored.state)
        return modelled(_shown(stored))

    async def remove(self, request: web.Request) -> web.Response:
        """Forget an endpoint."""
        endpoint_id = _id_of(request)
        async with self._writing() as connection:
            await notifications.remove(connection, endpoint_id)
        log.info("notification.removed", endpoint_id=endpoint_id)
        return web.Response(status=204)

    async def test(self, request: web.Request) -> web.Response:
        """Send a ping and answer with what came of it."""
        async with self._reading() as connection:
            stored = await notifications.find(connection, _id_of(request))
        began = self._clock.elapsed_seconds()
        answer = await notifications.ping(self._courier, self._cipher, stored, self._clock.now())
        seconds = round(self._clock.elapsed_seconds() - began, 3)
        return modelled(
            Pinged(arrived=answer.is_accepted, status=answer.status, says=answer.sentence, seconds=seconds)
        )

    async def rotate(self, request: web.Request) -> web.Response:
        """Make a new secret and answer with it."""
        endpoint_id, grace = _id_of(request), timedelta(hours=query_of(request, Grace).grace_hours)
        async with self._writing() as connection:
            stored, secret = await notifications.rotate(
                connection, self._cipher, endpoint_id, grace, self._clock.now()
            )
        log.info("notification.rotated", endpoint_id=endpoint_id, grace_hours=grace / timedelta(hours=1))
        return modelled(NotificationSecret(notification=_shown(stored), secret=secret))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        async with _told(), self._database.connection() as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Connection]:
        async with _told(), self._database.transaction() as connection:
            yield connection


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        yield
    except UnknownEndpoint as error:
        raise Refused(NOT_FOUND, str(error)) from error
    except Unacceptable as error:
        raise Refused(UNACCEPTABLE, str(error)) from error


def _shown(stored: Stored) -> Notification:
    columns = asdict(stored)
    hidden = ("endpoint_id", "url", "secret", "old_secret")
    shown = {name: value for name, value in columns.items() if name not in hidden}
    return Notification.model_validate({"id": stored.endpoint_id, **shown})


def _id_of(request: web.Request) -> int:
    endpoint_id = whole_number(request.match_info["endpoint_id"], 1, LARGEST_ID)
    if endpoint_id is None:
        raise Refused(NOT_FOUND, "a notification's id is a number: GET /notifications lists them")
    return endpoint_id


async def _body_of(request: web.Request, model: type[M]) -> M:
    """Return the body as its model; raises Refused with the field that is wrong and what it may be."""
    raw = await whole_body(request, LARGEST_BODY, READ_WITHIN_SECONDS)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise Refused(BAD_BODY, f"send JSON: {first['msg']}") from error
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise Refused(UNACCEPTABLE, f"{place}: {first['msg']}") from error
