"""What this daemon serves, wired: every address and page, with the rooms and loops that it speaks to.

Read `site`: whatever is not in it is not served. Refuses to start anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from daemon.config import Settings
from daemon.core.freshness import Policy
from daemon.jobs.backlog import Backlog
from daemon.jobs.rooms import Rooms
from daemon.jobs.sync_trial import SyncTrial
from daemon.loops.inbox import Inbox
from daemon.loops.intervals_hints import IntervalsHints
from daemon.loops.news import Feed
from daemon.loops.pulse import Pulse
from daemon.loops.worker import Worker
from daemon.metrics import Metrics
from daemon.store.opening import window_lengths
from daemon.web.admin import Guard
from daemon.web.athlete_page import AthletePage
from daemon.web.backfill import BackfillPage
from daemon.web.connect import ConnectPages
from daemon.web.curves import CurvePages
from daemon.web.doors import Doors
from daemon.web.endpoints import Endpoint
from daemon.web.health import HealthPages
from daemon.web.intervals import IntervalsWebhook
from daemon.web.intervals_keys import IntervalsKeys
from daemon.web.leaving import LeavingPages
from daemon.web.live import LivePages
from daemon.web.metrics import MetricsPage
from daemon.web.notifications import NotificationPages
from daemon.web.operator.overview import OverviewPages, Place
from daemon.web.operator.pages import OperatorPages
from daemon.web.operator.people import PeoplePages
from daemon.web.operator.queue import QueuePages
from daemon.web.operator.sign_in import SignIn
from daemon.web.profile import ProfilePage
from daemon.web.quota import QuotaPage
from daemon.web.recompute import RecomputePage
from daemon.web.scheduler import SchedulerPages
from daemon.web.sessions import Sessions
from daemon.web.site import Site
from daemon.web.sync import SyncPages
from daemon.web.thresholds import ThresholdPages
from daemon.web.training import TrainingPages
from daemon.web.webhook import Secrets, Webhook
from daemon.web.wellness import WellnessPages


@dataclass(frozen=True, slots=True)
class Running:
    """The loops that pages hand something to or are told something by, and what counts."""

    pulse: Pulse
    worker: Worker
    readers: Worker
    inbox: Inbox
    hints: IntervalsHints
    feed: Feed
    metrics: Metrics


def site(settings: Settings, rooms: Rooms, running: Running) -> Site:
    """Return all that is answered: Strava's events, monitors, athletes, and whoever holds a token."""
    sessions = Sessions(rooms.database, rooms.clock)
    guard = Guard(rooms.database, rooms.clock, sessions)
    people = PeoplePages(rooms.database, settings.strava.client_id, Policy(settings.sync.policy), rooms.clock)
    leaving = LeavingPages(rooms, sessions, running.worker.wake)
    backlog = Backlog(settings.strava.client_id, window_lengths(settings), rooms.clock)
    pages = [
        *ConnectPages(
            rooms,
            sessions,
            settings.strava,
            settings.backfill.days,
            lambda: running.worker.streams_days,
            running.worker.wake,
        ).routes(),
        *AthletePage(sessions).routes(),
        *leaving.routes(),
        *SignIn(rooms.database, guard, sessions).routes(),
        *OperatorPages(rooms.database, sessions, people).routes(),
        *MetricsPage(running.metrics, guard, is_local_open=settings.web.local_metrics).routes(),
    ]
    endpoints = [
        *HealthPages(running.pulse).endpoints(),
        *_webhooks(settings, rooms, running),
        *_about_an_athlete(settings, rooms, running, backlog),
        *leaving.endpoints(),
        *_about_the_house(settings, rooms, running, backlog),
        *people.endpoints(),
        *LivePages(running.feed, sessions, guard, rooms.clock).endpoints(),
    ]
    return Site(Doors(guard, sessions), endpoints, pages)


def _webhooks(settings: Settings, rooms: Rooms, running: Running) -> list[Endpoint]:
    """Return where others push to us."""
    strava = settings.strava
    signing_key = None if strava.signature_mode == "off" else strava.client_secret
    paths = tuple(path for path in (strava.webhook_secret, strava.old_webhook_secret) if path)
    secrets = Secrets(paths, strava.verify_token, signing_key)
    endpoints = Webhook(running.inbox, secrets, rooms.clock, running.metrics).endpoints()
    if settings.intervals.webhook_secret:
        secret = settings.intervals.webhook_secret
        endpoints += IntervalsWebhook(running.hints, secret, running.metrics).endpoints()
    return endpoints


def _about_an_athlete(settings: Settings, rooms: Rooms, running: Running, backlog: Backlog) -> list[Endpoint]:
    """Return what is told about one athlete, to himself and to operators."""
    database, clock, calculator, choices = rooms.database, rooms.clock, rooms.calculator, rooms.choices
    wake = running.worker.wake
    return [
        *ProfilePage(database, clock, backlog, Policy(settings.sync.policy), wake).endpoints(),
        *TrainingPages(database, clock, choices.basis).endpoints(),
        *CurvePages(database, clock, calculator, choices.grade_model).endpoints(),
        *ThresholdPages(database, clock, wake).endpoints(),
        *WellnessPages(database, clock, choices.weights, wake).endpoints(),
        *IntervalsKeys(database, clock, rooms.cipher, running.readers.wake).endpoints(),
        *RecomputePage(database, clock, calculator, choices, wake).endpoints(),
    ]


def _about_the_house(settings: Settings, rooms: Rooms, running: Running, backlog: Backlog) -> list[Endpoint]:
    """Return what operators see and do."""
    database, clock, wake = rooms.database, rooms.clock, running.worker.wake
    client_id, lengths = settings.strava.client_id, window_lengths(settings)
    here = Place(client_id, lengths, settings.schedule.timezone)
    allow_private = settings.notifications.allow_private
    trial = SyncTrial(database, clock, wake)
    return [
        *OverviewPages(database, running.pulse, here, backlog, clock).endpoints(),
        *QueuePages(database, wake).endpoints(),
        *QuotaPage(database, client_id, lengths).endpoints(),
        *BackfillPage(database, backlog).endpoints(),
        *SchedulerPages(database, settings.schedule.timezone).endpoints(),
        *SyncPages(database, client_id, Policy(settings.sync.policy), clock, trial).endpoints(),
        *NotificationPages(database, rooms.cipher, rooms.courier, clock, allow_private=allow_private).endpoints(),
    ]
