"""Athletes who are signed in on the pages, without the way over Strava."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.store import web_sessions
from daemon.store.database import Connection
from daemon.store.web_sessions import Owner


@dataclass(frozen=True)
class SignedIn:
    """What the browser of an athlete sends: its cookie, and with changes the proof that a page of ours asks."""

    key: str

    @property
    def reading(self) -> dict[str, str]:
        return {"Cookie": f"domestique-athlete={self.key}"}

    @property
    def changing(self) -> dict[str, str]:
        proof = hmac.new(self.key.encode(), b"form", hashlib.sha256).hexdigest()
        return {**self.reading, "X-CSRF-Token": proof}


async def sign_in(connection: Connection, athlete_id: int, now: datetime) -> SignedIn:
    """Open a session of an athlete, as if he had come back from Strava."""
    key = f"a-session-of-{athlete_id}"
    digest = hashlib.sha256(key.encode()).digest()
    await web_sessions.open_session(connection, digest, Owner(athlete_id, None), now, now + timedelta(days=1))
    return SignedIn(key)
