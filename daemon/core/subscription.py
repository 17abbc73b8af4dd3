"""What the app's one push subscription is found to be: ours, gone, or somebody else's.

A callback holds the webhook's secret. Here it comes in and is compared; what goes out is fit to be shown.
Refuses to create or delete: whoever asks decides that from the finding.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit


class State(StrEnum):
    """What the last look at Strava found."""

    VERIFIED = "verified"  # it is there and leads to us
    GONE = "gone"
    ELSEWHERE = "elsewhere"  # it is there and leads to another address
    UNKNOWN = "unknown"  # Strava could not be asked


@dataclass(frozen=True, slots=True)
class Finding:
    """One look's result; `detail` is a sentence for people, without a secret."""

    state: State
    subscription_id: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where events shall go; `base_url` is empty where only the secret tells what is ours."""

    base_url: str
    secret: str

    def __repr__(self) -> str:
        return f"Wanted(base_url={self.base_url!r}, secret='***')"

    @property
    def path(self) -> str:
        """Return the webhook's path below the base."""
        return f"/webhook/{self.secret}"

    @property
    def callback_url(self) -> str:
        """Return the whole address, secret included."""
        return self.base_url + self.path

    @property
    def shown(self) -> str:
        """Return the address as it may be shown."""
        return f"{self.base_url}/webhook/***"

    def is_at(self, callback_url: str) -> bool:
        """Tell whether events that go there come to us."""
        theirs, ours = _split(callback_url), _split(self.callback_url)
        path = theirs.path.rstrip("/")
        if not self.base_url:
            return hmac.compare_digest(path[-len(self.path) :].encode(), self.path.encode())
        same_place = (theirs.scheme, theirs.netloc.lower()) == (ours.scheme, ours.netloc.lower())
        return hmac.compare_digest(path.encode(), ours.path.encode()) and same_place


def judge(seen: Sequence[tuple[int, str | None]], wanted: Wanted, known_id: int | None) -> Finding:
    """Judge what Strava listed, each as id and callback; one without a callback is ours if we know its id."""
    if not seen:
        return Finding(State.GONE, None, "Strava has no subscription for this app: no event will come")
    for subscription_id, callback_url in seen:
        is_ours = subscription_id == known_id if callback_url is None else wanted.is_at(callback_url)
        if is_ours:
            return Finding(State.VERIFIED, subscription_id, f"Strava pushes to {wanted.shown}")
    subscription_id, callback_url = seen[0]
    return Finding(
        State.ELSEWHERE,
        subscription_id,
        f"Strava pushes this app's events to {place(callback_url)}, which is not this installation's webhook",
    )


def place(callback_url: str | None) -> str:
    """Return scheme and host of an address; its path may be somebody's secret, and so may a name in it."""
    parts = _split(callback_url or "")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/…" if host else "an address that it does not show"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # an ill-made IPv6 address
        return SplitResult("", "", "", "", "")
