"""Who may speak for which athlete: access tokens, rotating refresh tokens, scopes.

Refuses to know HTTP and clocks: `now` is an argument, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

LIFETIME_SECONDS = 21_600
CODE_SECONDS = 600
RENEWED_WHEN_LEFT_SECONDS = 3_600
FULL_SCOPE = "read,activity:read_all,profile:read_all"


@dataclass(slots=True)
class Grant:
    """What one athlete granted the app, with the tokens in force."""

    athlete_id: int
    scope: str
    refresh_token: str
    access_token: str
    expires_at: int

    def covers(self, scope: str) -> bool:
        """Say whether this scope, or the wider one that includes it, was granted."""
        granted = self.scope.split(",")
        return scope in granted or f"{scope}_all" in granted


@dataclass(frozen=True, slots=True)
class Code:
    """What an athlete consented to, until the app exchanges it."""

    athlete_id: int
    scope: str
    issued_at: float


class Doubt(StrEnum):
    """Why an access token is refused."""

    UNKNOWN = "unknown"
    DEAD = "dead"


class Tokens:
    """All grants; token texts follow from the seed, so that a world can be rebuilt exactly."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued = 0
        self._grants: dict[int, Grant] = {}
        self._codes: dict[str, Code] = {}
        self._by_refresh: dict[str, int] = {}
        # An access token outlives the refresh that replaced it until its own expiry, as Strava's does.
        self._alive_until: dict[str, tuple[int, int]] = {}
        self._ever: set[str] = set()

    def __len__(self) -> int:
        """Count the connected athletes."""
        return len(self._grants)

    def issue_code(self, athlete_id: int, scope: str, now: float) -> str:
        """Return a code that an app may exchange once, within ten minutes."""
        text = self._mint("code")
        self._codes[text] = Code(athlete_id, scope, now)
        return text

    def redeem(self, text: str, now: float, ready_after: float) -> Code | None:
        """Take a code out of the world; None where it is unknown, spent, too old or younger than `ready_after`."""
        code = self._codes.get(text)
        if code is None or now < code.issued_at + ready_after:
            return None
        del self._codes[text]
        return code if now <= code.issued_at + CODE_SECONDS else None

    def grant(self, athlete_id: int, scope: str, now: float) -> Grant:
        """Connect an athlete, or connect him again: what he had before is dead."""
        self._end(athlete_id)
        grant = Grant(athlete_id, scope, self._mint("refresh"), "", 0)
        self._grants[athlete_id] = grant
        self._by_refresh[grant.refresh_token] = athlete_id
        self._issue_access(grant, now)
        return grant

    def refresh(self, refresh_token: str, now: float) -> Grant | None:
        """Exchange a refresh token; with more than an hour left nothing changes. None: the token is dead."""
        athlete_id = self._by_refresh.get(refresh_token)
        if athlete_id is None:
            return None
        grant = self._grants[athlete_id]
        if grant.expires_at - now <= RENEWED_WHEN_LEFT_SECONDS:
            self.rotate(athlete_id)
            self._issue_access(grant, now)
        return grant

    def rotate(self, athlete_id: int) -> None:
        """Replace the refresh token; the old one is dead at once."""
        grant = self._grants[athlete_id]
        self._by_refresh.pop(grant.refresh_token, None)
        grant.refresh_token = self._mint("refresh")
        self._by_refresh[grant.refresh_token] = athlete_id

    def holder(self, access_token: str, now: float) -> Grant | Doubt:
        """Return the grant behind an access token, or why there is none."""
        athlete_id, until = self._alive_until.get(access_token, (0, 0))
        if athlete_id in self._grants and now < until:
            return self._grants[athlete_id]
        return Doubt.DEAD if access_token in self._ever else Doubt.UNKNOWN

    def owner_of(self, token: str) -> int | None:
        """Return the athlete that a living access or refresh token speaks for."""
        if token in self._by_refresh:
            return self._by_refresh[token]
        athlete_id, _ = self._alive_until.get(token, (0, 0))
        return athlete_id if athlete_id in self._grants else None

    def age(self, athlete_id: int, expires_at: int) -> None:
        """Let the access token in force expire at this instant."""
        grant = self._grants[athlete_id]
        grant.expires_at = expires_at
        self._alive_until[grant.access_token] = (athlete_id, expires_at)

    def kill_access(self, athlete_id: int) -> None:
        """Refuse the access token in force although a refresh would still return it."""
        self._alive_until.pop(self._grants[athlete_id].access_token, None)

    def revoke(self, athlete_id: int) -> bool:
        """Kill every token and code of an athlete; False where he was not connected."""
        self._codes = {text: code for text, code in self._codes.items() if code.athlete_id != athlete_id}
        return self._end(athlete_id)

    def of(self, athlete_id: int) -> Grant | None:
        """Return an athlete's grant, None once revoked."""
        return self._grants.get(athlete_id)

    def _end(self, athlete_id: int) -> bool:
        grant = self._grants.pop(athlete_id, None)
        if grant is None:
            return False
        del self._by_refresh[grant.refresh_token]
        self._alive_until = {text: held for text, held in self._alive_until.items() if held[0] != athlete_id}
        return True

    def _issue_access(self, grant: Grant, now: float) -> None:
        grant.access_token = self._mint("access")
        grant.expires_at = int(now) + LIFETIME_SECONDS
        self._alive_until[grant.access_token] = (grant.athlete_id, grant.expires_at)

    def _mint(self, kind: str) -> str:
        self._issued += 1
        text = hashlib.blake2b(f"{self._seed}/{kind}/{self._issued}".encode(), digest_size=20).hexdigest()
        self._ever.add(text)
        return text
