"""A process of its own that calls Strava through a vault, once it is told to.

Run as `python -m tests.support.vault_caller`; reads one line of JSON from standard input (`database`, `url`, `key`,
`athlete_id`), prints `ready`, waits for another line, calls, and prints `called` or the name of the error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pydantic import SecretStr

from daemon.clock import SystemClock
from daemon.core.errors import DomestiqueError
from daemon.logs import configure
from daemon.store.database import Database
from daemon.strava.client import OAuthClient, StravaClient, open_session
from daemon.strava.wire import AppCredentials
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import Vault
from tests.support.counting_admission import CountingAdmission


async def call(orders: dict[str, Any]) -> None:
    async with open_session() as session, Database(orders["database"], pool_size=2) as database:
        oauth = OAuthClient(session, orders["url"], AppCredentials(77, SecretStr("client-secret")))
        vault = Vault(database, oauth, Cipher([SecretStr(orders["key"])]), SystemClock())
        strava = StravaClient(session, orders["url"])
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            await vault.call(orders["athlete_id"], lambda token: strava.athlete(token, CountingAdmission()))
        except DomestiqueError as error:
            print(type(error).__name__, flush=True)
        else:
            print("called", flush=True)


if __name__ == "__main__":
    configure("error", "json")
    asyncio.run(call(json.loads(sys.stdin.readline())))
