"""The whole machine, wired: read `run` from top to bottom to know it.

What is entered first is left last. So a stop goes backwards through this file: the server stops accepting, what
was accepted is committed, running jobs end or are released, clients close, the pool closes, PostgreSQL stops.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import structlog

from daemon import __version__
from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.config import Settings
from daemon.jobs.kinds import KINDS
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.loops.inbox import Budget, Folding, Inbox
from daemon.loops.pulse import Pulse
from daemon.loops.receiver import Receiver
from daemon.loops.subscription import Keeper
from daemon.loops.supervisor import Supervisor
from daemon.loops.sweeper import Retention, Sweeper
from daemon.loops.worker import Work, Worker
from daemon.notify import notify
from daemon.science.pace import GradeModel
from daemon.store.opening import open_database, window_lengths
from daemon.strava.client import OAuthClient, StravaClient, open_session
from daemon.strava.wire import AppCredentials
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import Vault
from daemon.web.admin import Guard
from daemon.web.health import HealthPages
from daemon.web.quota import QuotaPage
from daemon.web.server import application, serving
from daemon.web.webhook import Secrets, Webhook

log = structlog.get_logger()


async def run(settings: Settings) -> None:  # noqa: PLR0915  (one page, read from top to bottom)
    """Run until SIGTERM or SIGINT; raises RootTaskEnded when a root task ends by itself."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock, lengths = SystemClock(), window_lengths(settings)
    strava, kept = settings.strava, settings.retention
    async with AsyncExitStack() as house:
        # The database: embedded or not, migrated, with this app's rows in it.
        opened = await house.enter_async_context(open_database(settings))
        database = opened.database

        # What jobs work with.
        session = await house.enter_async_context(open_session(strava.timeout_seconds))
        oauth = OAuthClient(session, strava.oauth_url, AppCredentials(strava.client_id, strava.client_secret))
        pace = Pace(settings.quota.requests_per_second, settings.quota.concurrency)
        gate = Gate(database, strava.client_id, lengths, pace, clock)
        rooms = Rooms(
            database=database,
            strava=StravaClient(session, strava.api_url),
            vault=Vault(database, oauth, Cipher(settings.vault.keys), clock),
            gate=gate,
            calculator=await house.enter_async_context(Calculator()),
            clock=clock,
            streams_days=kept.streams_days,
            grade_model=GradeModel(settings.science.grade_model),
        )

        # The loops, from the last that an event passes to the first: stopping drains them in its direction.
        loops = await house.enter_async_context(Supervisor())
        if opened.server is not None:  # one that a command started is taken over when the command ends
            loops.start("embedded PostgreSQL", opened.server.watch())
        pulse = Pulse(database, strava.client_id, lengths, gate.shut_reason, clock)
        await pulse.beat()
        loops.start("pulse", pulse.run())
        work = Work(settings.jobs.workers, settings.jobs.lease_seconds, settings.jobs.max_attempts)
        worker = Worker(rooms, KINDS, work)
        loops.start("leases", worker.renew_leases())  # before the worker: leases are needed until it has drained
        loops.start("worker", worker.run())
        retention = Retention(kept.streams_days, kept.events_days, kept.jobs_days, kept.deauthorized_days)
        sweeper = Sweeper(database, retention, work.max_attempts, clock, worker.wake)
        loops.start("rescue", sweeper.rescue())
        loops.start("prune", sweeper.prune())
        budget = Budget(settings.webhook.owner_looks_per_hour, settings.webhook.looks_per_hour)
        required = strava.signature_mode == "require"
        folding = Folding(database, strava.client_id, budget, clock, worker.wake, signatures_required=required)
        loops.start("folding", folding.run())
        inbox = Inbox(database, folding.wake)
        loops.start("inbox", inbox.write())

        # The door: opened last, closed first.
        signing_key = None if strava.signature_mode == "off" else strava.client_secret
        webhook = Webhook(inbox, Secrets(strava.webhook_secret, strava.verify_token, signing_key), clock)
        guard = Guard(database, clock)
        quota_page = QuotaPage(database, strava.client_id, lengths, guard)
        pages = application([*webhook.routes(), *HealthPages(pulse).routes(), *quota_page.routes()])
        address = await house.enter_async_context(serving(pages, settings.web.host, settings.web.port))
        # Behind an open door only: a stamp says that events can come in, and Strava calls back while we subscribe.
        loops.start("receiver", Receiver(database, strava.client_id, clock).run())
        if strava.callback_url:
            loops.start("subscription", Keeper(database, session, strava, clock).run())

        log.info("daemon.started", version=__version__, address=address, embedded=settings.database.embedded)
        notify("READY=1", f"STATUS=listening on {address}")
        try:
            await loops.until(stop)
        finally:
            log.info("daemon.stopping")
            notify("STOPPING=1")
    log.info("daemon.stopped")
