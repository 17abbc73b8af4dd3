"""Calls our own webhook as Strava does while a subscription is made, to explain a refusal.

Strava says little about why it refuses a callback. Seen from this machine more can be told. Refuses to follow
redirects, as Strava does, and to show the path, which is the webhook's secret.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson
from pydantic import SecretStr

from daemon.core.subscription import Wanted

ANSWER_SECONDS: Final = 2.0  # https://developers.strava.com/docs/webhooks/
LARGEST_ANSWER: Final = 4096


@dataclass(frozen=True, slots=True)
class Shaken:
    """What came of a handshake, as seen from this machine: `what` happened, and what to do."""

    answers: bool
    what: str
    advice: str

    def __str__(self) -> str:
        return f"Seen from this machine, {self.what}: {self.advice}"


async def shake(session: aiohttp.ClientSession, wanted: Wanted, verify_token: SecretStr) -> Shaken:
    """Ask the callback for the handshake and return what happened."""
    challenge = secrets.token_hex(8)
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": challenge,
        "hub.verify_token": verify_token.get_secret_value(),
    }
    try:
        async with session.get(
            wanted.callback_url,
            params=query,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        ) as response:
            status, body = response.status, await response.content.read(LARGEST_ANSWER)
    except TimeoutError:
        return _seen(wanted, f"does not answer within {ANSWER_SECONDS:.0f} s", "is the daemon overloaded?")
    except (aiohttp.ClientError, ValueError) as error:
        # The message may hold the address, and with it the secret.
        why = f"cannot be reached ({type(error.__cause__ or error).__name__})"
        return _seen(wanted, why, "start the daemon, and see that name, certificate and proxy lead to it")
    if status == 200 and _echoes(body, challenge):
        return _seen(
            wanted,
            "answers as it should",
            "so look at the way from the internet to it: DNS, firewall, certificate chain, and a proxy that treats"
            " strangers differently",
            answers=True,
        )
    advice = {
        404: "the proxy leads elsewhere, or the daemon there runs with another strava.webhook_secret",
        403: "the daemon there runs with another strava.verify_token, or the proxy refuses strangers",
    }.get(status, "something answers in the daemon's place: strava.callback_url must lead to it without a detour")
    return _seen(wanted, f"answers {status}" + (" without the challenge" if status == 200 else ""), advice)


def _seen(wanted: Wanted, what: str, advice: str, *, answers: bool = False) -> Shaken:
    return Shaken(answers, f"{wanted.shown} {what}", advice)


def _echoes(body: bytes, challenge: str) -> bool:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(answer, dict) and answer.get("hub.challenge") == challenge
