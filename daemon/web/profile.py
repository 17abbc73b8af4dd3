"""Who an athlete is here, how his connections stand, and a look at Strava that he asks for himself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Final

import structlog
from aiohttp import web

from daemon.clock import Clock
from daemon.core import consent
from daemon.core.advice import Standing, advise
from daemon.core.freshness import Policy
from daemon.jobs import backfill_progress, local_days, sync_now, sync_wellness
from daemon.jobs.backlog import Backlog
from daemon.jobs.sync_now import Hindered, TooSoon
from daemon.store import shown_activities, sync_states
from daemon.store.database import Connection, Database
from daemon.web.doors import OF_HIMSELF, both
from daemon.web.endpoints import Endpoint, Who, cached, modelled, whose
from daemon.web.known_athlete import known, nobody
from daemon.web.models.athlete import History, Profile, SyncAsked
from daemon.web.problems import CONFLICT, TOO_SOON, Refused

log = structlog.get_logger()

TAG: Final = "athlete"


class ProfilePage:
    """`policy` is the one by which we look at athletes; `on_queued` is told when there is a job to claim."""

    def __init__(
        self, database: Database, clock: Clock, backlog: Backlog, policy: Policy, on_queued: Callable[[], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._backlog = backlog
        self._policy = policy
        self._on_queued = on_queued

    def endpoints(self) -> list[Endpoint]:
        """Return what is served here."""
        profile = Endpoint(
            method="GET",
            path="",
            handler=self.show,
            who=Who.READ,
            tag=TAG,
            does="Tell who he is here, how his connections and his history stand, and what he should do.",
            answers=Profile,
        )
        sync = Endpoint(
            method="POST",
            path=f"{OF_HIMSELF}/sync",
            handler=self.sync,
            who=Who.ATHLETE,
            tag=TAG,
            does="Look at Strava now for what is new; what is found is told as news.",
            answers=SyncAsked,
            status=202,
            problems=(CONFLICT, TOO_SOON),
        )
        return [*both(profile), sync]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the profile."""
        async with self._database.connection() as connection:
            return cached(request, await self._profile(connection, whose(request), self._clock.now()))

    async def _profile(self, connection: Connection, athlete_id: int, now: datetime) -> Profile:
        athlete = await known(connection, athlete_id)
        looked = await sync_states.get(connection, athlete_id)
        intervals = await sync_wellness.standing(connection, athlete_id)
        history = await self._history(connection, athlete_id)
        standing = Standing(
            state=athlete["state"],
            state_since=athlete["state_since"],
            scope=athlete["scope"],
            intervals_state=intervals["state"],
            history_state=history.state if history is not None else None,
            synced_at=looked.synced_at if looked is not None else None,
            active_at=looked.active_at if looked is not None else None,
        )
        return Profile(
            athlete_id=athlete_id,
            name=athlete["name"],
            state=athlete["state"],
            state_since=standing.state_since,
            missing_scopes=list(consent.missing(standing.scope)),
            intervals=intervals["state"],
            history=history,
            synced_at=standing.synced_at,
            activities=await shown_activities.count(connection, athlete_id),
            today=await local_days.today(connection, athlete_id, now),
            advice=advise(standing, now),
        )

    async def _history(self, connection: Connection, athlete_id: int) -> History | None:
        found = await backfill_progress.read_own(connection, self._backlog, athlete_id)
        if not found.athletes:  # it was never asked for
            return None
        told = {**asdict(found.athletes[0]), "calls_left": found.calls_left, "done_at": found.done_at}
        return History.model_validate({name: told[name] for name in History.model_fields})

    async def sync(self, request: web.Request) -> web.Response:
        """Queue the look, at most one in a while."""
        athlete_id, now = whose(request), self._clock.now()
        async with self._database.transaction() as connection:
            answer = await sync_now.ask(connection, athlete_id, now, self._policy)
        match answer:
            case None:
                raise nobody(athlete_id)
            case Hindered(sentence):
                raise Refused(CONFLICT, sentence)
            case TooSoon(until):
                seconds = max(1, math.ceil((until - now).total_seconds()))
                detail = f"we looked a moment ago: you may ask again in {seconds} s"
                raise Refused(TOO_SOON, detail, {"Retry-After": str(seconds)})
        self._on_queued()
        log.info("sync.asked", athlete_id=athlete_id, job_id=answer.job_id)
        says = "We are looking at Strava: what is new appears here by itself."
        return modelled(SyncAsked(state="queued", says=says), status=202)
