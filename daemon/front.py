"""What this daemon serves, wired: every address and page, with the rooms and loops that it speaks to.

Read `site`: whatever is not in it is not served. Refuses to start anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daemon.config import Settings
from daemon.core.freshness import Policy
from daemon.jobs.rooms import Rooms
from daemon.jobs.sync_trial import SyncTrial
from daemon.loops.inbox import Inbox
from daemon.loops.intervals_hints import IntervalsHints
from daemon.loops.news import Feed
from daemon.loops.pulse import Pulse
from daemon.loops.worker import Worker
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
from daemon.web.notifications import NotificationPages
from daemon.web.operator.overview import OverviewPages, Place
from daemon.web.operator.pages import OperatorPages
from daemon.web.operator.people import PeoplePages
from daemon.web.operator.queue import QueuePages
from daemon.web.operator.sign_in import SignIn
from daemon.web.profile import ProfilePage, StravaApp
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
    """The loops that pages hand something to, or are told something by."""

    pulse: Pulse
    worker: Worker
    inbox: Inbox
    hints: IntervalsHints
    feed: Feed


def site(settings: Settings, rooms: Rooms, running: Running) -> Site:
    """Return all that is answered: Strava's events, monitors, athletes, and whoever holds a token."""
    database, clock, strava = rooms.database, rooms.clock, settings.strava
    client_id, lengths = strava.client_id, window_lengths(settings)
    signing_key = None if strava.signature_mode == "off" else strava.client_secret
    webhook = Webhook(running.inbox, Secrets(strava.webhook_secret, strava.verify_token, signing_key), clock)
    trial = SyncTrial(database, clock, running.worker.wake)
    sessions = Sessions(database, clock)
    guard, allow_private = Guard(database, clock, sessions), settings.notifications.allow_private
    notifications = NotificationPages(database, rooms.cipher, rooms.courier, clock, allow_private=allow_private)
    people = PeoplePages(database, client_id, Policy(settings.sync.policy), clock)
    here = Place(client_id, lengths, settings.schedule.timezone)
    leaving = LeavingPages(rooms, sessions, running.worker.wake)
    pages = [
        *ConnectPages(rooms, sessions, strava, settings.backfill.days, running.worker.wake).routes(),
        *leaving.routes(),
        *SignIn(database, guard, sessions).routes(),
        *OperatorPages(database, sessions, people).routes(),
        *AthletePage(sessions).routes(),
    ]
    endpoints = [
        *leaving.endpoints(),
        *OverviewPages(database, running.pulse, here, clock).endpoints(),
        *QueuePages(database, running.worker.wake).endpoints(),
        *people.endpoints(),
        *HealthPages(running.pulse).endpoints(),
        *QuotaPage(database, client_id, lengths).endpoints(),
        *BackfillPage(database, client_id, lengths).endpoints(),
        *SchedulerPages(database, settings.schedule.timezone).endpoints(),
        *SyncPages(database, client_id, Policy(settings.sync.policy), clock, trial).endpoints(),
        *_athletes_data(settings, rooms, running.worker.wake),
        *webhook.endpoints(),
        *notifications.endpoints(),
        *LivePages(running.feed, sessions, guard, clock).endpoints(),
    ]
    if settings.intervals.webhook_secret:
        endpoints += IntervalsWebhook(running.hints, settings.intervals.webhook_secret).endpoints()
    return Site(Doors(guard, sessions), endpoints, pages)


def _athletes_data(settings: Settings, rooms: Rooms, wake: Callable[[], None]) -> list[Endpoint]:
    """Return what is told about one athlete, to himself and to operators."""
    database, clock, calculator, choices = rooms.database, rooms.clock, rooms.calculator, rooms.choices
    app = StravaApp(settings.strava.client_id, window_lengths(settings), Policy(settings.sync.policy))
    return [
        *ProfilePage(database, clock, app, wake).endpoints(),
        *TrainingPages(database, clock, choices.basis).endpoints(),
        *CurvePages(database, clock, calculator, choices.grade_model).endpoints(),
        *ThresholdPages(database, clock, wake).endpoints(),
        *WellnessPages(database, clock, choices.weights, wake).endpoints(),
        *IntervalsKeys(database, clock, rooms.cipher, wake).endpoints(),
        *RecomputePage(database, clock, calculator, choices, wake).endpoints(),
    ]
