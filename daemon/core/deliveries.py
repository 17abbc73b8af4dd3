"""How a webhook is made, signed and tried again: pure, after https://www.standardwebhooks.com.

A delivery is tried eleven times within about a day, whatever the receiver answers: it may be a deployment, a wrong
address or a full disk, and we cannot tell which. Only 410 says that it is not wanted any more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

KIND: Final = "deliver"  # of the jobs
PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
FEWEST_SECRET_BYTES: Final = 24
MOST_SECRET_BYTES: Final = 64
PING: Final = "ping"
GRACE_HOURS: Final = 24  # for which an old secret signs beside a new one, unless told otherwise
MOST_GRACE_HOURS: Final = 7 * 24

# After the first attempt, the second, …; 23 h 43 min in all.
DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 36000)
)
ATTEMPTS: Final = len(DELAYS) + 1
SPREAD: Final = 0.1
MOST_PATIENT: Final = timedelta(hours=6)  # what a Retry-After is followed to
SOONEST: Final = timedelta(seconds=5)  # that a delivery is looked at again which found no place
SOON: Final = timedelta(minutes=1)  # by when, where nothing has waited for long
LATEST: Final = timedelta(minutes=30)
HOPELESS: Final = timedelta(days=5)  # an endpoint that nothing has reached for so long is disabled


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook, the same at every attempt; `occurred_at` is when it was news."""

    message_id: str
    type: str
    occurred_at: datetime
    data: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """Return what is sent, and signed."""
        content = {"type": self.type, "timestamp": self.occurred_at.astimezone(UTC), "data": self.data}
        return orjson.dumps(content, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Ping:
    """Sent by hand, to see whether it arrives and is understood."""

    endpoint_id: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; `status` None: nothing came, and `fault` says how that was."""

    status: int | None
    fault: str = ""
    retry_after: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status == 410

    @property
    def sentence(self) -> str:
        """Say it, with what to do where there is something."""
        if self.status is None:
            return self.fault
        if 300 <= self.status < 400:
            return f"it answered {self.status}, and redirects are not followed: give the address that it leads to"
        return f"it answered {self.status}"


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at `at`."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It was tried for a day: a dead letter, which can be sent again by hand."""

    reason: str


def next_attempt(answer: Answer, attempts: int, now: datetime, jitter: float) -> Retry | GiveUp:
    """Decide after the `attempts`-th attempt failed; `jitter` is uniform in 0…1.

    A Retry-After is followed where it asks for more patience than ours, up to six hours.
    """
    if attempts >= ATTEMPTS:
        return GiveUp(f"not delivered in {attempts} attempts over about a day; at the last, {answer.sentence}")
    wait = DELAYS[max(attempts, 1) - 1] * (1 + SPREAD * (2 * jitter - 1))
    asked = asked_for(answer.retry_after, now)
    return Retry(now + max(wait, min(asked, MOST_PATIENT)), answer.sentence)


def asked_for(retry_after: str | None, now: datetime) -> timedelta:
    """Return how long a Retry-After asks to wait: seconds or a date, nothing where it is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return timedelta(0)
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(timedelta(0), at - now)


def put_off(waits_since: datetime, failing_since: datetime | None, now: datetime, jitter: float) -> datetime:
    """Decide when a delivery that found no place is looked at again; `jitter` is uniform in 0…1.

    The longer it has waited, or its endpoint has failed, the later: a backlog of thousands that looks every few
    seconds would keep a core busy.
    """
    so_long = now - min(waits_since, failing_since or waits_since)
    return now + SOONEST + (min(max(so_long, SOON), LATEST) - SOONEST) * jitter


def is_hopeless(failing_since: datetime | None, now: datetime) -> bool:
    """Tell whether an endpoint has failed without a break for so long that it is to be disabled."""
    return failing_since is not None and now - failing_since >= HOPELESS


def message_id(transaction_id: str, news_id: int, written_at: datetime) -> str:
    """Return the id of a piece of news: the same from every daemon, at every attempt, to every endpoint.

    The instant is in it, so that a database that was set up anew does not repeat the ids of the one before.
    """
    what = f"{transaction_id}:{news_id}:{written_at.astimezone(UTC).isoformat()}"
    return "msg_" + hashlib.sha256(what.encode()).hexdigest()[:32]


def headers(message: Message, secrets: Sequence[bytes], now: datetime) -> dict[str, str]:
    """Return the headers of one attempt, signed with each secret in force."""
    stamp = str(int(now.timestamp()))
    signed = b".".join((message.message_id.encode(), stamp.encode(), message.body))
    signatures = (base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": message.message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in signatures),
    }


def written(secret: bytes) -> str:
    """Return a secret as it is shown and kept."""
    return PREFIX + base64.b64encode(secret).decode()


def read(text: str) -> bytes:
    """Return the bytes of a secret; raises ValueError with what one looks like."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except binascii.Error:
        secret = b""
    if not FEWEST_SECRET_BYTES <= len(secret) <= MOST_SECRET_BYTES:
        raise ValueError(
            f"a secret is {PREFIX} and the base64 of {FEWEST_SECRET_BYTES} to {MOST_SECRET_BYTES} random bytes"
        )
    return secret
