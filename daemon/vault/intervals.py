"""Keys of Intervals.icu: sealed at rest, opened for a sync. None can be refreshed: a refused one stays refused."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast

from daemon.intervals.wire import Credential, CredentialKind
from daemon.store import intervals_credentials
from daemon.store.database import Connection
from daemon.store.intervals_credentials import BegunSync
from daemon.vault.cipher import Cipher

# Sealed with the ciphertext, so that neither a row nor its kind can be exchanged for another.
_FIELDS: Final = {"api_key": "intervals API key", "bearer": "intervals token"}


async def store_credential(
    connection: Connection, cipher: Cipher, athlete_id: int, credential: Credential, now: datetime
) -> None:
    """Seal and store an athlete's key, in the caller's transaction."""
    sealed = cipher.seal(athlete_id, _FIELDS[credential.kind], credential.secret)
    await intervals_credentials.put(connection, athlete_id, credential.kind, sealed, now)


def opened(cipher: Cipher, athlete_id: int, sync: BegunSync) -> Credential:
    """Open the key that a sync works with; raises Permanent where none of our keys fits."""
    kind = cast(CredentialKind, sync.kind)
    return Credential(kind, cipher.open(athlete_id, _FIELDS[kind], sync.secret))
