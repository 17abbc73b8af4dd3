"""How an athlete goes, and takes along what is his.

    GET    /athlete/leave            what will be erased, and the word that does it
    POST   /athlete/leave            the same as a form of that page
    POST   /me/disconnect            {"confirm": "erase"}
    GET    /me/export                everything that is held of him, as a zip
    DELETE /athletes/{id}            by the operator's hand
    GET    /athletes/{id}/export

Refuses to erase by itself: a job does, seconds later, and again after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import IO, Final

import structlog
from aiohttp import web
from pydantic import ValidationError

from daemon.jobs import athlete_export, erase_athlete
from daemon.jobs.erase_athlete import By
from daemon.jobs.rooms import Rooms
from daemon.store import athletes
from daemon.store.athletes import Belongings
from daemon.web.bodies import BrokenOff, TooLarge, form_of, read_bounded
from daemon.web.doors import OF_ATHLETE, OF_HIMSELF
from daemon.web.endpoints import Endpoint, Who, modelled, whose
from daemon.web.models.leaving import Confirmation, Erasure
from daemon.web.pages.rendering import page
from daemon.web.pages.trouble import Trouble, showing
from daemon.web.problems import BAD_BODY, BODY_TOO_LARGE, BODY_TOO_SLOW, CONFLICT, UNKNOWN_ATHLETE, Refused
from daemon.web.sessions import Kind, Session, Sessions, check_forgery, forget_cookie

log = structlog.get_logger()

WORD: Final = "erase"
PROMISED: Final = timedelta(seconds=60)
LARGEST_BODY: Final = 1024
READ_WITHIN_SECONDS: Final = 15.0
EXPORTS_WAIT_SECONDS: Final = 30.0
TAG: Final = "coming and going"
NOBODY: Final = "`domestique athletes list` shows who there is"


class LeavingPages:
    """`on_queued` is told when there is a job to claim."""

    def __init__(self, rooms: Rooms, sessions: Sessions, on_queued: Callable[[], None]) -> None:
        self._rooms = rooms
        self._sessions = sessions
        self._on_queued = on_queued
        self._exporting = asyncio.Lock()  # one at a time: each is seconds of a core, and a file
        self._asked_for: set[int] = set()  # whose export is made or waits: nobody holds up the others with many

    def routes(self) -> list[web.RouteDef]:
        """Return the pages; `endpoints` are the rest."""
        return [
            web.get("/athlete/leave", showing(self.show)),
            web.post("/athlete/leave", showing(self.leave)),
        ]

    def endpoints(self) -> list[Endpoint]:
        """Return what is answered to machines."""
        disconnect = Endpoint(
            "POST", f"{OF_HIMSELF}/disconnect", self.disconnect, Who.ATHLETE, TAG,
            "End the connection with Strava, erase everything that is held of the athlete, and sign him out.",
            answers=Erasure, status=202, body=Confirmation, problems=(BAD_BODY, BODY_TOO_LARGE, BODY_TOO_SLOW),
        )  # fmt: skip
        erase = Endpoint(
            "DELETE", OF_ATHLETE, self.erase, Who.OPERATE, TAG,
            "End an athlete's connection with Strava and erase everything that is held of him.",
            answers=Erasure, status=202, problems=(UNKNOWN_ATHLETE,),
        )  # fmt: skip
        exports = [
            Endpoint(
                "GET", f"{place}/export", self.export, who, TAG,
                "Return everything that is held of the athlete as a zip: JSON, and CSV for spreadsheets.",
                problems=(UNKNOWN_ATHLETE, CONFLICT), produces="application/zip",
            )
            for place, who in ((OF_HIMSELF, Who.ATHLETE), (OF_ATHLETE, Who.READ))
        ]  # fmt: skip
        return [disconnect, erase, *exports]

    async def show(self, request: web.Request) -> web.Response:
        """Say what will be erased, and ask for the word."""
        session = await self._sessions.find(request, Kind.ATHLETE)
        if session is None:
            return web.Response(status=302, headers={"Location": "/"})
        return await self._ask(request, session, wrong_word=False)

    async def leave(self, request: web.Request) -> web.Response:
        """Begin the erasure that the page asked for, and say goodbye."""
        session = await self._sessions.find(request, Kind.ATHLETE)
        if session is None:
            raise Trouble(
                401, "Nobody is signed in.", "Connect with Strava first: only you can erase what is yours."
            )
        await check_forgery(request, session)
        word = str((await form_of(request)).get("confirm", ""))
        if word.strip().strip("“”\"'").lower() != WORD:
            return await self._ask(request, session, wrong_word=True)
        gone = await self._begin(session.athlete_id, "athlete")
        response = page(request, "gone.html", gone=gone)
        forget_cookie(request, response, Kind.ATHLETE.value)
        return response

    async def disconnect(self, request: web.Request) -> web.Response:
        """Begin an athlete's erasure at his own wish."""
        await _check_word(request)
        gone = await self._begin(whose(request), "athlete")
        response = self._answer(gone)
        forget_cookie(request, response, Kind.ATHLETE.value)
        return response

    async def erase(self, request: web.Request) -> web.Response:
        """Begin an athlete's erasure at the operator's wish."""
        return self._answer(await self._begin(whose(request), "operator"))

    async def export(self, request: web.Request) -> web.Response:
        """Return the zip, made before the first byte is sent."""
        athlete_id, now = whose(request), self._rooms.clock.now()
        if athlete_id in self._asked_for:
            raise Refused(CONFLICT, "this export is being made already: wait for it", {"Retry-After": "60"})
        self._asked_for.add(athlete_id)
        try:
            file = await self._make(athlete_id, now)
        finally:
            self._asked_for.discard(athlete_id)
        if file is None:
            raise Refused(UNKNOWN_ATHLETE, NOBODY)
        log.info("athlete.exported", athlete_id=athlete_id)
        name = athlete_export.name_of(athlete_id, now)
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=file, content_type="application/zip", headers=disposition)

    async def _make(self, athlete_id: int, now: datetime) -> IO[bytes] | None:
        """Make the zip when it is its turn; raises Refused where others take too long."""
        try:
            async with asyncio.timeout(EXPORTS_WAIT_SECONDS):
                await self._exporting.acquire()
        except TimeoutError as error:
            detail = "another export is being made: try again in a minute"
            raise Refused(CONFLICT, detail, {"Retry-After": "60"}) from error
        try:
            return await athlete_export.make(self._rooms.database, athlete_id, now)
        finally:
            self._exporting.release()

    async def _ask(self, request: web.Request, session: Session, *, wrong_word: bool) -> web.Response:
        async with self._rooms.database.connection() as connection:
            held = await athletes.belongings(connection, session.athlete_id)
        return page(
            request,
            "leave.html",
            422 if wrong_word else 200,
            csrf=session.csrf,
            held=held,
            word=WORD,
            wrong_word=wrong_word,
        )

    async def _begin(self, athlete_id: int, by: By) -> Belongings:
        async with self._rooms.database.transaction() as connection:
            gone = await erase_athlete.begin(connection, athlete_id, by, self._rooms.clock.now())
        if gone is None:
            raise Refused(UNKNOWN_ATHLETE, NOBODY)
        self._on_queued()
        log.info("athlete.departure_begun", athlete_id=athlete_id, by=by)
        return gone

    def _answer(self, gone: Belongings) -> web.Response:
        by = self._rooms.clock.now() + PROMISED
        erasure = Erasure(
            athlete_id=gone.athlete_id,
            activities=gone.activities,
            thresholds=gone.thresholds,
            wellness_days=gone.wellness_days,
            fitness_days=gone.fitness_days,
            by=by,
            says="Everything is being erased, and Strava is told that the connection has ended.",
        )
        return modelled(erasure, 202)


async def _check_word(request: web.Request) -> None:
    try:
        async with asyncio.timeout(READ_WITHIN_SECONDS):
            Confirmation.model_validate_json(await read_bounded(request, LARGEST_BODY))
    except ValidationError as error:
        raise Refused(BAD_BODY, f'nothing was erased: send {{"confirm": "{WORD}"}}') from error
    except BrokenOff as error:
        raise Refused(BAD_BODY, f"nothing was erased: {error}") from error
    except TooLarge as error:
        raise Refused(BODY_TOO_LARGE, f"send at most {LARGEST_BODY} bytes", {"Connection": "close"}) from error
    except TimeoutError as error:
        detail = f"send it within {READ_WITHIN_SECONDS:.0f} s"
        raise Refused(BODY_TOO_SLOW, detail, {"Connection": "close"}) from error
